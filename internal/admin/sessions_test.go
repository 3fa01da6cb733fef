package admin_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/admin"
)

const sessionRow = `INSERT INTO session (id, route, team, user_id, email, device, address, created_at, seen_at, expires_at)
	VALUES ($1, $2, 'T1', $3, $4, 'Firefox on Windows', '192.0.2.1', $5, $5, $6)`

// TestSessions: the list and its filters, every way to revoke, every mistake.
func TestSessions(t *testing.T) {
	l, now := newListener(t), time.Now()
	for i := range 6 {
		user, route := fmt.Sprintf("U%d", i%3), []string{"a.localhost", "b.localhost"}[i/3]
		l.exec(sessionRow, strings.Repeat(fmt.Sprint(i), 64), route, user, user+"@example.com", now.UnixMilli()-int64(i), now.Add(time.Hour).UnixMilli())
	}
	count := func(query string) int {
		t.Helper()
		status, body := l.ask("GET", "/sessions"+query, "")
		var list admin.SessionList
		if err := json.Unmarshal([]byte(body), &list); err != nil || status != 200 || list.Sessions == nil {
			t.Errorf("%s answered %d %s", query, status, body)
		}
		return len(list.Sessions)
	}
	for query, want := range map[string]int{"": 6, "?route=a.localhost": 3, "?person=U1": 2, "?person=u1@example.com&route=b.localhost": 1, "?limit=2": 2, "?person=nobody": 0} {
		if got := count(query); got != want {
			t.Errorf("%q lists %d, want %d", query, got, want)
		}
	}
	revoke := func(body string) (int, string) {
		t.Helper()
		return l.ask("POST", "/sessions/revoke", `{"by":"lea",`+body+`}`)
	}
	for _, query := range []string{"?route=x.localhost", "?limit=0", "?limit=x", "?cursor=x"} {
		if status, body := l.ask("GET", "/sessions"+query, ""); status != 400 {
			t.Errorf("%s answered %d %s", query, status, body)
		}
	}
	for _, body := range []string{`"reason":"none"`, `"all":true,"route":"a.localhost"`, `"session":"abcdef"`, `"session":"xyz"`, `"route":"x.localhost"`} {
		if status, said := revoke(body); status != 400 {
			t.Errorf("%s: answered %d %s", body, status, said)
		}
	}
	if got := count(""); got != 6 {
		t.Fatalf("mistakes have ended %d sessions", 6-got)
	}
	for _, row := range []struct {
		body  string
		ended int
	}{
		{`"session":"2222"`, 1}, {`"person":"U1","route":"a.localhost"`, 1}, {`"person":"U1@example.com"`, 1}, {`"route":"a.localhost"`, 1}, {`"all":true`, 2}, {`"all":true`, 0},
	} {
		status, said := revoke(row.body)
		var got admin.Revoked
		if err := json.Unmarshal([]byte(said), &got); err != nil || status != 200 || got.Ended != row.ended {
			t.Errorf("%s answered %d %s, want %d ended", row.body, status, said, row.ended)
		}
	}
	if deeds := l.audit(); len(deeds) != 6 || !strings.HasPrefix(deeds[5], "lea sessions.revoked ") {
		t.Errorf("the audit says %q", deeds)
	}
	if err := l.store.Close(); err != nil {
		t.Fatal(err)
	}
	for method, path := range map[string]string{"GET": "/sessions", "POST": "/sessions/revoke"} {
		if status, body := l.ask(method, path, `{"by":"lea","all":true}`); status != 503 || strings.Contains(body, "sql") {
			t.Errorf("%s without a store answered %d %s", path, status, body)
		}
	}
}
