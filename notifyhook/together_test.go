package notifyhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
)

// All that can be done to a notification, done at once by many to few
// recipients, while two replicas deliver and Slack misbehaves: nobody gets an
// error, and nothing is left behind, in no lane.
func TestEverythingTogether(t *testing.T) {
	if testing.Short() {
		t.Skip("some seconds, not under -short")
	}
	storetest.EachState(t, func(t *testing.T, state string) {
		s := storetest.Open(t, state)
		sim := newSlack(t, slacksim.Config{NoChannelLimit: true, NoMethodLimit: true})
		readsHistory(t, sim.Sim)
		var log syncBuffer
		routes := testRoutes()
		routes[0].Settings.Merge, routes[0].Settings.Collapse, routes[0].Settings.Fallback = mergeAll, 20*time.Millisecond, []string{"C0VENTES", "U0PAUL"}
		start := func() *Relay {
			r, err := New(Config{Routes: routes, Store: s, APIURL: sim.APIURL(), PublicScheme: "https", Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelError}))})
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		replicas := []*Relay{start()}
		if s.Postgres() {
			replicas = append(replicas, start())
		}
		running := func(run func(ctx context.Context, r *Relay), until func()) {
			ctx, stop := context.WithCancel(t.Context())
			var group sync.WaitGroup
			for _, r := range replicas {
				group.Go(func() { run(ctx, r) })
			}
			until()
			stop()
			group.Wait()
		}
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		running(func(ctx context.Context, r *Relay) { _ = r.Run(ctx) }, func() {
			var group sync.WaitGroup
			for i := range 8 {
				group.Go(func() { meddle(t, replicas[i%len(replicas)], sim.Sim, rand.New(rand.NewPCG(seed, uint64(i)))) })
			}
			group.Wait()
		})
		running(runFast, func() {
			for limit := time.Now().Add(30 * time.Second); !finished(t, s) && time.Now().Before(limit); {
				wait(t.Context(), nil, 20*time.Millisecond)
			}
		})
		if left := column(t, s, `SELECT d.lane || ' ' || d.state || ' ' || d.last_error FROM delivery d WHERE d.state IN ('queued', 'sending')`); len(left) > 0 {
			t.Errorf("left %q", left)
		}
		if !finished(t, s) {
			t.Error("notifications without open deliveries are not finished")
		}
		for line := range strings.Lines(log.String()) {
			if !strings.Contains(line, "lease lost") { // to who erases
				t.Error(line)
			}
		}
	})
}

// meddle does a hundred things to notifications.
func meddle(t *testing.T, r *Relay, sim *slacksim.Sim, rnd *rand.Rand) {
	var ids []string
	one := func() string { return ids[rnd.IntN(len(ids))] }
	to := []string{`"C0GENERAL"`, `"#general"`, `"C0VENTES"`, `"marie@agrafmania.fr"`, `"U0MARIE"`, `"paul@agrafmania.fr"`, `"nobody@agrafmania.fr"`, `"C0OLD"`, `"U0MARIE","C0GENERAL","juan@agrafmania.fr"`}
	more := []string{``, `,"actor":"marie@agrafmania.fr"`, `,"fallback":["juan@agrafmania.fr","#ventes"]`, `,"entity":"e","mode":"update"`, `,"entity":"e"`, `,"key":"k%d"`}
	for i := range 100 {
		ctx, now := context.Background(), time.Now()
		var err error
		switch what := rnd.IntN(12); {
		case what > 5 || len(ids) == 0:
			with := more[rnd.IntN(len(more))]
			if rnd.IntN(2) == 0 && with == more[5] {
				with = fmt.Sprintf(`,"key":"k%d"`, i/10) // of several at once
			} else if with == more[5] {
				with = ""
			}
			w := post(r, fmt.Sprintf(`{"to":[%s],"text":"n° %d"%s}`, to[rnd.IntN(len(to))], rnd.IntN(5), with))
			if w.Code == 200 || w.Code == 202 {
				ids = append(ids, decode(t, w).ID)
			} else if w.Code != 422 { // the key, for another content
				t.Errorf("answered %d %s", w.Code, w.Body)
			}
		case what == 0:
			_, err = r.cancel(ctx, host, one())
		case what == 1:
			_, err = r.Replay(ctx, host, one(), rnd.IntN(2) == 0)
		case what == 2 && i%10 == 0:
			_, err = r.ErasePerson(ctx, host, []string{"juan@agrafmania.fr", "U0JUAN"})
		case what == 3:
			execute(t, r.store, `UPDATE notification SET expires_at = $1 WHERE id = $2`, now.UnixMilli(), one())
			_, err = r.expire(ctx)
		case what == 4:
			faults := []slacksim.Fault{{Kind: slacksim.Reset}, {Kind: slacksim.Reset, After: true}, {Error: "channel_not_found"}, {Error: "invalid_blocks"}, {Kind: slacksim.ServerError}}
			f := faults[rnd.IntN(len(faults))]
			f.Method, f.Times = postMessage, 1
			sim.Fault(f)
		case what == 5:
			r.PersonChanged(host, "U0MARIE")
		}
		if err != nil && !errors.Is(err, ErrNotFound) && !errors.Is(err, ErrNothingToReplay) {
			t.Error(err)
		}
	}
}
