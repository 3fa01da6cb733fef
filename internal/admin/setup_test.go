package admin_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/cocoom/cocoom-gateway/internal/admin"
)

// TestSetup: the way of a setup link, as operators ask for it, and who may ask.
func TestSetup(t *testing.T) {
	l := newListener(t)
	const body = `{"by":"lea","host":"m.localhost"}`
	for _, path := range []string{"/setup", "/setup/revoke", "/setup/reset", "/setup/token"} {
		if status, said := l.ask("POST", path, `{"by":"lea","host":"a.localhost"}`); status != 400 || !strings.Contains(said, "managed: true") {
			t.Errorf("%s of a route that is not managed: %d %s", path, status, said)
		}
		if status, _ := l.ask("POST", path, `{"host":"m.localhost"}`); status != 400 {
			t.Errorf("%s by nobody: %d", path, status)
		}
		if status, _ := l.ask("POST", path, body, "X-Forwarded-For", "192.0.2.1"); status != 403 {
			t.Errorf("%s from elsewhere: %d", path, status)
		}
	}
	var link admin.SetupLink
	status, said := l.ask("POST", "/setup", body)
	if err := json.Unmarshal([]byte(said), &link); err != nil || status != 200 || link.Hook == nil || !strings.HasPrefix(link.URL, "http://m.localhost/.gateway/setup?key=") {
		t.Fatalf("answered %d %s", status, said)
	}
	var made admin.HookToken
	status, said = l.ask("POST", "/setup/token", body)
	if err := json.Unmarshal([]byte(said), &made); err != nil || status != 200 || made.Token == link.Hook.Token || made.URL != "http://m.localhost/.gateway/v1/notifications" {
		t.Errorf("a new token: %d %s", status, said)
	}
	state := func() admin.SetupStatus {
		t.Helper()
		var s admin.SetupStatus
		status, said := l.ask("GET", "/setup?host=m.localhost", "")
		if err := json.Unmarshal([]byte(said), &s); err != nil || status != 200 || strings.Contains(said, made.Token) {
			t.Fatalf("answered %d %s", status, said)
		}
		return s
	}
	if s := state(); s.Installed || !s.HookToken || s.Link == nil || s.Link.State != "open" || s.Link.By != "lea" {
		t.Errorf("the status is %+v", s)
	}
	if status, said := l.ask("POST", "/setup/revoke", body); status != 200 {
		t.Errorf("revoked: %d %s", status, said)
	}
	if s := state(); s.Link.State != "revoked" {
		t.Errorf("then the link is %s", s.Link.State)
	}
	want := []string{"lea setup.made m.localhost", "lea setup.token m.localhost", "lea setup.revoked m.localhost"}
	if got := l.audit(); !slices.Equal(got, want) {
		t.Errorf("the audit says %q", got)
	}
}
