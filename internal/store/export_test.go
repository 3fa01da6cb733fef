package store

import (
	"context"
	"database/sql"
)

// Commits returns how many transactions the writer of SQLite has committed.
func (s *Store) Commits() uint64 { return s.engine.(*lite).commits.Load() }

// WriterDB returns the pool that writes.
func (s *Store) WriterDB() *sql.DB {
	if p, ok := s.engine.(*pg); ok {
		return p.db
	}
	return s.engine.(*lite).db
}

// Waiting returns how many callers stand in SQLite's line.
func (s *Store) Waiting() int { return len(s.engine.(*lite).queue) }

// Migrate runs the migrations again.
func (s *Store) Migrate(ctx context.Context) error {
	if l, ok := s.engine.(*lite); ok {
		l.committing.Store(true)
		defer l.committing.Store(false)
	}
	return migrate(ctx, s.WriterDB(), s.postgres)
}

// Limits of the writer.
const (
	BatchSize   = batchSize
	QueueLength = queueLength
	// MaxStatements is what a connection keeps prepared.
	MaxStatements = maxStatements
)
