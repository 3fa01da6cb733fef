package main

import (
	"net/http"
	"time"
)

// takenInTime closes streams of HTTP/2 with an answer that the client takes nothing
// of for the crowd's patience. On the connection nothing of that shows: a client that gives
// the streams no window goes on to answer pings, and would hold as many handlers,
// and connections to apps, as it opens (CVE-2019-9511, CVE-2019-9517).
func (c *crowd) takenInTime(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			h.ServeHTTP(w, r)
			return
		}
		taken := &takenWriter{ResponseWriter: w, control: http.NewResponseController(w), patience: c.patience}
		// What is still held back then is sent behind the handler. A stream that is
		// over by then has no deadline any more.
		defer taken.expect()
		h.ServeHTTP(taken, r)
	})
}

// takenWriter has a deadline while it writes. An app that says nothing for long has
// none.
type takenWriter struct {
	http.ResponseWriter
	control  *http.ResponseController
	patience time.Duration
	written  int
}

// heldBack is what net/http gathers of an answer before it waits for the client.
const heldBack = 4 << 10

func (w *takenWriter) expect() { _ = w.control.SetWriteDeadline(time.Now().Add(w.patience)) }

func (w *takenWriter) rest() { _ = w.control.SetWriteDeadline(time.Time{}) }

// Write implements http.ResponseWriter.
func (w *takenWriter) Write(p []byte) (n int, err error) {
	if w.written += len(p); w.written < heldBack {
		return w.ResponseWriter.Write(p)
	}
	defer w.rest()
	for {
		w.expect()
		done, err := w.ResponseWriter.Write(p[n:min(len(p), n+writeChunk)])
		if n += done; err != nil || n == len(p) {
			return n, err
		}
	}
}

// FlushError is Flush for http.ResponseController.
func (w *takenWriter) FlushError() error {
	if w.written > 0 {
		w.expect()
		defer w.rest()
	}
	return w.control.Flush()
}

// Unwrap lets http.ResponseController set deadlines.
func (w *takenWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
