package notifyhook

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
)

func TestOrderAndPace(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		// An address, the id behind it, the conversation itself: one lane.
		var want []string
		for i := range 12 {
			text := fmt.Sprintf("%02d", i)
			mustPost(t, r, to([]string{"marie@agrafmania.fr", "U0MARIE", "MARIE@agrafmania.fr"}[i%3], text))
			want = append(want, text)
		}
		for second := range 12 {
			step(t, r)
			for range 3 { // younger ones may have waited for an older look-up
				clock.advance(holdAgain)
				step(t, r)
			}
			if got := texts(sim.Messages(team, "U0MARIE")); !slices.Equal(got, want[:second+1]) {
				t.Fatalf("after %d s: %q", second, got)
			}
			clock.advance(time.Second - 3*holdAgain)
		}
		for _, c := range sim.Calls("chat.postMessage") {
			if c.Error != "" {
				t.Errorf("Slack had to say %s", c.Error)
			}
		}
		if n := len(sim.Calls("users.lookupByEmail")); n != 1 {
			t.Errorf("%d look-ups of one address", n)
		}
	})
}

func TestYoungerWaitsForOlderLookUp(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		first := mustPost(t, r, to("marie@agrafmania.fr", "older"))
		if _, o := r.resolve(t.Context(), r.routes()[host], "U0MARIE"); o.class != done {
			t.Fatal(o)
		}
		dm, _ := r.resolve(t.Context(), r.routes()[host], "U0MARIE")
		mustPost(t, r, to(dm, "younger"))
		claims, err := r.claim(t.Context(), workers)
		if err != nil || len(claims) != 1 || claims[0].notification != first {
			t.Fatalf("claimed %+v, %v; want only the look-up", claims, err)
		}
		r.work(t.Context(), claims[0])
		clock.advance(holdAgain)
		step(t, r)
		clock.advance(time.Second)
		step(t, r)
		if got := texts(sim.Messages(team, "U0MARIE")); !slices.Equal(got, []string{"older", "younger"}) {
			t.Errorf("got %q", got)
		}
	})
}

// A crash between "begun" and the record: whoever takes the lane next sends it
// again, marked; the former holder, if it lives after all, can write nothing.
func TestCrashBetweenBegunAndRecorded(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		id := mustPost(t, r, to("C0GENERAL", "x"))
		younger := mustPost(t, r, to("C0GENERAL", "younger"))
		claims, err := r.claim(t.Context(), workers)
		if err != nil || len(claims) != 1 {
			t.Fatal(claims, err)
		}
		if d := show(t, r, id).Recipients[0]; d.State != "sending" || len(d.History) != 1 || d.History[0].EndedAt != nil {
			t.Fatalf("begun is not written down: %+v", d)
		}
		slow := r.send(t.Context(), &claims[0]) // Slack has it, and nobody wrote that down
		clock.advance(lease - time.Millisecond)
		step(t, r)
		if n := len(sim.Messages(team, "C0GENERAL")); n != 1 {
			t.Fatal("sent again within the lease")
		}
		clock.advance(time.Millisecond)
		again, err := r.claim(t.Context(), workers)
		if err != nil || len(again) != 1 || again[0].delivery != claims[0].delivery {
			t.Fatal(again, err)
		}
		if err := r.record(t.Context(), claims[0], slow, judge(slow, tried{}, 0, clock.now(), 0)); err != errLeaseLost {
			t.Errorf("the former holder recorded: %v", err)
		}
		r.work(t.Context(), again[0])
		clock.advance(time.Second)
		step(t, r)
		d := show(t, r, id).Recipients[0]
		if d.State != "sent" || !d.PossibleDuplicate || len(d.History) != 2 || d.History[0].Outcome != "interrupted" {
			t.Errorf("got %+v", d)
		}
		if got := texts(sim.Messages(team, "C0GENERAL")); !slices.Equal(got, []string{"x", "x", "younger"}) {
			t.Errorf("messages %q", got)
		}
		if d := show(t, r, younger).Recipients[0]; d.PossibleDuplicate {
			t.Errorf("the younger one is marked, too: %+v", d)
		}
	})
}

// Two replicas on one store never hold a lane at once.
func TestClaimsDoNotOverlap(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		a, _, _ := newTestRelay(t, s, "")
		b, _, _ := newTestRelay(t, s, "")
		for i := range 40 {
			mustPost(t, a, to(fmt.Sprintf("C%03d", i), "x"))
		}
		var mu sync.Mutex
		seen := map[string]int{}
		var group sync.WaitGroup
		for _, r := range []*Relay{a, b} {
			group.Go(func() {
				for range 10 {
					claims, err := r.claim(context.Background(), 8)
					if err != nil {
						t.Error(err)
					}
					mu.Lock()
					for _, c := range claims {
						seen[c.lane]++
					}
					mu.Unlock()
				}
			})
		}
		group.Wait()
		for lane, n := range seen {
			if n != 1 {
				t.Errorf("%s was claimed %d times", lane, n)
			}
		}
		if len(seen) != 40 {
			t.Errorf("%d of 40 lanes claimed", len(seen))
		}
	})
}
