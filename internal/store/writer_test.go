package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
)

func openSQLite(t testing.TB) *store.Store {
	t.Helper()
	return storetest.Open(t, filepath.Join(t.TempDir(), "state"))
}

// together runs all writes in one batch: it holds the writer until they wait in
// line, in this order, and returns their errors. A panic comes back as an error.
func together(t *testing.T, s *store.Store, writes ...store.Func) []error {
	t.Helper()
	hold, held := make(chan struct{}), make(chan struct{})
	errs := make([]error, len(writes))
	var wg sync.WaitGroup
	wg.Go(func() {
		err := s.Write(t.Context(), func(context.Context, *sql.Tx) error { close(held); <-hold; return nil })
		if err != nil {
			t.Errorf("hold the writer: %v", err)
		}
	})
	<-held
	for i, w := range writes {
		wg.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					errs[i] = fmt.Errorf("panic: %v", p)
				}
			}()
			errs[i] = s.Write(t.Context(), w)
		})
		for s.Waiting() < i+1 {
			runtime.Gosched()
		}
	}
	close(hold)
	wg.Wait()
	return errs
}

func TestCallersShareACommit(t *testing.T) {
	s := openSQLite(t)
	before := s.Commits()
	var writes []store.Func
	for i := range store.BatchSize {
		writes = append(writes, put(fmt.Sprint(i), ""))
	}
	for i, err := range together(t, s, writes...) {
		if err != nil {
			t.Errorf("write %d: %v", i, err)
		}
	}
	if got := s.Commits() - before; got != 2 { // the one that held the writer, and the batch
		t.Errorf("%d commits for %d writes, want 2", got, store.BatchSize+1)
	}
	if got := len(names(t, s)); got != store.BatchSize {
		t.Errorf("%d rows, want %d", got, store.BatchSize)
	}
}

func TestABatchIsBounded(t *testing.T) {
	s := openSQLite(t)
	before := s.Commits()
	writes := make([]store.Func, store.BatchSize+1)
	for i := range writes {
		writes[i] = put(fmt.Sprint(i), "")
	}
	together(t, s, writes...)
	if got := s.Commits() - before; got != 3 {
		t.Errorf("%d commits, want 3", got)
	}
}

// Whatever one caller of a batch does, the others get what they asked for.
func TestNeighboursOfABadCaller(t *testing.T) {
	mistake := errors.New("mistake")
	after := func(then func(ctx context.Context, tx *sql.Tx) error) store.Func {
		return func(ctx context.Context, tx *sql.Tx) error {
			return errors.Join(put("bad", "")(ctx, tx), then(ctx, tx))
		}
	}
	exec := func(query string) func(context.Context, *sql.Tx) error {
		return func(ctx context.Context, tx *sql.Tx) error { _, err := tx.ExecContext(ctx, query); return err }
	}
	for name, bad := range map[string]store.Func{
		"error":     after(func(context.Context, *sql.Tx) error { return mistake }),
		"duplicate": after(put("first", "")),
		"panic":     after(func(context.Context, *sql.Tx) error { panic("boom") }),
		"Rollback":  after(func(_ context.Context, tx *sql.Tx) error { return tx.Rollback() }),
		"Commit":    after(func(_ context.Context, tx *sql.Tx) error { return tx.Commit() }),
		"COMMIT":    after(exec("COMMIT")),
		"ROLLBACK, then rows that would commit by themselves": after(func(ctx context.Context, tx *sql.Tx) error {
			return errors.Join(exec("ROLLBACK")(ctx, tx), put("leaked", "")(ctx, tx))
		}),
		"ROLLBACK and hides it": after(func(ctx context.Context, tx *sql.Tx) error {
			_ = exec("ROLLBACK")(ctx, tx)
			_ = put("leaked", "")(ctx, tx)
			return nil
		}),
		"INSERT OR ROLLBACK": after(exec("INSERT OR ROLLBACK INTO meta (name, value) VALUES ('first', '')")),
		"interrupt in a write": after(func(ctx context.Context, tx *sql.Tx) error {
			ctx, cancel := context.WithTimeout(ctx, time.Millisecond)
			defer cancel()
			_, err := tx.ExecContext(ctx, `INSERT INTO meta (name, value) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT 'r' || i, '' FROM n`)
			return err
		}),
		"rows left open": after(func(ctx context.Context, tx *sql.Tx) error {
			rows, err := tx.QueryContext(ctx, `UPDATE meta SET value = 'x' RETURNING name`)
			if err == nil {
				rows.Next()
			}
			return errors.Join(err, mistake)
		}),
	} {
		t.Run(name, func(t *testing.T) {
			s := openSQLite(t)
			errs := together(t, s, put("first", ""), bad, put("last", ""))
			if errs[0] != nil || errs[2] != nil {
				t.Errorf("the neighbours got %v and %v", errs[0], errs[2])
			}
			if errs[1] == nil {
				t.Error("the bad one got no error")
			}
			wantNames(t, s, "first", "last")
			if err := s.Write(t.Context(), put("next", "")); err != nil {
				t.Errorf("the next write: %v", err)
			}
		})
	}
}

// The outcome of a failed COMMIT is the same for all in it: not nil.
func TestFailedCommitFailsTheWholeBatch(t *testing.T) {
	s := openSQLite(t)
	orphan := func(ctx context.Context, tx *sql.Tx) error { // a deferred foreign key is checked by COMMIT
		_, err := tx.ExecContext(ctx, `PRAGMA defer_foreign_keys = ON`)
		_, err2 := tx.ExecContext(ctx, `INSERT INTO delivery (id, notification_id, route, recipient, lane, accepted_at, due_at) VALUES ('d', 'none', 'r', 'x', 'l', 1, 1)`)
		return errors.Join(err, err2)
	}
	for i, err := range together(t, s, put("first", ""), orphan, put("last", "")) {
		if !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "commit") {
			t.Errorf("write %d got %v, want ErrUnavailable from the commit", i, err)
		}
	}
	wantNames(t, s)
	if err := s.Write(t.Context(), put("next", "")); err != nil {
		t.Errorf("the next write: %v", err)
	}
	wantNames(t, s, "next")
}

// A reader outside the transaction is the witness: no row is visible while the
// func runs, and each is by the time its caller has nil.
func TestNilComesAfterTheCommit(t *testing.T) {
	s := openSQLite(t)
	err := s.Write(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
		err := put("a", "")(ctx, tx)
		wantNames(t, s)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	wantNames(t, s, "a")
}

func TestACallerMayLeaveTheLine(t *testing.T) {
	s := openSQLite(t)
	hold, held, done := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		done <- s.Write(t.Context(), func(context.Context, *sql.Tx) error { close(held); <-hold; return nil })
	}()
	<-held
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error)
	go func() { left <- s.Write(ctx, put("left", "")) }()
	for s.Waiting() < 1 {
		runtime.Gosched()
	}
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) || !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	close(hold)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := s.Write(t.Context(), put("next", "")); err != nil {
		t.Error(err)
	}
	wantNames(t, s, "next")
}

func TestCloseServesWhoHasBegunAndRefusesWhoWaits(t *testing.T) {
	s := openSQLite(t)
	hold, held, done := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		done <- s.Write(t.Context(), func(ctx context.Context, tx *sql.Tx) error { close(held); <-hold; return put("a", "")(ctx, tx) })
	}()
	<-held
	waits := make(chan error, 1)
	go func() { waits <- s.Write(t.Context(), put("b", "")) }()
	for s.Waiting() < 1 {
		runtime.Gosched()
	}
	closed := make(chan error)
	go func() { closed <- s.Close() }()
	for s.Read().PingContext(t.Context()) == nil { // Close has begun once the readers are gone
		runtime.Gosched()
	}
	close(hold)
	if err := <-done; err != nil {
		t.Errorf("the write under way got %v", err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if err := <-waits; err != nil && !errors.Is(err, store.ErrUnavailable) { // nil if it came before the stop
		t.Errorf("the waiting one got %v", err)
	}
}

// A func that hangs in SQL is ended by the limit; the fake clock of synctest
// makes its 10 s pass at once. It also shows that Close leaves no goroutine.
func TestTurnIsLimited(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	synctest.Test(t, func(t *testing.T) {
		s := storetest.Open(t, dir)
		start := time.Now()
		err := s.Write(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
			<-ctx.Done()
			return put("late", "")(ctx, tx)
		})
		if !errors.Is(err, store.ErrUnavailable) || time.Since(start) != 10*time.Second {
			t.Errorf("got %v after %s, want ErrUnavailable after 10s", err, time.Since(start))
		}
		wantNames(t, s)
	})
}
