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

// formerApp is an app with a login form, whose sessions are lost when forget is
// called; broken takes its login away.
type formerApp struct {
	mu     sync.Mutex
	alive  map[string]bool
	n      int
	broken bool
	got    []string // bodies of forms sent by who is signed in
}

func (a *formerApp) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	cookie, err := r.Cookie("PHPSESSID")
	w.Header().Set("Content-Type", "text/html")
	switch {
	case r.URL.Path == "/login.php" && r.Method == "POST" && a.broken:
		http.Error(w, "maintenance", http.StatusInternalServerError)
	case r.URL.Path == "/login.php" && r.Method == "POST":
		a.n++
		id := fmt.Sprint("s", a.n)
		a.alive[id] = true
		http.SetCookie(w, &http.Cookie{Name: "PHPSESSID", Value: id, Path: "/"})
		http.Redirect(w, r, "/", http.StatusFound)
	case r.URL.Path == "/login.php":
		fmt.Fprint(w, `<form method=post><input name=u><input type=password name=p></form>`)
	case err != nil || !a.alive[cookie.Value]:
		http.Redirect(w, r, "/login.php", http.StatusFound)
	default:
		if r.Method == "POST" {
			a.got = append(a.got, r.Header.Get("Content-Type")+" "+string(body))
		}
		fmt.Fprint(w, "app: ", r.Method, " ", r.RequestURI)
	}
}

func (a *formerApp) forget(broken bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	clear(a.alive)
	a.broken = broken
}

func (a *formerApp) arrived() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return strings.Join(a.got, ", ")
}

// formLoginWorld is a formWorld whose app is signed in to at its own form.
func formLoginWorld(t *testing.T) (*formWorld, *formerApp) {
	t.Helper()
	app := &formerApp{alive: map[string]bool{}}
	srv := httptest.NewServer(app)
	t.Cleanup(srv.Close)
	w := &formWorld{}
	w.world = newWorld(t, func(c *gateway.Config) {
		rt := &c.Routes[0]
		var err error
		rt.Upstream, err = proxy.New(proxy.Config{Origin: rt.Origin, Host: rt.Host, Upstream: proxy.Upstream{URL: srv.URL},
			Assertion: proxy.Assertion{Alg: "HS256", Secret: "0123456789abcdef0123456789abcdef"}, Log: slog.New(slog.DiscardHandler), Error: gateway.WriteError, Now: c.Now,
			Login: proxy.UpstreamLogin{Form: &proxy.Form{URL: "/login.php", Password: "p", Cookies: []string{"PHPSESSID"}}}})
		must(t, err)
		t.Cleanup(rt.Upstream.Close)
	})
	w.origin = w.routes[0].Origin
	return w, app
}

// TestSavedFormMeetsAnAppThatForgot: the app's own session has ended as well,
// which is the rule after hours. Its login is renewed, and the form arrives; if
// that fails, the form is still there to be sent.
func TestSavedFormMeetsAnAppThatForgot(t *testing.T) {
	w, app := formLoginWorld(t)
	b := w.lapsed("U0PAUL")
	form := w.save(b, "/notes", urlencoded, "texte=long")
	w.signInFor(b, form, "U0PAUL")
	b.get(w.origin + "/") // the app's session is there
	app.forget(true)
	w.lose(time.Minute)
	if got := w.press(b, form, "/notes"); got.StatusCode != 502 || !strings.Contains(got.text, "is still kept") {
		t.Errorf("while the app's login is broken the button gave %d %s", got.StatusCode, got.text)
	}
	app.forget(false)
	w.lose(time.Minute)
	if got := w.press(b, form, "/notes"); got.StatusCode != 200 || got.text != "app: POST /notes" {
		t.Errorf("the button gave %d %s, leading to %s", got.StatusCode, title(got.text), got.Header.Get("Location"))
	}
	if got := app.arrived(); got != urlencoded+" texte=long" {
		t.Errorf("the app got %q", got)
	}
}
