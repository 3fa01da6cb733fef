package proxy_test

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/secret"
	"github.com/cocoom/cocoom-gateway/policy"
	"github.com/cocoom/cocoom-gateway/proxy"
)

// TestFormRefusedAccount: a wrong password is not tried with every request,
// since apps lock accounts.
func TestFormRefusedAccount(t *testing.T) {
	app := newOldApp(t)
	app.change(func() { app.passwords["lea@agrafmania.fr"] = "another" })
	f := newFormFront(t, app, nil)
	v, second := f.visitor("lea"), f.visitor("lea-2")
	for range 5 {
		v.wants(v.get("/"), "page for 403\n", 1)
		second.wants(second.get("/"), "page for 403\n", 1)
	}
	for i, wait := range []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, time.Hour} {
		f.advance(wait - time.Second)
		v.wants(v.get("/"), "page for 403\n", i+1)
		f.advance(time.Second)
		v.wants(v.get("/"), "page for 403\n", i+2)
	}
	paul := f.visitor("paul")
	paul.wants(paul.get("/"), "paul@agrafmania.fr: GET / ", 7)
	app.change(func() { app.passwords["lea@agrafmania.fr"] = "mdp-lea" })
	f.advance(time.Hour)
	v.wants(v.get("/"), "lea@agrafmania.fr: GET / ", 8)

	// What was refused once starts anew.
	app.change(func() { clear(app.sessions); app.passwords["lea@agrafmania.fr"] = "another" })
	f.advance(time.Hour)
	v.wants(v.get("/"), "page for 403\n", 9)
	f.advance(time.Minute)
	v.wants(v.get("/"), "page for 403\n", 10)
	if logs := f.logs.String(); strings.Count(logs, `"sign-in at the app failed"`) != 8 || !strings.Contains(logs, `"cause":"account_form_again"`) || !strings.Contains(logs, `"user":"U0LEA"`) {
		t.Errorf("logged: %s", logs)
	}
}

func TestFormFailures(t *testing.T) {
	page := func(form string) func(*oldApp) { return func(a *oldApp) { a.form = form } }
	answer := func(h http.HandlerFunc) func(*oldApp) {
		return func(a *oldApp) {
			before := a.Config.Handler
			a.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == "POST" || r.URL.Path == "/after" {
					h(w, r)
					return
				}
				before.ServeHTTP(w, r)
			})
		}
	}
	const withSession = "PHPSESSID=x; path=/"
	for _, tt := range []struct {
		name   string
		app    func(*oldApp)
		form   func(*proxy.Form)
		status int
		cause  string
	}{
		{"no form", page(`<p>maintenance`), nil, 503, "login_form_not_found"},
		{"other fields", nil, func(c *proxy.Form) { c.UsernameField = "utilisateur" }, 503, "login_form_not_found"},
		{"form by GET", page(`<form><input name=u><input type=password name=p></form>`), nil, 503, "login_form_is_get"},
		{"no account", nil, func(c *proxy.Form) { c.Accounts = "x@x.fr: {user: a, password: b}" }, 403, "account_missing"},
		{"other domain", nil, func(c *proxy.Form) {
			c.Accounts, c.Password, c.User, c.EmailDomain = "", "mdp-x", "local_part", "example.com"
		}, 403, "account_missing"},
		{"name that cannot be written", func(a *oldApp) { a.formType = "text/html; charset=iso-8859-1" }, func(c *proxy.Form) {
			c.Accounts = "U0LEA: {user: 日, password: b}"
		}, 403, "account_not_writable"},
		{"failure text", answer(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Set-Cookie", withSession)
			fmt.Fprint(w, wrongPassword)
		}), func(c *proxy.Form) { c.Failure.Text = wrongPassword }, 403, "account_failure_text"},
		{"status", answer(func(w http.ResponseWriter, r *http.Request) { http.Error(w, "", http.StatusUnauthorized) }), nil, 403, "account_answer_status"},
		{"error", answer(func(w http.ResponseWriter, r *http.Request) { http.Error(w, "", 500) }), nil, 503, "login_answer_status"},
		{"no session", answer(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Set-Cookie", "PHPSESSID=deleted; expires=Thu, 01-Jan-1970 00:00:01 GMT; path=/")
		}), nil, 403, "account_no_session_cookie"},
		{"no success cookie", answer(func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Set-Cookie", withSession) }),
			func(c *proxy.Form) { c.Success.Cookie = "auth" }, 403, "account_no_success_cookie"},
		{"no success location", answer(func(w http.ResponseWriter, r *http.Request) {
			if w.Header().Set("Set-Cookie", withSession); r.Method == "POST" {
				http.Redirect(w, r, "/after", http.StatusFound)
			}
		}), func(c *proxy.Form) { c.Success.Location = "/home" }, 403, "account_no_success_location"},
		{"redirects without end", answer(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/after", http.StatusFound) }), nil, 503, "login_redirects_without_end"},
		{"connection cut", answer(func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) }), nil, 502, "login_closed"},
		{"unknown compression", answer(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "br")
			io.WriteString(w, "x")
		}), nil, 502, "login_invalid_answer"},
		{"app down", func(a *oldApp) { a.CloseClientConnections(); a.Listener.Close() }, nil, 502, "login_refused"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			app := newOldApp(t)
			if tt.app != nil {
				tt.app(app)
			}
			f := newFormFront(t, app, tt.form)
			v := f.visitor("lea")
			if got, want := v.get("/"), fmt.Sprintf("page for %d\n", tt.status); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			if logs := f.logs.String(); !strings.Contains(logs, fmt.Sprintf(`"cause":%q`, tt.cause)) {
				t.Errorf("logged %s, want %s", logs, tt.cause)
			}
			if len(v.setCookie) != 0 {
				t.Errorf("the browser gets %q", v.setCookie)
			}
		})
	}
}

// TestFormNeverLeavesTheApp: whatever the app's pages say, the password goes to
// the route's own upstream.
func TestFormNeverLeavesTheApp(t *testing.T) {
	var visited atomic.Bool
	foreign := newApp(t, func(http.ResponseWriter, *http.Request) { visited.Store(true) })
	foreignHost := strings.TrimPrefix(foreign, "http://")
	fields := `<input name=login><input type=password name=password></form>`
	for _, form := range []string{
		`<form method=post action="` + foreign + `/login">` + fields,
		`<form method=post action="//` + foreignHost + `/login">` + fields,
		`<form method=post action="/\` + foreignHost + `/login">` + fields,
		"<form method=post action=\"\t/\n/" + foreignHost + `/login">` + fields,
		`<base href="` + foreign + `"><form method=post action="login">` + fields,
		`<base href="` + foreign + `"><form method=post>` + fields + `<form>`,
		`<form method=post action="javascript:send()">` + fields,
		`<form method=post action="http://user@%s/login">` + fields,
		`<form method=post><button formaction="` + foreign + `">` + fields,
		`<form method=post action="mailto:x@` + foreignHost + `">` + fields,
	} {
		t.Run(form, func(t *testing.T) {
			app := newOldApp(t)
			app.form = form
			f := newFormFront(t, app, nil)
			f.visitor("lea").get("/")
		})
	}
	t.Run("redirect", func(t *testing.T) {
		for _, status := range []int{302, 307, 308} {
			for _, to := range []string{foreign + "/x", "//" + foreignHost + "/x", `/\` + foreignHost + "/x"} {
				app := newOldApp(t)
				before := app.Config.Handler
				app.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.Method == "POST" {
						w.Header().Set("Location", to)
						w.WriteHeader(status)
						return
					}
					before.ServeHTTP(w, r)
				})
				newFormFront(t, app, nil).visitor("lea").get("/")
			}
		}
	})
	if visited.Load() {
		t.Error("another host was asked")
	}
}

func TestFormWays(t *testing.T) {
	const classic = `<input type=hidden name=csrf value="%s"><input name=login><input type=password name=password><input type=submit name=ok value=OK></form>`
	for _, tt := range []struct {
		name string
		app  func(*oldApp)
		form func(*proxy.Form)
		want string // what is posted, beside the token
	}{
		{"latin 1", func(a *oldApp) {
			a.form, a.formType = strings.ReplaceAll(formPage, "Se connecter", "Entr\xe9e"), "text/html"
			a.passwords["lea@agrafmania.fr"] = "\xe9t\xe9"
		}, func(c *proxy.Form) { c.Accounts = "U0LEA: {user: lea@agrafmania.fr, password: été}" },
			"login=lea%40agrafmania.fr&ok=Entr%E9e&password=%E9t%E9"},
		{"accept-charset", func(a *oldApp) {
			a.form = strings.ReplaceAll(formPage, "<form", `<form accept-charset="utf-8"`)
			a.formType, a.passwords["lea@agrafmania.fr"] = "text/html; charset=iso-8859-1", "été"
		}, func(c *proxy.Form) { c.Accounts = "U0LEA: {user: lea@agrafmania.fr, password: été}" },
			"login=lea%40agrafmania.fr&ok=Se+connecter&password=%C3%A9t%C3%A9"},
		{"multipart", func(a *oldApp) { a.form = `<form method=post enctype="multipart/form-data">` + classic }, nil,
			"login=lea%40agrafmania.fr&ok=OK&password=mdp-lea"},
		{"in a table", func(a *oldApp) {
			a.form = `<table><form method=POST action=/login.php><tr><td>` + strings.ReplaceAll(classic, "><", "></td></tr><tr><td><")
		}, nil, "login=lea%40agrafmania.fr&ok=OK&password=mdp-lea"},
		{"action on the upstream's own address", func(a *oldApp) { a.form = `<form method=post action="` + a.URL + `/login.php">` + classic }, nil,
			"login=lea%40agrafmania.fr&ok=OK&password=mdp-lea"},
		{"configured", func(a *oldApp) {
			a.form = `<form onsubmit="return ajax()">` + strings.ReplaceAll(classic, "type=password", "type=text") + `<form method=post><input name=q><input type=password name=x></form>`
		}, func(c *proxy.Form) {
			c.Action, c.UsernameField, c.PasswordField = "/login.php", "login", "password"
			c.Fields = map[string]string{"remember": "1", "ok": "oui"}
			c.Success, c.Failure.Text = proxy.FormSuccess{Cookie: "langue", Location: "/acc"}, wrongPassword
		}, "login=lea%40agrafmania.fr&ok=oui&password=mdp-lea&remember=1"},
		{"id and one password", func(a *oldApp) { a.passwords["U0LEA"] = "mdp-tous" }, func(c *proxy.Form) {
			c.Accounts, c.Password, c.User = "", "mdp-tous", "id"
		}, "login=U0LEA&ok=Se+connecter&password=mdp-tous"},
		{"local part", func(a *oldApp) { a.passwords["lea"] = "mdp-tous" }, func(c *proxy.Form) {
			c.Accounts, c.Password, c.User, c.EmailDomain = "", "mdp-tous", "local_part", "Agrafmania.fr"
		}, "login=lea&ok=Se+connecter&password=mdp-tous"},
		{"derived", func(a *oldApp) { a.passwords["lea@agrafmania.fr"] = "z-bMkd0m9wusO13N_89JiU9Vz19BaWcj99MDDUaA6EA" }, func(c *proxy.Form) {
			c.Accounts, c.DeriveFrom = "", secret.String(strings.Repeat("d", 32))
		}, "login=lea%40agrafmania.fr&ok=Se+connecter&password=z-bMkd0m9wusO13N_89JiU9Vz19BaWcj99MDDUaA6EA"},
		{"compressed unasked", func(a *oldApp) {
			before := a.Config.Handler
			a.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/login.php" && r.Method == "GET" {
					w.Header().Set("Content-Encoding", "gzip")
					z := gzip.NewWriter(w)
					defer z.Close()
					w = zipped{w, z}
				}
				before.ServeHTTP(w, r)
			})
		}, nil, "login=lea%40agrafmania.fr&ok=Se+connecter&password=mdp-lea"},
		{"page beyond the limit", func(a *oldApp) { a.form += strings.Repeat("<p>x", 1<<20) }, nil, "login=lea%40agrafmania.fr&ok=Se+connecter&password=mdp-lea"},
		{"form behind redirects", func(a *oldApp) {
			before := a.Config.Handler
			a.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/index.php" {
					w.Header().Set("Location", "login.php?msg=Veuillez vous connecter")
					w.WriteHeader(http.StatusFound)
					return
				}
				before.ServeHTTP(w, r)
			})
		}, func(c *proxy.Form) { c.URL = "/index.php?page=login" }, "login=lea%40agrafmania.fr&ok=Se+connecter&password=mdp-lea"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			app := newOldApp(t)
			tt.app(app)
			f := newFormFront(t, app, tt.form)
			v := f.visitor("lea")
			if got := v.get("/"); !strings.HasSuffix(got, ": GET / ") {
				t.Errorf("got %q; logged %s", got, f.logs)
			}
			for _, got := range app.posted() {
				sent, _ := url.ParseQuery(got)
				if sent.Del("csrf"); sent.Encode() != tt.want {
					t.Errorf("posted %s, want %s", sent.Encode(), tt.want)
				}
			}
		})
	}
}

type zipped struct {
	http.ResponseWriter
	z *gzip.Writer
}

func (z zipped) Write(b []byte) (int, error) { return z.z.Write(b) }

// TestFormDerivedPasswords: nobody's is another's, nor that of Basic.
func TestFormDerivedPasswords(t *testing.T) {
	app := newOldApp(t)
	f := newFormFront(t, app, func(c *proxy.Form) {
		c.Accounts, c.User, c.DeriveFrom = "", "id", secret.String(strings.Repeat("d", 32))
	})
	for i, id := range []policy.Identity{{Team: "T1", User: "U1"}, {Team: "T1U", User: "1"}, {Team: "T", User: "1U1"}, lea} {
		who := fmt.Sprint(i)
		f.people[who] = proxy.NewPrincipal(id, "sid")
		f.visitor(who).get("/")
	}
	seen := map[string]bool{"3DQlai6Xs8CFWW8hVLK5QPxlgyln5pnb4TAgkRjWfFk": true} // lea's for Basic
	for _, try := range app.posted() {
		sent, _ := url.ParseQuery(try)
		if p := sent.Get("password"); seen[p] || len(p) != 43 {
			t.Errorf("%s has the password %q, like another", sent.Get("login"), p)
		}
		seen[sent.Get("password")] = true
	}
	if len(seen) != 5 {
		t.Errorf("%d passwords", len(seen))
	}
}
