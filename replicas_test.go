package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/internal/slacksim"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
	"github.com/cocoom/cocoom-gateway/notifyhook"
)

// What the admin of the workspace copies from the Slack app they have created.
const (
	pastedClientID, pastedClientSecret = "1111111111.2222222222", "0123456789abcdef0123456789abcdef"
	pastedSigningSecret                = "fedcba9876543210fedcba9876543210"
)

// twoGateways are two whole gateways on one PostgreSQL, behind one address: whoever goes
// to it is served by the one that is asked at the time.
type twoGateways struct {
	t       *testing.T
	slack   *slacksim.Server
	a, b    *reloading
	asked   atomic.Pointer[reloading]
	network *http.Transport
}

// startPair has one route, whose Slack app is still to be set up.
func startPair(t *testing.T) *twoGateways {
	t.Helper()
	p := &twoGateways{t: t}
	p.network = &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		if addr == customers[0].Host+":80" {
			addr = p.asked.Load().public.addr()
		}
		return new(net.Dialer).DialContext(ctx, network, addr)
	}, DisableKeepAlives: true} // each request goes to whom is asked then
	var err error
	if p.slack, err = slacksim.Listen("127.0.0.1:0", slacksim.Config{NoMethodLimit: true, Client: &http.Client{Transport: p.network}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.slack.Close() })
	if err := p.slack.AddWorkspace(customers[0].workspace()); err != nil {
		t.Fatal(err)
	}
	state := storetest.Postgres(t)
	p.a, p.b = p.replica(state), p.replica(state)
	return p
}

func (p *twoGateways) replica(state string) *reloading {
	p.t.Helper()
	file := filepath.Join(p.t.TempDir(), "gateway.yaml")
	write(p.t, file, fmt.Sprintf(`state: %s
master_key: MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=
listen: 127.0.0.1:0
admin: 127.0.0.1:0
public_scheme: http
public_port: 80
slack: {issuer: %[2]s, api_url: %[2]s/api/}
routes:
  - {host: %s, upstream: %s, slack_app: {managed: true}, login: {}, notify: {}}
`, state, p.slack.URL(), customers[0].Host, echo(p.t)))
	return reloads(p.t, file, time.Hour)
}

// each does something with both.
func (p *twoGateways) each(do func(name string, r *reloading)) {
	do("replica A", p.a)
	do("replica B", p.b)
}

// soon waits until something is so on a replica, as long as an operator would.
func (p *twoGateways) soon(what string, r *reloading, so func() bool) {
	p.t.Helper()
	p.asked.Store(r)
	for limit := time.Now().Add(10 * time.Second); !so(); time.Sleep(20 * time.Millisecond) { // what another process does has no event to wait for
		if time.Now().After(limit) {
			p.t.Fatalf("after ten seconds: %s", what)
		}
	}
}

// person is a browser.
func (p *twoGateways) person() *caller {
	jar, _ := cookiejar.New(nil)
	return &caller{p, http.Client{Jar: jar, Transport: p.network, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// caller is a browser that stops at redirects.
type caller struct {
	pair *twoGateways
	http.Client
}

// open gives the status of a page, and where it leads to.
func (v *caller) open(method, address string, form url.Values) (status int, location string) {
	v.pair.t.Helper()
	req, err := http.NewRequest(method, address, strings.NewReader(form.Encode()))
	if err != nil {
		v.pair.t.Fatal(err)
	}
	for name, value := range map[string]string{"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Accept": "text/html"} {
		req.Header.Set(name, value)
	}
	if method == http.MethodPost {
		req.Header.Set("Origin", req.URL.Scheme+"://"+req.URL.Host)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := v.Do(req)
	if err != nil {
		v.pair.t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	return resp.StatusCode, resp.Header.Get("Location")
}

// follow is open for a page that must lead on.
func (v *caller) follow(method, address string, form url.Values) (location string) {
	v.pair.t.Helper()
	status, location := v.open(method, address, form)
	if location == "" {
		v.pair.t.Fatalf("%s %s leads nowhere: %d", method, address, status)
	}
	return location
}

// signIn opens a page and signs in as a person.
func (v *caller) signIn(address, user string) (location string) {
	v.pair.t.Helper()
	back := v.follow("POST", v.follow("GET", address, nil), url.Values{"person": {customers[0].Team + ":" + user}})
	location = v.follow("GET", back, nil)
	if strings.Contains(location, "/login?again=") {
		location = v.follow("GET", location, nil)
	}
	return location
}

// setUp goes through the whole set-up on one replica, and gives the token that
// the operator's command printed.
func (p *twoGateways) setUp(on *reloading) (token string) {
	p.t.Helper()
	p.asked.Store(on)
	origin := "http://" + customers[0].Host
	app := slacksim.App{ID: "A0NEW", Name: "Cocoom", ClientID: pastedClientID, ClientSecret: pastedClientSecret, SigningSecret: pastedSigningSecret,
		Workspace: customers[0].Team, MessagesTab: true, RedirectURLs: []string{origin + "/.gateway/callback", origin + "/.gateway/setup/installed"}}
	if err := p.slack.AddApp(app); err != nil {
		p.t.Fatal(err)
	}
	link, rest, _ := strings.Cut(p.command(on), "\n")
	_, token, found := strings.Cut(rest, "Bearer ")
	token, _, _ = strings.Cut(token, "\n")
	if !found {
		p.t.Fatalf("setup printed no token: %s", rest)
	}
	marie := p.person()
	at := marie.follow("POST", link, nil)
	marie.follow("POST", at+"/secrets", url.Values{"client_id": {pastedClientID}, "client_secret": {pastedClientSecret}, "signing_secret": {pastedSigningSecret}})
	back := marie.follow("POST", marie.follow("GET", at+"/install", nil), url.Values{"person": {customers[0].Team + ":U0MARIE"}})
	if to := marie.follow("GET", back, nil); to != at {
		p.t.Fatalf("the installation leads to %s", to)
	}
	return token
}

// command runs setup.
func (p *twoGateways) command(on *reloading, args ...string) string {
	p.t.Helper()
	return command(p.t, append([]string{"setup", customers[0].Host, "--admin", on.admin.addr()}, args...)...)
}

// notify is what the old app's notification is answered with.
func (p *twoGateways) notify(token, text string) (status int) {
	p.t.Helper()
	req, err := http.NewRequest("POST", "http://"+customers[0].Host+"/.gateway/v1/notifications", strings.NewReader(fmt.Sprintf(`{"to":"paul@agrafmania.fr","text":%q}`, text)))
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := p.network.RoundTrip(req)
	if err != nil {
		p.t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// event has Slack tell something that makes no difference, and gives the answer's
// status.
func (p *twoGateways) event() int {
	p.t.Helper()
	status, _, err := p.slack.SendEvent(p.t.Context(), slacksim.Event{App: "A0NEW", Team: customers[0].Team, Type: "user_change",
		URL: "http://" + customers[0].Host + "/.gateway/slack/events", Fields: map[string]any{"user": p.slack.UserObject(customers[0].Team, "U0EMMA")}})
	if err != nil {
		p.t.Fatal(err)
	}
	return status
}

func notInstalled(r *reloading) bool {
	return slices.ContainsFunc(r.relay.Alarms(), func(a notifyhook.Alarm) bool { return a.Reason == "not_installed" })
}

// connected reports whether the replica that is asked sends people to Slack.
func (p *twoGateways) connected() bool {
	_, to := p.person().open("GET", "http://"+customers[0].Host+"/", nil)
	return strings.HasPrefix(to, p.slack.URL())
}

// TestReplicasSetUp: an app that was set up on one replica is in force on the
// other within seconds, in all that it is for; a reload of either takes nothing
// of it away, and a reset on the other ends it on both.
func TestReplicasSetUp(t *testing.T) {
	t.Parallel()
	p := startPair(t)
	p.each(func(name string, r *reloading) {
		p.asked.Store(r)
		if !notInstalled(r) || p.connected() {
			t.Fatalf("%s is not waiting for its app", name)
		}
	})
	token := p.setUp(p.a)
	paul, origin := p.person(), "http://"+customers[0].Host
	p.each(func(name string, r *reloading) {
		p.soon(name+" does not sign people in", r, p.connected)
		if notInstalled(r) {
			t.Errorf("%s still says that the app is not installed", name)
		}
		if status := p.event(); status != http.StatusOK {
			t.Errorf("%s answers what the new app's secret has signed with %d", name, status)
		}
		if status := p.notify(token, "from "+name); status != http.StatusAccepted {
			t.Errorf("%s answers a notification with %d", name, status)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if got, err := p.slack.Await(ctx, customers[0].Team, "U0PAUL", 2); err != nil {
		t.Errorf("Paul has %v, %v", got, err)
	}
	p.asked.Store(p.b)
	if to := paul.signIn(origin+"/dossiers", "U0PAUL"); to != origin+"/dossiers" {
		t.Errorf("signed in on replica B, Paul is led to %s", to)
	}
	p.reloadBoth(paul)
	p.command(p.b, "--reset", "--yes")
	p.each(func(name string, r *reloading) {
		p.soon(name+" still signs people in after the reset", r, func() bool { return !p.connected() })
		p.soon(name+" does not say that the app is not installed", r, func() bool { return notInstalled(r) })
	})
}

// reloadBoth reloads one replica after the other, each with another change.
func (p *twoGateways) reloadBoth(paul *caller) {
	p.t.Helper()
	p.each(func(name string, r *reloading) {
		before := settingsOf(r)
		text, err := os.ReadFile(r.file)
		if err != nil {
			p.t.Fatal(err)
		}
		write(p.t, r.file, strings.Replace(string(text), "login: {}", "login: {pin_email: true}", 1))
		if out := command(p.t, "reload", "--admin", r.admin.addr()); !strings.Contains(out, "~ "+customers[0].Host) {
			p.t.Errorf("%s reloads %s", name, out)
		}
		if now := settingsOf(r); now != before || now.BotToken == "" {
			p.t.Errorf("%s: after a reload the app is another, client id %q instead of %q", name, now.ClientID, before.ClientID)
		}
		p.asked.Store(r)
		if status, to := paul.open("GET", "http://"+customers[0].Host+"/", nil); status != http.StatusOK {
			p.t.Errorf("%s: after a reload Paul gets %d %s", name, status, to)
		}
	})
}

// settingsOf is the app by which a replica serves the route.
func settingsOf(r *reloading) gateway.SlackApp { return r.current.served().Routes[0].SlackApp }
