// Package storetest runs a test on every engine of package store: on SQLite in a
// temporary directory and, where PostgreSQL's programs are installed, on a
// private PostgreSQL, one server per test process and one database per test.
// Only tests import it.
package storetest

import (
	"crypto/rand"
	"database/sql"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the database/sql driver "pgx"

	"github.com/cocoom/cocoom-gateway/internal/store"
)

// Each runs f as a parallel subtest per engine with a new, empty store, closed at the
// end. PostgreSQL's is skipped under -short and without its programs, but fails
// instead if the environment says CI=true.
func Each(t *testing.T, f func(t *testing.T, s *store.Store)) {
	t.Helper()
	EachState(t, func(t *testing.T, state string) { f(t, Open(t, state)) })
}

// InTurn is Each for tests that look at what the whole process shares: the engines
// come one after the other, not side by side.
func InTurn(t *testing.T, f func(t *testing.T, s *store.Store)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { f(t, Open(t, filepath.Join(t.TempDir(), "state"))) })
	t.Run("postgres", func(t *testing.T) { f(t, Open(t, Postgres(t))) })
}

// EachState is Each for tests that open the store themselves: several replicas,
// a restart. state is what store.Open takes, and nothing is there yet.
func EachState(t *testing.T, f func(t *testing.T, state string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { t.Parallel(); f(t, filepath.Join(t.TempDir(), "state")) })
	t.Run("postgres", func(t *testing.T) { t.Parallel(); f(t, Postgres(t)) })
}

// Open opens state and closes it at the end of the test; closing it earlier is
// fine.
func Open(t testing.TB, state string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), state, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("open %s: %v", state, err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close the store: %v", err)
		}
	})
	return s
}

// Postgres returns the address of a new, empty database, dropped at the end of
// the test. It skips or fails the test as Each says.
func Postgres(t testing.TB) string {
	t.Helper()
	if testing.Short() {
		t.Skip("needs PostgreSQL, not under -short")
	}
	server, err := theServer()
	needPostgres(t, err)
	name := "t_" + strings.ToLower(rand.Text())
	admin, err := sql.Open("pgx", server.address("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := admin.ExecContext(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatalf("create a database: %v", err)
	}
	t.Cleanup(func() {
		go func() { // the server takes its time over it; with the process all goes anyway
			defer admin.Close()
			_, _ = admin.Exec("DROP DATABASE " + name + " WITH (FORCE)")
		}()
	})
	return server.address(name)
}

// StoppablePostgres returns the address of an empty database on a server of the
// test's own, which stop stops as a crash does and start starts again. It skips
// or fails the test as Each says.
func StoppablePostgres(t testing.TB) (state string, stop, start func()) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs PostgreSQL, not under -short")
	}
	server, err := startServer()
	needPostgres(t, err)
	t.Cleanup(func() { server.life.Close() })
	must := func(do func() error) func() {
		return func() {
			t.Helper()
			if err := do(); err != nil {
				t.Fatal(err)
			}
		}
	}
	return server.address("postgres"), must(server.stop), must(server.restart)
}

func needPostgres(t testing.TB, err error) {
	t.Helper()
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatalf("CI=true requires PostgreSQL: %v", err)
	}
	if err != nil {
		t.Skipf("needs PostgreSQL: %v", err)
	}
}
