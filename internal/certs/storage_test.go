package certs

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
)

var (
	_ certmagic.Storage   = (*storage)(nil)
	_ certmagic.TryLocker = (*storage)(nil)
)

func newStorage(t *testing.T, s *store.Store) *storage {
	t.Helper()
	st := &storage{locks: locks{store: s}, master: testMaster(t)}
	t.Cleanup(st.release)
	return st
}

func testMaster(t *testing.T) store.Master {
	t.Helper()
	master, err := store.LoadMaster("", strings.Repeat("42", 32))
	if err != nil {
		t.Fatal(err)
	}
	return master
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestStorage holds the storage against certmagic's description of one, and its
// FileStorage where that leaves a choice.
func TestStorage(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.Store) {
		s, ctx := newStorage(t, db), t.Context()
		if _, err := s.Load(ctx, "a/b"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("load of nothing: %v", err)
		}
		if _, err := s.Stat(ctx, "a"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("stat of nothing: %v", err)
		}
		if _, err := s.List(ctx, "a", true); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("list of nothing: %v", err)
		}
		must(t, s.Delete(ctx, "a"))

		value := bytes.Repeat([]byte{0, 0xff, '\n'}, 5000)
		for _, name := range []string{"a/b/c.crt", "a/b/c.key", "a/d", "ab/c", "A/x", "é/è/x", "a_b/x", "top"} {
			must(t, s.Store(ctx, name, []byte(name)))
		}
		must(t, s.Store(ctx, "a/d", value))
		if got, err := s.Load(ctx, "a/d"); err != nil || !bytes.Equal(got, value) {
			t.Errorf("load gives %d bytes, %v", len(got), err)
		}
		must(t, s.Store(ctx, "empty", nil))
		if got, err := s.Load(ctx, "empty"); err != nil || len(got) != 0 {
			t.Errorf("load of an empty value gives %q, %v", got, err)
		}

		info, err := s.Stat(ctx, "a/d")
		if err != nil || info.Key != "a/d" || !info.IsTerminal || info.Size != int64(len(value)) || time.Since(info.Modified).Abs() > time.Minute {
			t.Errorf("stat of a file: %+v, %v", info, err)
		}
		if info, err := s.Stat(ctx, "a/b"); err != nil || info.Key != "a/b" || info.IsTerminal {
			t.Errorf("stat of a directory: %+v, %v", info, err)
		}
		for name, want := range map[string]bool{"a": true, "a/b": true, "a/b/c.crt": true, "a/b/c": false, "a/": false, "b": false, "é/è": true} {
			if s.Exists(ctx, name) != want {
				t.Errorf("exists %q: want %t", name, want)
			}
		}
		for _, row := range []struct {
			dir       string
			recursive bool
			want      []string
		}{
			{"a", false, []string{"a/b", "a/d"}},
			{"a/", false, []string{"a/b", "a/d"}},
			{"a", true, []string{"a/b", "a/b/c.crt", "a/b/c.key", "a/d"}},
			{"é", true, []string{"é/è", "é/è/x"}},
			{"", false, []string{"A", "a", "a_b", "ab", "empty", "top", "é"}},
		} {
			if got, err := s.List(ctx, row.dir, row.recursive); err != nil || !slices.Equal(got, row.want) {
				t.Errorf("list %q, recursive %t: %q, %v; want %q", row.dir, row.recursive, got, err, row.want)
			}
		}

		must(t, s.Delete(ctx, "a/b/c.crt"))
		must(t, s.Delete(ctx, "a/b"))
		if got, err := s.List(ctx, "a", true); err != nil || !slices.Equal(got, []string{"a/d"}) {
			t.Errorf("after deleting: %q, %v", got, err)
		}
		for _, name := range []string{"ab/c", "A/x", "a_b/x"} {
			if !s.Exists(ctx, name) {
				t.Errorf("deleting a/b took %s", name)
			}
		}
	})
}

// TestSealed: a copy of the table holds no key, and a row moved to another name
// opens nothing.
func TestSealed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.Store) {
		s, ctx := newStorage(t, db), t.Context()
		must(t, s.Store(ctx, "a.key", []byte("PRIVATE KEY")))
		must(t, s.Store(ctx, "b.key", []byte("PRIVATE KEY")))
		var sealed []byte
		must(t, db.Read().QueryRowContext(ctx, `SELECT sealed FROM certificate WHERE name = 'a.key'`).Scan(&sealed))
		if bytes.Contains(sealed, []byte("PRIVATE")) {
			t.Error("the key lies open")
		}
		must(t, db.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, `UPDATE certificate SET sealed = $1 WHERE name = 'b.key'`, sealed)
			return err
		}))
		if got, err := s.Load(ctx, "b.key"); err == nil {
			t.Errorf("a moved row opens as %q", got)
		}
	})
}

// TestLock: one of many has the lock, a waiter gets it when it is given back, one
// who gives up waiting does not, and that of a process that died expires.
func TestLock(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.Store) {
		ctx := t.Context()
		replicas := []*storage{newStorage(t, db), newStorage(t, db), newStorage(t, db)}
		var inside, most, done int
		var mu sync.Mutex
		var all sync.WaitGroup
		for i := range 6 {
			all.Go(func() {
				s := replicas[i%len(replicas)]
				if err := s.Lock(ctx, "x"); err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				inside++
				most, done = max(most, inside), done+1
				mu.Unlock()
				mu.Lock()
				inside--
				mu.Unlock()
				if err := s.Unlock(ctx, "x"); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if most != 1 || done != 6 {
			t.Errorf("%d had the lock, %d at once", done, most)
		}

		a, b := replicas[0], replicas[1]
		must(t, a.Lock(ctx, "x"))
		short, cancel := context.WithTimeout(ctx, lockEvery/2)
		defer cancel()
		if err := b.Lock(short, "x"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waiting ended with %v", err)
		}
		if err := b.Unlock(ctx, "x"); err == nil {
			t.Error("one gave back what another has")
		}
		if ok, err := b.TryLock(ctx, "other"); err != nil || !ok {
			t.Errorf("another name: %t, %v", ok, err)
		}

		a.release() // the process died, and its lease ended
		expire(t, db, "x")
		if ok, err := b.TryLock(ctx, "x"); err != nil || !ok {
			t.Errorf("an expired lock: %t, %v", ok, err)
		}
		must(t, a.Unlock(ctx, "x")) // not dead after all, only slow
		if ok, err := replicas[2].TryLock(ctx, "x"); err != nil || ok {
			t.Errorf("who lost a lock gave back the next holder's: %t, %v", ok, err)
		}
	})
}

// TestLockIsExtended while its holder lives.
func TestLockIsExtended(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.Store) {
		s, ctx := newStorage(t, db), t.Context()
		must(t, s.Lock(ctx, "x"))
		var owner string
		var before, after int64
		row := func(until *int64) {
			must(t, db.Read().QueryRowContext(ctx, `SELECT owner, expires_at FROM certificate_lock WHERE name = 'x'`).Scan(&owner, until))
		}
		row(&before)
		must(t, db.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, `UPDATE certificate_lock SET expires_at = expires_at - 10000`)
			return err
		}))
		if ours, err := s.keep(ctx, "x", owner); err != nil || !ours {
			t.Fatalf("extending: %t, %v", ours, err)
		}
		if row(&after); after < before {
			t.Errorf("it ends %d ms earlier than before", before-after)
		}
		expire(t, db, "x")
		if ours, err := s.keep(ctx, "x", owner); err != nil || ours {
			t.Errorf("extending what has expired: %t, %v", ours, err)
		}
	})
}

func expire(t *testing.T, db *store.Store, name string) {
	t.Helper()
	must(t, db.Write(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE certificate_lock SET expires_at = 1 WHERE name = $1`, name)
		return err
	}))
}
