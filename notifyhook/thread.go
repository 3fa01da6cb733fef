package notifyhook

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/slack-go/slack"
)

// How a message belongs to its entity.
const (
	modeThread = "thread" // below the entity's message, which the first one becomes
	modeUpdate = "update" // in its place
)

// standing is the message that stands for an entity in a conversation. Zero:
// there is none yet.
type standing struct {
	channel string // as Slack answered: chat.update takes no user's id, which a lane may be for
	ts      string
}

// findStanding reads what stands for the head's entity in this conversation.
func (c *claim) findStanding(ctx context.Context, tx *sql.Tx) error {
	c.standing = standing{}
	if c.request.Mode == "" || c.conversation == "" {
		return nil
	}
	err := tx.QueryRowContext(ctx, `SELECT e.channel, e.ts FROM delivery d JOIN entity e ON e.lane = d.lane AND e.route = d.route
		WHERE d.id = $1 AND e.entity = $2`, c.delivery, c.request.Entity).Scan(&c.standing.channel, &c.standing.ts)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("find message of entity: %w", err)
	}
	return nil
}

// keepStanding writes down which message stands for the entity of a delivery
// that was sent. A message that did not change stays in use by it.
func (c claim) keepStanding(ctx context.Context, tx *sql.Tx, o outcome) error {
	if c.request.Mode == "" || o.class != done {
		return nil
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO entity (lane, route, entity, channel, ts, changed_at)
		SELECT lane, route, CAST($1 AS TEXT), CAST($2 AS TEXT), CAST($3 AS TEXT), CAST($4 AS BIGINT) FROM delivery WHERE id = $5
		ON CONFLICT (lane, route, entity) DO UPDATE SET channel = excluded.channel, ts = excluded.ts, changed_at = excluded.changed_at`,
		c.request.Entity, o.channel, cmp.Or(o.parent, o.ts), c.at.UnixMilli(), c.delivery)
	if err != nil {
		return fmt.Errorf("keep message of entity: %w", err)
	}
	return nil
}

// thread is the ts of the message that the head's replies to; empty: to none.
func (r *Relay) thread(ctx context.Context, c claim) (string, error) {
	switch {
	case c.request.Slack != nil && c.request.Slack.ThreadTS != "":
		return r.slackTS(ctx, c, c.request.Slack.ThreadTS)
	case c.request.Mode == modeThread:
		return c.standing.ts, nil
	}
	return "", nil
}

// method is the one that the head's attempt begins with.
func (c claim) method() string {
	if c.request.Mode == modeUpdate && c.standing.ts != "" {
		return updateMessage
	}
	return postMessage
}

// put makes the message stand where its request wants it: in place of the
// entity's message, below it, or by itself. Where Slack refuses for certain to
// change that message, or to take a reply to it, the new one takes its part: an
// earlier attempt may have posted that already.
func (r *Relay) put(ctx context.Context, c *claim, m message) outcome {
	if m.slack != nil {
		return r.postAsAsked(ctx, *c, m)
	}
	if c.method() == updateMessage {
		if o := r.update(ctx, *c, m); o.class != stale {
			return o
		}
		if o, over := r.clearDoubts(ctx, c); over {
			return o
		}
	} else if c.request.Mode == modeThread && c.standing.ts != "" {
		reply := m
		reply.threadTS, reply.broadcast = c.standing.ts, c.route.Broadcast
		if said := c.request.Broadcast; said != nil {
			reply.broadcast = *said
		}
		if o := r.post(ctx, *c, reply); o.class != staleThread {
			return o
		}
	}
	return r.post(ctx, *c, m)
}

func (r *Relay) update(ctx context.Context, c claim, m message) outcome {
	channel, ts, err := c.route.app.update(ctx, c.standing, m.forUpdate())
	o := outcomeOf(updateMessage, err)
	if o.class == done {
		o.channel, o.ts = clean(channel), clean(ts)
	}
	return o
}

// update replaces a message by another and returns where it stands. To do it
// twice comes to the same.
func (a slackApp) update(ctx context.Context, old standing, m message) (channel, ts string, err error) {
	err = a.call(ctx, updateMessage, func(ctx context.Context) error {
		channel, ts, _, err = a.api.UpdateMessageContext(ctx, old.channel, old.ts, m.options()...)
		if err == nil && !plausible(ts) {
			return errNoTimestamp
		}
		return err
	})
	return plausibleOr(channel, old.channel), ts, err
}

// forUpdate is the message as chat.update takes it: with a shorter text, and
// plain text as a block, since the method cannot be told that the signs in a
// text are no markup.
func (m message) forUpdate() message {
	if !m.mrkdwn && len(m.blocks) == 0 {
		m.blocks = []slack.Block{literal(m.text)}
	}
	m.text = shorten(m.text, maxMessageText)
	return m
}

// literal is escaped text as a block in which nothing but links and mentions,
// in Slack's < >, has a meaning.
func literal(text string) slack.Block {
	var list []slack.RichTextSectionElement
	words := func(s string) {
		if s != "" {
			list = append(list, slack.NewRichTextSectionTextElement(unescape.Replace(s), nil))
		}
	}
	for {
		before, rest, _ := strings.Cut(text, "<")
		words(before)
		sequence, after, found := strings.Cut(rest, ">")
		if !found {
			break
		}
		list, text = append(list, sequenceElement(sequence)), after
	}
	return slack.NewRichTextBlock("", slack.NewRichTextSection(list...))
}

// sequenceElement is the element for what stands between < and >
// (https://docs.slack.dev/messaging/formatting-message-text).
func sequenceElement(sequence string) slack.RichTextSectionElement {
	target, label, _ := strings.Cut(sequence, "|")
	switch {
	case strings.HasPrefix(target, "@"):
		return slack.NewRichTextSectionUserElement(target[1:], nil)
	case strings.HasPrefix(target, "#"):
		return slack.NewRichTextSectionChannelElement(target[1:], nil)
	case strings.HasPrefix(target, "!subteam^"):
		return slack.NewRichTextSectionUserGroupElement(strings.TrimPrefix(target, "!subteam^"))
	case strings.HasPrefix(target, "!"):
		return slack.NewRichTextSectionBroadcastElement(target[1:])
	}
	return slack.NewRichTextSectionLinkElement(unescape.Replace(target), unescape.Replace(label), nil)
}
