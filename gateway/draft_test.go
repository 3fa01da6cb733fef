package gateway_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// formWorld is a world whose app notes every POST, whole.
type formWorld struct {
	*world
	origin string

	got  []arrived
	lock sync.Mutex
	hold chan struct{} // not nil: the app waits for it before it answers a POST
	here chan struct{} // then tells that the POST has arrived
}

type arrived struct {
	target, kind, referer, user, body string
	length                            int64
}

func newFormWorld(t *testing.T) *formWorld {
	t.Helper()
	w := &formWorld{}
	w.world = withApp(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Method == "POST" {
			w.lock.Lock()
			w.got = append(w.got, arrived{r.RequestURI, r.Header.Get("Content-Type"), r.Referer(), r.Header.Get("X-Forwarded-User"), string(body), r.ContentLength})
			w.lock.Unlock()
		}
		if r.Method == "POST" && w.hold != nil {
			w.here <- struct{}{}
			<-w.hold
		}
		fmt.Fprintf(rw, "app: %s %s", r.Method, r.RequestURI)
	}))
	w.origin = w.routes[0].Origin
	return w
}

// arrivals are the POSTs that reached the app.
func (w *formWorld) arrivals() []arrived {
	w.lock.Lock()
	defer w.lock.Unlock()
	return append([]arrived(nil), w.got...)
}

// lapsed gives a browser whose session has just expired.
func (w *formWorld) lapsed(user string) *browser {
	w.t.Helper()
	b := w.browser()
	b.signIn(w.origin+"/", teams[0], user)
	w.advance(3 * time.Hour)
	return b
}

const urlencoded = "application/x-www-form-urlencoded"

// post submits a form as a page of the route would.
func (w *formWorld) post(b *browser, target, kind, body string) answer {
	w.t.Helper()
	return b.do("POST", w.origin+target, strings.NewReader(body), "Content-Type", kind, "Origin", w.origin, "Referer", w.origin+"/edit?id=7")
}

// save submits a form with an expired session and gives its page's address.
func (w *formWorld) save(b *browser, target, kind, body string) string {
	w.t.Helper()
	got := w.post(b, target, kind, body)
	form := got.Header.Get("Location")
	if got.StatusCode != http.StatusSeeOther || !strings.HasPrefix(form, w.origin+"/.gateway/form?id=") {
		w.t.Fatalf("the form was answered %d %s to %q", got.StatusCode, title(got.text), form)
	}
	return form
}

// signInFor opens a form's page without a session, and signs in as it says.
func (w *formWorld) signInFor(b *browser, form, user string) {
	w.t.Helper()
	page := b.get(form)
	next, ok := strings.CutPrefix(page.Header.Get("Refresh"), "0; url=")
	if page.StatusCode != http.StatusUnauthorized || !ok || !strings.Contains(page.text, "your form is kept") {
		w.t.Fatalf("without a session the form's page answered %d %s, Refresh %q", page.StatusCode, title(page.text), page.Header.Get("Refresh"))
	}
	if back := b.signIn(next, teams[0], user); back.Header.Get("Location") != form {
		w.t.Fatalf("the sign-in ended at %q (%d), want %q", back.Header.Get("Location"), back.StatusCode, form)
	}
}

// press clicks the button of a form's page.
func (w *formWorld) press(b *browser, form, target string, header ...string) answer {
	w.t.Helper()
	u, err := url.Parse(form)
	if err != nil {
		w.t.Fatal(err)
	}
	return b.do("POST", w.origin+target, strings.NewReader("gateway-saved-form="+u.Query().Get("id")+"\r\n"),
		append([]string{"Content-Type", "text/plain", "Origin", w.origin, "Referer", form}, header...)...)
}

func (w *formWorld) kept() (n int) {
	w.t.Helper()
	if err := w.store.Read().QueryRow(`SELECT COUNT(*) FROM draft`).Scan(&n); err != nil {
		w.t.Fatal(err)
	}
	return n
}

const aFile = "--xY\r\nContent-Disposition: form-data; name=\"titre\"\r\n\r\n\xe9t\xe9\r\n" +
	"--xY\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"a.bin\"\r\nContent-Type: application/octet-stream\r\n\r\n\x00\x01\r\n\n--x\xff\r\n--xY--\r\n"

// TestFormOutlivesItsSession: what a person wrote arrives at the app byte for
// byte, as it would have, after they have signed in and pressed one button.
func TestFormOutlivesItsSession(t *testing.T) {
	for name, row := range map[string]struct{ target, kind, body, shown string }{
		"urlencoded":            {"/notes?dossier=12", urlencoded, "texte=Bonjour+%C3%A0+tous&mot_de_passe=abc", "Bonjour à tous"},
		"latin-1":               {"/notes", urlencoded + "; charset=iso-8859-1", "texte=\xe9t\xe9+%E9", "été é"},
		"multipart":             {"/upload", "multipart/form-data; boundary=xY", aFile, "a.bin (9 B)"},
		"query as no one likes": {"/a.php?q=50%&b=2;c&%3Cx", urlencoded, "a=b", "/a.php?q=50%"},
		"no fields at all":      {"/archive/12", urlencoded, "", "/archive/12"},
		"as large as may be":    {"/notes", urlencoded, "a=" + strings.Repeat("x", 1<<20-2), "xxxxxxxx"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newFormWorld(t)
			b := w.lapsed("U0PAUL")
			form := w.save(b, row.target, row.kind, row.body)
			w.signInFor(b, form, "U0PAUL")
			page := b.get(form)
			if page.StatusCode != 200 || !strings.Contains(page.text, row.shown) || strings.Contains(page.text, "abc") {
				t.Errorf("the form's page answered %d %s", page.StatusCode, page.text)
			}
			if !strings.Contains(page.text, `href="`+w.origin+`/edit?id=7"`) {
				t.Error("the page does not lead back to where the form was")
			}
			if len(w.arrivals()) != 0 {
				t.Fatalf("the app got %+v before the button was pressed", w.arrivals())
			}
			got := w.press(b, form, row.target)
			if got.StatusCode != 200 || got.text != "app: POST "+row.target {
				t.Errorf("the button gave %d %s", got.StatusCode, got.text)
			}
			want := arrived{row.target, row.kind, w.origin + "/edit?id=7", "U0PAUL", row.body, int64(len(row.body))}
			if all := w.arrivals(); len(all) != 1 || all[0] != want {
				t.Errorf("the app got %.300s, want %.300s", fmt.Sprintf("%+v", all), fmt.Sprintf("%+v", want))
			}
			if again := w.press(b, form, row.target); again.StatusCode != 409 || !strings.Contains(again.text, "passed on already") {
				t.Errorf("a second time answered %d %s", again.StatusCode, title(again.text))
			}
			if page := b.get(form, "Accept-Language", "fr"); page.StatusCode != 409 || strings.Contains(page.text, `id="send"`) || !strings.Contains(page.text, "déjà été transmis") {
				t.Errorf("afterwards the form's page answered %d %s", page.StatusCode, title(page.text))
			}
			if n := len(w.arrivals()); n != 1 {
				t.Errorf("the app got the form %d times", n)
			}
		})
	}
}

// TestAdvisoryPlantedForms: a form is kept only if a page of this very origin
// sent it with a genuine cookie of a session that has expired. Whatever else
// comes is answered as ever, and fills nothing.
func TestAdvisoryPlantedForms(t *testing.T) {
	w := newFormWorld(t)
	b := w.lapsed("U0PAUL")
	u, _ := url.Parse(w.origin)
	genuine := b.Jar.Cookies(u)[0].Value
	elsewhere := w.browser()
	elsewhere.signIn(w.routes[1].Origin+"/", teams[1], "U0ANNE")
	v, _ := url.Parse(w.routes[1].Origin)
	ofOther := elsewhere.Jar.Cookies(v)[0].Value
	w.advance(3 * time.Hour)

	type row struct {
		cookie, origin, kind, method string
		header                       []string
		status                       int
		words                        string
	}
	base := row{genuine, w.origin, urlencoded, "POST", nil, 401, "the form was not sent"}
	but := func(f func(*row)) row { r := base; f(&r); return r }
	rows := map[string]row{
		"foreign origin":   but(func(r *row) { r.origin, r.status, r.words = "https://evil.example", 403, "another site" }),
		"null origin":      but(func(r *row) { r.origin, r.status, r.words = "null", 403, "another site" }),
		"no origin":        but(func(r *row) { r.origin = "" }),
		"sister subdomain": but(func(r *row) { r.origin, r.status, r.words = w.routes[1].Origin, 403, "another site" }),
		"other scheme": but(func(r *row) {
			r.origin, r.status, r.words = strings.Replace(w.origin, "http:", "https:", 1), 403, "another site"
		}),
		"no cookie":         but(func(r *row) { r.cookie = "" }),
		"forged cookie":     but(func(r *row) { r.cookie = flip(genuine) }),
		"rubbish cookie":    but(func(r *row) { r.cookie = "AAAA" }),
		"cookie of a route": but(func(r *row) { r.cookie = ofOther }),
		"text/plain":        but(func(r *row) { r.kind = "text/plain" }),
		"json":              but(func(r *row) { r.kind = "application/json" }),
		"no type":           but(func(r *row) { r.kind = "" }),
		"compressed":        but(func(r *row) { r.header = []string{"Content-Encoding", "gzip"} }),
		"fetch": but(func(r *row) {
			r.header, r.words = []string{"Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"}, "sign_in_required"
		}),
		"XMLHttpRequest": but(func(r *row) {
			r.header, r.words = []string{"Sec-Fetch-Mode", "", "Sec-Fetch-Dest", "", "X-Requested-With", "XMLHttpRequest"}, "sign_in_required"
		}),
		"put":            but(func(r *row) { r.method, r.words = "PUT", "sign_in_required" }),
		"our own button": but(func(r *row) { r.kind, r.status, r.words = "text/plain;button", 410, "This form is not here" }),
		"button from abroad": but(func(r *row) {
			r.kind, r.origin, r.status, r.words = "text/plain;button", "https://evil.example", 403, "another site"
		}),
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			body := "a=b"
			if kind, ok := strings.CutSuffix(row.kind, ";button"); ok {
				row.kind, body = kind, "gateway-saved-form=t1-abc\r\n"
			}
			header := append([]string{"Content-Type", row.kind, "Origin", row.origin, "Cookie", "gw=" + row.cookie}, row.header...)
			got := w.browser().do(row.method, w.origin+"/notes", strings.NewReader(body), header...)
			if got.StatusCode != row.status || !strings.Contains(got.text, row.words) || len(got.Cookies()) != 0 {
				t.Errorf("answered %d %s %v, want %d with %q", got.StatusCode, got.text, got.Cookies(), row.status, row.words)
			}
		})
	}
	if n := w.kept(); n != 0 {
		t.Errorf("%d forms are kept", n)
	}
	got := w.browser().do("POST", w.origin+"/notes", strings.NewReader("a=b"), "Content-Type", urlencoded, "Origin", w.origin, "Cookie", "gw="+genuine)
	if got.StatusCode != 303 || w.kept() != 1 {
		t.Errorf("baseline: answered %d, %d kept", got.StatusCode, w.kept())
	}
	if got := w.arrivals(); len(got) != 0 {
		t.Errorf("the app got %+v", got)
	}
}

// TestSessionsThatLeaveNoForm: revoked, older than a cookie may be, another
// workspace's, not known to have expired; and where the route keeps none.
func TestSessionsThatLeaveNoForm(t *testing.T) {
	for name, row := range map[string]struct {
		after func(t *testing.T, w *formWorld, b *browser)
		want  int
	}{
		"idle for too long":       {func(_ *testing.T, w *formWorld, _ *browser) { w.advance(3 * time.Hour) }, 303},
		"past its lifetime":       {func(_ *testing.T, w *formWorld, _ *browser) { w.advance(80 * time.Hour) }, 303},
		"older than its cookie":   {func(_ *testing.T, w *formWorld, _ *browser) { w.advance(84 * time.Hour) }, 401},
		"signed out":              {signOutWithCopy(3 * time.Hour), 401},
		"signed out, a while ago": {signOutWithCopy(80 * time.Hour), 401},
		"revocations not known":   {func(_ *testing.T, w *formWorld, _ *browser) { w.advance(3 * time.Hour); w.lose(11 * time.Minute) }, 503},
		"switched off": {func(t *testing.T, w *formWorld, _ *browser) {
			w.advance(3 * time.Hour)
			must(t, w.routes[0].Login.SavedFormMax.UnmarshalYAML(func(into any) error { *into.(*string) = "off"; return nil }))
		}, 401},
	} {
		t.Run(name, func(t *testing.T) {
			w := newFormWorld(t)
			b := w.browser()
			for _, c := range b.signIn(w.origin+"/", teams[0], "U0PAUL").Cookies() {
				if c.Name == "gw" && time.Duration(c.MaxAge)*time.Second != (12+72)*time.Hour {
					t.Errorf("the cookie lives for %d seconds", c.MaxAge)
				}
			}
			row.after(t, w, b)
			if row.want != 503 { // pruning reads them anew
				must(t, w.gateway.Prune(context.Background()))
			}
			if got := w.post(b, "/notes", urlencoded, "a=b"); got.StatusCode != row.want || row.want == 401 && !strings.Contains(got.text, "the form was not sent") {
				t.Errorf("answered %d %s, want %d", got.StatusCode, title(got.text), row.want)
			}
		})
	}
}

func signOutWithCopy(later time.Duration) func(*testing.T, *formWorld, *browser) {
	return func(_ *testing.T, w *formWorld, b *browser) {
		u, _ := url.Parse(w.origin)
		stolen := b.Jar.Cookies(u)
		b.do("POST", w.origin+"/.gateway/sign-out", nil, "Origin", w.origin)
		b.Jar.SetCookies(u, stolen)
		w.advance(later)
	}
}

// TestFormIsOfItsPersonAndBrowser: nobody else can see it, send it, or have it
// sent, and it waits no longer than it says.
func TestFormIsOfItsPersonAndBrowser(t *testing.T) {
	const body = "texte=private+words"
	w := newFormWorld(t)
	for name, row := range map[string]struct {
		visit  func(form string, b *browser) (*browser, string)
		status int
		words  string
	}{
		"another person, same browser": {func(form string, b *browser) (*browser, string) { w.signInFor(b, form, "U0MARIE"); return b, form }, 403, "somebody else"},
		"same person, another browser": {func(form string, _ *browser) (*browser, string) {
			b := w.browser()
			b.signIn(w.origin+"/", teams[0], "U0PAUL")
			return b, form
		}, 410, "not here"},
		"same person, made-up cookie": {func(form string, _ *browser) (*browser, string) {
			b := w.browser()
			b.signIn(w.origin+"/", teams[0], "U0PAUL")
			u, _ := url.Parse(form)
			b.Jar.SetCookies(u, []*http.Cookie{{Name: "gw-form-" + u.Query().Get("id"), Value: "x", Path: "/"}})
			return b, form
		}, 410, "not here"},
		"nobody, another browser": {func(form string, _ *browser) (*browser, string) { return w.browser(), form }, 410, "not here"},
		"another person, stolen cookie": {func(form string, b *browser) (*browser, string) {
			u, _ := url.Parse(w.origin)
			thief := w.browser()
			thief.signIn(w.origin+"/", teams[0], "U0MARIE")
			for _, c := range b.Jar.Cookies(u) {
				if strings.HasPrefix(c.Name, "gw-form-") {
					c.Path = "/"
					thief.Jar.SetCookies(u, []*http.Cookie{c})
				}
			}
			return thief, form
		}, 403, "somebody else"},
		"after a quarter of an hour": {func(form string, b *browser) (*browser, string) {
			w.advance(16 * time.Minute)
			b.signIn(w.origin+"/", teams[0], "U0PAUL")
			return b, form
		}, 410, "not here"},
		"a guessed name": {func(form string, b *browser) (*browser, string) {
			b.signIn(w.origin+"/", teams[0], "U0PAUL")
			return b, form[:len(form)-2] + "AA"
		}, 410, "not here"},
		"no name": {func(_ string, b *browser) (*browser, string) {
			b.signIn(w.origin+"/", teams[0], "U0PAUL")
			return b, w.origin + "/.gateway/form"
		}, 410, "not here"},
	} {
		t.Run(name, func(t *testing.T) {
			b := w.lapsed("U0PAUL")
			b, form := row.visit(w.save(b, "/notes", urlencoded, body), b)
			for _, got := range []answer{b.get(form), w.press(b, form, "/notes")} {
				if got.Request.Method == "POST" && strings.HasSuffix(form, "/form") {
					continue // without a name it is no button of ours
				}
				if got.StatusCode != row.status || !strings.Contains(got.text, row.words) || strings.Contains(got.text, "private") {
					t.Errorf("%s answered %d %s", got.Request.Method, got.StatusCode, got.text)
				}
			}
		})
	}
	for _, got := range w.arrivals() {
		if got.body == body || strings.Contains(got.body, "t1") {
			t.Errorf("the app got %+v", got)
		}
	}
}

// TestFormsOfSeveralTabs: whichever tab signs in first, and whatever happens
// at Slack to the others, each form can be sent.
func TestFormsOfSeveralTabs(t *testing.T) {
	w := newFormWorld(t)
	b := w.lapsed("U0PAUL")
	first := w.save(b, "/notes", urlencoded, "a=1")
	second := w.save(b, "/notes", urlencoded, "a=2")
	late := b.get(w.origin + "/.gateway/login?to=" + url.QueryEscape(strings.TrimPrefix(second, w.origin)))
	w.signInFor(b, first, "U0PAUL")
	if got := w.press(b, first, "/notes"); got.StatusCode != 200 {
		t.Errorf("the first form answered %d", got.StatusCode)
	}
	back := b.pick(late.Header.Get("Location"), teams[0], "U0PAUL")
	if got := b.get(back.Header.Get("Location")); got.Header.Get("Location") != second {
		t.Errorf("the late tab ended at %q (%d)", got.Header.Get("Location"), got.StatusCode)
	}
	if got := w.press(b, second, "/notes"); got.StatusCode != 200 || len(w.arrivals()) != 2 {
		t.Errorf("the second form answered %d; the app got %+v", got.StatusCode, w.arrivals())
	}
}

// TestFormCookiesStayFew: as many as there are forms, the oldest make room.
func TestFormCookiesStayFew(t *testing.T) {
	w := newFormWorld(t)
	b := w.lapsed("U0PAUL")
	u, _ := url.Parse(w.origin)
	first := w.save(b, "/notes", urlencoded, "a=0")
	last := ""
	for range 8 {
		w.advance(time.Second)
		last = w.save(b, "/notes", urlencoded, "a=1")
	}
	size := 0
	for _, c := range b.Jar.Cookies(u) {
		size += len(c.Name) + len(c.Value) + 3
	}
	if n := len(b.Jar.Cookies(u)); n != 6 || size > 1500 || w.kept() != 5 {
		t.Errorf("%d cookies of %d bytes, %d forms kept", n, size, w.kept())
	}
	w.signInFor(b, last, "U0PAUL")
	if a, z := b.get(first).StatusCode, b.get(last).StatusCode; a != 410 || z != 200 {
		t.Errorf("the first form answers %d, the last %d", a, z)
	}
}

// TestSlowFormsOfOneSession: whoever holds an expired cookie can begin any
// number of forms and not go on. A few of them wait; the rest, and nobody
// else's, are refused at once.
func TestSlowFormsOfOneSession(t *testing.T) {
	w := newFormWorld(t)
	b, other := w.lapsed("U0PAUL"), w.lapsed("U0MARIE")
	u, err := url.Parse(w.origin)
	must(t, err)
	head := "POST /notes HTTP/1.1\r\nHost: " + u.Host + "\r\nOrigin: " + w.origin + "\r\nContent-Type: " + urlencoded +
		"\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\nContent-Length: 1000\r\nCookie: " + cookiesOf(b, w.origin) + "\r\n\r\na="
	answers := make(chan string, 20)
	for range 20 {
		conn, err := net.Dial("tcp", w.front.Listener.Addr().String())
		must(t, err)
		t.Cleanup(func() { conn.Close() })
		must(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
		fmt.Fprint(conn, head)
		go func() {
			line, _ := bufio.NewReader(conn).ReadString('\n')
			answers <- line
		}()
	}
	for range 15 {
		if got := <-answers; !strings.HasPrefix(got, "HTTP/1.1 401") {
			t.Errorf("answered %q", got)
		}
	}
	select {
	case got := <-answers:
		t.Errorf("one of the first was answered %q", got)
	default:
	}
	w.save(other, "/notes", urlencoded, "texte=long")
}
