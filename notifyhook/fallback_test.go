package notifyhook

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
)

// outline is a notification in short: each delivery with its state.
func outline(v Notification) string {
	var list []string
	for _, d := range v.Recipients {
		one := d.To + " " + d.State
		if d.InsteadOf != "" {
			one += " for " + d.InsteadOf
		}
		list = append(list, one)
	}
	return v.Status + ": " + strings.Join(list, ", ")
}

func TestFallback(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		r.routes()[host].fallback = Settings{Fallback: []string{"U0NOBODY", "#Ventes"}}.fallback()
		for name, tt := range map[string]struct{ request, want string }{
			"the request's own": {`"to":["nobody@agrafmania.fr"],"fallback":["U0PAUL"]`,
				"sent: nobody@agrafmania.fr dead, U0PAUL sent for nobody@agrafmania.fr"},
			"the route's, and the chain walks on": {`"to":["nobody@agrafmania.fr"]`,
				"sent: nobody@agrafmania.fr dead, U0NOBODY dead for nobody@agrafmania.fr, #ventes sent for U0NOBODY"},
			"all of the chain is gone": {`"to":["C0OLD"],"fallback":["luc@agrafmania.fr","#nowhere"]`,
				"failed: C0OLD dead, luc@agrafmania.fr dead for C0OLD, #nowhere dead for luc@agrafmania.fr"},
			"who is told anyway is passed over": {`"to":["C0OLD","U0PAUL"],"fallback":["U0PAUL","C0OLD","C0GENERAL"]`,
				"sent: C0OLD dead, C0GENERAL sent for C0OLD, U0PAUL sent"},
			"one fallback for two": {`"to":["C0OLD","C0NONE"],"fallback":["C0GENERAL"]`,
				"partial: C0OLD dead, C0NONE dead, C0GENERAL sent for C0NONE"},
			"the actor is passed over": {`"to":["C0OLD"],"actor":"U0PAUL","fallback":["U0PAUL","C0GENERAL"]`,
				"sent: C0OLD dead, C0GENERAL sent for C0OLD"},
			"who turns out to be the actor is, too": {`"to":["C0OLD"],"actor":"paul@agrafmania.fr","fallback":["U0PAUL","C0GENERAL"]`,
				"sent: C0OLD dead, U0PAUL suppressed for C0OLD, C0GENERAL sent for U0PAUL"},
			"a recipient who is the actor needs none": {`"to":["U0PAUL"],"actor":"paul@agrafmania.fr","fallback":["C0GENERAL"]`,
				"suppressed: U0PAUL suppressed"},
		} {
			id := mustPost(t, r, `{"text":"x",`+tt.request+`}`)
			for range 4 {
				step(t, r)
				clock.advance(time.Second)
			}
			v := show(t, r, id)
			if got := outline(v); got != tt.want || v.FinishedAt == nil {
				t.Errorf("%s:\n got %s\nwant %s", name, got, tt.want)
			}
			var status string
			if err := r.store.Read().QueryRow(`SELECT status FROM notification WHERE id = $1`, id).Scan(&status); err != nil || status != v.Status {
				t.Errorf("%s: status kept is %q, %v", name, status, err)
			}
			clock.advance(noChannelFor)
		}
	})
}

// A message that nobody could read, or whose time is over, goes to no fallback.
func TestNoFallbackForOtherDeaths(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		late := mustPost(t, r, `{"to":["C0GENERAL"],"text":"late","fallback":["C0VENTES"],"expires_in":60}`)
		clock.advance(time.Minute)
		step(t, r)
		sim.Fault(slacksim.Fault{Method: postMessage, Error: "internal_error"})
		doubtful := mustPost(t, r, `{"to":["C0GENERAL"],"text":"doubtful","fallback":["C0VENTES"]}`)
		for range 3 {
			step(t, r)
			clock.advance(time.Minute)
		}
		for _, id := range []string{late, doubtful} {
			if v := show(t, r, id); v.Status != "failed" || len(v.Recipients) != 1 {
				t.Errorf("%s", outline(v))
			}
		}
	})
}

// A notification has no more than so many deliveries, fallbacks included.
func TestFallbacksAreBounded(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		for _, there := range []int{maxDeliveries - 1, maxDeliveries} {
			id := mustPost(t, r, `{"to":["C0OLD"],"text":"x","fallback":["C0VENTES"]}`)
			execute(t, r.store, `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
				INSERT INTO delivery (id, notification_id, route, recipient, lane, state, accepted_at, due_at)
				SELECT $2 || '_' || i, $2, $3, 'U' || i, 'none', 'dead', 0, 0 FROM n`, there-1, id, host)
			step(t, r)
			clock.advance(time.Second)
			var n int
			if err := r.store.Read().QueryRow(`SELECT COUNT(*) FROM delivery WHERE notification_id = $1`, id).Scan(&n); err != nil || n != maxDeliveries {
				t.Errorf("%d deliveries of %d, %v", n, there, err)
			}
		}
	})
}

// recordDead records of several claims at once that their recipients are gone.
// Nothing but a fallback taken meanwhile may keep one from it.
func recordDead(t *testing.T, r *Relay, now time.Time) {
	t.Helper()
	claims, err := r.claim(t.Context(), workers)
	if err != nil || len(claims) < 2 {
		t.Fatal(claims, err)
	}
	gone := outcome{class: recipientGone, reason: "channel_not_found"}
	var group sync.WaitGroup
	for _, c := range claims {
		group.Go(func() {
			for {
				err := r.record(t.Context(), c, gone, judge(gone, tried{}, 0, now, 0))
				if errors.Is(err, errFallbackTaken) {
					continue
				}
				if err != nil {
					t.Error(err)
				}
				return
			}
		})
	}
	group.Wait()
}

// Recipients who die at once share the fallback.
func TestFallbackIsTakenOnce(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		for range 8 {
			id := mustPost(t, r, `{"to":["C01","C02","C03","C04","C05","C06"],"text":"x","fallback":["C0VENTES"]}`)
			recordDead(t, r, clock.now())
			r.nudge()
			var n int
			if err := r.store.Read().QueryRow(`SELECT COUNT(*) FROM delivery WHERE notification_id = $1 AND instead_of IS NOT NULL`, id).Scan(&n); err != nil || n != 1 {
				t.Fatalf("%d fallbacks, %v", n, err)
			}
			step(t, r)
			clock.advance(time.Second)
			if v := show(t, r, id); v.Status != "partial" || v.FinishedAt == nil {
				t.Errorf("%s", outline(v))
			}
		}
	})
}

func TestFallbackSettings(t *testing.T) {
	for _, tt := range []struct {
		list []string
		want string
	}{
		{[]string{"#ventes", "C0VENTES", "marie@agrafmania.fr", "U0MARIE"}, ""},
		{[]string{"ventes", "", "#"}, "fallback[0] fallback[1] fallback[2]"},
		{make([]string, 0, 1), ""},
		{slices.Repeat([]string{"#ventes"}, maxRecipients+1), "fallback"},
	} {
		var keys []string
		Settings{Fallback: tt.list}.Validate(func(key, text string) { keys = append(keys, key) })
		if got := strings.Join(keys, " "); got != tt.want {
			t.Errorf("%d recipients: %q, want %q", len(tt.list), got, tt.want)
		}
	}
}

// An address whose person cannot be reached any more is looked up once more:
// what waits for it follows the person whom it belongs to now.
func TestAddressIsLookedUpOnceMore(t *testing.T) {
	refused := func(times int) slacksim.Fault {
		return slacksim.Fault{Method: postMessage, Error: "messages_tab_disabled", Times: times}
	}
	change := func(t *testing.T, sim *slacksim.Sim, user, address string) {
		t.Helper()
		if err := sim.UpdatePerson(team, user, func(p *slacksim.Person) { p.Email = address }); err != nil {
			t.Fatal(err)
		}
	}
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		lookups := func() int { return len(sim.Calls(lookupByEmail)) }
		run := func(n int) {
			for range n {
				step(t, r)
				clock.advance(time.Second)
			}
		}
		mustPost(t, r, to("marie@agrafmania.fr", "before"))
		run(1)
		clock.advance(2 * time.Minute)
		change(t, sim, "U0MARIE", "marie.durand@agrafmania.fr")
		change(t, sim, "U0PAUL", "marie@agrafmania.fr")
		sim.Fault(refused(1))
		var ids []string
		for i := range 3 {
			ids = append(ids, mustPost(t, r, to("marie@agrafmania.fr", fmt.Sprint("moved ", i))))
		}
		direct := mustPost(t, r, to("U0MARIE", "stays"))
		run(5)
		if got := texts(sim.Messages(team, "U0PAUL")); !slices.Equal(got, []string{"moved 0", "moved 1", "moved 2"}) || lookups() != 2 {
			t.Errorf("paul got %q after %d look-ups", got, lookups())
		}
		if v := show(t, r, ids[0]); v.Status != "sent" || v.Recipients[0].Attempts != 2 || v.Recipients[0].History[0].Outcome != "recipient_gone" {
			t.Errorf("%+v", v)
		}
		if v := show(t, r, direct); v.Status != "sent" || !slices.Equal(texts(sim.Messages(team, "U0MARIE")), []string{"before", "stays"}) {
			t.Errorf("%+v, marie got %q", v, texts(sim.Messages(team, "U0MARIE")))
		}

		clock.advance(2 * time.Minute)
		sim.Fault(refused(2))
		change(t, sim, "U0PAUL", "paul@agrafmania.fr")
		change(t, sim, "U0MARIE", "marie@agrafmania.fr")
		once := mustPost(t, r, to("marie@agrafmania.fr", "refused there, too"))
		run(3)
		if v := show(t, r, once); v.Status != "failed" || v.Recipients[0].Attempts != 2 || lookups() != 3 {
			t.Errorf("%d look-ups, %+v", lookups(), v)
		}

		clock.advance(2 * time.Minute)
		sim.Fault(refused(2))
		same := mustPost(t, r, to("marie@agrafmania.fr", "the same person"))
		again := mustPost(t, r, to("marie@agrafmania.fr", "asked just now"))
		run(3)
		for _, id := range []string{same, again} {
			if v := show(t, r, id); v.Status != "failed" || v.Recipients[0].Attempts != 1 || v.Recipients[0].Error != "messages_tab_disabled" {
				t.Errorf("%+v", v)
			}
		}
		if lookups() != 4 {
			t.Errorf("%d look-ups", lookups())
		}

		clock.advance(2 * time.Minute)
		sim.Fault(refused(1))
		sim.Fault(slacksim.Fault{Method: lookupByEmail, Error: "internal_error", Times: 1})
		later := mustPost(t, r, to("marie@agrafmania.fr", "later"))
		run(1)
		if v := show(t, r, later); v.Status != "queued" {
			t.Errorf("while nobody can be looked up: %+v", v)
		}
		clock.advance(time.Minute)
		run(1)
		if v := show(t, r, later); v.Status != "sent" {
			t.Errorf("%+v", v)
		}
	})
}

// An event about a person ends what was remembered of them and of addresses that
// led to nobody; of others, and for other apps, nothing is forgotten.
func TestPersonChanged(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		say := func(recipients ...string) (asked int) {
			t.Helper()
			before := len(sim.Calls(lookupByEmail))
			for _, one := range recipients {
				mustPost(t, r, to(one, "x"))
			}
			for range 2 {
				step(t, r)
				clock.advance(2 * time.Second)
			}
			return len(sim.Calls(lookupByEmail)) - before
		}
		all := []string{"marie@agrafmania.fr", "paul@agrafmania.fr", "new@agrafmania.fr", "#nowhere"}
		if n := say(all...); n != 3 {
			t.Fatalf("%d look-ups at first", n)
		}
		listings := len(sim.Calls(listConversations))
		r.PersonChanged("unknown.cocoom.com", "U0MARIE")
		r.PersonChanged(otherHost, "U0MARIE")
		if n := say(all...); n != 0 {
			t.Errorf("%d look-ups after another app's event", n)
		}
		if err := sim.UpdatePerson(team, "U0MARIE", func(p *slacksim.Person) { p.Email = "new@agrafmania.fr" }); err != nil {
			t.Fatal(err)
		}
		r.PersonChanged(host, "U0MARIE")
		if n := say(all...); n != 2 || len(sim.Calls(listConversations)) != listings {
			t.Errorf("%d look-ups after the event, %d listings", n, len(sim.Calls(listConversations))-listings)
		}
		if n := len(sim.Messages(team, "U0MARIE")); n != 3 {
			t.Errorf("marie got %d messages", n)
		}
	})
}
