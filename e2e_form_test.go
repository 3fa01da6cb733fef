package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// TestE2EFormLogin puts an old PHP app with a login form of its own behind the
// gateway: people sign in with Slack and never see that form.
func TestE2EFormLogin(t *testing.T) {
	php := need(t, "php")
	newTab := chromium(t)
	d := newDemo(t)
	const secret = "demo-form-secret-0123456789abcdef"
	d.login = fmt.Sprintf(`{upstream: {form: {url: /login.php, derive_from: %s, cookies: [PHPSESSID]}}, guests: allow}`, secret)
	sessions := t.TempDir()
	d.upstream = "http://" + startOldPHPApp(t, php, secret, sessions)
	startDemo(t, d)
	c := customers[0]
	origin := fmt.Sprintf("http://%s:%d", c.Host, d.Port)

	signIn := func(id, path string) *tab {
		tb := newTab(t, 1000, 700)
		tb.open(origin + path)
		tb.follow(fmt.Sprintf(`button[data-user=%q]`, id))
		return tb
	}
	expire := func() {
		files, err := filepath.Glob(filepath.Join(sessions, "sess_*"))
		if err != nil || len(files) == 0 {
			t.Fatalf("PHP keeps no sessions: %v", err)
		}
		for _, file := range files {
			os.Remove(file)
		}
	}
	marie := signIn("U0MARIE", "/dossiers/12")
	for id, want := range map[string]string{"#user": "marie@agrafmania.fr", "#path": "/dossiers/12"} {
		if got := marie.sees(id); got != want {
			t.Errorf("%s is %q, want %q", id, got, want)
		}
	}
	marie.shot("form-1-landed")
	paul := signIn("U0PAUL", "/")
	if got := paul.sees("#user"); got != "paul@agrafmania.fr" {
		t.Errorf("Paul is %q to the app", got)
	}
	marie.sees(`textarea[name="note"]`)
	marie.run(chromedp.SetValue(`textarea[name="note"]`, "écrit avant"))

	// A session that ends within seconds of its login is not renewed. The
	// gateway here runs as it does for people, so the test must wait as they do.
	time.Sleep(6 * time.Second)
	expire()
	marie.follow("#garder")
	for id, want := range map[string]string{"#user": "marie@agrafmania.fr", "#path": "/notes", "#note": "écrit avant"} {
		if got := marie.sees(id); got != want {
			t.Errorf("after the app's session had expired, %s is %q, want %q", id, got, want)
		}
	}
	marie.shot("form-2-note-kept")
	paul.open(origin + "/dossiers/3")
	if got := paul.sees("#user") + " " + paul.sees("#path"); got != "paul@agrafmania.fr /dossiers/3" {
		t.Errorf("after the app's session had expired: %s", got)
	}

	louis := signIn("U0LOUIS", "/") // whose password in the app is another
	if got := louis.sees("h1"); got != "The application did not accept your account" {
		t.Errorf("with another password in the app: %s", got)
	}
	louis.shot("form-3-refused")
	log, err := os.ReadFile(filepath.Join(d.State, "gateway.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{secret, "PHPSESSID"} {
		if strings.Contains(string(log), word) {
			t.Errorf("the log holds %q", word)
		}
	}
	if n := countLines(log, "signed in at the app"); n != 4 {
		t.Errorf("%d logins at the app, want 4", n)
	}
}

// countLines counts the log's lines with that message.
func countLines(log []byte, message string) int {
	n := 0
	for line := range strings.Lines(string(log)) {
		var entry struct{ Msg string }
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == message {
			n++
		}
	}
	return n
}

// startOldPHPApp runs testdata/php/oldapp, where Marie and Paul have accounts,
// and gives its address.
func startOldPHPApp(t *testing.T, php, secret, sessions string) string {
	t.Helper()
	address := loopback(freePort(t))
	cmd := exec.Command(php, "-S", address, "index.php")
	cmd.Dir = "testdata/php/oldapp"
	cmd.Env = append(os.Environ(), "SECRET="+secret, "SESSION_DIR="+sessions,
		"ACCOUNTS=marie@agrafmania.fr=T0AGRAF001/U0MARIE paul@agrafmania.fr=T0AGRAF001/U0PAUL louis@stagiaires.example=T0OTHER/U0LOUIS")
	startServer(t, cmd, address)
	return address
}
