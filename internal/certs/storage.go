package certs

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/caddyserver/certmagic"

	"github.com/cocoom/cocoom-gateway/internal/store"
)

// purpose is what the values are sealed for.
const purpose = "certificate"

// storage keeps what the ACME client keeps (accounts, keys, certificates, pending
// challenges) in the table certificate, sealed. It is a certmagic.Storage: names
// are paths; one with a value is a file, and what is before a slash in one is a
// directory.
type storage struct {
	locks
	master store.Master
}

// String is what certmagic logs of the storage; it would print all that is in it.
func (s *storage) String() string { return "store" }

// Store writes the value of a name.
func (s *storage) Store(ctx context.Context, name string, value []byte) error {
	sealed, err := s.master.Seal(purpose, name, value)
	if err != nil {
		return fmt.Errorf("seal %s: %w", name, err)
	}
	err = s.store.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		now, err := s.store.NowTx(ctx, tx)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO certificate (name, sealed, changed_at) VALUES ($1, $2, $3)
			ON CONFLICT (name) DO UPDATE SET sealed = excluded.sealed, changed_at = excluded.changed_at`, name, sealed, now.UnixMilli())
		return err
	})
	return wrap("store", name, err)
}

// Load gives the value of a name; fs.ErrNotExist if it has none.
func (s *storage) Load(ctx context.Context, name string) ([]byte, error) {
	value, _, err := s.row(ctx, name)
	return value, wrap("load", name, err)
}

// Delete removes a name and, where it is a directory, all that is in it.
func (s *storage) Delete(ctx context.Context, name string) error {
	err := s.store.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM certificate WHERE name = $1 OR substr(name, 1, $2) = $3`, name, utf8.RuneCountInString(name)+1, name+"/")
		return err
	})
	return wrap("delete", name, err)
}

// Exists tells whether a name is a file or a directory.
func (s *storage) Exists(ctx context.Context, name string) bool {
	_, err := s.Stat(ctx, name)
	return err == nil
}

// Stat says what a name is; fs.ErrNotExist if it is nothing.
func (s *storage) Stat(ctx context.Context, name string) (certmagic.KeyInfo, error) {
	value, changed, err := s.row(ctx, name)
	if err == nil {
		return certmagic.KeyInfo{Key: name, Modified: changed, Size: int64(len(value)), IsTerminal: true}, nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		_, err = s.under(ctx, name, 1)
	}
	return certmagic.KeyInfo{Key: name}, wrap("stat", name, err)
}

// List names what is in a directory, sorted: files and directories, and if
// recursive what is in the latter too. A directory that is not there is
// fs.ErrNotExist; "" is the one that holds all.
func (s *storage) List(ctx context.Context, dir string, recursive bool) ([]string, error) {
	dir = strings.Trim(dir, "/")
	names, err := s.under(ctx, dir, -1)
	if err != nil {
		return nil, wrap("list", dir, err)
	}
	found := map[string]bool{}
	for _, name := range names {
		inside := strings.TrimPrefix(name[len(dir):], "/")
		if first, _, deeper := strings.Cut(inside, "/"); deeper && !recursive {
			name = path.Join(dir, first)
		}
		for ; name != dir && name != "."; name = path.Dir(name) {
			found[name] = true
		}
	}
	return slices.Sorted(maps.Keys(found)), nil
}

// row reads one value, and when it was written.
func (s *storage) row(ctx context.Context, name string) ([]byte, time.Time, error) {
	var sealed []byte
	var changed int64
	err := s.store.Read().QueryRowContext(ctx, `SELECT sealed, changed_at FROM certificate WHERE name = $1`, name).Scan(&sealed, &changed)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, time.Time{}, fs.ErrNotExist
	}
	if err != nil {
		return nil, time.Time{}, store.Classify(err)
	}
	value, err := s.master.Open(purpose, name, sealed)
	return value, time.UnixMilli(changed), err
}

// under lists the names of the files in a directory and its directories, at most
// limit if that is not negative; fs.ErrNotExist if there is none. LIKE would not
// do: SQLite's takes no notice of case. No index helps, but it is rarely asked.
func (s *storage) under(ctx context.Context, dir string, limit int) ([]string, error) {
	prefix := dir + "/"
	if dir == "" {
		prefix = ""
	}
	if limit < 0 {
		limit = 1 << 30
	}
	rows, err := s.store.Read().QueryContext(ctx, `SELECT name FROM certificate WHERE substr(name, 1, $1) = $2 ORDER BY name LIMIT $3`,
		utf8.RuneCountInString(prefix), prefix, limit)
	if err != nil {
		return nil, store.Classify(err)
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, store.Classify(err)
		}
		names = append(names, name)
	}
	if err := rows.Err(); err != nil {
		return nil, store.Classify(err)
	}
	if len(names) == 0 {
		return nil, fs.ErrNotExist
	}
	return names, nil
}

func wrap(attempt, name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %s: %w", attempt, name, err)
}
