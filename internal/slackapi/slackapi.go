// Package slackapi is the way to Slack's Web API: slack-go over a transport
// that bounds answers, follows no redirect, satisfies every server of this API,
// and tells what cannot have reached Slack from what may have.
package slackapi

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/slack-go/slack"

	"github.com/cocoom/cocoom-gateway/internal/secret"
)

const (
	// MaxAnswer bounds the bytes of one answer: slack-go reads them whole.
	MaxAnswer = 1 << 20
	// maxHeaders bounds the bytes of one answer's headers; net/http alone takes 10 MB.
	maxHeaders = 64 << 10
	// DefaultWait is how long to wait after a 429 that does not say.
	DefaultWait = 30 * time.Second
	// MaxWait bounds what a 429 may ask for.
	MaxWait = time.Hour
)

// Transport returns a transport of its own for calls to Slack, as
// http.DefaultTransport but with bounded headers. Its connections are kept for
// later calls, so that one serves for many.
func Transport() *http.Transport {
	t, ok := http.DefaultTransport.(*http.Transport)
	if !ok { // somebody has put another one there
		t = &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true}
	}
	t = t.Clone()
	t.MaxResponseHeaderBytes = maxHeaders
	return t
}

// New returns a client for one token. apiURL is what method names are appended
// to, with or without a final slash; empty means Slack's own. base carries the
// requests; nil means http.DefaultTransport. Time limits are the caller's, by
// context.
func New(token secret.String, apiURL string, base http.RoundTripper) *slack.Client {
	if base == nil {
		base = http.DefaultTransport
	}
	return slack.New(token.Reveal(), slack.OptionAPIURL(Base(apiURL)), slack.OptionHTTPClient(&http.Client{
		Transport: transport{base: base, token: token},
		// A redirect could carry the token to another host; the API has none.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}))
}

// Base returns what method names are appended to for an apiURL as New takes it.
func Base(apiURL string) string {
	return strings.TrimSuffix(cmp.Or(apiURL, slack.APIURL), "/") + "/"
}

// keeping is the key of WithAnswer's context.
type keeping struct{}

// WithAnswer returns a context for one call that leaves what Slack answers in
// said, byte for byte: the library decodes only the fields it knows.
func WithAnswer(ctx context.Context, said *bytes.Buffer) context.Context {
	return context.WithValue(ctx, keeping{}, said)
}

// UnsentError wraps an error of a call for which no connection was obtained:
// Slack cannot have done anything.
type UnsentError struct{ Err error }

// Error is that of the wrapped error.
func (e *UnsentError) Error() string { return e.Err.Error() }

// Unwrap returns the wrapped error.
func (e *UnsentError) Unwrap() error { return e.Err }

// transport makes what Slack, proxies and stand-ins answer fit to classify.
// slack-go sends most tokens in the body only; in the header as well, they
// satisfy any server of this API.
type transport struct {
	base  http.RoundTripper
	token secret.String
}

// RoundTrip gives every 429 a Retry-After, keeps Slack's error name under a 4xx
// status, and bounds the body.
func (t transport) RoundTrip(req *http.Request) (*http.Response, error) {
	var connected atomic.Bool
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }}
	req = req.Clone(httptrace.WithClientTrace(req.Context(), trace))
	req.Header.Set("Authorization", "Bearer "+t.token.Reveal())
	resp, err := t.base.RoundTrip(req)
	if err != nil {
		if !connected.Load() {
			return nil, &UnsentError{Err: err}
		}
		return nil, err
	}
	resp.Body = Bounded(resp.Body)
	if said, ok := req.Context().Value(keeping{}).(*bytes.Buffer); ok {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.TeeReader(resp.Body, said), resp.Body}
	}
	switch {
	case resp.StatusCode == http.StatusTooManyRequests:
		resp.Header.Set("Retry-After", strconv.Itoa(retryAfter(resp.Header.Get("Retry-After"))))
	case resp.StatusCode >= 400 && resp.StatusCode < 500 && strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json"):
		resp.StatusCode, resp.Status = http.StatusOK, "200 OK" // the library reads a body only then
	}
	return resp, nil
}

// Bounded returns body cut off after MaxAnswer bytes.
func Bounded(body io.ReadCloser) io.ReadCloser {
	return struct {
		io.Reader
		io.Closer
	}{io.LimitReader(body, MaxAnswer), body}
}

// retryAfter reads the header's seconds, within MaxWait; what is no number is
// DefaultWait.
func retryAfter(value string) int {
	n, err := strconv.Atoi(strings.TrimSpace(value))
	if err != nil || n < 0 {
		return int(DefaultWait / time.Second)
	}
	return min(n, int(MaxWait/time.Second))
}

// Unavailable reports whether an error name of Slack's means that Slack itself,
// not the caller, has a trouble that passes
// (https://docs.slack.dev/apis/web-api/, "common errors").
func Unavailable(name string) bool {
	switch name {
	case "ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org":
		return true
	}
	return false
}
