package gateway_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/proxy"
)

// TestDoubleClick: of two that press the button at once, one reaches the app;
// the other is told so.
func TestDoubleClick(t *testing.T) {
	w := newFormWorld(t)
	b := w.lapsed("U0PAUL")
	form := w.save(b, "/notes", urlencoded, "a=b")
	w.signInFor(b, form, "U0PAUL")
	var all sync.WaitGroup
	statuses := make(chan int, 6)
	for range cap(statuses) {
		all.Go(func() { statuses <- w.press(b, form, "/notes").StatusCode })
	}
	all.Wait()
	close(statuses)
	count := map[int]int{}
	for s := range statuses {
		count[s]++
	}
	if count[200] != 1 || count[409] != cap(statuses)-1 || len(w.arrivals()) != 1 {
		t.Errorf("answers %v; the app got %d", count, len(w.arrivals()))
	}
}

// TestDoubleClickDropsTheFirst: a browser that sends a form a second time gives
// the first up. It must reach the app all the same.
func TestDoubleClickDropsTheFirst(t *testing.T) {
	w := newFormWorld(t)
	w.hold, w.here = make(chan struct{}), make(chan struct{}, 1)
	b := w.lapsed("U0PAUL")
	form := w.save(b, "/notes", urlencoded, "a=b")
	w.signInFor(b, form, "U0PAUL")
	u, _ := url.Parse(form)
	click, drop := context.WithCancel(t.Context())
	first := httptest.NewRequestWithContext(click, "POST", "/notes", strings.NewReader("gateway-saved-form="+u.Query().Get("id")+"\r\n"))
	first.Host = host
	first.Header = http.Header{"Accept": {"text/html"}, "Origin": {w.origin}, "Content-Type": {"text/plain"}, "Cookie": {cookiesOf(b, w.origin)}}
	answered, done := httptest.NewRecorder(), make(chan struct{})
	go func() { w.gateway.ServeHTTP(answered, first); close(done) }()
	select {
	case <-w.here:
	case <-done:
		t.Fatalf("the first click was answered %d", answered.Code)
	}
	drop()
	if got := w.press(b, form, "/notes"); got.StatusCode != 409 {
		t.Errorf("the second click answered %d", got.StatusCode)
	}
	close(w.hold)
	if <-done; answered.Code != 200 {
		t.Errorf("the first click ended with %d", answered.Code)
	}
}

func cookiesOf(b *browser, origin string) string {
	u, _ := url.Parse(origin)
	var pairs []string
	for _, c := range b.Jar.Cookies(u) {
		pairs = append(pairs, c.Name+"="+c.Value)
	}
	return strings.Join(pairs, "; ")
}

// TestButtonGoesWhereItsFormDid: to another address, past policy, or after the
// session has ended again, nothing is sent, and the form is kept.
func TestButtonGoesWhereItsFormDid(t *testing.T) {
	w := newFormWorld(t)
	b := w.lapsed("U0PAUL")
	form := w.save(b, "/notes?a=1", urlencoded, "a=b")
	denied := w.save(b, "/admin/users", urlencoded, "a=b")
	w.signInFor(b, form, "U0PAUL")
	for name, row := range map[string]struct {
		got    answer
		status int
	}{
		"another path":  {w.press(b, form, "/other?a=1"), 410},
		"another query": {w.press(b, form, "/notes?a=2"), 410},
		"no query":      {w.press(b, form, "/notes"), 410},
		"public path":   {w.press(b, form, "/public/notes"), 410},
		"denied":        {w.press(b, denied, "/admin/users"), 403},
		"other origin":  {w.press(b, form, "/notes?a=1", "Origin", w.routes[1].Origin), 403},
		"no origin":     {w.press(b, form, "/notes?a=1", "Origin", ""), 403},
		"by GET":        {b.get(w.origin + "/notes?a=1&gateway-saved-form=x"), 200},
	} {
		if row.got.StatusCode != row.status {
			t.Errorf("%s: answered %d %s, want %d", name, row.got.StatusCode, title(row.got.text), row.status)
		}
	}
	if got := w.arrivals(); len(got) != 0 {
		t.Errorf("the app got %+v", got)
	}
	for _, page := range []string{form, denied} {
		if got := b.get(page); got.StatusCode != 200 || !strings.Contains(got.text, `id="send"`) {
			t.Errorf("then the form's page answered %d %s", got.StatusCode, title(got.text))
		}
	}
	b.do("POST", w.origin+"/.gateway/sign-out", nil, "Origin", w.origin)
	got := w.press(b, form, "/notes?a=1")
	if got.StatusCode != 401 || !strings.Contains(got.text, "your form is kept") {
		t.Errorf("signed out: answered %d %s", got.StatusCode, title(got.text))
	}
	w.signInFor(b, form, "U0PAUL")
	if got := w.press(b, form, "/notes?a=1"); got.StatusCode != 200 || len(w.arrivals()) != 1 {
		t.Errorf("at last: answered %d", got.StatusCode)
	}
}

// TestTextPlainIsTheAppsOwn: whatever is not our button passes as it came.
func TestTextPlainIsTheAppsOwn(t *testing.T) {
	w := newFormWorld(t)
	b := w.browser()
	b.signIn(w.origin+"/", teams[0], "U0PAUL")
	bodies := []string{"", "x", "gateway-saved-form", "gateway-saved-form=\r\n", "gateway-saved-form=a b\r\n", "gateway-saved-form=abc", "gateway-saved-form=abc\r\nx=y\r\n",
		"gateway-saved-form=" + strings.Repeat("a", 33) + "\r\n", strings.Repeat("x", 40), strings.Repeat("x", 4000)}
	for i, body := range bodies {
		got := b.do("POST", w.origin+"/notes", strings.NewReader(body), "Content-Type", "text/plain", "Origin", w.origin)
		if all := w.arrivals(); got.StatusCode != 200 || len(all) != i+1 || all[i].body != body || all[i].kind != "text/plain" || all[i].length != int64(len(body)) {
			t.Errorf("%.40q was answered %d and arrived as %+v", body, got.StatusCode, all[len(all)-1])
		}
	}
}

// TestFormSurvivesAnAppThatIsDown: what did not reach the app can be sent again,
// what may have reached it cannot.
func TestFormSurvivesAnAppThatIsDown(t *testing.T) {
	app := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.URL.Path == "/dies" {
			panic(http.ErrAbortHandler)
		}
		fmt.Fprintf(rw, "app: %s", body)
	}))
	address := app.Listener.Addr().String()
	app.Listener.Close()
	w := &formWorld{world: newWorld(t, func(c *gateway.Config) {
		rt := &c.Routes[0]
		var err error
		rt.Upstream, err = proxy.New(proxy.Config{Origin: rt.Origin, Host: rt.Host, Upstream: proxy.Upstream{URL: "http://" + address},
			Assertion: proxy.Assertion{Alg: "HS256", Secret: "0123456789abcdef0123456789abcdef"}, Log: c.Log, Error: gateway.WriteError})
		must(t, err)
	})}
	w.origin = w.routes[0].Origin
	b := w.lapsed("U0PAUL")
	lives, dies := w.save(b, "/lives", urlencoded, "texte=abc"), w.save(b, "/dies", urlencoded, "texte=xyz")
	w.signInFor(b, lives, "U0PAUL")

	for range 2 {
		got := w.press(b, lives, "/lives")
		if got.StatusCode != 502 || !strings.Contains(got.text, "still kept") || !strings.Contains(got.text, `href="`+lives+`"`) {
			t.Errorf("with the app down: %d %s", got.StatusCode, got.text)
		}
		if page := b.get(lives); page.StatusCode != 200 || !strings.Contains(page.text, `id="send"`) {
			t.Errorf("the form's page answered %d %s", page.StatusCode, title(page.text))
		}
	}
	var err error
	app.Listener, err = net.Listen("tcp", address)
	must(t, err)
	app.Start()
	t.Cleanup(app.Close)
	if got := w.press(b, lives, "/lives"); got.StatusCode != 200 || got.text != "app: texte=abc" {
		t.Errorf("with the app back: %d %s", got.StatusCode, got.text)
	}
	got := w.press(b, dies, "/dies")
	if got.StatusCode != 502 || !strings.Contains(got.text, "may have received") || !strings.Contains(got.text, `href="`+dies+`"`) {
		t.Errorf("an app that dies of it: %d %s", got.StatusCode, got.text)
	}
	if page := b.get(dies); page.StatusCode != 409 || !strings.Contains(page.text, "xyz") || strings.Contains(page.text, `id="send"`) {
		t.Errorf("then the form's page answered %d %s", page.StatusCode, page.text)
	}
	if got := w.press(b, dies, "/dies"); got.StatusCode != 409 {
		t.Errorf("and the button %d", got.StatusCode)
	}
}

// TestFormBodiesThatDoNotFit: too large, by its length or in chunks; silent in
// the middle; cut off. Nobody waits for an answer, and nothing is kept.
func TestFormBodiesThatDoNotFit(t *testing.T) {
	w := newFormWorld(t)
	w.gateway.SetPatience(50 * time.Millisecond)
	b := w.lapsed("U0PAUL")
	head := fmt.Sprintf("POST /notes HTTP/1.1\r\nHost: %s\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\nOrigin: %s\r\nCookie: %s\r\nContent-Type: %s\r\n", host, w.origin, cookiesOf(b, w.origin), urlencoded)
	for name, row := range map[string]struct {
		rest   string
		status int
		words  string
	}{
		"one byte too many":     {fmt.Sprintf("Content-Length: %d\r\n\r\na=b", 1<<20+1), 413, "too large to be kept"},
		"chunked":               {"Transfer-Encoding: chunked\r\n\r\n100001\r\n" + strings.Repeat("x", 1<<20+1) + "\r\n", 413, "too large to be kept"},
		"silent":                {"Content-Length: 100\r\n\r\na=b", 408, "did not arrive whole"},
		"silent from the start": {"Content-Length: 100\r\n\r\n", 408, "did not arrive whole"},
		"silent in chunks":      {"Transfer-Encoding: chunked\r\n\r\n3\r\na=b\r\n", 408, "did not arrive whole"},
		"malformed chunks":      {"Transfer-Encoding: chunked\r\n\r\nzz\r\na=b\r\n", 400, "cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			got := raw(t, w.world, head+row.rest)
			text, err := io.ReadAll(bufio.NewReader(got.Body))
			if err != nil || got.StatusCode != row.status || !strings.Contains(string(text), row.words) || !got.Close {
				t.Errorf("answered %d %s (%v), close %v", got.StatusCode, title(string(text)), err, got.Close)
			}
		})
	}
	t.Run("silent button", func(t *testing.T) {
		b.signIn(w.origin+"/", teams[0], "U0PAUL")
		got := raw(t, w.world, fmt.Sprintf("POST /notes HTTP/1.1\r\nHost: %s\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\nOrigin: %s\r\nCookie: %s\r\nContent-Type: text/plain\r\nContent-Length: 30\r\n\r\ngateway-",
			host, w.origin, cookiesOf(b, w.origin)))
		if got.StatusCode != 408 {
			t.Errorf("answered %d", got.StatusCode)
		}
	})
	if n := w.kept(); n != 0 || len(w.arrivals()) != 0 {
		t.Errorf("%d forms are kept; the app got %+v", n, w.arrivals())
	}
}

// TestStoreDownWhenAFormComes: the person is told that it was not sent, and
// what to do.
func TestStoreDownWhenAFormComes(t *testing.T) {
	w := newFormWorld(t)
	other := w.browser()
	other.signIn(w.origin+"/", teams[0], "U0MARIE")
	b := w.lapsed("U0PAUL")
	form := w.save(b, "/notes", urlencoded, "a=b")
	w.signInFor(b, form, "U0PAUL")
	w.store.Close()
	if got := w.post(other, "/notes", urlencoded, "a=b"); got.StatusCode != 401 || !strings.Contains(got.text, "the form was not sent") || !strings.Contains(got.text, "back button") {
		t.Errorf("a new form was answered %d %s", got.StatusCode, title(got.text))
	}
	for _, got := range []answer{b.get(form), w.press(b, form, "/notes")} {
		if got.StatusCode != 503 || !strings.Contains(got.text, "has not been sent") || !strings.Contains(got.text, `href="`+form+`"`) {
			t.Errorf("%s answered %d %s", got.Request.Method, got.StatusCode, title(got.text))
		}
	}
	if got := w.arrivals(); len(got) != 0 {
		t.Errorf("the app got %+v", got)
	}
}
