package notifyhook

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
)

// TestExplain: what the store and the relay know reaches the sentences: of the
// one that is throttled, of those behind it, and of one that found nobody.
func TestExplain(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		says := func(id string, words ...string) {
			t.Helper()
			e, err := r.Explain(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			said := strings.Join(e.Why[0].Sentences, " ")
			for _, w := range words {
				if !strings.Contains(said, w) {
					t.Errorf("does not say %q, but\n%s", w, said)
				}
			}
		}
		sim.Fault(slacksim.Fault{Method: postMessage, Kind: slacksim.RateLimited, RetryAfter: 30 * time.Second, Times: 1})
		first := mustPost(t, r, to("marie@agrafmania.fr", "un"))
		says(first, "Its recipient is being looked up")
		step(t, r)
		second := mustPost(t, r, to("U0MARIE", "deux"))
		clock.advance(time.Millisecond)
		step(t, r)
		says(first, "Slack asked us to wait 3", "with chat.postMessage (429)", "Its conversation rests until 09:00:3")
		says(second, "waits behind 1 older message for the same conversation, the oldest of "+first)
		clock.advance(40 * time.Second)
		step(t, r)
		says(first, "sent 09:00:40.001, 40 s after it was accepted, of which", "because Slack asked us to wait")

		gone := mustPost(t, r, to("nobody@agrafmania.fr", "trois"))
		step(t, r)
		says(gone, "users.lookupByEmail", "(users_not_found)", "nobody in the workspace has this e-mail address")
		if _, err := r.Explain(context.Background(), "ntf_none"); !errors.Is(err, ErrNotFound) {
			t.Errorf("explaining nothing is %v", err)
		}
	})
}

// TestExplainHeld: a refused token is said, with what to do about it.
func TestExplainHeld(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		sim.Fault(slacksim.Fault{Method: postMessage, Error: "token_revoked", Times: 1})
		id := mustPost(t, r, to("C0GENERAL", "un"))
		step(t, r)
		e, err := r.Explain(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		said := strings.Join(e.Why[0].Sentences, " ")
		for _, w := range []string{"Slack refused the app's token with chat.postMessage (token_revoked)", "The route is held: nothing of it is sent since 09:00:00.000", "install it to the workspace again"} {
			if !strings.Contains(said, w) {
				t.Errorf("does not say %q, but\n%s", w, said)
			}
		}
	})
}
