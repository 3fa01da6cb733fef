package proxy_test

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"github.com/cocoom/cocoom-gateway/policy"
)

// TestNobodyOverwritesNoOnesSession: who loads one of the app's public pages
// after their session has expired finds the app's session again when they have
// signed in, and what they did there as nobody when they have not.
func TestNobodyOverwritesNoOnesSession(t *testing.T) {
	sessions := 0
	app := newApp(t, func(w http.ResponseWriter, r *http.Request) {
		if c, err := r.Cookie("PHPSESSID"); err == nil { // the only one that it ever gets
			w.Write([]byte(c.Value))
			return
		}
		sessions++
		http.SetCookie(w, &http.Cookie{Name: "PHPSESSID", Value: "s" + string(rune('0'+sessions)), Path: "/", HttpOnly: true})
	})
	keys := newCookieKeys(t)
	jar, _ := cookiejar.New(nil)
	at, _ := url.Parse(origin)
	visit := func(who *policy.Identity) string {
		f := binding(t, app, who, keys, "PHPSESSID")
		var pairs []string
		for _, c := range jar.Cookies(at) {
			pairs = append(pairs, c.Name+"="+c.Value)
		}
		res, got := f.get(t, "/", "Cookie", strings.Join(pairs, "; "))
		jar.SetCookies(at, res.Cookies())
		return got
	}
	for i, step := range []struct {
		who  *policy.Identity
		want string
	}{{&lea, ""}, {&lea, "s1"}, {nil, ""}, {nil, "s2"}, {&lea, "s1"}, {nil, "s2"}, {&paul, ""}, {&paul, "s3"}, {nil, "s2"}} {
		if got := visit(step.who); got != step.want {
			t.Errorf("step %d: the app gets the session %q, want %q", i, got, step.want)
		}
	}
	if n := len(jar.Cookies(at)); n != 2 {
		t.Errorf("the browser holds %d cookies, want one of somebody and one of nobody", n)
	}
}

// TestNobodysCookieForged: neither name is good for the other's cookie.
func TestNobodysCookieForged(t *testing.T) {
	app, keys := newCookieApp(t), newCookieKeys(t)
	somebody, nobody := binding(t, app, &lea, keys, "PHPSESSID"), binding(t, app, nil, keys, "PHPSESSID")
	leas, nobodys := pairOf(somebody.setCookies(t, `PHPSESSID="abc"`)[0]), pairOf(nobody.setCookies(t, `PHPSESSID="abc"`)[0])
	renamed := strings.NewReplacer("PHPSESSID=", "PHPSESSID~nobody=", "PHPSESSID~nobody=", "PHPSESSID=")
	for name, row := range map[string]struct {
		of         *front
		sent, want string
	}{
		"honest":                       {nobody, "a=1; " + nobodys + " ; b=2", `a=1; PHPSESSID="abc" ; b=2`},
		"somebody's, honest":           {somebody, leas, `PHPSESSID="abc"`},
		"both, as nobody":              {nobody, leas + "; " + nobodys, `PHPSESSID="abc"`},
		"both, as somebody":            {somebody, nobodys + "; " + leas, `PHPSESSID="abc"`},
		"nobody's, under another name": {nobody, renamed.Replace(nobodys), ""},
		"somebody's, as nobody":        {nobody, renamed.Replace(leas), ""},
		"nobody's, as somebody":        {somebody, renamed.Replace(nobodys), ""},
		"with a blank":                 {nobody, strings.Replace(nobodys, "=", " =", 1), ""},
		"without a tag":                {nobody, "PHPSESSID~nobody=abc; phpsessid[x]~nobody=abc; ~nobody=abc", "~nobody=abc"},
		"behind a comma":               {nobody, "a=1, PHPSESSID~nobody=abc", "a=1, PHPSESSID~nobody=abc"},
	} {
		if _, got := row.of.get(t, "/", "Cookie", row.sent); got != row.want {
			t.Errorf("%s: the app gets %q, want %q", name, got, row.want)
		}
	}
}
