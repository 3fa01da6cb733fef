package notifyhook

import (
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/slackapi"
	"github.com/cocoom/cocoom-gateway/internal/slackapi/slackfoe"
	"github.com/cocoom/cocoom-gateway/internal/slacksim"
	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
)

// asksFor is a recipient for whom each method must be called.
var asksFor = map[string]string{
	postMessage: "C0GENERAL", openConversation: "U0MARIE", lookupByEmail: "marie@agrafmania.fr", listConversations: "#ventes",
}

// TestAttackBySlackAtDelivery: each hostile answer instead of each that a
// delivery asks for. None of them ends the delivery or is taken for its success,
// and when Slack's word is good again, the message arrives, once.
func TestAttackBySlackAtDelivery(t *testing.T) {
	var astray atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { astray.Add(1) }))
	t.Cleanup(elsewhere.Close)
	for method, recipient := range asksFor {
		r, clock, sim, log := relayOn(t, sqliteStore(t))
		before := inUse()
		for name, answer := range slackfoe.Answers(elsewhere.URL) {
			t.Run(method+" answers with "+name, func(t *testing.T) {
				sim.Fault(slacksim.Fault{Method: method, Kind: slacksim.Custom, Answer: answer})
				id := mustPost(t, r, to(recipient, "about "+name))
				step(t, r)
				if d := show(t, r, id).Recipients[0]; d.State != "queued" || len(d.Error) > 64 {
					t.Errorf("afterwards it is %s, for %.100q", d.State, d.Error)
				}
				sim.ClearFaults()
				for range 12 {
					clock.advance(10 * time.Minute)
					step(t, r)
				}
				d := show(t, r, id).Recipients[0]
				posted := 0
				for _, text := range texts(sim.Messages(team, d.Channel)) {
					if text == "about "+name {
						posted++
					}
				}
				if d.State != "sent" || posted != 1 {
					t.Errorf("in the end it is %s for %s, and posted %d times", d.State, d.Error, posted)
				}
				clock.advance(2 * knownFor) // forgets the recipient, for the next row
			})
		}
		if more := inUse() - before; more > 16<<20 {
			t.Errorf("%s: %d MiB stay in use", method, more>>20)
		}
		if text := log.String(); strings.Contains(text, "\x1b") || strings.Contains(text, "xoxb-") {
			t.Errorf("%s: Slack's words are in the log", method)
		}
	}
	if n := astray.Load(); n > 0 {
		t.Errorf("%d redirects were followed", n)
	}
}

func inUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// saying answers every call of a method with this JSON.
func saying(sim *slacksim.Sim, method, json string) {
	sim.Fault(slacksim.Fault{Method: method, Kind: slacksim.Custom, Answer: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(json))
	}})
}

// TestAttackByIDs: ids and times that are none reach neither memory nor store,
// whatever the engine: PostgreSQL takes no NUL.
func TestAttackByIDs(t *testing.T) {
	long := strings.Repeat("D", 900<<10)
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r, clock, sim, _ := relayOn(t, s)
		for name, row := range map[string]struct{ method, answer string }{
			"a conversation with NUL":      {openConversation, `{"ok":true,"channel":{"id":"D0\u0000X"}}`},
			"a conversation with a slash":  {openConversation, `{"ok":true,"channel":{"id":"D0/../C0GENERAL"}}`},
			"a conversation of a megabyte": {openConversation, `{"ok":true,"channel":{"id":"` + long + `"}}`},
			"a person with NUL":            {lookupByEmail, `{"ok":true,"user":{"id":"U0\u0000X"}}`},
			"a person of a megabyte":       {lookupByEmail, `{"ok":true,"user":{"id":"` + long + `"}}`},
			"a person who is two":          {lookupByEmail, `{"ok":true,"user":{"id":"U0MARIE,U0PAUL"}}`},
			"a channel with NUL":           {listConversations, `{"ok":true,"channels":[{"id":"C0\u0000","name":"ventes"}],"response_metadata":{"next_cursor":"x"}}`},
			"a channel of a megabyte":      {listConversations, `{"ok":true,"channels":[{"id":"` + long + `","name":"ventes"}],"response_metadata":{"next_cursor":"x"}}`},
			"a cursor of a megabyte":       {listConversations, `{"ok":true,"channels":[],"response_metadata":{"next_cursor":"` + long + `"}}`},
			"a ts with NUL":                {postMessage, `{"ok":true,"channel":"C0GENERAL","ts":"1\u00002"}`},
			"a ts of a megabyte":           {postMessage, `{"ok":true,"channel":"C0GENERAL","ts":"` + long + `"}`},
		} {
			t.Run(name, func(t *testing.T) {
				saying(sim, row.method, row.answer)
				id := mustPost(t, r, to(asksFor[row.method], name))
				step(t, r)
				if d := show(t, r, id).Recipients[0]; d.State != "queued" || d.Error == "" {
					t.Errorf("it is %s for %.80q", d.State, d.Error)
				}
				sim.ClearFaults()
				for range 12 {
					clock.advance(10 * time.Minute)
					step(t, r)
				}
				if d := show(t, r, id).Recipients[0]; d.State != "sent" {
					t.Errorf("in the end it is %s for %.80q", d.State, d.Error)
				}
			})
		}
	})
}

// TestAttackByHostileTs: a message whose channel is none stands where it was sent
// to, and one ts for all of them confuses nobody.
func TestAttackByHostileTs(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		saying(sim, postMessage, `{"ok":true,"channel":"C0\u0000","ts":"1.2","message":{"ts":"1.2","thread_ts":"\u0000"}}`)
		for _, text := range []string{"one", "two", "three"} {
			id := mustPost(t, r, `{"to":["C0GENERAL"],"text":"`+text+`","entity":"dossier/1"}`)
			step(t, r)
			clock.advance(2 * time.Second)
			step(t, r)
			if d := show(t, r, id).Recipients[0]; d.State != "sent" {
				t.Errorf("%s is %s for %s", text, d.State, d.Error)
			}
		}
	})
}

// TestAttackByEndlessList: a list of channels whose cursor repeats itself is no
// list: one page more is asked for, not fifty, and the message is not given up.
func TestAttackByEndlessList(t *testing.T) {
	r, _, sim, _ := relayOn(t, sqliteStore(t))
	var pages atomic.Int32
	sim.Fault(slacksim.Fault{Method: listConversations, Kind: slacksim.Custom, Answer: func(w http.ResponseWriter, _ *http.Request) {
		pages.Add(1)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"ok":true,"channels":[{"id":"C1","name":"one"}],"response_metadata":{"next_cursor":"again"}}`))
	}})
	id := mustPost(t, r, to("#ventes", "x"))
	step(t, r)
	if d := show(t, r, id).Recipients[0]; d.State != "queued" || pages.Load() > 3 {
		t.Errorf("after %d pages it is %s for %s", pages.Load(), d.State, d.Error)
	}
}

// TestAttackBySlowSlackAtDelivery: an answer that comes byte by byte ends with the
// call's time, and other routes do not wait for it.
func TestAttackBySlowSlackAtDelivery(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		r, _, sim := relayInBubble(t, dir)
		sim.Fault(slacksim.Fault{Method: postMessage, Team: team, Kind: slacksim.Custom, Answer: slackfoe.Drip})
		stop := running(t, r)
		defer stop()
		id := mustPost(t, r, to("C0GENERAL", "slow"))
		time.Sleep(callTimeout + time.Second)
		if d := show(t, r, id).Recipients[0]; d.State != "queued" || d.Error != timedOut {
			t.Errorf("it is %s for %s", d.State, d.Error)
		}
		sim.ClearFaults()
		time.Sleep(slackapi.MaxWait)
		if d := show(t, r, id).Recipients[0]; d.State != "sent" {
			t.Errorf("in the end it is %s for %s", d.State, d.Error)
		}
	})
}
