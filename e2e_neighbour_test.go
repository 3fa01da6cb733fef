package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/coder/websocket"

	"github.com/cocoom/cocoom-gateway/configs"
	"github.com/cocoom/cocoom-gateway/internal/slacksim"
)

// neighbours are two customers whose hosts are one site to a browser. The Public
// Suffix List does not know localhost, so that by its rule "*" the site of both is
// cocoom.localhost, as it is cocoom.com in earnest.
type neighbours struct {
	victim, attacker string // origins

	mu   sync.Mutex
	seen []*http.Request // what reached the victim's app
}

func startNeighbours(t *testing.T) *neighbours {
	t.Helper()
	c, port, dir := customers[0], freePort(t), t.TempDir()
	n := &neighbours{victim: fmt.Sprintf("https://agrafmania.cocoom.localhost:%d", port), attacker: fmt.Sprintf("https://editionsduport.cocoom.localhost:%d", port)}
	slack, err := slacksim.Listen("127.0.0.1:0", slacksim.Config{NoMethodLimit: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slack.Close() })
	if err := errors.Join(slack.AddWorkspace(c.workspace()), slack.AddApp(c.app(n.victim))); err != nil {
		t.Fatal(err)
	}
	app := httptest.NewServer(http.HandlerFunc(n.app))
	t.Cleanup(app.Close)
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, "testdata/neighbour/attack.html") }))
	t.Cleanup(page.Close)
	selfSigned(t, dir, "*.cocoom.localhost")
	file := filepath.Join(dir, "gateway.yaml")
	config := fmt.Sprintf(`state: ./data
listen: 127.0.0.1:%d
public_port: %[1]d
admin: 127.0.0.1:0
tls: {redirect: "127.0.0.1:0", cert: file:c.pem, key: file:k.pem}
slack: {issuer: %[2]s, api_url: %[2]s/api/}
routes:
  - host: agrafmania.cocoom.localhost
    upstream: %[3]s
    workspace: %[4]s
    slack_app: {client_id: "%[5]s", client_secret: %[6]s, bot_token: %[7]s}
    login: {app_cookies: [PHPSESSID], sign_out_paths: [/logout.php]}
    policy: [{path: /public/**, allow: public}, {path: /**, allow: members}]
  - host: editionsduport.cocoom.localhost
    upstream: %[8]s
    workspace: %[9]s
    slack_app: {client_id: "%[10]s", client_secret: %[11]s}
    login: {guests: allow}
    policy: [{path: /**, allow: public}]
`, port, slack.URL(), app.URL, c.Team, c.ClientID, c.ClientSecret, c.BotToken, page.URL, customers[1].Team, customers[1].ClientID, customers[1].ClientSecret)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := configs.Load(file, os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	p, err := start(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	runs(t, p)
	return n
}

// app is the victim's, as trusting as old apps are.
func (n *neighbours) app(w http.ResponseWriter, r *http.Request) {
	n.mu.Lock()
	n.seen = append(n.seen, r)
	n.mu.Unlock()
	if r.URL.Path == "/socket" {
		if conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true}); err == nil {
			conn.CloseNow()
		}
		return
	}
	if r.URL.Path == "/" {
		http.SetCookie(w, &http.Cookie{Name: "strict", Value: "1", Path: "/", Secure: true, SameSite: http.SameSiteStrictMode})
	}
	if r.URL.Path == "/worker.js" {
		w.Header().Set("Content-Type", "text/javascript")
		fmt.Fprint(w, `onactivate = (e) => e.waitUntil(clients.claim()); onfetch = (e) => e.respondWith(fetch(e.request))`)
		return
	}
	w.Header().Set("Content-Type", "text/html")
	fmt.Fprintf(w, "<h1>%s</h1>", r.Header.Get("X-Forwarded-User"))
}

// asked gives what reached the victim's app since it was last asked.
func (n *neighbours) asked() []*http.Request {
	n.mu.Lock()
	defer n.mu.Unlock()
	seen := n.seen
	n.seen = nil
	return seen
}

// TestE2EAttackByANeighbour: somebody is signed in at one customer's host and opens
// a page at another's, which tries all that a page can. Nothing of hers can be
// read, nothing is done as her, and her session is as it was.
func TestE2EAttackByANeighbour(t *testing.T) {
	newTab := chromium(t, chromedp.IgnoreCertErrors)
	n := startNeighbours(t)
	tb := newTab(t, 1000, 700)
	tb.open(n.victim + "/")
	tb.follow(`button[data-user="U0MARIE"]`)
	if got := tb.sees("h1"); got != "U0MARIE" {
		t.Fatalf("the victim's app sees %q", got)
	}
	n.asked()

	tb.open(n.attacker + "/?" + n.victim)
	tb.until(`typeof results === "object" && window.results !== undefined`)
	var results map[string]string
	if err := json.Unmarshal([]byte(value(tb, chromedp.EvaluateAsDevTools[string](`JSON.stringify(window.results)`))), &results); err != nil {
		t.Fatal(err)
	}
	if len(results) < 60 {
		t.Errorf("only %d attempts were made", len(results))
	}
	for name, got := range results {
		want := "failed"
		switch {
		case strings.HasPrefix(name, "no-cors "), strings.HasPrefix(name, "blind "):
			if want = "0"; got == "failed" { // opaque: neither status nor text; or, of what is ours, not even that
				continue
			}
		case strings.HasPrefix(name, "frame "), strings.HasPrefix(name, "form "), name == "window":
			want = "closed"
		}
		if got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	sameSite := false
	for _, r := range n.asked() {
		if site := r.Header.Get("Sec-Fetch-Site"); site == "same-origin" || site == "none" {
			continue // a page of her own that asks for its icon
		}
		user, opened := r.Header.Get("X-Forwarded-User"), r.URL.Path == "/opened"
		if (user != "") != opened || !opened && !strings.HasPrefix(r.URL.Path, "/public/") {
			t.Errorf("the victim's app was asked %s %s as %q by a %s %s", r.Method, r.URL.Path, user, r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Sec-Fetch-Dest"))
		}
		if _, err := r.Cookie("strict"); err == nil && r.Header.Get("Sec-Fetch-Mode") == "no-cors" && r.Header.Get("Sec-Fetch-Site") == "same-site" {
			sameSite = true
		}
	}
	if !sameSite {
		t.Error("the browser takes the hosts for two sites: the attack is none")
	}

	tb.until(`post() === undefined`)
	if got := tb.sees("h1"); got != "This request comes from another site" {
		t.Errorf("a form on the attacker's page leads to %q", got)
	}
	tb.open(n.victim + "/")
	if got := tb.sees("h1"); got != "U0MARIE" {
		t.Errorf("after all that the victim's app sees %q", got)
	}
	last := n.asked()
	sent := last[len(last)-1].Header.Get("Cookie")
	if !strings.Contains(sent, "sister=planted") || strings.Contains(sent, "PHPSESSID") || strings.Contains(sent, "gw") {
		t.Errorf("the app gets the cookies %q", sent)
	}

	// A browser keeps 180 cookies for a site, and forgets the oldest. That signs
	// people out, as nothing here can keep it from; it signs nobody in.
	tb.open(n.attacker + "/?" + n.victim)
	tb.until(`evict()`)
	tb.open(n.victim + "/")
	tb.until(`document.querySelector('button[data-user="U0MARIE"]') !== null || document.querySelector("h1")?.innerText === "U0MARIE"`)
}
