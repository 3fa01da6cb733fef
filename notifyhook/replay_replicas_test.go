package notifyhook

import (
	"testing"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
)

// TestReplayLooksAnewOnEveryReplica: whoever takes an operator's replay asks Slack
// about a recipient that it could not find before, once for all that was repeated;
// what a caller repeats is answered from memory.
func TestReplayLooksAnewOnEveryReplica(t *testing.T) {
	for what, row := range map[string]struct{ to, method, mends string }{
		"an address": {"new@agrafmania.fr", "users.lookupByEmail", "person"},
		"a channel":  {"#brand-new", "conversations.list", "channel"},
	} {
		t.Run(what, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, s *store.Store) {
				clock := newFakeClock()
				sim := newSlack(t, slacksim.Config{Now: clock.now})
				start := func() *Relay { return relayOf(t, s, clock, Config{Routes: testRoutes(), APIURL: sim.APIURL()}) }
				asked, takes := start(), start()
				goThrough := func() {
					t.Helper()
					for range 6 {
						clock.advance(pace)
						step(t, takes)
					}
				}
				var failed []string
				for range 3 {
					failed = append(failed, mustPost(t, takes, to(row.to, "x")))
				}
				goThrough()
				before := len(sim.Calls(row.method))
				again, err := asked.Replay(t.Context(), host, failed[0], false)
				if err != nil {
					t.Fatal(err)
				}
				goThrough()
				if n := show(t, takes, again); n.Status != "failed" || len(sim.Calls(row.method)) == before {
					t.Fatalf("a replay that finds nobody either is %s after %d look-ups", n.Status, len(sim.Calls(row.method))-before)
				}
				mend(t, sim.Sim, row.mends)
				before = len(sim.Calls(row.method))
				for _, id := range failed[1:] {
					if again, err = asked.Replay(t.Context(), host, id, false); err != nil {
						t.Fatal(err)
					}
				}
				goThrough()
				if n := show(t, takes, again); n.Status != "sent" {
					t.Errorf("the replay is %s", n.Status)
				}
				if n := len(sim.Calls(row.method)) - before; n != 1 {
					t.Errorf("%d look-ups for two replays", n)
				}
			})
		})
	}
}

func mend(t *testing.T, sim *slacksim.Sim, what string) {
	t.Helper()
	var err error
	switch what {
	case "channel":
		err = sim.SetChannel(team, slacksim.Channel{ID: "C0BRANDNEW", Name: "brand-new", Members: []string{"U0MARIE"}})
	case "person":
		err = sim.UpdatePerson(team, "U0MARIE", func(p *slacksim.Person) { p.Email = "new@agrafmania.fr" })
	}
	if err != nil {
		t.Fatal(err)
	}
}
