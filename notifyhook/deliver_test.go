package notifyhook

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
)

func TestDeliversToEveryKindOfRecipient(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		for recipient, where := range map[string]string{
			"Paul@agrafmania.fr": "U0PAUL", "U0MARIE": "U0MARIE", "#General": "C0GENERAL", "C0VENTES": "C0VENTES"} {
			id := mustPost(t, r, to(recipient, "hello "+recipient))
			step(t, r)
			clock.advance(time.Second)
			v := show(t, r, id)
			if d := v.Recipients[0]; v.Status != "sent" || d.State != "sent" || d.TS == "" || d.Channel == "" || d.Attempts != 1 || len(d.History) != 1 || v.FinishedAt == nil {
				t.Errorf("%s: %+v", recipient, v)
			}
			if got := texts(sim.Messages(team, where)); !slices.Equal(got, []string{"hello " + recipient}) {
				t.Errorf("%s got %q", where, got)
			}
		}
	})
}

func TestRetryAfter(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		sim.Fault(slacksim.Fault{Method: "chat.postMessage", Kind: slacksim.RateLimited, RetryAfter: 17 * time.Second, Times: 1})
		id := mustPost(t, r, to("C0GENERAL", "x"))
		step(t, r)
		mustPost(t, r, to("C0VENTES", "another conversation does not wait"))
		step(t, r)
		if n := len(sim.Messages(team, "C0VENTES")); n != 1 {
			t.Error("another conversation had to wait")
		}
		clock.advance(17*time.Second - time.Millisecond)
		step(t, r)
		if n := len(sim.Messages(team, "C0GENERAL")); n != 0 {
			t.Fatal("sent before Retry-After was over")
		}
		clock.advance(2 * time.Second) // and the jitter
		step(t, r)
		v := show(t, r, id).Recipients[0]
		if v.State != "sent" || v.Attempts != 1 || len(v.History) != 2 || v.History[0].Outcome != "throttled" {
			t.Errorf("got %+v; a 429 must not count", v)
		}
	})
}

func TestRetryAfterOfLookUpsHoldsLookUpsOnly(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		sim.Fault(slacksim.Fault{Method: "users.lookupByEmail", Kind: slacksim.RateLimited, RetryAfter: 20 * time.Second, Times: 1})
		mustPost(t, r, to("marie@agrafmania.fr", "a"))
		mustPost(t, r, to("paul@agrafmania.fr", "b"))
		claims, err := r.claim(t.Context(), 1)
		if err != nil || len(claims) != 1 {
			t.Fatal(claims, err)
		}
		r.work(t.Context(), claims[0])
		mustPost(t, r, to("C0GENERAL", "c"))
		step(t, r)
		clock.advance(holdAgain)
		step(t, r)
		if n := len(sim.Calls("users.lookupByEmail")); n != 1 || len(sim.Messages(team, "C0GENERAL")) != 1 {
			t.Errorf("%d look-ups, channel %q", n, texts(sim.Messages(team, "C0GENERAL")))
		}
		clock.advance(23 * time.Second)
		step(t, r)
		if len(sim.Messages(team, "U0MARIE")) != 1 || len(sim.Messages(team, "U0PAUL")) != 1 {
			t.Error("look-ups did not go on")
		}
	})
}

func TestAmbiguousTwiceIsDeadAndUnknownFiveTimes(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		for _, tt := range []struct {
			fault    slacksim.Fault
			attempts int
			reason   string
		}{
			{slacksim.Fault{Kind: slacksim.ServerError}, 2, "outcome_unknown"},
			{slacksim.Fault{Error: "teapot_empty"}, 5, "teapot_empty"},
		} {
			tt.fault.Method = "chat.postMessage"
			sim.Fault(tt.fault)
			id := mustPost(t, r, to("C0GENERAL", "x"))
			for range 8 {
				step(t, r)
				clock.advance(2 * time.Hour)
			}
			if d := show(t, r, id).Recipients[0]; d.State != "dead" || d.Attempts != tt.attempts || d.Error != tt.reason {
				t.Errorf("%s: %+v", tt.reason, d)
			}
			sim.ClearFaults()
			next := mustPost(t, r, to("C0GENERAL", "the lane goes on"))
			step(t, r)
			if v := show(t, r, next); v.Status != "sent" {
				t.Errorf("after %s: %+v", tt.reason, v)
			}
			clock.advance(time.Second)
		}
	})
}

// While nothing of Slack answers, the one repeat of an ambiguous delivery is
// not used up.
func TestRepeatWaitsForSlackToAnswer(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		sim.Fault(slacksim.Fault{Kind: slacksim.ServerError, Status: 503})
		id := mustPost(t, r, to("C0GENERAL", "x"))
		for range 6 {
			step(t, r)
			clock.advance(40 * time.Minute)
		}
		if n := len(sim.Calls("chat.postMessage")); n != 1 {
			t.Errorf("posted %d times into an outage", n)
		}
		sim.ClearFaults()
		step(t, r)
		if d := show(t, r, id).Recipients[0]; d.State != "sent" || !d.PossibleDuplicate {
			t.Errorf("got %+v", d)
		}
	})
}

func TestUnknownPeopleAndChannels(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		for recipient, reason := range map[string]string{"nobody@agrafmania.fr": "users_not_found", "luc@agrafmania.fr": "users_not_found", "#nowhere": "channel_not_found",
			"U0NOBODY": "user_not_found", "U0GONE": "user_disabled", "C0OLD": "is_archived", "C0DIR": "restricted_action_read_only_channel", "C0NONE": "channel_not_found"} {
			first, second := mustPost(t, r, to(recipient, "x")), mustPost(t, r, to(recipient, "y"))
			step(t, r)
			for _, id := range []string{first, second} {
				if d := show(t, r, id).Recipients[0]; d.State != "dead" || d.Error != reason || d.Attempts != 1 {
					t.Errorf("%s: %+v, want %s", recipient, d, reason)
				}
			}
			clock.advance(time.Minute)
		}
		if n := len(sim.Calls("users.lookupByEmail")); n != 2 {
			t.Errorf("%d look-ups of two unknown addresses", n)
		}
	})
}

func TestActorIsNotTold(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		id := mustPost(t, r, `{"to":["U0MARIE","paul@agrafmania.fr","C0GENERAL"],"actor":"marie@agrafmania.fr","text":"x"}`)
		only := mustPost(t, r, `{"to":["U0MARIE"],"actor":"U0MARIE","text":"y"}`)
		for range 3 {
			step(t, r)
			clock.advance(holdAgain)
		}
		v := show(t, r, id)
		if len(sim.Messages(team, "U0MARIE")) != 0 || v.Recipients[0].State != "suppressed" || v.Recipients[0].Error != "actor" || v.Status != "sent" {
			t.Errorf("marie got %q, %+v", texts(sim.Messages(team, "U0MARIE")), v)
		}
		if v := show(t, r, only); v.Status != "suppressed" || v.FinishedAt == nil {
			t.Errorf("%+v", v)
		}
		told := mustPost(t, r, `{"to":["U0MARIE"],"actor":"U0MARIE","notify_actor":true,"text":"z"}`)
		step(t, r)
		if v := show(t, r, told); v.Status != "sent" {
			t.Errorf("notify_actor: %+v", v)
		}
	})
}

func TestSendAt(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		later := mustPost(t, r, `{"to":["C0GENERAL","marie@agrafmania.fr"],"text":"later","send_at":"2026-11-23T10:00:00Z"}`)
		now := mustPost(t, r, to("C0GENERAL", "now"))
		step(t, r)
		if show(t, r, now).Status != "sent" || show(t, r, later).Status != "scheduled" {
			t.Errorf("now %+v, later %+v", show(t, r, now), show(t, r, later))
		}
		clock.advance(time.Hour - time.Millisecond)
		step(t, r)
		if n := len(sim.Messages(team, "")); n != 1 {
			t.Error("sent too early")
		}
		clock.advance(time.Millisecond)
		step(t, r)
		clock.advance(holdAgain)
		step(t, r)
		if show(t, r, later).Status != "sent" {
			t.Errorf("later %+v", show(t, r, later))
		}
		var n int
		if err := r.store.Read().QueryRow(`SELECT COUNT(*) FROM lane WHERE lane LIKE '%@dlv_%'`).Scan(&n); err != nil || n != 0 {
			t.Errorf("%d lanes of scheduled deliveries left, %v", n, err)
		}
	})
}

func TestLongAndRefusedContent(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		id := mustPost(t, r, `{"to":["C0GENERAL"],"text":"the *text*","blocks":[{"type":"nonsense"}]}`)
		step(t, r)
		d := show(t, r, id).Recipients[0]
		if got := texts(sim.Messages(team, "C0GENERAL")); d.State != "sent" || !strings.HasPrefix(d.Error, "sent_as_plain_text: ") || !slices.Equal(got, []string{"the *text*"}) {
			t.Errorf("got %+v, %q", d, got)
		}
		good := mustPost(t, r, `{"to":["C0VENTES"],"text":"fallback","link":"https://`+host+`/a?b=1&c=2","blocks":[{"type":"section","text":{"type":"mrkdwn","text":"*hi*"}}]}`)
		step(t, r)
		m := sim.Messages(team, "C0VENTES")
		if v := show(t, r, good); v.Status != "sent" || len(m) != 1 || !strings.Contains(string(m[0].Blocks), "*hi*") || !strings.Contains(string(m[0].Blocks), "/a?b=1") {
			t.Errorf("%+v %+v", v, m)
		}
	})
}
