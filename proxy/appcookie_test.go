package proxy_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/policy"
	"github.com/cocoom/cocoom-gateway/proxy"
)

var (
	paul      = policy.Identity{Team: lea.Team, User: "U0PAUL"}
	otherTeam = policy.Identity{Team: "T0OTHER", User: lea.User}
)

func newCookieKeys(t testing.TB, keys ...proxy.CookieKey) *proxy.CookieKeys {
	t.Helper()
	if keys == nil {
		keys = []proxy.CookieKey{cookieKey("c1", 1, time.Time{})}
	}
	k := new(proxy.CookieKeys)
	if err := k.Set(keys); err != nil {
		t.Fatal(err)
	}
	return k
}

func cookieKey(id string, fill byte, from time.Time) proxy.CookieKey {
	return proxy.CookieKey{ID: id, Value: bytes.Repeat([]byte{fill}, 32), ActiveFrom: from}
}

// newCookieApp starts an app that sets what ?set= says, and answers with the
// cookies that it got, one header a line.
func newCookieApp(t testing.TB) string {
	return newApp(t, func(w http.ResponseWriter, r *http.Request) {
		for _, cookie := range r.URL.Query()["set"] {
			w.Header().Add("Set-Cookie", cookie)
		}
		fmt.Fprint(w, strings.Join(r.Header["Cookie"], "\n"))
	})
}

// binding puts an app behind a Proxy that binds the names; who asks.
func binding(t testing.TB, app string, who *policy.Identity, keys *proxy.CookieKeys, names ...string) *front {
	t.Helper()
	return newFront(t, app, who, func(c *proxy.Config) { c.AppCookies, c.CookieKeys = names, keys })
}

// setCookies has the app set cookies, and gives what the browser is told.
func (f *front) setCookies(t testing.TB, cookies ...string) []string {
	t.Helper()
	res, _ := f.get(t, "/?"+url.Values{"set": cookies}.Encode())
	return res.Header["Set-Cookie"]
}

// pairOf is what a browser sends back of a Set-Cookie line.
func pairOf(line string) string {
	pair, _, _ := strings.Cut(line, ";")
	return pair
}

// TestAppCookiesDoNotCross: what was set for one is dropped for all others. The
// three cases of an attack: refused, baseline, forged.
func TestAppCookiesDoNotCross(t *testing.T) {
	app, keys := newCookieApp(t), newCookieKeys(t)
	people := map[string]*policy.Identity{"lea": &lea, "paul": &paul, "same id elsewhere": &otherTeam, "nobody": nil}
	fronts, cookies := map[string]*front{}, map[string]string{}
	for name, who := range people {
		fronts[name] = binding(t, app, who, keys, "PHPSESSID")
		cookies[name] = pairOf(fronts[name].setCookies(t, "PHPSESSID=abc; path=/")[0])
	}
	for owner, cookie := range cookies {
		for name, f := range fronts {
			want := ""
			if name == owner {
				want = "PHPSESSID=abc"
			}
			if _, got := f.get(t, "/", "Cookie", cookie); got != want {
				t.Errorf("%s's cookie from %s: the app gets %q, want %q", owner, name, got, want)
			}
		}
	}

	elsewhere := newFront(t, app, &lea, func(c *proxy.Config) {
		c.AppCookies, c.CookieKeys, c.Host = []string{"PHPSESSID"}, keys, "editionsduport.cocoom.com"
	})
	good, sister := cookies["lea"], pairOf(elsewhere.setCookies(t, "PHPSESSID=sister; Domain=.cocoom.com")[0])
	tag := good[strings.LastIndexByte(good, '.'):]
	f := fronts["lea"]
	for name, row := range map[string]struct{ sent, want string }{
		"honest":                     {good, "PHPSESSID=abc"},
		"without the tag":            {"PHPSESSID=abc", ""},
		"another value":              {"PHPSESSID=abd" + tag, ""},
		"no value":                   {"PHPSESSID=" + tag, ""},
		"tag alone":                  {"PHPSESSID=" + tag[1:], ""},
		"half a tag":                 {good[:len(good)-1], ""},
		"tag twice":                  {good + tag, ""},
		"another letter":             {good[:len(good)-1] + "_", ""},
		"tag of spaces":              {"PHPSESSID=abc." + strings.Repeat("\t", len(tag)-1) + "x", ""},
		"of a sister subdomain":      {sister, ""},
		"the sister's first":         {sister + "; " + good, "PHPSESSID=abc"},
		"the sister's last":          {good + "; " + sister, "PHPSESSID=abc"},
		"among others":               {"a=1; " + good + "; b=2", "a=1; PHPSESSID=abc; b=2"},
		"a bad one among others":     {"a=1; PHPSESSID=abc; b=2", "a=1; b=2"},
		"a bad one first":            {"PHPSESSID=abc; a=1;b=2", "a=1;b=2"},
		"a bad one last":             {"a=1; PHPSESSID=abc", "a=1"},
		"twice good":                 {good + "; " + good, "PHPSESSID=abc; PHPSESSID=abc"},
		"under another name":         {"PHPSESSIE" + good[len("PHPSESSID"):], "PHPSESSIE" + good[len("PHPSESSID"):]},
		"in another case":            {"phpsessid" + good[len("PHPSESSID"):], ""},
		"without spaces":             {"a=1;" + good + ";b=2", "a=1;PHPSESSID=abc;b=2"},
		"with more":                  {"a=1;  " + good + "\t ;b=2", "a=1;  PHPSESSID=abc\t ;b=2"},
		"nothing but semicolons":     {"; ;PHPSESSID=abc;", "; ;"},
		"no equals sign":             {"PHPSESSID; a=1", "a=1"},
		"a nameless one":             {"=PHPSESSID=abc; a=1", "a=1"},
		"a space before the equals":  {strings.Replace(good, "=", " =", 1), ""},
		"an array":                   {"PHPSESSID[]=abc; PHPSESSID[x]=abc; a[x]=1", "a[x]=1"},
		"escaped":                    {"PHP%53ESSID=abc; +PHPSESSID=abc; %20%2bPHPSESSID=1; %20PHPSESSID%00x=abc", "%20%2bPHPSESSID=1"},
		"behind a comma":             {`a=1,PHPSESSID=abc; b="x, phpsessid=abc"; c=1,2; d=1,PHPSESSID`, "c=1,2; d=1,PHPSESSID"},
		"others with strange values": {`a="x;y"; %zz=%; é=ü; ===; [=]; Cookie`, `a="x;y"; %zz=%; é=ü; ===; [=]; Cookie`},
	} {
		if _, got := f.get(t, "/", "Cookie", row.sent); got != row.want {
			t.Errorf("%s: the app gets %q, want %q", name, got, row.want)
		}
	}
	if _, got := f.get(t, "/", "Cookie", "a=1", "Cookie", "PHPSESSID=abc", "Cookie", good, "Cookie", "b=2"); got != "a=1\nPHPSESSID=abc\nb=2" {
		t.Errorf("of several headers the app gets %q", got)
	}
}

// TestAppCookiesAsSet: what browsers are told, for whatever apps set.
func TestAppCookiesAsSet(t *testing.T) {
	f := binding(t, newCookieApp(t), &lea, newCookieKeys(t), "PHP_SESSID", "__Host-sid")
	for name, row := range map[string]struct{ set, pattern, back string }{
		"plain":                {"PHP_SESSID=abc", "PHP_SESSID=abc.#", "PHP_SESSID=abc"},
		"with attributes":      {"PHP_SESSID=abc; path=/;HttpOnly;Domain=.cocoom.com", "PHP_SESSID=abc.#; path=/;HttpOnly;Domain=.cocoom.com", "PHP_SESSID=abc"},
		"with dots":            {"PHP_SESSID=a.b.c", "PHP_SESSID=a.b.c.#", "PHP_SESSID=a.b.c"},
		"quoted":               {`PHP_SESSID="a b"; path=/`, `PHP_SESSID="a b.#"; path=/`, `PHP_SESSID="a b"`},
		"half quoted":          {`PHP_SESSID="`, `PHP_SESSID=".#`, `PHP_SESSID="`},
		"with blanks":          {"PHP_SESSID = abc ;path=/", "PHP_SESSID=abc.#;path=/", "PHP_SESSID=abc"},
		"with equals signs":    {"PHP_SESSID=YQ==", "PHP_SESSID=YQ==.#", "PHP_SESSID=YQ=="},
		"with commas":          {"PHP_SESSID=a,PHP_SESSID=b", "PHP_SESSID=a,PHP_SESSID=b.#", "PHP_SESSID=a,PHP_SESSID=b"},
		"empty":                {"PHP_SESSID=", "PHP_SESSID=.#", "PHP_SESSID="},
		"deleted":              {"PHP_SESSID=deleted; expires=Thu, 01-Jan-1970 00:00:01 GMT; Max-Age=0; path=/", "PHP_SESSID=deleted.#; expires=Thu, 01-Jan-1970 00:00:01 GMT; Max-Age=0; path=/", "PHP_SESSID=deleted"},
		"prefixed":             {"__Host-sid=x; Secure; Path=/", "__Host-sid=x.#; Secure; Path=/", "__Host-sid=x"},
		"what PHP reads as it": {"PHP.SESSID=abc", "PHP.SESSID=abc.#", "PHP.SESSID=abc"},
		"an array":             {"php_sessid[x]=abc", "php_sessid[x]=abc.#", "php_sessid[x]=abc"},
		"not listed":           {"theme=dark", "theme=dark", "theme=dark"},
		"no equals sign":       {"PHP_SESSID", "PHP_SESSID", ""},
		"nameless":             {"=PHP_SESSID=x", "=PHP_SESSID=x", ""},
		"another prefix":       {"__Secure-sid=x; Secure", "__Secure-sid=x; Secure", "__Secure-sid=x"},
	} {
		t.Run(name, func(t *testing.T) {
			lines := f.setCookies(t, row.set)
			if len(lines) != 1 {
				t.Fatalf("the browser is told %q", lines)
			}
			before, after, bound := strings.Cut(row.pattern, "#")
			line := lines[0]
			if !strings.HasPrefix(line, before) || !strings.HasSuffix(line, after) || bound && len(line) != len(before)+24+len(after) || !bound && line != row.pattern {
				t.Errorf("the browser is told %q, want %q", line, row.pattern)
			}
			if _, got := f.get(t, "/", "Cookie", pairOf(line)); got != row.back {
				t.Errorf("the app gets back %q, want %q", got, row.back)
			}
		})
	}
	// Clients that take the quotes off, as Go's does, lose nothing but them.
	quoted := f.setCookies(t, `PHP_SESSID="abc"`)
	if _, got := f.get(t, "/", "Cookie", strings.ReplaceAll(pairOf(quoted[0]), `"`, "")); got != "PHP_SESSID=abc" {
		t.Errorf("without its quotes the app gets back %q", got)
	}
	if lines := f.setCookies(t, "a=1", "PHP_SESSID=x", "b=2", "PHP_SESSID=y"); len(lines) != 4 || lines[0] != "a=1" || lines[2] != "b=2" || lines[1][:13] != "PHP_SESSID=x." || lines[3][:13] != "PHP_SESSID=y." {
		t.Errorf("of several the browser is told %q", lines)
	}
}

// TestAppCookiesOnEveryKindOfAnswer: informational answers and upgrades set
// cookies too, each bound once.
func TestAppCookiesOnEveryKindOfAnswer(t *testing.T) {
	const tagged = "Set-Cookie: PHPSESSID=abc."
	for name, answer := range map[string]string{
		"informational": "HTTP/1.1 103 Early Hints\r\nSet-Cookie: PHPSESSID=abc\r\n\r\n" + emptyAnswer,
		"an error":      "HTTP/1.1 500 Oops\r\nSet-Cookie: PHPSESSID=abc\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
		"an upgrade":    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSet-Cookie: PHPSESSID=abc\r\n\r\n",
	} {
		app, heads := newRawApp(t, answer)
		f := binding(t, app, &lea, newCookieKeys(t), "PHPSESSID")
		got := f.send(t, "GET / HTTP/1.1\nHost: x\nCookie: PHPSESSID=forged\nConnection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\n\n")
		if head := <-heads; strings.Contains(head, "forged") {
			t.Errorf("%s: the app gets %q", name, head)
		}
		_, rest, ok := strings.Cut(got, tagged)
		if line, _, _ := strings.Cut(rest, "\r\n"); !ok || len(line) != 24 || strings.Contains(rest, tagged) {
			t.Errorf("%s: the browser gets %q", name, got)
		}
	}
}

func TestAppCookieKeys(t *testing.T) {
	now := time.Now()
	older, newer, next := cookieKey("c1", 1, now.Add(-time.Hour)), cookieKey("c2", 2, now.Add(-time.Minute)), cookieKey("c3", 3, now.Add(time.Hour))
	app, keys := newCookieApp(t), newCookieKeys(t, older)
	f := binding(t, app, &lea, keys, "PHPSESSID")
	back := func(cookie string) bool {
		_, got := f.get(t, "/", "Cookie", cookie)
		return got == "PHPSESSID=abc"
	}
	old := pairOf(f.setCookies(t, "PHPSESSID=abc")[0])
	set := func(ring ...proxy.CookieKey) {
		t.Helper()
		if err := keys.Set(ring); err != nil {
			t.Fatal(err)
		}
	}
	set(newer, older, next)
	fresh := pairOf(f.setCookies(t, "PHPSESSID=abc")[0])
	if !back(old) || !back(fresh) || old == fresh {
		t.Errorf("after a rotation: %s is %v, %s is %v", old, back(old), fresh, back(fresh))
	}
	set(next, newer)
	if back(old) || !back(fresh) {
		t.Error("a key that is gone verifies, or one that is there does not")
	}
	set(cookieKey("c2", 9, now.Add(-time.Minute)))
	if back(fresh) {
		t.Error("another key of the same id verifies")
	}
	set(next) // none is active: nothing is bound, and nothing unbound comes back
	if got := f.setCookies(t, "PHPSESSID=abc"); !slices.Equal(got, []string{"PHPSESSID=abc"}) || back(got[0]) {
		t.Errorf("without an active key: %q", got)
	}
	if err := keys.Set([]proxy.CookieKey{{ID: "short", Value: []byte("short")}}); err == nil {
		t.Error("a short key is taken")
	}
	if _, err := proxy.New(proxy.Config{Origin: origin, Host: host, Upstream: proxy.Upstream{URL: app}, Keys: newKeys(t, "ES256"), AppCookies: []string{"a"}}); err == nil {
		t.Error("a Proxy without keys binds cookies")
	}
}

func TestAppCookieMistakes(t *testing.T) {
	many := make([]string, 17)
	for i := range many {
		many[i] = fmt.Sprint("c", i)
	}
	for name, row := range map[string]struct {
		names []string
		want  []string
	}{
		"good":              {[]string{"PHPSESSID", "JSESSIONID", "__Host-sid", "ASP.NET_SessionId"}, nil},
		"no names":          {[]string{"", "a b", "a=b", "a;b", "é", "%00x", strings.Repeat("x", 65)}, []string{"[0]", "[1]", "[2]", "[3]", "[4]", "[5]", "[6]"}},
		"ours":              {[]string{"gw", "__Host-gw", "gw-x"}, []string{"[0]", "[1]", "[2]"}},
		"twice":             {[]string{"a", "b", "a"}, []string{"[2]"}},
		"the same to PHP":   {[]string{"a_b", "a.b", "A_b"}, []string{"[1]", "[2]"}},
		"more than sixteen": {many, []string{""}},
	} {
		var got []string
		proxy.AppCookies(row.names).Validate(func(key, _ string) { got = append(got, key) })
		if !slices.Equal(got, row.want) {
			t.Errorf("%s: mistakes in %q, want %q", name, got, row.want)
		}
	}
}
