package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/cocoom/cocoom-gateway/configs"
	"github.com/cocoom/cocoom-gateway/internal/admin"
)

// TestE2EOperatorLongNames: what people, apps and customers may choose is as long
// as it may be, and means to look like something else. The operators' pages hold
// it, on a desktop and on a phone, light and dark, with text of twice the size.
func TestE2EOperatorLongNames(t *testing.T) {
	t.Parallel()
	need(t, "chromium")
	const token = "0123456789abcdef0123456789abcdef"
	host := strings.Repeat("a-very-long-name-of-a-customer.", 7) + "localhost"
	email := "jean-christophe.de-la-rochefoucauld+notifications@" + strings.Repeat("information-technology.", 4) + "example"
	pages := startLongNames(t, host, email, token)
	for _, look := range []struct {
		name          string
		flags         []chromedp.ExecAllocatorOption
		width, height int
	}{
		{"light-1280", []chromedp.ExecAllocatorOption{chromedp.Flag("blink-settings", "preferredColorScheme=1")}, 1280, 800},
		{"dark-320", []chromedp.ExecAllocatorOption{chromedp.Flag("blink-settings", "preferredColorScheme=0")}, 320, 568},
	} {
		t.Run(look.name, func(t *testing.T) {
			tb := chromium(t, look.flags...)(t, look.width, look.height)
			see := func(i int, path string) {
				t.Helper()
				tb.open(pages + path)
				tb.sees("h1")
				value(tb, chromedp.EvaluateAsDevTools[bool](`document.querySelectorAll("details").forEach(d => d.open = true) === undefined`))
				tb.checkPage(path)
				tb.shot(fmt.Sprintf("long-%s-%02d", look.name, i))
			}
			see(0, "/ui/sign-in?to=/ui/audit")
			tb.run(chromedp.SetValue("#name", strings.Repeat("Lea", 30)), chromedp.SetValue("#token", "wrong"))
			tb.follow("form.card button")
			tb.checkPage("a wrong token")
			tb.shot("long-" + look.name + "-wrong")
			tb.run(chromedp.SetValue("#name", strings.Repeat("Lea", 30)), chromedp.SetValue("#token", token))
			tb.follow("form.card button")
			for i, path := range []string{"/ui/", "/ui/alarms", "/ui/routes", "/ui/routes/" + host, "/ui/sessions", "/ui/sessions/end?person=" + email + "&route=" + host,
				"/ui/notifications", "/ui/notifications/ntf_0", "/ui/replay?route=" + host, "/ui/people?host=" + host + "&person=U0", "/ui/audit",
				"/ui/notifications?since=yesterday", "/ui/sessions?route=" + strings.Repeat("x", 300), "/ui/none"} {
				see(i+1, path)
			}
		})
	}
}

// startLongNames runs a gateway with one route, and fills its store.
func startLongNames(t *testing.T, host, email, token string) (pages string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	text := fmt.Sprintf(`state: %s
listen: 127.0.0.1:%d
admin: 127.0.0.1:0
admin_token: %s
public_scheme: http
routes:
  - host: %s
    upstream: http://127.0.0.1:1
    workspace: T0LONG
    workspace_name: "Établissements <b>Dupont</b> \u202esreyolpme\u202c %s"
    slack_app: {client_id: "1.2", client_secret: x, bot_token: xoxb-1}
    login: {pin_email: true}
    notify: {bearer_tokens: [{id: %s, value: %s}]}
`, t.TempDir(), freePort(t), token, host, strings.Repeat("Maximilien", 10), strings.Repeat("of-the-webhook", 4), token)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := configs.Load(file, os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	p, err := start(t.Context(), cfg, overheard.logger())
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	p.current.tell(func(c *admin.Configuration) {
		c.File, c.Restart = "/etc/"+strings.Repeat("cocoom-gateway/", 12)+"gateway.yaml", []string{"state", "tls.acme"}
		c.Error, c.ErrorAt = "gateway.yaml:3:1: lisen: unknown key\ngateway.yaml:9:9: routes[1].upstream: "+strings.Repeat("x", 300), now
	})
	fillLongNames(t, p, host, email, now)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("stopped with %v", err)
		}
	})
	return "http://" + p.admin.addr()
}

func fillLongNames(t *testing.T, p *program, host, email string, now time.Time) {
	t.Helper()
	at, long := now.UnixMilli(), strings.Repeat("unbroken", 24)
	rows := func(query string, args ...any) {
		t.Helper()
		err := p.store.Write(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, query, args...)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	rows(`INSERT INTO person (route, team, user_id, email, first_email, name, checked_at, changed_at) VALUES ($1, 'T0LONG', 'U0', $2, 'first@example.com', $3, $4, $4)`,
		host, email, "<script>alert(1)</script> \u202e"+long, at)
	rows(`INSERT INTO audit (at, actor, action, object, detail) VALUES ($1, $2, 'people.email_changed', $3, $4)`,
		at, "browser at 2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff", host+" T0LONG/U0 "+long, email+" → <b>"+email)
	for i := range 3 {
		rows(`INSERT INTO session (id, route, team, user_id, email, device, address, created_at, seen_at, expires_at) VALUES ($1, $2, 'T0LONG', 'U0', $3, 'Firefox on Windows', '2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff', $4, $4, $5)`,
			fmt.Sprintf("%064d", i), host, email, at, at+3_600_000)
		id := fmt.Sprintf("ntf_%d", i)
		rows(`INSERT INTO notification (id, route, idem_key, request, type, status, accepted_at, expires_at, finished_at) VALUES ($1, $2, $3, '{"to":["a"],"text":"x"}', 'a.long.type.that.goes.on<img>', 'failed', $4, $5, $4)`,
			id, host, id+long, at, at+3_600_000)
		rows(`INSERT INTO delivery (id, notification_id, route, recipient, lane, state, last_error, accepted_at, due_at, finished_at) VALUES ($1, $1, $2, $3, 'l', 'dead', 'users_not_found', $4, $4, $4)`,
			id, host, email, at)
		rows(`INSERT INTO attempt (delivery_id, n, begun_at, ended_at, method, outcome, error) VALUES ($1, 1, $2, $2, 'chat.postMessage', 'rejected', $3)`, id, at, long)
	}
}
