package main

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestNotificationsCommands: an operator finds what failed, reads why, mends it
// and sends it again; then somebody wants to see, and to be rid of, what is kept
// of them.
func TestNotificationsCommands(t *testing.T) {
	c := customers[0]
	o := newOffice(t, "./data")
	o.config = strings.Replace(o.config, "    login: {}\n", "    login: {}\n    notify: {bearer_tokens: [ck_agrafmania_0123456789]}\n", 1)
	p, _ := o.start("0")
	at := "--admin=" + p.admin.addr()
	o.member(p, "U0PAUL")
	accept := func(to string) string {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+p.public.addr()+"/.gateway/v1/notifications", strings.NewReader(`{"to":["`+to+`"],"text":"Facture validée"}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Host = strings.TrimPrefix(o.origin, "http://")
		req.Header.Set("Authorization", "Bearer ck_agrafmania_0123456789")
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusAccepted {
			t.Fatalf("the webhook answered %s", resp.Status)
		}
		var answer struct{ ID string }
		if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
			t.Fatal(err)
		}
		return answer.ID
	}
	shows := func(id string, words ...string) {
		t.Helper()
		said := ""
		for end := time.Now().Add(10 * time.Second); time.Now().Before(end); { // until it is delivered, or not
			if said = command(t, "notifications", "show", at, id); !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(said, w) }) {
				return
			}
		}
		t.Errorf("want %q, got\n%s", words, said)
	}
	sent, lost := accept("paul@agrafmania.fr"), accept("nobody@agrafmania.fr")
	shows(sent, sent+": sent, on "+c.Host, "\npaul@agrafmania.fr: sent\n  Accepted 20", "after it was accepted")
	shows(lost, "Given up (users_not_found): nobody in the workspace has this e-mail address")
	if list := command(t, "notifications", "list", at, "--status", "failed"); !strings.Contains(list, lost) || strings.Contains(list, sent) || !strings.Contains(list, "users_not_found") {
		t.Errorf("list says\n%s", list)
	}
	if out := command(t, "notifications", "list", at, "--limit", "1"); strings.Count(out, "ntf_") != 1 || !strings.Contains(out, "and older ones") {
		t.Errorf("list of one says\n%s", out)
	}
	if out := command(t, "notifications", "replay", at, "--failed", "--route", c.Host, "--error", "users_not_found", "--yes"); !strings.Contains(out, lost+" is sent again as ntf_") {
		t.Errorf("replay says %s", out)
	}
	for _, args := range [][]string{{"replay"}, {"replay", "--failed", "--yes"}, {"replay", "--failed", "--route", c.Host}, {"replay", lost, "--failed"}, {"replay", sent}, {"show", "ntf_none"}} {
		exits(t, 1, append([]string{"notifications", at}, args...)...)
	}

	if out := command(t, "people", "export", at, c.Host, "paul@agrafmania.fr"); !strings.Contains(out, "Facture validée") || !strings.Contains(out, `"user_id": "U0PAUL"`) || !strings.Contains(out, `"address": "127.0.0.1"`) {
		t.Errorf("export says %s", out)
	}
	if _, errs := exits(t, 1, "people", "erase", at, c.Host, "U0PAUL"); !strings.Contains(errs, "nothing was removed: add --yes") {
		t.Errorf("erase without a word says %s", errs)
	}
	if out := command(t, "people", "erase", at, c.Host, "U0PAUL", "--yes"); !strings.HasPrefix(out, "removed: 1 session, 0 saved forms, 0 break-glass links, 1 notification, 0 threads\n") {
		t.Errorf("erase says %s", out)
	}
	if out := command(t, "sessions", "list", at); out != "nobody is signed in\n" {
		t.Errorf("afterwards %s", out)
	}
	if got := audited(t, p); !slices.Equal(got, []string{"lea notifications.replayed", "lea people.exported", "lea people.erased"}) {
		t.Errorf("the audit says %q", got)
	}
}
