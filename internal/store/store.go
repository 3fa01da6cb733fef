package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// Func is what Write runs in a transaction. See [Store.Write] for its duties.
type Func func(ctx context.Context, tx *sql.Tx) error

// Store is an open store. It is safe for concurrent use.
type Store struct {
	engine   engine
	read     *sql.DB
	postgres bool
	epoch    string
	sample   sample
	metrics  metrics
}

// engine is what SQLite and PostgreSQL do differently.
type engine interface {
	write(ctx context.Context, fn Func) error
	close() error
}

// Open opens the store that state names: a postgres:// or postgresql:// address,
// or else a directory for SQLite, made if it is not there (its parent must be).
// Missing tables are made, older ones brought up to date, also when several
// replicas start at once; tables of a newer program are refused.
//
// It refuses to start where a commit would not survive a power cut, where
// another process uses the directory, and where others may read it. No password
// is in its errors.
func Open(ctx context.Context, state string, log *slog.Logger) (*Store, error) {
	s := &Store{postgres: isPostgres(state), metrics: newMetrics()}
	var err error
	if s.postgres {
		s.engine, s.read, err = openPostgres(ctx, state)
	} else {
		s.engine, s.read, err = openSQLite(ctx, state, log)
	}
	if err != nil {
		return nil, Classify(err)
	}
	if err := s.read.QueryRowContext(ctx, `SELECT value FROM meta WHERE name = 'epoch'`).Scan(&s.epoch); err != nil {
		return nil, errors.Join(Classify(fmt.Errorf("read the store's epoch: %w", err)), s.Close())
	}
	log.Info("store opened", "postgres", s.postgres, "epoch", s.epoch)
	return s, nil
}

func isPostgres(state string) bool {
	return strings.HasPrefix(state, "postgres://") || strings.HasPrefix(state, "postgresql://")
}

// Close waits for the writes under way, refuses those that wait for their turn
// with ErrUnavailable, and closes everything. Calling it again does nothing.
func (s *Store) Close() error {
	return errors.Join(s.read.Close(), s.engine.close())
}

// Write runs fn in a transaction and commits it. nil means durable.
//
// An error means that nothing of fn was applied, with one exception: an
// ErrUnavailable that came from the COMMIT itself (its text says "commit")
// leaves open whether it was; who tries again needs a key by which the second
// time does nothing.
//
// ctx decides only how long to wait for a turn: when it ends before fn began,
// fn is not run and the error wraps the context's and ErrUnavailable. Once
// begun, fn is not cut off by ctx (the one it gets has its values, not its end)
// but by a limit of 10 s.
//
// fn must use only the tx it is given, and only until it returns; do nothing
// but SQL in it, quickly; return the first error it gets; and set its results
// anew each time, since it may be run again after a rollback, which does happen:
// on PostgreSQL after a serialization failure or a deadlock, on SQLite when a
// neighbour in the same commit lost the whole transaction. A panic in fn undoes
// what fn did and goes up the caller's stack. Write inside fn is an error, since
// on SQLite it would wait for itself.
func (s *Store) Write(ctx context.Context, fn Func) error {
	if ctx.Value(writing{}) != nil {
		return errors.New("write inside a write")
	}
	begun := time.Now()
	err := Classify(s.engine.write(ctx, fn))
	s.metrics.note(begun, err)
	return err
}

// writing marks the context of a running Func.
type writing struct{}

// turnLimit is how long one Func may take.
const turnLimit = 10 * time.Second

// turn returns the context that a Func runs with: not ended by the caller's.
func turn(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithValue(context.WithoutCancel(ctx), writing{}, true), turnLimit)
}

// notBegun is the error of a write whose context ended before its turn.
func notBegun(ctx context.Context) error {
	return fmt.Errorf("%w: wait for a turn to write: %w", ErrUnavailable, ctx.Err())
}

// Read returns the pool for queries. Its connections cannot write. It sees what
// is committed, so a transaction that has to see its own writes, or to decide
// by what it reads, belongs in Write. See Classify for its errors.
func (s *Store) Read() *sql.DB { return s.read }

// Postgres reports whether the store is PostgreSQL, which other replicas may
// share.
func (s *Store) Postgres() bool { return s.postgres }

// Epoch returns the random id that this store got when it was made. Another
// epoch is another store: what was remembered about the former does not hold.
func (s *Store) Epoch() string { return s.epoch }

// SkipLocked returns the clause that ends a SELECT of rows to claim:
// "FOR UPDATE SKIP LOCKED" on PostgreSQL, "" on SQLite, where one writes at a
// time.
func (s *Store) SkipLocked() string {
	if s.postgres {
		return "FOR UPDATE SKIP LOCKED"
	}
	return ""
}

// Now returns the time that all users of the store share, to the millisecond:
// the database's clock on PostgreSQL, since replicas disagree, and the process's
// on SQLite. Inside Write use NowTx.
func (s *Store) Now(ctx context.Context) (time.Time, error) {
	if !s.postgres {
		return processNow(), nil
	}
	return databaseNow(s.read.QueryRowContext(ctx, clockSQL))
}

// NowTx is Now over the connection of tx.
func (s *Store) NowTx(ctx context.Context, tx *sql.Tx) (time.Time, error) {
	if !s.postgres {
		return processNow(), nil
	}
	return databaseNow(tx.QueryRowContext(ctx, clockSQL))
}

// sampleAge is how long one reading of the database's clock serves.
const sampleAge = time.Second

// sample is a reading of the database's clock, and when it came.
type sample struct {
	mu        sync.Mutex
	time, got time.Time
}

// RecentNow is Now without a round trip each time: a reading that is at most a
// second old, carried on by this process's monotonic clock. It is never ahead of
// Now unless that was set back. It is for when something came, not for leases.
func (s *Store) RecentNow(ctx context.Context) (time.Time, error) {
	if !s.postgres {
		return processNow(), nil
	}
	s.sample.mu.Lock()
	defer s.sample.mu.Unlock()
	age := time.Since(s.sample.got)
	if age > sampleAge {
		now, err := s.Now(ctx)
		if err != nil {
			return time.Time{}, err
		}
		s.sample.time, s.sample.got, age = now, time.Now(), 0
	}
	return s.sample.time.Add(age.Truncate(time.Millisecond)), nil
}

// clock_timestamp() and not now(): the latter stands still in a transaction.
const clockSQL = `SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint`

func processNow() time.Time { return time.UnixMilli(time.Now().UnixMilli()) }

func databaseNow(row *sql.Row) (time.Time, error) {
	var ms int64
	if err := row.Scan(&ms); err != nil {
		return time.Time{}, Classify(fmt.Errorf("ask the database's clock: %w", err))
	}
	return time.UnixMilli(ms), nil
}
