package notifyhook

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
)

const team = "T0AGRAF001"

func botScopes() []string {
	return []string{"chat:write", "chat:write.public", "im:write", "users:read", "users:read.email", "channels:read", "groups:read"}
}

// newSlack makes a simulator that listens, with the workspaces of testRoutes.
func newSlack(t testing.TB, cfg slacksim.Config) *slacksim.Server {
	t.Helper()
	sim, err := slacksim.Listen("127.0.0.1:0", cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sim.Close(); err != nil {
			t.Error(err)
		}
	})
	furnish(t, sim.Sim)
	return sim
}

func furnish(t testing.TB, sim *slacksim.Sim) {
	t.Helper()
	for i, w := range []slacksim.Workspace{
		{ID: team, Name: "Agrafmania", Domain: "agrafmania",
			People: []slacksim.Person{
				{ID: "U0MARIE", Name: "Marie", Email: "marie@agrafmania.fr"}, {ID: "U0PAUL", Name: "Paul", Email: "paul@agrafmania.fr"}, {ID: "U0JUAN", Name: "Juan", Email: "juan@agrafmania.fr"},
				{ID: "U0GONE", Name: "Luc", Email: "luc@agrafmania.fr", Deactivated: true}},
			Channels: []slacksim.Channel{{ID: "C0GENERAL", Name: "general"}, {ID: "C0VENTES", Name: "ventes"}, {ID: "C0OLD", Name: "old", Archived: true}, {ID: "C0DIR", Name: "direction", ReadOnly: true}}},
		{ID: "T0PORT0001", Name: "Editions du Port", Domain: "editions", Channels: []slacksim.Channel{{ID: "C0GENERAL", Name: "general"}}},
	} {
		if err := sim.AddWorkspace(w); err != nil {
			t.Fatal(err)
		}
		token := []string{botToken, otherBot}[i]
		if err := sim.AddApp(slacksim.App{ID: fmt.Sprintf("A%d", i), Name: "Cocoom", BotName: "cocoom", ClientID: fmt.Sprintf("1.%d", i), ClientSecret: "s", SigningSecret: "s",
			Workspace: w.ID, BotToken: token, BotScopes: botScopes(), MessagesTab: true, Channels: []string{"C0GENERAL", "C0VENTES"}[:2-i]}); err != nil {
			t.Fatal(err)
		}
	}
}

// onSlack runs f on each engine, with a simulator on the same stopped clock.
func onSlack(t *testing.T, f func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock)) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r, clock, sim, _ := relayOn(t, s)
		f(t, r, sim, clock)
	})
}

func relayOn(t *testing.T, s *store.Store) (*Relay, *fakeClock, *slacksim.Sim, *syncBuffer) {
	t.Helper()
	var mu sync.Mutex
	var clock *fakeClock
	sim := newSlack(t, slacksim.Config{Now: func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		if clock == nil {
			return newFakeClock().now()
		}
		return clock.now()
	}})
	r, c, log := newTestRelay(t, s, strings.TrimSuffix(sim.APIURL(), "/")) // the slash is ours to add
	mu.Lock()
	clock = c
	mu.Unlock()
	return r, c, sim.Sim, log
}

// relayInBubble makes a relay within a synctest bubble, where time is free, with
// real clocks and a simulator in memory. dir is to be made outside of it.
func relayInBubble(t *testing.T, dir string) (*Relay, *store.Store, *slacksim.Sim) {
	t.Helper()
	s, err := store.Open(t.Context(), dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	sim, err := slacksim.New(slacksim.Config{BaseURL: "http://slack.test"})
	if err != nil {
		t.Fatal(err)
	}
	furnish(t, sim)
	client, stop := sim.Client()
	t.Cleanup(stop)
	r, err := New(Config{Routes: testRoutes(), Store: s, APIURL: sim.APIURL(), PublicScheme: "https", Log: slog.New(slog.DiscardHandler), Client: client})
	if err != nil {
		t.Fatal(err)
	}
	return r, s, sim
}

func texts(list []slacksim.Message) []string {
	var out []string
	for _, m := range list {
		out = append(out, m.Text)
	}
	return out
}

func to(recipient, text string) string { return fmt.Sprintf(`{"to":[%q],"text":%q}`, recipient, text) }
