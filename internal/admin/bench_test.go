package admin_test

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/internal/admin"
	"github.com/cocoom/cocoom-gateway/internal/secret"
	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
	"github.com/cocoom/cocoom-gateway/notifyhook"
	"github.com/cocoom/cocoom-gateway/proxy"
)

const (
	manyRoutes        = 10_000
	manyNotifications = 1_000_000
	manySessions      = 100_000
)

// BenchmarkPages measures every page among 10,000 routes, 1,000,000
// notifications and 100,000 sessions. It is run by hand:
//
//	go test ./internal/admin -run '^$' -bench Pages -benchtime 20x -timeout 30m
func BenchmarkPages(b *testing.B) {
	if testing.Short() {
		b.Skip("a million rows, not under -short")
	}
	for name, state := range map[string]func(b *testing.B) string{
		"sqlite":   func(b *testing.B) string { return filepath.Join(b.TempDir(), "state") },
		"postgres": func(b *testing.B) string { return storetest.Postgres(b) },
	} {
		b.Run(name, func(b *testing.B) {
			at := state(b)
			st := storetest.Open(b, at)
			fillStore(b, st)
			if st.Postgres() {
				vacuum(b, at)
			}
			pages := manyListener(b, st)
			for _, path := range []string{
				"/", "/alarms", "/routes", "/routes?search=r0999", "/routes?show=notify&cursor=r05000.example", "/routes/r00042.example",
				"/sessions", "/sessions?cursor=1000000050000-a", "/sessions?route=r00042.example", "/sessions?person=u777@example.com", "/sessions?person=U777", "/sessions/end?person=u777@example.com",
				"/notifications", "/notifications?status=failed", "/notifications?status=queued", "/notifications?status=sent", "/notifications?status=suppressed", "/notifications?status=scheduled",
				"/notifications?route=r00042.example", "/notifications?route=r00042.example&status=failed", "/notifications?to=u777@example.com", "/notifications?to=%23general", "/notifications?to=u777@example.com&status=failed",
				"/notifications?key=key-777777", "/notifications?until=2001-09-09T01:50", "/notifications?to=%23general&until=2001-09-09T01:50", "/notifications?since=2001-09-09T01:50&status=failed",
				"/notifications/ntf_777777", "/replay?route=r00042.example", "/people?host=r00042.example&person=u42@example.com", "/audit", "/audit?search=lea", "/audit?search=nothing",
			} {
				b.Run(path, func(b *testing.B) {
					took := make([]time.Duration, b.N)
					for i := range b.N {
						r := httptest.NewRequest("GET", "/ui"+path, nil)
						r.Host = "localhost"
						rec, start := httptest.NewRecorder(), time.Now()
						if pages.ServeHTTP(rec, r); rec.Code != 200 {
							b.Fatalf("answered %d %s", rec.Code, rec.Body)
						}
						took[i] = time.Since(start)
					}
					b.ReportMetric(float64(took[0].Microseconds())/1000, "first-ms")
					slices.Sort(took)
					b.ReportMetric(float64(took[b.N/2].Microseconds())/1000, "p50-ms")
				})
			}
		})
	}
}

// fillStore writes what a large gateway has: a fifth of all goes to a channel that
// each workspace has; one in fifty failed; one in a hundred waits.
func fillStore(b *testing.B, st *store.Store) {
	b.Helper()
	const numbers = `WITH RECURSIVE n (i) AS (SELECT CAST($1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i + 1 < CAST($2 AS BIGINT)) `
	const route, to = `'r' || substr(CAST(100000 + i % 10000 AS TEXT), 2) || '.example'`, `CASE WHEN i % 5 = 0 THEN '#general' ELSE 'u' || (i % 30000) || '@example.com' END`
	const failed, open = `i % 50 = 7`, `i % 100 = 3`
	chunks := func(n int, query string) {
		for from := 0; from < n; from += 20_000 { // a Func has ten seconds
			run(b, st, numbers+query, from, min(n, from+20_000))
		}
	}
	chunks(manyNotifications, `INSERT INTO notification (id, route, idem_key, request, type, status, accepted_at, expires_at, finished_at)
		SELECT 'ntf_' || i, `+route+`, 'key-' || i, '{"to":["' || `+to+` || '"],"text":"La facture a été validée, il reste à l''envoyer."}', 'invoice.approved',
		CASE WHEN `+failed+` THEN 'failed' WHEN `+open+` THEN 'queued' ELSE 'sent' END, 1000000000000 + i, 9000000000000, CASE WHEN `+open+` THEN NULL ELSE 1000000000000 + i END FROM n`)
	chunks(manyNotifications, `INSERT INTO delivery (id, notification_id, route, recipient, lane, state, last_error, accepted_at, due_at, finished_at)
		SELECT 'dlv_' || i, 'ntf_' || i, `+route+`, `+to+`, 'lane-' || i % 30000, CASE WHEN `+failed+` THEN 'dead' WHEN `+open+` THEN 'queued' ELSE 'sent' END,
		CASE WHEN `+failed+` THEN 'users_not_found' ELSE '' END, 1000000000000 + i, 1000000000000 + i, CASE WHEN `+open+` THEN NULL ELSE 1000000000000 + i END FROM n`)
	chunks(30_000, `INSERT INTO lane (lane, app, due_at) SELECT 'lane-' || i, 'r00000.example', 9000000000000 FROM n`)
	chunks(manySessions, `INSERT INTO session (id, route, team, user_id, email, device, address, created_at, seen_at, expires_at)
		SELECT 'a' || i, `+route+`, 'T1', 'U' || i, 'u' || i || '@example.com', 'Firefox on Windows', '192.0.2.1', 1000000000000 + i, 9000000000000, 9000000000000 FROM n`)
	chunks(manySessions, `INSERT INTO person (route, team, user_id, email, first_email, name, checked_at, changed_at)
		SELECT `+route+`, 'T1', 'U' || i, 'u' || i || '@example.com', 'u' || i || '@example.com', 'Somebody', 1000000000000, 1000000000000 + i FROM n`)
	chunks(manySessions, `INSERT INTO audit (at, actor, action, object, detail) SELECT 1000000000000 + i, CASE WHEN i % 9 = 0 THEN 'lea' ELSE 'slack' END, 'people.email_changed', 'r1.example T1/U' || i, 'a → b' FROM n`)
}

// vacuum does what PostgreSQL does by itself after a while.
func vacuum(b *testing.B, at string) {
	b.Helper()
	db, err := sql.Open("pgx", at)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(b.Context(), `VACUUM ANALYZE`); err != nil {
		b.Fatal(err)
	}
}

func run(b *testing.B, st *store.Store, query string, args ...any) {
	b.Helper()
	err := st.Write(b.Context(), func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, query, args...)
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
}

// manyListener is an operators' listener in front of manyRoutes routes.
func manyListener(b *testing.B, st *store.Store) http.Handler {
	b.Helper()
	log := slog.New(slog.DiscardHandler)
	var hosts []string
	var notify []notifyhook.Route
	for i := range manyRoutes {
		hosts = append(hosts, fmt.Sprintf("r%05d.example", i))
		notify = append(notify, notifyhook.Route{Host: hosts[i], BotToken: secret.String(fmt.Sprint("xoxb-", i))})
	}
	relay, err := notifyhook.New(notifyhook.Config{Store: st, Log: log, Routes: notify})
	if err != nil {
		b.Fatal(err)
	}
	cfg := gateway.Config{Prefix: "/.gateway", Store: st, Log: log, Sealer: new(gateway.Sealer)}
	keys := proxy.NewKeys()
	for _, host := range hosts {
		id, err := proxy.NewIdentifier(proxy.Config{Origin: "https://" + host, Host: host, Keys: keys})
		if err != nil {
			b.Fatal(err)
		}
		cfg.Routes = append(cfg.Routes, gateway.Route{Host: host, Origin: "https://" + host, Workspace: "T1", Login: &gateway.Login{}, Identifier: id, Notify: relay.Handler(host)})
	}
	front, err := gateway.New(b.Context(), cfg)
	if err != nil {
		b.Fatal(err)
	}
	return admin.New(admin.Config{Relay: relay, Gateway: front, Log: log, Configuration: func() admin.Configuration { return admin.Configuration{Routes: manyRoutes} }})
}
