package notifyhook

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
)

// everything is every text that the tables of notifications hold.
func everything(t *testing.T, r *Relay) string {
	t.Helper()
	var all []string
	for _, query := range []string{`SELECT id || ' ' || request FROM notification ORDER BY seq`,
		`SELECT recipient || ' ' || lane || ' ' || slack_channel FROM delivery ORDER BY seq`, `SELECT lane || ' ' || COALESCE(conversation, '') FROM lane ORDER BY lane`, `SELECT lane || ' ' || entity FROM entity`} {
		rows, err := r.store.Read().Query(query)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var s string
			if err := rows.Scan(&s); err != nil {
				t.Fatal(err)
			}
			all = append(all, s)
		}
	}
	return strings.Join(all, "\n")
}

// TestPersonIsExportedAndErased: whatever name the app used for Marie, what she
// was told and did comes out, without other people; then it is gone, what waits
// for her is not sent, and the others keep theirs.
func TestPersonIsExportedAndErased(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		mustPost(t, r, to("marie@agrafmania.fr", "by address"))
		mustPost(t, r, to("U0MARIE", "by id"))
		mustPost(t, r, `{"to":["U0MARIE","U0PAUL"],"text":"to both"}`)
		mustPost(t, r, `{"to":["U0PAUL"],"actor":"Marie@agrafmania.fr","text":"what she did"}`)
		mustPost(t, r, `{"to":["#ventes"],"fallback":["U0MARIE"],"text":"fallback"}`)
		mustPost(t, r, to("paul@agrafmania.fr", "nothing of hers"))
		for range 5 {
			step(t, r)
			clock.advance(2 * time.Second)
		}
		r.cache.Purge() // as after a restart
		mustPost(t, r, `{"to":["marie@agrafmania.fr"],"text":"later","send_at":"2026-11-24T09:00:00Z"}`)
		queued := mustPost(t, r, `{"to":["U0MARIE","U0PAUL"],"text":"not yet"}`)
		execute(t, r.store, `INSERT INTO entity (lane, route, entity, channel, ts, changed_at) SELECT lane, route, 'invoice:1', 'D1', '1.1', 1 FROM delivery WHERE recipient = 'U0MARIE' AND lane LIKE '%/%' LIMIT 1`)

		for _, name := range []string{"MARIE@agrafmania.fr", "U0MARIE"} {
			e, err := r.ExportPerson(t.Context(), host, []string{name}, "")
			if err != nil {
				t.Fatal(err)
			}
			text, _ := json.Marshal(e)
			for _, word := range []string{"by id", "to both", "not yet", `"entity":"invoice:1"`} {
				if !strings.Contains(string(text), word) {
					t.Errorf("by %s: %q is not in %s", name, word, text)
				}
			}
			for _, word := range []string{"paul", "PAUL", "nothing of hers", "#ventes"} {
				if strings.Contains(string(text), word) {
					t.Errorf("by %s: %q is in %s", name, word, text)
				}
			}
		}
		both := []string{"U0MARIE", "marie@agrafmania.fr"}
		if e, err := r.ExportPerson(t.Context(), host, both, ""); err != nil || len(e.Notifications) != 7 || len(e.Conversations) != 1 {
			t.Errorf("by both names %d notifications, %q (%v), want 7", len(e.Notifications), e.Conversations, err)
		}
		done, err := r.ErasePerson(t.Context(), host, both)
		if want := (Erased{Notifications: 3, Changed: 4, Deliveries: 5, Cancelled: 2, Threads: 1}); err != nil || done != want {
			t.Errorf("erased %+v (%v), want %+v", done, err, want)
		}
		left := everything(t, r)
		for _, word := range []string{"marie", "by address", "by id", "later", "invoice:1"} {
			if strings.Contains(strings.ToLower(left), word) {
				t.Errorf("%q is left in\n%s", word, left)
			}
		}
		before := len(sim.Messages(team, ""))
		clock.advance(48 * time.Hour / 4)
		step(t, r)
		clock.advance(time.Second)
		step(t, r)
		if got := len(sim.Messages(team, "")) - before; got != 1 || show(t, r, queued).Status != "sent" {
			t.Errorf("then %d messages are sent, want one, to Paul; that is %s", got, show(t, r, queued).Status)
		}
		if done, err = r.ErasePerson(t.Context(), host, both); err != nil || done != (Erased{}) {
			t.Errorf("a second time erased %+v (%v)", done, err)
		}
		if e, err := r.ExportPerson(t.Context(), host, both, ""); err != nil || len(e.Notifications) != 0 {
			t.Errorf("afterwards %+v (%v)", e, err)
		}
	})
}

// TestEraseDuringACall: what is with Slack at that moment writes nothing about
// the person any more, and the lane goes on for others.
func TestEraseDuringACall(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		for name, recipient := range map[string]string{"look-up": "marie@agrafmania.fr", "message": "D0MARIE"} {
			mustPost(t, r, to(recipient, name))
			claims, err := r.claim(context.Background(), workers)
			if err != nil || len(claims) != 1 {
				t.Fatalf("%s: %d claims (%v)", name, len(claims), err)
			}
			execute(t, r.store, `UPDATE delivery SET recipient = 'U0MARIE' WHERE recipient = 'D0MARIE'`)
			done, err := r.ErasePerson(t.Context(), host, []string{"marie@agrafmania.fr", "U0MARIE"})
			if err != nil || done.Notifications != 1 || done.Cancelled+done.Sending != 1 {
				t.Errorf("%s: erased %+v (%v)", name, done, err)
			}
			r.settle(t.Context(), claims[0], outcome{class: transient, method: lookupByEmail, reason: "dns"})
			if left := everything(t, r); left != "" {
				t.Errorf("%s: left is\n%s", name, left)
			}
		}
	})
}

// TestExportPages: however many there are, each comes out once.
func TestExportPages(t *testing.T) {
	r, _, _ := newTestRelay(t, sqliteStore(t), "")
	want := exportRows + 1
	for i := range want {
		mustPost(t, r, to("U0MARIE", fmt.Sprintf("n%d.", i)))
	}
	seen, pages := map[string]bool{}, 0
	for cursor := ""; ; pages++ {
		e, err := r.ExportPerson(t.Context(), host, []string{"U0MARIE"}, cursor)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range e.Notifications {
			seen[n.ID] = true
		}
		if cursor = e.Next; cursor == "" {
			break
		}
	}
	if len(seen) != want || pages != 1 {
		t.Errorf("%d on %d pages, want %d on 2", len(seen), pages+1, want)
	}
	if _, err := r.ExportPerson(t.Context(), host, []string{"U0MARIE"}, "x"); err == nil {
		t.Error("a cursor that is none passes")
	}
}
