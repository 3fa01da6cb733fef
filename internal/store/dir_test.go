package store_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cocoom/cocoom-gateway/internal/store"
)

func TestStateDirectory(t *testing.T) {
	for _, row := range []struct {
		name    string
		prepare func(t *testing.T, dir string)
		refused string // in the error; "": opened
		logs    bool
	}{
		{"not there", func(*testing.T, string) {}, "", false},
		{"private", func(t *testing.T, dir string) { mkdir(t, dir, 0o700) }, "", false},
		{"open and empty", func(t *testing.T, dir string) { mkdir(t, dir, 0o755) }, "", true},
		{"open and ours", func(t *testing.T, dir string) { mkdir(t, dir, 0o770); touch(t, dir, "gateway.db") }, "", true},
		{"open and somebody else's", func(t *testing.T, dir string) { mkdir(t, dir, 0o755); touch(t, dir, "etc") }, "chmod 700", false},
		{"a file", func(t *testing.T, dir string) { touch(t, filepath.Dir(dir), filepath.Base(dir)) }, "not a directory", false},
		{"not a database", func(t *testing.T, dir string) {
			mkdir(t, dir, 0o700)
			if err := os.WriteFile(filepath.Join(dir, "gateway.db"), bytes.Repeat([]byte("not a database"), 100), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "not a database", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "state")
			row.prepare(t, dir)
			before, _ := os.Stat(dir)
			var log bytes.Buffer
			s, err := store.Open(t.Context(), dir, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn})))
			if row.refused != "" {
				if err == nil || !strings.Contains(err.Error(), row.refused) {
					t.Errorf("got %v, want an error with %q", err, row.refused)
				}
				if after, _ := os.Stat(dir); before != nil && after.Mode() != before.Mode() {
					t.Errorf("refused, yet the mode went from %v to %v", before.Mode(), after.Mode())
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if (log.Len() > 0) != row.logs {
				t.Errorf("log: %s", &log)
			}
			if err := s.Write(t.Context(), put("a", "")); err != nil {
				t.Fatal(err)
			}
			for file, want := range map[string]os.FileMode{".": 0o700, "gateway.db": 0o600, "gateway.db-wal": 0o600, "gateway.lock": 0o600} {
				info, err := os.Stat(filepath.Join(dir, file))
				if err != nil || info.Mode().Perm() != want {
					t.Errorf("%s: %v, %v, want mode %v", file, info, err, want)
				}
			}
		})
	}
}

// A failed Open leaves the lock free.
func TestFailedOpenLeavesNothingLocked(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	mkdir(t, dir, 0o700)
	file := filepath.Join(dir, "gateway.db")
	if err := os.WriteFile(file, bytes.Repeat([]byte("not a database"), 100), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(t.Context(), dir, slog.New(slog.DiscardHandler)); err == nil {
		t.Fatal("opened what is no database")
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
}

func mkdir(t *testing.T, dir string, mode os.FileMode) {
	t.Helper()
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, mode); err != nil { // whatever the umask
		t.Fatal(err)
	}
}

func touch(t *testing.T, dir, name string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
		t.Fatal(err)
	}
}
