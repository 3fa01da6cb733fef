package notifyhook

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
)

// Hours of the real loop on SQLite, in a bubble where time is free: pace,
// throttling, an outage and scheduled messages, with Slack's limits on.
func TestRunForHours(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	synctest.Test(t, func(t *testing.T) {
		r, _, sim := relayInBubble(t, dir)
		stop := running(t, r)

		var ids []string
		for i := range 20 {
			ids = append(ids, mustPost(t, r, to("C0GENERAL", fmt.Sprint(i))))
		}
		start := time.Now()
		time.Sleep(30 * time.Second)
		got := sim.Messages(team, "C0GENERAL")
		if len(got) != 20 || got[19].Text != "19" {
			t.Fatalf("after 30 s: %q", texts(got))
		}
		if last := got[19].PostedAt.Sub(start); last < 19*time.Second || last > 21*time.Second {
			t.Errorf("20 messages took %s, want 19 s", last)
		}
		for _, c := range sim.Calls("chat.postMessage") {
			if c.Error != "" || c.Status != 200 {
				t.Errorf("Slack had to say %d %s", c.Status, c.Error)
			}
		}
		sim.Fault(slacksim.Fault{Kind: slacksim.ServerError, Status: 503}) // an hour of outage
		ids = append(ids, mustPost(t, r, to("marie@agrafmania.fr", "during the outage")), mustPost(t, r, to("C0GENERAL", "too")))
		at := time.Now().Add(3 * time.Hour).Format(time.RFC3339)
		ids = append(ids, mustPost(t, r, `{"to":["C0VENTES"],"text":"at night","send_at":"`+at+`"}`))
		time.Sleep(time.Hour)
		sim.ClearFaults()
		time.Sleep(3 * time.Hour)
		for _, id := range ids {
			if v := show(t, r, id); v.Status != "sent" {
				t.Errorf("in the end: %+v", v)
			}
		}
		stop()
	})
}

// Run ends with the call under way, not before it and without cutting it off,
// and leaves no goroutine.
func TestRunDrains(t *testing.T) {
	storetest.InTurn(t, func(t *testing.T, s *store.Store) {
		sim := newSlack(t, slacksim.Config{})
		r, err := New(Config{Routes: testRoutes(), Store: s, APIURL: sim.APIURL(), Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		sim.Fault(slacksim.Fault{Method: "chat.postMessage", Kind: slacksim.Hang, After: true, Times: 1})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- r.Run(ctx) }()
		id := mustPost(t, r, to("C0GENERAL", "x"))
		if _, err := sim.AwaitCalls(t.Context(), "chat.postMessage", 1); err != nil {
			t.Fatal(err)
		}
		cancel()
		select {
		case <-ended:
			t.Fatal("Run ended with a call under way")
		case <-time.After(50 * time.Millisecond):
		}
		sim.Release() // drops the connection: the outcome is ambiguous, and known to be
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if d := show(t, r, id).Recipients[0]; d.State != "queued" || d.History[0].Outcome != "ambiguous" || d.History[0].EndedAt == nil {
			t.Errorf("got %+v", d)
		}
		buf := make([]byte, 1<<20)
		stacks := string(buf[:runtime.Stack(buf, true)])
		for _, left := range []string{"notifyhook.(*Relay).work", "notifyhook.(*Relay).round", "notifyhook.(*Relay).keepHouse", "notifyhook.(*Relay).Run"} {
			if strings.Contains(stacks, left) {
				t.Errorf("%s still runs", left)
			}
		}
	})
}

func TestChannelNamesOverManyPages(t *testing.T) {
	s := sqliteStore(t)
	r, clock, sim, _ := relayOn(t, s)
	for i := range 3*pageSize + 7 {
		if err := sim.SetChannel(team, slacksim.Channel{ID: fmt.Sprintf("CX%04d", i), Name: fmt.Sprintf("room-%04d", i)}); err != nil {
			t.Fatal(err)
		}
	}
	sim.Fault(slacksim.Fault{Method: "conversations.list", Kind: slacksim.RateLimited, RetryAfter: 5 * time.Second, Times: 1})
	id := mustPost(t, r, to("#room-0600", "x"))
	step(t, r)
	clock.advance(10 * time.Second)
	step(t, r)
	if v := show(t, r, id); v.Status != "sent" || v.Recipients[0].Channel != "CX0600" {
		t.Errorf("got %+v", v)
	}
	before := len(sim.Calls("conversations.list"))
	mustPost(t, r, to("#room-0003", "on an earlier page"))
	step(t, r)
	if n := len(sim.Calls("conversations.list")); n != before {
		t.Errorf("listed again for a name that was on the way")
	}
}
