package notifyhook

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
)

// mostAhead bounds the counting of those in front.
const mostAhead = 10000

// delay is what an open delivery waits for now.
type delay struct {
	looking  bool      // its recipient's conversation is not known yet
	until    time.Time // its lane rests until then: pace, backoff, what Slack asked for
	failures int       // of the lane in a row
	ahead    int       // older deliveries in its lane, at most mostAhead
	oldest   string    // the notification at the lane's head, if it is another
	paused   string    // method that Slack asked to wait with
	resumes  time.Time // it may be called again
	known    bool      // this process delivers for the lane's Slack app
	alarms   []Alarm   // of the Slack app
}

// waits finds out what the open deliveries of a notification wait for, by the
// deliveries' ids.
func (r *Relay) waits(ctx context.Context, n Notification) (map[string]delay, error) {
	out := map[string]delay{}
	for _, d := range n.Recipients {
		if d.FinishedAt != nil {
			continue
		}
		w, err := r.delayOf(ctx, d)
		if errors.Is(err, sql.ErrNoRows) { // it has just ended
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("look for what a delivery waits for: %w", err)
		}
		out[d.id] = w
	}
	return out, nil
}

func (r *Relay) delayOf(ctx context.Context, d Delivery) (w delay, err error) {
	var lane, app string
	var conversation sql.NullString
	var seq, notBefore int64
	db := r.store.Read()
	err = db.QueryRowContext(ctx, `SELECT d.seq, l.lane, l.app, l.conversation, l.not_before, l.failures
		FROM delivery d JOIN lane l ON l.lane = d.lane WHERE d.id = $1`, d.id).Scan(&seq, &lane, &app, &conversation, &notBefore, &w.failures)
	if err != nil {
		return w, err
	}
	w.looking, w.until = !conversation.Valid, time.UnixMilli(notBefore)
	err = db.QueryRowContext(ctx, `SELECT COUNT(*) FROM (SELECT 1 FROM delivery
		WHERE lane = $1 AND state IN ('queued', 'sending') AND seq < $2 LIMIT $3) AS older`, lane, seq, mostAhead).Scan(&w.ahead)
	if err != nil {
		return w, err
	}
	if w.ahead > 0 {
		err = db.QueryRowContext(ctx, `SELECT notification_id FROM delivery
			WHERE lane = $1 AND state IN ('queued', 'sending') ORDER BY seq LIMIT 1`, lane).Scan(&w.oldest)
		if err != nil {
			return w, err
		}
	}
	for _, one := range r.Alarms() {
		if one.Route == app {
			w.alarms = append(w.alarms, one)
		}
	}
	a := r.apps()[app]
	if w.known = a != nil; a == nil {
		return w, nil
	}
	now := r.now()
	for _, method := range w.methods(d.To) {
		if pause := a.limits.wait(method, now); pause > 0 && now.Add(pause).After(w.resumes) {
			w.paused, w.resumes = method, now.Add(pause)
		}
	}
	return w, nil
}

// methods are those that the delivery's next step calls.
func (w delay) methods(to string) []string {
	if !w.looking {
		return []string{postMessage}
	}
	switch kind, _ := classify(to); kind {
	case emailRecipient:
		return []string{lookupByEmail, openConversation}
	case channelName:
		return []string{listConversations}
	}
	return []string{openConversation}
}

// waits says why an open delivery is not sent yet, what matters most first.
func (t teller) waits(w delay, now time.Time) []string {
	if t.d.State == "sending" {
		return []string{"It is being sent right now."}
	}
	if t.d.DueAt.After(now) {
		return []string{fmt.Sprintf("It waits until %s, as the app asked (send_at): %s from now.", t.at(t.d.DueAt), span(t.d.DueAt.Sub(now)))}
	}
	var list []string
	say := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	if !w.known {
		say("No route of this gateway uses the Slack app that it was accepted for: it waits until one does, or until it expires at %s.", t.at(t.n.ExpiresAt))
	}
	for _, one := range w.alarms {
		if one.Kind == alarmLookups && !w.looking {
			continue
		}
		a := adviceFor(one.Reason, alarmMethod(one, t.d))
		say("%s since %s (%s): %s. %s.", alarmWords(one.Kind), t.at(one.Since), one.Reason, a.what, capital(a.remedy))
	}
	if w.paused != "" {
		say("Slack asked us to wait with %s: it may be called again at %s, in %s.", w.paused, t.at(w.resumes), span(w.resumes.Sub(now)))
	}
	if w.ahead > 0 {
		say("It waits behind %s for the same conversation, the oldest of %s: Slack takes about one message a second for each.", plural(w.ahead, "older message"), w.oldest)
	}
	if w.until.After(now) {
		say("Its conversation rests until %s, %s from now%s.", t.at(w.until), span(w.until.Sub(now)), t.restReason(w))
	}
	if w.looking && len(list) == 0 {
		say("Its recipient is being looked up in Slack.")
	}
	if len(list) == 0 {
		say("It is next, or waits for an older message of the same Slack app whose recipient is being looked up.")
	}
	return list
}

// restReason is why a lane rests: what its head's last attempt came to.
func (t teller) restReason(w delay) string {
	if w.failures > 0 {
		return fmt.Sprintf(", after %s in a row%s", plural(w.failures, "failed attempt"), t.lastError())
	}
	return t.lastError()
}

func (t teller) lastError() string {
	if t.d.Error == "" {
		return ""
	}
	return " (" + t.d.Error + ": " + adviceFor(t.d.Error, t.lastMethod()).what + ")"
}

func alarmWords(kind string) string {
	switch kind {
	case alarmHeld:
		return "The route is held: nothing of it is sent"
	case alarmLookups:
		return "Recipients cannot be looked up"
	case alarmQuota:
		return "The route waits for its plan's limit"
	}
	return "The route has an alarm, " + strings.ReplaceAll(kind, "_", " ") + ","
}

// alarmMethod is what the alarm's scope is needed for, as far as can be told.
func alarmMethod(a Alarm, d Delivery) string {
	for i := len(d.History) - 1; i >= 0; i-- {
		if d.History[i].Error == a.Reason {
			return d.History[i].Method
		}
	}
	if a.Kind == alarmLookups {
		return delay{looking: true}.methods(d.To)[0]
	}
	return postMessage
}

func plural(n int, what string) string {
	switch {
	case n == 1:
		return "1 " + what
	case n >= mostAhead:
		return fmt.Sprintf("%d or more %ss", n, what)
	}
	return fmt.Sprintf("%d %ss", n, what)
}
