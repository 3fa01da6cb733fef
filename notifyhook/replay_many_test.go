package notifyhook

import (
	"fmt"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
)

// TestReplayFailed: what failed by an error is sent again once, however often
// that is asked for; what failed again, again.
func TestReplayFailed(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		sim.Fault(slacksim.Fault{Method: postMessage, Error: "not_in_channel", Times: 2})
		mustPost(t, r, to("C0GENERAL", "one"))
		mustPost(t, r, `{"to":["C0VENTES","nobody@agrafmania.fr"],"text":"two"}`)
		mustPost(t, r, to("nobody@agrafmania.fr", "three"))
		step(t, r)
		replays := func(route, reason string, replayed, before int) {
			t.Helper()
			got, err := r.ReplayFailed(t.Context(), route, reason)
			if err != nil || len(got.Replayed) != replayed || got.Before != before || got.More {
				t.Errorf("on %s by %q: %+v (%v), want %d, and %d before", route, reason, got, err, replayed, before)
			}
			clock.advance(pace)
			step(t, r)
		}
		replays(otherHost, "", 0, 0)
		replays(host, "channel_not_found", 0, 0)
		before := len(sim.Messages(team, ""))
		replays(host, "not_in_channel", 2, 0)
		replays(host, "not_in_channel", 0, 2)
		if got := len(sim.Messages(team, "")) - before; got != 2 {
			t.Errorf("%d messages came of it, want 2", got)
		}
		replays(host, "users_not_found", 2, 1) // the third, and the half of the second that failed again
	})
}

// TestReplayFailedInParts: no more than is said at once, and the rest the next
// time.
func TestReplayFailedInParts(t *testing.T) {
	r, _, _ := newTestRelay(t, sqliteStore(t), "")
	for i := range MaxReplays + 1 {
		mustPost(t, r, to("C0GENERAL", fmt.Sprint(i)))
	}
	execute(t, r.store, `UPDATE delivery SET state = 'dead', last_error = 'not_in_channel', finished_at = 1`)
	execute(t, r.store, `UPDATE notification SET status = 'failed', finished_at = 1`)
	for _, want := range []int{MaxReplays, 1, 0} {
		got, err := r.ReplayFailed(t.Context(), host, "")
		if err != nil || len(got.Replayed) != want || got.More != (want == MaxReplays) {
			t.Errorf("%d replayed, more %v (%v), want %d", len(got.Replayed), got.More, err, want)
		}
	}
}

// TestReplayFailedAfterPruning: as long as a failure is known, so is that it was
// mended.
func TestReplayFailedAfterPruning(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		sim.Fault(slacksim.Fault{Method: postMessage, Error: "not_in_channel", Times: 1})
		mustPost(t, r, to("C0GENERAL", "x"))
		step(t, r)
		for _, want := range []Replays{{Replayed: make([]Replayed, 1)}, {Before: 1}, {}} { // at once, then every two weeks
			got, err := r.ReplayFailed(t.Context(), host, "")
			if err != nil || len(got.Replayed) != len(want.Replayed) || got.Before != want.Before {
				t.Errorf("%s: %+v, %v", clock.now(), got, err)
			}
			clock.advance(pace)
			step(t, r)
			clock.advance(failedRetention/2 + time.Hour)
			r.keepHouse(t.Context())
		}
		if got := texts(sim.Messages(team, "")); len(got) != 1 {
			t.Errorf("messages %q", got)
		}
		if left := column(t, r.store, `SELECT id FROM notification`); len(left) != 0 {
			t.Errorf("left %q", left)
		}
	})
}
