package cocoomsim

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"strconv"
	"strings"
)

// visit is one request by one visitor of one tenant.
type visit struct {
	*http.Request
	tenant  *tenant
	who     identity
	session *session
}

// pageError is a failure the visitor is told about in words.
type pageError struct {
	status int
	text   string
}

// Error returns the text the visitor sees.
func (e *pageError) Error() string { return e.text }

// member is anyone, but refuses visitors the app cannot name.
func (a *App) member(serve func(http.ResponseWriter, *visit) error) http.Handler {
	return a.anyone(func(w http.ResponseWriter, v *visit) error {
		if v.who.Email == "" {
			return &pageError{http.StatusForbidden, "Vous n’êtes pas identifié : cette page est réservée aux membres."}
		}
		return serve(w, v)
	})
}

// anyone finds out the tenant, the person and the app's own session, serves,
// and writes the error page if that fails.
func (a *App) anyone(serve func(http.ResponseWriter, *visit) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t := a.tenants[hostname(r.Host)]
		if t == nil {
			http.Error(w, "Plateforme Cocoom inconnue.", http.StatusNotFound)
			return
		}
		v := &visit{Request: r, tenant: t, who: a.identify(t, r)}
		v.session = t.sessions.open(w, r, v.who.Person)
		err := serve(w, v)
		if err == nil {
			return
		}
		var public *pageError
		if !errors.As(err, &public) {
			a.log.ErrorContext(r.Context(), "page failed", "host", t.Host, "path", r.URL.Path, "error", err)
			public = &pageError{http.StatusInternalServerError, "Erreur interne."}
		}
		if err := a.render(w, v, public.status, content{page: "erreur", title: "Erreur " + strconv.Itoa(public.status), data: public.text}); err != nil {
			a.log.ErrorContext(r.Context(), "error page failed", "error", err)
		}
	})
}

// hostname is a Host header without port and trailing dot, in lower case.
func hostname(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// content is one page's share of what render writes.
type content struct {
	page  string // the template
	title string
	data  any
}

// render writes a page inside the app's frame.
func (a *App) render(w http.ResponseWriter, v *visit, status int, c content) error {
	var out bytes.Buffer
	err := a.pages[c.page].ExecuteTemplate(&out, "layout", struct {
		Page, Title, Tenant, SignOut string
		Who                          identity
		Flash                        *flash
		Data                         any
	}{c.page, c.title, v.tenant.Name, a.signOut, v.who, v.session.takeFlash(), c.data})
	if err != nil {
		return fmt.Errorf("render %s: %w", c.page, err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	// The visitor may be gone by now, which is no concern of the app's.
	_, _ = out.WriteTo(w)
	return nil
}

func parsePages() (map[string]*template.Template, error) {
	pages := make(map[string]*template.Template)
	for _, name := range []string{"accueil", "dossier", "profil", "aide", "erreur"} {
		t, err := template.ParseFS(files, "templates/layout.html", "templates/"+name+".html")
		if err != nil {
			return nil, err
		}
		pages[name] = t
	}
	return pages, nil
}

// serveAsset serves the style sheet and the logo: the same for every tenant
// and every visitor, so it starts no session.
func serveAsset(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "public, max-age=3600")
	http.ServeFileFS(w, r, files, strings.TrimPrefix(r.URL.Path, "/"))
}
