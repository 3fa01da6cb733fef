package notifyhook

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

// problemTypes is what the type of every problem begins with; an identifier
// (RFC 9457 section 3.1.1), not necessarily a page.
const problemTypes = "https://github.com/cocoom/cocoom-gateway/problems/"

// problem is an answer that is not a success: application/problem+json as of
// RFC 9457, with the members this API adds.
type problem struct {
	Type        string       `json:"type"`
	Title       string       `json:"title"`
	Status      int          `json:"status"`
	Code        string       `json:"code"`
	Detail      string       `json:"detail,omitempty"`
	Errors      []fieldError `json:"errors,omitempty"`
	SkewSeconds *int         `json:"skew_seconds,omitempty"`
	RequestID   string       `json:"request_id,omitempty"`
	Retryable   bool         `json:"retryable"`

	challenge  string // WWW-Authenticate
	allow      string // Allow
	retryAfter int    // seconds
}

// fieldError is one mistake in a request.
type fieldError struct {
	Field  string `json:"field"`
	Code   string `json:"code"`
	Detail string `json:"detail,omitempty"`
}

// write sends the problem, as one plain line to a caller that asks for text.
func (p problem) write(w http.ResponseWriter, r *http.Request) {
	p.Type = problemTypes + p.Code
	p.Title = http.StatusText(p.Status)
	p.RequestID = r.Header.Get("X-Request-Id")
	p.Retryable = p.Status == http.StatusConflict || p.Status == http.StatusTooManyRequests || p.Status == http.StatusServiceUnavailable
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if r.ProtoMajor == 1 && r.ContentLength != 0 {
		// A body that is not read to its end must not hold the answer up.
		h.Set("Connection", "close")
	}
	if p.challenge != "" {
		h.Set("WWW-Authenticate", p.challenge)
	}
	if p.allow != "" {
		h.Set("Allow", p.allow)
	}
	if p.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(p.retryAfter))
	}
	if strings.HasPrefix(r.Header.Get("Accept"), "text/plain") {
		h.Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(p.Status)
		_, _ = w.Write([]byte(p.line() + "\n")) // the caller is gone, nobody is left to tell
		return
	}
	h.Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p)
}

func (p problem) line() string {
	line := p.Code + ": " + p.Detail
	for _, e := range p.Errors {
		line += "; " + e.Field + " " + e.Code
	}
	return line
}

// unavailable says that the fault is ours and that the same request with the
// same key may be sent again.
func unavailable() *problem {
	return &problem{Status: http.StatusServiceUnavailable, Code: "store_unavailable", retryAfter: 5,
		Detail: "the notification could not be written down; send it again with the same key"}
}
