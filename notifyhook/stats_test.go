package notifyhook

import "testing"

// TestRecentStatsDoNotWait: who only looks is not kept by a count that takes long,
// and has the last one meanwhile.
func TestRecentStatsDoNotWait(t *testing.T) {
	r, _, _ := newTestRelay(t, sqliteStore(t), "")
	mustPost(t, r, minimalJSON)
	hangs := func() (end func()) {
		l := &r.lastStats
		l.mu.Lock()
		defer l.mu.Unlock()
		running := make(chan struct{})
		l.running = running
		return func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.running = nil
			close(running)
		}
	}
	end := hangs()
	if st, at, err := r.RecentStats(); err != nil || !at.IsZero() || st != (Stats{}) {
		t.Errorf("before the first count is over: %+v of %v, %v", st, at, err)
	}
	end()
	if st, err := r.Stats(t.Context()); err != nil || st != (Stats{Queued: 1}) {
		t.Fatalf("counted %+v, %v", st, err)
	}
	end = hangs()
	if st, at, err := r.RecentStats(); err != nil || at.IsZero() || st != (Stats{Queued: 1}) {
		t.Errorf("while another count goes on: %+v of %v, %v", st, at, err)
	}
	end()
	r.lastStats.until = r.lastStats.at
	r.store.Close()
	if _, _, err := r.RecentStats(); err == nil {
		t.Error("a store that cannot be counted is no error")
	}
}
