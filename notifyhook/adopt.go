package notifyhook

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"
)

// adoptPage is how many lanes, by route, are looked at in one query.
const adoptPage = 500

// adoptAll finds lanes of apps that are not configured any more, and brings what
// waits in them to the apps of its routes. An app is named by its first host, so
// a route that was added or removed may have changed the name.
func (r *Relay) adoptAll(ctx context.Context) error {
	apps := r.apps()
	for cursor, more := "", true; more; more = cursor != "" {
		var gone []string
		var err error
		cursor, err = r.waitingApps(ctx, cursor, surveyPage, func(name string, _ time.Time) {
			if apps[name] == nil {
				gone = append(gone, name)
			}
		})
		if err != nil {
			return err
		}
		for _, name := range gone {
			if err := r.adoptApp(ctx, name); err != nil {
				return err
			}
		}
	}
	return nil
}

// adoptMoved does the same for routes that have another app now, such as one that
// got a token of its own, and reports whether it found any. It reads all that is
// queued, so only at the start and when a configuration has been applied, and
// before anything is sent that could overtake what waits.
func (r *Relay) adoptMoved(ctx context.Context) (found bool, err error) {
	rows, err := r.store.Read().QueryContext(ctx, `SELECT DISTINCT l.app, d.route FROM lane l JOIN delivery d ON d.lane = l.lane AND d.state IN ('queued', 'sending')
		WHERE l.due_at IS NOT NULL`)
	if err != nil {
		return false, fmt.Errorf("list routes that wait: %w", err)
	}
	defer rows.Close()
	left := map[string]bool{}
	for rows.Next() {
		var app, host string
		if err := rows.Scan(&app, &host); err != nil {
			return false, fmt.Errorf("list routes that wait: %w", err)
		}
		if r.isStranger(host, app) {
			left[app] = true
		}
	}
	if err := rows.Err(); err != nil {
		return false, fmt.Errorf("list routes that wait: %w", err)
	}
	for name := range left {
		if err := r.adoptApp(ctx, name); err != nil {
			return true, err
		}
	}
	return len(left) > 0, nil
}

// threadMove is what stands for a route's things in a lane, and the lane it is to
// stand in.
type threadMove struct{ lane, host, to string }

// adoptThreads takes the messages that stand for things along to the lanes of
// their routes' apps.
func (r *Relay) adoptThreads(ctx context.Context) error {
	rows, err := r.store.Read().QueryContext(ctx, `SELECT DISTINCT lane, route FROM entity ORDER BY lane, route`)
	if err != nil {
		return fmt.Errorf("list threads to adopt: %w", err)
	}
	defer rows.Close()
	routes := r.routes()
	var list []threadMove
	for rows.Next() {
		var one threadMove
		if err := rows.Scan(&one.lane, &one.host); err != nil {
			return fmt.Errorf("list threads to adopt: %w", err)
		}
		if rt := routes[one.host]; rt != nil {
			if one.to = rt.app.conversation(conversationOf(one.lane)).lane; one.to != one.lane {
				list = append(list, one)
			}
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("list threads to adopt: %w", err)
	}
	for some := range slices.Chunk(list, pruneBatch) {
		if err := r.moveThreads(ctx, some); err != nil {
			return err
		}
	}
	return nil
}

func (r *Relay) moveThreads(ctx context.Context, list []threadMove) error {
	return r.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		for _, one := range list {
			_, err := tx.ExecContext(ctx, `INSERT INTO entity (lane, route, entity, channel, ts, changed_at)
				SELECT CAST($1 AS TEXT), route, entity, channel, ts, changed_at FROM entity WHERE lane = $2 AND route = $3
				ON CONFLICT (lane, route, entity) DO NOTHING`, one.to, one.lane, one.host)
			if err != nil {
				return fmt.Errorf("adopt threads: %w", err)
			}
			if _, err := tx.ExecContext(ctx, `DELETE FROM entity WHERE lane = $1 AND route = $2`, one.lane, one.host); err != nil {
				return fmt.Errorf("adopt threads: %w", err)
			}
		}
		return nil
	})
}

// isStranger says whether the host is a configured route's, of another app.
func (r *Relay) isStranger(host, app string) bool {
	rt := r.routes()[host]
	return rt != nil && rt.app.name != app
}

// adoptApp adopts the lanes of one app. What belongs to no configured route
// stays where it is, and expires there.
func (r *Relay) adoptApp(ctx context.Context, name string) error {
	after := ""
	for range maxSweeps {
		list, last, err := r.adoptable(ctx, name, after)
		if err != nil {
			return err
		}
		for _, lane := range list {
			if ctx.Err() != nil {
				return nil
			}
			if err := r.adopt(ctx, lane); err != nil {
				return err
			}
		}
		if last == "" || last == after {
			break
		}
		after = last // once more: its routes may go on after the page's end
	}
	return nil
}

// adoptable returns the lanes on one page that have something of a configured
// route, or nothing any more, and the page's last lane if there may be another.
func (r *Relay) adoptable(ctx context.Context, name, after string) (list []string, last string, err error) {
	rows, err := r.store.Read().QueryContext(ctx, `SELECT DISTINCT l.lane, COALESCE(d.route, '')
		FROM lane l LEFT JOIN delivery d ON d.lane = l.lane AND d.state IN ('queued', 'sending')
		WHERE l.app = $1 AND l.due_at IS NOT NULL AND l.lane >= $2 ORDER BY 1, 2 LIMIT $3`, name, after, adoptPage)
	if err != nil {
		return nil, "", fmt.Errorf("list lanes to adopt: %w", err)
	}
	defer rows.Close()
	n := 0
	for ; rows.Next(); n++ {
		var host string
		if err := rows.Scan(&last, &host); err != nil {
			return nil, "", fmt.Errorf("list lanes to adopt: %w", err)
		}
		if host == "" && r.apps()[name] == nil || r.isStranger(host, name) {
			list = append(list, last)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, "", fmt.Errorf("list lanes to adopt: %w", err)
	}
	if n < adoptPage {
		last = ""
	}
	return slices.Compact(list), last, nil
}

// adopt moves the deliveries of a lane into the lanes that their routes' apps
// have for it. Each keeps its seq, so older ones still go before younger ones.
// A lane that is leased is left alone: whoever has it will be done soon.
//
// It holds the lock of one app's lane and waits for another's, which nobody else
// does, so there is no circle.
func (r *Relay) adopt(ctx context.Context, lane string) error {
	now, err := r.clock(ctx)
	if err != nil {
		return err
	}
	return r.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		var app string
		var conversation sql.NullString
		var due, notBefore int64
		err := tx.QueryRowContext(ctx, `SELECT app, conversation, due_at, not_before FROM lane
			WHERE lane = $1 AND due_at IS NOT NULL AND (lease_owner IS NULL OR due_at <= $2) `+r.store.SkipLocked(), lane, now.UnixMilli()).
			Scan(&app, &conversation, &due, &notBefore)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("lock lane to adopt: %w", err)
		}
		routes, err := r.strangers(ctx, tx, lane, app)
		if err != nil {
			return err
		}
		for _, rt := range routes {
			to := rt.app.counterpart(place{lane: lane, conversation: conversation.String}, app)
			if err := to.queue(ctx, tx, rt.app, time.UnixMilli(due)); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, `UPDATE lane SET not_before = $1 WHERE lane = $2 AND not_before < $1`, notBefore, to.lane); err != nil {
				return fmt.Errorf("adopt lane: %w", err)
			}
			if _, err := tx.ExecContext(ctx, `UPDATE delivery SET lane = $1 WHERE lane = $2 AND route = $3 AND state IN ('queued', 'sending')`, to.lane, lane, rt.host); err != nil {
				return fmt.Errorf("adopt deliveries: %w", err)
			}
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM lane WHERE lane = $1 AND NOT EXISTS (SELECT 1 FROM delivery WHERE lane = $1 AND state IN ('queued', 'sending'))`, lane)
		if err != nil {
			return fmt.Errorf("delete adopted lane: %w", err)
		}
		return nil
	})
}

// strangers returns the configured routes with deliveries in a lane that is not
// their app's.
func (r *Relay) strangers(ctx context.Context, tx *sql.Tx, lane, app string) ([]*route, error) {
	rows, err := tx.QueryContext(ctx, `SELECT DISTINCT route FROM delivery WHERE lane = $1 AND state IN ('queued', 'sending')`, lane)
	if err != nil {
		return nil, fmt.Errorf("list routes of a lane: %w", err)
	}
	defer rows.Close()
	var list []*route
	for rows.Next() {
		var host string
		if err := rows.Scan(&host); err != nil {
			return nil, fmt.Errorf("list routes of a lane: %w", err)
		}
		if r.isStranger(host, app) {
			list = append(list, r.routes()[host])
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list routes of a lane: %w", err)
	}
	slices.SortFunc(list, func(a, b *route) int { return place{lane: a.app.name}.compare(place{lane: b.app.name}) })
	return list, nil
}

// counterpart is the app's lane for what another app's lane p is for. The names
// begin with that of the app.
func (a *app) counterpart(p place, of string) place {
	return place{lane: a.name + p.lane[len(of):], conversation: p.conversation}
}
