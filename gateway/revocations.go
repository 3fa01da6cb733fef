package gateway

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/store"
)

const (
	// revocationPoll is how soon a revocation made by another process holds here.
	revocationPoll = time.Second
	// pollTime bounds one look at the store: a connection that has gone silent
	// must not keep the alarm back.
	pollTime = 5 * time.Second
	// pruneEvery is how often rows of sessions and revocations that are over are
	// removed.
	pruneEvery = time.Hour
	// stuckLook is longer than any limit of the store's: a follow that has not
	// looked for so long will not by itself.
	stuckLook = 5 * time.Minute
)

// revocations is the list of sessions that were ended before their time, kept
// in memory so that the request path never waits for the store.
//
// When the store cannot be read the last known list holds for maxLag. After it
// no session is honoured: better to ask people to wait than to let in someone
// who was shut out.
type revocations struct {
	store   *store.Store
	now     func() time.Time
	conf    *inForce
	list    atomic.Pointer[revocationList]
	changed chan struct{} // holds one when the list has changed

	looked   atomic.Pointer[time.Time] // when follow last set out to; nil: it does not run
	changing sync.Mutex                // one new list at a time
	seq      int64                     // of the latest change in the list
}

func loadRevocations(ctx context.Context, st *store.Store, conf *inForce, now func() time.Time) (*revocations, error) {
	r := &revocations{store: st, now: now, conf: conf, changed: make(chan struct{}, 1)}
	return r, r.reload(ctx)
}

func (r *revocations) maxLag() time.Duration { return r.conf.times().RevocationMaxLag }

// refresh reads what has changed since the last time: mostly one row that says
// that nothing has.
func (r *revocations) refresh(ctx context.Context) error {
	r.changing.Lock()
	defer r.changing.Unlock()
	begun := r.now()
	seq, err := r.latest(ctx)
	if err != nil {
		return err
	}
	if seq < r.seq { // an older copy of the store was put back
		return r.readAll(ctx)
	}
	next := *r.list.Load()
	next.read = begun
	if seq > r.seq {
		fresh, err := r.since(ctx, r.seq)
		if err != nil {
			return err
		}
		next.add(fresh)
		r.seq = seq
		defer r.tell()
	}
	r.list.Store(&next)
	return nil
}

// reload reads the whole list anew, without what has expired.
func (r *revocations) reload(ctx context.Context) error {
	r.changing.Lock()
	defer r.changing.Unlock()
	return r.readAll(ctx)
}

func (r *revocations) readAll(ctx context.Context) error {
	begun := r.now()
	// The number first: what is written in between is read again next time.
	seq, err := r.latest(ctx)
	if err != nil {
		return err
	}
	rows, err := r.since(ctx, 0)
	if err != nil {
		return err
	}
	next := &revocationList{read: begun}
	next.old = next.old.with(rows)
	r.seq = seq
	r.list.Store(next)
	r.tell()
	return nil
}

// latest is the number of the latest change.
func (r *revocations) latest(ctx context.Context) (seq int64, err error) {
	err = r.store.Read().QueryRowContext(ctx, `SELECT CAST(value AS BIGINT) FROM meta WHERE name = 'revocations'`).Scan(&seq)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return seq, err
}

// since reads the changes after seq that still matter.
func (r *revocations) since(ctx context.Context, seq int64) ([]revocation, error) {
	rows, err := r.store.Read().QueryContext(ctx,
		`SELECT kind, value, not_before FROM revocation WHERE seq > $1 AND expires_at > $2`, seq, r.now().UnixMilli())
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []revocation
	for rows.Next() {
		var e revocation
		if err := rows.Scan(&e.kind, &e.value, &e.before); err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, rows.Err()
}

// apply puts what was just committed into force without asking the store.
func (r *revocations) apply(fresh []revocation) {
	r.changing.Lock()
	defer r.changing.Unlock()
	next := *r.list.Load()
	next.add(fresh)
	r.list.Store(&next)
	r.tell()
}

func (r *revocations) tell() {
	select {
	case r.changed <- struct{}{}:
	default: // told already
	}
}

// includes reports whether a session was ended before its time, or the list is
// too old to tell.
func (r *revocations) includes(rt *Route, s *session, now time.Time) bool {
	l := r.list.Load()
	return l.age(now) > r.maxLag() || l.old.include(rt, s) || l.young.include(rt, s)
}

// stale reports whether no session can be honoured, since who was shut out is
// not known.
func (r *revocations) stale(now time.Time) bool { return r.list.Load().age(now) > r.maxLag() }

// follow refreshes until ctx ends. It says once that the store cannot be read,
// once that sessions are no longer honoured, and once that all is well again.
func (r *revocations) follow(ctx context.Context, log *slog.Logger) {
	failing, refusing := false, false
	defer r.looked.Store(nil)
	every(ctx, revocationPoll, func() {
		r.looked.Store(new(time.Now()))
		ask, cancel := context.WithTimeout(ctx, pollTime)
		err := r.refresh(ask)
		cancel()
		switch {
		case ctx.Err() != nil:
		case err != nil && !failing:
			log.Error("revocations cannot be read; the last list holds for a while", "max_lag", r.maxLag().String(), "error", err)
		case err != nil && !refusing && r.stale(r.now()):
			refusing = true
			log.Error("sessions are no longer honoured: who was signed out is not known", "max_lag", r.maxLag().String(), "error", err)
		case err == nil && failing:
			refusing = false
			log.Info("revocations can be read again")
		}
		failing = err != nil
	})
}

// ready is an error when the list is no longer fresh.
func (r *revocations) ready() error {
	age := r.list.Load().age(r.now())
	switch {
	case age > r.maxLag():
		return fmt.Errorf("the list of ended sessions is %s old: no session is honoured until it can be read", age.Round(time.Second))
	case age > 2*pollTime:
		return fmt.Errorf("the list of ended sessions is %s old: sessions are honoured until it is %s old", age.Round(time.Second), r.maxLag())
	}
	return nil
}

// alive is an error if follow is stuck although the store answers.
func (r *revocations) alive(ctx context.Context) error {
	at := r.looked.Load()
	if at == nil || time.Since(*at) <= stuckLook {
		return nil
	}
	var one int
	if r.store.Read().QueryRowContext(ctx, `SELECT 1`).Scan(&one) != nil {
		return nil
	}
	return fmt.Errorf("the list of ended sessions was last looked at %s ago", time.Since(*at).Round(time.Second))
}

// prune removes, until ctx ends, what is over.
func (r *revocations) prune(ctx context.Context, log *slog.Logger) {
	every(ctx, pruneEvery, func() {
		if err := r.removeEnded(ctx); err != nil && ctx.Err() == nil {
			log.Error("rows of ended sessions cannot be removed", "error", err)
		}
	})
}

// every calls f in intervals until ctx ends.
func every(ctx context.Context, interval time.Duration, f func()) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			f()
		}
	}
}

// removeEnded removes the rows of sessions that are over, of forms that were
// kept for long enough, of links, and of revocations that nothing is left for,
// here and in the store.
func (r *revocations) removeEnded(ctx context.Context) error {
	err := r.store.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		now := r.now().UnixMilli()
		if _, err := tx.ExecContext(ctx, `DELETE FROM session WHERE expires_at <= $1`, now); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM link WHERE expires_at <= $1 AND kind <> 'setup' OR expires_at <= $2`, now, now-setupAfterlife.Milliseconds()); err != nil {
			return err
		}
		// What was typed with a set-up link that has expired is nobody's to use.
		if _, err := tx.ExecContext(ctx, `UPDATE link SET detail = '{}' WHERE expires_at <= $1 AND kind = 'setup' AND used_at IS NULL AND detail <> '{}'`, now); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM draft WHERE expires_at <= $1`, now); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM revocation WHERE expires_at <= $1`, now)
		return err
	})
	if err != nil {
		return err
	}
	return r.reload(ctx)
}
