package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
)

// Statements that are kept give the same answers as fresh ones: while another
// one's rows are open, after an error, after the table changed, and when more
// texts are used than are kept.
func TestKeptStatements(t *testing.T) {
	s := openSQLite(t)
	const find = `SELECT name FROM meta WHERE name >= $1 AND name <> 'epoch' ORDER BY name`
	for _, name := range []string{"a", "b", "c"} {
		if err := s.Write(t.Context(), put(name, "")); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Write(t.Context(), put("a", "")); err == nil {
		t.Error("a second row of one name")
	}
	err := s.Write(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
		list := func(from string, each func(name string) error) error {
			rows, err := tx.QueryContext(ctx, find, from)
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var name string
				if err := errors.Join(rows.Scan(&name), each(name)); err != nil {
					return err
				}
			}
			return rows.Err()
		}
		var got []string
		err := list("b", func(outer string) error {
			return list("c", func(inner string) error { got = append(got, outer+inner); return nil })
		})
		if want := "[bc cc]"; fmt.Sprint(got) != want {
			t.Errorf("within each other: got %v, want %s", got, want)
		}
		if _, err := tx.ExecContext(ctx, `ALTER TABLE meta ADD COLUMN more TEXT`); err != nil {
			return err
		}
		for i := range 3 * store.MaxStatements { // the same text again every third time
			var n int
			text := fmt.Sprintf(`SELECT COUNT(*) + %d FROM meta WHERE name <> 'epoch' AND more IS NULL AND name <> $1`, i/3)
			if err := tx.QueryRowContext(ctx, text, "c").Scan(&n); err != nil || n != i/3+2 {
				return fmt.Errorf("%s: got %d, %w", text, n, err)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	wantNames(t, s, "a", "b", "c")
}

// Readers use their connections at once, each with statements of its own.
func TestKeptStatementsOfReaders(t *testing.T) {
	s := storetest.Open(t, filepath.Join(t.TempDir(), "state"))
	var group sync.WaitGroup
	for i := range 16 {
		group.Go(func() {
			for range 200 {
				var got int
				if err := s.Read().QueryRowContext(t.Context(), `SELECT $1 + COUNT(*) FROM meta`, i).Scan(&got); err != nil || got != i+1 {
					t.Errorf("got %d, %v; want %d", got, err, i+1)
				}
			}
		})
	}
	group.Wait()
}
