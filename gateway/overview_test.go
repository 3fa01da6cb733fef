package gateway_test

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
)

// TestWhatOperatorsSearch: sessions are counted by whom and where, also by the
// address that a person has now, and the audit is searched in any case, without
// its signs meaning anything.
func TestWhatOperatorsSearch(t *testing.T) {
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		exec := func(query string, args ...any) {
			t.Helper()
			if err := st.Write(t.Context(), func(ctx context.Context, tx *sql.Tx) error { _, err := tx.ExecContext(ctx, query, args...); return err }); err != nil {
				t.Fatal(err)
			}
		}
		g, err := gateway.New(t.Context(), gateway.Config{Prefix: "/.gateway", Store: st, Log: slog.New(slog.DiscardHandler), Sealer: new(gateway.Sealer),
			Settings: gateway.Settings{Routes: []gateway.Route{{Host: "b.localhost"}, {Host: "a.localhost", SlackApp: gateway.SlackApp{Managed: true}}}}})
		if err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		for i, ends := range []time.Time{now.Add(time.Hour), now.Add(time.Hour), now.Add(-time.Hour)} {
			exec(`INSERT INTO session (id, route, team, user_id, email, created_at, seen_at, expires_at) VALUES ($1, 'a.localhost', 'T1', $2, 'Old@example.com', $3, $4, $5)`,
				strings.Repeat(fmt.Sprint(i+1), 64), fmt.Sprint("U", i), now.UnixMilli()-int64(i), now.UnixMilli(), ends.UnixMilli())
		}
		exec(`INSERT INTO person (route, team, user_id, email, checked_at, changed_at) VALUES ('a.localhost', 'T1', 'U1', 'New@example.com', 1, 1)`)
		for person, want := range map[string]int{"": 2, "old@example.com": 2, "new@EXAMPLE.com": 1, "U0": 1, "U2": 0, "u0": 0} {
			q := gateway.SessionQuery{Person: person, Route: "a.localhost"}
			n, err := g.CountSessions(t.Context(), q)
			list, _, err2 := g.Sessions(t.Context(), q)
			if err != nil || err2 != nil || n != want || len(list) != want {
				t.Errorf("of %q there are %d, listed %d (%v, %v), want %d", person, n, len(list), err, err2, want)
			}
		}
		if n, err := g.SessionCount(t.Context()); err != nil || n != 2 {
			t.Errorf("there are %d sessions (%v), want 2", n, err)
		}
		if list := g.RouteInfos(); len(list) != 2 || list[0].Host != "a.localhost" || !list[0].Managed || list[1].Login {
			t.Errorf("routes are %+v", list)
		}
		for i := range 5 {
			exec(`INSERT INTO audit (at, actor, action, object, detail) VALUES ($1, 'Lea', 'keys.rotated', '', $2)`, i, []string{"100% \\_", "100 x"}[i%2])
		}
		for search, want := range map[string]int{"": 5, "LEA KEYS": 5, "100% ": 3, `\_`: 3, "x": 2, "%": 3, "nothing": 0, "a\x00b": 0} {
			found, before := 0, int64(0)
			for {
				list, next, err := g.AuditTrail(t.Context(), gateway.AuditQuery{Search: search, Before: before, Limit: 2})
				if err != nil {
					t.Fatal(err)
				}
				found += len(list)
				if before = next; next == 0 {
					break
				}
			}
			if found != want {
				t.Errorf("%q is found %d times, want %d", search, found, want)
			}
		}
	})
}
