package notifyhook

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/slack-go/slack"
)

// What waits for one person because their lane is backed up goes out as one
// message: the batch of the delivery at the head. Each delivery in it has its
// own attempt, and the end that the head's has. A batch that Slack may have
// already is repeated as that very batch, so that at worst one message comes
// twice; one that Slack refuses is disbanded, and each goes alone from then on.
const (
	mergeAfter  = 10 * time.Second // that the head waits beyond its time
	mergeLeast  = 3                // deliveries that wait
	mergeMost   = 20               // deliveries in one message
	maxMerged   = 12000            // characters in one message; Slack refuses blocks with about 13,200
	maxInMerged = 3000             // characters of one delivery: a section block's limit
)

// Values of notify.merge.
const (
	mergePeople = "people"
	mergeAll    = "all"
	mergeOff    = "off"
)

// mergesIn says whether what waits in a conversation may be merged. Unless the
// route says otherwise, only a person's is: in a channel, one message per thing
// is what people answer to.
func (rt *route) mergesIn(conversation string) bool {
	switch rt.Merge {
	case mergeAll:
		return true
	case mergeOff:
		return false
	}
	return isDirect(conversation)
}

// isMergeable says whether the request's message is no more than a text that may
// stand among others.
func (q request) isMergeable() bool {
	if q.Mode != "" || q.Slack != nil {
		return false
	}
	for _, lang := range [...]string{french, english} { // it may yet be either
		m := compose(q, audience{lang: lang})
		if len(m.blocks) > 0 || size(m.text) > maxInMerged || m.mrkdwn && strings.Count(m.text, "```")%2 != 0 { // which would swallow what follows
			return false
		}
	}
	return true
}

// joins says whether the request's text may stand in one message with other's.
func (q request) joins(other request) bool {
	_, mrkdwn := q.body("")
	_, others := other.body("")
	return q.isMergeable() && mrkdwn == others && q.Lang == other.Lang
}

// parts are the deliveries of the claim, one by one: the head, and those whose
// texts go along with it.
func (c claim) parts() []claim {
	head := c
	head.merged = nil
	list := append([]claim{head}, c.merged...)
	for i := range list {
		list[i].at = c.at
	}
	return list
}

// alongside are the ids of the deliveries whose texts are in the head's message.
func (c claim) alongside() []string {
	var list []string
	for _, one := range c.merged {
		if !one.isActor {
			list = append(list, one.delivery)
		}
	}
	return list
}

// meet finds out for whom the claim's texts are, before its message is composed.
// An outcome other than done says that this has to wait.
func (r *Relay) meet(ctx context.Context, c *claim) (o outcome) {
	if c.audience, o = r.audience(ctx, c.route, c.request, c.to); o.class != done {
		return o
	}
	for i := range c.merged {
		one := &c.merged[i]
		if one.audience, o = r.audience(ctx, one.route, one.request, one.to); o.class != done {
			return o
		}
	}
	return o
}

// compose makes the message of the claim: all its texts, oldest first.
func (c claim) compose() message {
	m := compose(c.request, c.audience)
	if len(c.merged) == 0 {
		return m
	}
	var list []string
	for _, one := range c.parts() {
		if !one.isActor {
			list = append(list, compose(one.request, one.audience).text)
		}
	}
	m.text = strings.Join(list, "\n\n")
	if size(m.text) <= maxMessageText {
		return m
	}
	m.text = shorten(m.text, maxMessageText)
	for _, text := range list {
		if m.mrkdwn {
			// Verbatim, as in sections: else an @channel in a title would ping.
			m.blocks = append(m.blocks, slack.NewSectionBlock(slack.NewTextBlockObject(slack.MarkdownType, text, false, true), nil, nil))
		} else {
			m.blocks = append(m.blocks, literal(text))
		}
	}
	return m
}

// member is a delivery in a lane, as merging looks at it.
type member struct {
	claim
	host     string // the route's, whether or not it is configured
	batch    string // id of the head with which it was sent last
	asked    string
	expires  time.Time
	doubts   int  // attempts after which Slack may have it
	unknowns int  // with answers that nobody documented
	refusals int  // of it, or of a batch that it was in
	instead  bool // a fallback, whose end may call for the next one
}

// isFree says whether the delivery may go into a new batch: nothing in its past
// or future is its own.
func (m member) isFree() bool { return m.doubts+m.unknowns+m.refusals == 0 && !m.instead }

// takeAlong begins, together with the head's attempt, those of the deliveries
// behind it whose texts go into its message.
func (r *Relay) takeAlong(ctx context.Context, tx *sql.Tx, c *claim) error {
	late := c.at.Sub(c.due) > mergeAfter && c.route.mergesIn(c.conversation)
	if !late && c.attempt == 1 || !c.request.isMergeable() {
		return nil
	}
	list, err := c.lineUp(ctx, tx)
	if err != nil || len(list) == 0 {
		return err
	}
	head := list[0]
	repeat := head.doubts > 0 && head.refusals == 0
	c.repeats = repeat
	if !repeat && (!late || len(list) < mergeLeast || !head.isFree()) {
		return nil
	}
	batch, err := r.chooseBatch(ctx, tx, c, list)
	if err != nil {
		return err
	}
	for _, one := range batch {
		if begun, err := one.begin(ctx, tx); err != nil {
			return err
		} else if !begun { // cancelled just now
			continue
		}
		c.merged = append(c.merged, one)
		if repeat {
			continue
		}
		if err := one.mergeInto(ctx, tx, c.delivery); err != nil {
			return err
		}
	}
	return nil
}

// lineUp reads the lane's first deliveries, beginning with the head.
func (c *claim) lineUp(ctx context.Context, tx *sql.Tx) ([]member, error) {
	rows, err := tx.QueryContext(ctx, `SELECT d.seq, d.id, d.notification_id, d.recipient, d.due_at, d.route, COALESCE(d.merged_into, d.id), n.request, n.expires_at,
			(SELECT COUNT(*) FROM attempt a WHERE a.delivery_id = d.id AND a.outcome IN ($1, $2)),
			(SELECT COUNT(*) FROM attempt a WHERE a.delivery_id = d.id AND a.outcome = $3),
			(SELECT COUNT(*) FROM attempt a WHERE a.delivery_id = d.id AND a.outcome IN ($4, $5)),
			CASE WHEN d.instead_of IS NULL THEN 0 ELSE 1 END
		FROM delivery d JOIN notification n ON n.id = d.notification_id
		WHERE d.lane = $6 AND d.state IN ('queued', 'sending') AND d.seq >= $7 ORDER BY d.seq LIMIT $8`,
		ambiguous.String(), interrupted.String(), unknown.String(), recipientGone.String(), badContent.String(), c.lane, c.seq, mergeMost)
	if err != nil {
		return nil, fmt.Errorf("read lane: %w", err)
	}
	defer rows.Close()
	var list []member
	for rows.Next() {
		one := member{claim: *c}
		one.ended, one.merged, one.attempt = nil, nil, 0
		var due, expires int64
		if err := rows.Scan(&one.seq, &one.delivery, &one.notification, &one.to, &due, &one.host, &one.batch, &one.asked, &expires, &one.doubts, &one.unknowns, &one.refusals, &one.instead); err != nil {
			return nil, fmt.Errorf("read lane: %w", err)
		}
		one.due, one.expires = time.UnixMilli(due), time.UnixMilli(expires)
		list = append(list, one)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read lane: %w", err)
	}
	return list, nil
}

// chooseBatch returns those behind the head that go along: up to the first that
// does not fit. A repeat takes those of the batch that it repeats.
func (r *Relay) chooseBatch(ctx context.Context, tx *sql.Tx, c *claim, list []member) ([]claim, error) {
	var batch []claim
	length := size(compose(c.request, audience{}).text)
	for _, one := range list[1:] {
		over := ""
		one.request = request{}
		if json.Unmarshal([]byte(one.asked), &one.request) != nil {
			over = "unreadable"
		} else if !one.expires.After(c.at) {
			over = expired.String()
		}
		if over != "" { // it ends here as it would at the head
			if err := r.end(ctx, tx, &one.claim, verdict{state: "dead", reason: over}, outcome{}); err != nil {
				return nil, err
			}
			c.ended = append(c.ended, ending{route: one.host, delivery: one.delivery, reason: over})
			continue
		}
		length += len("\n\n") + size(compose(one.request, audience{}).text)
		fits := one.host == list[0].host && one.request.joins(c.request) && length <= maxMerged
		if c.repeats {
			fits = fits && one.doubts > 0 && one.refusals == 0 && one.batch == list[0].batch
		} else {
			fits = fits && one.isFree() && !one.due.After(c.at)
		}
		if !fits {
			break
		}
		batch = append(batch, one.claim)
	}
	// One that is just being looked up may belong between them.
	for len(batch) > 0 && !c.repeats {
		wait, err := r.olderUnresolved(ctx, tx, &batch[len(batch)-1])
		if err != nil {
			return nil, err
		}
		if !wait {
			break
		}
		batch = batch[:len(batch)/2]
	}
	return batch, nil
}

// keepBatch writes down, after an attempt, with which head a delivery of its
// batch was sent, or may have been; with none if it certainly was not.
func (c claim) keepBatch(ctx context.Context, tx *sql.Tx, one claim, o outcome) error {
	switch {
	case len(c.merged) == 0 && c.attempt <= 1: // never in a batch
		return nil
	case o.class == done || o.class == ambiguous || c.repeats && o.class != suppressed:
		return one.mergeInto(ctx, tx, c.delivery)
	}
	return one.mergeInto(ctx, tx, one.delivery)
}

// mergeInto writes down with which head a delivery is sent; with itself: alone.
func (c claim) mergeInto(ctx context.Context, tx *sql.Tx, head string) error {
	_, err := tx.ExecContext(ctx, `UPDATE delivery SET merged_into = CASE WHEN id = $1 THEN NULL ELSE $1 END WHERE id = $2`, head, c.delivery)
	if err != nil {
		return fmt.Errorf("merge delivery: %w", err)
	}
	return nil
}

// sift finds those of a batch that would tell their actor of their own act. The
// first of the others becomes its head.
func (r *Relay) sift(ctx context.Context, c claim) claim {
	if len(c.merged) == 0 {
		return c
	}
	parts := c.parts()
	for i := range parts {
		parts[i].isActor = r.isActor(ctx, parts[i])
	}
	return led(parts)
}

// led is the claim of a batch: the first that is not left out is its head.
func led(parts []claim) claim {
	slices.SortStableFunc(parts, func(a, b claim) int {
		switch {
		case a.isActor == b.isActor:
			return 0
		case a.isActor:
			return 1
		}
		return -1
	})
	head := parts[0]
	head.merged = parts[1:]
	return head
}

// within says whether the message has the text of one of the claim's deliveries,
// and gives the claim by which it does: those that it did without were to their
// actor, since a batch is repeated as it was.
func (c claim) within(m slack.Message) (claim, bool) {
	parts, found := c.parts(), false
	for i := range parts {
		if isOf(m, parts[i].delivery) {
			found = true
		} else {
			parts[i].isActor = true
		}
	}
	if !found {
		return c, false
	}
	return led(parts), true
}

// share is what the outcome of a batch's attempt is for one delivery of it.
func (c claim) share(o outcome, v verdict) (outcome, verdict) {
	if c.isActor && o.class != suppressed {
		return outcome{class: suppressed, reason: "actor"}, verdict{state: "suppressed", reason: "actor"}
	}
	return o, v
}

// sendAlone disbands a batch that Slack refused, and goes on with its head.
func (r *Relay) sendAlone(calls, record context.Context, c *claim, refused outcome) outcome {
	if err := r.disband(record, c, refused); err != nil {
		r.log.Error("disband batch failed", "route", c.route.host, "delivery", c.delivery, "error", err)
		return outcome{class: transient, method: refused.method, reason: "store_unavailable"}
	}
	c.merged = nil
	return r.send(calls, c)
}

// disband puts the deliveries that went along back into the queue. What was
// refused does not count as their attempt.
func (r *Relay) disband(ctx context.Context, c *claim, refused outcome) error {
	now, err := r.clock(ctx)
	if err != nil {
		return err
	}
	return r.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if err := c.fence(ctx, tx, verdict{failures: c.failures, notBefore: time.UnixMilli(0)}); err != nil {
			return err
		}
		for _, one := range c.merged {
			one.at = now
			o, v := one.share(refused, verdict{state: "queued", reason: refused.reason, notBefore: now})
			if err := r.endPart(ctx, tx, one, o, v); err != nil {
				return err
			}
			if err := one.mergeInto(ctx, tx, one.delivery); err != nil {
				return err
			}
		}
		return nil
	})
}
