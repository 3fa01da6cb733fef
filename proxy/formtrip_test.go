package proxy_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/cocoom/cocoom-gateway/proxy"
)

func TestFormSignsInUnnoticed(t *testing.T) {
	app := newOldApp(t)
	f := newFormFront(t, app, nil)
	v := f.visitor("lea")
	res, text := v.do("GET", "/dossiers/12?q=50%&b", "", "User-Agent", "Mozilla/5.0 (test)", "Accept-Language", "fr", "Cookie", "langue=en; autre=1")
	v.wants(text, "lea@agrafmania.fr: GET /dossiers/12?q=50%&b ", 1)
	if v.redirects != 0 || len(v.setCookie) != 2 || !strings.HasSuffix(v.setCookie[0], "; path=/; HttpOnly; SameSite=Lax") || v.setCookie[1] != "langue=fr; path=/; HttpOnly; SameSite=Strict" {
		t.Errorf("after %d redirects the browser is to keep %q", v.redirects, v.setCookie)
	}
	if got := res.Header.Get("Cache-Control"); got != "private, no-store" {
		t.Errorf("an answer with somebody's session may be cached: %q", got)
	}
	for _, h := range app.heads {
		for name, want := range map[string]string{"User-Agent": "Mozilla/5.0 (test)", "Accept-Language": "fr", "X-Forwarded-User": lea.User, "X-Forwarded-For": "203.0.113.7", "X-Request-Id": "req-1"} {
			if got := h.Get(name); got != want {
				t.Errorf("at the form %s is %q, want %q", name, got, want)
			}
		}
		if h.Get("X-Gateway-Assertion") == "" || strings.Contains(h.Get("Cookie"), "autre") {
			t.Errorf("at the form: %v", h)
		}
	}
	if posted := app.heads[1]; posted.Get("Origin") != f.URL || posted.Get("Referer") != f.URL+"/login.php" || !strings.HasPrefix(posted.Get("Cookie"), "PHPSESSID=") {
		t.Errorf("the form was sent with %v", posted)
	}

	v.wants(v.get("/encore"), "lea@agrafmania.fr: GET /encore ", 1)
	if len(v.setCookie) != 0 {
		t.Errorf("the browser is told again to keep %q", v.setCookie)
	}
	other := f.visitor("lea") // the same session, a browser that lost its cookies
	other.wants(other.get("/encore"), "lea@agrafmania.fr: GET /encore ", 1)
	if len(other.setCookie) != 2 {
		t.Errorf("it gets %q", other.setCookie)
	}
	if logs := f.logs.String(); !strings.Contains(logs, `"msg":"signed in at the app"`) {
		t.Errorf("logged: %s", logs)
	}
}

func TestFormOnlyForPeople(t *testing.T) {
	app := newOldApp(t)
	f := newFormFront(t, app, nil)
	nobody := f.visitor("")
	nobody.get("/public")
	if len(app.posted()) != 0 {
		t.Error("somebody was signed in without a session")
	}
	leaving := f.visitor("lea")
	leaving.get("/logout.php", "Test-Leaves", "yes")
	if len(app.posted()) != 0 {
		t.Error("somebody was signed in to sign out")
	}
}

func TestFormTwentyFirstRequestsOneLogin(t *testing.T) {
	app := newOldApp(t)
	f := newFormFront(t, app, nil)
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			v := f.visitor("lea")
			if got, want := v.get(fmt.Sprint("/", i)), fmt.Sprintf("lea@agrafmania.fr: GET /%d ", i); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
	all.Wait()
	if n := len(app.posted()); n != 1 {
		t.Errorf("%d logins, want 1", n)
	}
}

// CVE-2026-71326: what was asked for one person was given to another who asked
// at the same time.
func TestFormNeverCrossesPeople(t *testing.T) {
	app := newOldApp(t)
	f := newFormFront(t, app, nil)
	people := map[string]string{"lea": "lea@agrafmania.fr", "lea-2": "lea@agrafmania.fr", "paul": "paul@agrafmania.fr"}
	var all sync.WaitGroup
	var mu sync.Mutex
	right := map[string]int{}
	for range 4 {
		for who, user := range people {
			all.Go(func() {
				v := f.visitor(who)
				for i := range 20 {
					if i%7 == 3 {
						f.advance(time.Minute)
						app.end()
					}
					// A session that ends in the middle of a login looks as if
					// the app had refused the account.
					switch got := v.get("/moi"); {
					case got == user+": GET /moi ":
						mu.Lock()
						right[who]++
						mu.Unlock()
					case !strings.Contains(got, "<form") && got != "page for 403\n":
						t.Errorf("%s sees %q", who, got)
					}
				}
			})
		}
	}
	all.Wait()
	for who := range people {
		if right[who] == 0 {
			t.Errorf("%s was never signed in", who)
		}
	}
}

func TestFormExpired(t *testing.T) {
	for _, tt := range []struct {
		name      string
		change    func(*proxy.Form)
		loggedOut http.HandlerFunc
	}{
		{"redirect to the form", nil, nil},
		{"redirect that is configured", func(c *proxy.Form) { c.Expired.Location = "/index.php?page=login" },
			func(w http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body)
				if r.URL.Path != "/index.php" {
					http.Redirect(w, r, "/index.php?lang=fr&page=login", http.StatusSeeOther)
				}
			}},
		{"status", func(c *proxy.Form) { c.Expired.Status = []int{401} },
			func(w http.ResponseWriter, r *http.Request) { http.Error(w, "non", http.StatusUnauthorized) }},
		{"the form itself", func(c *proxy.Form) { c.Expired.Form = true },
			func(w http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body)
				w.Header().Set("Content-Type", "text/html")
				fmt.Fprintf(w, strings.ReplaceAll(formPage, "login.php", "/login.php"), "x")
			}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			app := newOldApp(t)
			app.loggedOut = tt.loggedOut
			f := newFormFront(t, app, tt.change)
			v := f.visitor("lea")
			v.wants(v.get("/"), "lea@agrafmania.fr: GET / ", 1)

			f.advance(time.Hour)
			app.end()
			v.wants(v.get("/page?x=1"), "lea@agrafmania.fr: GET /page?x=1 ", 2)
			if v.redirects != 0 || len(v.setCookie) == 0 {
				t.Errorf("the person notices: %d redirects, %q", v.redirects, v.setCookie)
			}
			v.wants(v.get("/"), "lea@agrafmania.fr: GET / ", 2)

			f.advance(time.Hour)
			app.end()
			_, text := v.do("POST", "/enregistrer?id=1", "titre=Été")
			v.wants(text, "lea@agrafmania.fr: POST /enregistrer?id=1 titre=Été", 3)
			if v.redirects != 1 {
				t.Errorf("%d redirects, want the one 307", v.redirects)
			}

			// Straight after a login, what looks expired has another reason.
			app.end()
			if text := v.get("/"); strings.HasPrefix(text, "lea") {
				t.Errorf("got %q", text)
			}
			if n := len(app.posted()); n != 3 {
				t.Errorf("%d logins, want 3", n)
			}
		})
	}
}

// TestFormInAnEncodingThatBrowsersPrefer: the app packs the form, which stands in
// place of the page, as best it may, and only gzip can be looked into.
func TestFormInAnEncodingThatBrowsersPrefer(t *testing.T) {
	for _, tt := range []struct{ sent, want string }{{"gzip, deflate, br, zstd", "gzip"}, {"br;q=1.0, GZIP;q=0.5", "gzip"}, {"br", ""}, {"", ""}} {
		app := newOldApp(t)
		var got []string
		app.loggedOut = func(w http.ResponseWriter, r *http.Request) {
			got = append(got, r.Header.Get("Accept-Encoding"))
			w.Header().Set("Content-Type", "text/html")
			if strings.Contains(r.Header.Get("Accept-Encoding"), "br") {
				w.Header().Set("Content-Encoding", "br")
				fmt.Fprint(w, "\x1b\x00")
				return
			}
			fmt.Fprintf(w, strings.ReplaceAll(formPage, "login.php", "/login.php"), "x")
		}
		f := newFormFront(t, app, func(c *proxy.Form) { c.Expired.Form = true })
		v := f.visitor("lea")
		v.get("/")
		f.advance(time.Hour)
		app.end()
		v.wants(v.get("/page", "Accept-Encoding", tt.sent), "lea@agrafmania.fr: GET /page ", 2)
		if len(got) != 1 || got[0] != tt.want {
			t.Errorf("for %q the app is asked in %q, want %q", tt.sent, got, tt.want)
		}
	}
}

// TestFormCrowdWithAnExpiredSession: twenty requests of one page, one login.
func TestFormCrowdWithAnExpiredSession(t *testing.T) {
	app := newOldApp(t)
	f := newFormFront(t, app, nil)
	v := f.visitor("lea")
	v.get("/")
	app.end()
	f.advance(time.Hour)
	var all sync.WaitGroup
	for i := range 20 {
		method, body := "GET", ""
		if i%2 == 1 {
			method, body = "POST", "x"
		}
		all.Go(func() {
			own := f.visitor("lea")
			own.Jar = v.Jar
			if _, got := own.do(method, "/p", body); got != fmt.Sprintf("lea@agrafmania.fr: %s /p %s", method, body) {
				t.Errorf("got %q", got)
			}
		})
	}
	all.Wait()
	if n := len(app.posted()); n != 2 {
		t.Errorf("%d logins, want 2", n)
	}
}

// TestFormDoesNotRepeatWhatWasDone: an app whose form stands on its start page,
// to which it also leads after each change.
func TestFormDoesNotRepeatWhatWasDone(t *testing.T) {
	app := newOldApp(t)
	changes := 0
	app.loggedIn = func(w http.ResponseWriter, r *http.Request, user string) {
		if r.Method == "POST" {
			changes++
			http.Redirect(w, r, "/", http.StatusFound)
			return
		}
		fmt.Fprint(w, "accueil de ", user)
	}
	app.loggedOut = func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			http.Redirect(w, r, "/", http.StatusFound)
			return
		}
		app.show(w, r, "", false, "")
	}
	f := newFormFront(t, app, func(c *proxy.Form) { c.URL, c.Expired.Form = "/", true })
	v := f.visitor("lea")
	v.wants(v.get("/"), "accueil de lea@agrafmania.fr", 1)
	f.advance(time.Hour)
	_, text := v.do("POST", "/save", "x")
	v.wants(text, "accueil de lea@agrafmania.fr", 1)
	if changes != 1 {
		t.Errorf("the change was made %d times", changes)
	}
	app.end()
	_, text = v.do("POST", "/save", "x")
	v.wants(text, "accueil de lea@agrafmania.fr", 2)
	if changes != 2 {
		t.Errorf("changes made: %d, want 2", changes)
	}
}

// TestFormLoopGuard: a client that keeps no cookies is not sent in circles.
func TestFormLoopGuard(t *testing.T) {
	app := newOldApp(t)
	f := newFormFront(t, app, nil)
	v := f.visitor("lea")
	v.get("/")
	f.advance(time.Hour)
	app.end()
	v.Jar = nil
	v.CheckRedirect = func(*http.Request, []*http.Request) error { return nil }
	_, text := v.do("POST", "/p", "x", "Cookie", "PHPSESSID=stale")
	if !strings.Contains(text, "<form") || v.redirects >= 20 { // where browsers give up
		t.Errorf("after %d redirects: %s", v.redirects, text)
	}
}

// TestFormDoubtfulSession: a login that seems right, but does not hold, is
// tried ever more rarely.
func TestFormDoubtfulSession(t *testing.T) {
	app := newOldApp(t)
	app.loggedIn = func(w http.ResponseWriter, r *http.Request, user string) {
		if r.URL.Path == "/accueil.php" {
			return // where the login leads; everywhere else nobody is signed in
		}
		http.Redirect(w, r, "/login.php", http.StatusFound)
	}
	f := newFormFront(t, app, func(c *proxy.Form) { c.Expired.Location = "/login.php" })
	v := f.visitor("lea")
	for range 3600 {
		v.get("/")
		f.advance(time.Second)
	}
	if n := len(app.posted()); n < 3 || n > 8 {
		t.Errorf("%d logins in an hour, want few", n)
	}
}

// TestFormAfterTheAppsOwnSignOut: whoever signs out in the app sees that, and
// is signed in again with the next page after a while.
func TestFormAfterTheAppsOwnSignOut(t *testing.T) {
	app := newOldApp(t)
	f := newFormFront(t, app, nil)
	v := f.visitor("lea")
	v.get("/")
	f.advance(time.Hour)
	if text := v.get("/logout.php"); !strings.Contains(text, "<form") {
		t.Errorf("after signing out: %s", text)
	}
	f.advance(time.Minute)
	if text := v.get("/"); text != "lea@agrafmania.fr: GET / " {
		t.Errorf("a minute later: %s", text)
	}
}

// TestFormByHand: who signs in to the app by hand is told by the app that the
// password is wrong, and the gateway does not enter its own instead.
func TestFormByHand(t *testing.T) {
	for name, form := range map[string]func(*proxy.Form){"redirect": nil, "the form itself": func(c *proxy.Form) { c.Expired.Form = true }} {
		t.Run(name, func(t *testing.T) {
			app := newOldApp(t)
			f := newFormFront(t, app, form)
			v := f.visitor("lea")
			v.get("/")
			f.advance(time.Hour)
			_, text := v.do("POST", "/login.php", "login=paul@agrafmania.fr&password=x", "Content-Type", "application/x-www-form-urlencoded")
			if !strings.HasSuffix(text, wrongPassword) || v.redirects != 0 || len(app.posted()) != 2 {
				t.Errorf("after %d redirects and %q: %s", v.redirects, app.posted(), text)
			}
		})
	}
}

func TestFormFollowsTheAppsCookie(t *testing.T) {
	app := newOldApp(t)
	app.loggedIn = func(w http.ResponseWriter, r *http.Request, user string) {
		if r.URL.Path == "/regenerate" {
			c, _ := r.Cookie("PHPSESSID")
			app.end(c.Value)
			app.begin(w, user)
		}
		fmt.Fprint(w, user)
	}
	f := newFormFront(t, app, nil)
	v := f.visitor("lea")
	v.get("/regenerate")
	if len(v.setCookie) != 3 || strings.Contains(v.setCookie[2], "HttpOnly") {
		t.Errorf("ours come first, and the app's are its own: %q", v.setCookie)
	}
	v.wants(v.get("/"), "lea@agrafmania.fr", 1)
	lost := f.visitor("lea")
	lost.wants(lost.get("/"), "lea@agrafmania.fr", 1)
}

// TestFormCookiesOfOtherPaths: what the login sets for one part of the app is
// there when its people come to that part.
func TestFormCookiesOfOtherPaths(t *testing.T) {
	app := newOldApp(t)
	app.loggedIn = func(w http.ResponseWriter, r *http.Request, user string) {
		if r.URL.Path == "/accueil.php" { // where the login leads
			w.Header().Add("Set-Cookie", "droits=1; Path=/admin")
		}
		_, err := r.Cookie("droits")
		fmt.Fprintf(w, "%s %t", user, err == nil)
	}
	f := newFormFront(t, app, nil)
	v := f.visitor("lea")
	v.wants(v.get("/"), "lea@agrafmania.fr false", 1)
	v.wants(v.get("/admin/x"), "lea@agrafmania.fr true", 1)
}

func TestFormStreams(t *testing.T) {
	app := newOldApp(t)
	app.loggedIn = func(w http.ResponseWriter, r *http.Request, user string) {
		if r.URL.Path == "/socket" {
			conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
			if err == nil {
				conn.Write(r.Context(), websocket.MessageText, []byte(user))
				conn.CloseNow()
			}
			return
		}
		if r.URL.Path != "/stream" {
			return
		}
		// The answer's first line comes before the request's second.
		w.Header().Set("Content-Type", "text/html")
		http.NewResponseController(w).EnableFullDuplex()
		buf := make([]byte, 3)
		for range 2 {
			if _, err := io.ReadFull(r.Body, buf); err != nil {
				t.Error(err)
			}
			w.Write(buf)
			http.NewResponseController(w).Flush()
		}
	}
	f := newFormFront(t, app, nil)
	conn, _, err := websocket.Dial(t.Context(), f.URL+"/socket", &websocket.DialOptions{HTTPHeader: http.Header{"Test-Who": {"lea"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	if _, message, err := conn.Read(t.Context()); err != nil || string(message) != "lea@agrafmania.fr" {
		t.Errorf("%q, %v", message, err)
	}

	in, out := io.Pipe()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, "POST", f.URL+"/stream", in)
	req.Header.Set("Test-Who", "paul")
	go out.Write([]byte("one"))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	got := make([]byte, 3)
	for _, want := range []string{"one", "two"} {
		if _, err := io.ReadFull(res.Body, got); err != nil || string(got) != want {
			t.Fatalf("%q, %v", got, err)
		}
		if want == "one" {
			out.Write([]byte("two"))
			out.Close()
		}
	}
}
