package notifyhook

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
)

// The benchmarks are run by hand:
//
//	go test ./notifyhook -run '^$' -bench 'Accept|Post|Deliver' -benchtime 20000x -count 5
//	go test ./notifyhook -run '^$' -bench 'List|Memory' -benchtime 200x -timeout 30m
//
// Beside the usual figures they tell how many were done in a second, the
// slowest of a hundred (p99) and the processor's time that each took, PostgreSQL's
// own not included. Compare runs of two versions side by side, on one machine.

const callers = 16

// eachEngine runs f on a new store of each engine.
func eachEngine(b *testing.B, f func(b *testing.B, s *store.Store)) {
	b.Run("sqlite", func(b *testing.B) { f(b, storetest.Open(b, filepath.Join(b.TempDir(), "state"))) })
	b.Run("postgres", func(b *testing.B) { f(b, storetest.Open(b, storetest.Postgres(b))) })
}

// benchRelay is a relay of testRoutes with real clocks.
func benchRelay(b *testing.B, s *store.Store, apiURL string) *Relay {
	b.Helper()
	r, err := New(Config{Routes: testRoutes(), Store: s, APIURL: apiURL, PublicScheme: "https", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	return r
}

// measure has the callers do b.N times f(n) and reports how that went.
func measure(b *testing.B, f func(n int) error) {
	took := make([]time.Duration, b.N)
	var next atomic.Int64
	var group sync.WaitGroup
	b.ReportAllocs()
	cpu := cpuTime()
	b.ResetTimer()
	for range callers {
		group.Go(func() {
			for n := int(next.Add(1)) - 1; n < b.N; n = int(next.Add(1)) - 1 {
				start := time.Now()
				if err := f(n); err != nil {
					b.Error(err)
					return
				}
				took[n] = time.Since(start)
			}
		})
	}
	group.Wait()
	b.StopTimer()
	slices.Sort(took)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "done/s")
	b.ReportMetric(float64(took[b.N*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64((cpuTime()-cpu).Microseconds())/float64(b.N), "cpu-µs/op")
}

// cpuTime is what this process has used.
func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// benchBody is a notification of about 300 bytes, to one of a thousand people.
func benchBody(n int) string {
	return fmt.Sprintf(`{"key":"invoice-%d-approved","type":"invoice.approved","to":["person%d@agrafmania.fr"],"actor":"paul@agrafmania.fr",
		"text":"La facture %d de la société Éditions du Port a été validée par Paul, il reste à l'envoyer.",
		"link":"https://agrafmania.cocoom.com/invoice/%d","entity":"invoice:%d","meta":{"cocoom_user":"77"}}`, n, n%1000, n, n, n)
}

// BenchmarkAccept measures durable accepts without HTTP.
func BenchmarkAccept(b *testing.B) {
	eachEngine(b, func(b *testing.B, s *store.Store) {
		r := benchRelay(b, s, "")
		ask := jsonRequest()
		measure(b, func(n int) error {
			now, err := r.arrival(b.Context())
			if err != nil {
				return err
			}
			q, _, p := r.routes()[host].parse(ask, []byte(benchBody(n)), now)
			if p != nil {
				return fmt.Errorf("parse: %+v", p)
			}
			_, duplicate, err := r.accept(b.Context(), r.routes()[host], q, now)
			if err == nil && duplicate {
				err = fmt.Errorf("%d is a duplicate", n)
			}
			return err
		})
	})
}

// BenchmarkPost measures the same through a server and its clients, all of
// them in this process.
func BenchmarkPost(b *testing.B) {
	eachEngine(b, func(b *testing.B, s *store.Store) {
		url := serve(b, benchRelay(b, s, "")) + "/v1/notifications"
		client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: callers}}
		b.Cleanup(client.CloseIdleConnections)
		measure(b, func(n int) error {
			req, err := http.NewRequestWithContext(b.Context(), "POST", url, strings.NewReader(benchBody(n)))
			if err != nil {
				return err
			}
			req.Header.Set("Authorization", "Bearer "+testToken)
			req.Header.Set("Content-Type", "application/json")
			resp, err := client.Do(req)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err == nil && resp.StatusCode != http.StatusAccepted {
				err = fmt.Errorf("%d %s", resp.StatusCode, body)
			}
			return err
		})
	})
}

// BenchmarkDeliver measures deliveries in a thousand lanes to a Slack that
// answers at once and limits nothing; it is in this process, too. A lane posts
// once a second, so the clock goes ten times as fast.
func BenchmarkDeliver(b *testing.B) {
	eachEngine(b, func(b *testing.B, s *store.Store) {
		sim := newSlack(b, slacksim.Config{NoChannelLimit: true, NoMethodLimit: true})
		addFilledChannels(b, sim.Sim)
		start := time.Now()
		fillRows(b, s, b.N, start)
		ctx, stop := context.WithCancel(b.Context())
		defer stop()
		answers := &counter{base: &http.Transport{MaxIdleConnsPerHost: workers}, wanted: int64(b.N), reached: stop}
		b.Cleanup(answers.base.CloseIdleConnections)
		r, err := New(Config{Routes: testRoutes(), Store: s, APIURL: sim.APIURL(), Log: slog.New(slog.DiscardHandler), Client: &http.Client{Transport: answers}})
		if err != nil {
			b.Fatal(err)
		}
		r.now = func() time.Time { return start.Add(10 * time.Since(start)) }
		r.clock = func(context.Context) (time.Time, error) { return r.now(), nil }
		cpu := cpuTime()
		b.ReportAllocs()
		b.ResetTimer()
		if err := r.Run(ctx); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "done/s")
		b.ReportMetric(float64((cpuTime()-cpu).Microseconds())/float64(b.N), "cpu-µs/op")
		if got, err := r.Stats(b.Context()); err != nil || got.Sent != b.N {
			b.Errorf("%+v, %v; want %d sent; attempts: %s", got, err, b.N, lines(b, s, `SELECT outcome || ' ' || error || ' ' || COUNT(*) FROM attempt GROUP BY outcome, error`, nil))
		}
	})
}

// counter calls reached after the wanted number of posts.
type counter struct {
	base    *http.Transport
	wanted  int64
	n       atomic.Int64
	reached func()
}

func (c *counter) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := c.base.RoundTrip(r)
	if err == nil && strings.HasSuffix(r.URL.Path, postMessage) && c.n.Add(1) == c.wanted {
		c.reached()
	}
	return resp, err
}
