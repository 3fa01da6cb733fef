package notifyhook

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/slack-go/slack"
)

const (
	metadataType    = "cocoom_notification"
	clockTolerance  = 5 * time.Minute // our clock may be that far ahead of Slack's
	maxHistoryPages = 10              // of a conversation, for one search
	maxUnreadable   = 3               // answers of the history in a row, before it is given up
	deniedFor       = 10 * time.Minute
)

// metadata marks a message with its deliveries, and with nothing else: the whole
// workspace can read it.
func metadata(delivery string, with ...string) slack.MsgOption {
	payload := map[string]any{"id": delivery}
	if len(with) > 0 {
		payload["with"] = with
	}
	return slack.MsgOptionMetadata(slack.SlackMetadata{EventType: metadataType, EventPayload: payload})
}

// isOf says whether a message is marked with the delivery. Nobody but us knew the
// id before such a message stood there, so who posted it needs no proof.
func isOf(m slack.Message, delivery string) bool {
	with, _ := m.Metadata.EventPayload["with"].([]any)
	return m.Metadata.EventType == metadataType && (m.Metadata.EventPayload["id"] == delivery || slices.Contains(with, any(delivery)))
}

// isAboutMetadata says whether Slack takes the message, but not its mark.
func isAboutMetadata(reason string) bool {
	switch reason {
	case "metadata_too_large", "metadata_must_be_sent_from_app", "invalid_metadata_format", "invalid_metadata_schema":
		return true
	}
	return false
}

// finding is what Slack's history says of a delivery in doubt.
type finding uint8

const (
	untold   finding = iota // it must not be read, or was not read far enough
	notThere                // certainly not posted
	isThere
	askLater
)

// clearDoubts comes before the repeat of a delivery that Slack may have already.
// It is over if Slack's history has it or cannot be asked just now. If it is
// missing there, the past is cleared, and the repeat is an attempt like any. If
// that stays untold, the delivery is marked, and Slack has to answer something
// harmless first: the one repeat that is allowed must not be used up on a Slack
// that is down.
func (r *Relay) clearDoubts(ctx context.Context, c *claim) (o outcome, over bool) {
	if !c.before.inDoubt() {
		return outcome{}, false
	}
	thread, err := r.thread(ctx, *c)
	if err != nil {
		r.log.Error("find thread failed", "route", c.route.host, "delivery", c.delivery, "error", err)
		return outcome{class: transient, reason: "store_unavailable"}, true
	}
	what, o := r.findPosted(ctx, c, thread)
	r.reached(atSearched)
	switch what {
	case isThere, askLater:
		return o, true
	case untold:
		switch o := outcomeOf(authTest, c.route.app.test(ctx)); o.class {
		case transient, throttled, held, routeDown:
			return o, true
		}
	}
	if err := r.settleDoubts(ctx, *c, what); err != nil {
		if !errors.Is(err, errLeaseLost) { // which the record finds out as well
			r.log.Error("settle doubts failed", "route", c.route.host, "delivery", c.delivery, "error", err)
		}
		return outcome{class: transient, reason: "store_unavailable"}, true
	}
	if what == notThere {
		c.before.ambiguous, c.before.interrupted = 0, 0
	}
	r.reached(atRepeating)
	return outcome{}, false
}

// settleDoubts commits, before a delivery is sent again, either that its attempts
// in doubt did not post or that Slack may get it twice.
func (r *Relay) settleDoubts(ctx context.Context, c claim, what finding) error {
	query := `UPDATE delivery SET possible_duplicate = 1 WHERE id = $3 AND EXISTS (SELECT 1 FROM lane WHERE lane = $1 AND lease_owner = $2)`
	var words []any
	if what == notThere {
		query = `UPDATE attempt SET outcome = $4 WHERE delivery_id = $3 AND outcome IN ($5, $6) AND EXISTS (SELECT 1 FROM lane WHERE lane = $1 AND lease_owner = $2)`
		words = []any{notPosted.String(), ambiguous.String(), interrupted.String()}
	}
	return r.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		for _, one := range c.parts() {
			result, err := tx.ExecContext(ctx, query, append([]any{c.lane, c.owner, one.delivery}, words...)...)
			if err != nil {
				return fmt.Errorf("settle doubts: %w", err)
			}
			if n, err := result.RowsAffected(); err != nil {
				return fmt.Errorf("settle doubts: %w", err)
			} else if n == 0 {
				return errLeaseLost
			}
		}
		return nil
	})
}

// findPosted searches the conversation, and first the thread if there is one,
// for a message of the delivery, or of its batch. The outcome is that of a message found, or says
// why to ask later.
func (r *Relay) findPosted(ctx context.Context, c *claim, thread string) (finding, outcome) {
	if thread != "" {
		if what, o := r.search(ctx, c, thread); what != notThere {
			return what, o
		}
	}
	return r.search(ctx, c, "") // a reply whose parent is gone is posted there, too
}

// search is findPosted for one place: the thread or, if empty, the conversation
// itself.
func (r *Relay) search(ctx context.Context, c *claim, thread string) (finding, outcome) {
	method, denied := conversationHistory, c.app.name+"?"+c.conversation
	if thread != "" {
		method = conversationReplies
	}
	if _, ok := r.recall(denied); ok {
		return untold, outcome{}
	}
	cursor, since := "", c.before.doubtSince.Add(-clockTolerance)
	for range maxHistoryPages {
		page, err := c.route.app.history(ctx, c.conversation, thread, since, cursor)
		o := outcomeOf(method, err)
		switch {
		case o.class == done:
		case o.reason == "thread_not_found":
			return notThere, outcome{}
		case o.class == throttled, o.class == held, o.class == routeDown && !isScopeOnly(o.reason),
			o.class == transient && (!isUnreadable(o.reason) || c.failures < maxUnreadable):
			return askLater, o
		default:
			r.cache.Add(denied, remembered{gone: o.reason, until: r.now().Add(deniedFor)})
			return untold, outcome{}
		}
		for _, m := range page.messages {
			if one, ok := c.within(m); ok {
				*c = one
				return isThere, outcome{class: done, method: method, reason: "found_in_history", channel: c.conversation, ts: plausibleOr(m.Timestamp, ""), parent: plausibleOr(m.ThreadTimestamp, "")}
			}
		}
		if cursor = page.next; cursor == "" && !page.more {
			return notThere, outcome{}
		} else if cursor == "" {
			break
		}
	}
	return untold, outcome{}
}

// isUnreadable says whether an answer came, and made no sense.
func isUnreadable(reason string) bool {
	return reason == "answer_not_json" || reason == "answer_cut_short" || reason == "no_timestamp"
}

// historyPage is a part of a conversation's messages. more without next is a
// part of which the rest cannot be had.
type historyPage struct {
	messages []slack.Message
	next     string
	more     bool
}

// history returns a page of the messages of a conversation, or of a thread in it,
// since a time. It needs the scope channels:history, groups:history or
// im:history, by the kind of conversation, and a bot that is a member
// (https://docs.slack.dev/reference/methods/conversations.history).
func (a slackApp) history(ctx context.Context, conversation, thread string, since time.Time, cursor string) (page historyPage, err error) {
	oldest := strconv.FormatInt(since.Unix(), 10) + ".000000"
	if thread == "" {
		err = a.call(ctx, conversationHistory, func(ctx context.Context) error {
			answer, err := a.api.GetConversationHistoryContext(ctx, &slack.GetConversationHistoryParameters{ChannelID: conversation, Cursor: cursor,
				Oldest: oldest, Inclusive: true, Limit: historyPageSize, IncludeAllMetadata: true})
			if err != nil {
				return err
			}
			if !answer.Ok {
				return errNoTimestamp
			}
			page = historyPage{messages: answer.Messages, next: answer.ResponseMetaData.NextCursor, more: answer.HasMore}
			return nil
		})
		return page, err
	}
	err = a.call(ctx, conversationReplies, func(ctx context.Context) error {
		list, more, next, err := a.api.GetConversationRepliesContext(ctx, &slack.GetConversationRepliesParameters{ChannelID: conversation, Timestamp: thread, Cursor: cursor,
			Oldest: oldest, Inclusive: true, Limit: historyPageSize, IncludeAllMetadata: true})
		if err != nil {
			return err
		}
		if len(list) == 0 { // the parent at least is in every answer
			return errNoTimestamp
		}
		page = historyPage{messages: list, next: next, more: more}
		return nil
	})
	return page, err
}
