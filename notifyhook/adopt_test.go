package notifyhook

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
)

// An app gets another name when a route is added that sorts first, or its first
// one goes. What waits comes along, in order with what is accepted afterwards.
func TestLanesComeAlongWithTheirApp(t *testing.T) {
	for _, tt := range []struct {
		name          string
		before, after []Route
	}{
		{"a route that sorts first", []Route{sharedApp(botToken)[0]}, append([]Route{{Host: "aaa.cocoom.com", BotToken: botToken}}, sharedApp(botToken)[0])},
		{"its first route is gone", append([]Route{{Host: "aaa.cocoom.com", BotToken: botToken}}, sharedApp(botToken)[0]), []Route{sharedApp(botToken)[0]}},
		{"a token of its own", append([]Route{{Host: "aaa.cocoom.com", BotToken: botToken}}, sharedApp(botToken)[0]), []Route{{Host: "aaa.cocoom.com", BotToken: otherBot}, sharedApp(botToken)[0]}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, s *store.Store) {
				clock := newFakeClock()
				sim := newSlack(t, slacksim.Config{Now: clock.now})
				old := relayOf(t, s, clock, Config{Routes: tt.before, APIURL: sim.APIURL()})
				mustPost(t, old, to("C0GENERAL", "1"))
				mustPost(t, old, to("marie@agrafmania.fr", "to Marie"))
				mustPost(t, old, `{"to":["C0VENTES"],"text":"at ten","send_at":"2026-11-23T10:00:00Z"}`)
				claims, err := old.claim(t.Context(), 1) // and then it dies
				if err != nil || len(claims) != 1 {
					t.Fatal(claims, err)
				}
				r := relayOf(t, s, clock, Config{Routes: tt.after, APIURL: sim.APIURL()})
				if err := r.begin(t.Context()); err != nil {
					t.Fatal(err)
				}
				mustPost(t, r, to("C0GENERAL", "2"))
				clock.advance(lease) // on PostgreSQL till then it might live; and what it had begun rests
				for range 3 {
					r.keepHouse(t.Context())
					for range 4 {
						step(t, r)
						clock.advance(holdAgain)
					}
					clock.advance(time.Second)
				}
				if got := texts(sim.Messages(team, "C0GENERAL")); !slices.Equal(got, []string{"1", "2"}) || len(sim.Messages(team, "U0MARIE")) != 1 || len(sim.Messages(team, "C0VENTES")) != 0 {
					t.Errorf("general %q, Marie %q, ventes %q", got, texts(sim.Messages(team, "U0MARIE")), texts(sim.Messages(team, "C0VENTES")))
				}
				clock.advance(time.Hour)
				for range 2 {
					step(t, r)
					clock.advance(holdAgain)
				}
				if got := texts(sim.Messages(team, "C0VENTES")); !slices.Equal(got, []string{"at ten"}) {
					t.Errorf("ventes %q", got)
				}
				if left := column(t, s, `SELECT lane FROM lane WHERE due_at IS NOT NULL`); len(left) != 0 {
					t.Errorf("lanes left: %q", left)
				}
			})
		})
	}
}

// A delivery whose route is gone is sent by its app while that is there; without
// its app it waits, and expires.
func TestRouteThatIsGone(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		clock := newFakeClock()
		sim := newSlack(t, slacksim.Config{Now: clock.now})
		both := relayOf(t, s, clock, Config{Routes: sharedApp(botToken), APIURL: sim.APIURL()})
		if _, _, err := both.accept(t.Context(), both.routes()[otherHost], request{To: []string{"C0GENERAL"}, Text: "sent all the same"}, clock.now()); err != nil {
			t.Fatal(err)
		}
		one := relayOf(t, s, clock, Config{Routes: sharedApp(botToken)[:1], APIURL: sim.APIURL()})
		step(t, one)
		if got := texts(sim.Messages(team, "C0GENERAL")); !slices.Equal(got, []string{"sent all the same"}) {
			t.Errorf("got %q", got)
		}
		id := mustPost(t, one, `{"to":["C0VENTES"],"text":"x","expires_in":3600}`)
		none := relayOf(t, s, clock, Config{Routes: []Route{{Host: "other.cocoom.com", BotToken: otherBot}}, APIURL: sim.APIURL()})
		none.keepHouse(t.Context())
		step(t, none)
		if v := show(t, none, id); v.Status != "queued" {
			t.Errorf("without its app: %+v", v)
		}
		clock.advance(time.Hour)
		none.keepHouse(t.Context())
		if v := show(t, none, id); v.Status != "failed" || v.Recipients[0].Error != "expired" {
			t.Errorf("in the end: %+v", v)
		}
		if left := column(t, s, `SELECT lane FROM lane WHERE due_at IS NOT NULL`); len(left) != 0 {
			t.Errorf("lanes left: %q", left)
		}
	})
}

// Threads go on when the app of their route gets another name: those of things,
// and those that callers of the Web API know by a ts of ours.
func TestThreadsComeAlongWithTheirApp(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		clock := newFakeClock()
		sim := newSlack(t, slacksim.Config{Now: clock.now})
		apps := map[bool][]Route{false: {sharedApp(botToken)[0]}, true: {{Host: "aaa.cocoom.com", BotToken: botToken}, sharedApp(botToken)[0]}}
		threadTS := ""
		for _, name := range []string{"first", "second", "third"} {
			r := relayOf(t, s, clock, Config{Routes: apps[name == "second"], APIURL: sim.APIURL()})
			if err := r.begin(t.Context()); err != nil {
				t.Fatal(err)
			}
			mustPost(t, r, about("C0GENERAL", "invoice:1", name))
			ts := heard(t, webCall(r, postMessage, fmt.Sprintf(`{"channel":"C0VENTES","text":%q,"thread_ts":%q}`, name, threadTS))).TS
			if threadTS == "" {
				threadTS = ts
			}
			later(t, r, clock)
		}
		for _, channel := range []string{"C0GENERAL", "C0VENTES"} {
			m := sim.Messages(team, channel)
			if len(m) != 3 || m[0].ThreadTS != "" || m[1].ThreadTS != m[0].TS || m[2].ThreadTS != m[0].TS {
				t.Errorf("%s: %+v", channel, m)
			}
		}
	})
}
