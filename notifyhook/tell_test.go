package notifyhook

import (
	"errors"
	"strings"
	"testing"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
)

// TestNotInstalled: until the Slack app of a route is there, everything is taken
// and waits, and Slack is not called; then it goes out by itself.
func TestNotInstalled(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		use := func(change func(*Route)) {
			t.Helper()
			routes := testRoutes()
			for i := range routes {
				if routes[i].Host == host {
					change(&routes[i])
				}
			}
			apply, err := r.Prepare(routes, sim.APIURL(), "https")
			if err != nil {
				t.Fatal(err)
			}
			apply()
		}
		use(func(one *Route) { one.BotToken = "" })
		ids := []string{mustPost(t, r, to("marie@agrafmania.fr", "waits")), mustPost(t, r, to("C0GENERAL", "waits too"))}
		told, err := r.Tell(t.Context(), host, "U0MARIE", "A test")
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			step(t, r)
			r.keepHouse(t.Context())
		}
		if calls := sim.Calls(""); len(calls) != 0 {
			t.Errorf("Slack was called without a token: %v", calls)
		}
		alarms := r.Alarms()
		if len(alarms) != 1 || alarms[0].Route != host || alarms[0].Kind != alarmHeld || alarms[0].Reason != notInstalled || alarms[0].Since.IsZero() {
			t.Errorf("alarms %+v", alarms)
		}
		if state, reason, err := r.Told(t.Context(), host, told); err != nil || state != "queued" || reason != notInstalled {
			t.Errorf("told %s %s %v", state, reason, err)
		}
		why, err := r.Explain(t.Context(), ids[0])
		if err != nil || !strings.Contains(strings.Join(why.Why[0].Sentences, " "), "not been installed") {
			t.Errorf("the reason is %+v %v", why.Why, err)
		}
		use(func(*Route) {})
		for range 4 {
			step(t, r)
			clock.advance(pace)
		}
		for _, id := range append(ids, told) {
			if v := show(t, r, id); v.Status != "sent" {
				t.Errorf("once installed: %+v", v)
			}
		}
		if state, reason, err := r.Told(t.Context(), host, told); err != nil || state != "sent" || reason != "" {
			t.Errorf("told %s %s %v", state, reason, err)
		}
		if alarms := r.Alarms(); len(alarms) != 0 {
			t.Errorf("alarms left: %+v", alarms)
		}
	})
}

// TestTellNobody: only routes with notifications tell anybody anything.
func TestTellNobody(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, _ *slacksim.Sim, _ *fakeClock) {
		if _, err := r.Tell(t.Context(), "nowhere.example", "U0MARIE", "A test"); !errors.Is(err, ErrNotFound) {
			t.Errorf("an unknown host: %v", err)
		}
		id := mustPost(t, r, to("C0GENERAL", "x"))
		if _, _, err := r.Told(t.Context(), "other.example", id); !errors.Is(err, ErrNotFound) {
			t.Errorf("another route's: %v", err)
		}
	})
}
