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
