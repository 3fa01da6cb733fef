package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"

	"modernc.org/sqlite"
)

// readers bounds the pool that reads. More would only wait for the processor.
const readers = 8

// lite is the engine of SQLite: the directory's lock, the pools and the one
// goroutine that writes.
type lite struct {
	*writer
	dir     *dirLock
	copying sync.Mutex // one at a time
}

// openSQLite opens gateway.db in the directory dir.
func openSQLite(ctx context.Context, dir string, log *slog.Logger) (_ engine, read *sql.DB, err error) {
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, nil, fmt.Errorf("state directory %s: %w", dir, err)
	}
	if err := prepareDir(dir, log); err != nil {
		return nil, nil, err
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, nil, err
	}
	var opened []io.Closer
	defer func() {
		if err != nil {
			for _, c := range slices.Backward(opened) {
				err = errors.Join(err, c.Close())
			}
			err = errors.Join(err, lock.Close())
		}
	}()
	file := filepath.Join(dir, databaseFile)
	if err := createPrivate(file); err != nil {
		return nil, nil, err
	}

	w := &writer{queue: make(chan *call, queueLength), stop: make(chan struct{}), gone: make(chan struct{})}
	// One connection: SQLite has one writer at a time, and who waits for it should wait in our queue and not in a busy loop.
	if w.db, err = openPool(file, 1, &w.committing); err != nil {
		return nil, nil, err
	}
	opened = append(opened, w.db)
	w.committing.Store(true)
	if err := migrate(ctx, w.db, false); err != nil {
		return nil, nil, fmt.Errorf("state directory %s: %w", dir, err)
	}
	w.committing.Store(false)
	if read, err = openPool(file, readers, nil); err != nil {
		return nil, nil, err
	}
	opened = append(opened, read)
	if err := read.PingContext(ctx); err != nil { // Ping connects, and connecting verifies
		return nil, nil, fmt.Errorf("state directory %s: open for reading: %w", dir, err)
	}
	go w.loop()
	return &lite{writer: w, dir: lock}, read, nil
}

func (l *lite) close() error { return errors.Join(l.writer.close(), l.dir.Close()) }

// openPool opens a pool of at most n connections. With a gate they write, and
// commit only while the gate is true; without one they only read.
func openPool(file string, n int, gate *atomic.Bool) (*sql.DB, error) {
	base, err := sqlite.NewConnector(dsn(file, gate == nil))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", file, err)
	}
	db := sql.OpenDB(&verified{Connector: base, gate: gate})
	db.SetMaxOpenConns(n)
	db.SetMaxIdleConns(n)
	return db, nil
}

// dsn is the address of the database file with the settings of every
// connection: each is per connection, and the driver runs them in this order.
func dsn(file string, readOnly bool) string {
	q := url.Values{"_txlock": {"immediate"}, "_dqs": {"0"}, "_error_rc": {"1"}, "mode": {"rw"}}
	q["_pragma"] = []string{
		"busy_timeout(5000)",
		"journal_mode(WAL)",
		"synchronous(FULL)", // NORMAL would lose the last commits in a power cut
		"fullfsync(1)",      // macOS: its fsync stops at the disk's cache
		"foreign_keys(1)",
		"temp_store(MEMORY)",           // a container's root may be read-only
		"journal_size_limit(67108864)", // give the disk back after a long read held the log
	}
	if readOnly {
		q["_txlock"] = []string{"deferred"}
		q["_pragma"] = append(q["_pragma"], "query_only(1)")
	}
	return (&url.URL{Scheme: "file", OmitHost: true, Path: file, RawQuery: q.Encode()}).String()
}

// verified hands out connections only after asking them for the settings that
// our promises rest on.
type verified struct {
	driver.Connector
	gate *atomic.Bool
}

// Connect opens a connection and refuses it if its settings did not take, as
// journal_mode does on a file system without shared memory.
func (v *verified) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := v.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	if err := verify(ctx, conn, v.gate == nil); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	if v.gate != nil {
		hooks, ok := conn.(sqlite.HookRegisterer)
		if !ok {
			return nil, errors.Join(errors.New("the SQLite driver has no commit hook"), conn.Close())
		}
		// SQLite ends a transaction by itself on some errors (disk full, an interrupt). Whatever a Func did after that
		// would commit statement by statement; so nothing commits but the writer's own COMMIT.
		hooks.RegisterCommitHook(func() int32 {
			if v.gate.Load() {
				return 0
			}
			return 1
		})
	}
	kept, err := newPreparing(conn)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return kept, nil
}

func verify(ctx context.Context, conn driver.Conn, readOnly bool) error {
	type setting struct {
		pragma string
		value  any
	}
	want := []setting{{"journal_mode", "wal"}, {"synchronous", int64(2)}, {"foreign_keys", int64(1)}, {"busy_timeout", int64(5000)}}
	if readOnly {
		want = append(want, setting{"query_only", int64(1)})
	}
	for _, w := range want {
		got, err := ask(ctx, conn, "PRAGMA "+w.pragma)
		if err != nil {
			return fmt.Errorf("ask for %s: %w", w.pragma, err)
		}
		if got != w.value {
			return fmt.Errorf("%s is %v and must be %v for commits to survive a power cut: is the state directory on a network file system?", w.pragma, got, w.value)
		}
	}
	return nil
}

// ask runs a query of one value on a bare connection.
func ask(ctx context.Context, conn driver.Conn, query string) (driver.Value, error) {
	q, ok := conn.(driver.QueryerContext)
	if !ok {
		return nil, errors.New("the SQLite driver cannot query")
	}
	rows, err := q.QueryContext(ctx, query, nil)
	if err != nil {
		return nil, err
	}
	value := make([]driver.Value, 1)
	err = errors.Join(rows.Next(value), rows.Close())
	return value[0], err
}
