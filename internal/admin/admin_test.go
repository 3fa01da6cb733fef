package admin_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"
)

func TestPages(t *testing.T) {
	l := newListener(t)
	get := func(path string) (int, map[string]any) {
		t.Helper()
		status, said := l.ask("GET", path, "")
		var body map[string]any
		if err := json.Unmarshal([]byte(said), &body); err != nil && status != 404 {
			t.Fatal(err)
		}
		return status, body
	}
	for _, row := range []struct {
		path   string
		broken error
		status int
		key    string
		want   any
	}{
		{"/livez", nil, 200, "status", "alive"},
		{"/readyz", nil, 200, "status", "ready"},
		{"/readyz", errors.New("disk gone"), 503, "store", "disk gone"},
		{"/livez", errors.New("disk gone"), 200, "status", "alive"},
		{"/none", nil, 404, "", nil},
	} {
		l.broken = row.broken
		status, body := get(row.path)
		if status != row.status || body[row.key] != row.want {
			t.Errorf("%s with %v answered %d %v", row.path, row.broken, status, body)
		}
	}
	status, body := get("/status")
	deliveries, _ := body["deliveries"].(map[string]any)
	if status != 200 || deliveries["queued"] != float64(0) || body["alarms"] == nil || body["people"] == nil || body["sessions"] != "honoured" || body["version"] != "test" || body["configuration"] == nil {
		t.Errorf("/status answered %d %v", status, body)
	}
	if err := l.store.Close(); err != nil {
		t.Fatal(err)
	}
	status, body = get("/status")
	for end := time.Now().Add(20 * time.Second); status == 200 && time.Now().Before(end); status, body = get("/status") {
		time.Sleep(10 * time.Millisecond) // the last count is told again for ten times as long as it took
	}
	if status != 503 || body["error"] == nil {
		t.Errorf("/status without a store answered %d %v, want 503", status, body)
	}
}
