package notifyhook

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Explained is a notification with the reasons for what became of it.
type Explained struct {
	Notification
	Why []Told `json:"why"` // one for each of Recipients, in their order
}

// Explain gives a notification of whatever route, and says in sentences why each
// of its messages was late, held, merged, suppressed or given up, what an open
// one waits for, and what to do. The error is ErrNotFound or the store's.
func (r *Relay) Explain(ctx context.Context, id string) (Explained, error) {
	var host string
	err := r.store.Read().QueryRowContext(ctx, `SELECT route FROM notification WHERE id = $1`, id).Scan(&host)
	if errors.Is(err, sql.ErrNoRows) {
		return Explained{}, ErrNotFound
	}
	if err != nil {
		return Explained{}, fmt.Errorf("find notification: %w", err)
	}
	n, err := r.show(ctx, host, id)
	if err != nil {
		return Explained{}, err
	}
	w, err := r.waits(ctx, n)
	if err != nil {
		return Explained{}, err
	}
	now, err := r.clock(ctx)
	if err != nil {
		return Explained{}, err
	}
	return Explained{n, tell(n, w, now)}, nil
}

// Told is what became of one delivery, in sentences for operators.
type Told struct {
	To        string   `json:"to"`
	Sentences []string `json:"sentences"`
}

// tell explains a notification: what happened to each delivery and when, what
// the time went on, what an open one waits for now, and what to do about it.
// waits has an entry for each open delivery, by its id.
func tell(n Notification, waits map[string]delay, now time.Time) []Told {
	out := make([]Told, 0, len(n.Recipients))
	for _, d := range n.Recipients {
		t := teller{n: n, d: d, day: n.AcceptedAt}
		told := Told{To: d.To, Sentences: []string{t.history()}}
		told.Sentences = append(told.Sentences, t.end()...)
		if w, open := waits[d.id]; open {
			told.Sentences = append(told.Sentences, t.waits(w, now)...)
		}
		if d.PossibleDuplicate {
			told.Sentences = append(told.Sentences, "Slack may have this message twice: one attempt ended without an answer, so nobody knows whether it was posted, and another was made. "+
				"Delete the second one in Slack if it is there.")
		}
		out = append(out, told)
	}
	return out
}

// teller tells of one delivery.
type teller struct {
	n   Notification
	d   Delivery
	day time.Time // times of this day go without their date
}

// history is one sentence: each hop with its time, and what the time went on.
func (t teller) history() string {
	var parts []string
	say := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	say("Accepted %s UTC", t.n.AcceptedAt.UTC().Format("2006-01-02 15:04:05.000"))
	if t.d.DueAt.After(t.n.AcceptedAt) && t.d.InsteadOf == "" {
		say("to be sent at %s, as asked", t.at(t.d.DueAt))
	}
	if t.d.InsteadOf != "" {
		say("to go here instead of to %s since %s", t.d.InsteadOf, t.at(t.d.DueAt))
	}
	looked := t.d.ResolvedAt == nil
	for i, run := 0, 0; i < len(t.d.History); i += run {
		if a := t.d.History[i]; !looked && !a.BegunAt.Before(*t.d.ResolvedAt) {
			looked = true
			say("conversation found %s", t.at(*t.d.ResolvedAt))
		}
		run = t.alike(i)
		if clause := t.attempt(i, run); clause != "" {
			say("%s", clause)
		}
	}
	if !looked {
		say("conversation found %s", t.at(*t.d.ResolvedAt))
	}
	if t.d.FinishedAt == nil {
		return strings.Join(parts, "; ") + "."
	}
	if early := t.d.DueAt.Sub(*t.d.FinishedAt); early > 0 {
		say("%s %s, %s before it was due", endings[t.d.State], t.at(*t.d.FinishedAt), span(early))
	} else {
		say("%s %s, %s after it was %s", endings[t.d.State], t.at(*t.d.FinishedAt), span(-early), t.fromWord())
	}
	s := strings.Join(parts, "; ")
	if went := t.account().String(); went != "" {
		s += ", of which " + went
	}
	return s + "."
}

// endings is how the end of a delivery is called, by its state.
var endings = map[string]string{"sent": "sent", "dead": "given up", "cancelled": "cancelled", "suppressed": "suppressed"}

// fromWord is what the delivery was when it might first be sent.
func (t teller) fromWord() string {
	if t.d.DueAt.After(t.n.AcceptedAt) {
		return "due"
	}
	return "accepted"
}

// alike is how many attempts from i on ended alike, so that they need one
// clause.
func (t teller) alike(i int) int {
	list, n := t.d.History[i:], 1
	for n < len(list) && list[n].Outcome == list[0].Outcome && list[n].Method == list[0].Method && list[n].Error == list[0].Error {
		n++
	}
	return n
}

// attempt tells of run attempts from i on that ended alike; nothing of the one
// that ended the delivery, as its end is told.
func (t teller) attempt(i, run int) string {
	a, last := t.d.History[i], t.d.History[i+run-1]
	if a.EndedAt == nil && a.Outcome == "" {
		return fmt.Sprintf("being sent since %s", t.at(a.BegunAt))
	}
	what, ok := attempts[a.Outcome]
	if !ok {
		what = "an attempt ended as " + strings.ReplaceAll(a.Outcome, "_", " ")
	}
	if what == "" {
		return ""
	}
	if a.Outcome == throttled.String() && a.AgainAt != nil && a.EndedAt != nil && run == 1 {
		what = fmt.Sprintf("Slack asked us to wait %s with %s (429)", span(a.AgainAt.Sub(*a.EndedAt)), methodName(a.Method))
	}
	what = strings.ReplaceAll(what, "METHOD", methodName(a.Method))
	if a.Error != "" && a.Outcome != throttled.String() && a.Outcome != interrupted.String() {
		what += " (" + a.Error + ")"
	}
	if run > 1 {
		return fmt.Sprintf("%d times from %s to %s %s", run, t.at(a.BegunAt), t.at(last.BegunAt), what)
	}
	return fmt.Sprintf("at %s %s", t.at(a.BegunAt), what)
}

// attempts is what happened, by the outcome of an attempt; METHOD stands for the
// one of the Web API that was called.
var attempts = map[string]string{
	done.String():          "",
	suppressed.String():    "",
	throttled.String():     "Slack asked us to wait with METHOD (429)",
	held.String():          "METHOD was not called, as Slack had asked us to wait with it",
	transient.String():     "Slack could not take it with METHOD",
	ambiguous.String():     "METHOD ended without an answer, so that Slack may or may not have it",
	interrupted.String():   "the gateway was stopped, or lost its lease, in the middle of sending",
	routeDown.String():     "Slack refused the app's token with METHOD",
	quota.String():         "Slack's limit for the workspace's plan was reached",
	recipientGone.String(): "Slack said with METHOD that this recipient cannot be reached",
	stale.String():         "the message to change could not be changed any more",
	staleThread.String():   "the thread took no reply any more",
	badContent.String():    "Slack refused the message's content with METHOD",
	unknown.String():       "Slack gave an answer to METHOD that it does not document",
}

func methodName(method string) string {
	if method == "" {
		return "the call"
	}
	return method
}

// end says what the end of the delivery means, and what to do about it.
func (t teller) end() []string {
	switch {
	case t.d.MergedInto != "":
		return []string{fmt.Sprintf("Its text went out within the message of %s: several were waiting for the same conversation, and were merged into one.", t.d.MergedInto)}
	case t.d.State == "suppressed" && t.d.Error == "actor":
		return []string{"Not sent because the recipient is its actor: nobody is told of their own act. To tell them all the same, the app sets notify_actor."}
	case t.d.State == "suppressed":
		return []string{"Not sent on purpose: " + reasonWords(t.d.Error) + "."}
	case t.d.State == "cancelled" && t.d.Error == outcomeUnknown:
		return []string{"Cancelled after an attempt that ended without an answer: nobody knows whether Slack has it. Look in the conversation."}
	case t.d.State == "cancelled":
		return []string{"Cancelled before it was sent" + because(t.d.Error) + "."}
	case t.d.State == "sent" && strings.HasPrefix(t.d.Error, sentPlain):
		refused := strings.TrimPrefix(t.d.Error, sentPlain)
		return []string{"Sent as plain text, without its blocks and markup: Slack refused them (" + refused + "). " + capital(adviceFor(refused, postMessage).remedy) + "."}
	case t.d.State == "sent" && t.d.Error == sentOtherwise+"missing_scope":
		return []string{"Sent under the app's own name and picture, since it lacks the scope for others: add chat:write.customize to its bot scopes, under OAuth & Permissions, and install it to the workspace again."}
	case t.d.State == "sent" && strings.HasPrefix(t.d.Error, sentOtherwise):
		return []string{"Sent by itself and not as the reply that was asked for: Slack refused that (" + strings.TrimPrefix(t.d.Error, sentOtherwise) + ")."}
	case t.d.State == "dead" && t.d.Error == expired.String():
		return []string{fmt.Sprintf("Its time was over at %s before it could be sent; what it waited for stands above. Replay it if it is still worth reading; an app sets how long with expires_in.", t.at(t.n.ExpiresAt))}
	case t.d.State == "dead":
		a := adviceFor(t.d.Error, t.lastMethod())
		list := []string{fmt.Sprintf("Given up (%s): %s. %s.", t.d.Error, a.what, capital(a.remedy))}
		return append(list, t.fallback()...)
	}
	return nil
}

func because(reason string) string {
	if reason == "" || reason == "cancelled" {
		return ""
	}
	return ": " + reasonWords(reason)
}

func reasonWords(reason string) string { return strings.ReplaceAll(reason, "_", " ") }

// lastMethod is what was called last.
func (t teller) lastMethod() string {
	if n := len(t.d.History); n > 0 {
		return t.d.History[n-1].Method
	}
	return ""
}

// fallback says who was told instead.
func (t teller) fallback() []string {
	var list []string
	for _, o := range t.n.Recipients {
		if o.insteadOf != "" && o.insteadOf == t.d.id {
			list = append(list, fmt.Sprintf("It went to the fallback %s instead, where it is %s.", o.To, o.State))
		}
	}
	return list
}

// at is a moment, with its date if that is not the day it was accepted on.
func (t teller) at(moment time.Time) string {
	layout := "15:04:05.000"
	if moment, day := moment.UTC(), t.day.UTC(); moment.YearDay() != day.YearDay() || moment.Year() != day.Year() {
		layout = "2006-01-02 15:04:05"
	}
	return moment.UTC().Format(layout)
}

func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// span is a duration as people say it: two figures are enough.
func span(d time.Duration) string {
	switch {
	case d < 0:
		return "no time"
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second && d%time.Second >= 50*time.Millisecond:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()+0.5))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24+0.5))
}
