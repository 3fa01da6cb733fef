package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5/pgconn"
)

// OpenReadOnly opens the store that state names, as Open does, to look at: also
// while another process uses it. It makes nothing, brings no table up to date,
// and every Write fails. The error wraps fs.ErrNotExist where no gateway has
// made the store yet.
func OpenReadOnly(ctx context.Context, state string) (*Store, error) {
	s := &Store{postgres: isPostgres(state), engine: readOnly{}}
	var err error
	if s.postgres {
		s.read, err = openPGPool(state, true)
	} else {
		s.read, err = openExisting(state)
	}
	if err != nil {
		return nil, Classify(err)
	}
	if err := s.read.QueryRowContext(ctx, `SELECT value FROM meta WHERE name = 'epoch'`).Scan(&s.epoch); err != nil {
		if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == undefinedTable {
			err = fmt.Errorf("%w: no gateway has used the database yet", fs.ErrNotExist)
		}
		return nil, errors.Join(Classify(fmt.Errorf("read the store: %w", err)), s.Close())
	}
	return s, nil
}

// undefinedTable is an SQLSTATE, PostgreSQL's appendix A.
const undefinedTable = "42P01"

func openExisting(dir string) (*sql.DB, error) {
	file := filepath.Join(dir, databaseFile)
	if _, err := os.Stat(file); err != nil {
		return nil, fmt.Errorf("look at the database: %w", err)
	}
	return openPool(file, readers, nil)
}

// readOnly is the engine of a store that is only looked at.
type readOnly struct{}

func (readOnly) write(context.Context, Func) error {
	return fmt.Errorf("write: %w: the store was opened for reading", fs.ErrPermission)
}

func (readOnly) close() error { return nil }

// ReadRing returns the keys of a ring that are in the store, as Ring orders
// them. It makes and drops none.
func (s *Store) ReadRing(ctx context.Context, master Master, purpose string) ([]Key, error) {
	now, err := s.Now(ctx)
	if err != nil {
		return nil, fmt.Errorf("key ring %q: %w", purpose, err)
	}
	keys, err := readRing(ctx, s.read, master, purpose)
	if err != nil {
		return nil, Classify(fmt.Errorf("key ring %q: %w", purpose, err))
	}
	return inOrder(keys, now), nil
}

// About is what a database says of itself.
type About struct {
	Version string // such as "SQLite 3.50.4" or "PostgreSQL 16.2"
	// Durable is the settings that make a commit survive a power cut, such as
	// "journal_mode=wal synchronous=2"; Lossy says that they do not.
	Durable string
	Lossy   bool
	Bytes   int64 // of the whole database
	Schema  int   // number of the last migration that was applied
	Known   int   // number of the last one that this program has
}

// About asks the database about itself.
func (s *Store) About(ctx context.Context) (About, error) {
	var a About
	if err := s.read.QueryRowContext(ctx, `SELECT coalesce(max(version), 0) FROM schema_version`).Scan(&a.Schema); err != nil {
		return a, Classify(fmt.Errorf("read schema_version: %w", err))
	}
	steps, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return a, fmt.Errorf("list migrations: %w", err)
	}
	a.Known = len(steps)
	if s.postgres {
		err = s.aboutPostgres(ctx, &a)
	} else {
		err = s.aboutSQLite(ctx, &a)
	}
	return a, Classify(err)
}

func (s *Store) aboutPostgres(ctx context.Context, a *About) error {
	var version, commit, fsync, pages string
	err := s.read.QueryRowContext(ctx, `SELECT current_setting('server_version'), current_setting('synchronous_commit'),
		current_setting('fsync'), current_setting('full_page_writes'), pg_database_size(current_database())`).
		Scan(&version, &commit, &fsync, &pages, &a.Bytes)
	if err != nil {
		return fmt.Errorf("ask for PostgreSQL's settings: %w", err)
	}
	a.Version = "PostgreSQL " + version
	a.Durable = fmt.Sprintf("synchronous_commit=%s fsync=%s full_page_writes=%s", commit, fsync, pages)
	a.Lossy = commit == "off" || commit == "local" || fsync != "on" || pages != "on"
	return nil
}

func (s *Store) aboutSQLite(ctx context.Context, a *About) error {
	var journal string
	var synchronous int
	var pages, size int64
	if err := s.read.QueryRowContext(ctx, `SELECT 'SQLite ' || sqlite_version(), page_count, page_size, journal_mode, synchronous
		FROM pragma_page_count(), pragma_page_size(), pragma_journal_mode(), pragma_synchronous()`).
		Scan(&a.Version, &pages, &size, &journal, &synchronous); err != nil {
		return fmt.Errorf("ask for SQLite's settings: %w", err)
	}
	a.Bytes = pages * size
	a.Durable = fmt.Sprintf("journal_mode=%s synchronous=%d", journal, synchronous)
	a.Lossy = journal != "wal" || synchronous < 2
	return nil
}
