package notifyhook

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/secret"
	"github.com/cocoom/cocoom-gateway/internal/slacksim"
	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
)

// sharedApp are two routes with one bot token.
func sharedApp(token secret.String) []Route {
	routes := testRoutes()
	routes[0].BotToken, routes[1].BotToken = token, token
	return routes
}

func mustSync(t *testing.T, relays ...*Relay) {
	t.Helper()
	for _, r := range relays {
		if err := r.syncAlarms(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// named lists the alarms as "route kind reason".
func named(r *Relay) (list []string) {
	for _, a := range r.Alarms() {
		list = append(list, a.Route+" "+a.Kind+" "+a.Reason)
	}
	return list
}

// An alarm is raised once for every route of its app, outlives a restart with the
// moment it began, is seen by every replica and gone everywhere when it is mended.
func TestAlarmsOutliveARestart(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		clock := newFakeClock()
		sim := newSlack(t, slacksim.Config{Now: clock.now})
		start := func() *Relay { return relayOf(t, s, clock, Config{Routes: sharedApp(botToken), APIURL: sim.APIURL()}) }
		first, replica := start(), start()
		mustSync(t, first, replica)
		sim.Fault(slacksim.Fault{Error: "token_revoked"})
		id := mustPost(t, first, to("C0GENERAL", "held"))
		step(t, first)
		began := clock.now()
		mustSync(t, first, replica)
		want := []string{host + " held token_revoked", otherHost + " held token_revoked"}
		if got := named(replica); !slices.Equal(got, want) || !replica.alarms.isHeld(host) {
			t.Errorf("a replica sees %q, held %v", got, replica.alarms.isHeld(host))
		}
		clock.advance(time.Minute)
		again := start()
		if err := again.begin(t.Context()); err != nil {
			t.Fatal(err)
		}
		calls := len(sim.Calls("chat.postMessage"))
		step(t, again)
		again.keepHouse(t.Context())
		if got := named(again); !slices.Equal(got, want) || len(sim.Calls("chat.postMessage")) != calls {
			t.Errorf("after a restart %q, and %d posts with a token known to be bad", got, len(sim.Calls("chat.postMessage"))-calls)
		}
		if since := again.Alarms()[0].Since; !since.Equal(began) {
			t.Errorf("since %s, want %s", since, began)
		}
		sim.ClearFaults()
		clock.advance(probeEvery)
		again.keepHouse(t.Context())
		step(t, again)
		mustSync(t, again, replica)
		if show(t, again, id).Status != "sent" || len(again.Alarms())+len(replica.Alarms()) != 0 || replica.alarms.isHeld(host) {
			t.Errorf("mended: %+v, alarms %q and %q", show(t, again, id), named(again), named(replica))
		}
	})
}

// With another token all that waited flows at once, on both engines; what waits
// for another reason goes on to wait.
func TestAnotherTokenFlowsAtOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		clock := newFakeClock()
		sim := newSlack(t, slacksim.Config{Now: clock.now})
		old := relayOf(t, s, clock, Config{Routes: sharedApp("xoxb-an-old-token"), APIURL: sim.APIURL()})
		id := mustPost(t, old, to("C0GENERAL", "held"))
		step(t, old)
		mustSync(t, old)
		paused := mustPost(t, old, to("C0VENTES", "asked to wait"))
		execute(t, s, `UPDATE lane SET due_at = $1, not_before = $1 WHERE conversation = 'C0VENTES'`, clock.now().Add(20*time.Second).UnixMilli())
		if len(old.Alarms()) != 2 || show(t, old, id).Status != "queued" {
			t.Fatalf("alarms %q, %+v", named(old), show(t, old, id))
		}
		clock.advance(time.Second)
		r := relayOf(t, s, clock, Config{Routes: sharedApp(botToken), APIURL: sim.APIURL()})
		if err := r.begin(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.keepHouse(t.Context())
		step(t, r)
		if v := show(t, r, id); v.Status != "sent" || len(r.Alarms()) != 0 || show(t, r, paused).Status != "queued" {
			t.Errorf("%+v, alarms %q; paused %+v", v, named(r), show(t, r, paused))
		}
	})
}

// The plan's limit holds an app for an hour and is said once.
func TestQuotaHoldsAnHour(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		sim.Fault(slacksim.Fault{Method: "chat.postMessage", Error: "message_limit_exceeded"})
		first := mustPost(t, r, to("C0GENERAL", "x"))
		step(t, r)
		began := clock.now()
		other := mustPost(t, r, to("C0VENTES", "y"))
		for range 59 {
			clock.advance(time.Minute)
			step(t, r)
		}
		if n := len(sim.Calls("chat.postMessage")); n != 1 {
			t.Errorf("%d posts within the hour", n)
		}
		clock.advance(time.Minute)
		step(t, r)
		if a := r.Alarms(); len(a) != 1 || a[0].Kind != "quota" || !a[0].Since.Equal(began) {
			t.Errorf("alarms %+v, want one since %s", a, began)
		}
		sim.ClearFaults()
		clock.advance(quotaWait * 11 / 10) // and the jitter
		step(t, r)
		for _, id := range []string{first, other} {
			if d := show(t, r, id).Recipients[0]; d.State != "sent" || d.Attempts != 1 {
				t.Errorf("in the end %+v", d)
			}
		}
		if len(r.Alarms()) != 0 {
			t.Errorf("alarms %q", named(r))
		}
	})
}

// A store that cannot be written to is an alarm, as long as it lasts.
func TestUnwritableStoreIsAnAlarm(t *testing.T) {
	s := sqliteStore(t)
	r, clock, _ := newTestRelay(t, s, "")
	fail := func(err error) { _ = r.write(t.Context(), func(context.Context, *sql.Tx) error { return err }) }
	fail(errors.New("a mistake of ours"))
	if got := named(r); len(got) != 0 {
		t.Errorf("alarms %q", got)
	}
	fail(store.ErrUnavailable)
	began := clock.now()
	clock.advance(time.Minute)
	fail(store.ErrUnavailable)
	if a := r.Alarms(); len(a) != 1 || a[0].Kind != "store" || a[0].Route != "" || !a[0].Since.Equal(began) {
		t.Errorf("alarms %+v", a)
	}
	mustPost(t, r, to("C01", "x"))
	if got := named(r); len(got) != 0 {
		t.Errorf("after a write: %q", got)
	}
}

// The loop itself writes alarms down at once, and finds them when it starts.
func TestRunKeepsAlarms(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	synctest.Test(t, func(t *testing.T) {
		r, s, sim := relayInBubble(t, dir)
		stop := running(t, r)
		time.Sleep(10 * time.Second)
		sim.Fault(slacksim.Fault{Team: team, Error: "account_inactive"})
		id := mustPost(t, r, to("C0GENERAL", "x"))
		began := time.Now()
		time.Sleep(time.Second)
		stop()
		client, closeClient := sim.Client()
		defer closeClient()
		again, err := New(Config{Routes: testRoutes(), Store: s, APIURL: sim.APIURL(), Log: slog.New(slog.DiscardHandler), Client: client})
		if err != nil {
			t.Fatal(err)
		}
		stop = running(t, again)
		time.Sleep(time.Minute)
		if a := again.Alarms(); len(a) != 1 || a[0].Reason != "account_inactive" || a[0].Since.Sub(began) > time.Second {
			t.Errorf("alarms %+v", a)
		}
		sim.ClearFaults()
		time.Sleep(probeEvery + sweep)
		if v := show(t, again, id); v.Status != "sent" || len(again.Alarms()) != 0 {
			t.Errorf("mended: %+v, alarms %q", v, named(again))
		}
		stop()
	})
}
