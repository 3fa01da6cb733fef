package notifyhook

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// stamps makes the ts that callers of the Web API are given before Slack gives
// one: by it they know the message, and reply to it.
type stamps struct {
	mu   sync.Mutex
	last int64 // microseconds
}

// next returns a ts in Slack's form, growing, and of the millisecond now unless
// that was given out. The digits below it are random, so that replicas seldom
// give the same one; the index on own_ts refuses the second.
func (s *stamps) next(now time.Time) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	// #nosec G404 -- spreads what would come at once; nobody is to be kept from guessing it
	s.last = max(now.UnixMilli()*1000+rand.Int64N(1000), s.last+1)
	return fmt.Sprintf("%010d.%06d", s.last/1e6, s.last%1e6)
}

// slackTS translates the ts of a message to reply to, if it is one of ours:
// into Slack's, or "" if that message never got one. The parent stands before
// its reply in the lane, so its delivery is over. Where it waits in another
// conversation's lane, or where its channel could not be looked up so far, the
// reply does not wait for it. The lane's app is none of this: a route that was
// added may have changed its name since.
func (r *Relay) slackTS(ctx context.Context, c claim, ts string) (string, error) {
	var lane, found string
	err := r.store.Read().QueryRowContext(ctx, `SELECT d.lane, COALESCE(m.slack_ts, d.slack_ts)
		FROM delivery d LEFT JOIN delivery m ON m.id = d.merged_into WHERE d.route = $1 AND d.own_ts = $2 AND d.own_ts <> ''`, c.route.host, ts).Scan(&lane, &found)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return ts, nil
	case err != nil:
		return "", fmt.Errorf("find parent of thread: %w", err)
	case conversationOf(lane) != c.conversation:
		return "", nil
	}
	return found, nil
}

// postAsAsked posts a message asked for in Slack's own terms. What Slack
// refuses to do for it, it goes without, within the same attempt: the refusal
// was certain, and the message matters more than its name or its place.
func (r *Relay) postAsAsked(ctx context.Context, c claim, m message) outcome {
	asked := *m.slack
	thread, err := r.thread(ctx, c)
	if err != nil {
		r.log.Error("find thread failed", "route", c.route.host, "delivery", c.delivery, "error", err)
		return outcome{class: transient, method: postMessage, reason: "store_unavailable"}
	}
	asked.ThreadTS = thread
	uncustomized := c.app.name + "!customize"
	kind, _ := classify(c.conversation)
	// Under another name, what goes to a person's id lands in Slackbot's
	// conversation with them.
	if _, known := r.recall(uncustomized); known || kind == userID {
		asked = *asked.withoutIdentity()
	}
	refused := ""
	for {
		m.slack = &asked
		o := r.post(ctx, c, m)
		if o.class == done && refused != "" {
			if refused == "missing_scope" {
				r.cache.Add(uncustomized, remembered{until: r.now().Add(knownFor)})
			}
			o.reason = sentOtherwise + refused
		}
		next := asked.without(o.reason)
		if o.class == done || next == nil {
			return o
		}
		asked, refused = *next, o.reason
	}
}
