package admin_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http/httptest"
	"testing"

	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/internal/admin"
	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/notifyhook"
)

func TestPages(t *testing.T) {
	st, err := store.Open(t.Context(), t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	relay, err := notifyhook.New(notifyhook.Config{Store: st, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	var broken error
	front, err := gateway.New(t.Context(), gateway.Config{Store: st, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	pages := admin.New(admin.Config{Relay: relay, Gateway: front, Log: slog.New(slog.DiscardHandler), Ready: []admin.Check{
		{Name: "store", Run: func(context.Context) error { return broken }},
	}})
	get := func(path string) (int, map[string]any) {
		t.Helper()
		rec := httptest.NewRecorder()
		pages.ServeHTTP(rec, httptest.NewRequest("GET", path, nil))
		var body map[string]any
		if rec.Header().Get("Content-Type") == "application/json" {
			if err := json.Unmarshal(rec.Body.Bytes(), &body); err != nil {
				t.Fatal(err)
			}
		}
		return rec.Code, body
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
		{"/", nil, 404, "", nil},
	} {
		broken = row.broken
		status, body := get(row.path)
		if status != row.status || body[row.key] != row.want {
			t.Errorf("%s with %v answered %d %v", row.path, row.broken, status, body)
		}
	}
	status, body := get("/status")
	deliveries, _ := body["deliveries"].(map[string]any)
	if status != 200 || deliveries["queued"] != float64(0) || body["alarms"] == nil || body["sessions"] != "honoured" {
		t.Errorf("/status answered %d %v", status, body)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	if status, _ := get("/status"); status != 503 {
		t.Errorf("/status without a store answered %d, want 503", status)
	}
}
