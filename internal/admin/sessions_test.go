package admin_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/internal/admin"
	"github.com/cocoom/cocoom-gateway/internal/store"
)

const sessionRow = `INSERT INTO session (id, route, team, user_id, email, device, address, created_at, seen_at, expires_at)
	VALUES ($1, $2, 'T1', $3, $4, 'Firefox on Windows', '192.0.2.1', $5, $5, $6)`

// TestSessionsAPI: the list and its filters, every way to revoke, every mistake,
// and what a page of the web may not ask.
func TestSessionsAPI(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	st, err := store.Open(t.Context(), t.TempDir(), log)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	now := time.Now()
	err = st.Write(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
		for i := range 6 {
			user, route := fmt.Sprintf("U%d", i%3), []string{"a.localhost", "b.localhost"}[i/3]
			if _, err := tx.ExecContext(ctx, sessionRow, strings.Repeat(fmt.Sprint(i), 64), route, user, user+"@example.com", now.UnixMilli()-int64(i), now.Add(time.Hour).UnixMilli()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	front, err := gateway.New(t.Context(), gateway.Config{Store: st, Log: log, Routes: []gateway.Route{{Host: "a.localhost"}, {Host: "b.localhost"}}})
	if err != nil {
		t.Fatal(err)
	}
	pages := admin.New(admin.Config{Gateway: front, Log: log})
	ask := func(method, path, body string, header ...string) (int, string) {
		t.Helper()
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Host = "127.0.0.1:9090"
		r.Header.Set("Content-Type", "application/json")
		for i := 0; i < len(header); i += 2 {
			if r.Header.Set(header[i], header[i+1]); header[i] == "Host" {
				r.Host = header[i+1]
			}
		}
		rec := httptest.NewRecorder()
		pages.ServeHTTP(rec, r)
		return rec.Code, rec.Body.String()
	}
	count := func(query string) int {
		t.Helper()
		status, body := ask("GET", "/sessions"+query, "")
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
	const revoke, all = "/sessions/revoke", `{"all":true}`
	for name, row := range map[string]struct {
		method, path, body string
		header             []string
		want               int
	}{
		"list, unknown route":   {"GET", "/sessions?route=x.localhost", "", nil, 400},
		"list, no limit":        {"GET", "/sessions?limit=0", "", nil, 400},
		"list, no cursor":       {"GET", "/sessions?cursor=x", "", nil, 400},
		"list, rebound name":    {"GET", "/sessions", "", []string{"Host", "evil.example:9090"}, 403},
		"list, foreign page":    {"GET", "/sessions", "", []string{"Origin", "https://evil.example"}, 403},
		"by GET":                {"GET", revoke, "", nil, 405},
		"a form":                {"POST", revoke, "all=true", []string{"Content-Type", "application/x-www-form-urlencoded"}, 415},
		"JSON as text":          {"POST", revoke, all, []string{"Content-Type", "text/plain"}, 415},
		"no type":               {"POST", revoke, all, []string{"Content-Type", ""}, 415},
		"foreign page":          {"POST", revoke, all, []string{"Origin", "https://evil.example"}, 403},
		"a page without a name": {"POST", revoke, all, []string{"Origin", "null"}, 403},
		"another port":          {"POST", revoke, all, []string{"Origin", "http://127.0.0.1:8080"}, 403},
		"rebound name":          {"POST", revoke, all, []string{"Host", "evil.example:9090", "Origin", "http://evil.example:9090"}, 403},
		"localhost as a prefix": {"POST", revoke, all, []string{"Host", "localhost.evil.example"}, 403},
		"nothing":               {"POST", revoke, `{}`, nil, 400},
		"misspelt":              {"POST", revoke, `{"person":"U1","rout":"a.localhost"}`, nil, 400},
		"two objects":           {"POST", revoke, `{"person":"nobody"}{"all":true}`, nil, 400},
		"no JSON":               {"POST", revoke, `all`, nil, 400},
		"too long":              {"POST", revoke, `{"reason":"` + strings.Repeat("x", 20<<10) + `","all":true}`, nil, 400},
		"all and a route":       {"POST", revoke, `{"all":true,"route":"a.localhost"}`, nil, 400},
		"unknown session":       {"POST", revoke, `{"session":"abcdef"}`, nil, 400},
	} {
		if got, body := ask(row.method, row.path, row.body, row.header...); got != row.want {
			t.Errorf("%s: answered %d %s, want %d", name, got, body, row.want)
		}
	}
	if got := count(""); got != 6 {
		t.Fatalf("mistakes and foreign pages have ended %d sessions", 6-got)
	}
	for _, row := range []struct {
		body  string
		ended int
		host  string
	}{
		{`{"session":"2222"}`, 1, "127.0.0.1:9090"}, {`{"person":"U1","route":"a.localhost"}`, 1, "[::1]:9090"}, {`{"person":"U1@example.com"}`, 1, "localhost"},
		{`{"route":"a.localhost"}`, 1, "localhost:9090"}, {all, 2, "[::1]"}, {all, 0, "10.0.0.1"},
	} {
		status, body := ask("POST", revoke, row.body, "Host", row.host)
		var got admin.RevokeAnswer
		if err := json.Unmarshal([]byte(body), &got); err != nil || status != 200 || got.Ended != row.ended {
			t.Errorf("%s answered %d %s, want %d ended", row.body, status, body, row.ended)
		}
	}
	var deeds int
	if err := st.Read().QueryRow(`SELECT COUNT(*) FROM audit WHERE actor = 'operator' AND action = 'sessions.revoke'`).Scan(&deeds); err != nil || deeds != 6 {
		t.Errorf("%d deeds in the audit table (%v), want 6", deeds, err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	for method, path := range map[string]string{"GET": "/sessions", "POST": revoke} {
		if status, body := ask(method, path, all); status != 503 || strings.Contains(body, "sql") {
			t.Errorf("%s without a store answered %d %s", path, status, body)
		}
	}
}
