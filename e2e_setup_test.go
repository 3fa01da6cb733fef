package main

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/cocoom/cocoom-gateway/configs"
	"github.com/cocoom/cocoom-gateway/internal/slacksim"
)

// newcomer is a customer whose Slack app is still to be set up: the gateway runs,
// and Slack has their workspace, and that of others, without any app.
type newcomer struct {
	t       *testing.T
	slack   *slacksim.Server
	program *program
	origin  string
}

func startNewcomer(t *testing.T) *newcomer {
	t.Helper()
	return startNewcomerOn(t, t.TempDir(), overheard.logger())
}

// startNewcomerOn has the gateway keep its state there, and log so.
func startNewcomerOn(t *testing.T, state string, log *slog.Logger) *newcomer {
	t.Helper()
	port, c := freePort(t), customers[0]
	n := &newcomer{t: t, origin: fmt.Sprintf("http://%s:%d", c.Host, port)}
	var err error
	if n.slack, err = slacksim.Listen("127.0.0.1:0", slacksim.Config{NoMethodLimit: true}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.slack.Close() })
	for _, one := range customers {
		if err := n.slack.AddWorkspace(one.workspace()); err != nil {
			t.Fatal(err)
		}
	}
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, `<h1 id="who">%s</h1>`, r.Header.Get("X-Forwarded-User"))
	}))
	t.Cleanup(app.Close)
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	text := fmt.Sprintf(`state: %s
master_key: MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=
listen: 127.0.0.1:%d
admin: 127.0.0.1:0
public_scheme: http
slack: {issuer: %[3]s, api_url: %[3]s/api/}
routes:
  - host: %s
    upstream: %s
    slack_app: {managed: true}
    login: {}
    notify: {}
`, state, port, n.slack.URL(), c.Host, app.URL)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := configs.Load(file, os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	if n.program, err = start(t.Context(), cfg, log); err != nil {
		t.Fatal(err)
	}
	runs(t, n.program)
	return n
}

// setup runs the command, and gives what it prints.
func (n *newcomer) setup(args ...string) string {
	n.t.Helper()
	return command(n.t, append([]string{"setup", customers[0].Host, "--admin", n.program.admin.addr()}, args...)...)
}

// notify sends a notification as the old app does, with the token that setup printed.
func (n *newcomer) notify(token, to, text string) (status int) {
	n.t.Helper()
	req, err := http.NewRequest("POST", "http://"+n.program.public.addr()+"/.gateway/v1/notifications", strings.NewReader(fmt.Sprintf(`{"to":%q,"text":%q}`, to, text)))
	if err != nil {
		n.t.Fatal(err)
	}
	req.Host = customers[0].Host
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		n.t.Fatal(err)
	}
	resp.Body.Close()
	if status = resp.StatusCode; status != http.StatusAccepted && status != http.StatusUnauthorized {
		n.t.Errorf("a notification is answered by %d", status)
	}
	return status
}

// TestE2ESetup: from `setup HOST` to a message in Slack and somebody else's
// sign-in. What the old app sent before waits until then.
func TestE2ESetup(t *testing.T) {
	t.Parallel()
	for _, look := range []struct {
		name          string
		flags         []chromedp.ExecAllocatorOption
		width, height int
	}{
		{"desktop-en", []chromedp.ExecAllocatorOption{chromedp.Flag("blink-settings", "preferredColorScheme=1")}, 1200, 900},
		{"phone-fr", []chromedp.ExecAllocatorOption{chromedp.Flag("lang", "fr-FR"), chromedp.Flag("accept-lang", "fr-FR"), chromedp.Flag("blink-settings", "preferredColorScheme=0")}, 390, 844},
	} {
		t.Run(look.name, func(t *testing.T) {
			newTab := chromium(t, look.flags...)
			n := startNewcomer(t)
			n.goThrough(newTab(t, look.width, look.height), newTab(t, 1200, 900), "setup-"+look.name+"-")
			n.othersUseIt(newTab(t, look.width, look.height))
		})
	}
}

func (n *newcomer) goThrough(tb, slack *tab, shot string) {
	t, c := n.t, customers[0]
	t.Helper()
	page := func(name string) {
		t.Helper()
		tb.checkLayout(name)
		tb.shot(shot + name)
	}
	tb.open(n.origin + "/")
	tb.sees("h1")
	page("0-not-connected")
	link, rest, _ := strings.Cut(n.setup(), "\n")
	_, token, found := strings.Cut(rest, "Bearer ")
	token, _, _ = strings.Cut(token, "\n")
	if !found {
		t.Fatalf("setup printed no token: %s", rest)
	}
	for n.notify(token, c.people[1].Email, "Before the installation") == http.StatusUnauthorized && tb.ctx.Err() == nil {
		time.Sleep(20 * time.Millisecond) // the token is good within a second
	}

	tb.open(link)
	tb.sees("h1")
	page("1-door")
	tb.follow("#confirm")
	tb.until(`document.querySelector(".icon img").naturalWidth >= 512`)
	page("2-create")
	clientID, clientSecret, signingSecret := createApp(slack, c.Team, value(tb, chromedp.EvaluateAsDevTools[string](`document.querySelector("#create").href`)))

	tb.follow("#next")
	paste := func(id, secret, signing string) {
		t.Helper()
		tb.sees("#client_id")
		tb.run(chromedp.SetValue("#client_id", id), chromedp.SetValue("#client_secret", secret))
		if signing != "" {
			tb.run(chromedp.SetValue("#signing_secret", signing))
		}
		tb.follow("#check")
	}
	page("3-secrets")
	paste(clientID, strings.Repeat("0", 32), signingSecret)
	tb.sees("#client_secret_no")
	page("4-wrong-secret")
	paste(clientID, clientSecret, "")
	tb.sees("#install")
	page("5-install")
	tb.follow("#install")
	tb.sees("#cancel")
	tb.follow("#cancel")
	tb.sees("#notice")
	page("6-cancelled")
	tb.follow("#install")
	tb.follow(fmt.Sprintf("button[data-user=%q]", c.people[0].ID))
	tb.sees("#sign-in")
	page("7-try")
	tb.follow("#sign-in")
	tb.follow(fmt.Sprintf("button[data-user=%q]", c.people[0].ID))
	if got := tb.sees("section dl"); !strings.Contains(got, c.people[0].Email) {
		t.Errorf("signed in as %s", got)
	}
	tb.follow("#tell")
	tb.sees("#message.good")
	page("8-tried")
	tb.follow("#finish")
	tb.sees("h1")
	page("9-done")
	tb.open(link)
	tb.sees("h1")
	page("10-link-again")

	status := n.setup("--status")
	for _, want := range []string{c.Team, "finished", c.people[0].Email, "sent"} {
		if !strings.Contains(status, want) {
			t.Errorf("the status does not say %q: %s", want, status)
		}
	}
}

// createApp does at Slack what the page asks for, and gives what stands there then.
func createApp(tb *tab, team, link string) (clientID, clientSecret, signingSecret string) {
	tb.t.Helper()
	tb.open(link)
	tb.sees("#create")
	tb.checkPage("the simulator’s page of a new app")
	tb.shot("slack-new-app")
	tb.run(chromedp.SetValue("#workspace", team))
	tb.follow("#create")
	read := func(selector string) string {
		tb.t.Helper()
		tb.until(fmt.Sprintf(`document.querySelector(%q) !== null`, selector))
		return value(tb, chromedp.EvaluateAsDevTools[string](fmt.Sprintf(`(e => (e.value ?? e.textContent).trim())(document.querySelector(%q))`, selector)))
	}
	clientID, clientSecret, signingSecret = read("#client-id"), read("#client-secret"), read("#signing-secret")
	tb.checkPage("the simulator’s page of an app")
	tb.shot("slack-app")
	return clientID, clientSecret, signingSecret
}

// othersUseIt: somebody else signs in, and what was sent before has arrived.
func (n *newcomer) othersUseIt(tb *tab) {
	n.t.Helper()
	c := customers[0]
	tb.open(n.origin + "/dossiers")
	tb.follow(fmt.Sprintf("button[data-user=%q]", c.people[1].ID))
	if got := tb.sees("#who"); got != c.people[1].ID {
		n.t.Errorf("the app sees %s", got)
	}
	(&demo{slack: n.slack}).seesInSlack(tb, c, "Before the installation")
}
