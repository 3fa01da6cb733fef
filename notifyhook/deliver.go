package notifyhook

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"go.opentelemetry.io/otel/trace"
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
	calls, end := r.deliverySpan(calls, c)
	defer end()
	record = trace.ContextWithSpan(record, trace.SpanFromContext(calls))
	if c.conversation == "" {
		r.find(calls, record, c)
		return
	}
	c = r.sift(calls, c)
	o := r.send(calls, &c)
	if o.isRefusal() && len(c.merged) > 0 {
		o = r.sendAlone(calls, record, &c, o)
	}
	if o.class == recipientGone {
		conversation, again := r.lookAgain(calls, c, o)
		if conversation != "" {
			if r.written(record, c, o, func() error { return r.redirect(record, c, o, conversation) }) {
				r.log.Info("delivery follows its address", "route", c.route.host, "delivery", c.delivery, "attempt", c.attempt, "reason", o.reason)
			}
			return
		}
		o = again
	}
	r.settle(record, c, o)
}

// find looks up the conversation of a claimed lane.
func (r *Relay) find(calls, record context.Context, c claim) {
	conversation, o := r.resolve(calls, c.route, c.to)
	if o.class != done {
		r.settle(record, c, o)
		return
	}
	if r.alarms.clear(c.app.name, alarmLookups) {
		r.log.Info("recipients can be looked up again", "routes", c.app.hosts)
	}
	if err := r.move(record, c, conversation); err != nil {
		r.log.Error("move deliveries failed", "route", c.route.host, "delivery", c.delivery, "error", err)
		return
	}
	r.reached(atMoved)
}

// send makes one attempt, unless the conversation turns out to be the actor's or
// to have the message already.
func (r *Relay) send(ctx context.Context, c *claim) outcome {
	if r.isActor(ctx, *c) {
		return outcome{class: suppressed, reason: "actor"}
	}
	if c.method() == postMessage { // an update may be repeated freely, as long as it is one (see put)
		if o, over := r.clearDoubts(ctx, c); over {
			return o
		}
	}
	if o := r.meet(ctx, c); o.class != done {
		return o
	}
	o := r.postOrMend(ctx, c)
	if o.class == staleThread { // of a message that is no reply
		o.class = recipientGone
	}
	if o.class == routeDown && isPerhapsRecipient(o.reason) {
		o.class = r.whoIsRefused(ctx, c.route)
	}
	return o
}

// postOrMend posts, and mends what Slack refuses, each thing once: an app that is
// no member joins the channel, blocks or markup are replaced by plain text. All
// that is one attempt, since the refusals were certain.
func (r *Relay) postOrMend(ctx context.Context, c *claim) outcome {
	o := r.put(ctx, c, c.compose())
	if o.reason == "not_in_channel" {
		if o = r.join(ctx, *c, o); o.class == done {
			o = r.put(ctx, c, c.compose())
		}
	}
	if o.class == badContent && len(c.merged) == 0 {
		refused := o.reason
		if o = r.put(ctx, c, composePlain(c.request, c.audience)); o.class == done {
			o.reason = sentPlain + refused
		}
	}
	return o
}

// join takes the app into a public channel, if it may. If it may not, the
// refusal stands: somebody has to invite it.
func (r *Relay) join(ctx context.Context, c claim, refused outcome) outcome {
	denied := c.app.name + "+" + c.conversation
	if _, ok := r.recall(denied); ok {
		return refused
	}
	o := outcomeOf(joinConversation, c.route.app.join(ctx, c.conversation))
	switch {
	case o.class == done, o.class == throttled, o.class == held, o.class == transient, o.class == routeDown && !isScopeOnly(o.reason):
		return o
	}
	r.cache.Add(denied, remembered{gone: o.reason, until: r.now().Add(deniedFor)})
	return refused
}

// whoIsRefused tells a refusal of one conversation from one of the token, so
// that a single conversation does not hold its route: Slack takes the token, or
// not, or cannot be asked now.
func (r *Relay) whoIsRefused(ctx context.Context, rt *route) class {
	switch outcomeOf(authTest, rt.app.test(ctx)).class {
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

// post makes the call, and again without the mark if Slack wants none. An
// unmarked message cannot be found again: a repeat may be its double.
func (r *Relay) post(ctx context.Context, c claim, m message) outcome {
	channel, ts, parent, err := c.route.app.post(ctx, c.conversation, m, metadata(c.delivery, c.alongside()...))
	o := outcomeOf(postMessage, err)
	if isAboutMetadata(o.reason) {
		if !c.before.doubtSince.IsZero() { // it is a repeat
			if err := r.settleDoubts(ctx, c, untold); err != nil {
				return outcome{class: transient, reason: "store_unavailable"}
			}
		}
		channel, ts, parent, err = c.route.app.post(ctx, c.conversation, m)
		o = outcomeOf(postMessage, err)
	}
	r.reached(atAnswered)
	if o.class == done {
		o.channel, o.ts, o.parent = clean(channel), clean(ts), clean(parent)
	}
	return o
}

// isActor finds out whether the recipient and the actor, told by different
// kinds of id, are one person. If that cannot be found out, the message is
// sent: told too much is better than too little.
func (r *Relay) isActor(ctx context.Context, c claim) bool {
	q := c.request
	kind, _ := classify(c.to)
	if len(c.merged) > 0 {
		return c.isActor // sift has found out
	}
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
	r.shares.answered(c.app.name, o.reason != timedOut)
	// #nosec G404 -- spreads what would come at once; nobody is to be kept from guessing it
	v := judge(o, c.before, c.failures, now, rand.Float64())
	if r.beyond(c, o) {
		v.notBefore = now.Add(lookupsWait)
	}
	if o.class == routeDown && !r.isCurrent(c.app) {
		v.notBefore = now // the token has been replaced since
	}
	if !r.written(ctx, c, o, func() error { return r.record(ctx, c, o, v) }) {
		return
	}
	noteOutcome(ctx, o, v)
	for _, one := range c.parts() {
		_, v := one.share(o, v)
		c.route.noteDelivery(v.state)
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
	for _, one := range c.merged {
		r.log.Log(ctx, level, "merged delivery likewise", "route", c.route.host, "delivery", one.delivery, "merged_into", c.delivery, "to_actor", one.isActor)
	}
}

// written writes an outcome down, trying until ctx ends or the lane is not ours
// any more. It reports whether it is written.
func (r *Relay) written(ctx context.Context, c claim, o outcome, write func() error) bool {
	err := write()
	for err != nil && !errors.Is(err, errLeaseLost) && ctx.Err() == nil {
		if !errors.Is(err, errFallbackTaken) { // which chooses another one, at once
			wait(ctx, nil, recordInterval)
		}
		err = write()
	}
	if err != nil {
		r.log.Error("record outcome failed", "route", c.route.host, "delivery", c.delivery, "outcome", o.class.String(), "error", err)
		return false
	}
	r.reached(atRecorded)
	return true
}

// beyond handles what an outcome says about more than its own lane. It reports
// whether the look-up's method has to wait.
func (r *Relay) beyond(c claim, o outcome) (lookupHeld bool) {
	a, now := c.app, r.now()
	lookup := c.attempt == 0
	if o.class != done && !r.isCurrent(a) {
		return false // said of a token that is not used any more
	}
	switch o.class {
	case done:
		if r.alarms.clear(a.name, alarmHeld) {
			r.log.Info("route sends again", "routes", a.hosts)
		}
		r.alarms.clear(a.name, alarmQuota)
	case throttled:
		if !lookup && o.method == postMessage { // others are paused as a whole
			a.limits.lane(o.method, c.lane, now, now.Add(o.wait))
		}
	case quota:
		r.raise(a.name, alarmQuota, o.reason)
		a.limits.pause(postMessage, now.Add(quotaWait))
	case routeDown:
		if lookup && isScopeOnly(o.reason) { // other messages may still go out
			r.raise(a.name, alarmLookups, o.reason)
			a.limits.pause(o.method, now.Add(lookupsWait))
			return true
		}
		r.raise(a.name, alarmHeld, o.reason)
	}
	return false
}

// isScopeOnly tells a token that may not do one thing from one that may do
// nothing.
func isScopeOnly(reason string) bool {
	switch reason {
	case "missing_scope", "no_permission", "not_allowed_token_type", "access_denied", "unknown_method", "method_deprecated", "deprecated_endpoint":
		return true
	}
	return false
}
