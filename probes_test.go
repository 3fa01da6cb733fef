package main

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/admin"
)

// TestReadyWhileStopping: as soon as a stop is asked for, and while a request is
// still under way, whoever balances load is told to send no more.
func TestReadyWhileStopping(t *testing.T) {
	p := startProgram(t, "./data")
	ready := func() error {
		for _, c := range p.checks() {
			if c.Name == "stop" {
				return c.Run(t.Context())
			}
		}
		return errors.New("nothing says so")
	}
	if err := ready(); err != nil {
		t.Errorf("before: %v", err)
	}
	p.stopping.Store(true)
	if ready() == nil {
		t.Error("a gateway that stops says that it is ready")
	}
	resp, err := http.Get("http://" + p.private.addr() + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if said, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != 503 || !strings.Contains(string(said), "stop") {
		t.Errorf("/readyz answered %d %s, %v", resp.StatusCode, said, err)
	}
}

// TestRingHealth: rings that cannot be read are told of, and keep requests away
// only when keys that others have announced may be in use.
func TestRingHealth(t *testing.T) {
	var h ringHealth
	now, gone := time.Now(), errors.New("sealed under another master key")
	kind := func(at time.Time) string {
		var n admin.Notice
		switch err := h.check(at); {
		case err == nil:
			return "well"
		case errors.As(err, &n):
			return "told"
		}
		return "not ready"
	}
	if got := kind(now); got != "well" {
		t.Errorf("at first: %s", got)
	}
	h.note(now, gone)
	h.note(now.Add(time.Minute), gone)
	for after, want := range map[time.Duration]string{time.Minute: "told", 23 * time.Hour: "told", 24*time.Hour + time.Second: "not ready"} {
		if got := kind(now.Add(after)); got != want {
			t.Errorf("%s after it began: %s, want %s", after, got, want)
		}
	}
	if h.note(now, nil); kind(now.Add(48*time.Hour)) != "well" {
		t.Error("rings that can be read again do not count")
	}
}
