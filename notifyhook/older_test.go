package notifyhook

import (
	"context"
	"database/sql"
	"strings"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
)

// However many recipients wait to be looked up, a conversation's claim reads only
// those that may have something older.
func TestOlderIsFoundAmongThousands(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r, clock, _ := newTestRelay(t, s, "")
		mustPost(t, r, to("C01", "older"))
		clock.advance(time.Minute)
		execute(t, s, `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
			INSERT INTO notification (id, route, request, accepted_at, expires_at) SELECT 'ntf_' || i, CAST($1 AS TEXT), '{}', 0, CAST($2 AS BIGINT) FROM n`, host, clock.now().Add(time.Hour).UnixMilli())
		execute(t, s, `INSERT INTO delivery (id, notification_id, route, recipient, lane, accepted_at, due_at)
			SELECT 'dlv_' || id, id, route, id || '@agrafmania.fr', route || '>' || id || '@agrafmania.fr', CAST($1 AS BIGINT), CAST($1 AS BIGINT) FROM notification WHERE request = '{}'`, clock.now().UnixMilli())
		execute(t, s, `INSERT INTO lane (lane, app, due_at) SELECT lane, route, due_at FROM delivery WHERE id LIKE 'dlv_ntf_%'`)
		clock.advance(time.Minute)
		mustPost(t, r, to("C02", "younger"))
		execute(t, s, `ANALYZE`)
		explain := "EXPLAIN QUERY PLAN "
		if s.Postgres() {
			explain = "EXPLAIN "
		}
		plan := lines(t, s, explain+olderQuery, []any{host, 1, 1})
		if s.Postgres() {
			plan = strings.ReplaceAll(plan, "Index Scan using lane_app ", "Index Scan using lane_unresolved ") // as good
		}
		for _, index := range []string{"lane_unresolved", "lane_looking"} {
			if !strings.Contains(plan, index) {
				t.Errorf("not by %s:\n%s", index, plan)
			}
		}
		for conversation, want := range map[string]bool{"C01": false, "C02": true} {
			if got := isHeldByOlder(t, r, clock, conversation); got != want {
				t.Errorf("%s: %v, want %v", conversation, got, want)
			}
		}
	})
}

// An address that was just being looked up when the process died holds younger
// messages as before, however long that was ago.
func TestOrderAfterACrashInALookUp(t *testing.T) {
	r, clock, _, _ := relayOn(t, sqliteStore(t))
	mustPost(t, r, to("marie@agrafmania.fr", "older"))
	mustPost(t, r, to("C0GENERAL", "younger"))
	if claims, err := r.claim(t.Context(), workers); err != nil || len(claims) != 1 || claims[0].conversation != "" {
		t.Fatalf("claimed %+v, %v", claims, err)
	}
	clock.advance(time.Hour)
	if err := r.takeOver(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !isHeldByOlder(t, r, clock, "C0GENERAL") {
		t.Error("the younger one may go first")
	}
}

// isHeldByOlder says whether the head of a conversation waits for something older.
func isHeldByOlder(t *testing.T, r *Relay, clock *fakeClock, conversation string) (held bool) {
	t.Helper()
	c := claim{place: r.apps()[host].conversation(conversation), app: r.apps()[host], at: clock.now()}
	err := r.store.Write(t.Context(), func(ctx context.Context, tx *sql.Tx) (err error) {
		if _, _, err = r.head(ctx, tx, &c); err == nil {
			held, err = r.olderUnresolved(ctx, tx, &c)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return held
}
