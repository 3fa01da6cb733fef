package notifyhook

import (
	"encoding/json"
	"testing"

	"github.com/cocoom/cocoom-gateway/internal/store"
)

// posted is where a delivery's message stands first, and how often in all.
type posted struct {
	place string
	first string // its ts
	times int
}

// check holds what the store says against what Slack got.
func (k *killing) check(t *testing.T, s *store.Store, history bool) {
	t.Helper()
	for key, id := range k.accepted {
		var got, status string
		var finished bool
		if err := s.Read().QueryRow(`SELECT id, status, finished_at IS NOT NULL FROM notification WHERE route = $1 AND idem_key = $2`, host, key).Scan(&got, &status, &finished); err != nil ||
			got != id || !finished || status == "queued" {
			t.Errorf("%s was answered with %s, and is %q %s, finished %v: %v", key, id, got, status, finished, err)
		}
	}
	var n int
	if err := s.Read().QueryRow(`SELECT COUNT(*) FROM notification`).Scan(&n); err != nil || n < len(k.accepted) || n > k.asked {
		t.Errorf("%d notifications, %d accepted, %d asked, %v", n, len(k.accepted), k.asked, err)
	}
	there, merged := map[string]posted{}, 0
	for _, m := range k.sim.Messages(team, "") { // oldest first
		var mark struct {
			Payload struct {
				ID   string
				With []string // merged into it
			} `json:"event_payload"`
		}
		if err := json.Unmarshal(m.Metadata, &mark); err != nil || mark.Payload.ID == "" {
			t.Fatalf("message %+v: %v", m, err)
		}
		for _, id := range append(mark.Payload.With, mark.Payload.ID) {
			p := there[id]
			if p.times++; p.times == 1 {
				p.place, p.first = m.Channel, m.TS
			}
			there[id] = p
		}
		merged += len(mark.Payload.With)
	}
	t.Logf("%d merged", merged)
	checkDeliveries(t, s, there, history)
}

func checkDeliveries(t *testing.T, s *store.Store, there map[string]posted, history bool) {
	t.Helper()
	rows, err := s.Read().Query(`SELECT id, recipient, state, last_error, possible_duplicate FROM delivery ORDER BY seq`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	latest, all, marked, unknown := map[string]string{}, 0, 0, 0
	for rows.Next() {
		var id, to, state, reason string
		var mark bool
		if err := rows.Scan(&id, &to, &state, &reason, &mark); err != nil {
			t.Fatal(err)
		}
		p := there[id]
		delete(there, id)
		all++
		if mark {
			marked++
		}
		if reason == "outcome_unknown" {
			unknown++
		}
		switch {
		case state != "sent" && state != "dead":
			t.Errorf("%s to %s ended as %s", id, to, state)
		case state == "sent" && p.times == 0:
			t.Errorf("%s to %s is sent, and nowhere", id, to)
		case state == "dead" && p.times > 0 && reason != "outcome_unknown":
			t.Errorf("%s to %s is dead (%s), and posted", id, to, reason)
		case p.times > 1 && !mark:
			t.Errorf("%s to %s was posted %d times, unmarked", id, to, p.times)
		case history && (p.times > 1 || mark):
			t.Errorf("%s to %s was posted %d times, marked %v, though Slack's history can be read", id, to, p.times, mark)
		case p.times > 0 && p.first < latest[p.place]:
			t.Errorf("%s to %s came after younger ones", id, to)
		}
		if p.times > 0 {
			latest[p.place] = p.first
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if len(there) > 0 {
		t.Errorf("Slack has messages of nobody: %+v", there)
	}
	t.Logf("%d deliveries, %d marked, %d dead in doubt", all, marked, unknown)
}
