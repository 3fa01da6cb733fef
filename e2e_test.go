package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// need skips a test where a program is missing; CI must have it.
func need(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatalf("CI must have %s", program)
	default:
		t.Skipf("skipped: %s is not installed", program)
	}
	return path
}

// freePort gives a port for a server that cannot be told to take any. It lies
// below the range from which systems hand out ports by themselves, so that no
// other test gets it before it is used.
func freePort(t *testing.T) int {
	t.Helper()
	for range 100 {
		port := 20000 + rand.IntN(12000)
		if ln, err := net.Listen("tcp", loopback(port)); err == nil {
			ln.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}

// newDemo gives a demo that is not running yet.
func newDemo(t *testing.T) *demo {
	t.Helper()
	return &demo{Port: freePort(t), State: t.TempDir()}
}

// startDemo runs the demo as a person would; it is stopped, and must stop cleanly,
// at the end of the test.
func startDemo(t *testing.T, d *demo) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	ready := &firstLine{said: make(chan struct{})}
	go func() { done <- d.run(ctx, os.Getenv, ready) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("the demo ended with %v", err)
			}
		case <-time.After(30 * time.Second):
			t.Error("the demo does not stop")
		}
		log, err := os.ReadFile(filepath.Join(d.State, "gateway.log"))
		for _, word := range []string{"demo-client-secret", "xoxb-", "xoxp-", "ck_agrafmania", "demo-only-alerts"} {
			if err != nil || bytes.Contains(log, []byte(word)) {
				t.Errorf("the log holds the secret %q (%v)", word, err)
			}
		}
		fmt.Fprintf(overheard.at("a demo's log"), "%s", log)
	})
	select {
	case <-ready.said:
		overheard.configuration(d.gateway.current.cfg)
	case err := <-done:
		done <- nil // for the clean-up
		t.Fatalf("the demo did not start: %v", err)
	case <-time.After(60 * time.Second):
		t.Fatal("the demo does not start")
	}
}

// firstLine tells when something was written.
type firstLine struct {
	said chan struct{}
	once bool
}

func (f *firstLine) Write(p []byte) (int, error) {
	if !f.once {
		f.once = true
		close(f.said)
	}
	return len(p), nil
}

// tab is a browser tab with cookies of its own.
type tab struct {
	t   *testing.T
	ctx context.Context
}

// chromium gives a way to open browsers that share nothing. Each tab is a
// browser of its own: a page in the background would not be painted, and
// waiting for it would not end. more are flags for all of them.
func chromium(t *testing.T, more ...chromedp.ExecAllocatorOption) func(t *testing.T, width, height int) *tab {
	t.Helper()
	if racing {
		t.Skip("browsers are run without the race detector: one person makes no races that the tests without a browser do not")
	}
	t.Parallel() // browsers mostly wait
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(need(t, "chromium")), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("lang", "en-GB"))
	opts = append(opts, more...)
	return func(t *testing.T, width, height int) *tab {
		t.Helper()
		alloc, stop := chromedp.NewExecAllocator(context.Background(), opts...)
		t.Cleanup(stop)
		ctx, stop := chromedp.NewContext(alloc)
		t.Cleanup(stop)
		if err := chromedp.Do(ctx, chromedp.EmulateViewport(int64(width), int64(height))); err != nil {
			t.Fatalf("start chromium: %v", err)
		}
		noViolations(t, ctx)
		ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
		t.Cleanup(cancel)
		return &tab{t, ctx}
	}
}

func (tb *tab) run(actions ...chromedp.Action[chromedp.Void]) {
	tb.t.Helper()
	if err := chromedp.Do(tb.ctx, actions...); err != nil {
		tb.fail(err)
	}
}

// value runs an action that gives something.
func value[T any](tb *tab, action chromedp.Action[T]) T {
	tb.t.Helper()
	v, err := chromedp.Run(tb.ctx, action)
	if err != nil {
		tb.fail(err)
	}
	return v
}

// fail says where the browser was and what it showed.
func (tb *tab) fail(err error) {
	tb.t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.ctx), 5*time.Second)
	defer cancel()
	at, _ := chromedp.Run(ctx, chromedp.Location())
	text, _ := chromedp.Run(ctx, chromedp.Text("body"))
	tb.t.Fatalf("in the browser at %s: %v\n%s", at, err, text)
}

func (tb *tab) open(address string) { tb.t.Helper(); tb.run(chromedp.Navigate(address)) }

// until asks the page until it says yes. Everything is asked as from the
// developer tools: our pages' Content-Security-Policy lets no other script run.
func (tb *tab) until(question string) {
	tb.t.Helper()
	for tb.ctx.Err() == nil {
		// Asked between two pages, the browser fails or never answers.
		ctx, cancel := context.WithTimeout(tb.ctx, time.Second)
		yes, err := chromedp.Run(ctx, chromedp.EvaluateAsDevTools[bool](question))
		cancel()
		if err == nil && yes {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	tb.fail(fmt.Errorf("%s: %w", question, tb.ctx.Err()))
}

// click waits for an element and clicks it.
func (tb *tab) click(selector string) {
	tb.t.Helper()
	tb.until(fmt.Sprintf(`(e => e !== null && e.checkVisibility() && (e.click(), true))(document.querySelector(%q))`, selector))
}

// follow clicks what leads to another page, and waits until that is there.
func (tb *tab) follow(selector string) {
	tb.t.Helper()
	tb.until(`window.left = true`)
	tb.click(selector)
	tb.until(`window.left !== true && document.readyState === "complete"`)
}

// sees waits for an element and gives its text.
func (tb *tab) sees(selector string) string {
	tb.t.Helper()
	tb.until(fmt.Sprintf(`(e => e !== null && e.checkVisibility())(document.querySelector(%q))`, selector))
	return value(tb, chromedp.EvaluateAsDevTools[string](fmt.Sprintf(`document.querySelector(%q).innerText`, selector)))
}

// shot keeps a screenshot, where E2E_SHOTS names a directory, for people to look at.
func (tb *tab) shot(name string) {
	tb.t.Helper()
	dir := os.Getenv("E2E_SHOTS")
	if dir == "" {
		return
	}
	png := value(tb, chromedp.FullScreenshot(100))
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
		tb.t.Fatal(err)
	}
}

// TestE2EMainJob does what the demo tells a person to do, for both customers.
func TestE2EMainJob(t *testing.T) {
	newTab := chromium(t)
	d := newDemo(t)
	startDemo(t, d)
	for i, colleague := range []string{"paul@agrafmania.fr", "yann@editionsduport.fr"} {
		c, foreign := customers[i], customers[1-i]
		t.Run(c.Name, func(t *testing.T) {
			origin := fmt.Sprintf("http://%s:%d", c.Host, d.Port)
			deep := origin + "/dossiers/12?onglet=notes"
			tb := newTab(t, 1200, 900)

			tb.open(deep)
			tb.sees(fmt.Sprintf(`button[data-user=%q]`, c.people[0].ID))
			tb.shot(c.Team + "-1-slack")
			tb.follow(fmt.Sprintf(`button[data-user=%q]`, c.people[0].ID))
			if got := tb.sees("#signed-in-as"); got != c.people[0].Name {
				t.Errorf("the app sees %q, want %q", got, c.people[0].Name)
			}
			if got := value(tb, chromedp.Location()); got != deep {
				t.Errorf("landed on %s, want %s", got, deep)
			}
			tb.shot(c.Team + "-2-landed")

			tb.open(origin + "/profil")
			if got := tb.sees("#assertion-status"); !strings.Contains(got, "assertion vérifiée") {
				t.Errorf("assertion: %s", got)
			}
			tb.shot(c.Team + "-3-profile")

			task := "Relire le contrat <" + c.Name + "> & co"
			tb.open(origin + "/dossiers/12?onglet=taches")
			tb.sees("#assign-form")
			tb.run(chromedp.SetValue("#assign-title", task),
				chromedp.SetValue("#assign-to", colleague))
			tb.follow("#assign-submit")
			if got := tb.sees("#flash"); !strings.Contains(got, "202") {
				t.Errorf("the app says of the webhook: %s", got)
			}
			tb.shot(c.Team + "-4-assigned")
			d.seesInSlack(tb, c, task)
			tb.shot(c.Team + "-5-in-slack")

			stranger := newTab(t, 1200, 900)
			stranger.open(deep)
			stranger.click("details#other summary")
			stranger.follow(fmt.Sprintf(`button[data-user=%q]`, foreign.people[0].ID))
			why := "This app can only be used by the workspace that owns it" // says Slack
			if c.Distributed {
				why = "open to the people of the workspace " + c.Name // say we
			}
			if page := stranger.sees("body"); !strings.Contains(page, why) {
				t.Errorf("somebody of %s sees: %s", foreign.Name, page)
			}
			stranger.shot(c.Team + "-6-refused")

			tb.open(origin + "/.gateway/")
			tb.shot(c.Team + "-7-account")
			tb.follow("#confirm")
			if got := tb.sees("h1"); got != "You are signed out" {
				t.Errorf("after signing out: %s", got)
			}
			tb.shot(c.Team + "-8-signed-out")
			tb.open(deep)
			tb.sees(fmt.Sprintf(`button[data-user=%q]`, c.people[0].ID))

			phone := newTab(t, 390, 844)
			phone.open(origin + "/.gateway/callback?state=x")
			phone.sees("h1")
			phone.shot(c.Team + "-9-phone")
		})
	}
}

// seesInSlack reloads the colleague's Slack until the message stands there.
func (d *demo) seesInSlack(tb *tab, c customer, task string) {
	tb.t.Helper()
	for {
		tb.open(fmt.Sprintf("%s/workspace/%s?as=%s&refresh=0", d.slack.URL(), c.Team, c.people[1].ID))
		if strings.Contains(tb.sees("body"), task) {
			return
		}
		if tb.ctx.Err() != nil {
			tb.t.Fatal("the message does not arrive in Slack")
		}
	}
}

// TestE2EWithRealPHP puts PHP's own web server and sessions behind the gateway:
// sign-in in a browser, PHPSESSID, the README's assertion check and its webhook
// call, all by PHP itself.
func TestE2EWithRealPHP(t *testing.T) {
	newTab := chromium(t)
	d, origin := startPHPDemo(t)

	tb := newTab(t, 1000, 700)
	tb.open(origin + "/whoami?q=50%&b=2")
	tb.follow(`button[data-user="U0MARIE"]`)
	var who struct {
		User, Email, Session string
		Count                int
		Assertion            map[string]any
	}
	session, count := "", 0
	for visit := 1; visit <= 2; visit++ {
		if err := json.Unmarshal([]byte(tb.sees("body")), &who); err != nil {
			t.Fatal(err)
		}
		if who.User != "U0MARIE" || who.Email != "marie@agrafmania.fr" || who.Session == "" || who.Count <= count || visit > 1 && who.Session != session {
			t.Errorf("visit %d: PHP sees %+v after session %q with %d", visit, who, session, count)
		}
		session, count = who.Session, who.Count
		if who.Assertion["sub"] != "U0MARIE" || who.Assertion["aud"] != customers[0].Host {
			t.Errorf("PHP verified the assertion as %v", who.Assertion)
		}
		tb.open(origin + "/whoami")
	}
	tb.open(origin + "/query?q=50%&b=2;c")
	if got := tb.sees("body"); !strings.Contains(got, "q=50%&b=2;c") {
		t.Errorf("the query arrived as %s", got)
	}
	tb.open(origin + "/notify?to=paul@agrafmania.fr&text=" + "Bonjour%20de%20PHP" + "&key=php-1")
	if got := tb.sees("body"); !strings.Contains(got, "202") {
		t.Errorf("the webhook answered PHP: %s", got)
	}
	d.seesInSlack(tb, customers[0], "Bonjour de PHP")
}

// startPHPDemo runs the demo with an app by real PHP, which verifies assertions
// by the first customer's keys, and gives that customer's origin.
func startPHPDemo(t *testing.T) (d *demo, origin string) {
	t.Helper()
	php := need(t, "php")
	d = newDemo(t)
	c := customers[0]
	origin = fmt.Sprintf("http://%s:%d", c.Host, d.Port)
	jwks := filepath.Join(t.TempDir(), "jwks.json")
	d.upstream = "http://" + startPHP(t, php, d, origin, jwks)
	startDemo(t, d)
	if err := os.WriteFile(jwks, fetch(t, fmt.Sprintf("http://127.0.0.1:%d/.gateway/jwks.json", d.Port), c.Host), 0o600); err != nil {
		t.Fatal(err)
	}
	return d, origin
}

// startPHP runs php -S and gives its address.
func startPHP(t *testing.T, php string, d *demo, origin, jwks string) string {
	t.Helper()
	address := loopback(freePort(t))
	hook := fmt.Sprintf("http://127.0.0.1:%d/.gateway/v1/notifications", d.Port)
	verifier, err := filepath.Abs("docs/php/cocoom_gateway.php")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(php, "-d", "auto_prepend_file="+verifier, "-S", address) // a router script would not get it
	cmd.Dir = "testdata/php/app"
	cmd.Env = append(os.Environ(), "HOOK_URL="+hook, "HOOK_HOST="+strings.TrimPrefix(origin, "http://"), "HOOK_TOKEN="+customers[0].HookToken,
		"COCOOM_GATEWAY_KEYS="+jwks, "COCOOM_GATEWAY_ISSUER="+origin, "SESSION_DIR="+t.TempDir())
	startServer(t, cmd, address)
	return address
}

// startServer runs php -S until the end of the test, and waits for it to listen.
func startServer(t *testing.T, cmd *exec.Cmd, address string) {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	for range 200 {
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close()
			return
		}
		time.Sleep(25 * time.Millisecond) // php -S does not say when it listens
	}
	t.Fatal("php -S does not start")
}

func fetch(t *testing.T, address, host string) []byte {
	t.Helper()
	req, err := http.NewRequest("GET", address, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %v", address, resp.StatusCode, err)
	}
	return body
}
