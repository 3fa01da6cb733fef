package notifyhook

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/slack-go/slack"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
)

// readsHistory lets the bot read the conversations that it is a member of.
func readsHistory(t *testing.T, sim *slacksim.Sim) {
	t.Helper()
	if err := sim.SetScopes(botToken, append(botScopes(), "channels:history", "groups:history", "im:history")...); err != nil {
		t.Fatal(err)
	}
}

// Where the history may be read, nothing is posted twice and nothing marked.
func TestDoubtsAreSettledByHistory(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		readsHistory(t, sim)
		for _, tt := range []struct {
			name     string
			to       string
			fault    slacksim.Fault
			outcomes string
		}{
			{"posted", "C0GENERAL", slacksim.Fault{Kind: slacksim.Reset, After: true, Times: 1}, "ambiguous sent"},
			{"posted to a person", "marie@agrafmania.fr", slacksim.Fault{Kind: slacksim.Truncated, Times: 1}, "ambiguous sent"},
			{"not posted", "C0GENERAL", slacksim.Fault{Kind: slacksim.Reset, Times: 1}, "not_posted sent"},
			{"not posted for long", "C0GENERAL", slacksim.Fault{Error: "internal_error", Times: 4}, "not_posted not_posted not_posted not_posted sent"},
		} {
			tt.fault.Method = postMessage
			sim.Fault(tt.fault)
			id := mustPost(t, r, to(tt.to, tt.name))
			for range 6 {
				step(t, r)
				clock.advance(6 * time.Minute)
			}
			d := show(t, r, id).Recipients[0]
			var outcomes []string
			for _, a := range d.History {
				outcomes = append(outcomes, a.Outcome)
			}
			if got := strings.Join(outcomes, " "); d.State != "sent" || d.PossibleDuplicate || got != tt.outcomes {
				t.Errorf("%s: %q, %+v", tt.name, got, d)
			}
			var there []slacksim.Message
			for _, m := range sim.Messages(team, "") {
				if m.Text == tt.name {
					there = append(there, m)
				}
			}
			if len(there) != 1 || there[0].TS != d.TS || there[0].Channel != d.Channel {
				t.Errorf("%s: %+v", tt.name, there)
			}
			var mark string
			if err := r.store.Read().QueryRow(`SELECT id FROM delivery WHERE notification_id = $1`, id).Scan(&mark); err != nil {
				t.Fatal(err)
			}
			if got := string(there[0].Metadata); got != `{"event_type":"cocoom_notification","event_payload":{"id":"`+mark+`"}}` {
				t.Errorf("%s: metadata %s", tt.name, got)
			}
		}
	})
}

// A process that dies with a call under way leaves a doubt as well, which rests
// a little: Slack may just be about to post.
func TestCrashIsSettledByHistory(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		readsHistory(t, sim)
		posted, not := mustPost(t, r, to("C0GENERAL", "posted")), mustPost(t, r, to("C0VENTES", "not posted"))
		claims, err := r.claim(t.Context(), workers)
		if err != nil || len(claims) != 2 {
			t.Fatal(claims, err)
		}
		for i := range claims {
			if claims[i].conversation == "C0GENERAL" {
				r.send(t.Context(), &claims[i])
			}
		}
		execute(t, r.store, `UPDATE lane SET lease_owner = NULL, due_at = $1`, clock.now().UnixMilli()) // a restart
		step(t, r)
		clock.advance(5*time.Second - time.Millisecond)
		step(t, r)
		if n := len(sim.Calls(conversationHistory)); n != 0 {
			t.Fatalf("asked for the history %d times, too early", n)
		}
		clock.advance(time.Millisecond)
		step(t, r)
		for _, id := range []string{posted, not} {
			if d := show(t, r, id).Recipients[0]; d.State != "sent" || d.PossibleDuplicate {
				t.Errorf("got %+v", d)
			}
		}
		if got := texts(sim.Messages(team, "")); len(got) != 2 {
			t.Errorf("messages %q", got)
		}
	})
}

// Where the history cannot be had, the delivery is marked before the one repeat;
// while Slack cannot answer, there is none.
func TestDoubtsThatHistoryDoesNotSettle(t *testing.T) {
	endless := slacksim.Fault{Kind: slacksim.Custom, Answer: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"ok":true,"messages":[{"ts":"1.1"}],"has_more":true,"response_metadata":{"next_cursor":"on"}}`))
	}}
	rows := map[string]struct {
		fault     slacksim.Fault // of conversations.history
		state     string         // after it
		marked    bool
		calls     int // of conversations.history, a second delivery's included
		recovered bool
	}{
		"missing scope":         {slacksim.Fault{Error: "missing_scope"}, "sent", true, 1, false},
		"not a member":          {slacksim.Fault{Error: "not_in_channel"}, "sent", true, 1, false},
		"no such method":        {slacksim.Fault{Error: "unknown_method"}, "sent", true, 1, false},
		"an unheard-of refusal": {slacksim.Fault{Error: "teapot_empty"}, "sent", true, 1, false},
		"too many messages":     {endless, "sent", true, 2 * maxHistoryPages, false},
		"throttled":             {slacksim.Fault{Kind: slacksim.RateLimited, RetryAfter: 20 * time.Second, Times: 1}, "queued", false, 3, true},
		"down":                  {slacksim.Fault{Kind: slacksim.ServerError, Times: 1}, "queued", false, 3, true},
		"cut short once":        {slacksim.Fault{Kind: slacksim.Truncated, Times: 1}, "queued", false, 3, true},
		"token refused":         {slacksim.Fault{Error: "token_revoked", Times: 1}, "queued", false, 3, true},
	}
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		readsHistory(t, sim)
		for name, tt := range rows {
			r.cache.Purge()
			sim.ClearFaults()
			calls, messages := len(sim.Calls(conversationHistory)), len(sim.Messages(team, ""))
			tt.fault.Method = conversationHistory
			sim.Fault(tt.fault)
			for i, state := range []string{tt.state, "sent"} {
				sim.Fault(slacksim.Fault{Method: postMessage, Kind: slacksim.Reset, After: true, Times: 1})
				id := mustPost(t, r, to("C0GENERAL", name))
				step(t, r)
				clock.advance(7 * time.Second)
				step(t, r)
				if d := show(t, r, id).Recipients[0]; d.State != state || d.PossibleDuplicate != tt.marked {
					t.Errorf("%s %d: %+v", name, i, d)
				}
				clock.advance(probeEvery * 12 / 10)
				r.probe(t.Context())
				step(t, r)
				if d := show(t, r, id).Recipients[0]; d.State != "sent" || d.PossibleDuplicate != tt.marked {
					t.Errorf("%s %d in the end: %+v", name, i, d)
				}
				clock.advance(time.Second)
			}
			want := 4
			if tt.recovered {
				want = 2
			}
			if n, m := len(sim.Calls(conversationHistory))-calls, len(sim.Messages(team, ""))-messages; n != tt.calls || m != want {
				t.Errorf("%s: %d calls, want %d; %d messages, want %d", name, n, tt.calls, m, want)
			}
		}
	})
}

// The mark is committed before the repeat: who dies in it leaves it marked.
func TestMarkedBeforeTheRepeat(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		sim.Fault(slacksim.Fault{Method: postMessage, Kind: slacksim.Reset, Times: 1})
		id := mustPost(t, r, to("C0GENERAL", "x"))
		step(t, r)
		if d := show(t, r, id).Recipients[0]; d.PossibleDuplicate {
			t.Errorf("marked though sent once: %+v", d)
		}
		clock.advance(7 * time.Second)
		c := mustClaim(t, r)
		r.onPoint = func(p point) {
			if d := show(t, r, id).Recipients[0]; p == atRepeating && (!d.PossibleDuplicate || len(sim.Messages(team, "")) != 0) {
				t.Errorf("before the repeat: %+v", d)
			}
		}
		r.send(t.Context(), &c)
		if n := len(sim.Messages(team, "")); n != 1 {
			t.Errorf("%d messages", n)
		}
	})
}

// A workspace that wants no metadata gets the message without; then a doubt
// cannot be settled, and whatever the history says, the repeat is marked.
func TestDoubtWithoutMetadata(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		readsHistory(t, sim)
		refused := slacksim.Fault{Method: postMessage, Error: "metadata_must_be_sent_from_app", Times: 1}
		sim.Fault(refused)
		sim.Fault(slacksim.Fault{Method: postMessage, Kind: slacksim.Reset, After: true, Times: 1})
		id := mustPost(t, r, to("C0GENERAL", "x"))
		step(t, r)
		clock.advance(7 * time.Second)
		sim.Fault(refused)
		step(t, r)
		if d := show(t, r, id).Recipients[0]; d.State != "sent" || !d.PossibleDuplicate || len(sim.Messages(team, "")) != 2 {
			t.Errorf("got %+v, %d messages", d, len(sim.Messages(team, "")))
		}
	})
}

// Others' messages in between, and threads, do not hide what was posted.
func TestFindPosted(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		readsHistory(t, sim)
		api := r.apps()[host]
		say := func(delivery, thread string) string {
			t.Helper()
			clock.advance(time.Second)
			_, ts, _, err := api.post(t.Context(), "C0GENERAL", message{text: "x"}, metadata(delivery), inThread(thread))
			if err != nil {
				t.Fatal(err)
			}
			return ts
		}
		parent := say("dlv_parent", "")
		early := clock.now()
		want := map[string]string{"dlv_reply": say("dlv_reply", parent), "dlv_top": say("dlv_top", "")}
		for i := range 2*historyPageSize + 1 {
			say("dlv_other"+strconv.Itoa(i), []string{"", parent}[i%2])
		}
		for _, tt := range []struct {
			delivery, thread string
			since            time.Time
			want             finding
		}{
			{"dlv_top", "", early, isThere},
			{"dlv_reply", parent, early, isThere},
			{"dlv_top", parent, early, isThere}, // its parent was gone then
			{"dlv_reply", "", early, notThere},  // not searched for there
			{"dlv_none", parent, early, notThere},
			{"dlv_none", "1.000000", early, notThere}, // no such thread
			{"dlv_top", "", early.Add(2 * clockTolerance), notThere},
		} {
			c := claim{place: api.conversation("C0GENERAL"), app: api, route: r.routes()[host], delivery: tt.delivery, before: tried{ambiguous: 1, doubtSince: tt.since}}
			got, o := r.findPosted(t.Context(), &c, tt.thread)
			if got != tt.want || got == isThere && o.ts != want[tt.delivery] {
				t.Errorf("%s in %q: %d %+v", tt.delivery, tt.thread, got, o)
			}
		}
		if n := len(sim.Calls(conversationReplies)); n != 6 { // a page with the reply, twice two, and that there is no such thread
			t.Errorf("%d calls for threads", n)
		}
	})
}

// What crashes the process every time ends, whether or not Slack's history
// clears it each time.
func TestInterruptedForEver(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		readsHistory(t, sim)
		id := mustPost(t, r, to("C0GENERAL", "x"))
		for i := range maxInterrupted {
			c := mustClaim(t, r)
			if _, over := r.clearDoubts(t.Context(), &c); over {
				t.Fatal("found what was never sent")
			}
			clock.advance(lease - time.Second)
			if claims, err := r.claim(t.Context(), workers); len(claims) != 0 || err != nil {
				t.Fatalf("claimed within the lease: %+v, %v", claims, err)
			}
			clock.advance(2 * time.Second)
			if i >= 2 { // 30 s are not enough any more
				if claims, err := r.claim(t.Context(), workers); len(claims) != 0 || err != nil {
					t.Fatalf("interrupted %d times and not at rest: %+v, %v", i+1, claims, err)
				}
			}
			clock.advance(15 * time.Minute)
		}
		step(t, r)
		if d := show(t, r, id).Recipients[0]; d.State != "dead" || d.Error != "outcome_unknown" || d.Attempts != maxInterrupted || !slices.ContainsFunc(d.History, func(a Attempt) bool { return a.Outcome == "not_posted" }) {
			t.Errorf("got %+v", d)
		}
	})
}

func inThread(ts string) slack.MsgOption {
	if ts == "" {
		return slack.MsgOptionCompose()
	}
	return slack.MsgOptionTS(ts)
}

// A doubt from before the clock was set back is not taken for one of a moment that
// is still to come, since when nothing can have been posted.
func TestDoubtFromBeforeTheClockWasSetBack(t *testing.T) {
	s := sqliteStore(t)
	slack := newFakeClock() // goes on by itself, an hour behind
	slack.advance(-time.Hour)
	sim := newSlack(t, slacksim.Config{Now: slack.now})
	readsHistory(t, sim.Sim)
	r, clock, _ := newTestRelay(t, s, sim.APIURL())
	sim.Fault(slacksim.Fault{Method: postMessage, Kind: slacksim.Reset, After: true, Times: 1})
	id := mustPost(t, r, to("C0GENERAL", "x"))
	step(t, r)
	clock.advance(-time.Hour)
	if err := r.followClock(t.Context(), -time.Hour); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		clock.advance(time.Minute)
		slack.advance(time.Minute)
		step(t, r)
	}
	if d := show(t, r, id).Recipients[0]; d.State != "sent" || len(sim.Messages(team, "")) != 1 {
		t.Errorf("posted %d times: %+v", len(sim.Messages(team, "")), d)
	}
}
