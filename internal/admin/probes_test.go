package admin_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/cocoom/cocoom-gateway/internal/admin"
)

// TestProbes: others than operators learn what does not work, but not why.
func TestProbes(t *testing.T) {
	probes := admin.Probes([]admin.Check{{Name: "store", Run: func(context.Context) error { return errors.New("dial 10.0.0.7: refused") }}})
	for path, want := range map[string]struct {
		status int
		holds  string
	}{"/livez": {200, "alive"}, "/readyz": {503, `"store": "does not work"`}, "/status": {404, ""}} {
		rec := httptest.NewRecorder()
		probes.ServeHTTP(rec, httptest.NewRequest("GET", path, nil))
		if body := rec.Body.String(); rec.Code != want.status || !strings.Contains(body, want.holds) || strings.Contains(body, "10.0.0.7") {
			t.Errorf("%s answered %d %s, want %d %s", path, rec.Code, body, want.status, want.holds)
		}
	}
}
