package admin

import (
	"net/http"
	"net/url"
	"strings"
	"time"
)

// signIn is what the sign-in page shows.
type signIn struct {
	To   string // where to go on
	Name string // as it was given
	Link bool   // whoever is signed in may just go on
}

// signedIn lets those in who have shown the token, and asks others for it.
func (p *pages) signedIn(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, ok := p.keeper.signedIn(r, time.Now())
		switch {
		case ok || !p.keeper.asks():
			h.ServeHTTP(w, r)
		case r.Method == http.MethodPost:
			p.refuse(w, r, http.StatusUnauthorized, "You are not signed in any more. Nothing was done. Sign in, and do it again.")
		default:
			http.Redirect(w, r, "/ui/sign-in?"+url.Values{"to": {r.URL.RequestURI()}}.Encode(), http.StatusSeeOther)
		}
	})
}

// askForToken is the sign-in page. Who comes by a link from elsewhere may be
// signed in although the browser does not say so (SameSite=Strict).
func (p *pages) askForToken(w http.ResponseWriter, r *http.Request) {
	to := ownPath(r.URL.Query().Get("to"))
	if !p.keeper.asks() {
		// #nosec G710 -- ownPath gave it
		http.Redirect(w, r, to, http.StatusSeeOther)
		return
	}
	v := view{Page: "sign-in", Title: "Sign in", Data: signIn{To: to, Link: r.Header.Get("Sec-Fetch-Site") == "cross-site"}, Done: done(r.URL.Query())}
	p.show(w, r, http.StatusOK, v)
}

// takeToken is its form.
func (p *pages) takeToken(w http.ResponseWriter, r *http.Request) {
	// PostForm, never the query: what stands in an address ends up in logs.
	if err := r.ParseForm(); err != nil {
		p.refuse(w, r, http.StatusBadRequest, "The form cannot be read.")
		return
	}
	again := view{Page: "sign-in", Title: "Sign in"}
	who, to := strings.TrimSpace(r.PostForm.Get("name")), ownPath(r.PostForm.Get("to"))
	again.Data = signIn{To: to, Name: who}
	switch {
	case !p.keeper.asks():
		// #nosec G710 -- ownPath gave it
		http.Redirect(w, r, to, http.StatusSeeOther)
	case !p.keeper.knows(strings.TrimSpace(r.PostForm.Get("token"))):
		if again.Problem = "This is not the token. It is the admin_token of the gateway's configuration."; !p.keeper.delay(r) {
			again.Problem = "Too many wrong tokens at once. Try again later."
		}
		p.show(w, r, http.StatusUnauthorized, again)
	case Operator{who}.validate() != nil:
		again.Problem = "Say who you are, in at most 100 bytes: the audit keeps it."
		p.show(w, r, http.StatusBadRequest, again)
	default:
		p.keeper.signIn(w, r, who, time.Now())
		// #nosec G710 -- ownPath gave it
		http.Redirect(w, r, to, http.StatusSeeOther)
	}
}

func (p *pages) signOut(w http.ResponseWriter, r *http.Request) {
	signOut(w, r)
	http.Redirect(w, r, "/ui/sign-in?done=signedout", http.StatusSeeOther)
}

// ownPath is a path of ours with its query, or that of the first page: a link
// must not lead from here to elsewhere.
func ownPath(to string) string {
	u, err := url.Parse(to)
	if err != nil || u.Scheme != "" || u.Host != "" || !strings.HasPrefix(to, pagesPath) || strings.HasPrefix(to, "/ui/sign-") || strings.ContainsAny(to, "\\\r\n") {
		return pagesPath
	}
	return to
}
