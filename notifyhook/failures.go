package notifyhook

import (
	"context"
	"fmt"
)

// maxFailures bounds what Failures counts: nobody waits for the rest.
const maxFailures = 10_000

// Failure is what failed of a route by one error: a kind of notification that is
// replayed together.
type Failure struct {
	Error string `json:"error"` // Slack's error name or a constant word
	// Meaning and Remedy are what the error means and what to do about it: clauses
	// without a full stop.
	Meaning string `json:"meaning"`
	Remedy  string `json:"remedy"`
	// Notifications is how many have a message that was given up by it, and were
	// not replayed yet; one that failed by two errors counts for both.
	Notifications int `json:"notifications"`
}

// Failures counts what ReplayFailed would replay of a route, by error, the most
// frequent first. It looks at the latest 10,000 messages that were given up.
func (r *Relay) Failures(ctx context.Context, route string) ([]Failure, error) {
	rows, err := r.store.Read().QueryContext(ctx, `SELECT d.last_error, COUNT(DISTINCT d.notification_id)
		FROM (SELECT notification_id, last_error FROM delivery WHERE route = $1 AND state = 'dead' ORDER BY seq DESC LIMIT $2) AS d
		JOIN notification n ON n.id = d.notification_id
		WHERE n.status IN ('failed', 'partial') AND NOT EXISTS (SELECT 1 FROM notification o WHERE o.route = $1 AND o.replay_of = n.id AND o.replay_of IS NOT NULL)
		GROUP BY d.last_error ORDER BY 2 DESC, 1`, route, maxFailures)
	if err != nil {
		return nil, fmt.Errorf("count failed notifications: %w", err)
	}
	defer rows.Close()
	list := []Failure{}
	for rows.Next() {
		var f Failure
		if err := rows.Scan(&f.Error, &f.Notifications); err != nil {
			return nil, fmt.Errorf("count failed notifications: %w", err)
		}
		a := adviceFor(f.Error, postMessage)
		f.Meaning, f.Remedy = a.what, a.remedy
		list = append(list, f)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("count failed notifications: %w", err)
	}
	return list, nil
}

// Cancel ends what of a notification, of whatever route, is not on its way yet,
// and returns how many messages that were. The error is [ErrNotFound] or the
// store's.
func (r *Relay) Cancel(ctx context.Context, id string) (ended int, err error) {
	found, err := r.read(ctx, []string{id})
	if err != nil {
		return 0, err
	}
	if found[0].ID == "" {
		return 0, ErrNotFound
	}
	return r.cancel(ctx, found[0].Route, id)
}

// Advice is what an alarm means and what to do about it, in sentences for
// operators.
func (a Alarm) Advice() (meaning, remedy string) {
	switch a.Kind {
	case alarmStore:
		return "What is accepted or sent cannot be written down, so nothing is.", "See in the log what the store says: a full disk, a file that is read-only, or PostgreSQL out of reach."
	case alarmBacklog:
		return "As many deliveries wait as may, and callers are answered 429.", "See why they wait: an alarm beside this one, or an app that asks for more than Slack takes. The limit is notify.limits.backlog."
	case alarmInBand:
		return "A notification on a page was lost, or is late, since the store failed.", "See in the log which; it is over once the store works again."
	}
	said := adviceFor(a.Reason, alarmMethod(a, Delivery{}))
	return alarmWords(a.Kind) + ": " + said.what + ".", capital(said.remedy) + "."
}

// Reason is what keeps a delivery from its recipient, in a clause without a full
// stop: why it was given up, or what its last try came to; empty: nothing does.
func (d Delivery) Reason() string {
	if d.Error == "" || d.State != "dead" && d.State != "queued" {
		return ""
	}
	return adviceFor(d.Error, postMessage).what
}
