package slacksim

import (
	"context"
	"fmt"
	"net/url"
	"time"
)

// Call is a Web API or webhook call that arrived.
type Call struct {
	Method string // or "webhook"
	Team   string // of the token; empty when there was none
	App    string // id of the token's app
	At     time.Time
	Args   url.Values // without tokens and secrets
	// Status and Error are what was answered; 0 while it hangs or when the
	// connection was dropped.
	Status int
	Error  string
}

// maxCalls is how many calls are remembered.
const maxCalls = 50_000

// Calls gives the calls of a method, oldest first; all when it is empty.
func (s *Sim) Calls(method string) []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Call
	for _, c := range s.calls {
		if method == "" || c.Method == method {
			out = append(out, *c)
		}
	}
	return out
}

// AwaitCalls waits until a method was called n times, or ctx ends.
func (s *Sim) AwaitCalls(ctx context.Context, method string, n int) ([]Call, error) {
	for {
		s.mu.Lock()
		changed, have := s.changed, 0
		for _, c := range s.calls {
			if method == "" || c.Method == method {
				have++
			}
		}
		s.mu.Unlock()
		if have >= n {
			return s.Calls(method), nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("await %d calls of %s, have %d: %w", n, method, have, ctx.Err())
		}
	}
}

// record remembers a call. The caller holds mu.
func (s *Sim) record(c *Call) {
	if len(s.calls) >= maxCalls {
		s.calls = append([]*Call(nil), s.calls[maxCalls/2:]...)
	}
	s.calls = append(s.calls, c)
	s.notify()
}
