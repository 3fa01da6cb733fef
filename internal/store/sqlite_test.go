package store_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
)

// Every connection of both pools, all open at once, has the settings.
func TestPragmasOfEveryConnection(t *testing.T) {
	s := openSQLite(t)
	for name, db := range map[string]*sql.DB{"writer": s.WriterDB(), "reader": s.Read()} {
		n := db.Stats().MaxOpenConnections
		if n < 1 || n > 64 {
			t.Fatalf("%s: the pool's bound is %d", name, n)
		}
		for i := range n {
			conn, err := db.Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close() // at the end of the test, so that the next is another
			for pragma, want := range map[string]string{
				"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "5000",
				"query_only": map[string]string{"writer": "0", "reader": "1"}[name],
			} {
				var got string
				if err := conn.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
					t.Errorf("%s %d: %s is %q (%v), want %q", name, i, pragma, got, err, want)
				}
			}
		}
	}
}

// After the connection is lost, the next one has the settings and the commit
// hook again.
func TestReplacedWriterConnection(t *testing.T) {
	s := openSQLite(t)
	conn, err := s.WriterDB().Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Raw(func(any) error { return driver.ErrBadConn }); !errors.Is(err, driver.ErrBadConn) {
		t.Fatal(err)
	}
	conn.Close()
	if err := s.Write(t.Context(), put("a", "")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.WriterDB().ExecContext(t.Context(), `INSERT INTO meta (name, value) VALUES ('b', '')`); err == nil {
		t.Error("a statement outside Write was committed")
	}
	wantNames(t, s, "a")
}

// PRAGMA max_page_count makes SQLite answer what it answers when the disk is
// full.
func TestDiskFull(t *testing.T) {
	s := openSQLite(t)
	var pages int
	if err := s.WriterDB().QueryRow(`PRAGMA page_count`).Scan(&pages); err != nil {
		t.Fatal(err)
	}
	if _, err := s.WriterDB().Exec(fmt.Sprintf(`PRAGMA max_page_count = %d`, pages+2)); err != nil {
		t.Fatal(err)
	}
	errs := together(t, s, put("small", ""), put("big", strings.Repeat("x", 1<<20)), put("small too", ""))
	if !errors.Is(errs[1], store.ErrUnavailable) {
		t.Errorf("the big one got %v, want ErrUnavailable", errs[1])
	}
	if errs[0] != nil || errs[2] != nil {
		t.Errorf("those that fit got %v and %v", errs[0], errs[2])
	}
	wantNames(t, s, "small", "small too")
	if _, err := s.WriterDB().Exec(`PRAGMA max_page_count = 1000000`); err != nil {
		t.Fatal(err)
	}
	if err := s.Write(t.Context(), put("big", strings.Repeat("x", 1<<20))); err != nil {
		t.Errorf("with space again: %v", err)
	}
}

// PRAGMA query_only makes SQLite answer what it answers when the file system has
// turned read-only.
func TestReadOnly(t *testing.T) {
	s := openSQLite(t)
	for _, row := range []struct {
		queryOnly, name string
		want            error
	}{{"1", "refused", store.ErrUnavailable}, {"0", "kept", nil}} {
		if _, err := s.WriterDB().Exec(`PRAGMA query_only = ` + row.queryOnly); err != nil {
			t.Fatal(err)
		}
		if err := s.Write(t.Context(), put(row.name, "")); !errors.Is(err, row.want) {
			t.Errorf("query_only %s: got %v, want %v", row.queryOnly, err, row.want)
		}
	}
	wantNames(t, s, "kept")
}

func TestDirectoryNamesThatAnAddressCouldMisread(t *testing.T) {
	for _, name := range []string{"a b", "a?mode=memory", "a#b", "a%20b", "été", "a;b&c=d"} {
		dir := filepath.Join(t.TempDir(), name)
		s := storetest.Open(t, dir)
		if err := s.Write(t.Context(), put("kept", "")); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		wantNames(t, storetest.Open(t, dir), "kept")
	}
}

// The queue's own queries use the indexes made for them.
func TestQueriesUseTheirIndex(t *testing.T) {
	s := openSQLite(t)
	for query, index := range map[string]string{
		`SELECT lane FROM lane WHERE due_at <= $1 ORDER BY due_at LIMIT 8`:                                "lane_due",
		`SELECT id FROM delivery WHERE lane = $1 AND state IN ('queued', 'sending') ORDER BY seq LIMIT 1`: "delivery_head",
		`SELECT id FROM delivery WHERE lane = $1 AND state = 'sending' ORDER BY seq LIMIT 1`:              "delivery_sending",
		`SELECT 1 FROM lane u JOIN delivery d ON d.lane = u.lane AND d.state IN ('queued', 'sending') WHERE u.app = $1 AND u.conversation IS NULL
			AND u.due_at IS NOT NULL AND (u.due_at <= $2 OR u.lease_owner IS NOT NULL) AND u.failures = 0 AND d.seq < $3 LIMIT 1`: "lane_unresolved",
		`SELECT id FROM delivery WHERE route = $1 AND state = 'dead' ORDER BY seq DESC LIMIT 50`: "delivery_list",
		`SELECT id FROM delivery WHERE route = $1 AND recipient = $2 ORDER BY seq DESC LIMIT 50`: "delivery_recipient",
		`SELECT id FROM notification WHERE finished_at < $1 LIMIT 500`:                           "notification_prune",
		`SELECT id FROM delivery WHERE notification_id = $1`:                                     "delivery_of",
		`DELETE FROM session WHERE expires_at < $1`:                                              "session_prune",
		`SELECT value FROM revocation WHERE seq > $1 AND expires_at > $2`:                        "revocation_new",
	} {
		if plan := explain(t, s, query); !strings.Contains(plan, "INDEX "+index) || strings.Contains(plan, "TEMP B-TREE") {
			t.Errorf("%s\n\tplan: %s, want %s and no sort", query, plan, index)
		}
	}
}

func explain(t *testing.T, s *store.Store, query string) string {
	t.Helper()
	var args []any
	for i := range strings.Count(query, "$") {
		args = append(args, i)
	}
	rows, err := s.Read().QueryContext(context.Background(), "EXPLAIN QUERY PLAN "+query, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var plan []string
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			t.Fatal(err)
		}
		plan = append(plan, detail)
	}
	return strings.Join(plan, "; ")
}
