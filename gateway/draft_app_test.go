package gateway_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/proxy"
)

// appWithForm is an app with a login form, whose sessions can be ended.
type appWithForm struct {
	mu       sync.Mutex
	sessions map[string]bool
	logins   int
	broken   bool // the form cannot be sent
	refuses  bool // nobody has an account
	got      []string
}

func (a *appWithForm) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	id := ""
	if c, err := r.Cookie("PHPSESSID"); err == nil {
		id = c.Value
	}
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("Content-Type", "text/html")
	switch {
	case r.URL.Path == "/login.php" && r.Method == "POST" && a.broken:
		w.WriteHeader(http.StatusInternalServerError)
	case r.URL.Path == "/login.php" && (r.Method == "GET" || a.refuses):
		fmt.Fprint(w, `<form method=post><input name=u><input type=password name=p></form>`)
	case r.URL.Path == "/login.php":
		a.logins++
		id = fmt.Sprint("s", a.logins)
		a.sessions[id] = true
		w.Header().Set("Set-Cookie", "PHPSESSID="+id+"; Path=/")
		http.Redirect(w, r, "/", http.StatusFound)
	case !a.sessions[id]:
		http.Redirect(w, r, "/login.php", http.StatusFound)
	default:
		if r.Method == "POST" {
			a.got = append(a.got, r.RequestURI+" "+r.Header.Get("Content-Type")+" "+string(body))
		}
		fmt.Fprint(w, "app: ", r.Method)
	}
}

func (a *appWithForm) change(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f()
}

// TestSavedFormMeetsAnExpiredAppSession: the app's session is over, as it mostly
// is when ours was. The form must reach the app all the same, once.
func TestSavedFormMeetsAnExpiredAppSession(t *testing.T) {
	for name, tt := range map[string]struct {
		broken, refuses bool // at the first press of the button
		status          int  // its answer
	}{
		"signed in again":             {false, false, 200},
		"its login is broken":         {true, false, 502},
		"the account is not accepted": {false, true, 403},
	} {
		t.Run(name, func(t *testing.T) {
			app := &appWithForm{sessions: map[string]bool{}}
			upstream := httptest.NewServer(app)
			t.Cleanup(upstream.Close)
			w := &formWorld{}
			w.world = newWorld(t, func(c *gateway.Config) {
				rt := &c.Routes[0]
				var err error
				rt.Upstream, err = proxy.New(proxy.Config{Origin: rt.Origin, Host: rt.Host, Upstream: proxy.Upstream{URL: upstream.URL}, Now: c.Now,
					Assertion: proxy.Assertion{Alg: "HS256", Secret: "0123456789abcdef0123456789abcdef"}, Log: slog.New(slog.DiscardHandler), Error: gateway.WriteError,
					Login: proxy.UpstreamLogin{Form: &proxy.Form{URL: "/login.php", Password: "p", Cookies: []string{"PHPSESSID"}}}})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(rt.Upstream.Close)
			})
			w.origin = w.routes[0].Origin
			b := w.browser()
			b.signIn(w.origin+"/", teams[0], "U0PAUL")
			if got := b.get(w.origin + "/"); got.text != "app: GET" {
				t.Fatalf("the app answers %d %s", got.StatusCode, got.text)
			}
			w.advance(3 * time.Hour)
			app.change(func() { clear(app.sessions); app.broken, app.refuses = tt.broken, tt.refuses })
			form := w.save(b, "/notes?a=1", urlencoded, "a=b")
			w.signInFor(b, form, "U0PAUL")
			got := w.press(b, form, "/notes?a=1")
			if got.StatusCode != tt.status {
				t.Errorf("the button answered %d %s", got.StatusCode, title(got.text))
			}
			if tt.status != 200 {
				app.change(func() { app.broken, app.refuses = false, false })
				w.advance(10 * time.Minute)
				if got = w.press(b, form, "/notes?a=1"); got.StatusCode != 200 {
					t.Errorf("later the button answered %d %s", got.StatusCode, title(got.text))
				}
			}
			if want := "/notes?a=1 " + urlencoded + " a=b"; strings.Join(app.got, "|") != want {
				t.Errorf("the app got %q, want %q", app.got, want)
			}
			if again := w.press(b, form, "/notes?a=1"); again.StatusCode != 409 {
				t.Errorf("a second press answered %d %s", again.StatusCode, title(again.text))
			}
		})
	}
}
