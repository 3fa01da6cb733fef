package notifyhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
)

// Whatever happens to the store while the gateway runs, its callers get 503 and
// when to come again, the log says what it is, nothing accepted is lost or sent
// twice, nothing is half written, and all goes on by itself.
func TestOutages(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		begin func(t *testing.T) (s *store.Store, fail, mend func())
		want  string // in the log
	}{
		{"disk full", diskFull, "full"},
		{"database at its limit", databaseFull, "full"},
		{"PostgreSQL stopped", postgresStopped, "connect"},
		{"PostgreSQL read-only", postgresReadOnly, "read only"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, fail, mend := tt.begin(t)
			sim := newSlack(t, slacksim.Config{NoChannelLimit: true, NoMethodLimit: true})
			addFilledChannels(t, sim.Sim)
			var log syncBuffer
			r, err := New(Config{Routes: testRoutes(), Store: s, APIURL: sim.APIURL(), PublicScheme: "https", Log: slog.New(slog.NewTextHandler(&log, nil))})
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan error)
			go func() { ended <- r.Run(ctx) }()

			outageRound(t, r, "before", http.StatusAccepted)
			fail()
			outageRound(t, r, "during", http.StatusServiceUnavailable)
			if !strings.Contains(log.String(), tt.want) || strings.Contains(log.String(), testToken) {
				t.Errorf("the log does not say %q: %s", tt.want, log.String())
			}
			mend()
			outageRound(t, r, "during", http.StatusAccepted) // the callers come again
			outageRound(t, r, "before", http.StatusOK)
			outageRound(t, r, "after", http.StatusAccepted)
			awaitTexts(t, sim.Sim, 3*outageCallers)
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			for text, n := range countTexts(sim.Sim) {
				if n != 1 {
					t.Errorf("%.20s was sent %d times", text, n)
				}
			}
			if got := lines(t, s, `SELECT id FROM notification WHERE status <> 'sent' OR NOT EXISTS (SELECT 1 FROM delivery d WHERE d.notification_id = notification.id)`, nil); got != "" {
				t.Errorf("half written, or not done: %s", got)
			}
		})
	}
}

const outageCallers = 8

// outageRound has all callers ask at once and wants the same answer for each.
func outageRound(t *testing.T, r *Relay, name string, want int) {
	t.Helper()
	var group sync.WaitGroup
	for i := range outageCallers {
		group.Go(func() {
			body := fmt.Sprintf(`{"key":"%s-%d","to":["C0FILL%d"],"text":"%s-%d %s"}`, name, i, i, name, i, strings.Repeat("x", 8000))
			w := post(r, body)
			// A connection may still be the old one; who got 503 comes again.
			for end := time.Now().Add(20 * time.Second); want != http.StatusServiceUnavailable && w.Code == http.StatusServiceUnavailable && time.Now().Before(end); {
				w = post(r, body)
			}
			if w.Code != want {
				t.Errorf("%s-%d: %d %s, want %d", name, i, w.Code, w.Body, want)
			}
			if want == http.StatusServiceUnavailable && (w.Header().Get("Retry-After") == "" || decode(t, w).Code != "store_unavailable" || !decode(t, w).Retryable) {
				t.Errorf("%s-%d: %v %s", name, i, w.Header(), w.Body)
			}
		})
	}
	group.Wait()
}

// countTexts says how often each text arrived.
func countTexts(sim *slacksim.Sim) map[string]int {
	n := map[string]int{}
	for _, text := range texts(sim.Messages(team, "")) {
		n[text]++
	}
	return n
}

// awaitTexts waits for n different messages. A call is counted before its message is there.
func awaitTexts(t *testing.T, sim *slacksim.Sim, n int) {
	t.Helper()
	for end := time.Now().Add(time.Minute); len(countTexts(sim)) < n; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d different messages after a minute, want %d", len(countTexts(sim)), n)
		}
	}
}

// diskFull is a store on a small file system, which another program fills.
func diskFull(t *testing.T) (s *store.Store, fail, mend func()) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=8m"); err != nil {
		t.Skipf("needs the right to mount a file system: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	s = storetest.Open(t, filepath.Join(dir, "state"))
	ballast := filepath.Join(dir, "ballast")
	fail = func() {
		if err := os.WriteFile(ballast, bytes.Repeat([]byte("x"), 8<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("the disk is not full: %v", err)
		}
	}
	mend = func() {
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
	}
	return s, fail, mend
}

// databaseFull has SQLite answer as on a full disk, without one.
func databaseFull(t *testing.T) (s *store.Store, fail, mend func()) {
	s = sqliteStore(t)
	limit := func(pages string) func() {
		return func() { execute(t, s, `PRAGMA max_page_count = `+pages) }
	}
	return s, limit("1"), limit("1000000") // less than there are means: no more
}

// postgresStopped is a server that crashes and comes back.
func postgresStopped(t *testing.T) (s *store.Store, fail, mend func()) {
	state, stop, start := storetest.StoppablePostgres(t)
	return storetest.Open(t, state), stop, start
}

// postgresReadOnly is what a primary that became a standby is like.
func postgresReadOnly(t *testing.T) (s *store.Store, fail, mend func()) {
	s = storetest.Open(t, storetest.Postgres(t))
	set := func(value string) func() {
		return func() {
			query := `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = ` + value + `', current_database()); END $$`
			conn, err := s.Read().Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			for _, q := range []string{`SET default_transaction_read_only = off`, query, `SET default_transaction_read_only = on`,
				`SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`} {
				if _, err := conn.ExecContext(t.Context(), q); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	return s, set("on"), set("off")
}

// A clock that was set back between two accepts changes neither their order nor
// what is a duplicate, and lets nobody wait for the hour to pass again.
func TestAcceptWhileTheClockStepsBack(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		slack := newFakeClock() // goes on by itself
		sim := newSlack(t, slacksim.Config{Now: func() time.Time { slack.advance(pace); return slack.now() }})
		r, clock, _ := newTestRelay(t, s, sim.APIURL())
		keyed := `{"key":"k","to":["C0GENERAL"],"text":"first"}`
		first := mustPost(t, r, keyed)
		clock.advance(-time.Hour)
		second, elsewhere := mustPost(t, r, to("C0GENERAL", "second")), mustPost(t, r, to("C0VENTES", "elsewhere"))
		if w := post(r, keyed); w.Code != http.StatusOK || decode(t, w).ID != first {
			t.Errorf("the same key after the step: %d %s", w.Code, w.Body)
		}
		if s.Postgres() { // whose clock is not ours to follow: it is what the server says
			clock.advance(time.Hour)
		} else if err := r.followClock(t.Context(), -time.Hour); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			step(t, r)
			clock.advance(pace)
		}
		for _, id := range []string{first, second, elsewhere} {
			if v := show(t, r, id); v.Status != "sent" {
				t.Errorf("got %+v", v)
			}
		}
		if got := texts(sim.Messages(team, "C0GENERAL")); len(got) != 2 || got[0] != "first" || got[1] != "second" {
			t.Errorf("got %q", got)
		}
	})
}
