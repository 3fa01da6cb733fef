package proxy

import (
	"testing"
	"time"
)

// TestPace: an honest telephone gets any upload through; who sends as little as
// keeps a connection open does not.
func TestPace(t *testing.T) {
	for name, row := range map[string]struct {
		bytes int
		every time.Duration
		ends  time.Duration // when it is given up; 0: it never is
	}{
		"GPRS":                          {1200, time.Second, 0},
		"a cell's edge":                 {16 << 10, 25 * time.Second, 0},
		"a byte every second":           {1, time.Second, 2 * time.Minute},
		"a byte every 59 seconds":       {1, 59 * time.Second, 2 * time.Minute},
		"silent in the middle":          {1 << 20, 61 * time.Second, time.Minute},
		"half of what it should, still": {250, time.Second, 4 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			var p pace
			var at time.Duration
			for at < 3*time.Hour {
				left := p.left(bodyPatience)
				if left < row.every {
					at += left
					break
				}
				p.note(row.bytes, row.every, nil)
				at += row.every
			}
			if row.ends == 0 && at < 3*time.Hour || row.ends > 0 && (at < row.ends-2*time.Second || at > row.ends+2*time.Second) {
				t.Errorf("given up after %s", at)
			}
		})
	}
	slowApp := pace{}
	for range 1000 {
		slowApp.note(32<<10, time.Microsecond, nil) // whatever time lay between
	}
	if slowApp.left(bodyPatience) != bodyPatience {
		t.Error("who waits for the app is given up")
	}
}
