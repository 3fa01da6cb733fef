package gateway

import (
	"log/slog"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/throttle"
)

// TestAlarmOfARouteThatHasGone: a question to Slack that was under way when the
// route went may fail after it, and nobody could mend that.
func TestAlarmOfARouteThatHasGone(t *testing.T) {
	g := &Gateway{cfg: Config{Throttle: throttle.New(slog.New(slog.DiscardHandler), nil)}, conf: new(inForce), people: &people{alarms: newAlarms(slog.New(slog.DiscardHandler), time.Now)}}
	stays, goes := &Route{Host: "a.example"}, &Route{Host: "b.example"}
	g.conf.Store(&configured{routes: table{"a.example": stays}})
	g.people.alarms.raise(stays, "people", "invalid_auth")
	g.people.alarms.raise(goes, "people", "invalid_auth")
	if list := g.Alarms(); len(list) != 1 || list[0].Route != "a.example" {
		t.Errorf("alarms: %+v", list)
	}
}
