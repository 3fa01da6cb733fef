package admin

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

//go:embed templates
var pageFiles embed.FS

const (
	// pageTime bounds the making of a page.
	pageTime = 10 * time.Second
	// pagePolicy lets nothing run, nothing load but our style and icon, and nobody
	// frame a page to have an operator click on it unawares.
	pagePolicy = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)

// pages are what a person sees in a browser. They show what the API of programs
// gives, by the same functions, and need no script.
type pages struct {
	cfg       Config
	keeper    *keeper
	templates *template.Template
	style     []byte
	styleTag  string // changes with the style
}

// newPages gives all below /ui/:
//
//	/ui/                      what needs a person, and how the gateway does
//	/ui/routes, …/HOST        routes with their health; one of them
//	/ui/alarms                what needs a person, with what to do
//	/ui/sessions              who is signed in; …/end ends one, or asks before it ends many
//	/ui/notifications, …/ID   what was asked for; why one is where it is, with replay and cancel
//	/ui/replay                asks, then sends all of a kind again
//	/ui/people                who is somebody, as a file too
//	/ui/audit                 who did what
//	/ui/sign-in, …/sign-out   where there is a token
func newPages(cfg Config, k *keeper) http.Handler {
	p := &pages{cfg: cfg, keeper: k}
	p.templates = template.Must(template.New("").Funcs(pageFuncs()).ParseFS(pageFiles, "templates/*.html"))
	p.style, _ = pageFiles.ReadFile("templates/style.css") // it is there: embedded
	sum := sha256.Sum256(p.style)
	p.styleTag = hex.EncodeToString(sum[:4])

	own := http.NewServeMux()
	own.Handle("/ui/", p.page(p.notFound))
	own.Handle("GET /ui/{$}", p.page(p.overview))
	own.Handle("GET /ui/routes", p.page(p.routes))
	own.Handle("GET /ui/routes/{host}", p.page(p.route))
	own.Handle("GET /ui/alarms", p.page(p.alarms))
	own.Handle("GET /ui/sessions", p.page(p.sessions))
	own.Handle("GET /ui/sessions/end", p.page(p.askToEnd))
	own.Handle("POST /ui/sessions/end", p.act(p.endSessions))
	own.Handle("GET /ui/notifications", p.page(p.notifications))
	own.Handle("GET /ui/notifications/{id}", p.page(p.notification))
	own.Handle("POST /ui/notifications/{id}/replay", p.act(p.replayOne))
	own.Handle("POST /ui/notifications/{id}/cancel", p.act(p.cancelOne))
	own.Handle("GET /ui/replay", p.page(p.askToReplay))
	own.Handle("POST /ui/replay", p.act(p.replayAll))
	own.Handle("GET /ui/people", p.page(p.people))
	own.Handle("POST /ui/people/accept-email", p.act(p.acceptEmail))
	own.Handle("POST /ui/people/export", http.HandlerFunc(p.export))
	own.Handle("GET /ui/audit", p.page(p.audit))
	own.Handle("POST /ui/sign-out", http.HandlerFunc(p.signOut))

	mux := http.NewServeMux()
	mux.HandleFunc("GET /ui/style.css", p.serveStyle)
	mux.HandleFunc("GET /ui/icon.svg", p.serveIcon)
	mux.HandleFunc("GET /ui/sign-in", p.askForToken)
	mux.HandleFunc("POST /ui/sign-in", p.takeToken)
	mux.Handle("/ui/", p.signedIn(own))
	return p.guard(mux)
}

// guard keeps other pages away from ours. What changes something must come from
// a form of this very origin, which no other page can make a browser say.
func (p *pages) guard(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", pagePolicy)
		site := r.Header.Get("Sec-Fetch-Site")
		switch {
		case !p.keeper.mayBeNamed(r):
			p.refuse(w, r, http.StatusForbidden, badName(r))
		case r.Method != http.MethodGet && r.Method != http.MethodHead && !ownForm(r):
			p.refuse(w, r, http.StatusForbidden, "This was asked by a page of another origin. Nothing was done.")
		case (site == "cross-site" || site == "same-site") && r.Header.Get("Sec-Fetch-Mode") != "navigate":
			p.refuse(w, r, http.StatusForbidden, "Other pages may link here, and no more.")
		default:
			h.ServeHTTP(w, r)
		}
	})
}

// ownForm reports whether a browser says that a page of this very origin sends
// the request. Before the listener, a proxy may speak https.
func ownForm(r *http.Request) bool {
	site, origin := r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Origin")
	return (site == "" || site == "same-origin") && (origin == "http://"+r.Host || origin == "https://"+r.Host)
}

// view is a page to show.
type view struct {
	Page    string // its template
	Title   string
	Problem string // what went wrong, for the person; empty: nothing
	Data    any

	Here     string // which of the pages in the navigation this is
	Now      time.Time
	Who      string // who is signed in
	SignedIn bool
	Done     string // what was just done; empty: nothing
	Alarms   int
	StyleTag string
	Version  string
}

// page serves a page that build makes. A mistake of whoever asks is shown on what
// build has made of it.
func (p *pages) page(build func(r *http.Request) (view, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), pageTime)
		defer cancel()
		v, err := build(r.WithContext(ctx))
		status := http.StatusOK
		if err != nil {
			status, v.Problem = p.cfg.failure(r, err)
		}
		v.Done = done(r.URL.Query())
		p.show(w, r, status, v)
	})
}

// act serves a form: do does what it says, and gives the address of the page
// that shows what came of it.
func (p *pages) act(do func(r *http.Request) (string, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), pageTime)
		defer cancel()
		err := r.ParseForm()
		if err != nil {
			err = mistake("the form cannot be read")
		}
		to := ""
		if err == nil {
			to, err = do(r.WithContext(ctx))
		}
		if err != nil {
			status, text := p.cfg.failure(r, err)
			p.refuse(w, r, status, text)
			return
		}
		http.Redirect(w, r, to, http.StatusSeeOther)
	})
}

// refuse shows why nothing was done.
func (p *pages) refuse(w http.ResponseWriter, r *http.Request, status int, text string) {
	p.show(w, r, status, view{Page: "error", Title: http.StatusText(status), Problem: text})
}

func (p *pages) notFound(*http.Request) (view, error) {
	return view{Page: "error", Title: "Not found"}, errNoPage
}

// show writes a page.
func (p *pages) show(w http.ResponseWriter, r *http.Request, status int, v view) {
	v.Page, v.Title = cmp.Or(v.Page, "error"), cmp.Or(v.Title, http.StatusText(status))
	v.Now, v.StyleTag, v.Version = time.Now().UTC(), p.styleTag, p.cfg.Version
	v.Who, v.SignedIn = p.keeper.signedIn(r, v.Now)
	if v.SignedIn || !p.keeper.asks() {
		v.Alarms = len(p.cfg.alarms())
		v.Here, _, _ = strings.Cut(strings.TrimPrefix(r.URL.Path, pagesPath), "/")
		if v.Here == "" {
			v.Here = "overview"
		}
	}
	var b bytes.Buffer
	if err := p.templates.ExecuteTemplate(&b, v.Page, v); err != nil {
		p.cfg.Log.Error("an operators' page cannot be made", "page", v.Page, "error", err)
		http.Error(w, "this page cannot be made; the gateway's log says why", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // a browser that has gone away misses nothing
}

func (p *pages) serveStyle(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("Cache-Control", "private, max-age=86400") // its address changes with it
	_, _ = w.Write(p.style)
}

func (p *pages) serveIcon(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "private, max-age=86400")
	http.ServeFileFS(w, r, pageFiles, "templates/icon.svg")
}

// operator is who asks, for the audit: as they signed in, else where they are.
func (p *pages) operator(r *http.Request) Operator {
	if name, ok := p.keeper.signedIn(r, time.Now()); ok {
		return Operator{name}
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	return Operator{"browser at " + host}
}

// filters are what a page's form asks for: without the fields left empty, and
// without what we add ourselves.
func filters(r *http.Request) url.Values {
	query := r.URL.Query()
	for name, values := range query {
		if name == "done" || name == "n" || len(values) == 0 || strings.TrimSpace(values[0]) == "" {
			query.Del(name)
			continue
		}
		query.Set(name, strings.TrimSpace(values[0]))
	}
	return query
}

// after is the address of the next page of a list; empty: there is none.
func after(r *http.Request, query url.Values, cursor string) string {
	if cursor == "" {
		return ""
	}
	query.Set("cursor", cursor)
	return r.URL.Path + "?" + query.Encode()
}

// deeds is what may just have been done, by ?done=, with ?n= for %d: no other
// text of an address is shown.
var deeds = map[string][2]string{
	"ended":     {"1 session was ended.", "%d sessions were ended."},
	"replayed":  {"1 notification is sent again.", "%d notifications are sent again."},
	"more":      {"", "%d notifications are sent again. There are more: do it again for the rest."},
	"cancelled": {"1 message was cancelled.", "%d messages were cancelled."},
	"accepted":  {"The address was accepted.", ""},
	"signedout": {"You are signed out.", ""},
}

func done(query url.Values) string {
	n, err := strconv.Atoi(cmp.Or(query.Get("n"), "1"))
	words := deeds[query.Get("done")]
	if err != nil || n < 0 {
		return ""
	}
	if n == 1 || words[1] == "" {
		return words[0]
	}
	return fmt.Sprintf(words[1], n)
}
