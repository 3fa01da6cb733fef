package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
)

func openFails(t *testing.T, state string) error {
	t.Helper()
	s, err := store.Open(t.Context(), state, slog.New(slog.DiscardHandler))
	if err == nil {
		s.Close()
		t.Fatal("it opened")
	}
	return err
}

func with(t *testing.T, state, name, value string) string {
	t.Helper()
	u, err := url.Parse(state)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set(name, value)
	u.RawQuery = q.Encode()
	return u.String()
}

func TestReplicasMigrateAtOnce(t *testing.T) {
	state := storetest.Postgres(t)
	var wg sync.WaitGroup
	epochs := make([]string, 4)
	for i := range epochs {
		wg.Go(func() {
			s, err := store.Open(t.Context(), state, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Errorf("replica %d: %v", i, err)
				return
			}
			epochs[i] = s.Epoch()
			s.Close()
		})
	}
	wg.Wait()
	for _, e := range epochs {
		if e == "" || e != epochs[0] {
			t.Errorf("epochs differ: %v", epochs)
		}
	}
}

func TestCommitsThatCouldBeLostAreRefused(t *testing.T) {
	state := storetest.Postgres(t)
	for _, value := range []string{"off", "local"} {
		err := openFails(t, with(t, state, "synchronous_commit", value))
		if !strings.Contains(err.Error(), "synchronous_commit is "+value) {
			t.Errorf("%s: %v", value, err)
		}
	}
	storetest.Open(t, with(t, state, "synchronous_commit", "remote_apply"))
}

// Two writes that lock two rows in opposite order deadlock; PostgreSQL ends
// one, and Write runs it again.
func TestDeadlockIsRunAgain(t *testing.T) {
	s := storetest.Open(t, storetest.Postgres(t))
	for _, name := range []string{"a", "b"} {
		if err := s.Write(t.Context(), put(name, "0")); err != nil {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	var first sync.WaitGroup // both hold their first lock
	first.Add(2)
	runs := make([]int, 2)
	for i, order := range [][]string{{"a", "b"}, {"b", "a"}} {
		wg.Go(func() {
			err := s.Write(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
				runs[i]++
				for j, name := range order {
					if _, err := tx.ExecContext(ctx, `UPDATE meta SET value = value || '1' WHERE name = $1`, name); err != nil {
						return fmt.Errorf("wrapped: %w", err)
					}
					if j == 0 && runs[i] == 1 {
						first.Done()
						first.Wait()
					}
				}
				return nil
			})
			if err != nil {
				t.Errorf("write %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	if runs[0]+runs[1] < 3 { // more on a machine so slow that they meet again
		t.Errorf("%v runs, want one of the two twice", runs)
	}
	var n int
	if err := s.Read().QueryRow(`SELECT count(*) FROM meta WHERE value = '011'`).Scan(&n); err != nil || n != 2 {
		t.Errorf("%d rows have both changes, %v", n, err)
	}
}

func TestRetriesEnd(t *testing.T) {
	s := storetest.Open(t, storetest.Postgres(t))
	for code, want := range map[string]int{"40001": 5, "40P01": 5, "23505": 1, "08006": 1, "57014": 1} {
		runs := 0
		err := s.Write(t.Context(), func(context.Context, *sql.Tx) error { runs++; return &pgconn.PgError{Code: code} })
		if err == nil || runs != want {
			t.Errorf("%s: %d runs, %v, want %d", code, runs, err, want)
		}
	}
}

func TestIgnoredErrorIsNoSuccess(t *testing.T) {
	s := storetest.Open(t, storetest.Postgres(t))
	err := s.Write(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
		err := put("a", "")(ctx, tx)
		_ = put("a", "")(ctx, tx)
		return err
	})
	if err == nil || errors.Is(err, store.ErrUnavailable) {
		t.Errorf("got %v, want an error that is the caller's", err)
	}
	wantNames(t, s)
}

// A server that restarted, or a firewall that forgot: the pool's connections
// are dead, and the next write does not notice.
func TestDeadConnectionsAreReplaced(t *testing.T) {
	s := storetest.Open(t, storetest.Postgres(t))
	if err := s.Write(t.Context(), put("a", "")); err != nil {
		t.Fatal(err)
	}
	kill := `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`
	if _, err := s.Read().Exec(kill); err != nil {
		t.Fatal(err)
	}
	if err := s.Write(t.Context(), put("b", "")); err != nil {
		t.Errorf("got %v", err)
	}
	wantNames(t, s, "a", "b")
}

// A connection that dies within the write is the store's trouble, and the func
// is not run again.
func TestConnectionLostInAWrite(t *testing.T) {
	s := storetest.Open(t, storetest.Postgres(t))
	runs := 0
	err := s.Write(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
		runs++
		if err := put("a", "")(ctx, tx); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `SELECT pg_terminate_backend(pg_backend_pid())`)
		return err
	})
	if !errors.Is(err, store.ErrUnavailable) || runs != 1 {
		t.Errorf("got %v after %d runs", err, runs)
	}
	wantNames(t, s)
}

func TestServerThatIsGone(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	err = openFails(t, "postgres://gw:hunter2@"+addr+"/db?sslmode=disable")
	if !errors.Is(err, store.ErrUnavailable) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
}

func TestNoPasswordInErrors(t *testing.T) {
	for _, state := range []string{
		"postgres://gw:hunter2%zz@host/db",
		"postgres://gw:hunter2@host:port/db",
		"postgres://gw:hunter2/x@host:5432/db",
		"postgres://gw:hunter2@host/db?sslmode=never",
		"postgres://gw:hunter2@host/db?connect_timeout=never",
		"postgres://host/db?password=hunter2&sslmode=never",
		"postgres://host/db?sslmode=never&sslpassword=hunter2",
		"postgresql://gw:hunt er2%20hunter2@host/db?sslmode=never",
	} {
		if err := openFails(t, state); strings.Contains(err.Error(), "hunt") {
			t.Errorf("%s:\n\t%v", state, err)
		}
	}
}

func TestWrongPasswordIsNotShown(t *testing.T) {
	state := storetest.Postgres(t)
	u, err := url.Parse(state)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("stranger", "hunter2")
	if err := openFails(t, u.String()); !errors.Is(err, store.ErrUnavailable) || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "stranger") {
		t.Errorf("got %v", err)
	}
}
