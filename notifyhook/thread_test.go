package notifyhook

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
)

// about is a notification about an entity; more are members of its JSON.
func about(recipient, entity, text string, more ...string) string {
	return fmt.Sprintf(`{"to":[%q],"entity":%q,"text":%q%s}`, recipient, entity, text, strings.Join(append([]string{""}, more...), ","))
}

// later sends what is queued, a second or so after what was sent before.
func later(t *testing.T, r *Relay, clock *fakeClock) {
	t.Helper()
	clock.advance(2 * time.Second)
	step(t, r)
	clock.advance(holdAgain)
	step(t, r)
}

func TestThreadPerEntity(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		send := func(body string) { mustPost(t, r, body); later(t, r, clock) }
		send(about("marie@agrafmania.fr", "invoice:1", "first of 1"))
		send(about("U0MARIE", "invoice:1", "second of 1")) // another name of hers, the same conversation
		send(about("U0MARIE", "invoice:2", "first of 2"))
		send(about("U0MARIE", "invoice:1", "shown", `"broadcast":true`))
		send(about("U0MARIE", "invoice:1", "by itself", `"mode":"new"`))
		send(to("U0MARIE", "of nothing"))
		send(about("C0GENERAL", "invoice:1", "another conversation"))
		m := sim.Messages(team, "U0MARIE")
		want := []struct {
			text      string
			parent    int // -1: none
			broadcast bool
		}{{"first of 1", -1, false}, {"second of 1", 0, false}, {"first of 2", -1, false}, {"shown", 0, true}, {"by itself", -1, false}, {"of nothing", -1, false}}
		if len(m) != len(want) {
			t.Fatalf("messages %q", texts(m))
		}
		for i, w := range want {
			parent := ""
			if w.parent >= 0 {
				parent = m[w.parent].TS
			}
			if m[i].Text != w.text || m[i].ThreadTS != parent || m[i].Broadcast != w.broadcast {
				t.Errorf("%d: %q below %q, broadcast %v; want %+v", i, m[i].Text, m[i].ThreadTS, m[i].Broadcast, w)
			}
		}
		if m := sim.Messages(team, "C0GENERAL"); len(m) != 1 || m[0].ThreadTS != "" {
			t.Errorf("in the channel %+v", m)
		}
	})
}

// The setting counts where the request does not say.
func TestBroadcastSetting(t *testing.T) {
	r, clock, sim, _ := relayOn(t, sqliteStore(t))
	r.routes()[host].Broadcast = true
	for i, more := range []string{`"x":1`, `"x":1`, `"broadcast":false`, `"broadcast":true`} {
		mustPost(t, r, about("C0GENERAL", "e", fmt.Sprint(i), more))
		later(t, r, clock)
	}
	var got []bool
	for _, m := range sim.Messages(team, "C0GENERAL") {
		got = append(got, m.Broadcast)
	}
	if !slices.Equal(got, []bool{false, true, false, true}) {
		t.Errorf("got %v", got)
	}
}

// Not to say is something else than to say no; a form says it as JSON does.
func TestBroadcastOfRequest(t *testing.T) {
	rt := &route{host: host}
	for body, want := range map[string]string{"": "open", "&broadcast=": "open", "&broadcast=0": "false", "&broadcast=1": "true", "&broadcast=perhaps": "wrong"} {
		request := jsonRequest()
		request.Header.Set("Content-Type", formType)
		q, _, p := rt.parse(request, []byte("to=C01&text=x&entity=e"+body), newFakeClock().now())
		got := "open"
		if p != nil {
			got = "wrong"
		} else if q.Broadcast != nil {
			got = fmt.Sprint(*q.Broadcast)
		}
		if got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
}

// A thread that takes no reply is left, in the same attempt, for a new one.
func TestStaleThread(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		for _, tt := range []struct {
			name    string
			refused string // Slack's word; empty: the parent was deleted
		}{{"deleted", ""}, {"locked", "restricted_action_thread_locked"}, {"no reply", "cannot_reply_to_message"}, {"no threads", "restricted_action_non_threadable_channel"}} {
			t.Run(tt.name, func(t *testing.T) {
				send := func(text string) Delivery {
					id := mustPost(t, r, about("C0GENERAL", tt.name, text))
					later(t, r, clock)
					return show(t, r, id).Recipients[0]
				}
				parent := send("parent")
				if tt.refused == "" {
					if err := sim.DeleteMessage(team, "C0GENERAL", parent.TS); err != nil {
						t.Fatal(err)
					}
				} else {
					sim.Fault(slacksim.Fault{Method: "chat.postMessage", Error: tt.refused, Times: 1})
				}
				second, third := send("second"), send("third")
				if second.State != "sent" || second.Attempts != 1 || len(second.History) != 1 || third.State != "sent" {
					t.Errorf("second %+v, third %+v", second, third)
				}
				m := sim.Messages(team, "C0GENERAL")
				if len(m) < 2 || m[len(m)-2].TS != second.TS || m[len(m)-2].ThreadTS != "" || m[len(m)-1].ThreadTS != second.TS {
					t.Errorf("messages %+v", m)
				}
			})
		}
	})
}

func TestUpdateInPlace(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		update := func(text string, more ...string) Delivery {
			id := mustPost(t, r, about("marie@agrafmania.fr", "build:7", text, append(more, `"mode":"update"`)...))
			later(t, r, clock)
			return show(t, r, id).Recipients[0]
		}
		first := update("started")
		second := update("a < b *done*", `"link":"https://`+host+`/a?b=1&c=2"`)
		m := sim.Messages(team, "U0MARIE")
		if len(m) != 1 || m[0].EditedAt.IsZero() || second.TS != first.TS || second.State != "sent" || second.History[0].Outcome != "sent" {
			t.Fatalf("%+v, %+v", second, m)
		}
		if b := string(m[0].Blocks); !strings.Contains(b, `{"type":"text","text":"a \u003c b *done*\n"}`) || !strings.Contains(b, `{"type":"link","url":"https://`+host+`/a?b=1\u0026c=2"`) {
			t.Errorf("plain text is not told as such: %s", b)
		}
		update("*bold*", `"format":"mrkdwn"`)
		if m := sim.Messages(team, "U0MARIE"); len(m) != 1 || m[0].Text != "*bold*" || len(m[0].Blocks) != 0 {
			t.Errorf("%+v", m)
		}
		update("text", `"blocks":[{"type":"section","text":{"type":"mrkdwn","text":"*hi*"}}]`)
		if m := sim.Messages(team, "U0MARIE"); len(m) != 1 || !strings.Contains(string(m[0].Blocks), "*hi*") {
			t.Errorf("%+v", m)
		}
		if d := update(strings.Repeat("é & ", 2000)); d.State != "sent" || d.Error != "" {
			t.Errorf("a long one: %+v", d)
		}
		reply := mustPost(t, r, about("U0MARIE", "build:7", "below it"))
		later(t, r, clock)
		if m := sim.Messages(team, "U0MARIE"); len(m) != 2 || m[1].ThreadTS != first.TS || show(t, r, reply).Status != "sent" {
			t.Errorf("%+v", m)
		}
		var method string
		if err := r.store.Read().QueryRow(`SELECT a.method FROM attempt a JOIN delivery d ON d.id = a.delivery_id WHERE d.slack_ts = $1 ORDER BY d.seq DESC LIMIT 1`, first.TS).Scan(&method); err != nil || method != "chat.update" {
			t.Errorf("method %q, %v", method, err)
		}
	})
}

// What Slack will not change any more is replaced by a new message, once.
func TestStaleUpdate(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		for _, name := range []string{"", "message_not_found", "cant_update_message", "edit_window_closed", "is_inactive"} {
			update := func(text string) Delivery {
				id := mustPost(t, r, about("C0GENERAL", "e-"+name, text, `"mode":"update"`))
				later(t, r, clock)
				return show(t, r, id).Recipients[0]
			}
			first := update("first")
			if name == "" {
				if err := sim.DeleteMessage(team, "C0GENERAL", first.TS); err != nil {
					t.Fatal(err)
				}
			} else {
				sim.Fault(slacksim.Fault{Method: "chat.update", Error: name, Times: 1})
			}
			second, third := update("second"), update("third")
			if second.State != "sent" || second.TS == first.TS || second.Attempts != 1 || third.TS != second.TS {
				t.Errorf("%q: first %s, second %+v, third %+v", name, first.TS, second, third)
			}
		}
	})
}

// An update whose end is not known is done again, and nobody gets a message
// twice by that; one that Slack asks to wait with pauses updates, not posts.
func TestDoubtfulAndThrottledUpdate(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		for _, where := range []string{"C0GENERAL", "C0VENTES"} {
			mustPost(t, r, about(where, "e", "first", `"mode":"update"`))
		}
		later(t, r, clock)
		sim.Fault(slacksim.Fault{Method: "chat.update", Kind: slacksim.Reset, After: true, Times: 2})
		id := mustPost(t, r, about("C0GENERAL", "e", "second", `"mode":"update"`))
		for range 3 {
			later(t, r, clock)
			clock.advance(10 * time.Second)
		}
		if d := show(t, r, id).Recipients[0]; d.State != "sent" || d.PossibleDuplicate || d.Attempts != 3 || d.History[0].Outcome != "transient" {
			t.Errorf("got %+v", d)
		}
		if m := sim.Messages(team, "C0GENERAL"); len(m) != 1 || m[0].Text != "second" {
			t.Errorf("messages %q", texts(m))
		}
		sim.Fault(slacksim.Fault{Method: "chat.update", Kind: slacksim.RateLimited, RetryAfter: 20 * time.Second, Times: 1})
		mustPost(t, r, about("C0GENERAL", "e", "third", `"mode":"update"`))
		later(t, r, clock)
		other, post := mustPost(t, r, about("C0VENTES", "e", "updated", `"mode":"update"`)), mustPost(t, r, to("U0PAUL", "posted"))
		later(t, r, clock)
		later(t, r, clock)
		if d := show(t, r, other).Recipients[0]; d.State != "queued" || len(d.History) != 0 || show(t, r, post).Status != "sent" {
			t.Errorf("other %+v, post %+v", d, show(t, r, post))
		}
		clock.advance(22 * time.Second)
		later(t, r, clock)
		if v := show(t, r, other); v.Status != "sent" || sim.Messages(team, "C0GENERAL")[0].Text != "third" {
			t.Errorf("afterwards %+v", v)
		}
	})
}

// A first message that Slack may have twice leaves one thread.
func TestDoubtfulParent(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		mustPost(t, r, about("C0GENERAL", "e", "parent"))
		c := mustClaim(t, r)
		r.send(t.Context(), &c) // Slack has it, and nobody wrote that down
		mustPost(t, r, about("C0GENERAL", "e", "reply"))
		clock.advance(lease)
		later(t, r, clock)
		later(t, r, clock)
		m := sim.Messages(team, "C0GENERAL")
		if !slices.Equal(texts(m), []string{"parent", "parent", "reply"}) || m[1].ThreadTS != "" || m[2].ThreadTS != m[1].TS {
			t.Errorf("messages %+v", m)
		}
	})
}

// An app without im:write has lanes of people's ids, which chat.update does not
// take.
func TestUpdateWithoutConversation(t *testing.T) {
	r, clock, sim, _ := relayOn(t, sqliteStore(t))
	sim.Fault(slacksim.Fault{Method: "conversations.open", Error: "missing_scope"})
	for _, text := range []string{"first", "second"} {
		mustPost(t, r, about("U0MARIE", "e", text, `"mode":"update"`))
		later(t, r, clock)
	}
	if m := sim.Messages(team, "U0MARIE"); len(m) != 1 || m[0].Text != "second" {
		t.Errorf("messages %q", texts(m))
	}
}

// A stand-in that does not answer the message is believed to have threads.
func TestAnswerWithoutMessage(t *testing.T) {
	r, clock, sim, _ := relayOn(t, sqliteStore(t))
	mustPost(t, r, about("C0GENERAL", "e", "parent"))
	later(t, r, clock)
	parent := sim.Messages(team, "C0GENERAL")[0].TS
	sim.Fault(slacksim.Fault{Method: "chat.postMessage", Kind: slacksim.Custom, Times: 1, Answer: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"ok":true,"channel":"C0GENERAL","ts":"1.2"}`))
	}})
	for _, text := range []string{"unseen", "reply"} {
		mustPost(t, r, about("C0GENERAL", "e", text))
		later(t, r, clock)
	}
	if m := sim.Messages(team, "C0GENERAL"); len(m) != 2 || m[1].ThreadTS != parent {
		t.Errorf("messages %+v", m)
	}
}

// What is found in the history keeps its place: a parent stays the parent, a
// reply leads to its own.
func TestDoubtfulInThreadIsFound(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		readsHistory(t, sim)
		for _, text := range []string{"parent", "reply", "another"} {
			sim.Fault(slacksim.Fault{Method: "chat.postMessage", Kind: slacksim.Reset, After: true, Times: 1})
			mustPost(t, r, about("C0GENERAL", "e", text))
			later(t, r, clock)
			clock.advance(20 * time.Second)
			later(t, r, clock)
		}
		m := sim.Messages(team, "C0GENERAL")
		if !slices.Equal(texts(m), []string{"parent", "reply", "another"}) || m[1].ThreadTS != m[0].TS || m[2].ThreadTS != m[0].TS {
			t.Errorf("messages %+v", m)
		}
	})
}
