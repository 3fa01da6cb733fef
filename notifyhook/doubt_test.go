package notifyhook

import (
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
)

// A message that takes the part of one that cannot be changed any more is posted,
// and a post in doubt is not repeated like an update.
func TestPostInsteadOfAnUpdateIsNotRepeatedBlindly(t *testing.T) {
	for name, tt := range map[string]struct {
		reads  bool // the history
		posted bool // the attempt in doubt
		marked bool
		times  int
	}{
		"posted, and found":       {reads: true, posted: true, times: 1},
		"not posted, as is found": {reads: true, times: 1},
		"posted, and not to know": {posted: true, marked: true, times: 2},
		"not posted, not to know": {marked: true, times: 1},
	} {
		t.Run(name, func(t *testing.T) {
			onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
				if tt.reads {
					readsHistory(t, sim)
				}
				first := mustPost(t, r, about("C0GENERAL", "build:7", "first", `"mode":"update"`))
				later(t, r, clock)
				if err := sim.DeleteMessage(team, "C0GENERAL", show(t, r, first).Recipients[0].TS); err != nil {
					t.Fatal(err)
				}
				sim.Fault(slacksim.Fault{Method: postMessage, Kind: slacksim.Reset, After: tt.posted, Times: 1})
				id := mustPost(t, r, about("C0GENERAL", "build:7", "second", `"mode":"update"`))
				for range 4 {
					later(t, r, clock)
					clock.advance(time.Minute)
				}
				n := 0
				for _, m := range sim.Messages(team, "C0GENERAL") {
					if m.Text == "second" {
						n++
					}
				}
				d := show(t, r, id).Recipients[0]
				if d.State != "sent" || n != tt.times || d.PossibleDuplicate != tt.marked {
					t.Errorf("posted %d times, want %d; %+v", n, tt.times, d)
				}
			})
		})
	}
}

// A delivery that Slack may have, and that ends without another attempt, does not
// end as if Slack did not have it; one of which that is settled does.
func TestEndOfADeliveryInDoubt(t *testing.T) {
	expire := func(r *Relay, _ string) error { _, err := r.expire(t.Context()); return err }
	cancel := func(r *Relay, id string) error { _, err := r.cancel(t.Context(), host, id); return err }
	for name, tt := range map[string]struct {
		fault slacksim.Fault
		end   func(r *Relay, id string) error // nil: its lane's next claim
		after time.Duration
		want  string
	}{
		"expired while it waits":  {slacksim.Fault{Kind: slacksim.Reset, After: true}, expire, time.Hour, "dead outcome_unknown"},
		"expired at the head":     {slacksim.Fault{Kind: slacksim.Reset, After: true}, nil, time.Hour, "dead outcome_unknown"},
		"cancelled":               {slacksim.Fault{Kind: slacksim.Reset, After: true}, cancel, 0, "cancelled outcome_unknown"},
		"refused before, expired": {slacksim.Fault{Error: "service_unavailable"}, expire, time.Hour, "dead expired"},
		"refused before":          {slacksim.Fault{Error: "service_unavailable"}, cancel, 0, "cancelled cancelled"},
	} {
		t.Run(name, func(t *testing.T) {
			onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
				fault := tt.fault
				fault.Method, fault.Times = postMessage, 1
				sim.Fault(fault)
				id := mustPost(t, r, `{"to":["C0GENERAL"],"text":"x","expires_in":60}`)
				step(t, r)
				clock.advance(tt.after)
				if tt.end == nil {
					step(t, r)
				} else if err := tt.end(r, id); err != nil {
					t.Fatal(err)
				}
				if d := show(t, r, id).Recipients[0]; d.State+" "+d.Error != tt.want || d.Attempts != 1 {
					t.Errorf("got %+v, want %s", d, tt.want)
				}
			})
		})
	}
}

// Who is erased between the look for what has expired and its end takes nobody
// else's end away.
func TestErasedWhileItExpires(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		erased := mustPost(t, r, `{"to":["C0GENERAL"],"text":"x","expires_in":60}`)
		other := mustPost(t, r, `{"to":["C0VENTES"],"text":"x","expires_in":60}`)
		clock.advance(time.Minute)
		list, err := r.overdue(t.Context(), clock.now())
		if err != nil || len(list) != 2 {
			t.Fatal(list, err)
		}
		execute(t, r.store, `DELETE FROM notification WHERE id = $1`, erased)
		if err := r.endOverdue(t.Context(), list); err != nil {
			t.Error(err)
		}
		if v := show(t, r, other); v.Status != "failed" {
			t.Errorf("got %+v", v)
		}
	})
}
