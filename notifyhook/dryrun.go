package notifyhook

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

const tryTimeout = 10 * time.Second // for Slack to name all recipients

// trial is what a notification would come to, as far as that is known before:
// Slack may still refuse to post it.
type trial struct {
	DryRun     bool           `json:"dry_run"` // true
	Status     string         `json:"status"`  // queued | scheduled | suppressed
	SendAt     *time.Time     `json:"send_at,omitempty"`
	ExpiresAt  time.Time      `json:"expires_at"`
	Recipients []tryRecipient `json:"recipients"`
	Messages   []tryMessage   `json:"messages"` // in the order in which they would be posted
	Warnings   []string       `json:"warnings"`
}

// tryRecipient is one recipient as Slack knows it.
type tryRecipient struct {
	To      string `json:"to"`
	State   string `json:"state"`             // queued | suppressed | dead, or unknown if Slack could not be asked now
	Channel string `json:"channel,omitempty"` // the conversation that it would go to
	Error   string `json:"error,omitempty"`   // Slack's error name, or a constant word of ours
}

// tryMessage is what Slack would be sent, and for whom: not everybody reads the
// same language.
type tryMessage struct {
	To      []string        `json:"to"`
	Message json.RawMessage `json:"message"` // the arguments of chat.postMessage
}

func (t trial) with(warnings []string) trial {
	t.Warnings = append(t.Warnings, warnings...)
	return t
}

// tryOut says of each request what would become of it. It asks Slack for
// conversations, as delivering does and with the same memory; the store is left
// alone, and no key is used.
func (r *Relay) tryOut(ctx context.Context, rt *route, asked []request, now time.Time) []trial {
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	trials := make([]trial, 0, len(asked))
	for _, q := range asked {
		trials = append(trials, r.tryOne(ctx, rt, q, now))
	}
	return trials
}

func (r *Relay) tryOne(ctx context.Context, rt *route, q request, now time.Time) trial {
	t := trial{DryRun: true, Status: "queued", ExpiresAt: q.ends(now).UTC(), Messages: []tryMessage{}, Warnings: []string{}}
	if begins := q.begins(now); begins.After(now) {
		t.Status, t.SendAt = "scheduled", new(begins.UTC())
	}
	first := map[string]string{} // recipients by conversation
	for i, to := range q.To {
		one := r.tryRecipient(ctx, rt, q, to)
		if same := first[one.Channel]; one.Channel != "" && same != "" {
			t.Warnings = append(t.Warnings, fmt.Sprintf("to[%d], %s, is the same conversation as %s: it would get the message twice", i, to, same))
		}
		first[one.Channel] = to
		t.Recipients = append(t.Recipients, one)
		if one.State == "suppressed" || one.State == "dead" {
			continue
		}
		if err := t.show(q, r.tryAudience(ctx, rt, q, to), to); err != nil {
			t.Warnings = append(t.Warnings, fmt.Sprintf("the message to %s cannot be shown", to))
		}
	}
	if !slices.ContainsFunc(t.Recipients, func(one tryRecipient) bool { return one.State != "suppressed" }) {
		t.Status = "suppressed"
	}
	return t
}

func (r *Relay) tryRecipient(ctx context.Context, rt *route, q request, to string) tryRecipient {
	one := tryRecipient{To: to, State: "queued"}
	if q.suppresses(to) {
		one.State, one.Error = "suppressed", "actor"
		return one
	}
	if ctx.Err() != nil {
		one.State, one.Error = "unknown", "timeout"
		return one
	}
	conversation, o := r.resolve(ctx, rt, to)
	switch o.class {
	case done:
		one.Channel = conversation
		if r.isActor(ctx, claim{route: rt, app: rt.app, to: to, request: q, place: place{conversation: conversation}}) {
			one.State, one.Error = "suppressed", "actor"
		}
	case recipientGone:
		one.State, one.Error = "dead", o.reason
	default:
		one.State, one.Error = "unknown", o.reason
	}
	return one
}

// tryAudience is what is known of who reads the message. Whom Slack cannot be
// asked about now is shown what nobody in particular gets.
func (r *Relay) tryAudience(ctx context.Context, rt *route, q request, to string) audience {
	a, o := r.audience(ctx, rt, q, to)
	if o.class != done {
		return audience{lang: rt.Lang}
	}
	return a
}

// show adds the message to a recipient, once for all who get the same.
func (t *trial) show(q request, a audience, to string) error {
	message, err := compose(q, a).preview()
	if err != nil {
		return err
	}
	for i := range t.Messages {
		if bytes.Equal(t.Messages[i].Message, message) {
			t.Messages[i].To = append(t.Messages[i].To, to)
			return nil
		}
	}
	t.Messages = append(t.Messages, tryMessage{To: []string{to}, Message: message})
	return nil
}
