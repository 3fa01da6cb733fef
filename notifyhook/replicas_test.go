package notifyhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
)

// Replicas on one store that die or stall at any point of their work: nothing is
// lost, the first of each message comes in order, and more than once comes only
// what is marked. What a staller has to say after its lease is refused.
func TestReplicasThatDieAndStall(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		clock := newFakeClock()
		sim := newSlack(t, slacksim.Config{Now: clock.now})
		routes := testRoutes()
		routes[0].Settings.Merge = mergeOff
		start := func() *Relay { return relayOf(t, s, clock, Config{Routes: routes, APIURL: sim.APIURL()}) }
		replicas := []*Relay{start(), start(), start()}
		seed := rand.Uint64()
		rnd := rand.New(rand.NewPCG(seed, 0))
		want, ids := map[string][]string{}, map[string]string{}
		for i := range 60 {
			room := []string{"C0GENERAL", "C0VENTES", "U0MARIE"}[i%3]
			text := fmt.Sprintf("%s %02d", room, i)
			ids[text] = mustPost(t, replicas[i%len(replicas)], to(room, text))
			want[room] = append(want[room], text)
		}
		type unsaid struct {
			r *Relay
			c claim
			o outcome
		}
		var stalled []unsaid
		for round := 0; round < 2000 && !finished(t, s); round++ {
			at := rnd.IntN(len(replicas))
			r := replicas[at]
			claims, err := r.claim(t.Context(), 1+rnd.IntN(3))
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range claims {
				if replicas[at] != r {
					break // it died, with all that it held
				}
				switch fate := rnd.IntN(10); {
				case round > 400 || fate > 3:
					r.work(t.Context(), c)
				case fate == 0: // dies after the begin was written down
					replicas[at] = start()
				case fate == 1 && c.attempt > 0: // dies after the call
					r.send(t.Context(), &c)
					replicas[at] = start()
				case c.attempt > 0: // says what came of it when its lease is over
					stalled = append(stalled, unsaid{r, c, r.send(t.Context(), &c)})
				}
			}
			clock.advance(time.Duration(rnd.IntN(1500)) * time.Millisecond)
			if rnd.IntN(4) == 0 {
				clock.advance(lease)
				for _, late := range stalled {
					if err := late.r.record(t.Context(), late.c, late.o, judge(late.o, late.c.before, late.c.failures, clock.now(), 0)); err != nil && !errors.Is(err, errLeaseLost) {
						t.Fatal(err)
					}
				}
				stalled = nil
			}
		}
		checkOrder(t, replicas[0], sim.Sim, want, ids)
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	})
}

func finished(t *testing.T, s *store.Store) bool {
	t.Helper()
	return len(column(t, s, `SELECT id FROM notification WHERE finished_at IS NULL LIMIT 1`)) == 0
}

// checkOrder demands that all was sent or, after too many deaths, is dead as
// unknown; that the first of each came in order; and that what came twice says so.
func checkOrder(t *testing.T, r *Relay, sim *slacksim.Sim, want map[string][]string, ids map[string]string) {
	t.Helper()
	for room, list := range want {
		var first []string
		times := map[string]int{}
		for _, text := range texts(sim.Messages(team, room)) {
			if times[text]++; times[text] == 1 {
				first = append(first, text)
			}
		}
		if !slices.IsSorted(first) {
			t.Errorf("%s in the order %q", room, first)
		}
		for _, text := range list {
			d := show(t, r, ids[text]).Recipients[0]
			if d.State != "sent" && d.Error != "outcome_unknown" || d.State == "sent" && times[text] == 0 || times[text] > 1 && !d.PossibleDuplicate {
				t.Errorf("%q came %d times and is %+v", text, times[text], d)
			}
		}
	}
}

// Replicas that run at once share the work: each message once, in order.
func TestReplicasRunTogether(t *testing.T) {
	t.Parallel()
	storetest.EachState(t, func(t *testing.T, state string) {
		sim := newSlack(t, slacksim.Config{})
		s := storetest.Open(t, state)
		ctx, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		var replicas []*Relay
		for range 3 {
			own := s
			if s.Postgres() {
				own = storetest.Open(t, state)
			}
			r, err := New(Config{Routes: testRoutes(), Store: own, APIURL: sim.APIURL(), PublicScheme: "https", Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			if own == s && len(replicas) > 0 {
				break // one process on one directory
			}
			replicas = append(replicas, r)
			group.Go(func() {
				if err := r.Run(ctx); err != nil {
					t.Error(err)
				}
			})
		}
		want, ids := map[string][]string{}, map[string]string{}
		for i := range 8 {
			room := []string{"C0GENERAL", "C0VENTES"}[i%2]
			text := fmt.Sprintf("%s %02d", room, i)
			ids[text] = mustPost(t, replicas[i%len(replicas)], to(room, text))
			want[room] = append(want[room], text)
		}
		if _, err := sim.AwaitCalls(ctx, "chat.postMessage", 8); err != nil {
			t.Fatal(err)
		}
		cancel() // Run ends when what is under way is written down
		group.Wait()
		checkOrder(t, replicas[0], sim.Sim, want, ids)
		for _, c := range sim.Calls("chat.postMessage") {
			if c.Error != "" {
				t.Errorf("Slack had to say %s", c.Error)
			}
		}
	})
}

// Order, pace and what Slack asked to wait for hold over restarts of the real
// loop.
func TestRestartsKeepOrderAndPauses(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	synctest.Test(t, func(t *testing.T) {
		_, s, sim := relayInBubble(t, dir)
		client, stop := sim.Client()
		defer stop()
		run := func(during time.Duration, f func(r *Relay)) {
			r, err := New(Config{Routes: testRoutes(), Store: s, APIURL: sim.APIURL(), PublicScheme: "https", Log: slog.New(slog.DiscardHandler), Client: client})
			if err != nil {
				t.Fatal(err)
			}
			stop := running(t, r)
			f(r)
			time.Sleep(during)
			stop()
		}
		want, ids := map[string][]string{}, map[string]string{}
		run(3500*time.Millisecond, func(r *Relay) {
			for i := range 10 {
				text := fmt.Sprintf("%02d", i)
				ids[text] = mustPost(t, r, to([]string{"U0MARIE", "marie@agrafmania.fr"}[i%2], text))
				want["U0MARIE"] = append(want["U0MARIE"], text)
			}
		})
		for range 4 {
			run(1300*time.Millisecond, func(*Relay) {})
		}
		sim.Fault(slacksim.Fault{Method: "chat.postMessage", Kind: slacksim.RateLimited, RetryAfter: 40 * time.Second, Times: 1})
		throttled := time.Now()
		run(3*time.Second, func(*Relay) {})
		run(3*time.Second, func(r *Relay) { mustPost(t, r, to("C0VENTES", "not limited")) })
		before := len(sim.Messages(team, "U0MARIE"))
		if before == 0 || before == 10 || len(sim.Messages(team, "C0VENTES")) != 1 {
			t.Fatalf("%d of 10 to Marie, %q", before, texts(sim.Messages(team, "C0VENTES")))
		}
		run(time.Minute, func(r *Relay) {})
		list := sim.Messages(team, "U0MARIE")
		if len(list) != 10 || list[before].PostedAt.Sub(throttled) < 40*time.Second {
			t.Errorf("the %d after the pause came %s later", len(list)-before, list[before].PostedAt.Sub(throttled))
		}
		for i := 1; i < len(list); i++ {
			if d := list[i].PostedAt.Sub(list[i-1].PostedAt); d < pace {
				t.Errorf("%s between two messages", d)
			}
		}
		r, err := New(Config{Routes: testRoutes(), Store: s, APIURL: sim.APIURL(), Client: client})
		if err != nil {
			t.Fatal(err)
		}
		checkOrder(t, r, sim, want, ids)
	})
}

// The method that Slack limits waits in the workspace it limits, and nothing else
// does: look-ups of one app, while the other's look-ups and all posts go on.
func TestLimitsHoldOneMethodOfOneApp(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	synctest.Test(t, func(t *testing.T) {
		r, _, sim := relayInBubble(t, dir)
		stop := running(t, r)
		sim.Fault(slacksim.Fault{Method: "users.lookupByEmail", Team: team, Kind: slacksim.RateLimited, RetryAfter: 30 * time.Second, Times: 1})
		for i := range 40 {
			mustPost(t, r, to(fmt.Sprintf("nobody%d@agrafmania.fr", i), "x"))
		}
		posted := mustPost(t, r, to("C0GENERAL", "x"))
		byID := mustPost(t, r, to("U0PAUL", "x"))
		elsewhere, _, err := r.accept(t.Context(), r.routes()[otherHost], request{To: []string{"nobody@editions.fr"}, Text: "x"}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(29 * time.Second)
		calls := 0
		for _, c := range sim.Calls("users.lookupByEmail") {
			if c.Team == team {
				calls++
			}
		}
		if calls > perApp { // those that were under way with the first
			t.Errorf("%d look-ups within the pause", calls)
		}
		other, err := r.show(t.Context(), otherHost, elsewhere)
		if err != nil || show(t, r, posted).Status != "sent" || show(t, r, byID).Status != "sent" || other.Status != "failed" {
			t.Errorf("post %s, open %s, the other app's look-up %s, %v", show(t, r, posted).Status, show(t, r, byID).Status, other.Status, err)
		}
		time.Sleep(2 * time.Minute)
		if left := column(t, r.store, `SELECT id FROM notification WHERE finished_at IS NULL`); len(left) != 0 {
			t.Errorf("%d look-ups never went on", len(left))
		}
		stop()
	})
}
