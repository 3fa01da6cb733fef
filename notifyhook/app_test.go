package notifyhook

import (
	"slices"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
)

// Two routes with one bot token are one Slack app: what they send to one
// conversation is one lane, in order and at one pace.
func TestRoutesOfOneAppShareLanes(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		clock := newFakeClock()
		sim := newSlack(t, slacksim.Config{Now: clock.now})
		routes := testRoutes()
		routes[1].BotToken = routes[0].BotToken
		r := relayOf(t, s, clock, Config{Routes: routes, APIURL: sim.APIURL()})
		mustPost(t, r, to("U0MARIE", "first"))
		if _, _, err := r.accept(t.Context(), r.routes()[otherHost], request{To: []string{"marie@agrafmania.fr"}, Text: "second"}, clock.now()); err != nil {
			t.Fatal(err)
		}
		mustPost(t, r, to("U0MARIE", "third"))
		for range 3 {
			for range 3 {
				step(t, r)
				clock.advance(holdAgain)
			}
			clock.advance(time.Second)
		}
		if got := texts(sim.Messages(team, "U0MARIE")); !slices.Equal(got, []string{"first", "second", "third"}) {
			t.Errorf("got %q", got)
		}
		for _, c := range sim.Calls("chat.postMessage") {
			if c.Error != "" {
				t.Errorf("Slack had to say %s", c.Error)
			}
		}
	})
}
