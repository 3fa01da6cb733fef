// Package problem writes what is not a success for programs to read:
// application/problem+json as of RFC 9457, with the members this product adds.
package problem

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

// types is what the type of every problem begins with; an identifier (RFC 9457
// section 3.1.1), not necessarily a page.
const types = "https://github.com/cocoom/cocoom-gateway/problems/"

// Problem is one such answer. Status and Code are required.
type Problem struct {
	Type        string       `json:"type"`  // set by Complete
	Title       string       `json:"title"` // empty: the status's own words
	Status      int          `json:"status"`
	Code        string       `json:"code"` // stable, for programs
	Detail      string       `json:"detail,omitempty"`
	Errors      []FieldError `json:"errors,omitempty"`
	SkewSeconds *int         `json:"skew_seconds,omitempty"` // how far the caller's clock is off
	LoginURL    string       `json:"login_url,omitempty"`    // where a person signs in
	RequestID   string       `json:"request_id,omitempty"`   // empty: that of the request's X-Request-Id
	Retryable   bool         `json:"retryable"`              // set by Complete: whether the same request may work later

	Challenge  string `json:"-"` // WWW-Authenticate
	Allow      string `json:"-"` // Allow
	RetryAfter int    `json:"-"` // Retry-After in seconds; 0: not sent
}

// FieldError is one mistake in a request.
type FieldError struct {
	Field  string `json:"field"`
	Code   string `json:"code"`
	Detail string `json:"detail,omitempty"`
}

// Complete returns the problem with the members that follow from the others and
// from the request, for an answer that has it as a part.
func (p Problem) Complete(r *http.Request) Problem {
	p.Type = types + p.Code
	if p.Title == "" {
		p.Title = http.StatusText(p.Status)
	}
	if p.RequestID == "" {
		p.RequestID = r.Header.Get("X-Request-Id")
	}
	p.Retryable = p.RetryAfter > 0 || p.Status == http.StatusTooManyRequests || p.Status == http.StatusServiceUnavailable
	return p
}

// Write sends the problem, as one plain line to a caller that asks for text.
func (p Problem) Write(w http.ResponseWriter, r *http.Request) {
	p = p.Complete(r)
	p.writeHeader(w.Header(), r)
	if r.Method == http.MethodHead {
		w.WriteHeader(p.Status)
		return
	}
	// A failed write means that the caller is gone: nobody is left to tell.
	if strings.HasPrefix(r.Header.Get("Accept"), "text/plain") {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(p.Status)
		// #nosec G705 -- sent as text/plain, with nosniff
		_, _ = w.Write([]byte(p.line() + "\n"))
		return
	}
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p)
}

func (p Problem) writeHeader(h http.Header, r *http.Request) {
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if r.ProtoMajor == 1 && r.ContentLength != 0 {
		// A body that is not read to its end must not hold the answer up.
		h.Set("Connection", "close")
	}
	if p.Challenge != "" {
		h.Set("WWW-Authenticate", p.Challenge)
	}
	if p.Allow != "" {
		h.Set("Allow", p.Allow)
	}
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(p.RetryAfter))
	}
}

func (p Problem) line() string {
	line := p.Code + ": " + p.Detail
	for _, e := range p.Errors {
		line += "; " + e.Field + " " + e.Code
	}
	return line
}
