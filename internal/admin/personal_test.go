package admin_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/cocoom/cocoom-gateway/internal/admin"
)

// addNotification puts one to Paul into the store, that he has not got yet.
func (l *listener) addNotification() {
	l.t.Helper()
	l.exec(`INSERT INTO notification (id, route, request, accepted_at, expires_at) VALUES ('ntf_1', 'a.localhost', '{"to":["paul@example.com"],"text":"hello"}', 1, 9000000000000)`)
	l.exec(`INSERT INTO lane (lane, app, due_at) VALUES ('a.localhost>paul@example.com', 'a.localhost', 1)`)
	l.exec(`INSERT INTO delivery (id, notification_id, route, recipient, lane, accepted_at, due_at) VALUES ('dlv_1', 'ntf_1', 'a.localhost', 'paul@example.com', 'a.localhost>paul@example.com', 1, 1)`)
}

// TestExportAndErasePerson: both parts answer as one; a former address finds
// what was sent to it; who is meant must be clear.
func TestExportAndErasePerson(t *testing.T) {
	l := newListener(t)
	l.addPeople()
	l.addNotification()
	export := func(person string) admin.PersonExport {
		t.Helper()
		status, said := l.ask("POST", "/people/export", `{"by":"lea","host":"a.localhost","person":"`+person+`"}`)
		var e admin.PersonExport
		if err := json.Unmarshal([]byte(said), &e); err != nil || status != 200 || e.Gateway == nil {
			t.Fatalf("%s: answered %d %s", person, status, said)
		}
		return e
	}
	if e := export("U0PAUL"); len(e.Gateway.People) != 1 || len(e.Notifications.Notifications) != 1 || string(e.Notifications.Notifications[0].Request["text"]) != `"hello"` {
		t.Errorf("exported %+v", e)
	}
	for body, want := range map[string]string{
		`{"by":"lea","host":"c.localhost","person":"U0PAUL"}`: "no route",
		`{"by":"lea","host":"a.localhost","person":"Paul"}`:   "",
		`{"by":"lea","host":"a.localhost","person":"a b"}`:    "neither an e-mail address nor a user id",
		`{"by":"lea","host":"a.localhost"}`:                   "neither an e-mail address nor a user id",
	} {
		for _, path := range []string{"/people/export", "/people/erase"} {
			if status, said := l.ask("POST", path, body); want != "" && (status != 400 || !strings.Contains(said, want)) {
				t.Errorf("%s %s: answered %d %s, want %q", path, body, status, said, want)
			}
		}
	}
	status, said := l.ask("POST", "/people/erase", `{"by":"lea","host":"a.localhost","person":"boss@example.com"}`)
	var done admin.PersonErased
	if err := json.Unmarshal([]byte(said), &done); err != nil || status != 200 || done.Gateway.People != 1 || done.Notifications.Notifications != 1 || done.Notifications.Cancelled != 1 {
		t.Errorf("answered %d %s", status, said)
	}
	if e := export("U0PAUL"); len(e.Gateway.People)+len(e.Notifications.Notifications) != 0 {
		t.Errorf("afterwards %+v", e)
	}
	if e := export("U0MARIE"); len(e.Gateway.People) != 1 {
		t.Errorf("of another %+v", e)
	}
	if got := l.audit(); !slices.Contains(got, "lea people.erased a.localhost") || strings.Contains(strings.Join(got, "\n"), "PAUL") {
		t.Errorf("the audit says %q", got)
	}
}
