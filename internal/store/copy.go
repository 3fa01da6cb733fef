package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"modernc.org/sqlite"
)

const copyFile = "copy.db" // in the state directory, for as long as a copy is being made

// Copy gives a consistent copy of the whole store while it is in use, to read and
// close: a SQLite database that can be put in a state directory as gateway.db.
// It takes as much of the disk as the database. What a copy does not know when it
// is put back is what Open makes of it; see restored.
//
// It is for SQLite alone: PostgreSQL has its own tools. See Classify for its errors.
func (s *Store) Copy(ctx context.Context) (*os.File, error) {
	l, ok := s.engine.(*lite)
	if !ok {
		return nil, errors.New("copy the store: PostgreSQL has its own tools")
	}
	f, err := l.copy(ctx, filepath.Dir(l.dir.Name()))
	if err != nil {
		return nil, Classify(fmt.Errorf("copy the store: %w", err))
	}
	return f, nil
}

func (l *lite) copy(ctx context.Context, dir string) (_ *os.File, err error) {
	l.copying.Lock()
	defer l.copying.Unlock()
	file := filepath.Join(dir, copyFile)
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) { // of a process that was killed
		return nil, err
	}
	if err := createPrivate(file); err != nil { // SQLite fills an empty file, with the mode that it has
		return nil, err
	}
	defer os.Remove(file) // who has it open goes on to read it
	if err := vacuumInto(ctx, filepath.Join(dir, databaseFile), file); err != nil {
		return nil, err
	}
	return os.Open(file)
}

// vacuumInto copies a database as one reader sees it, and notes in the copy when.
func vacuumInto(ctx context.Context, from, to string) error {
	begun := time.Now()
	if err := once(ctx, from, `VACUUM INTO $1`, to); err != nil {
		return err
	}
	return once(ctx, to, `INSERT INTO meta (name, value) VALUES ('copied_at', $1) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, fmt.Sprint(begun.UnixMilli()))
}

// once runs a statement on a connection of its own.
func once(ctx context.Context, file, statement string, args ...any) error {
	connector, err := sqlite.NewConnector((&url.URL{Scheme: "file", OmitHost: true, Path: file, RawQuery: "mode=rw&_pragma=busy_timeout(5000)&_pragma=synchronous(FULL)"}).String())
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	_, err = db.ExecContext(ctx, statement, args...)
	return errors.Join(err, db.Close())
}

// farAway is later than any session's end.
const farAway = 10 * 365 * 24 * time.Hour

// restored makes of a copy that was put back a store that is safe to go on with.
// What happened after the copy was made, it cannot know: who was signed out, which
// links were used, which forms were sent, what Slack was told. So everybody signs in again,
// links and forms are void, and of each notification that waits Slack's history is
// asked before it is sent, as after a crash.
func restored(ctx context.Context, tx *sql.Tx) error {
	var at string
	if err := tx.QueryRowContext(ctx, `DELETE FROM meta WHERE name = 'copied_at' RETURNING value`).Scan(&at); errors.Is(err, sql.ErrNoRows) {
		return nil
	} else if err != nil {
		return fmt.Errorf("see whether this is a copy: %w", err)
	}
	now := time.Now()
	for _, step := range []struct {
		statement string
		args      []any
	}{
		{`UPDATE meta SET value = $1 WHERE name = 'epoch'`, []any{rand.Text()}},
		{`DELETE FROM session`, nil},
		{`DELETE FROM draft`, nil},
		{`DELETE FROM link`, nil},
		{`INSERT INTO meta (name, value) VALUES ('revocations', '1') ON CONFLICT (name) DO UPDATE SET value = CAST(CAST(meta.value AS BIGINT) + 1 AS TEXT)`, nil},
		{`INSERT INTO revocation (kind, value, not_before, expires_at, seq) VALUES ('all', '', $1, $2, (SELECT CAST(value AS BIGINT) FROM meta WHERE name = 'revocations'))
			ON CONFLICT (kind, value) DO UPDATE SET seq = excluded.seq, not_before = excluded.not_before, expires_at = excluded.expires_at`,
			[]any{now.UnixMilli(), now.Add(farAway).UnixMilli()}},
		{`INSERT INTO attempt (delivery_id, n, begun_at, ended_at, outcome)
			SELECT d.id, (SELECT COALESCE(MAX(a.n), 0) + 1 FROM attempt a WHERE a.delivery_id = d.id), $1, $2, 'interrupted'
			FROM delivery d WHERE d.state IN ('queued', 'sending')`, []any{at, now.UnixMilli()}},
		{`INSERT INTO audit (at, actor, action, object, detail) VALUES ($1, 'gateway', 'store.restored', '', $2)`, []any{now.UnixMilli(), "from a copy of " + at}},
	} {
		if _, err := tx.ExecContext(ctx, step.statement, step.args...); err != nil {
			return fmt.Errorf("take over a copy: %w", err)
		}
	}
	return nil
}
