package notifyhook

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
)

// backUp queues messages to Marie and lets them wait; it returns their ids.
func backUp(t *testing.T, r *Relay, clock *fakeClock, bodies ...string) []string {
	t.Helper()
	if _, o := r.resolve(t.Context(), r.routes()[host], "U0MARIE"); o.class != done {
		t.Fatal(o)
	}
	var ids []string
	for _, body := range bodies {
		ids = append(ids, mustPost(t, r, body))
	}
	claims, err := r.claim(t.Context(), workers) // the look-up, which moves them
	if err != nil || len(claims) != 1 {
		t.Fatal(claims, err)
	}
	r.work(t.Context(), claims[0])
	clock.advance(mergeAfter + time.Millisecond)
	return ids
}

// marie are notifications to her, one per text.
func marie(texts ...string) []string {
	var list []string
	for _, text := range texts {
		list = append(list, to("U0MARIE", text))
	}
	return list
}

// mergedInto reads the notification into whose message one's was merged.
func mergedInto(t *testing.T, r *Relay, id string) string {
	t.Helper()
	var into sql.NullString
	if err := r.store.Read().QueryRow(`SELECT h.notification_id FROM delivery d LEFT JOIN delivery h ON h.id = d.merged_into WHERE d.notification_id = $1`, id).Scan(&into); err != nil {
		t.Fatal(err)
	}
	return into.String
}

// A burst to one person goes out one a second for a while, and then as one.
func TestBurstIsMerged(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		var ids, want []string
		for i := range 30 {
			want = append(want, fmt.Sprintf("n° %02d <!channel> *x*", i))
			ids = append(ids, mustPost(t, r, fmt.Sprintf(`{"to":["marie@agrafmania.fr"],"text":%q,"link":"https://%s/%d"}`, want[i], host, i)))
			clock.advance(time.Second / 30)
		}
		for range 20 {
			step(t, r)
			clock.advance(time.Second)
		}
		m := sim.Messages(team, "U0MARIE")
		if len(m) < 10 || len(m) > 13 || !m[0].PlainText {
			t.Fatalf("%d messages", len(m))
		}
		all := strings.Join(texts(m), "\n\n")
		var lines []string
		for i, text := range want {
			lines = append(lines, strings.NewReplacer("<", "&lt;", ">", "&gt;").Replace(text)+fmt.Sprintf("\n<https://%s/%d>", host, i))
		}
		if all != strings.Join(lines, "\n\n") {
			t.Errorf("messages\n%s", all)
		}
		head := ids[len(m)-1]
		for i, id := range ids {
			d, into := show(t, r, id).Recipients[0], ""
			if i >= len(m) {
				into = head
			}
			if d.State != "sent" || d.Attempts != 1 || d.PossibleDuplicate || d.TS != m[min(i, len(m)-1)].TS || mergedInto(t, r, id) != into {
				t.Errorf("%d: merged into %q, %+v", i, mergedInto(t, r, id), d)
			}
		}
		for _, c := range sim.Calls("chat.postMessage") {
			if c.Error != "" {
				t.Errorf("Slack had to say %s", c.Error)
			}
		}
	})
}

// What may stand in one message, and what ends a batch.
func TestWhatIsMerged(t *testing.T) {
	section := `,"blocks":[{"type":"section","text":{"type":"mrkdwn","text":"*b*"}}]`
	body := func(text, more string) string { return fmt.Sprintf(`{"to":["U0MARIE"],"text":%q%s}`, text, more) }
	long := strings.Repeat("é", 3600)
	for _, tt := range []struct {
		name   string
		merge  string
		bodies []string
		want   []string
	}{
		{"three", "", marie("a", "b", "c"), []string{"a\n\nb\n\nc"}},
		{"two are sent one by one", "", marie("a", "b"), []string{"a", "b"}},
		{"off", "off", marie("a", "b", "c"), []string{"a", "b", "c"}},
		{"mrkdwn", "", []string{body("*a*", `,"format":"mrkdwn"`), body("b", `,"format":"mrkdwn"`), body("c", `,"format":"mrkdwn"`)}, []string{"*a*\n\nb\n\nc"}},
		{"plain text and mrkdwn", "", []string{body("a", ""), body("b", ""), body("*c*", `,"format":"mrkdwn"`), body("d", "")}, []string{"a\n\nb", "*c*", "d"}},
		{"an open code block", "", []string{body("a", `,"format":"mrkdwn"`), body("b ``` b", `,"format":"mrkdwn"`), body("c", `,"format":"mrkdwn"`)}, []string{"a", "b ``` b", "c"}},
		{"two languages", "", []string{body("a", `,"lang":"fr"`), body("b", `,"lang":"fr"`), body("c", `,"lang":"en"`), body("d", `,"lang":"en"`), body("e", `,"lang":"en"`)}, []string{"a\n\nb", "c\n\nd\n\ne"}},
		{"blocks in between", "", []string{body("a", ""), body("b", ""), body("c", section), body("d", ""), body("e", ""), body("f", "")}, []string{"a\n\nb", "c", "d\n\ne\n\nf"}},
		{"an entity's in between", "", []string{body("a", ""), body("b", ""), body("c", `,"entity":"e"`), body("d", "")}, []string{"a\n\nb", "c", "d"}},
		{"a long one in between", "", []string{body("a", ""), body("b", ""), body(long, ""), body("d", "")}, []string{"a\n\nb", long, "d"}},
		{"more than one message takes", "", marie(strings.Repeat("x", 25), "01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11", "12", "13", "14", "15", "16", "17", "18", "19", "20"),
			[]string{strings.Repeat("x", 25) + "\n\n01\n\n02\n\n03\n\n04\n\n05\n\n06\n\n07\n\n08\n\n09\n\n10\n\n11\n\n12\n\n13\n\n14\n\n15\n\n16\n\n17\n\n18\n\n19", "20"}},
		{"expired in between", "", []string{body("a", ""), body("b", `,"expires_in":60`), body("c", "")}, []string{"a\n\nc"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, clock, sim, _ := relayOn(t, sqliteStore(t))
			r.routes()[host].Merge = tt.merge
			backUp(t, r, clock, tt.bodies...)
			clock.advance(time.Minute)
			for range tt.want {
				step(t, r)
				clock.advance(time.Second)
			}
			if got := texts(sim.Messages(team, "U0MARIE")); !slices.Equal(got, tt.want) {
				t.Errorf("got %q", got)
			}
		})
	}
}

// In a channel each message stands by itself, unless the route wants otherwise;
// of two routes with one app, each has its own.
func TestWhereIsMerged(t *testing.T) {
	for merge, want := range map[string][]string{"": {"a", "b", "c", "of the other"}, "all": {"a\n\nb\n\nc", "of the other"}} {
		r, clock, sim, _ := relayOn(t, sqliteStore(t))
		r.routes()[host].Merge = merge
		for _, text := range []string{"a", "b", "c"} {
			mustPost(t, r, to("C0GENERAL", text))
		}
		other := *r.routes()[host]
		other.host = "autre.cocoom.com"
		r.routes()[other.host] = &other
		if _, _, err := r.accept(t.Context(), &other, request{To: []string{"C0GENERAL"}, Text: "of the other"}, clock.now()); err != nil {
			t.Fatal(err)
		}
		clock.advance(time.Minute)
		for range 4 {
			step(t, r)
			clock.advance(time.Second)
		}
		if got := texts(sim.Messages(team, "C0GENERAL")); !slices.Equal(got, want) {
			t.Errorf("%q: got %q", merge, got)
		}
	}
}

// A long batch is shown in blocks, each text in its own, still without markup.
func TestLongBatch(t *testing.T) {
	r, clock, sim, _ := relayOn(t, sqliteStore(t))
	var bodies []string
	for i := range 6 {
		bodies = append(bodies, fmt.Sprintf(`{"to":["U0MARIE"],"text":"%d *%s* <!here>","link":"https://%s/%d"}`, i, strings.Repeat("é", 2400), host, i))
	}
	ids := backUp(t, r, clock, bodies...)
	for range 3 {
		step(t, r)
		clock.advance(time.Second)
	}
	m := sim.Messages(team, "U0MARIE")
	if len(m) != 3 || utf8.RuneCountInString(m[0].Text) > maxMessageText || strings.Count(string(m[0].Blocks), `"type":"rich_text"`) != 4 || len(m[0].Pings()) != 0 {
		t.Fatalf("%d messages, %q, %.99s", len(m), m[0].Pings(), m[0].Blocks)
	}
	for i := range 4 {
		if want := fmt.Sprintf(`"text":"%d *%s* \u003c!here\u003e\n"},{"type":"link","url":"https://%s/%d"`, i, strings.Repeat("é", 2400), host, i); !strings.Contains(string(m[0].Blocks), want) {
			t.Errorf("%d is not complete in %s", i, m[0].Blocks)
		}
	}
	for _, id := range ids {
		if v := show(t, r, id); v.Status != "sent" {
			t.Errorf("%+v", v)
		}
	}
}

// What Slack holds back comes as one when it may come, and was no attempt.
func TestThrottledLaneIsMerged(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		mustPost(t, r, to("U0MARIE", "0"))
		sim.Fault(slacksim.Fault{Method: "chat.postMessage", Kind: slacksim.RateLimited, RetryAfter: 20 * time.Second, Times: 1})
		step(t, r)
		ids := []string{mustPost(t, r, to("marie@agrafmania.fr", "1")), mustPost(t, r, to("U0MARIE", "2"))}
		step(t, r)
		clock.advance(23 * time.Second)
		sim.Fault(slacksim.Fault{Method: "chat.postMessage", Kind: slacksim.RateLimited, RetryAfter: 20 * time.Second, Times: 1})
		sim.Fault(slacksim.Fault{Method: "chat.postMessage", Error: "service_unavailable", Times: 1})
		step(t, r)
		if d := show(t, r, ids[1]).Recipients[0]; d.State != "queued" || d.Attempts != 0 || d.History[0].Outcome != "throttled" || mergedInto(t, r, ids[1]) != "" {
			t.Errorf("throttled together: merged into %q, %+v", mergedInto(t, r, ids[1]), d)
		}
		ids = append(ids, mustPost(t, r, to("U0MARIE", "3"))) // goes along, too
		step(t, r)
		for range 3 {
			clock.advance(23 * time.Second)
			step(t, r)
		}
		if got := texts(sim.Messages(team, "U0MARIE")); !slices.Equal(got, []string{"0\n\n1\n\n2\n\n3"}) {
			t.Errorf("got %q", got)
		}
		for _, id := range ids {
			if d := show(t, r, id).Recipients[0]; d.State != "sent" || d.Attempts != 2 || d.PossibleDuplicate {
				t.Errorf("got %+v", d)
			}
		}
	})
}

// A batch that Slack may have is repeated as that batch, once, and marked.
func TestDoubtfulBatch(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		ids := backUp(t, r, clock, marie("a", "b", "c")...)
		sim.Fault(slacksim.Fault{Method: "chat.postMessage", Kind: slacksim.Reset, After: true, Times: 1})
		step(t, r)
		late := mustPost(t, r, to("U0MARIE", "d"))
		for range 3 {
			clock.advance(20 * time.Second)
			step(t, r)
		}
		if got := texts(sim.Messages(team, "U0MARIE")); !slices.Equal(got, []string{"a\n\nb\n\nc", "a\n\nb\n\nc", "d"}) {
			t.Errorf("got %q", got)
		}
		for _, id := range ids {
			if d := show(t, r, id).Recipients[0]; d.State != "sent" || d.Attempts != 2 || !d.PossibleDuplicate {
				t.Errorf("got %+v", d)
			}
		}
		if d := show(t, r, late).Recipients[0]; d.PossibleDuplicate || mergedInto(t, r, late) != "" {
			t.Errorf("what came later: %+v", d)
		}
	})
}

// A crash between "begun" and the record of a batch: nothing is lost, and what
// comes again is that batch, marked, even without its head.
func TestBatchCrashBetweenBegunAndRecorded(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		for _, headless := range []bool{false, true} {
			before := len(sim.Messages(team, "U0MARIE"))
			ids := backUp(t, r, clock, marie("x", "y", "z")...)
			c := mustClaim(t, r)
			if len(c.merged) != 2 {
				t.Fatalf("claimed %+v", c)
			}
			slow := r.send(t.Context(), &c) // Slack has it, and nobody wrote that down
			for _, id := range ids {
				if d := show(t, r, id).Recipients[0]; d.State != "sending" || len(d.History) != 1 || d.History[0].EndedAt != nil {
					t.Errorf("begun is not written down: %+v", d)
				}
			}
			again, rest := "x\n\ny\n\nz", ids
			if headless {
				execute(t, r.store, `UPDATE notification SET expires_at = $1 WHERE id = $2`, clock.now().UnixMilli(), ids[0])
				again, rest = "y\n\nz", ids[1:]
			}
			clock.advance(lease)
			next := mustClaim(t, r)
			if err := r.record(t.Context(), c, slow, judge(slow, tried{}, 0, clock.now(), 0)); err != errLeaseLost {
				t.Errorf("the former holder recorded: %v", err)
			}
			r.work(t.Context(), next)
			clock.advance(time.Second)
			if got := texts(sim.Messages(team, "U0MARIE")[before:]); !slices.Equal(got, []string{"x\n\ny\n\nz", again}) {
				t.Errorf("messages %q", got)
			}
			for i, id := range rest {
				into := rest[0]
				if i == 0 {
					into = ""
				}
				if d := show(t, r, id).Recipients[0]; d.State != "sent" || !d.PossibleDuplicate || d.History[0].Outcome != "interrupted" || mergedInto(t, r, id) != into {
					t.Errorf("merged into %q, %+v", mergedInto(t, r, id), d)
				}
			}
		}
	})
}

// A batch that is refused is disbanded: one bad text ends alone, and a recipient
// that is gone is told of each.
func TestRefusedBatch(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		for _, tt := range []struct {
			fault slacksim.Fault
			want  []string
			state string
		}{
			{slacksim.Fault{Error: "msg_too_long", Times: 1}, []string{"a", "b", "c"}, "sent"},
			{slacksim.Fault{Error: "messages_tab_disabled"}, nil, "dead"},
			{slacksim.Fault{Error: "something_new", Times: 1}, []string{"a", "b", "c"}, "sent"},
		} {
			before := len(sim.Messages(team, "U0MARIE"))
			ids := backUp(t, r, clock, marie("a", "b", "c")...)
			tt.fault.Method = "chat.postMessage"
			sim.Fault(tt.fault)
			for range 4 {
				step(t, r)
				clock.advance(2 * time.Second)
			}
			if got := texts(sim.Messages(team, "U0MARIE")[before:]); !slices.Equal(got, tt.want) {
				t.Errorf("%s: got %q", tt.fault.Error, got)
			}
			for _, id := range ids {
				if d := show(t, r, id).Recipients[0]; d.State != tt.state || d.PossibleDuplicate || len(d.History) > 2 || mergedInto(t, r, id) != "" {
					t.Errorf("%s: %+v", tt.fault.Error, d)
				}
			}
			sim.ClearFaults()
		}
	})
}

// The actor is not told in a batch either; the others are.
func TestActorInBatch(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		by := func(actor, text string) string {
			return fmt.Sprintf(`{"to":["U0MARIE"],"actor":%q,"text":%q}`, actor, text)
		}
		const herself, paul = "marie@agrafmania.fr", "paul@agrafmania.fr"
		ids := backUp(t, r, clock, by(herself, "a"), by(paul, "b"), by(herself, "c"), by(paul, "d"))
		step(t, r)
		if got := texts(sim.Messages(team, "U0MARIE")); !slices.Equal(got, []string{"b\n\nd"}) {
			t.Errorf("got %q", got)
		}
		for i, want := range []string{"suppressed", "sent", "suppressed", "sent"} {
			if v := show(t, r, ids[i]); v.Status != want || v.Recipients[0].State != want {
				t.Errorf("%d: %+v", i, v)
			}
		}
		if into := mergedInto(t, r, ids[3]); into != ids[1] {
			t.Errorf("merged into %q, want %q", into, ids[1])
		}
		for _, id := range backUp(t, r, clock, by(herself, "e"), by(herself, "f"), by(herself, "g")) {
			step(t, r)
			if v := show(t, r, id); v.Status != "suppressed" || len(sim.Messages(team, "U0MARIE")) != 1 {
				t.Errorf("%+v", v)
			}
		}
	})
}

// One that waits for its recipient's first look-up may belong in between.
func TestMergingWaitsForLookUp(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		backUp(t, r, clock, marie("a", "b")...)
		mustPost(t, r, to("marie@agrafmania.fr", "c"))
		dm, _ := r.resolve(t.Context(), r.routes()[host], "U0MARIE")
		mustPost(t, r, to(dm, "d"))
		for range 4 {
			step(t, r)
			clock.advance(time.Second)
		}
		got := strings.Join(texts(sim.Messages(team, "U0MARIE")), "\n\n")
		if got != "a\n\nb\n\nc\n\nd" {
			t.Errorf("got %q", got)
		}
	})
}

// A fallback is sent by itself: should it turn out to be to the actor, the next
// one is told.
func TestFallbackIsNotMerged(t *testing.T) {
	r, clock, sim, _ := relayOn(t, sqliteStore(t))
	ids := backUp(t, r, clock, marie("a", "b", "c", "d")...)
	execute(t, r.store, `UPDATE delivery SET instead_of = id WHERE notification_id = $1`, ids[2])
	for range 3 {
		step(t, r)
		clock.advance(time.Second)
	}
	if got := texts(sim.Messages(team, "U0MARIE")); !slices.Equal(got, []string{"a\n\nb", "c", "d"}) {
		t.Errorf("got %q", got)
	}
}

// Where the app may read the history, a batch in doubt is found there: nobody
// gets it twice, and none of it is marked.
func TestDoubtfulBatchIsFound(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		readsHistory(t, sim)
		for _, headless := range []bool{false, true} {
			before := len(sim.Messages(team, "U0MARIE"))
			ids := backUp(t, r, clock, marie("a", "b", "c")...)
			sim.Fault(slacksim.Fault{Method: "chat.postMessage", Kind: slacksim.Reset, After: true, Times: 1})
			step(t, r)
			if headless {
				execute(t, r.store, `UPDATE notification SET expires_at = $1 WHERE id = $2`, clock.now().UnixMilli(), ids[0])
				ids = ids[1:]
			}
			clock.advance(20 * time.Second)
			step(t, r)
			m := sim.Messages(team, "U0MARIE")[before:]
			if got := texts(m); !slices.Equal(got, []string{"a\n\nb\n\nc"}) {
				t.Fatalf("got %q", got)
			}
			for _, id := range ids {
				if d := show(t, r, id).Recipients[0]; d.State != "sent" || d.PossibleDuplicate || d.TS != m[0].TS {
					t.Errorf("got %+v", d)
				}
			}
			clock.advance(time.Second)
		}
	})
}

// One that Slack never got is not in the history, and goes out unmarked.
func TestDoubtfulBatchIsMissing(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		readsHistory(t, sim)
		ids := backUp(t, r, clock, marie("a", "b", "c")...)
		sim.Fault(slacksim.Fault{Method: "chat.postMessage", Kind: slacksim.Reset, Times: 1})
		for range 2 {
			step(t, r)
			clock.advance(20 * time.Second)
		}
		if got := texts(sim.Messages(team, "U0MARIE")); !slices.Equal(got, []string{"a\n\nb\n\nc"}) {
			t.Fatalf("got %q", got)
		}
		for _, id := range ids {
			if d := show(t, r, id).Recipients[0]; d.State != "sent" || d.PossibleDuplicate || d.History[0].Outcome != "not_posted" {
				t.Errorf("got %+v", d)
			}
		}
	})
}

// A batch that a crash left in doubt is found again also if it cannot be found out
// any more that one of it was to its actor: the message did without that one.
func TestBatchInDoubtIsFoundWithoutItsActor(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		readsHistory(t, sim)
		ids := backUp(t, r, clock, append([]string{`{"to":["U0MARIE"],"text":"own","actor":"marie@agrafmania.fr"}`}, marie("b", "c")...)...)
		c := r.sift(t.Context(), mustClaim(t, r))
		if o := r.send(t.Context(), &c); o.class != done {
			t.Fatal(o)
		}
		execute(t, r.store, `UPDATE lane SET lease_owner = NULL, due_at = $1`, clock.now().UnixMilli()) // a restart
		r.cache.Purge()
		sim.Fault(slacksim.Fault{Method: lookupByEmail, Kind: slacksim.ServerError})
		for range 3 {
			step(t, r)
			clock.advance(time.Minute)
		}
		if got := texts(sim.Messages(team, "U0MARIE")); !slices.Equal(got, []string{"b\n\nc"}) {
			t.Errorf("messages %q", got)
		}
		for i, want := range []string{"suppressed", "sent", "sent"} {
			if d := show(t, r, ids[i]).Recipients[0]; d.State != want || d.PossibleDuplicate {
				t.Errorf("%d: %+v, want %s", i, d, want)
			}
		}
	})
}
