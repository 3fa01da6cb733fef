package gateway_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/cocoom/cocoom-gateway/gateway"
)

// answered is all that the gateway says to a request for /.gateway/me with these
// lines of cookies, but for its id.
func (w *world) answered(h string, cookies ...string) string {
	r := httptest.NewRequest("GET", "/.gateway/me", nil)
	r.Host, r.Header["Cookie"] = h, cookies
	rec := httptest.NewRecorder()
	w.gateway.ServeHTTP(rec, r)
	id := rec.Header().Get("X-Request-Id")
	rec.Header().Del("X-Request-Id")
	return strings.ReplaceAll(fmt.Sprint(rec.Code, rec.Header(), rec.Body), id, "ID")
}

// TestAttackSpoiltCookies: whatever is done to a session cookie, what comes back
// is what nobody gets, byte for byte; nothing panics.
func TestAttackSpoiltCookies(t *testing.T) {
	w := newWorld(t)
	session := w.signedInAs(0, "U0PAUL")
	theirs := w.signedInAs(1, "U0ANNE")
	nobody := w.answered(host)
	if good := w.answered(host, "gw="+session); !strings.HasPrefix(good, "200") || !strings.HasPrefix(nobody, "401") {
		t.Fatalf("the good one is answered %s, nobody %s", good, nobody)
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	raw, err := base64.RawURLEncoding.DecodeString(session)
	if err != nil {
		t.Fatal(err)
	}
	spoilt := map[string]string{
		"of the other route": theirs, "quoted": `"` + session + `"`, "escaped": "%" + fmt.Sprintf("%x", session[0]) + session[1:], "twice": session + session,
		"with the other's nonce": theirs[:22] + session[22:], "padded": session + "=", "padded twice": session + "==", "standard": base64.RawStdEncoding.EncodeToString(raw),
		"in hex": fmt.Sprintf("%x", raw), "a space inside": session[:9] + " " + session[9:], "a tab inside": session[:9] + "\t" + session[9:], "a line break inside": session[:9] + "\n" + session[9:],
		"line breaks behind": session + "\r\n", "a NUL behind": session + "\x00", "a comma behind": session + ",x", "encoded again": base64.RawURLEncoding.EncodeToString([]byte(session)),
		"upper case": strings.ToUpper(session), "long": strings.Repeat("A", 30<<10), "bytes": "\xff\xfe\x80",
	}
	if spoilt["standard"] == session { // it has none of the characters that differ
		delete(spoilt, "standard")
	}
	for n := range len(session) {
		spoilt[fmt.Sprint("cut at ", n)] = session[:n]
		spoilt[fmt.Sprint("begun at ", n+1)] = session[n+1:]
	}
	for i := range raw {
		for bit := range 8 {
			flipped := []byte(string(raw))
			flipped[i] ^= 1 << bit
			spoilt[fmt.Sprintf("bit %d of byte %d", bit, i)] = base64.RawURLEncoding.EncodeToString(flipped)
		}
	}
	for _, c := range alphabet { // of the last character, some bits mean nothing
		if c != rune(session[len(session)-1]) {
			spoilt["ends on "+string(c)] = session[:len(session)-1] + string(c)
		}
	}
	for name, value := range spoilt {
		if got := w.answered(host, "gw="+value); got != nobody {
			t.Errorf("%s: answered %s", name, got)
		}
	}
	if got := w.answered(other, "gw="+session); !strings.HasPrefix(got, "401") || strings.ReplaceAll(got, other, host) != nobody {
		t.Errorf("at the other route it is answered %s", got)
	}
	if got := w.answered(host, "gw="+session); !strings.HasPrefix(got, "200") {
		t.Errorf("then the good one is answered %s", got)
	}
}

// TestAttackCookiesBesideTheTrue: among what sister subdomains can have a browser
// send beside the cookie, it is found; and of several of its name, which none can
// do to "__Host-gw", the first counts, whoever that is.
func TestAttackCookiesBesideTheTrue(t *testing.T) {
	w := newWorld(t)
	paul, marie, theirs := w.signedInAs(0, "U0PAUL"), w.signedInAs(0, "U0MARIE"), w.signedInAs(1, "U0ANNE")
	flood := func(n, size int) string {
		var all strings.Builder
		for i := range n {
			fmt.Fprintf(&all, "x%d=%s; ", i, strings.Repeat("y", size))
		}
		return all.String()
	}
	for name, row := range map[string]struct {
		cookies []string
		who     string
	}{
		"alone":              {[]string{"gw=" + paul}, "U0PAUL"},
		"behind 180":         {[]string{flood(180, 4) + "gw=" + paul}, "U0PAUL"},
		"before 180":         {[]string{"gw=" + paul + "; " + flood(180, 4)}, "U0PAUL"},
		"behind 30 KiB":      {[]string{flood(10, 3<<10) + "gw=" + paul}, "U0PAUL"},
		"behind 8 KiB":       {[]string{flood(2, 4<<10) + "gw=" + paul}, "U0PAUL"},
		"in a second line":   {[]string{flood(3, 9), "gw=" + paul}, "U0PAUL"},
		"two of it":          {[]string{"gw=" + paul + "; gw=" + marie}, "U0PAUL"},
		"two of it, reverse": {[]string{"gw=" + marie, "gw=" + paul}, "U0MARIE"},
		"a planted one last": {[]string{"gw=" + paul + "; gw=" + theirs}, "U0PAUL"},
		"a planted one":      {[]string{"gw=" + theirs + "; gw=" + paul}, ""},
		"an empty one":       {[]string{"gw=; gw=" + paul}, ""},
		"beside other names": {[]string{"GW=" + marie + "; gw\u2000=" + marie + "; gw[]=" + marie + "; %67w=" + marie + "; __Host_gw=" + marie + "; __Host-gw=" + marie + "; $gw=" + marie + "; gw=" + paul}, "U0PAUL"},
		"under other names":  {[]string{"GW=" + marie + "; Gw=" + marie + "; gw =" + marie + "; \u2000gw=" + marie + "; gw.=" + marie + "; g w=" + marie + "; gw-tab-00=" + marie + "; =gw=" + marie + "; $Version=1; $Path=/; " + marie}, ""},
		"behind a comma":     {[]string{"a=b, gw=" + marie}, ""},
		"in quotes":          {[]string{`a="b; gw=` + marie + `"`}, ""},
	} {
		got := w.answered(host, row.cookies...)
		if who := regexp.MustCompile(`"user_id":"(\w*)"|U0[A-Z]+`).FindString(got); !strings.Contains(who, row.who) || (row.who == "") != strings.HasPrefix(got, "401") {
			t.Errorf("%s: answered %s", name, got)
		}
	}
}

// signedInAs gives the session cookie of somebody on a route.
func (w *world) signedInAs(route int, user string) string {
	w.t.Helper()
	b := w.browser()
	b.signIn(w.routes[route].Origin+"/", teams[route], user)
	at, err := url.Parse(w.routes[route].Origin)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, c := range b.Jar.Cookies(at) {
		if c.Name == gateway.CookieNames(&w.routes[route])[0] {
			return c.Value
		}
	}
	w.t.Fatalf("%s is not signed in", user)
	return ""
}

// TestAttackCodesOfOthers: a code that somebody else got at Slack, of the same app
// or of another customer's, signs nobody in as them: not with the state that it
// came with, nor put into a sign-in that is under way.
func TestAttackCodesOfOthers(t *testing.T) {
	w := newWorld(t)
	back := func(route int, user string) url.Values { // what Slack sends the attacker back with
		w.t.Helper()
		b := w.browser()
		first := b.get(w.routes[route].Origin + "/")
		u, err := url.Parse(b.pick(first.Header.Get("Location"), teams[route], user).Header.Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		return u.Query()
	}
	for name, row := range map[string]struct {
		code, state func() url.Values // nil: the victim's own
	}{
		"another's sign-in":         {func() url.Values { return back(0, "U0PAUL") }, nil},
		"another customer's code":   {func() url.Values { return back(1, "U0ANNE") }, nil},
		"another customer's both":   {func() url.Values { return back(1, "U0ANNE") }, func() url.Values { return back(1, "U0ANNE") }},
		"own code, another's state": {nil, func() url.Values { return back(0, "U0PAUL") }},
	} {
		t.Run(name, func(t *testing.T) {
			victim, origin := w.browser(), w.routes[0].Origin
			first := victim.get(origin + "/")
			u, err := url.Parse(victim.pick(first.Header.Get("Location"), teams[0], "U0MARIE").Header.Get("Location"))
			if err != nil {
				t.Fatal(err)
			}
			q := u.Query()
			if row.code != nil {
				q.Set("code", row.code().Get("code"))
			}
			if row.state != nil {
				q.Set("state", row.state().Get("state"))
			}
			u.RawQuery = q.Encode()
			got := victim.get(u.String())
			for _, c := range got.Cookies() {
				if c.Name == "gw" && c.MaxAge >= 0 {
					t.Errorf("answered %d with a session", got.StatusCode)
				}
			}
			if me := victim.get(origin + "/.gateway/me"); me.StatusCode != http.StatusUnauthorized {
				t.Errorf("somebody is signed in: %s", me.text)
			}
			if seen := w.last(); seen != nil {
				t.Errorf("the app was asked %s", seen.URL)
			}
		})
	}
}
