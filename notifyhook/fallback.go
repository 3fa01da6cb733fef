package notifyhook

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
)

const maxDeliveries = 200 // of one notification, fallbacks included

// errFallbackTaken is: another delivery of the notification has just taken the
// same fallback. Chosen anew, it is another one or none.
var errFallbackTaken = errors.New("fallback taken meanwhile")

// substitute is the delivery that a dead one's fallback makes.
type substitute struct {
	to    string
	place place
}

// substitute chooses who is told instead, if the verdict ends a delivery whose
// recipient cannot be reached: the next of the chain who is neither a recipient
// already nor the actor. A fallback that turns out to be the actor is passed over
// as well. It returns nil if there is none.
func (r *Relay) substitute(ctx context.Context, tx *sql.Tx, c claim, v verdict, o outcome) (*substitute, error) {
	chain := c.request.Fallback
	if len(chain) == 0 {
		chain = c.route.fallback
	}
	if len(chain) == 0 || v.state != "suppressed" && (v.state != "dead" || o.class != recipientGone) {
		return nil, nil
	}
	rows, err := tx.QueryContext(ctx, `SELECT id, recipient, instead_of FROM delivery WHERE notification_id = $1`, c.notification)
	if err != nil {
		return nil, fmt.Errorf("read recipients: %w", err)
	}
	defer rows.Close()
	var told []string
	isFallback := false
	for rows.Next() {
		var id, to string
		var insteadOf sql.NullString
		if err := rows.Scan(&id, &to, &insteadOf); err != nil {
			return nil, fmt.Errorf("read recipients: %w", err)
		}
		told = append(told, to)
		isFallback = isFallback || id == c.delivery && insteadOf.Valid
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read recipients: %w", err)
	}
	if len(told) >= maxDeliveries || v.state == "suppressed" && !isFallback {
		return nil, nil
	}
	for _, to := range chain {
		if !slices.Contains(told, to) && !c.request.suppresses(to) {
			return &substitute{to: to, place: c.route.place(to)}, nil
		}
	}
	return nil, nil
}

// insert writes the substitute down. The caller holds the lock of its lane,
// under which it is certain that nobody else has told the recipient.
func (s substitute) insert(ctx context.Context, tx *sql.Tx, c claim) error {
	var one int
	err := tx.QueryRowContext(ctx, `SELECT 1 FROM delivery WHERE notification_id = $1 AND recipient = $2 LIMIT 1`, c.notification, s.to).Scan(&one)
	if err == nil {
		return errFallbackTaken
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("look for fallback: %w", err)
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO delivery (id, notification_id, route, recipient, lane, instead_of, accepted_at, due_at)
		SELECT $1, notification_id, route, $2, $3, id, CAST($4 AS BIGINT), CAST($4 AS BIGINT) FROM delivery WHERE id = $5`,
		"dlv_"+strings.ToLower(rand.Text()), s.to, s.place.lane, c.at.UnixMilli(), c.delivery)
	if err != nil {
		return fmt.Errorf("insert fallback: %w", err)
	}
	return nil
}
