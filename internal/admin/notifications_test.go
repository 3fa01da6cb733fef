package admin_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/cocoom/cocoom-gateway/notifyhook"
)

// TestNotifications: the list and its filters, one with its sentences, every
// mistake.
func TestNotifications(t *testing.T) {
	l := newListener(t)
	l.addNotification()
	count := func(query string) int {
		t.Helper()
		status, said := l.ask("GET", "/notifications"+query, "")
		var page notifyhook.Page
		if err := json.Unmarshal([]byte(said), &page); err != nil || status != 200 || page.Items == nil {
			t.Errorf("%s answered %d %s", query, status, said)
		}
		return len(page.Items)
	}
	for query, want := range map[string]int{"": 1, "?route=a.localhost": 1, "?route=b.localhost": 0, "?to=PAUL@example.com&limit=1": 1, "?to=U1": 0,
		"?status=queued": 1, "?status=failed": 0, "?since=2026-11-24T08:00:00Z": 0, "?since=": 1} {
		if got := count(query); got != want {
			t.Errorf("%q lists %d, want %d", query, got, want)
		}
	}
	for _, query := range []string{"?limit=0", "?limit=x", "?limit=101", "?cursor=x", "?status=lost", "?since=yesterday", "?rout=a.localhost"} {
		if status, said := l.ask("GET", "/notifications"+query, ""); status != 400 {
			t.Errorf("%s answered %d %s", query, status, said)
		}
	}
	var n notifyhook.Explained
	if status, said := l.ask("GET", "/notifications/ntf_1", ""); status != 200 || json.Unmarshal([]byte(said), &n) != nil || n.Route != "a.localhost" ||
		len(n.Why) != 1 || !strings.Contains(strings.Join(n.Why[0].Sentences, " "), "No route of this gateway uses the Slack app") {
		t.Errorf("answered %d %s", status, said)
	}
	if status, said := l.ask("GET", "/notifications/ntf_none", ""); status != 404 || !strings.Contains(said, "no such notification") {
		t.Errorf("what is not there: %d %s", status, said)
	}
}

// TestReplayMistakes: what is not clear replays nothing, and is not audited.
func TestReplayMistakes(t *testing.T) {
	l := newListener(t)
	l.addNotification()
	for body, want := range map[string]int{
		`{"by":"lea"}`:                                                400,
		`{"by":"lea","route":"a.localhost"}`:                          400,
		`{"by":"lea","failed":true}`:                                  400,
		`{"by":"lea","id":"ntf_1","failed":true}`:                     400,
		`{"by":"lea","id":"ntf_1","error":"not_in_channel"}`:          400,
		`{"by":"lea","route":"a.localhost","failed":true,"all":true}`: 400,
		`{"by":"lea","id":"ntf_none"}`:                                404,
		`{"by":"lea","id":"ntf_1","route":"b.localhost"}`:             404,
		`{"by":"lea","route":"a.localhost","failed":true}`:            200,
	} {
		if status, said := l.ask("POST", "/notifications/replay", body); status != want {
			t.Errorf("%s: answered %d %s, want %d", body, status, said, want)
		}
	}
	if got := l.audit(); slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, "replayed") }) {
		t.Errorf("the audit says %q", got)
	}
}
