package gateway_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/internal/secret"
	"github.com/cocoom/cocoom-gateway/internal/slacksim"
)

// from makes a request from an address, as a page that a person opens.
func (w *world) from(address, method, target, body string, header ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.RemoteAddr = address
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	r.Header.Set("Sec-Fetch-Dest", "document")
	r.Header.Set("Accept", "text/html")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	out := httptest.NewRecorder()
	w.gateway.ServeHTTP(out, r)
	return out
}

// begin opens a page as nobody, and gives the state and the cookie of the sign-in.
func (w *world) begin(address, origin string, header ...string) (state, cookie string) {
	w.t.Helper()
	a := w.from(address, "GET", origin+"/", "", header...)
	to, err := url.Parse(a.Header().Get("Location"))
	if err != nil || a.Code != 302 {
		w.t.Fatalf("a page is answered %d %v", a.Code, err)
	}
	cookie, _, _ = strings.Cut(a.Header().Get("Set-Cookie"), ";")
	return to.Query().Get("state"), cookie
}

const (
	attacker = "203.0.113.7:1000"
	honest   = "198.51.100.1:1000"
)

// held fails unless an answer is the one of who tries too often.
func held(t *testing.T, a *httptest.ResponseRecorder, code string) {
	t.Helper()
	wait, err := strconv.Atoi(a.Header().Get("Retry-After"))
	if a.Code != 429 || err != nil || wait < 1 || wait > 60 || a.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("answered %d, Retry-After %q: %s", a.Code, a.Header().Get("Retry-After"), a.Body)
	}
	if strings.HasPrefix(a.Header().Get("Content-Type"), "application/problem+json") {
		var p struct {
			Code      string
			Retryable bool
		}
		if err := json.Unmarshal(a.Body.Bytes(), &p); err != nil || p.Code != code || !p.Retryable {
			t.Errorf("problem %s", a.Body)
		}
	}
}

// TestAttackGuesses: who guesses is held back after some tries, on that route and
// from there alone, and whoever has what is good passes from the very address.
func TestAttackGuesses(t *testing.T) {
	const signing = "signing-secret-0"
	var w *world
	var cron string
	w, cron, _, _ = machineRoom(t, func(c *gateway.Config) { c.Routes[0].SlackApp.SigningSecret = secret.String(signing) })
	at, rival := w.routes[0].Origin, w.routes[1].Origin
	link := w.link(gateway.BreakGlass{})
	state, cookie := w.begin(honest, at)
	event := `{"type":"url_verification","challenge":"abc"}`
	signed := func(by string) (header []string) {
		for name, values := range slacksim.Sign(by, w.clock().Unix(), []byte(event)) {
			header = append(header, name, values[0])
		}
		return program(header)
	}
	guessed := strings.Repeat("A", 43)
	for name, row := range map[string]struct {
		what         string
		tries, wrong int // how many are answered as wrong, and by what
		method       string
		path, body   string
		header       []string
		good         func() int // what is good, from the same address
		want         int
	}{
		"service tokens": {"service_tokens", 120, 401, "GET", "/cron/x", "", program(bearer("cgs_guessed")),
			func() int { return w.from(attacker, "GET", at+"/cron/x", "", program(bearer(cron))...).Code }, 200},
		"states": {"callbacks", 120, 400, "GET", "/.gateway/callback?code=x&state=forged", "", nil,
			func() int {
				return w.from(attacker, "GET", at+"/.gateway/callback?error=access_denied&state="+state, "", "Cookie", cookie).Code
			}, 403},
		"signatures": {"signatures", 120, 401, "POST", "/.gateway/slack/events", event, signed("guessed"),
			func() int {
				return w.from(attacker, "POST", at+"/.gateway/slack/events", event, signed(signing)...).Code
			}, 200},
		"break-glass links": {"links", 30, 410, "GET", "/.gateway/break-glass?key=" + guessed, "", nil,
			func() int { return w.from(attacker, "GET", link, "").Code }, 200},
	} {
		t.Run(name, func(t *testing.T) {
			try := func(address, origin string) *httptest.ResponseRecorder {
				return w.from(address, row.method, origin+row.path, row.body, row.header...)
			}
			for i := range row.tries {
				if a := try(attacker, at); a.Code != row.wrong {
					t.Fatalf("try %d is answered %d, want %d", i, a.Code, row.wrong)
				}
			}
			for _, same := range []string{attacker, "203.0.113.7:2000", "[::ffff:203.0.113.7]:3000"} {
				held(t, try(same, at), "too_many_failures")
			}
			if got := row.good(); got != row.want {
				t.Errorf("what is good is answered %d, want %d", got, row.want)
			}
			if a := try(honest, at); a.Code != row.wrong {
				t.Errorf("somebody else is answered %d", a.Code)
			}
			if a := try(attacker, rival); a.Code == 429 {
				t.Error("held back at another customer's")
			}
			w.lose(2 * time.Second)
			if a := try(attacker, at); a.Code != row.wrong {
				t.Errorf("after a while a try is answered %d", a.Code)
			}
			for range 120 {
				try(attacker, at)
			}
			found := false
			for _, a := range w.gateway.Alarms() {
				meaning, remedy := a.Advice()
				found = found || a == (gateway.Alarm{Route: host, Kind: "flood", Reason: row.what, Since: a.Since}) && strings.Contains(meaning, row.what) && remedy != ""
			}
			if !found {
				t.Errorf("no alarm: %+v", w.gateway.Alarms())
			}
		})
	}
	if n := strings.Count(w.log.String(), "held back"); n > 12 {
		t.Errorf("%d lines in the log", n)
	}
}

// TestManyBehindOneAddressSignIn: 300 people behind one address come with four
// tabs each in the same moment; a flood from it is told to wait, in a page or a
// problem, without a word about credentials; what ends in a session is given back.
func TestManyBehindOneAddressSignIn(t *testing.T) {
	w := newWorld(t, func(c *gateway.Config) { c.Limits.Logins = 0 })
	at := w.routes[0].Origin
	for i := range 300 * 4 {
		if a := w.from(attacker, "GET", at+"/dossiers", ""); a.Code != 302 {
			t.Fatalf("tab %d is answered %d", i, a.Code)
		}
	}
	for name, row := range map[string]struct {
		header []string
		says   string
	}{
		"English": {nil, "Too many sign-ins"},
		"French":  {[]string{"Accept-Language", "fr"}, "Trop de connexions"},
	} {
		a := w.from(attacker, "GET", at+"/dossiers?id=7", "", row.header...)
		held(t, a, "too_many_sign_ins")
		if !strings.Contains(a.Body.String(), row.says) || !strings.Contains(a.Body.String(), "/.gateway/login?to=%2Fdossiers%3Fid%3D7") {
			t.Errorf("%s: %s", name, a.Body)
		}
	}
	if a := w.from(attacker, "GET", at+"/.gateway/login", ""); a.Code != 429 {
		t.Errorf("the other door is open: %d", a.Code)
	}
	if a := w.from(attacker, "GET", at+"/api", "", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"); a.Code != 401 {
		t.Errorf("what begins no sign-in is answered %d", a.Code)
	}
	if a := w.from(attacker, "GET", at+"/public/x", ""); a.Code != 200 {
		t.Errorf("a public page is answered %d", a.Code)
	}
	if a := w.from(honest, "GET", at+"/", ""); a.Code != 302 {
		t.Errorf("somebody else is answered %d", a.Code)
	}
	if a := w.from(attacker, "GET", w.routes[1].Origin+"/", ""); a.Code != 302 {
		t.Errorf("at another customer's: %d", a.Code)
	}
	w.lose(time.Second)
	for i, want := range []int{302, 302, 302, 302, 302, 302, 302, 302, 302, 302, 429} { // 600 a minute
		if a := w.from(attacker, "GET", at+"/", ""); a.Code != want {
			t.Errorf("a second later, %d: %d, want %d", i, a.Code, want)
		}
	}
}

// TestSignInsThatSucceedDoNotCount: however few may be begun, people sign in one
// after the other.
func TestSignInsThatSucceedDoNotCount(t *testing.T) {
	w := newWorld(t, func(c *gateway.Config) { c.Limits.Logins = 10 })
	at := w.routes[0].Origin
	for i := range 30 {
		if a := w.browser().signIn(at+"/dossiers", teams[0], "U0MARIE"); a.StatusCode != 302 || a.Header.Get("Location") != at+"/dossiers" {
			t.Fatalf("sign-in %d ends with %d", i, a.StatusCode)
		}
	}
	if n := len(w.slack.Calls("openid.connect.token")); n != 30 {
		t.Errorf("%d exchanges", n)
	}
}

// TestAttackScriptedSignIns: a script that begins sign-ins has states that are
// true, and makes up codes. Few of them reach Slack, so that there is room for
// people: those at other addresses, and those who have been signed in before also
// behind the script's own. What has no true state, or another browser's, never
// reaches it.
func TestAttackScriptedSignIns(t *testing.T) {
	w := newWorld(t)
	at := w.routes[0].Origin
	exchanges := func() int { return len(w.slack.Calls("openid.connect.token")) }
	forge := func(address, state, cookie string) *httptest.ResponseRecorder {
		return w.from(address, "GET", at+"/.gateway/callback?code=forged&state="+url.QueryEscape(state), "", "Cookie", cookie)
	}
	state, cookie := w.begin(attacker, at)
	other, _ := w.begin(honest, at)
	foreign, _ := w.begin(attacker, w.routes[1].Origin)
	for name, a := range map[string]*httptest.ResponseRecorder{
		"no state":            forge(attacker, "", cookie),
		"a forged state":      forge(attacker, "s1."+strings.Repeat("A", 100), cookie),
		"no cookie":           forge(attacker, state, ""),
		"another browser's":   forge(attacker, other, cookie),
		"another customer's":  forge(attacker, foreign, cookie),
		"a truncated state":   forge(attacker, state[:len(state)-1], cookie),
		"a forged tab cookie": forge(attacker, state, strings.TrimRight(cookie, "AQgw")+"A"),
	} {
		if a.Code == 200 || exchanges() != 0 {
			t.Errorf("%s: answered %d, and Slack was asked %d times", name, a.Code, exchanges())
		}
	}

	var last *httptest.ResponseRecorder
	for range 300 {
		state, cookie := w.begin(attacker, at)
		last = forge(attacker, state, cookie)
	}
	held(t, last, "too_many_sign_ins")
	if n := exchanges(); n != 60 {
		t.Errorf("Slack was asked about %d of 300 made-up codes", n)
	}
	for i := range 40 { // more addresses, and all of them together get no more than 60 and their network's 12
		address := fmt.Sprintf("203.0.113.%d:1", 8+i)
		for range 10 {
			state, cookie := w.begin(address, at)
			forge(address, state, cookie)
		}
	}
	if n := exchanges(); n != 72 {
		t.Errorf("Slack was asked about %d made-up codes of a crowd", n)
	}

	w.lose(time.Minute)
	person := w.browser() // from 127.0.0.1, where nobody attacks
	if a := person.signIn(at+"/", teams[0], "U0MARIE"); a.StatusCode != 302 {
		t.Fatalf("somebody else's sign-in ends with %d", a.StatusCode)
	}
	before := exchanges()
	for range 200 {
		state, cookie := w.begin("127.0.0.1:9", at)
		last = forge("127.0.0.1:9", state, cookie)
	}
	if n := exchanges() - before; last.Code == 200 || n > 60 {
		t.Errorf("%d more", n)
	}
	if a := person.get(at + "/dossiers"); a.StatusCode != 200 {
		t.Errorf("a session is answered %d behind the attacker's address", a.StatusCode)
	}
	if _, err := w.gateway.Revoke(t.Context(), gateway.Revocation{Route: host, Actor: "lea"}); err != nil {
		t.Fatal(err)
	}
	w.advance(time.Second)
	if a := person.signIn(at+"/dossiers", teams[0], "U0MARIE"); a.StatusCode != 302 || a.Header.Get("Location") != at+"/dossiers" {
		t.Errorf("who was in before signs in again behind the attacker's address: %d %s", a.StatusCode, a.text)
	}
	if a := w.browser().signIn(at+"/", teams[0], "U0PAUL"); a.StatusCode != 503 {
		t.Errorf("who was not is answered %d; say so in the docs if that has changed", a.StatusCode)
	}
}

// TestAttackFillTheLog: strangers who get nowhere fill no disk; who is let in has
// every line.
func TestAttackFillTheLog(t *testing.T) {
	w := newWorld(t)
	lines := func() int { return strings.Count(w.log.String(), `"msg":"request"`) }
	for i := range 3000 {
		switch target := w.routes[0].Origin; i % 3 {
		case 0:
			w.from(attacker, "GET", target+"/", "")
		case 1:
			w.from(attacker, "GET", target+"/.gateway/none", "")
		case 2:
			w.from(attacker, "GET", "http://nobody.localhost/", "")
		}
	}
	if n := lines(); n != 2000 {
		t.Errorf("%d lines for 3000 requests", n)
	}
	w.from(honest, "GET", "http://nobody.localhost/", "")
	w.from(attacker, "GET", w.routes[0].Origin+"/public/x", "")
	if n := lines(); n != 2002 {
		t.Errorf("%d lines: somebody else's, or one that the app answered, is missing", n)
	}
	if !strings.Contains(w.log.String(), `"what":"log_lines"`) {
		t.Error("nothing says that lines are missing")
	}
}
