package proxy

import (
	"sync"
	"time"
)

const (
	// bodyRate is what a client sends of a body on average, at least, in bytes a
	// second, and bodyGrace how much later than that it may be: telephones at the
	// edge of a cell do better. Apache asks as much (mod_reqtimeout's MinRate).
	bodyRate  = 500
	bodyGrace = 2 * time.Minute
	// leftoverTime is how long what is left of a body may take once the answer is
	// there: net/http reads some of it, so that the connection can go on.
	leftoverTime = 5 * time.Second
)

// pace is how fast a body comes, by what was waited for the client alone: an app
// that is slow to take it is no fault of theirs.
type pace struct {
	came   int64
	waited time.Duration

	mu   sync.Mutex
	over bool // the answer is there
}

// left is how long to wait for the next bytes, at most patience.
func (p *pace) left(patience time.Duration) time.Duration {
	return max(0, min(patience, bodyGrace+time.Duration(p.came/bodyRate)*time.Second-p.waited))
}

// note notes what came, and how long it took.
func (p *pace) note(n int, took time.Duration) {
	p.came += int64(n)
	p.waited += took
}

// deadline sets the time for reading, the zero Time for none, unless the answer is
// there: what reads for the app may learn that late.
func (b *requestBody) deadline(t time.Time) {
	b.pace.mu.Lock()
	defer b.pace.mu.Unlock()
	if !b.pace.over {
		_ = b.control.SetReadDeadline(t) // an error means that the connection has none, as in some tests
	}
}

// end notes that the answer is there; b may be nil.
func (b *requestBody) end() {
	if b == nil {
		return
	}
	b.pace.mu.Lock()
	defer b.pace.mu.Unlock()
	b.pace.over = true
	_ = b.control.SetReadDeadline(time.Now().Add(leftoverTime))
}
