// Package cocoomsim is a small stand-in for Cocoom, the ten-year-old
// collaborative web app the gateway is made for: dossiers, notes, tasks,
// files, several customers told apart by the Host header, and a session cookie
// of its own. The demo and the end-to-end tests put it behind the gateway.
//
// It knows nothing of the gateway but HTTP: the identity headers, the signed
// assertion (which it verifies itself, against the JWKS at a configured
// address), the webhook it calls when a task is assigned or closed, and the
// response header by which it tells a channel of a new note. Without any of
// them it says so on its pages. All state is in memory and bounded.
package cocoomsim

import (
	"embed"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Config is what an App is made of.
type Config struct {
	// Tenants are the customers the app serves; at least one.
	Tenants []Tenant
	// SignOutURL is where "Se déconnecter" leads, such as /logout.php, which ends
	// the app's own session; empty means /.gateway/.
	SignOutURL string
	// Log takes what goes wrong behind a page; nil discards it.
	Log *slog.Logger
	// Now tells the time; nil means time.Now.
	Now func() time.Time
}

// Tenant is one customer of the app.
type Tenant struct {
	// Host is the name the browser asks for, without a port.
	Host string
	// Name is the customer's name, for the pages.
	Name string
	// People are the customer's accounts: those a task can be assigned to.
	People []Person

	// HookURL takes the notifications, as form posts; empty: none are sent.
	HookURL string
	// HookToken is the bearer token for HookURL.
	HookToken string
	// NoteChannel is told of new notes, such as "#general", by an X-Notify header
	// on the answer to the form; empty: nobody is.
	NoteChannel string

	// JWKSURL is where the keys of the signed assertion are published. Empty:
	// the app reads the plain identity headers and leaves assertions unread.
	JWKSURL string
	// Issuer is the "iss" an assertion must have; required with JWKSURL.
	Issuer string
	// Audience is the "aud" an assertion must have; empty means Host.
	Audience string
}

// Person is somebody who uses the app.
type Person struct {
	Email string
	Name  string
}

// String is the person's name, or the e-mail address when there is none.
func (p Person) String() string {
	if p.Name != "" {
		return p.Name
	}
	return p.Email
}

// App is the running application, an http.Handler. Make it with New.
type App struct {
	tenants map[string]*tenant
	signOut string
	pages   map[string]*template.Template
	mux     *http.ServeMux
	client  *http.Client
	log     *slog.Logger
	now     func() time.Time
	done    chan struct{}
	close   sync.Once
}

// tenant is a customer with everything the app holds for it.
type tenant struct {
	Tenant
	keys     *keySet
	sessions *sessions
	board    *board
}

//go:embed templates assets
var files embed.FS

// New returns the app, with a few dossiers for each tenant to start from. It
// reports every mistake in cfg at once.
func New(cfg Config) (*App, error) {
	a := &App{
		tenants: make(map[string]*tenant, len(cfg.Tenants)),
		signOut: cfg.SignOutURL,
		client:  newClient(),
		log:     cfg.Log,
		now:     cfg.Now,
		done:    make(chan struct{}),
	}
	if a.signOut == "" {
		a.signOut = "/.gateway/"
	}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	if a.now == nil {
		a.now = time.Now
	}
	if err := a.addTenants(cfg.Tenants); err != nil {
		return nil, err
	}
	var err error
	if a.pages, err = parsePages(); err != nil {
		return nil, fmt.Errorf("parse pages: %w", err)
	}
	a.mux = a.routes()
	return a, nil
}

// Close ends the event feeds, which would otherwise hold up a server's
// graceful stop: register it with http.Server.RegisterOnShutdown.
func (a *App) Close() {
	a.close.Do(func() {
		close(a.done)
		a.client.CloseIdleConnections()
	})
}

// ServeHTTP answers a request for the tenant its Host header names.
func (a *App) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.mux.ServeHTTP(w, r) }

// routes is the whole map of the app.
func (a *App) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("GET /assets/", http.HandlerFunc(serveAsset))
	mux.Handle("GET /{$}", a.member(a.home))
	mux.Handle("GET /dossiers/{n}", a.member(a.dossier))
	mux.Handle("POST /dossiers/{n}/fichiers", a.member(a.upload))
	mux.Handle("POST /taches", a.member(a.assign))
	mux.Handle("POST /taches/cloture", a.member(a.closeTask))
	mux.Handle("POST /notes", a.member(a.addNote))
	mux.Handle("GET /flux", a.member(a.feed))
	mux.Handle("GET /profil", a.anyone(a.profile))
	mux.Handle("GET /aide", a.anyone(a.help))
	mux.Handle("GET /logout.php", a.anyone(a.logout))
	mux.Handle("/", a.anyone(func(http.ResponseWriter, *visit) error {
		return &pageError{http.StatusNotFound, "Cette page n’existe pas."}
	}))
	return mux
}

func (a *App) addTenants(tenants []Tenant) error {
	var errs []error
	if len(tenants) == 0 {
		errs = append(errs, errors.New("no tenants"))
	}
	for i, t := range tenants {
		fail := func(format string, args ...any) {
			errs = append(errs, fmt.Errorf("tenants[%d]: "+format, append([]any{i}, args...)...))
		}
		host := strings.ToLower(t.Host)
		if host == "" {
			fail("host is missing")
		} else if a.tenants[host] != nil {
			fail("host %s is there twice", host)
		}
		for key, value := range map[string]string{"hook_url": t.HookURL, "jwks_url": t.JWKSURL} {
			if value != "" && !isHTTP(value) {
				fail("%s %q is no http:// or https:// URL", key, value)
			}
		}
		if t.JWKSURL != "" && t.Issuer == "" {
			fail("issuer is missing: without it any issuer's assertion would do")
		}
		if t.Audience == "" {
			t.Audience = host
		}
		a.tenants[host] = &tenant{
			Tenant:   t,
			keys:     &keySet{url: t.JWKSURL, client: a.client},
			sessions: newSessions(),
			board:    newBoard(t, a.now()),
		}
	}
	return errors.Join(errs...)
}

func isHTTP(raw string) bool {
	u, err := url.Parse(raw)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}
