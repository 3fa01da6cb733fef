package admin_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const rightToken = "correct-horse-battery"

// TestAdminToken: with a token, nothing but whether the gateway lives and is
// ready is told without it, and only the header brings it.
func TestAdminToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newListenerWith(t, rightToken)
		calls := map[string]string{"GET /status": ""}
		for call, body := range apiCalls {
			calls[call] = body
		}
		for call, body := range calls {
			method, path, _ := strings.Cut(call, " ")
			for name, row := range map[string]struct {
				header []string
				path   string
				want   int // 0: it is let in
			}{
				"no token":               {nil, path, 401},
				"wrong token":            {[]string{"Authorization", "Bearer correct-horse-batterz"}, path, 401},
				"the beginning of it":    {[]string{"Authorization", "Bearer correct-horse"}, path, 401},
				"empty token":            {[]string{"Authorization", "Bearer "}, path, 401},
				"as a password":          {[]string{"Authorization", "Basic " + rightToken}, path, 401},
				"in the query":           {nil, path + "?token=" + rightToken + "&admin_token=" + rightToken + "&access_token=" + rightToken, 401},
				"as a cookie":            {[]string{"Cookie", "token=" + rightToken}, path, 401},
				"right, in a browser":    {[]string{"Authorization", "Bearer " + rightToken, "Sec-Fetch-Site", "cross-site"}, path, 403},
				"right":                  {[]string{"Authorization", "Bearer " + rightToken}, path, 0},
				"right, by another name": {[]string{"Authorization", "bearer " + rightToken, "Host", "gateway.example:9090"}, path, 0},
				"none, by another name":  {[]string{"Host", "gateway.example:9090"}, path, 401},
			} {
				got, said := l.ask(method, row.path, body, row.header...)
				if row.want != 0 && got != row.want || row.want == 0 && (got == 401 || got == 403 || got == 429) {
					t.Errorf("%s with %s: answered %d %s", call, name, got, said)
				}
			}
		}
		for _, path := range []string{"/livez", "/readyz"} {
			if got, said := l.ask("GET", path, "", "Host", "gateway.example"); got != 200 {
				t.Errorf("%s answered %d %s", path, got, said)
			}
		}
		l.broken = fault("dial 10.0.0.7: refused")
		if got, said := l.ask("GET", "/readyz", ""); got != 503 || strings.Contains(said, "10.0.0.7") {
			t.Errorf("/readyz tells everybody %d %s", got, said)
		}
		if log := l.log.String(); !strings.Contains(log, "wrong admin token") || !strings.Contains(log, "from=127.0.0.1:4000") || strings.Contains(log, "correct-horse") {
			t.Errorf("the log says %s", log)
		}
		if deeds := l.audit(); len(deeds) == 0 { // of those that were right
			t.Error("nothing was done")
		}
		if err := l.store.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestWrongTokensAreSlow: who guesses waits, and more than a hundred at once are
// turned away; who knows it does neither.
func TestWrongTokensAreSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newListenerWith(t, rightToken)
		answers := make(chan int)
		begun := time.Now()
		for range 150 {
			go func() {
				got, _ := l.ask("GET", "/alarms", "", "Authorization", "Bearer wrong")
				answers <- got
			}()
		}
		count := map[int]int{}
		for range 50 {
			count[<-answers]++
		}
		if got, _ := l.ask("GET", "/alarms", "", "Authorization", "Bearer "+rightToken); got != 200 || time.Since(begun) != 0 {
			t.Errorf("the right one is answered %d after %v", got, time.Since(begun))
		}
		for range 100 {
			count[<-answers]++
		}
		if count[429] != 50 || count[401] != 100 || time.Since(begun) != time.Second {
			t.Errorf("answers %v after %v", count, time.Since(begun))
		}
		if err := l.store.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// signIn pastes a token, and gives the answer.
func (b *browser) signIn(token, to string) (status int, location string) {
	b.t.Helper()
	rec := b.do("POST", "/ui/sign-in", url.Values{"token": {token}, "name": {"Léa"}, "to": {to}})
	if c := rec.Result().Cookies(); len(c) == 1 && c[0].MaxAge > 0 {
		if c[0].Path != "/ui/" || !c[0].HttpOnly || c[0].SameSite != http.SameSiteStrictMode || c[0].Domain != "" || strings.Contains(c[0].Value, rightToken) {
			b.t.Errorf("the cookie is %+v", c[0])
		}
		b.cookie = c[0].Name + "=" + c[0].Value
	}
	return rec.Code, rec.Header().Get("Location")
}

// TestBrowsersSignIn: the page that was wanted, after the token; not before, not
// when the time is over, and not with a cookie that is not for here.
func TestBrowsersSignIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newListenerWith(t, rightToken)
		b := l.browser()
		if rec := b.do("GET", "/ui/sessions?person=a%40b.c", nil); rec.Code != 303 || rec.Header().Get("Location") != "/ui/sign-in?to=%2Fui%2Fsessions%3Fperson%3Da%2540b.c" {
			t.Errorf("without a cookie: %d %v", rec.Code, rec.Header())
		}
		if rec := b.do("POST", "/ui/sessions/end", url.Values{"route": {"a.localhost"}}); rec.Code != 401 {
			t.Errorf("a form without a cookie: %d", rec.Code)
		}
		if rec := b.do("GET", "/ui/?token="+rightToken, nil); rec.Code != 303 {
			t.Errorf("a token in the query: %d", rec.Code)
		}
		if rec := b.do("POST", "/ui/sign-in?token="+rightToken+"&name=x", url.Values{}); rec.Code != 401 {
			t.Errorf("signing in by the query: %d", rec.Code)
		}
		if status, _ := b.signIn("wrong", "/ui/"); status != 401 || b.cookie != "" {
			t.Errorf("a wrong token: %d %s", status, b.cookie)
		}
		for to, want := range map[string]string{"/ui/sessions?person=x": "/ui/sessions?person=x", "//evil.example/ui/": "/ui/", "https://evil.example/ui/": "/ui/", `/ui/\evil`: "/ui/", "/sessions": "/ui/", "": "/ui/", "/ui/sign-out": "/ui/"} {
			if status, location := b.signIn(rightToken, to); status != 303 || location != want {
				t.Errorf("signing in for %q: %d to %q", to, status, location)
			}
		}
		if got := b.page("/ui/"); !strings.Contains(got, "Léa Sign out") {
			t.Errorf("signed in: %s", got)
		}
		for name, other := range map[string]*browser{
			"at another port":  {listener: l, host: "localhost:9191", cookie: strings.Replace(b.cookie, "9090", "9191", 1)},
			"at another name":  {listener: l, host: "gateway.example:9090", cookie: b.cookie},
			"changed":          {listener: l, host: b.host, cookie: strings.Replace(b.cookie, "=TM", "=TN", 1)},
			"longer":           {listener: l, host: b.host, cookie: b.cookie + "x"},
			"empty":            {listener: l, host: b.host, cookie: "gw-admin-9090="},
			"another listener": {listener: newListenerWith(t, rightToken+"2"), host: b.host, cookie: b.cookie},
		} {
			if rec := other.do("GET", "/ui/", nil); rec.Code != 303 {
				t.Errorf("the cookie %s: answered %d", name, rec.Code)
			}
			if other.listener != l {
				other.store.Close()
			}
		}
		if got, said := l.ask("GET", "/sessions", "", "Cookie", b.cookie); got != 401 {
			t.Errorf("the cookie on another path, of programs: answered %d %s", got, said)
		}
		if rec := b.do("POST", "/ui/sign-out", url.Values{}); rec.Code != 303 || !strings.Contains(rec.Header().Get("Set-Cookie"), "Max-Age=0") {
			t.Errorf("sign-out: %d %v", rec.Code, rec.Header())
		}
		time.Sleep(8 * time.Hour)
		if rec := b.do("GET", "/ui/", nil); rec.Code != 303 {
			t.Errorf("after its time the cookie is answered %d", rec.Code)
		}
		if err := l.store.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestForgedForms: no page but ours can have an operator's browser do anything,
// read anything, or show ours.
func TestForgedForms(t *testing.T) {
	for _, token := range []string{"", rightToken} {
		l := newListenerWith(t, "")
		if token != "" {
			l = newListenerWith(t, rightToken)
		}
		b := l.browser()
		if token != "" {
			b.signIn(rightToken, "")
		}
		id := strings.Repeat("1", 64)
		l.exec(sessionRow, id, "a.localhost", "U1", "x@example.com", time.Now().UnixMilli(), time.Now().Add(time.Hour).UnixMilli())
		for name, header := range map[string][]string{
			"a cross-site POST":         {"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"},
			"by an old browser":         {"Origin", "https://evil.example", "Sec-Fetch-Site", ""},
			"from another port":         {"Origin", "http://localhost:8080", "Sec-Fetch-Site", "same-site"},
			"from a page without name":  {"Origin", "null", "Sec-Fetch-Site", "cross-site"},
			"that says nothing":         {"Origin", "", "Sec-Fetch-Site", ""},
			"with a name like ours":     {"Origin", "http://localhost:9090.evil.example", "Sec-Fetch-Site", ""},
			"that contradicts itself":   {"Origin", "http://localhost:9090", "Sec-Fetch-Site", "cross-site"},
			"typed, as no form ever is": {"Origin", "http://localhost:9090", "Sec-Fetch-Site", "none"},
		} {
			for _, path := range []string{"/ui/sessions/end", "/ui/sign-in", "/ui/sign-out", "/ui/replay"} {
				rec := b.do("POST", path, url.Values{"session": {id}, "token": {rightToken}, "name": {"x"}, "route": {"b.localhost"}}, header...)
				if rec.Code != 403 || rec.Header().Get("Set-Cookie") != "" {
					t.Errorf("%s %s: answered %d", path, name, rec.Code)
				}
			}
		}
		if rec := b.do("GET", "/ui/sessions", nil, "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors"); rec.Code != 403 {
			t.Errorf("a page as the image of another: answered %d", rec.Code)
		}
		if rec := b.do("GET", "/ui/sessions", nil, "Sec-Fetch-Site", "cross-site"); rec.Code != 200 {
			t.Errorf("a link: answered %d", rec.Code)
		}
		if rec := b.do("PUT", "/ui/sessions", url.Values{}); rec.Code == 200 {
			t.Errorf("PUT: answered %d", rec.Code)
		}
		if deeds := l.audit(); len(deeds) != 0 {
			t.Errorf("something was done: %q", deeds)
		}
	}
}

// TestRebinding: a page whose own name leads here gets nothing without a token;
// with one it has no cookie, as browsers keep that to the name it was given under.
func TestRebinding(t *testing.T) {
	for token, want := range map[string]int{"": 403, rightToken: 303} {
		l := newListenerWith(t, "")
		if token != "" {
			l = newListenerWith(t, rightToken)
		}
		for _, host := range []string{"evil.example:9090", "localhost.evil.example", "127.0.0.1.evil.example:9090"} {
			b := &browser{listener: l, host: host}
			for _, path := range []string{"/ui/", "/ui/sessions", "/ui/notifications/x"} {
				if rec := b.do("GET", path, nil); rec.Code != want {
					t.Errorf("%s at %s: answered %d, want %d", path, host, rec.Code, want)
				}
			}
			if rec := b.do("POST", "/ui/sessions/end", url.Values{"route": {"a.localhost"}}); rec.Code != 403 && rec.Code != 401 {
				t.Errorf("a form at %s: answered %d", host, rec.Code)
			}
		}
	}
}
