package notifyhook

import (
	"bytes"
	"io"
	"net/http"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/throttle"
)

const (
	// countCredentials is what a caller's failures are counted as.
	countCredentials = "webhook_credentials"
	// usualBody is up to which size a body is read of whoever sends one; few
	// notifications are larger.
	usualBody = 16 << 10
	// maxLarge is how many larger ones are read at once before it is known who
	// sends them: with the largest, 64 MiB.
	maxLarge = 64
)

// credentialBudget is how many wrong credentials a client may show a route.
// Credentials are looked at first, so that a good one passes however many wrong
// ones came from the same address.
var credentialBudget = throttle.Budget{Burst: 120, PerMinute: 60}

// turnAway is what a caller is told whose credential is not good, for which p is
// the word: that, or that there were too many. Who holds a secret that has
// expired, or whose clock is off, is no guesser and always told so.
func (e endpoint) turnAway(r *http.Request, p *problem) *problem {
	e.refused(r, p.Code)
	if p.Code == "secret_expired" || p.Code == "timestamp_skew" {
		return p
	}
	k := throttle.Key{What: countCredentials, Route: e.route.host, Who: throttle.From(clientOf(r.RemoteAddr))}
	wait := e.relay.throttle.Take(k, credentialBudget)
	if wait == 0 {
		return p
	}
	return &problem{Status: http.StatusTooManyRequests, Code: "too_many_failures", RetryAfter: int(wait / time.Second),
		Detail: "too many wrong credentials have come from this address, and this one is not good either; a good one passes at any time"}
}

// readStranger is readBody before it is known who sends the body: of large ones
// only so many are there at once. leave must be called when it is known.
func (e endpoint) readStranger(w http.ResponseWriter, r *http.Request, limit int64) (body []byte, leave func(), p *problem) {
	leave = func() {}
	body, p = readBody(w, r, limit, func() *problem {
		select {
		case e.relay.large <- struct{}{}:
			leave = func() { <-e.relay.large }
			return nil
		default:
			return &problem{Status: http.StatusServiceUnavailable, Code: "busy", RetryAfter: 5,
				Detail: "too many large bodies are being read; send it again with the same key, or with a bearer token, which is looked at first"}
		}
	})
	return body, leave, p
}

// readAll reads a body; larger is asked before more is read than usualBody.
func readAll(body io.Reader, larger func() *problem) (read []byte, p *problem, err error) {
	var b bytes.Buffer
	if _, err = b.ReadFrom(io.LimitReader(body, usualBody+1)); err != nil {
		return nil, nil, err
	}
	if b.Len() > usualBody && larger != nil {
		if p = larger(); p != nil {
			return nil, p, nil
		}
	}
	_, err = b.ReadFrom(body)
	return b.Bytes(), nil, err
}
