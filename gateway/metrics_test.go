package gateway_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/internal/metrics/metricstest"
	"github.com/cocoom/cocoom-gateway/policy"
)

// counted is a world whose gateway is counted.
func counted(t *testing.T, app http.Handler) (*world, *prometheus.Registry) {
	reg := prometheus.NewRegistry()
	return withApp(t, app, func(c *gateway.Config) { c.Metrics = reg }), reg
}

// TestMetrics: what is counted of requests and sign-ins. Hosts that nobody has
// configured, and whatever else strangers make up, make no series.
func TestMetrics(t *testing.T) {
	gone, answer := make(chan string, 10), make(chan struct{})
	w, reg := counted(t, streamingApp(gone, answer))
	origin := w.routes[0].Origin
	b := w.browser()
	b.signIn(origin+"/", teams[0], "U0PAUL")
	b.get(origin + "/")
	b.get(origin + "/admin/")
	b.get(origin+"/", "Host", "nobody.example")
	b.do("FROBNICATE", origin+"/", nil, "Host", "another.example")
	b.do("PATCH", origin+"/", nil, "Sec-Fetch-Mode", "cors", "Cookie", "")
	guest := w.browser()
	guest.signIn(origin+"/", teams[0], "U0GUEST")
	const on = `{route="` + host + `"`
	metricstest.Want(t, reg, map[string]float64{
		`requests_total{class="2xx",decision="allow",route="` + host + `"}`:            2,
		`requests_total{class="4xx",decision="deny",route="` + host + `"}`:             1,
		`requests_total{class="3xx",decision="login",route="` + host + `"}`:            2,
		`requests_total{class="4xx",decision="none",route=""}`:                         2,
		`refusals_total{reason="not_allowed",route="` + host + `"}`:                    1,
		`refusals_total{reason="unknown_host",route=""}`:                               2,
		`refusals_total{reason="guest",route="` + host + `"}`:                          1,
		`logins_total{result="ok",route="` + host + `"}`:                               1,
		`logins_total{result="guest",route="` + host + `"}`:                            1,
		`slack_calls_total{caller="people",method="users.info",result="ok"}`:           2,
		`slack_calls_total{caller="people",method="openid.connect.token",result="ok"}`: 2,
		`route_overhead_seconds_count` + on + "}":                                      2,
		`overhead_seconds_count`:                                                       2,
		`sessions` + on + "}":                                                          1,
		`revocations_max_age_seconds`:                                                  600,
	})
	got := metricstest.Gather(t, reg)
	if sum := got[`route_upstream_seconds_sum`+on+"}"]; sum <= 0 || sum > 10 {
		t.Errorf("the app took %v s", sum)
	}
	for series := range got {
		if strings.Contains(series, "example") || strings.Contains(strings.ToUpper(series), "FROB") {
			t.Errorf("a stranger made the series %s", series)
		}
	}
}

// TestMetricsAtFirst: a route has no series for what it has not done.
func TestMetricsAtFirst(t *testing.T) {
	_, reg := counted(t, http.NotFoundHandler())
	got := metricstest.Gather(t, reg)
	if got["routes"] != 2 {
		t.Errorf("there are %v routes", got["routes"])
	}
	for series := range got {
		if strings.Contains(series, "route=") {
			t.Errorf("%s is there before anything has happened", series)
		}
	}
}

// TestMetricsOfStreams: answers that last are counted while they do.
func TestMetricsOfStreams(t *testing.T) {
	gone := make(chan string, 10)
	w, reg := counted(t, streamingApp(gone, nil))
	s := w.streamer(t, "U0PAUL")
	const of = `,route="` + host + `"}`
	metricstest.Want(t, reg, map[string]float64{`streams_open{kind="websocket"` + of: 1, `streams_open{kind="event_stream"` + of: 1, "requests_in_flight": 3})
	s.socket.Close(websocket.StatusNormalClosure, "")
	for end := time.Now().Add(10 * time.Second); metricstest.Gather(t, reg)["requests_in_flight"] != 2 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	metricstest.Want(t, reg, map[string]float64{`streams_open{kind="websocket"` + of: 0, `streams_open{kind="event_stream"` + of: 1,
		`requests_total{class="1xx",decision="allow"` + of: 1})
}

// TestMetricsOfRoutesThatGo: what a route has counted outlives a reload that
// keeps it, and goes with it otherwise.
func TestMetricsOfRoutesThatGo(t *testing.T) {
	w, reg := counted(t, http.NotFoundHandler())
	b := w.browser()
	for _, rt := range w.routes {
		b.get(rt.Origin+"/", "Sec-Fetch-Mode", "cors")
	}
	const one, two = `requests_total{class="4xx",decision="login",route="` + host + `"}`, `requests_total{class="4xx",decision="login",route="` + other + `"}`
	metricstest.Want(t, reg, map[string]float64{one: 1, two: 1})
	w.gateway.FollowRoutes(host)
	metricstest.Want(t, reg, map[string]float64{one: 1, two: 0})
}

// TestMetricsWithoutStore: a store that does not answer takes what is read from
// it out of a scrape, and nothing else.
func TestMetricsWithoutStore(t *testing.T) {
	w, reg := counted(t, http.NotFoundHandler())
	if err := w.store.Close(); err != nil {
		t.Fatal(err)
	}
	got := metricstest.Gather(t, reg)
	if _, there := got["revocations_age_seconds"]; !there {
		t.Error("the age of the list of ended sessions is missing")
	}
	for series := range got {
		if strings.HasPrefix(series, "sessions") {
			t.Errorf("%s is made up", series)
		}
	}
}

// BenchmarkMetrics compares, in one run, a request through a gateway that is not
// counted with one through a gateway that is, each on all processors.
func BenchmarkMetrics(b *testing.B) {
	stub := http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, "ok") })
	for _, row := range []struct {
		name string
		reg  prometheus.Registerer
	}{{"without", nil}, {"with", prometheus.NewRegistry()}} {
		w := withApp(b, stub, func(c *gateway.Config) { c.Metrics = row.reg })
		cookie := w.gateway.Cookie(host, policy.Identity{Team: teams[0], User: "U0PAUL", Email: "paul@agrafmania.fr", Name: "Paul"})
		for _, path := range []string{"/dossiers/12", "/.gateway/nothing"} {
			b.Run(fmt.Sprintf("%s%s", row.name, path), func(b *testing.B) {
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						r := httptest.NewRequestWithContext(context.Background(), "GET", path, nil)
						r.Host = host
						r.AddCookie(cookie)
						w.gateway.ServeHTTP(httptest.NewRecorder(), r)
					}
				})
			})
		}
	}
}

// TestAlive: only what a restart would mend makes the gateway less than alive.
func TestAlive(t *testing.T) {
	w := newWorld(t)
	for _, row := range []struct {
		name  string
		ago   time.Duration
		alive bool
	}{{"just looked", 0, true}, {"late", 4 * time.Minute, true}, {"stuck", 6 * time.Minute, false}} {
		w.gateway.LookAt(time.Now().Add(-row.ago))
		if err := w.gateway.Alive(t.Context()); (err == nil) != row.alive {
			t.Errorf("%s: %v", row.name, err)
		}
	}
	if err := w.store.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.gateway.Alive(t.Context()); err != nil {
		t.Errorf("a restart would not bring the store back, but: %v", err)
	}
}
