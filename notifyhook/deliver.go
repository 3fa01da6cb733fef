package notifyhook

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"
)

const (
	lookupsWait    = 5 * time.Minute // until a look-up without its scope is tried again
	recordInterval = time.Second
)

// work does what a claimed lane needs: send its head, or find its conversation
// and move its deliveries there. A stop must not lose what Slack said, so the
// record ends with the lease only: after it, the fence would refuse it anyway.
func (r *Relay) work(ctx context.Context, c claim) {
	defer r.queued(c.app) // the lane may be due again
	calls, cancel := context.WithDeadline(ctx, c.begun.Add(workLimit))
	defer cancel()
	record, cancelRecord := context.WithDeadline(context.WithoutCancel(ctx), c.begun.Add(lease))
	defer cancelRecord()
	if c.conversation != "" {
		r.settle(record, c, r.send(calls, c))
		return
	}
	conversation, o := r.resolve(calls, c.route, c.to)
	if o.class != done {
		r.settle(record, c, o)
		return
	}
	if r.alarms.clear(c.app.name, "lookups") {
		r.log.Info("recipients can be looked up again", "route", c.route.host)
	}
	if err := r.move(record, c, conversation); err != nil {
		r.log.Error("move deliveries failed", "route", c.route.host, "delivery", c.delivery, "error", err)
	}
}

// send makes one attempt. Blocks or markup that Slack refuses are replaced by
// plain text, once, within the attempt: the refusal was certain.
func (r *Relay) send(ctx context.Context, c claim) outcome {
	if r.isActor(ctx, c) {
		return outcome{class: suppressed, reason: "actor"}
	}
	if c.before.ambiguous > 0 {
		// The one repeat that is allowed must not be used up on a Slack that is
		// down: it has to answer something harmless first.
		switch o := outcomeOf(c.route.app.test(ctx)); o.class {
		case ambiguous, transient:
			return outcome{class: transient, reason: o.reason}
		case throttled, held, routeDown:
			return o
		}
	}
	o := r.post(ctx, c, compose(c.request))
	if o.class == badContent {
		refused := o.reason
		if o = r.post(ctx, c, composePlain(c.request)); o.class == done {
			o.reason = "sent_as_plain_text: " + refused
		}
	}
	if o.class == routeDown && isPerhapsRecipient(o.reason) {
		o.class = r.whoIsRefused(ctx, c.route)
	}
	return o
}

// whoIsRefused tells a refusal of one conversation from one of the token, so
// that a single conversation does not hold its route: Slack takes the token, or
// not, or cannot be asked now.
func (r *Relay) whoIsRefused(ctx context.Context, rt *route) class {
	switch outcomeOf(rt.app.test(ctx)).class {
	case done:
		return recipientGone
	case routeDown:
		return routeDown
	}
	return transient
}

// isPerhapsRecipient says whether Slack uses the word for a conversation that
// the app may not post to, as well as for an app that may not post.
func isPerhapsRecipient(reason string) bool {
	return reason == "no_permission" || reason == "access_denied" || reason == "team_access_not_granted"
}

func (r *Relay) post(ctx context.Context, c claim, m message) outcome {
	channel, ts, err := c.route.app.post(ctx, c.conversation, m)
	o := outcomeOf(err)
	o.method = postMessage
	if o.class == done {
		o.channel, o.ts = clean(channel), clean(ts)
	}
	return o
}

// isActor finds out whether the recipient and the actor, told by different
// kinds of id, are one person. If that cannot be found out, the message is
// sent: told too much is better than too little.
func (r *Relay) isActor(ctx context.Context, c claim) bool {
	q := c.request
	kind, _ := classify(c.to)
	if q.Actor == "" || q.NotifyActor || kind == channelName {
		return false
	}
	conversation, o := r.resolve(ctx, c.route, q.Actor)
	return o.class == done && conversation == c.conversation
}

// settle writes an outcome down, trying until ctx ends, and does what it asks
// for beyond its lane.
func (r *Relay) settle(ctx context.Context, c claim, o outcome) {
	now, err := r.clock(ctx)
	if err != nil {
		now = r.now()
	}
	r.shares.answered(c.app, o.reason != timedOut)
	v := judge(o, c.before, c.failures, now, rand.Float64())
	if r.beyond(c, o) {
		v.notBefore = now.Add(lookupsWait)
	}
	for {
		err = r.record(ctx, c, o, v)
		if err == nil || errors.Is(err, errLeaseLost) || ctx.Err() != nil {
			break
		}
		select {
		case <-ctx.Done():
		case <-time.After(recordInterval):
		}
	}
	if err != nil {
		r.log.Error("record outcome failed", "route", c.route.host, "delivery", c.delivery, "outcome", o.class.String(), "error", err)
		return
	}
	level, text := slog.LevelInfo, "delivery deferred"
	switch v.state {
	case "sent":
		text = "delivery sent"
	case "suppressed":
		text = "delivery suppressed"
	case "dead":
		level, text = slog.LevelWarn, "delivery dead"
	}
	r.log.Log(ctx, level, text, "route", c.route.host, "delivery", c.delivery, "attempt", c.attempt, "outcome", o.class.String(), "reason", v.reason)
}

// beyond handles what an outcome says about more than its own lane. It reports
// whether the look-up's method has to wait.
func (r *Relay) beyond(c claim, o outcome) (lookupHeld bool) {
	rt, a, now := c.route, c.app, r.now()
	lookup := c.attempt == 0
	switch o.class {
	case done:
		if r.alarms.clear(a.name, "held") {
			r.log.Info("route sends again", "route", a.name)
		}
		r.alarms.clear(a.name, "quota")
	case recipientGone:
		if !lookup { // a look-up that found nobody is remembered itself
			r.forget(rt, c.to)
		}
	case throttled:
		if !lookup {
			a.limits.lane(o.method, c.lane, now, now.Add(o.wait))
		}
	case quota:
		r.raise(a.name, "quota", o.reason)
		a.limits.pause(postMessage, now.Add(quotaWait))
	case routeDown:
		if lookup && isScopeOnly(o.reason) { // other messages may still go out
			r.raise(a.name, "lookups", o.reason)
			a.limits.pause(o.method, now.Add(lookupsWait))
			return true
		}
		r.raise(a.name, "held", o.reason)
	}
	return false
}

// isScopeOnly tells a token that may not do one thing from one that may do
// nothing.
func isScopeOnly(reason string) bool {
	return reason == "missing_scope" || reason == "no_permission" || reason == "not_allowed_token_type" || reason == "access_denied"
}

func (r *Relay) raise(host, kind, reason string) {
	if r.alarms.raise(host, kind, reason, r.now()) {
		r.log.Error("route needs attention", "routes", r.apps[host].hosts, "kind", kind, "reason", reason)
	}
}

// probe asks Slack about routes that are held, and lets those go whose token is
// good again.
func (r *Relay) probe(ctx context.Context) {
	for _, host := range r.alarms.probes(r.now()) {
		if ctx.Err() != nil {
			return
		}
		if o := outcomeOf(r.apps[host].test(ctx)); o.class == done {
			r.log.Info("held route is tried again", "route", host)
			if err := r.letGo(ctx, r.apps[host]); err != nil {
				r.log.Error("let held route go failed", "route", host, "error", err)
			}
		}
	}
}
