package store_test

import (
	"context"
	"database/sql"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/cocoom/cocoom-gateway/internal/store"
)

// TestCopyPutBack: what might have been used or ended since is void, once; the rest
// is as it was.
func TestCopyPutBack(t *testing.T) {
	log, dir, copied := slog.New(slog.DiscardHandler), t.TempDir(), t.TempDir()
	open := func(dir string) *store.Store {
		t.Helper()
		s, err := store.Open(t.Context(), dir, log)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	for _, d := range []string{dir, copied} {
		if err := os.Chmod(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	s := open(dir)
	fill := []string{
		`INSERT INTO link (id, kind, route, created_at, expires_at) VALUES ('l', 'break_glass', 'a', 1, 99999999999999)`,
		`INSERT INTO draft (id, session, route, sealed, size, created_at, expires_at) VALUES ('d', 's', 'a', 'x', 1, 1, 99999999999999)`,
		`INSERT INTO session (id, route, team, user_id, created_at, seen_at, expires_at) VALUES ('s', 'a', 'T', 'U', 1, 1, 99999999999999)`,
		`INSERT INTO notification (id, route, request, accepted_at, expires_at) VALUES ('n', 'a', '{}', 1, 99999999999999)`,
		`INSERT INTO delivery (id, notification_id, route, recipient, lane, accepted_at, due_at) VALUES ('waits', 'n', 'a', 'U', 'l', 1, 1)`,
		`INSERT INTO delivery (id, notification_id, route, recipient, lane, state, accepted_at, due_at) VALUES ('was sent', 'n', 'a', 'U', 'l', 'sent', 1, 1)`,
	}
	write := func(s *store.Store, statements ...string) {
		t.Helper()
		err := s.Write(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
			for _, statement := range statements {
				if _, err := tx.ExecContext(ctx, statement); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	write(s, fill...)
	f, err := s.Copy(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if entries, err := filepath.Glob(filepath.Join(dir, "copy*")); err != nil || len(entries) > 0 {
		t.Errorf("left behind: %v %v", entries, err)
	}
	out, err := os.OpenFile(filepath.Join(copied, "gateway.db"), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, f); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}

	count := func(s *store.Store, query string, want int) {
		t.Helper()
		var got int
		if err := s.Read().QueryRowContext(t.Context(), query).Scan(&got); err != nil || got != want {
			t.Errorf("%s: %d (%v), want %d", query, got, err, want)
		}
	}
	back := open(copied)
	if back.Epoch() == s.Epoch() {
		t.Error("it takes itself for the store that it was copied from")
	}
	count(back, `SELECT (SELECT COUNT(*) FROM link) + (SELECT COUNT(*) FROM draft) + (SELECT COUNT(*) FROM session)`, 0)
	count(back, `SELECT COUNT(*) FROM revocation WHERE kind = 'all' AND seq > 0`, 1)
	count(back, `SELECT COUNT(*) FROM attempt WHERE delivery_id = 'waits' AND outcome = 'interrupted'`, 1)
	count(back, `SELECT COUNT(*) FROM attempt`, 1)
	count(back, `SELECT COUNT(*) FROM notification`, 1)
	count(s, `SELECT (SELECT COUNT(*) FROM link) + (SELECT COUNT(*) FROM draft) + (SELECT COUNT(*) FROM session)`, 3)

	write(back, fill[0])
	if err := back.Close(); err != nil {
		t.Fatal(err)
	}
	count(open(copied), `SELECT COUNT(*) FROM link`, 1)
}
