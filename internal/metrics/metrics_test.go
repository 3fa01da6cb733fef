package metrics_test

import (
	"context"
	"errors"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/metrics"
)

func TestCounts(t *testing.T) {
	var c metrics.Counts
	if len(c.All()) != 0 {
		t.Error("there are counts of nothing")
	}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() { c.Add("ok", 1); c.Add("guest", 2) })
	}
	group.Wait()
	if got, want := c.All(), map[string]uint64{"ok": 4, "guest": 8}; !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestReading: scrapes share a reading, none waits for a store that hangs, and
// what is not known is not said.
func TestReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reads, hang, failure := 0, make(chan struct{}), error(nil)
		takes := time.Duration(0)
		r := metrics.NewReading(func(context.Context) (int, error) {
			reads++
			n, err := reads, failure
			if takes < 0 {
				<-hang
			}
			time.Sleep(takes)
			return n, err
		})
		get := func(what string, want int, known bool) {
			t.Helper()
			begun := time.Now()
			if got, ok := r.Get(); got != want || ok != known {
				t.Errorf("%s: got %d, %v, want %d, %v", what, got, ok, want, known)
			}
			if waited := time.Since(begun); waited > time.Second {
				t.Errorf("%s: the scrape waited %s", what, waited)
			}
			synctest.Wait() // what it has begun goes on, and has read the variables above
		}
		get("first", 1, true)
		get("at once again", 1, true)
		time.Sleep(5 * time.Second)
		failure = errors.New("gone")
		get("the store fails", 0, false)
		get("and is not asked again at once", 0, false)
		time.Sleep(5 * time.Second)
		failure, takes = nil, 2*time.Second
		get("a slow answer that never came before", 0, false)
		time.Sleep(2 * time.Second)
		get("but is there the next time", 3, true)
		time.Sleep(15 * time.Second)
		get("and serves ten times as long as it took", 3, true)
		time.Sleep(10 * time.Second)
		takes = -1
		get("a store that hangs: the last reading", 3, true)
		get("without a second question", 3, true)
		if reads != 4 {
			t.Errorf("the store was asked %d times, want 4", reads)
		}
		time.Sleep(time.Minute)
		get("for a while", 0, false)
		takes = 0
		close(hang)
	})
}
