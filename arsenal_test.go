package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/internal/slacksim"
)

// arsenal is a besieged gateway with one secret of every kind that there is, made
// by the gateway itself and good. Its third route's Slack app is being set up.
type arsenal struct {
	*siege
	third string    // its host
	admin string    // the admin token
	now   time.Time // of what is signed
	stamp string    // the same in Unix seconds
	kinds map[string]string

	mu   sync.Mutex
	seen []*http.Request // what reached the app
}

// signedBody is what the signatures are of: an event and a notification.
const signedBody = `{"type":"nothing","to":"U0PAUL","text":"hello"}`

// signingKey is the first route's for signed notifications; the second's has
// another first byte.
var signingKey = []byte("0123456789abcdef01234567")

// arm starts one.
func arm(t *testing.T) *arsenal {
	t.Helper()
	now := time.Now()
	a := &arsenal{admin: "operators-token-0123456789", now: now, stamp: strconv.FormatInt(now.Unix(), 10), kinds: map[string]string{}}
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.seen = append(a.seen, r)
		http.SetCookie(w, &http.Cookie{Name: "PHPSESSID", Value: "abcdefghijklmnop"})
	}))
	t.Cleanup(app.Close)
	o := newOffice(t, t.TempDir())
	o.heard = newEvidence() // that secrets stand where anybody would log them is the test's own doing
	a.siege = besiegeOffice(o, func(config string) string {
		config = upstreamLine.ReplaceAllString(config, "upstream: "+app.URL)
		for i, more := range []string{"", "    assertion: {alg: HS256, secret: 0123456789abcdef0123456789abcdef}\n"} {
			c := customers[i]
			key := base64.StdEncoding.EncodeToString(append([]byte{byte('0' + i)}, signingKey[1:]...))
			config = strings.Replace(config, "bot_token: "+c.BotToken+"}", "bot_token: "+c.BotToken+", signing_secret: "+c.SigningSecret+"}", 1)
			config = strings.Replace(config, "bearer_tokens: ["+c.HookToken+"]", "signing_secrets: [whsec_"+key+"], hooks: [{id: mon, to: '#general', tokens: ["+c.AlertToken+"]}], bearer_tokens: ["+c.HookToken+"]", 1)
			config = strings.Replace(config, "  - host: "+c.Host+"\n", "  - host: "+c.Host+"\n"+more, 1)
		}
		config = strings.Replace(config, "login: {}", "login: {app_cookies: [PHPSESSID]}", 1)
		config = strings.Replace(config, "routes:", "trusted_proxies: [127.0.0.1/32]\nadmin_token: "+a.admin+"\nroutes:", 1)
		return config + "  - {host: " + customers[2].Host + ", upstream: " + app.URL + ", slack_app: {managed: true}, login: {}, notify: {}}\n"
	})
	a.third = strings.Replace(a.siege.host, customers[0].Host, customers[2].Host, 1)
	a.sessions()
	a.signIns()
	a.programs()
	a.setUp()
	a.expired()
	a.reached()
	return a
}

// visitor is a browser at a host of the gateway.
func (a *arsenal) visitor(host string) *member {
	at := *a.office
	at.origin = "http://" + host
	return at.browser(a.p)
}

// held gives the cookies that a browser sends to its host, by name.
func (m *member) held() map[string]string {
	m.t.Helper()
	at, err := url.Parse(m.origin)
	if err != nil {
		m.t.Fatal(err)
	}
	all := map[string]string{}
	for _, c := range m.Jar.Cookies(at) {
		all[c.Name] = c.Value
	}
	return all
}

// pick goes from an address to Slack, and picks somebody there.
func (m *member) pick(address, person string) *http.Response {
	m.t.Helper()
	slack := m.ask("GET", address, nil)
	return m.ask("POST", slack.Request.URL.String(), url.Values{"person": {person}})
}

// reached gives what reached the app since it was last asked.
func (a *arsenal) reached() []*http.Request {
	a.mu.Lock()
	defer a.mu.Unlock()
	seen := a.seen
	a.seen = nil
	return seen
}

// sessions are those of the two routes, one that was ended, one of another key
// ring, and what the app gets of them.
func (a *arsenal) sessions() {
	marie, paul, anne := a.visitor(a.siege.host), a.visitor(a.siege.host), a.visitor(a.rival)
	marie.pick(marie.origin+"/", customers[0].Team+":U0MARIE")
	a.kinds["session"] = marie.held()["gw"]
	a.kinds["app cookie"] = marie.held()["PHPSESSID"]
	seen := a.reached()
	a.kinds["assertion ES256"] = seen[len(seen)-1].Header.Get("X-Gateway-Assertion")
	a.kinds["user id"] = seen[len(seen)-1].Header.Get("X-Forwarded-User")
	anne.pick(anne.origin+"/", customers[1].Team+":U0ANNE")
	a.kinds["session of the other route"] = anne.held()["gw"]
	seen = a.reached()
	a.kinds["assertion HS256"] = seen[len(seen)-1].Header.Get("X-Gateway-Assertion")
	paul.pick(paul.origin+"/", customers[0].Team+":U0PAUL")
	a.kinds["session that was ended"] = paul.held()["gw"]
	req, err := http.NewRequest("POST", paul.origin+"/.gateway/sign-out", nil)
	if err != nil {
		a.t.Fatal(err)
	}
	req.Header.Set("Origin", paul.origin)
	if resp, err := paul.Do(req); err != nil || resp.StatusCode != http.StatusOK {
		a.t.Fatalf("sign-out: %v %v", resp, err)
	}
	a.kinds["session of another ring"] = foreignSession(a.t)
}

// foreignSession is one of a gateway with other keys, for the same host and person.
func foreignSession(t *testing.T) string {
	t.Helper()
	o := newOffice(t, t.TempDir())
	p, stop := o.start("0")
	defer stop()
	m := o.browser(p)
	m.pick(m.origin+"/", customers[0].Team+":U0MARIE")
	return m.held()["gw"]
}

// signIns are two under way, one on each route, and a break-glass link.
func (a *arsenal) signIns() {
	for name, host := range map[string]string{"": a.siege.host, " of the other route": a.rival} {
		m := a.visitor(host)
		slack := m.ask("GET", m.origin+"/", nil)
		a.kinds["sign-in state"+name] = slack.Request.URL.Query().Get("state")
		for _, value := range m.held() {
			a.kinds["sign-in cookie"+name] = value
		}
	}
	link, err := a.p.gateway.MakeBreakGlass(a.t.Context(), gateway.BreakGlass{Host: customers[0].Host, Email: "marie@agrafmania.fr", User: "U0MARIE", For: time.Hour, By: "lea"})
	if err != nil {
		a.t.Fatal(err)
	}
	_, a.kinds["break-glass key"], _ = strings.Cut(link.URL.Reveal(), "?key=")
}

// programs are the secrets of what is no browser.
func (a *arsenal) programs() {
	for i, name := range []string{"", " of the other route"} {
		c := customers[i]
		a.kinds["notification token"+name], a.kinds["hook token"+name] = c.HookToken, c.AlertToken
		hook, err := standardwebhooks.NewWebhookRaw(append([]byte{byte('0' + i)}, signingKey[1:]...))
		if err != nil {
			a.t.Fatal(err)
		}
		if a.kinds["notification signature"+name], err = hook.Sign("msg_1", a.now, []byte(signedBody)); err != nil {
			a.t.Fatal(err)
		}
		mac := hmac.New(sha256.New, []byte(c.SigningSecret))
		mac.Write([]byte("v0:" + a.stamp + ":" + signedBody))
		a.kinds["event signature"+name] = "v0=" + hex.EncodeToString(mac.Sum(nil))
	}
	c := customers[0]
	a.kinds["bot token"], a.kinds["client secret"], a.kinds["signing secret"] = c.BotToken, c.ClientSecret, c.SigningSecret
	a.kinds["service token"], a.kinds["admin token"] = a.cron, a.admin
	origin := "http://" + a.p.admin.addr()
	req, err := http.NewRequest("POST", origin+"/ui/sign-in", strings.NewReader(url.Values{"name": {"lea"}, "token": {a.admin}}.Encode()))
	if err != nil {
		a.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", origin)
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil || len(resp.Cookies()) != 1 {
		a.t.Fatalf("operators' sign-in: %v %v", resp, err)
	}
	resp.Body.Close()
	a.kinds["operator's cookie"] = resp.Cookies()[0].Value
}

// setUp takes the third route's set-up to where Slack would send the admin back.
func (a *arsenal) setUp() {
	c := customers[2]
	origin := "http://" + a.third
	app := slacksim.App{ID: "A0NEW", Name: "Cocoom", ClientID: "111111.222222", ClientSecret: strings.Repeat("c0", 16), SigningSecret: strings.Repeat("5e", 16), Workspace: c.Team,
		RedirectURLs: []string{origin + "/.gateway/callback", origin + "/.gateway/setup/installed"}, MessagesTab: true}
	if err := a.slack.AddWorkspace(c.workspace()); err != nil {
		a.t.Fatal(err)
	}
	if err := a.slack.AddApp(app); err != nil {
		a.t.Fatal(err)
	}
	link, err := a.p.gateway.MakeSetup(a.t.Context(), c.Host, "lea")
	if err != nil {
		a.t.Fatal(err)
	}
	_, key, _ := strings.Cut(link.URL.Reveal(), "?key=")
	a.kinds["setup key"], a.kinds["token that a set-up made"] = key, link.Hook.Token.Reveal()
	m := a.visitor(a.third)
	for _, step := range []struct {
		path string
		form url.Values
	}{{"/.gateway/setup?key=" + key, nil}, {"/.gateway/setup/secrets", url.Values{"client_id": {app.ClientID}, "client_secret": {app.ClientSecret}, "signing_secret": {app.SigningSecret}}}} {
		req, err := http.NewRequest("POST", origin+step.path, strings.NewReader(step.form.Encode()))
		if err != nil {
			a.t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Origin", origin)
		if resp, err := m.Do(req); err != nil || resp.StatusCode != http.StatusOK {
			a.t.Fatalf("set-up: %v %v", resp, err)
		}
	}
	a.kinds["setup cookie"] = m.held()["gw-setup"]
	a.kinds["install state"] = m.ask("GET", origin+"/.gateway/setup/install", nil).Request.URL.Query().Get("state")
}

// expired is a session that is over as soon as it begins, and a form that was
// sent with it.
func (a *arsenal) expired() {
	a.p.current.mu.Lock()
	lasting := *a.p.current.file
	a.p.current.mu.Unlock()
	short := lasting
	short.Session.Lifetime = time.Nanosecond
	if err := a.p.apply(a.t.Context(), &short); err != nil {
		a.t.Fatal(err)
	}
	m := a.visitor(a.siege.host)
	m.CheckRedirect = func(req *http.Request, _ []*http.Request) error {
		if strings.Contains(req.URL.RawQuery, "again=") {
			return http.ErrUseLastResponse // or it would sign in again and again
		}
		return nil
	}
	m.pick(m.origin+"/", customers[0].Team+":U0MARIE")
	a.kinds["session that has expired"] = m.held()["gw"]
	if err := a.p.apply(a.t.Context(), &lasting); err != nil {
		a.t.Fatal(err)
	}
	req, err := http.NewRequest("POST", m.origin+"/x", strings.NewReader("a=b"))
	if err != nil {
		a.t.Fatal(err)
	}
	for name, value := range map[string]string{"Origin": m.origin, "Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"} {
		req.Header.Set(name, value)
	}
	m.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if _, err := m.Do(req); err != nil {
		a.t.Fatal(err)
	}
	for name, value := range m.held() {
		if id, ours := strings.CutPrefix(name, "gw-form-"); ours {
			a.kinds["name of a saved form"], a.kinds["cookie of a saved form"] = id, value
		}
	}
}
