package notifyhook

import (
	"context"
	"fmt"

	"github.com/cocoom/cocoom-gateway/internal/store"
)

const (
	// tellExpires is for how many seconds a message of the gateway's own waits.
	tellExpires = 3600
	// byGateway is the credential of what the gateway itself asks for.
	byGateway = "gateway:setup"
)

// Tell queues a plain text of the gateway's own to a Slack user, by the app of a
// route, on the way of every notification; it is given up after an hour. It gives
// the notification's id. The error is ErrNotFound for a host without notifications,
// or the store's.
func (r *Relay) Tell(ctx context.Context, host, user, text string) (id string, err error) {
	rt := r.routes()[host]
	if rt == nil {
		return "", ErrNotFound
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	now, err := r.arrival(ctx)
	if err != nil {
		return "", fmt.Errorf("queue message: %w", err)
	}
	id, _, err = r.accept(ctx, rt, request{To: []string{user}, Text: text, ExpiresIn: tellExpires, Credential: byGateway}, now)
	if err != nil {
		return "", fmt.Errorf("queue message: %w", err)
	}
	return id, nil
}

// Told says what became of a message of Tell: its delivery's state, and why it is
// not sent, in Slack's word or a constant one; empty where nothing is in the way.
// The error is ErrNotFound or the store's.
func (r *Relay) Told(ctx context.Context, host, id string) (state, reason string, err error) {
	n, err := r.show(ctx, host, id)
	if err != nil {
		return "", "", err
	}
	if len(n.Recipients) == 0 {
		return "", "", fmt.Errorf("%w: notification without a recipient", store.ErrUnavailable)
	}
	d := n.Recipients[0]
	if d.FinishedAt != nil {
		return d.State, d.Error, nil
	}
	for _, one := range r.Alarms() {
		if one.Route == host && (one.Kind == alarmHeld || one.Kind == alarmQuota) {
			return d.State, one.Reason, nil
		}
	}
	return d.State, "", nil // what failed so far is tried again
}
