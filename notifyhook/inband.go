package notifyhook

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

const (
	maxInBand     = 8 << 10         // bytes of all X-Notify headers of one page
	maxInBandNews = 10              // of them
	inBandTimeout = 3 * time.Second // how long a page waits for the store
	maxInBandOpen = 256             // pages whose notifications are being written
)

// InBand returns what takes the X-Notify headers of a page that the route's app
// sends, as the route is configured when it comes. Each is a notification as
// percent-encoded JSON (RFC 3986), which keeps line ends out of the header and
// its charset out of question; 8 KiB together. The route is the page's, and the
// actor whoever asked for it, whatever the JSON says.
//
// It returns when the notifications are committed, so that the page is not seen
// before, or after 3 s: a store that hangs holds up no page, and what it takes
// later is taken. If it fails the page goes out all the same: the error is
// logged, and an alarm raised while the store fails. ctx should not end with the
// request.
func (r *Relay) InBand(host string) func(ctx context.Context, actor, requestID string, values []string) {
	return func(ctx context.Context, actor, requestID string, values []string) {
		rt := r.routes()[host]
		if rt == nil || !rt.InBand { // any more: the page was asked for before
			r.log.Warn("notifications in band refused", "route", host, "request_id", requestID, "reason", "not_in_band", "headers", len(values))
			return
		}
		if size := len(strings.Join(values, "")); size > maxInBand || len(values) > maxInBandNews {
			r.log.Warn("notifications in band refused", "route", host, "request_id", requestID, "reason", "too_large", "headers", len(values), "bytes", size)
			return
		}
		select {
		case r.inBand <- struct{}{}:
		default:
			r.inBandFailed(rt, requestID, errors.New("too many pages wait for the store"))
			return
		}
		page := inBandPage{route: rt, actor: actor, requestID: requestID, values: values}
		done := make(chan struct{})
		go func() {
			defer func() { <-r.inBand; close(done) }()
			r.takePage(ctx, page)
		}()
		patience := time.NewTimer(inBandTimeout)
		defer patience.Stop()
		select {
		case <-done:
		case <-patience.C:
			r.log.Warn("page sent before its notifications were on disk", "route", host, "request_id", requestID)
			r.raise(rt.app.name, "in_band", "store_unavailable")
		}
	}
}

// inBandPage is one page with notifications.
type inBandPage struct {
	route            *route
	actor, requestID string
	values           []string
}

// takePage accepts what a page asks for. A panic would here end the process, and
// not, as in a handler, the request alone.
func (r *Relay) takePage(ctx context.Context, page inBandPage) {
	defer func() {
		if fault := recover(); fault != nil {
			r.inBandFailed(page.route, page.requestID, fmt.Errorf("panic: %v", fault))
		}
	}()
	for _, value := range page.values {
		r.takeInBand(ctx, page, value)
	}
}

func (r *Relay) takeInBand(ctx context.Context, page inBandPage, value string) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	rt := page.route
	log := r.log.With("route", rt.host, "request_id", page.requestID)
	now, err := r.arrival(ctx)
	if err != nil {
		r.inBandFailed(rt, page.requestID, err)
		return
	}
	q, p := rt.readInBand(value, now)
	if p != nil {
		reason := p.Code
		for _, e := range p.Errors {
			reason += " " + e.Field + ":" + e.Code
		}
		log.Warn("notification in band refused", "reason", reason)
		return
	}
	q.Actor = page.actor
	if q, _, err = rt.prepare(q, caller{}, nil); err != nil {
		r.inBandFailed(rt, page.requestID, err)
		return
	}
	q.Credential = "in_band"
	if p := r.room(ctx, rt, q); p != nil {
		log.Warn("notification in band refused", "reason", p.Code)
		return
	}
	id, duplicate, err := r.accept(ctx, rt, q, now)
	if errors.Is(err, errKeyReused) {
		log.Warn("notification in band refused", "reason", "key_reused")
		return
	}
	if err != nil {
		r.inBandFailed(rt, page.requestID, err)
		return
	}
	r.alarms.clear(rt.app.name, alarmInBand)
	log.Debug("notification accepted", "notification", id, "duplicate", duplicate, "credential", q.Credential)
}

// readInBand reads one header's value.
func (rt *route) readInBand(value string, now time.Time) (request, *problem) {
	body, err := url.PathUnescape(value)
	if err != nil {
		return request{}, badBody("unparsable", "X-Notify has a bad percent escape")
	}
	f, _, p := readFields("application/json", []byte(body))
	if p != nil {
		return request{}, p
	}
	q, _, p := rt.check(f, false, now)
	if p == nil && q.DryRun { // a page has nobody to be shown what would be sent
		p = invalid(fieldError{Field: "dry_run", Code: "not_here"})
	}
	return q, p
}

// inBandFailed is for what was lost because nobody is left to send it again.
func (r *Relay) inBandFailed(rt *route, requestID string, err error) {
	r.log.Error("notification in band lost", "route", rt.host, "request_id", requestID, "error", err)
	r.raise(rt.app.name, alarmInBand, "store_unavailable")
}
