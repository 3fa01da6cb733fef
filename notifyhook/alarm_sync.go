package notifyhook

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"time"
)

// syncAlarms writes down what was raised and cleared here, then takes over what
// other replicas, or the last run, raised and cleared. What changes meanwhile is
// left to the next time, which that change asks for.
func (r *Relay) syncAlarms(ctx context.Context) error {
	a := &r.alarms
	a.mu.Lock()
	changes, save, remove := a.changes, map[trouble]raised{}, []trouble(nil)
	gone := slices.Collect(maps.Keys(a.gone))
	for what, one := range a.raised {
		if !one.saved {
			save[what] = one
		}
	}
	for what := range a.cleared {
		remove = append(remove, what)
	}
	a.mu.Unlock()
	if len(save)+len(remove)+len(gone) > 0 {
		if err := r.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
			if err := removeAlarms(ctx, tx, gone); err != nil {
				return err
			}
			return r.saveAlarms(ctx, tx, save, remove)
		}); err != nil {
			return err
		}
	}
	found, err := r.readAlarms(ctx)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.changes == changes {
		a.merge(found, r.now())
	}
	return nil
}

// merge replaces what is known by what the store has. The caller holds mu.
func (a *alarms) merge(found map[trouble]raised, now time.Time) {
	clear(a.cleared)
	clear(a.gone)
	for what := range a.raised {
		if _, ok := found[what]; !ok {
			a.forget(what)
		}
	}
	for what, one := range found {
		if _, ok := a.raised[what]; !ok && what.kind == alarmHeld {
			a.probe[what.app] = now // the last run's: the token may be another one by now
			if a.loaded {
				a.probe[what.app] = now.Add(probeEvery) // another replica's, who has just asked
			}
		}
		a.raised[what] = one
	}
	a.loaded = true
}

// removeAlarms removes those of routes that are gone.
func removeAlarms(ctx context.Context, tx *sql.Tx, hosts []string) error {
	for _, host := range hosts {
		if _, err := tx.ExecContext(ctx, `DELETE FROM alarm WHERE route = $1`, host); err != nil {
			return fmt.Errorf("remove alarms of a route: %w", err)
		}
	}
	return nil
}

func (r *Relay) saveAlarms(ctx context.Context, tx *sql.Tx, save map[trouble]raised, remove []trouble) error {
	for _, what := range remove {
		for _, host := range r.hosts(what.app) {
			if _, err := tx.ExecContext(ctx, `DELETE FROM alarm WHERE route = $1 AND kind = $2`, host, what.kind); err != nil {
				return fmt.Errorf("clear alarm: %w", err)
			}
		}
	}
	for what, one := range save {
		for _, host := range r.hosts(what.app) {
			_, err := tx.ExecContext(ctx, `INSERT INTO alarm (route, kind, reason, since) VALUES ($1, $2, $3, $4) ON CONFLICT (route, kind) DO UPDATE SET
				reason = excluded.reason, since = CASE WHEN alarm.since < excluded.since THEN alarm.since ELSE excluded.since END`,
				host, what.kind, one.reason, one.since.UnixMilli())
			if err != nil {
				return fmt.Errorf("raise alarm: %w", err)
			}
		}
	}
	return nil
}

// readAlarms returns the alarms of configured routes by their app.
func (r *Relay) readAlarms(ctx context.Context) (map[trouble]raised, error) {
	rows, err := r.store.Read().QueryContext(ctx, `SELECT route, kind, reason, since FROM alarm ORDER BY since DESC`)
	if err != nil {
		return nil, fmt.Errorf("read alarms: %w", err)
	}
	defer rows.Close()
	found, routes := map[trouble]raised{}, r.routes()
	for rows.Next() {
		var host, kind, reason string
		var since int64
		if err := rows.Scan(&host, &kind, &reason, &since); err != nil {
			return nil, fmt.Errorf("read alarms: %w", err)
		}
		if rt := routes[host]; rt != nil { // of several routes of an app, the oldest
			found[trouble{rt.app.name, kind}] = raised{reason: reason, since: time.UnixMilli(since), saved: true}
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read alarms: %w", err)
	}
	return found, nil
}
