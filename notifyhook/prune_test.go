package notifyhook

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
)

// column reads the one column of a query.
func column(t *testing.T, s *store.Store, query string, args ...any) (list []string) {
	t.Helper()
	rows, err := s.Read().Query(query, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var one string
		if err := rows.Scan(&one); err != nil {
			t.Fatal(err)
		}
		list = append(list, one)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}

// What was finished is kept as long as its route says, failures for a month, and
// what is not finished for ever; a key is forgotten with its notification.
func TestRetention(t *testing.T) {
	const day = 24 * time.Hour
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		clock := newFakeClock()
		sim := newSlack(t, slacksim.Config{Now: clock.now})
		routes := testRoutes()
		routes[1].Settings.Retention = 2 * day
		r := relayOf(t, s, clock, Config{Routes: routes, APIURL: sim.APIURL()})
		accept := func(host, key, to string, at int64) {
			if _, _, err := r.accept(t.Context(), r.routes()[host], request{Key: key, To: []string{to}, Text: "x", SendAt: at}, clock.now()); err != nil {
				t.Fatal(err)
			}
		}
		accept(host, "sent", "C0GENERAL", 0)
		accept(host, "failed", "C0NONE", 0)
		accept(otherHost, "brief", "C0GENERAL", 0)
		accept(otherHost, "brief failed", "C0NONE", 0)
		accept(host, "open", "C0GENERAL", clock.now().Add(365*day).UnixMilli())
		step(t, r)
		for _, tt := range []struct {
			after time.Duration
			left  []string
		}{
			{2*day - time.Minute, []string{"brief", "brief failed", "failed", "open", "sent"}},
			{2 * day, []string{"brief failed", "failed", "open", "sent"}},
			{7*day - time.Minute, []string{"brief failed", "failed", "open", "sent"}},
			{7 * day, []string{"brief failed", "failed", "open"}},
			{30*day - time.Minute, []string{"brief failed", "failed", "open"}},
			{30 * day, []string{"open"}},
		} {
			clock.advance(tt.after - clock.now().Sub(newFakeClock().now()))
			r.keepHouse(t.Context())
			if got := column(t, s, `SELECT idem_key FROM notification ORDER BY idem_key`); !slices.Equal(got, tt.left) {
				t.Errorf("after %s: %q, want %q", tt.after, got, tt.left)
			}
		}
		if n := column(t, s, `SELECT id FROM delivery`); len(n) != 1 {
			t.Errorf("%d deliveries left", len(n))
		}
		if n := column(t, s, `SELECT delivery_id FROM attempt`); len(n) != 0 {
			t.Errorf("%d attempts left", len(n))
		}
		accept(host, "sent", "C0VENTES", 0) // another content under the same key
	})
}

// A sweep does a bounded part of the work, and sweeps together do all of it,
// though much on the way is to be kept; two replicas share it.
func TestPruningGoesOn(t *testing.T) {
	storetest.EachState(t, func(t *testing.T, state string) {
		s := storetest.Open(t, state)
		r, clock, _ := newTestRelay(t, s, "")
		other, _, _ := newTestRelay(t, s, "")
		const n = 3 * prunePage * prunePages / 2
		for first := 0; first < n; first += 1000 { // a write may not take long
			numbers := fmt.Sprintf(`WITH RECURSIVE n (i) AS (SELECT %d UNION ALL SELECT i + 1 FROM n WHERE i < %d) `, first, first+999)
			execute(t, s, numbers+`INSERT INTO notification (id, route, request, accepted_at, expires_at, finished_at, status)
				SELECT 'n' || i, $1, '{}', 1, 1, CAST($2 AS BIGINT) - i % 7, CASE i % 3 WHEN 0 THEN 'failed' ELSE 'sent' END FROM n`, host, clock.now().Add(-10*24*time.Hour).UnixMilli())
		}
		if err := r.pruneNotifications(t.Context()); err != nil {
			t.Fatal(err)
		}
		if left := len(column(t, s, `SELECT id FROM notification`)); left < n-prunePage*prunePages || left == n {
			t.Errorf("%d of %d left after one sweep", left, n)
		}
		var group sync.WaitGroup
		for _, one := range []*Relay{r, other} {
			group.Go(func() {
				for range 3 {
					if err := one.pruneNotifications(t.Context()); err != nil {
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
		if left := column(t, s, `SELECT DISTINCT status FROM notification`); !slices.Equal(left, []string{"failed"}) || len(column(t, s, `SELECT id FROM notification`)) != n/3 {
			t.Errorf("%q left", left)
		}
		explain := "EXPLAIN QUERY PLAN "
		if s.Postgres() {
			explain = "EXPLAIN "
			execute(t, s, `ANALYZE notification`)
		}
		if plan := lines(t, s, explain+finishedQuery, []any{5, 1, 10, prunePage}); !strings.Contains(plan, "notification_prune") {
			t.Errorf("plan:\n%s", plan)
		}
	})
}

// Lanes go a day after their last word and entities after ninety; what is queued,
// leased or fresh stays.
func TestIdleLanesAndEntitiesGo(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r, clock, _ := newTestRelay(t, s, "")
		now := clock.now().UnixMilli()
		const day = 24 * 60 * 60 * 1000
		for lane, times := range map[string][2]any{"idle": {nil, now - day - 1}, "fresh": {nil, now - day + 1}, "queued": {now, 0}} {
			execute(t, s, `INSERT INTO lane (lane, app, due_at, not_before) VALUES ($1, 'gone', $2, $3)`, lane, times[0], times[1])
		}
		for entity, at := range map[string]int64{"old": now - 90*day - 1, "young": now - 90*day + 1} {
			execute(t, s, `INSERT INTO entity (lane, route, entity, channel, ts, changed_at) VALUES ('l', 'r', $1, 'C1', '1.1', $2)`, entity, at)
		}
		execute(t, s, `INSERT INTO notification (id, route, request, accepted_at, expires_at) VALUES ('n', 'gone', '{}', 1, $1)`, now+day)
		execute(t, s, `INSERT INTO delivery (id, notification_id, route, recipient, lane, accepted_at, due_at) VALUES ('d', 'n', 'gone', 'C', 'queued', 1, 1)`)
		r.keepHouse(t.Context())
		if got := column(t, s, `SELECT lane FROM lane ORDER BY lane`); !slices.Equal(got, []string{"fresh", "queued"}) {
			t.Errorf("lanes %q", got)
		}
		if got := column(t, s, `SELECT entity FROM entity`); !slices.Equal(got, []string{"young"}) {
			t.Errorf("entities %q", got)
		}
	})
}
