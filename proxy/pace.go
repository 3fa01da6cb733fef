package proxy

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	// bodyRate is what a client sends of a body on average, at least, in bytes a
	// second, and bodyGrace how much later than that it may be: telephones at the
	// edge of a cell do better. Apache asks as much (mod_reqtimeout's MinRate).
	bodyRate  = 500
	bodyGrace = 2 * time.Minute
	// leftoverTime is how long what is left of a body is awaited once the answer is
	// there: net/http reads some of it, so that the connection can go on.
	leftoverTime = 500 * time.Millisecond
)

// pace is how fast a body comes, by what was waited for the client alone: an app
// that is slow to take it is no fault of theirs.
type pace struct {
	came   int64
	waited time.Duration

	mu    sync.Mutex
	whole bool // all of it has come
	over  bool // the answer is there
}

// left is how long to wait for the next bytes, at most patience.
func (p *pace) left(patience time.Duration) time.Duration {
	return max(0, min(patience, bodyGrace+time.Duration(p.came/bodyRate)*time.Second-p.waited))
}

// note notes what came, how long it took, and whether it was the last.
func (p *pace) note(n int, took time.Duration, err error) {
	p.came += int64(n)
	p.waited += took
	if err == io.EOF {
		p.mu.Lock()
		p.whole = true
		p.mu.Unlock()
	}
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

// end notes that the answer to w is there; b may be nil. Where the body is not, the
// connection ends with the answer: net/http would take what still comes of the
// body for the next request. And it would wait for that without a limit of time,
// since it lifts the deadline from a Read that is under way: so the body is closed
// here, behind the answer.
func (b *requestBody) end(w http.ResponseWriter) {
	if b == nil {
		return
	}
	b.pace.mu.Lock()
	b.pace.over = true
	whole := b.pace.whole
	b.pace.mu.Unlock()
	if whole {
		return
	}
	closeAfter(w)
	_ = b.control.Flush()
	_ = b.control.SetReadDeadline(time.Now().Add(leftoverTime))
	_ = b.ReadCloser.Close()
}

// closeAfter has the server close the connection once it has sent its answer, as
// it does when a body turns out to be larger than MaxBytesReader allows. HTTP/2
// ends the stream by itself.
func closeAfter(w http.ResponseWriter) {
	for {
		inner, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			break
		}
		w = inner.Unwrap()
	}
	_, _ = http.MaxBytesReader(w, io.NopCloser(strings.NewReader("x")), 0).Read(make([]byte, 1))
}
