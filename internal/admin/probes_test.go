package admin_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/cocoom/cocoom-gateway/internal/admin"
)

// TestProbes: others than operators learn what does not work, but not why. What
// has only something to say keeps no requests away, and what a restart would mend
// is what /livez asks about, alone.
func TestProbes(t *testing.T) {
	check := func(name string, err error, live bool) admin.Check {
		return admin.Check{Name: name, Live: live, Run: func(context.Context) error { return err }}
	}
	down, notice := errors.New("dial 10.0.0.7: refused"), admin.Notice("10.0.0.7 has mistakes")
	for _, row := range []struct {
		name   string
		checks []admin.Check
		path   string
		status int
		holds  string
	}{
		{"nothing to check", nil, "/readyz", 200, `"ready"`},
		{"all is well", []admin.Check{check("store", nil, false), check("loop", nil, true)}, "/readyz", 200, `"ready"`},
		{"all is well", []admin.Check{check("store", nil, false), check("loop", nil, true)}, "/livez", 200, `"alive"`},
		{"the store is away", []admin.Check{check("store", down, false)}, "/readyz", 503, `"store": "does not work"`},
		{"a restart does not bring it back", []admin.Check{check("store", down, false)}, "/livez", 200, "alive"},
		{"a loop is stuck", []admin.Check{check("loop", down, true)}, "/livez", 503, `"loop": "does not work"`},
		{"that is for livez to say", []admin.Check{check("loop", down, true)}, "/readyz", 200, "ready"},
		{"a notice", []admin.Check{check("configuration", notice, false)}, "/readyz", 200, `"configuration": "needs attention"`},
		{"a notice and trouble", []admin.Check{check("store", down, false), check("configuration", notice, false)}, "/readyz", 503, "needs attention"},
		{"nothing else is there", nil, "/status", 404, ""},
	} {
		rec := httptest.NewRecorder()
		admin.Probes(row.checks).ServeHTTP(rec, httptest.NewRequest("GET", row.path, nil))
		if body := rec.Body.String(); rec.Code != row.status || !strings.Contains(body, row.holds) || strings.Contains(body, "10.0.0.7") {
			t.Errorf("%s: %s answered %d %s, want %d %s", row.name, row.path, rec.Code, body, row.status, row.holds)
		}
	}
}

// TestConfigurationIsTold: operators learn what is wrong with a file that is not
// in force.
func TestConfigurationIsTold(t *testing.T) {
	bad := admin.Configuration{Error: "gateway.yaml:3:1: unknown key"}
	l := newListener(t, func(cfg *admin.Config) {
		cfg.Ready = []admin.Check{{Name: "configuration", Run: func(context.Context) error { return bad.Check() }}}
	})
	if status, said := l.ask("GET", "/readyz", ""); status != 200 || !strings.Contains(said, "gateway.yaml:3:1") {
		t.Errorf("answered %d %s", status, said)
	}
	if status, said := l.ask("GET", "/readyz", "", "Host", "evil.example"); status != 200 || strings.Contains(said, "gateway.yaml") {
		t.Errorf("a name that was made to lead here is answered %d %s", status, said)
	}
	if err := (admin.Configuration{}).Check(); err != nil {
		t.Errorf("a configuration without mistakes says %v", err)
	}
}
