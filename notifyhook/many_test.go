package notifyhook

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
)

const filledLanes = 1000

// fillRows makes n queued deliveries in filledLanes lanes of host, as accept would.
func fillRows(t testing.TB, s *store.Store, n int, now time.Time) {
	t.Helper()
	const numbers = `WITH RECURSIVE numbers (i) AS (SELECT CAST($1 AS BIGINT) UNION ALL SELECT i + 1 FROM numbers WHERE i + 1 < CAST($2 AS BIGINT)) `
	ms := now.UnixMilli()
	const chunk = 10000 // a Func has ten seconds
	for from := 0; from < n; from += chunk {
		until := min(from+chunk, n)
		execute(t, s, numbers+`INSERT INTO notification (id, route, idem_key, body_hash, request, type, accepted_at, expires_at)
			SELECT 'ntf_filled' || i, CAST($3 AS TEXT), 'invoice-' || i, 'da39a3ee5e6b4b0d3255bfef95601890afd80709da39a3ee5e6b4b0d3255bfef',
				'{"type":"invoice.approved","to":["C0FILL' || (i % 1000) || '"],"actor":"paul@agrafmania.fr","text":"La facture ' || i || ' de la société Éditions du Port a été validée par Paul, il reste à l''envoyer.","link":"https://agrafmania.cocoom.com/invoice/1","entity":"invoice:1"}',
				'invoice.approved', CAST($4 AS BIGINT), CAST($5 AS BIGINT) FROM numbers`, from, until, host, ms, now.Add(defaultExpires).UnixMilli())
		execute(t, s, numbers+`INSERT INTO delivery (id, notification_id, route, recipient, lane, accepted_at, due_at)
			SELECT 'dlv_filled' || i, 'ntf_filled' || i, CAST($3 AS TEXT), 'C0FILL' || (i % 1000), CAST($4 AS TEXT) || '/C0FILL' || (i % 1000), CAST($5 AS BIGINT), CAST($5 AS BIGINT) FROM numbers`,
			from, until, host, host, ms)
	}
	execute(t, s, numbers+`INSERT INTO lane (lane, app, conversation, due_at)
		SELECT CAST($3 AS TEXT) || '/C0FILL' || i, CAST($4 AS TEXT), 'C0FILL' || i, CAST($5 AS BIGINT) FROM numbers`, 0, filledLanes, host, host, ms)
	if s.Postgres() {
		execute(t, s, `ANALYZE`)
	}
}

// addFilledChannels gives the simulator the conversations that fill uses.
func addFilledChannels(t testing.TB, sim *slacksim.Sim) {
	t.Helper()
	for i := range filledLanes {
		if err := sim.SetChannel(team, slacksim.Channel{ID: fmt.Sprintf("C0FILL%d", i), Name: fmt.Sprintf("filled-%d", i)}); err != nil {
			t.Fatal(err)
		}
	}
}

// The queries of a list, newest first.
const (
	listOfRecipient = `SELECT d.seq, d.state, n.id, n.status, n.request FROM delivery d JOIN notification n ON n.id = d.notification_id
		WHERE d.route = $1 AND d.recipient = $2 AND d.seq < $3 ORDER BY d.seq DESC LIMIT 50`
	listOfState = `SELECT d.seq, d.recipient, n.id, n.status, n.request FROM delivery d JOIN notification n ON n.id = d.notification_id
		WHERE d.route = $1 AND d.state = $2 AND d.seq < $3 ORDER BY d.seq DESC LIMIT 50`
)

// A page of a long list is read along its index, without a sort and without what
// is not on it.
func TestListIsReadAlongItsIndex(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		fillRows(t, s, 20*filledLanes, time.Now())
		execute(t, s, `UPDATE delivery SET state = 'dead' WHERE seq % 500 = 0`)
		if s.Postgres() {
			execute(t, s, `ANALYZE delivery`)
		}
		explain := "EXPLAIN QUERY PLAN "
		if s.Postgres() {
			explain = "EXPLAIN "
		}
		for _, row := range []struct {
			query, argument, index string
			want                   int
		}{
			{listOfRecipient, "C0FILL7", "delivery_recipient", 20},
			{listOfState, "dead", "delivery_list", 40},
		} {
			args := []any{host, row.argument, 1 << 40}
			if plan := lines(t, s, explain+row.query, args); !strings.Contains(plan, row.index) || strings.Contains(plan, "Seq Scan") || strings.Contains(plan, "TEMP B-TREE") ||
				strings.Contains(plan, "Sort") && row.want > 20 { // so few PostgreSQL may well read at once, and sort

				t.Errorf("%s: plan\n%s", row.index, plan)
			}
			if got := strings.Count(lines(t, s, row.query, args), "\n"); got != row.want {
				t.Errorf("%s: %d rows, want %d", row.index, got, row.want)
			}
		}
	})
}

// BenchmarkList measures a page of fifty among a million deliveries.
func BenchmarkList(b *testing.B) {
	if testing.Short() {
		b.Skip("a million rows, not under -short")
	}
	eachEngine(b, func(b *testing.B, s *store.Store) {
		fillRows(b, s, 1_000_000, time.Now())
		for _, row := range []struct{ name, query, argument string }{{"recipient", listOfRecipient, "C0FILL7"}, {"state", listOfState, "queued"}} {
			b.Run(row.name, func(b *testing.B) {
				took := make([]time.Duration, b.N)
				for i := range b.N {
					args := []any{host, row.argument, 1 << 40}
					if row.name == "recipient" {
						args[1] = fmt.Sprintf("C0FILL%d", i*7%filledLanes) // mostly another: what a page costs that nobody has just read
					}
					start := time.Now()
					if got := strings.Count(lines(b, s, row.query, args), "\n"); got != 50 {
						b.Fatalf("%d rows", got)
					}
					took[i] = time.Since(start)
				}
				slices.Sort(took)
				b.ReportMetric(float64(took[b.N/2].Microseconds())/1000, "p50-ms")
			})
		}
	})
}

const (
	memoryState = "NOTIFYHOOK_MEMORY_TEST_STATE"
	memorySlack = "NOTIFYHOOK_MEMORY_TEST_SLACK"
	maxMemory   = 300 << 20 // with a million queued deliveries
)

// TestMemoryChild is the process that TestMemory measures; by itself it does
// nothing. It delivers until its standard input ends.
func TestMemoryChild(t *testing.T) {
	state := os.Getenv(memoryState)
	if state == "" {
		t.Skip("only as a child of TestMemory")
	}
	s, err := store.Open(t.Context(), state, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	routes := testRoutes()
	routes[0].Settings.Limits.Backlog = 2_000_000
	r, err := New(Config{Routes: routes, Store: s, APIURL: os.Getenv(memorySlack), Log: slog.New(slog.DiscardHandler), PublicScheme: "https"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- r.Run(ctx) }()
	for n := range 100 { // and accepts
		if w := post(r, benchBody(n)); w.Code != http.StatusAccepted {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
	stop()
	if err := errors.Join(<-ended, s.Close()); err != nil {
		t.Error(err)
	}
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, peak, _ := strings.Cut(string(text), "VmHWM:")
	fmt.Println("PEAK", strings.Fields(peak)[0]) // KiB
}

// The queue lives in the store and not in memory. A hundred thousand are enough
// to see that; BenchmarkMemory has the million.
func TestMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a process, not under -short")
	}
	if racing {
		t.Skip("the race detector's memory is not the program's")
	}
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("needs /proc")
	}
	t.Parallel() // it is another process that is measured
	if got := peakMemory(t, 100_000); got > maxMemory/3 {
		t.Errorf("%d MiB with 100,000 queued deliveries", got>>20)
	}
}

// BenchmarkMemory measures a process that works with a million queued
// deliveries.
func BenchmarkMemory(b *testing.B) {
	if testing.Short() {
		b.Skip("a million rows, not under -short")
	}
	got := peakMemory(b, 1_000_000)
	b.ReportMetric(float64(got>>20), "MiB")
	if got > maxMemory {
		b.Errorf("%d MiB, at most %d wanted", got>>20, maxMemory>>20)
	}
}

// peakMemory is how many bytes a process had at most, in memory, while it took
// up a queue of n and delivered a thousand.
func peakMemory(t testing.TB, n int) int {
	t.Helper()
	state := filepath.Join(t.TempDir(), "state")
	s := storetest.Open(t, state)
	fillRows(t, s, n, time.Now())
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	sim := newSlack(t, slacksim.Config{NoChannelLimit: true, NoMethodLimit: true})
	addFilledChannels(t, sim.Sim)
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestMemoryChild$")
	child.Env = append(os.Environ(), memoryState+"="+state, memorySlack+"="+sim.APIURL())
	var out strings.Builder
	child.Stdout, child.Stderr = &out, &out
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	_, err = sim.AwaitCalls(ctx, postMessage, 1000)
	if err := errors.Join(err, in.Close(), child.Wait()); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	_, peak, _ := strings.Cut(out.String(), "PEAK ")
	kib, err := strconv.Atoi(strings.SplitN(peak, "\n", 2)[0])
	if err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	return kib << 10
}
