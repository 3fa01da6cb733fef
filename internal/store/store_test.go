package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
)

// put writes one row of meta, the simplest table.
func put(name, value string) store.Func {
	return func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO meta (name, value) VALUES ($1, $2)`, name, value)
		return err
	}
}

// names returns the names in meta but epoch, sorted.
func names(t *testing.T, s *store.Store) []string {
	t.Helper()
	rows, err := s.Read().QueryContext(t.Context(), `SELECT name FROM meta WHERE name <> 'epoch'`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	names := []string{}
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names
}

func wantNames(t *testing.T, s *store.Store, want ...string) {
	t.Helper()
	if got := names(t, s); !slices.Equal(got, want) {
		t.Errorf("rows are %v, want %v", got, want)
	}
}

func TestWriteAppliesAllOrNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		mistake := errors.New("mistake")
		if err := s.Write(t.Context(), put("kept", "")); err != nil {
			t.Fatal(err)
		}
		err := s.Write(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
			return errors.Join(put("undone", "")(ctx, tx), mistake)
		})
		if !errors.Is(err, mistake) || errors.Is(err, store.ErrUnavailable) {
			t.Errorf("got %v, want the func's own error", err)
		}
		err = s.Write(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
			return errors.Join(put("undone", "")(ctx, tx), put("kept", "")(ctx, tx))
		})
		if err == nil || errors.Is(err, store.ErrUnavailable) {
			t.Errorf("a duplicate gave %v, want an error that is the caller's", err)
		}
		wantNames(t, s, "kept")
	})
}

func TestPanicAndGoexitUndoOnlyTheirOwn(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		func() {
			defer func() {
				if got := recover(); got != "boom" {
					t.Errorf("recovered %v, want the func's own panic", got)
				}
			}()
			_ = s.Write(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
				if err := put("undone", "")(ctx, tx); err != nil {
					t.Error(err)
				}
				panic("boom")
			})
		}()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = s.Write(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
				if err := put("undone", "")(ctx, tx); err != nil {
					t.Error(err)
				}
				runtime.Goexit()
				return nil
			})
		}()
		<-ended
		if err := s.Write(t.Context(), put("kept", "")); err != nil {
			t.Fatalf("the store is stuck: %v", err)
		}
		wantNames(t, s, "kept")
	})
}

func TestWriteInsideWriteIsRefusedAndDoesNotHang(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		err := s.Write(t.Context(), func(ctx context.Context, tx *sql.Tx) error { return s.Write(ctx, put("a", "")) })
		if err == nil || !strings.Contains(err.Error(), "write inside a write") {
			t.Errorf("got %v", err)
		}
	})
}

func TestEndedContext(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx, cancel := context.WithCancel(t.Context())
		// Once begun the write goes to its end, and nil still means durable.
		err := s.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
			cancel()
			return put("kept", "")(ctx, tx)
		})
		if err != nil {
			t.Errorf("a write that had begun gave %v", err)
		}
		ran := false
		err = s.Write(ctx, func(context.Context, *sql.Tx) error { ran = true; return nil })
		if !errors.Is(err, context.Canceled) || !errors.Is(err, store.ErrUnavailable) || ran {
			t.Errorf("a write after the end of its context gave %v, run %v", err, ran)
		}
		wantNames(t, s, "kept")
	})
}

func TestConcurrentWritesAllArriveOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		var wg sync.WaitGroup
		want := make([]string, 300)
		for i := range want {
			want[i] = fmt.Sprintf("n%03d", i)
			wg.Go(func() {
				if err := s.Write(t.Context(), put(want[i], "")); err != nil {
					t.Errorf("write %d: %v", i, err)
				}
			})
		}
		wg.Wait()
		wantNames(t, s, want...)
	})
}

func TestReadersCannotWrite(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		if _, err := s.Read().ExecContext(t.Context(), `INSERT INTO meta (name, value) VALUES ('x', '')`); err == nil {
			t.Error("a reader wrote")
		}
		wantNames(t, s)
	})
}

func TestClosedStoreIsUnavailable(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := s.Write(t.Context(), put("a", "")); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("got %v, want ErrUnavailable", err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("closing again gave %v", err)
		}
	})
}

func TestNowIsTheClockOfTheStore(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		a, err := s.Now(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var b time.Time
		err = s.Write(t.Context(), func(ctx context.Context, tx *sql.Tx) (err error) {
			b, err = s.NowTx(ctx, tx)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if b.Before(a) || b.Sub(a) > time.Minute || time.Since(a).Abs() > time.Minute || a.Nanosecond()%1e6 != 0 {
			t.Errorf("Now gave %v, then NowTx %v", a, b)
		}
		if want := map[bool]string{false: "", true: "FOR UPDATE SKIP LOCKED"}[s.Postgres()]; s.SkipLocked() != want {
			t.Errorf("SkipLocked is %q, want %q", s.SkipLocked(), want)
		}
	})
}

func TestMigrationsAreIdempotentAndKeepTheEpoch(t *testing.T) {
	storetest.EachState(t, func(t *testing.T, state string) {
		s := storetest.Open(t, state)
		if err := s.Migrate(t.Context()); err != nil {
			t.Fatalf("a second time: %v", err)
		}
		epoch := s.Epoch()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if again := storetest.Open(t, state).Epoch(); epoch == "" || again != epoch {
			t.Errorf("epoch was %q, is %q after reopening", epoch, again)
		}
	})
}

func TestNewerSchemaIsRefused(t *testing.T) {
	storetest.EachState(t, func(t *testing.T, state string) {
		s := storetest.Open(t, state)
		err := s.Write(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, `INSERT INTO schema_version (version, applied_at) VALUES (9999, 0)`)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		_, err = store.Open(t.Context(), state, slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), "newer cocoom-gateway") {
			t.Errorf("got %v", err)
		}
	})
}

// The schema's own promises: what the queue relies on.
func TestSchema(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		notification := func(id, route string, key any) store.Func {
			return func(ctx context.Context, tx *sql.Tx) error {
				_, err := tx.ExecContext(ctx, `INSERT INTO notification (id, route, idem_key, request, accepted_at, expires_at) VALUES ($1, $2, $3, '{}', 1, 2)`, id, route, key)
				return err
			}
		}
		exec := func(query string) store.Func {
			return func(ctx context.Context, tx *sql.Tx) error { _, err := tx.ExecContext(ctx, query); return err }
		}
		for _, step := range []struct {
			name  string
			write store.Func
			fails bool
		}{
			{"first", notification("n1", "a", "k"), false},
			{"same key on another route", notification("n2", "b", "k"), false},
			{"same key", notification("n3", "a", "k"), true},
			{"no key", notification("n4", "a", nil), false},
			{"no key again", notification("n5", "a", nil), false},
			{"delivery", exec(`INSERT INTO delivery (id, notification_id, route, recipient, lane, accepted_at, due_at) VALUES ('d1', 'n1', 'a', '#x', 'l', 1, 1)`), false},
			{"delivery of nothing", exec(`INSERT INTO delivery (id, notification_id, route, recipient, lane, accepted_at, due_at) VALUES ('d2', 'none', 'a', '#x', 'l', 1, 1)`), true},
			{"attempt", exec(`INSERT INTO attempt (delivery_id, n, begun_at) VALUES ('d1', 1, 1)`), false},
			{"audit", exec(`INSERT INTO audit (at, actor, action) VALUES (1, 'op', 'x')`), false},
			{"pruning takes deliveries and attempts along", exec(`DELETE FROM notification WHERE id = 'n1'`), false},
		} {
			if err := s.Write(t.Context(), step.write); (err != nil) != step.fails || errors.Is(err, store.ErrUnavailable) {
				t.Errorf("%s: %v", step.name, err)
			}
		}
		var n int
		if err := s.Read().QueryRow(`SELECT (SELECT count(*) FROM delivery) + (SELECT count(*) FROM attempt)`).Scan(&n); err != nil || n != 0 {
			t.Errorf("%d rows left, %v", n, err)
		}
	})
}

// The recent time is the shared one, read at most a second ago and never ahead.
func TestRecentNow(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		var last time.Time
		for range 50 {
			recent, err := s.RecentNow(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			now, err := s.Now(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if recent.After(now) || now.Sub(recent) > time.Second || recent.Before(last) {
				t.Errorf("recent %s, now %s, before %s", recent, now, last)
			}
			last = recent
		}
	})
}
