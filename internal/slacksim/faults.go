package slacksim

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// FaultKind is a way to misbehave.
type FaultKind uint8

// The kinds of fault. The zero kind is an error code, as the commonest.
const (
	// ErrorCode answers 200 {"ok":false,"error":Fault.Error}.
	ErrorCode FaultKind = iota
	// RateLimited answers 429 with Retry-After.
	RateLimited
	// ServerError answers Fault.Status (default 500) with an HTML page.
	ServerError
	// Hang does not answer until the client goes or [Sim.Release] is called,
	// and then closes the connection.
	Hang
	// Reset closes the connection without an answer.
	Reset
	// Truncated carries the call out and answers half of its JSON.
	Truncated
	// Oversize answers 200 with JSON of Fault.Bytes (default 64 MiB).
	Oversize
	// WrongType carries the call out and calls its answer text/html.
	WrongType
	// Forged carries the call out with Fault.Forge making the ID token; for
	// the method openid.connect.token.
	Forged
	// Custom answers with Fault.Answer.
	Custom
)

// Fault is misbehaviour on order.
type Fault struct {
	// Method is a Web API method, or "discovery", "keys", "authorize" or
	// "webhook"; empty means every Web API method.
	Method string
	// Team restricts it to calls with a token of one workspace.
	Team string
	// Times is how many calls it spoils; 0 means all until ClearFaults.
	Times int
	Kind  FaultKind
	// After carries the call out first, so that the caller cannot know:
	// Hang and After together are "hang after posting".
	After bool

	Error      string                            // of ErrorCode
	RetryAfter time.Duration                     // of RateLimited; rounded up to seconds
	Status     int                               // of ServerError
	Bytes      int64                             // of Oversize
	Forge      func(claims jwt.MapClaims) string // of Forged: changes the claims; a token it returns is used as it is
	Answer     http.HandlerFunc                  // of Custom

	released chan struct{} // of a fault taken: closed by Release
}

// Fault adds a fault. Several for one method take effect in the order added.
func (s *Sim) Fault(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &f)
}

// ClearFaults ends all faults; calls already hanging go on to hang.
func (s *Sim) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// Release ends the calls that hang now, those that AwaitCalls has seen
// included.
func (s *Sim) Release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.released)
	s.released = make(chan struct{})
}

// takeFault finds the first fault for a call and uses it up by one. The
// caller holds mu.
func (s *Sim) takeFault(name, team string, api bool) *Fault {
	for i, f := range s.faults {
		if f.Method != name && (f.Method != "" || !api) || f.Team != "" && f.Team != team {
			continue
		}
		taken := *f
		taken.released = s.released
		if f.Times == 1 {
			s.faults = append(s.faults[:i:i], s.faults[i+1:]...)
		} else if f.Times > 1 {
			f.Times--
		}
		return &taken
	}
	return nil
}

// faulty lets faults of that name stand before a handler.
func (s *Sim) faulty(name string, h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		f := s.takeFault(name, "", false)
		s.mu.Unlock()
		s.misbehave(w, r, f, h)
	}
}

// misbehave answers as the fault says; with none it just answers.
func (s *Sim) misbehave(w http.ResponseWriter, r *http.Request, f *Fault, answer http.HandlerFunc) {
	if f == nil || f.Kind == Forged {
		answer(w, r)
		return
	}
	proper := &recorded{header: http.Header{}, status: http.StatusOK}
	if f.After || f.Kind == Truncated || f.Kind == WrongType {
		answer(proper, r)
	}
	switch f.Kind {
	case ErrorCode:
		writeJSON(w, http.StatusOK, reply{"ok": false, "error": f.Error})
	case RateLimited:
		w.Header().Set("Retry-After", strconv.Itoa(seconds(f.RetryAfter)))
		writeJSON(w, http.StatusTooManyRequests, reply{"ok": false, "error": "ratelimited"})
	case ServerError:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(max(f.Status, http.StatusInternalServerError))
		_, _ = io.WriteString(w, "<!DOCTYPE html><html><head><title>Server Error</title></head><body><h1>Server Error</h1></body></html>")
	case Hang:
		hang(r, f.released)
	case Reset:
		panic(http.ErrAbortHandler)
	case Truncated:
		proper.copyTo(w, proper.body.Len()/2)
	case Oversize:
		writeOversize(w, f.Bytes)
	case WrongType:
		proper.header.Set("Content-Type", "text/html; charset=utf-8")
		proper.copyTo(w, proper.body.Len())
	case Custom:
		f.Answer(w, r)
	default:
		panic(fmt.Sprintf("slacksim: unknown fault kind %d", f.Kind))
	}
}

// hang holds the request, then drops the connection: a client must never take
// an empty 200 for an answer.
func hang(r *http.Request, released <-chan struct{}) {
	select {
	case <-r.Context().Done():
	case <-released:
	}
	panic(http.ErrAbortHandler)
}

func writeOversize(w http.ResponseWriter, size int64) {
	if size <= 0 {
		size = 64 << 20
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	if _, err := io.WriteString(w, `{"ok":true,"padding":"`); err != nil {
		return
	}
	chunk := strings.Repeat("x", 64<<10)
	for ; size > 0; size -= int64(len(chunk)) {
		if _, err := io.WriteString(w, chunk[:min(size, int64(len(chunk)))]); err != nil {
			return // the client had enough
		}
	}
	_, _ = io.WriteString(w, `"}`)
}

// recorded keeps an answer instead of sending it.
type recorded struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header is the header kept.
func (r *recorded) Header() http.Header { return r.header }

// WriteHeader keeps the status.
func (r *recorded) WriteHeader(status int) { r.status = status }

// Write keeps the body.
func (r *recorded) Write(p []byte) (int, error) { return r.body.Write(p) }

func (r *recorded) copyTo(w http.ResponseWriter, n int) {
	for k, v := range r.header {
		w.Header()[k] = v
	}
	w.WriteHeader(r.status)
	_, _ = w.Write(r.body.Bytes()[:n])
}
