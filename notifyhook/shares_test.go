package notifyhook

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/secret"
	"github.com/cocoom/cocoom-gateway/internal/slacksim"
	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
)

// Turns are paid for by what they cost: an app that needs look-ups claims half as
// many lanes as one that does not, and what is left over counts the next time.
func TestTurnsArePaidFor(t *testing.T) {
	for _, tt := range []struct {
		name       string
		recipient  string // of the other route's, up to a number
		limit      int
		mine, them int // after four rounds
	}{
		{"the same work", "C", 8, 16, 16},
		{"an odd batch", "C", 5, 10, 10},
		{"twice the work", "U", 6, 16, 8},
		{"one at a time", "U", 1, 3, 1}, // two, one; two: cut short after the first
	} {
		t.Run(tt.name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, s *store.Store) {
				r, clock, _ := newTestRelay(t, s, "")
				for i := range 200 {
					mustPost(t, r, to(fmt.Sprintf("C%03d", i), "x"))
				}
				clock.advance(time.Second)
				for i := range 20 { // much later than all of the other route's
					if _, _, err := r.accept(t.Context(), r.routes()[otherHost], request{To: []string{fmt.Sprintf("%s%03d", tt.recipient, i)}, Text: "x"}, clock.now()); err != nil {
						t.Fatal(err)
					}
				}
				n := map[string]int{}
				for range 4 {
					claims, err := r.claim(t.Context(), tt.limit)
					if err != nil {
						t.Fatal(err)
					}
					for _, c := range claims {
						n[c.app.name]++
					}
				}
				if n[host] != tt.mine || n[otherHost] != tt.them {
					t.Errorf("%d and %d lanes, want %d and %d", n[host], n[otherHost], tt.mine, tt.them)
				}
			})
		})
	}
}

// Eleven apps whose Slack hangs take nothing of what another may have, and
// dozens still leave it something; once that is known of them, hundreds do.
func TestSlowAppsLeaveWorkers(t *testing.T) {
	for _, tt := range []struct {
		slow    bool
		apps    int
		atLeast int // workers for the next app
	}{{false, 11, perApp}, {false, 20, 2}, {true, 150, perApp}, {true, 250, 1}} {
		fill := func(one share, free int) int {
			for one.mayStart(0, free) {
				one.flight++
				free--
			}
			return one.flight
		}
		free := workers
		for range tt.apps {
			free -= fill(share{isSlow: tt.slow}, free)
		}
		if got := fill(share{}, free); got < tt.atLeast {
			t.Errorf("%d slow apps, known %v: %d workers are left to another, want %d", tt.apps, tt.slow, got, tt.atLeast)
		}
	}
}

// What is queued while an app has its turn is not forgotten with the turn.
func TestQueuedDuringATurn(t *testing.T) {
	now := newFakeClock().now()
	nobody := func(string) bool { return false }
	for name, lanes := range map[string][]candidate{
		"nothing else": nil, "another is due": {{due: now}}, "another comes later": {{due: now.Add(time.Hour)}},
	} {
		t.Run(name, func(t *testing.T) {
			s := shares{apps: map[string]*share{}}
			s.queue(host, now)
			one := s.next(now, nobody)
			if one == nil || s.next(now, nobody) != nil {
				t.Fatal("one app has one turn")
			}
			s.queue(host, now)
			s.serve(one, &turn{lanes: lanes}, now, atOnce, workers)
			if s.next(now, nobody) != one || s.next(now, nobody) != nil {
				t.Error("it is not looked at again, or twice")
			}
		})
	}
}

// Thousands of due lanes cost no more than the few that are chosen.
func TestDueLanesAreFoundByIndex(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r, clock, _ := newTestRelay(t, s, "")
		execute(t, s, `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
			INSERT INTO lane (lane, app, conversation, due_at) SELECT 'C' || i, (i % 20) || CAST($1 AS TEXT), 'C' || i, i FROM n`, host)
		execute(t, s, `UPDATE lane SET app = $1 WHERE app = '7' || $2`, host, host)
		explain := "EXPLAIN QUERY PLAN "
		if s.Postgres() {
			explain = "EXPLAIN "
			execute(t, s, `ANALYZE lane`)
		}
		for query, by := range map[string]string{lanesQuery: "lane_app", unresolvedQuery: "lane_unresolved", waitingQuery: "lane_app"} {
			args := []any{host, 1 << 60, 17}
			if query == waitingQuery {
				args = []any{"", surveyPage}
			}
			plan := lines(t, s, explain+query, args)
			if !strings.Contains(plan, by) || strings.Contains(plan, "Seq Scan") || strings.Contains(plan, "SCAN lane") || strings.Contains(plan, "SCAN l ") {
				t.Errorf("plan:\n%s", plan)
			}
		}
		if err := r.survey.look(t.Context(), r, clock.now()); err != nil {
			t.Fatal(err)
		}
		list, err := r.choose(t.Context(), r.conf.Load(), clock.now(), workers)
		if err != nil || len(list) != perApp {
			t.Fatalf("%d lanes, %v", len(list), err)
		}
	})
}

// crowd are the routes of that many apps.
func crowd(n int) []Route {
	routes := make([]Route, n)
	for i := range routes {
		routes[i] = Route{Host: fmt.Sprintf("r%05d.cocoom.com", i), BotToken: secret.String(fmt.Sprintf("xoxb-%d", i))}
	}
	return routes
}

// Of 10,000 apps, all with something due, each gets its turn before any gets a
// second one, and no claim looks at more than a few of them.
func TestTenThousandAppsTakeTurns(t *testing.T) {
	if testing.Short() {
		t.Skip("claims 10,000 lanes, not under -short")
	}
	const apps = 10_000
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		clock := newFakeClock()
		r := relayOf(t, s, clock, Config{Routes: crowd(apps)})
		app := `'r' || substr('0000' || (i % 10000), -5) || '.cocoom.com'`
		if s.Postgres() {
			app = `'r' || lpad((i % 10000)::text, 5, '0') || '.cocoom.com'`
		}
		for first := 0; first < 3*apps; first += 2000 { // a write may not take long
			execute(t, s, fmt.Sprintf(`WITH RECURSIVE n (i) AS (SELECT %d UNION ALL SELECT i + 1 FROM n WHERE i < %d)
				INSERT INTO lane (lane, app, conversation, due_at) SELECT %s || '/C' || i, %s, 'C' || i, 1 FROM n`, first, first+1999, app, app))
		}
		seen := map[string]int{}
		for len(seen) < apps {
			for range apps/surveyPage + 1 {
				if err := r.survey.look(t.Context(), r, clock.now()); err != nil {
					t.Fatal(err)
				}
			}
			list, err := r.choose(t.Context(), r.conf.Load(), clock.now(), atOnce)
			if err != nil || len(list) != atOnce {
				t.Fatalf("%d lanes, %v", len(list), err)
			}
			for _, c := range list {
				if seen[c.app.name]++; seen[c.app.name] > quantum {
					t.Fatalf("%s had a second turn when %d apps had had none", c.app.name, apps-len(seen))
				}
			}
		}
	})
}

// Nothing to do is next to no work, however many apps there are.
func TestIdleAsksOnceInASecond(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	synctest.Test(t, func(t *testing.T) {
		s, err := store.Open(t.Context(), dir, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		r, err := New(Config{Routes: crowd(10_000), Store: s, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		var asked atomic.Int64
		r.clock = func(ctx context.Context) (time.Time, error) { asked.Add(1); return s.Now(ctx) }
		stop := running(t, r)
		time.Sleep(time.Minute)
		stop()
		if n := asked.Load(); n > 90 { // a claim each second, and two sweeps
			t.Errorf("the time was asked for %d times in a minute", n)
		}
	})
}

// A lane is looked at when it comes due, not at the next poll.
func TestLanesAreServedWhenTheyComeDue(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	synctest.Test(t, func(t *testing.T) {
		r, _, sim := relayInBubble(t, dir)
		stop := running(t, r)
		time.Sleep(10*time.Second + 300*time.Millisecond)
		accepted := time.Now()
		mustPost(t, r, to("C0GENERAL", "0"))
		mustPost(t, r, to("C0GENERAL", "1"))
		mustPost(t, r, to("U0MARIE", "2"))
		mustPost(t, r, `{"to":["C0VENTES"],"text":"3","send_at":"`+accepted.Add(3*time.Second).Format(time.RFC3339Nano)+`"}`)
		time.Sleep(5 * time.Second)
		for text, want := range map[string]time.Duration{"0": 0, "1": pace, "2": 0, "3": 3 * time.Second} {
			var m *slacksim.Message
			for _, one := range sim.Messages(team, "") {
				if one.Text == text {
					m = &one
				}
			}
			if m == nil {
				t.Fatalf("%q was not sent", text)
			}
			if late := m.PostedAt.Sub(accepted) - want; late < 0 || late > 20*time.Millisecond {
				t.Errorf("%q came %s late", text, late)
			}
		}
		stop()
	})
}
