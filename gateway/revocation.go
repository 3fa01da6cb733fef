package gateway

import (
	"context"
	"database/sql"
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
	// revocationMaxLag is how long the last known list holds when the store
	// cannot be read. After it no session is honoured: better to ask people to
	// wait than to let in someone who was shut out.
	revocationMaxLag = 10 * time.Minute
	// pruneEvery is how often rows of sessions and revocations that are over are
	// removed.
	pruneEvery = time.Hour
)

// revocations is the list of sessions that were ended before their time, kept
// in memory so that the request path never waits for the store.
type revocations struct {
	store *store.Store
	now   func() time.Time
	list  atomic.Pointer[revocationList]

	reading sync.Mutex
}

type revocationList struct {
	entries map[revocation]int64 // → sessions begun before this are over (Unix ms)
	read    time.Time
}

// revocation names what is revoked: kind "session" (value: the id's hash),
// "user" (team/user), "route" (host) or "all".
type revocation struct{ kind, value string }

func loadRevocations(ctx context.Context, st *store.Store, now func() time.Time) (*revocations, error) {
	r := &revocations{store: st, now: now}
	return r, r.refresh(ctx)
}

// refresh reads the list anew. One at a time: an older list must not replace a
// younger one.
func (r *revocations) refresh(ctx context.Context) error {
	r.reading.Lock()
	defer r.reading.Unlock()
	begun := r.now()
	rows, err := r.store.Read().QueryContext(ctx,
		`SELECT kind, value, not_before FROM revocation WHERE expires_at > $1`, begun.UnixMilli())
	if err != nil {
		return err
	}
	defer rows.Close()
	entries := make(map[revocation]int64)
	for rows.Next() {
		var e revocation
		var before int64
		if err := rows.Scan(&e.kind, &e.value, &before); err != nil {
			return err
		}
		entries[e] = before
	}
	if err := rows.Err(); err != nil {
		return err
	}
	r.list.Store(&revocationList{entries: entries, read: begun})
	return nil
}

// follow refreshes until ctx ends. It says once that the store cannot be read,
// and once that it can again.
func (r *revocations) follow(ctx context.Context, log *slog.Logger) {
	failing := false
	every(ctx, revocationPoll, func() {
		err := r.refresh(ctx)
		switch {
		case ctx.Err() != nil:
		case err != nil && !failing:
			log.Error("revocations cannot be read; the last list holds for a while", "max_lag", revocationMaxLag, "error", err)
		case err == nil && failing:
			log.Info("revocations can be read again")
		}
		failing = err != nil
	})
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

// includes reports whether a session is over, by itself or with its person,
// its route or everything; and whether the list is too old to tell.
func (r *revocations) includes(rt *Route, s *session, now time.Time) bool {
	l := r.list.Load()
	if now.Sub(l.read) > revocationMaxLag {
		return true
	}
	if len(l.entries) == 0 {
		return false
	}
	begun := s.begun.UnixMilli()
	return begun < l.entries[revocation{"session", s.hash()}] ||
		begun < l.entries[revocation{"user", s.identity.Team + "/" + s.identity.User}] ||
		begun < l.entries[revocation{"route", rt.Host}] ||
		begun < l.entries[revocation{"all", ""}]
}

// end revokes one session, durably, and at once for this process.
func (r *revocations) end(ctx context.Context, s *session, expires time.Time) error {
	err := r.store.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO revocation (kind, value, not_before, expires_at) VALUES ('session', $1, $2, $3)
			ON CONFLICT (kind, value) DO UPDATE SET not_before = excluded.not_before, expires_at = excluded.expires_at`,
			s.hash(), r.now().UnixMilli()+1, expires.Add(cookieAfterlife).UnixMilli())
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM session WHERE id = $1`, s.hash())
		return err
	})
	if err != nil {
		return fmt.Errorf("revoke session: %w", err)
	}
	if err := r.refresh(ctx); err != nil {
		return fmt.Errorf("read revocations: %w", err)
	}
	return nil
}

// removeEnded removes the rows of sessions that are over, of forms that were
// kept for long enough, and of revocations that nothing is left for.
func (r *revocations) removeEnded(ctx context.Context) error {
	return r.store.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		now := r.now().UnixMilli()
		if _, err := tx.ExecContext(ctx, `DELETE FROM session WHERE expires_at <= $1`, now); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM draft WHERE expires_at <= $1`, now); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM revocation WHERE expires_at <= $1`, now)
		return err
	})
}
