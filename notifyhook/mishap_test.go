package notifyhook

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
)

// execute changes the store behind the relay's back.
func execute(t testing.TB, s *store.Store, query string, args ...any) {
	t.Helper()
	err := s.Write(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, query, args...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// laneTimes reads when a lane is due and not before which time.
func laneTimes(t *testing.T, s *store.Store, lane string) (due, notBefore time.Time) {
	t.Helper()
	var a, b int64
	if err := s.Read().QueryRow(`SELECT due_at, not_before FROM lane WHERE lane = $1`, lane).Scan(&a, &b); err != nil {
		t.Fatal(err)
	}
	return time.UnixMilli(a), time.UnixMilli(b)
}

func mustClaim(t *testing.T, r *Relay) claim {
	t.Helper()
	claims, err := r.claim(t.Context(), workers)
	if err != nil || len(claims) != 1 {
		t.Fatalf("claimed %+v, %v; want one lane", claims, err)
	}
	return claims[0]
}

// What was committed is accepted, whether or not it can be read back.
func TestAcceptedWithoutReading(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r, _, _ := newTestRelay(t, s, "")
		if err := s.Read().Close(); err != nil {
			t.Fatal(err)
		}
		for body, want := range map[string]string{
			to("C01", "x"): "queued [C01 queued]",
			`{"to":["U01","C01"],"actor":"U01","text":"x"}`:                                           "queued [U01 suppressed C01 queued]",
			`{"to":["U01"],"actor":"U01","text":"x"}`:                                                 "suppressed [U01 suppressed]",
			`{"to":["C01"],"text":"x","send_at":"2026-11-23T10:00:00Z"}`:                              "scheduled [C01 queued]",
			`{"to":["U01","C01"],"actor":"U01","text":"x","send_at":"2026-11-23T10:00:00Z"}`:          "scheduled [U01 suppressed C01 queued]",
			`{"key":"k","to":["C01"],"text":"x","send_at":"2026-11-23T08:00:00Z","expires_in":86400}`: "queued [C01 queued]",
		} {
			w := post(r, body)
			a := decode(t, w)
			var states []string
			for _, d := range a.Recipients {
				states = append(states, d.To+" "+d.State)
			}
			if got := fmt.Sprintf("%v %v", a.Status, states); w.Code != http.StatusAccepted || a.ID == "" || got != want {
				t.Errorf("%s: %d %s", body, w.Code, w.Body)
			}
		}
		if w := post(r, `{"key":"k","to":["C01"],"text":"x","send_at":"2026-11-23T08:00:00Z","expires_in":86400}`); w.Code != http.StatusInternalServerError {
			t.Errorf("a duplicate has to be read, a closed pool is our mistake: %d %s", w.Code, w.Body)
		}
	})
}

// A row that cannot be decoded ends by itself and stops nobody.
func TestUnreadableRow(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r, _, sim, log := relayOn(t, s)
		bad, behind, elsewhere := mustPost(t, r, to("C0GENERAL", "bad")), mustPost(t, r, to("C0GENERAL", "behind")), mustPost(t, r, to("C0VENTES", "elsewhere"))
		execute(t, s, `UPDATE notification SET request = '{"to":' WHERE id = $1`, bad)
		step(t, r)
		if got := texts(sim.Messages(team, "")); len(got) != 2 || show(t, r, behind).Status != "sent" || show(t, r, elsewhere).Status != "sent" {
			t.Errorf("sent %q", got)
		}
		v := show(t, r, bad)
		if v.Status != "failed" || v.FinishedAt == nil || len(v.Recipients) != 1 || v.Recipients[0].To != "C0GENERAL" || v.Recipients[0].Error != "unreadable" {
			t.Errorf("got %+v", v)
		}
		if n := strings.Count(log.String(), `"reason":"unreadable"`); n != 1 {
			t.Errorf("logged %d times", n)
		}
	})
}

// A replica that does not know a route leaves its lanes alone, whoever holds
// them.
func TestUnknownRouteIsLeftAlone(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r, _, _ := newTestRelay(t, s, "")
		old, _, _ := newTestRelay(t, s, "")
		delete(old.routes(), host)
		delete(old.apps(), host)
		mustPost(t, r, to("C01", "x"))
		before, _ := laneTimes(t, s, host+"/C01")
		if claims, err := old.claim(t.Context(), workers); err != nil || len(claims) != 0 {
			t.Errorf("claimed %+v, %v", claims, err)
		}
		if due, _ := laneTimes(t, s, host+"/C01"); !due.Equal(before) {
			t.Errorf("postponed from %s to %s", before, due)
		}
		mustClaim(t, r)
	})
}

// A turn to write that came late leaves that much less time to work, so that no
// call outlives the lease.
func TestLateTurnShortensTheWork(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		id := mustPost(t, r, to("C0GENERAL", "x"))
		leased := r.clock
		var asked time.Time // when the time was read from which the lease runs
		r.clock = func(ctx context.Context) (time.Time, error) { asked = time.Now(); return leased(ctx) }
		c := mustClaim(t, r)
		r.clock = leased
		if c.begun.IsZero() || c.begun.After(asked) {
			t.Errorf("work counts from %s, the lease from %s", c.begun, asked)
		}
		c.begun = c.begun.Add(-workLimit) // the turn took that long
		r.work(t.Context(), c)
		if d := show(t, r, id).Recipients[0]; len(sim.Calls("")) != 0 || d.State != "queued" || d.PossibleDuplicate || d.History[0].Outcome != "transient" {
			t.Errorf("%d calls, %+v", len(sim.Calls("")), d)
		}
	})
}

// What Slack said is written down as long as the lease lasts, and no longer: a
// stop, which waits for it, must not wait for a store that does not come back.
func TestRecordTriesUntilTheLeaseEnds(t *testing.T) {
	for _, tt := range []struct {
		name   string
		outage time.Duration
		state  string
		took   time.Duration
	}{{"short", 20 * time.Second, "sent", 20 * time.Second}, {"long", time.Hour, "sending", lease}} {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "state")
			synctest.Test(t, func(t *testing.T) {
				r, s, _ := relayInBubble(t, dir)
				id := mustPost(t, r, to("C0GENERAL", "x"))
				c := mustClaim(t, r)
				start := time.Now()
				r.clock = func(ctx context.Context) (time.Time, error) {
					if time.Since(start) < tt.outage {
						return time.Time{}, store.ErrUnavailable
					}
					return s.Now(ctx)
				}
				r.work(t.Context(), c)
				if took := time.Since(start); took < tt.took || took > tt.took+recordInterval {
					t.Errorf("took %s, want %s", took, tt.took)
				}
				if d := show(t, r, id).Recipients[0]; d.State != tt.state {
					t.Errorf("got %+v", d)
				}
			})
		})
	}
}

// A refusal that is about one conversation ends its delivery; the route goes on.
func TestOneConversationDoesNotHoldItsRoute(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		sim.Fault(slacksim.Fault{Method: "chat.postMessage", Error: "no_permission", Times: 1})
		bad := mustPost(t, r, to("C0GENERAL", "bad"))
		step(t, r)
		good := mustPost(t, r, to("C0VENTES", "good"))
		step(t, r)
		if v := show(t, r, bad); v.Status != "failed" || v.Recipients[0].Error != "no_permission" || show(t, r, good).Status != "sent" || len(r.Alarms()) != 0 {
			t.Errorf("bad %+v, good %+v, alarms %+v", v, show(t, r, good), r.Alarms())
		}
		clock.advance(time.Minute)
		sim.Fault(slacksim.Fault{Method: "chat.postMessage", Error: "no_permission", Times: 1})
		sim.Fault(slacksim.Fault{Method: "auth.test", Kind: slacksim.ServerError, Times: 1})
		unsure := mustPost(t, r, to("C0GENERAL", "unsure"))
		step(t, r)
		if d := show(t, r, unsure).Recipients[0]; d.State != "queued" || d.History[0].Outcome != "transient" {
			t.Errorf("while Slack cannot be asked: %+v", d)
		}
		clock.advance(time.Minute)
		step(t, r)
		sim.Fault(slacksim.Fault{Error: "no_permission"})
		held := mustPost(t, r, to("C0VENTES", "held"))
		step(t, r)
		if d := show(t, r, held).Recipients[0]; d.State != "queued" || d.Attempts != 0 || len(r.Alarms()) != 1 {
			t.Errorf("the token itself: %+v, alarms %+v", d, r.Alarms())
		}
		if _, notBefore := laneTimes(t, r.store, host+"/C0VENTES"); notBefore.Before(clock.now().Add(probeEvery)) {
			t.Errorf("the lane leads the next release: not before %s", notBefore)
		}
	})
}

// Who expires a delivery does not hold its lane: it may come between the look at
// the head and the begin of its attempt.
func TestEndedDeliveryIsNotBegun(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r, clock, _ := newTestRelay(t, s, "")
		id := mustPost(t, r, to("C01", "x"))
		c := claim{place: r.apps()[host].conversation("C01"), app: r.apps()[host], route: r.routes()[host], at: clock.now(), owner: "me"}
		err := s.Write(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
			if found, over, err := r.head(ctx, tx, &c); !found || over != "" || err != nil {
				return fmt.Errorf("head: %v %q %w", found, over, err)
			}
			if err := r.end(ctx, tx, &claim{delivery: c.delivery, notification: id, at: clock.now()}, verdict{state: "dead", reason: "expired"}, outcome{}); err != nil {
				return err
			}
			if begun, err := c.begin(ctx, tx); begun || err != nil {
				t.Errorf("begun %v, %v", begun, err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if v := show(t, r, id); v.Status != "failed" || len(v.Recipients[0].History) != 0 || v.Recipients[0].Attempts != 0 {
			t.Errorf("got %+v", v)
		}
		if claims, err := r.claim(t.Context(), workers); err != nil || len(claims) != 0 {
			t.Errorf("claimed %+v, %v", claims, err)
		}
	})
}

// A clock set back by an hour lets no lane wait for an hour, neither while the
// program runs nor over a restart; what a caller scheduled stays where it was.
func TestClockSetBack(t *testing.T) {
	for name, mend := range map[string]func(*Relay) error{
		"running": func(r *Relay) error { return r.followClock(t.Context(), -time.Hour) },
		"restart": func(r *Relay) error { return r.takeOver(t.Context()) },
	} {
		t.Run(name, func(t *testing.T) {
			s := sqliteStore(t)
			slack := newFakeClock() // goes on by itself
			sim := newSlack(t, slacksim.Config{Now: func() time.Time { slack.advance(pace); return slack.now() }})
			r, clock, _ := newTestRelay(t, s, sim.APIURL())
			paced := mustPost(t, r, to("C0GENERAL", "first"))
			step(t, r)
			waits, fresh := mustPost(t, r, to("C0GENERAL", "second")), mustPost(t, r, to("C0VENTES", "fresh"))
			later := mustPost(t, r, `{"to":["C0VENTES"],"text":"later","send_at":"2026-11-23T10:00:00Z"}`)
			clock.advance(-time.Hour)
			if err := mend(r); err != nil {
				t.Fatal(err)
			}
			clock.advance(pace)
			step(t, r)
			for _, id := range []string{paced, waits, fresh} {
				if v := show(t, r, id); v.Status != "sent" {
					t.Errorf("a second later: %+v", v)
				}
			}
			clock.advance(2*time.Hour - pace - time.Millisecond)
			step(t, r)
			if v := show(t, r, later); v.Status != "scheduled" {
				t.Errorf("too early: %+v", v)
			}
			clock.advance(time.Millisecond)
			step(t, r)
			clock.advance(holdAgain)
			step(t, r)
			if v := show(t, r, later); v.Status != "sent" {
				t.Errorf("in its time: %+v", v)
			}
		})
	}
}

// Many dead heads are ended in several claims, and a lane made for one delivery
// goes with it however that ends.
func TestDeadHeadsLeaveNothingBehind(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		for range maxEnded + 1 {
			mustPost(t, r, `{"to":["C0GENERAL"],"text":"old","expires_in":60}`)
		}
		mustPost(t, r, `{"to":["nobody@agrafmania.fr"],"text":"x","send_at":"2026-11-23T09:01:00Z"}`)
		live := mustPost(t, r, to("C0GENERAL", "live"))
		clock.advance(time.Minute)
		step(t, r)
		clock.advance(time.Second)
		step(t, r)
		if st, err := r.Stats(t.Context()); err != nil || st.Dead != maxEnded+2 || show(t, r, live).Status != "sent" {
			t.Errorf("stats %+v, %v; live %+v", st, err, show(t, r, live))
		}
		var n int
		if err := r.store.Read().QueryRow(`SELECT COUNT(*) FROM lane WHERE lane LIKE '%@dlv_%'`).Scan(&n); err != nil || n != 0 {
			t.Errorf("%d lanes of scheduled deliveries left, %v", n, err)
		}
	})
}

// lines is the last column of what a query answers.
func lines(t testing.TB, s *store.Store, query string, args []any) string {
	t.Helper()
	rows, err := s.Read().QueryContext(t.Context(), query, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for rows.Next() {
		into := make([]any, len(columns))
		for i := range into {
			into[i] = new(sql.RawBytes)
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "%s\n", *into[len(into)-1].(*sql.RawBytes))
	}
	return out.String()
}
