package notifyhook

import (
	"errors"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
)

func cancelIt(r *Relay, id string) *httptest.ResponseRecorder {
	return call(r, "DELETE", "/v1/notifications/"+id, "", "Authorization", "Bearer "+testToken)
}

func states(n Notification) []string {
	var out []string
	for _, d := range n.Recipients {
		out = append(out, d.State)
	}
	return out
}

func TestCancel(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		at := clock.now().Add(time.Hour).Format(time.RFC3339)
		scheduled := mustPost(t, r, `{"to":["C0GENERAL","marie@agrafmania.fr"],"text":"x","send_at":"`+at+`"}`)
		if w := cancelIt(r, scheduled); w.Code != 200 || decode(t, w).Status != "cancelled" {
			t.Errorf("scheduled: %d %s", w.Code, w.Body)
		}
		if w := cancelIt(r, scheduled); w.Code != 200 {
			t.Errorf("again: %d %s", w.Code, w.Body)
		}
		mustPost(t, r, to("C0GENERAL", "first"))
		behind := mustPost(t, r, `{"to":["C0GENERAL","C0VENTES"],"text":"x"}`)
		last := mustPost(t, r, to("C0GENERAL", "last"))
		step(t, r)
		w := cancelIt(r, behind)
		if n := show(t, r, behind); w.Code != 200 || !slices.Equal(states(n), []string{"cancelled", "sent"}) || n.Status != "sent" || n.FinishedAt == nil {
			t.Errorf("partly sent: %d %+v", w.Code, n)
		}
		w = cancelIt(r, behind)
		if a := decode(t, w); w.Code != 409 || a.Code != "nothing_to_cancel" || a.Retryable || len(a.Errors) != 2 || a.Errors[1] != (fieldError{Field: "C0VENTES", Code: "sent"}) {
			t.Errorf("over: %d %s", w.Code, w.Body)
		}
		for range 3 {
			clock.advance(pace)
			step(t, r)
		}
		if show(t, r, last).Status != "sent" {
			t.Error("the lane did not go on behind what was cancelled")
		}
		clock.advance(2 * time.Hour)
		step(t, r)
		if got := texts(sim.Messages(team, "C0GENERAL")); !slices.Equal(got, []string{"first", "last"}) {
			t.Errorf("messages %q", got)
		}
		if n := len(sim.Messages(team, "U0MARIE")); n != 0 {
			t.Errorf("%d messages to marie", n)
		}
		if w := cancelIt(r, "ntf_unknown"); w.Code != 404 {
			t.Errorf("unknown: %d", w.Code)
		}
		if _, err := r.cancel(t.Context(), otherHost, last); err != nil || show(t, r, last).Status != "sent" {
			t.Error("another route cancels")
		}
	})
}

// What is being sent is its worker's: cancelling comes too late, and leaves the
// rest of the notification to itself.
func TestCancelWhileSending(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		id := mustPost(t, r, to("C0GENERAL", "x"))
		claims, err := r.claim(t.Context(), workers)
		if err != nil || len(claims) != 1 {
			t.Fatal(claims, err)
		}
		if w := cancelIt(r, id); w.Code != 409 || decode(t, w).Errors[0].Code != "sending" {
			t.Errorf("got %d %s", w.Code, w.Body)
		}
		r.work(t.Context(), claims[0])
		if n := show(t, r, id); n.Status != "sent" {
			t.Errorf("got %+v", n)
		}
		// Looked up when it is cancelled: nothing is moved, nothing sent.
		id = mustPost(t, r, to("marie@agrafmania.fr", "x"))
		if claims, err = r.claim(t.Context(), workers); err != nil || len(claims) != 1 {
			t.Fatal(claims, err)
		}
		if w := cancelIt(r, id); w.Code != 200 {
			t.Errorf("got %d %s", w.Code, w.Body)
		}
		r.work(t.Context(), claims[0])
		step(t, r)
		if n := show(t, r, id); n.Status != "cancelled" || len(sim.Messages(team, "U0MARIE")) != 0 {
			t.Errorf("got %+v", n)
		}
	})
}

// However claims and cancellations meet, each delivery is either sent or
// cancelled, and who was told that it is cancelled was told the truth.
func TestCancelMeetsClaim(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		var ids []string
		for range 40 {
			ids = append(ids, mustPost(t, r, to("C0GENERAL", "x")))
		}
		var mu sync.Mutex
		cancelled := map[string]bool{}
		var group sync.WaitGroup
		group.Go(func() {
			for _, id := range ids {
				if w := cancelIt(r, id); w.Code == 200 {
					mu.Lock()
					cancelled[id] = true
					mu.Unlock()
				}
			}
		})
		group.Go(func() {
			for range 50 {
				step(t, r)
				clock.advance(pace)
			}
		})
		group.Wait()
		for range 41 {
			clock.advance(pace)
			step(t, r)
		}
		sent := 0
		for _, id := range ids {
			n := show(t, r, id)
			if n.Status == "sent" {
				sent++
			}
			if (n.Status == "cancelled") != cancelled[id] || n.Status != "sent" && n.Status != "cancelled" {
				t.Errorf("%s is %s, cancelled: %v", id, n.Status, cancelled[id])
			}
		}
		if got := len(sim.Messages(team, "C0GENERAL")); got != sent {
			t.Errorf("%d messages, %d sent", got, sent)
		}
	})
}

func TestReplay(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		replay := func(id, query, body string) *httptest.ResponseRecorder {
			return postTo(r, "/v1/notifications/"+id+"/replay"+query, body)
		}
		id := mustPost(t, r, `{"key":"k","to":["C0GENERAL","C0OLD","marie@agrafmania.fr"],"actor":"marie@agrafmania.fr","text":"x","expires_in":60}`)
		if w := replay(id, "", ""); w.Code != 409 || decode(t, w).Code != "nothing_to_replay" || decode(t, w).Retryable {
			t.Errorf("nothing failed yet: %d %s", w.Code, w.Body)
		}
		step(t, r)
		if n := show(t, r, id); n.Status != "partial" {
			t.Fatalf("got %+v", n)
		}
		clock.advance(time.Hour)
		w := replay(id, "", "")
		a := decode(t, w)
		if w.Code != 202 || a.ID == id || len(a.Recipients) != 1 || a.Recipients[0].To != "C0OLD" {
			t.Fatalf("got %d %s", w.Code, w.Body)
		}
		again := replay(id, "", "{}")
		if b := decode(t, again); again.Code != 200 || b.ID != a.ID || !b.Duplicate {
			t.Errorf("while it is under way: %d %s", again.Code, again.Body)
		}
		n := show(t, r, a.ID)
		if n.ReplayOf != id || n.Key != "" || n.Credential != "bearer:1" || !n.ExpiresAt.Equal(clock.now().Add(time.Minute)) {
			t.Errorf("got %+v", n)
		}
		step(t, r)
		if n := show(t, r, a.ID); n.Status != "failed" {
			t.Errorf("got %+v", n)
		}
		if b := decode(t, replay(id, "", "")); b.ID == a.ID || b.Status != "queued" {
			t.Errorf("after the first had ended: %+v", b)
		}
		for name, w := range map[string]*httptest.ResponseRecorder{"query": replay(id, "?all=1", ""), "JSON": replay(id, "", `{"all":true}`)} {
			if b := decode(t, w); len(b.Recipients) != 3 || b.Recipients[2].State != "suppressed" {
				t.Errorf("all by %s: %d %s", name, w.Code, w.Body)
			}
		}
		for _, tt := range []struct {
			id, query, body string
			status          int
		}{
			{"ntf_unknown", "", "", 404}, {id, "?all=perhaps", "", 422}, {id, "", `{"all":7}`, 422}, {id, "", "[]", 400},
		} {
			if w := replay(tt.id, tt.query, tt.body); w.Code != tt.status {
				t.Errorf("%+v: %d %s", tt, w.Code, w.Body)
			}
		}
	})
}

// A replay goes to the end of its lane.
func TestReplayStandsInLine(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		sim.Fault(slacksim.Fault{Method: "chat.postMessage", Error: "is_archived", Times: 1})
		id := mustPost(t, r, to("C0GENERAL", "failed"))
		step(t, r)
		mustPost(t, r, to("C0GENERAL", "waits"))
		newID, err := r.Replay(t.Context(), "", id, false)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			clock.advance(pace)
			step(t, r)
		}
		if got := texts(sim.Messages(team, "C0GENERAL")); !slices.Equal(got, []string{"waits", "failed"}) {
			t.Errorf("messages %q", got)
		}
		if n := show(t, r, newID); n.Credential != byOperator || n.Status != "sent" {
			t.Errorf("got %+v", n)
		}
		for _, tt := range []struct {
			route, id string
			want      error
		}{{host, newID, ErrNothingToReplay}, {otherHost, id, ErrNotFound}, {"", "ntf_unknown", ErrNotFound}} {
			if _, err := r.Replay(t.Context(), tt.route, tt.id, false); !errors.Is(err, tt.want) {
				t.Errorf("%+v: %v", tt, err)
			}
		}
	})
}

// What a fallback got to its reader has not failed; what it did not, has.
func TestReplayHeedsFallbacks(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r, _, _ := newTestRelay(t, s, "")
		id := mustPost(t, r, `{"to":["C01","C02","C03"],"text":"x"}`)
		execute(t, s, `UPDATE delivery SET state = 'dead'`)
		for i, state := range []string{"sent", "dead"} {
			execute(t, s, `INSERT INTO delivery (id, notification_id, route, recipient, lane, state, accepted_at, due_at, instead_of)
				SELECT 'f' || recipient, notification_id, route, '#ventes', lane, CAST($1 AS TEXT), accepted_at, due_at, id FROM delivery WHERE recipient = $2`,
				state, []string{"C01", "C02"}[i])
		}
		newID, err := r.Replay(t.Context(), host, id, false)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, d := range show(t, r, newID).Recipients {
			got = append(got, d.To)
		}
		if !slices.Equal(got, []string{"C02", "C03"}) {
			t.Errorf("repeated to %q", got)
		}
	})
}
