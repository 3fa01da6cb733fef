package proxy_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/policy"
	"github.com/cocoom/cocoom-gateway/proxy"
)

// oldApp is an app with a login form, a token against forged requests, and
// sessions of its own, as PHP apps have them.
type oldApp struct {
	*httptest.Server
	// loggedIn answers requests in a session; nil: says who asks for what.
	loggedIn func(w http.ResponseWriter, r *http.Request, user string)
	// form is the page with the form; %s stands for the token.
	form      string
	formType  string
	loggedOut func(w http.ResponseWriter, r *http.Request) // nil: redirects to the form

	mu        sync.Mutex
	passwords map[string]string // by user
	sessions  map[string]string // by id: a user; "" before the login
	tries     []string          // what was posted, decoded
	heads     []http.Header     // of the requests for and of the form
	opened    int               // how often the form was asked for
}

const formPage = `<html><head><title>Connexion</title></head><body><form method="post" action="login.php">
<input type="hidden" name="csrf" value="%s"><input name="login"><input type="password" name="password">
<input type="submit" name="ok" value="Se connecter"></form></body></html>`

const wrongPassword = "Identifiants incorrects"

func newOldApp(t testing.TB) *oldApp {
	t.Helper()
	a := &oldApp{passwords: map[string]string{"lea@agrafmania.fr": "mdp-lea", "paul@agrafmania.fr": "mdp-paul"},
		sessions: map[string]string{}, form: formPage, formType: "text/html; charset=utf-8"}
	a.Server = httptest.NewServer(a)
	t.Cleanup(a.Close)
	return a
}

// ServeHTTP answers as the app.
func (a *oldApp) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := ""
	if c, err := r.Cookie("PHPSESSID"); err == nil {
		id = c.Value
	}
	a.mu.Lock()
	user, known := a.sessions[id]
	a.mu.Unlock()
	switch {
	case r.URL.Path == "/login.php" && r.Method == "POST":
		a.login(w, r, id, known)
	case r.URL.Path == "/login.php":
		a.mu.Lock()
		a.opened++
		a.mu.Unlock()
		a.show(w, r, id, known, "")
	case r.URL.Path == "/logout.php":
		a.end(id)
		http.SetCookie(w, &http.Cookie{Name: "PHPSESSID", Value: "deleted", Path: "/", MaxAge: -1})
		http.Redirect(w, r, "/login.php", http.StatusFound)
	case user != "" && a.loggedIn != nil:
		a.loggedIn(w, r, user)
	case user != "":
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, "%s: %s %s %s", user, r.Method, r.URL, body)
	case a.loggedOut != nil:
		a.loggedOut(w, r)
	default:
		io.Copy(io.Discard, r.Body)
		http.Redirect(w, r, "/login.php?back="+r.URL.Path, http.StatusFound)
	}
}

// begin gives a new session.
func (a *oldApp) begin(w http.ResponseWriter, user string) string {
	id := rand.Text()
	a.mu.Lock()
	a.sessions[id] = user
	a.mu.Unlock()
	w.Header().Add("Set-Cookie", "PHPSESSID="+id+"; path=/")
	return id
}

func (a *oldApp) show(w http.ResponseWriter, r *http.Request, id string, known bool, message string) {
	if !known {
		id = a.begin(w, "")
	}
	a.mu.Lock()
	a.heads = append(a.heads, r.Header.Clone())
	a.mu.Unlock()
	w.Header().Set("Content-Type", a.formType)
	page := a.form
	if strings.Contains(page, "%s") {
		page = fmt.Sprintf(page, "token-"+id)
	}
	io.WriteString(w, page+html.EscapeString(message))
}

func (a *oldApp) login(w http.ResponseWriter, r *http.Request, id string, known bool) {
	r.ParseMultipartForm(1 << 20) // or ParseForm
	a.mu.Lock()
	a.heads = append(a.heads, r.Header.Clone())
	a.tries = append(a.tries, r.PostForm.Encode())
	user := r.PostForm.Get("login")
	right := known && r.PostForm.Get("csrf") == "token-"+id && r.PostForm.Get("ok") != "" && a.passwords[user] != "" && r.PostForm.Get("password") == a.passwords[user]
	if right {
		delete(a.sessions, id)
	}
	a.mu.Unlock()
	if !right {
		a.show(w, r, id, known, wrongPassword)
		return
	}
	a.begin(w, user)
	w.Header().Add("Set-Cookie", "langue=fr; path=/; HttpOnly; SameSite=Strict")
	http.Redirect(w, r, "/accueil.php", http.StatusFound)
}

// end ends the sessions of these ids; of none: all.
func (a *oldApp) end(ids ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(ids) == 0 {
		clear(a.sessions)
	}
	for _, id := range ids {
		delete(a.sessions, id)
	}
}

// posted is what was sent to the form so far.
func (a *oldApp) posted() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]string(nil), a.tries...)
}

// change alters the app while it runs.
func (a *oldApp) change(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f()
}

// formFront is a front whose people are told apart by a header.
type formFront struct {
	*httptest.Server
	t    testing.TB
	app  *oldApp
	logs *lockedBuffer

	mu     sync.Mutex
	now    time.Time
	people map[string]*proxy.Principal
	errors []int
}

func (f *formFront) clock() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

func (f *formFront) advance(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
}

var martin = policy.Identity{Team: "T0AGRAF001", User: "U0PAUL", Email: "paul@agrafmania.fr", Name: "Paul"}

// newFormFront serves app; change may alter the form's configuration, more the
// rest of it.
func newFormFront(t testing.TB, app *oldApp, change func(*proxy.Form), more ...func(*proxy.Config)) *formFront {
	t.Helper()
	f := &formFront{t: t, app: app, logs: &lockedBuffer{}, now: time.Now(), people: map[string]*proxy.Principal{
		"lea": proxy.NewPrincipal(lea, "sid-lea"), "lea-2": proxy.NewPrincipal(lea, "sid-lea-2"), "paul": proxy.NewPrincipal(martin, "sid-paul"),
	}}
	form := &proxy.Form{URL: "/login.php", Cookies: []string{"PHPSESSID"},
		Accounts: "lea@agrafmania.fr: {user: lea@agrafmania.fr, password: mdp-lea}\nU0PAUL: {user: paul@agrafmania.fr, password: mdp-paul}"}
	if change != nil {
		change(form)
	}
	var p *proxy.Proxy
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, session := r.Header.Get("Test-Who"), r.Header.Get("Test-Session")
		r.Header.Del("Test-Who")
		in := proxy.Inbound{Who: f.people[who], ForwardedFor: "203.0.113.7", RequestID: "req-1", SigningOut: r.Header.Get("Test-Leaves") != ""}
		if session != "" {
			in.Who = proxy.NewPrincipal(lea, session)
		}
		p.Serve(w, r, in)
	}))
	t.Cleanup(f.Close)
	cfg := proxy.Config{Origin: f.URL, Host: "127.0.0.1", Upstream: proxy.Upstream{URL: app.URL}, Keys: newKeys(t, "ES256"),
		Login: proxy.UpstreamLogin{Form: form}, Log: slog.New(slog.NewJSONHandler(f.logs, nil)), Now: f.clock,
		Error: func(w http.ResponseWriter, _ *http.Request, status int) {
			f.mu.Lock()
			f.errors = append(f.errors, status)
			f.mu.Unlock()
			http.Error(w, fmt.Sprint("page for ", status), status)
		}}
	for _, change := range more {
		change(&cfg)
	}
	var err error
	if p, err = proxy.New(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	t.Cleanup(func() {
		for _, word := range []string{"mdp-", "token-", "PHPSESSID", "lea@", "Identifiants", "login.php"} {
			if strings.Contains(f.logs.String(), word) {
				t.Errorf("the log holds %q: %s", word, f.logs)
			}
		}
	})
	return f
}

// visitor is a browser of one person. It follows redirects, keeps cookies, and
// remembers what it was asked to keep.
type visitor struct {
	http.Client
	f         *formFront
	who       string
	setCookie []string // of the last request, redirects included
	redirects int
}

func (f *formFront) visitor(who string) *visitor {
	jar, _ := cookiejar.New(nil)
	v := &visitor{f: f, who: who}
	transport := &http.Transport{}
	f.t.Cleanup(transport.CloseIdleConnections)
	v.Client = http.Client{Jar: jar, Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		res, err := transport.RoundTrip(r)
		if err == nil {
			v.setCookie = append(v.setCookie, res.Header["Set-Cookie"]...)
			if res.StatusCode >= 300 && res.StatusCode < 400 {
				v.redirects++
			}
		}
		return res, err
	})}
	return v
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// do gives the last answer and its body.
func (v *visitor) do(method, target, body string, headers ...string) (*http.Response, string) {
	v.f.t.Helper()
	req, err := http.NewRequest(method, v.f.URL+target, bytes.NewReader([]byte(body)))
	if err != nil {
		v.f.t.Fatal(err)
	}
	req.Header.Set("Test-Who", v.who)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	v.setCookie, v.redirects = nil, 0
	res, err := v.Do(req)
	if err != nil {
		v.f.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		v.f.t.Fatal(err)
	}
	return res, string(text)
}

func (v *visitor) get(target string, headers ...string) string {
	v.f.t.Helper()
	_, text := v.do("GET", target, "", headers...)
	return text
}

// wants compares what a person sees, and how often the form was sent so far.
func (v *visitor) wants(got, want string, posted int) {
	v.f.t.Helper()
	if got != want {
		v.f.t.Errorf("%s sees %q, want %q", v.who, got, want)
	}
	if n := len(v.f.app.posted()); n != posted {
		v.f.t.Errorf("the form was sent %d times, want %d", n, posted)
	}
}
