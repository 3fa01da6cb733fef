package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cocoom/cocoom-gateway/internal/metrics"
	"github.com/cocoom/cocoom-gateway/policy"
)

// counters are what is counted of requests. Those of a route hang on the route
// itself, so that a request finds them without looking anything up, and are
// turned into series when they are scraped: one that is zero has none, and a
// route that is gone takes its own along. There are as many series as routes do
// different things; histograms, of which each has a dozen, are of all routes
// together.
//
// A nil *counters counts nothing.
type counters struct {
	gateway  *Gateway
	routes   atomic.Pointer[map[string]*routeCounters]
	nobody   *routeCounters // of requests for hosts that have no route
	open     atomic.Int64
	overhead prometheus.Histogram
	upstream prometheus.Histogram
	sessions *metrics.Reading[map[string]int]
}

// routeCounters are those of one route. A nil one counts nothing.
type routeCounters struct {
	requests     [6][4]atomic.Uint64 // by class of the status, and by decision
	carried      atomic.Uint64
	overhead     atomic.Int64 // ns, of those carried
	upstream     atomic.Int64 // ns, likewise
	websockets   atomic.Int64
	eventStreams atomic.Int64
	refusals     metrics.Counts
	logins       metrics.Counts
}

// newCounters registers the counters of g, which must be whole but for them.
func newCounters(g *Gateway, reg prometheus.Registerer) (*counters, error) {
	if reg == nil {
		return nil, nil
	}
	c := &counters{
		gateway: g, nobody: &routeCounters{}, sessions: metrics.NewReading(g.countSessions),
		overhead: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "cocoom_gateway_overhead_seconds", Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1},
			Help: "What the gateway added to requests that it carried to an app: from the request's arrival until it was sent on, and from the first byte of the app's answer until it was handed on.",
		}),
		upstream: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "cocoom_gateway_upstream_seconds", Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
			Help: "How long apps took: from the moment a request was sent on until the first byte of the answer, with the time that the client took to send a body.",
		}),
	}
	c.routes.Store(&map[string]*routeCounters{})
	if err := errors.Join(reg.Register(c.overhead), reg.Register(c.upstream), reg.Register(c)); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	return c, nil
}

// follow gives each route its counters: those that its host had before, else new
// ones. Those of other hosts are forgotten. It is called with a table before that
// is in use, by one caller at a time.
func (c *counters) follow(t table) {
	if c == nil {
		return
	}
	before, next := *c.routes.Load(), make(map[string]*routeCounters, len(t))
	for host, rt := range t {
		if rt.counters = before[host]; rt.counters == nil {
			rt.counters = &routeCounters{}
		}
		next[host] = rt.counters
	}
	c.routes.Store(&next)
}

// begin counts a request that is under way.
func (c *counters) begin() {
	if c != nil {
		c.open.Add(1)
	}
}

// end counts an exchange that is over.
func (c *counters) end(x *exchange) {
	if c == nil {
		return
	}
	c.open.Add(-1)
	rt := c.nobody
	if x.route != nil {
		rt = x.route.counters
	}
	rt.requests[min(max(x.status/100, 0), 5)][decisionIndex(x.decision)].Add(1)
	if x.kind != nil {
		x.kind.Add(-1)
	}
	if x.failure != nil {
		rt.refusals.Add(reasonOf(asRefusal(x.failure), x.decision), 1)
	}
	if ours, theirs, carried := x.times(); carried {
		rt.carried.Add(1)
		rt.overhead.Add(int64(ours))
		rt.upstream.Add(int64(theirs))
		c.overhead.Observe(ours.Seconds())
		c.upstream.Observe(theirs.Seconds())
	}
}

// signedIn counts what a sign-in came to: "ok" or the code of a refusal.
func (rt *Route) signedIn(result string) {
	if rt.counters != nil {
		rt.counters.logins.Add(result, 1)
	}
}

// reasonOf is why the gateway answered itself: of a denial the policy's word, else
// the refusal's code.
func reasonOf(why *refusal, d policy.Decision) string {
	if why.code == errDenied.code && d.Reason != "" {
		return d.Reason
	}
	return why.code
}

// decisions are the values of the label, as decisionIndex counts.
var decisions = [...]string{"none", policy.Deny.String(), policy.Login.String(), policy.Allowed.String()}

func decisionIndex(d policy.Decision) int {
	if d.Reason == "" { // the zero value, which decides nothing
		return 0
	}
	return 1 + int(min(d.Verdict, policy.Allowed))
}

// times are how long the gateway and the app took; carried is false if the app
// was not asked.
func (x *exchange) times() (ours, theirs time.Duration, carried bool) {
	if x.trip.Sent.IsZero() || x.trip.Answered.IsZero() {
		return 0, 0, false
	}
	ours = x.trip.Sent.Sub(x.arrived)
	if !x.answered.IsZero() {
		ours += x.answered.Sub(x.trip.Answered)
	}
	return ours, x.trip.Answered.Sub(x.trip.Sent), true
}

// notes what kind of answer begins: those that last are counted while they do.
func (x *exchange) begins(status int) {
	if !x.trip.Answered.IsZero() {
		x.answered = time.Now()
	}
	if x.route == nil || x.route.counters == nil || x.kind != nil {
		return
	}
	switch {
	case status == http.StatusSwitchingProtocols:
		x.kind = &x.route.counters.websockets
	case strings.HasPrefix(x.Header().Get("Content-Type"), "text/event-stream"):
		x.kind = &x.route.counters.eventStreams
	default:
		return
	}
	x.kind.Add(1)
}

// countSessions counts those that are not over, by route.
func (g *Gateway) countSessions(ctx context.Context) (map[string]int, error) {
	rows, err := g.cfg.Store.Read().QueryContext(ctx, `SELECT route, COUNT(*) FROM session WHERE expires_at > $1 GROUP BY route`, g.cfg.Now().UnixMilli())
	if err != nil {
		return nil, fmt.Errorf("count sessions: %w", err)
	}
	defer rows.Close()
	counts := map[string]int{}
	for rows.Next() {
		var route string
		var n int
		if err := rows.Scan(&route, &n); err != nil {
			return nil, fmt.Errorf("count sessions: %w", err)
		}
		counts[route] = n
	}
	return counts, rows.Err()
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("cocoom_gateway_"+name, help, labels, nil)
}

// The series that are made when they are scraped.
var (
	requestsDesc = desc("requests_total", `Requests on the public listener, and those for a route on the private one, that are over: by route ("" for hosts that have none), by class of the answer's status ("none": it broke off before there was one), and by the policy's decision ("allow", "login", "deny", or "none" where it was not asked).`, "route", "class", "decision")
	refusalsDesc = desc("refusals_total", `Requests that the gateway answered itself, because they may not pass or the app could not be reached: by route and reason, which is the policy's word for a denial ("no_rule", "denied", "not_allowed") or the code that stands in the problem+json.`, "route", "reason")
	overheadDesc = desc("route_overhead_seconds", "What the gateway added to requests that it carried to the app of a route, as cocoom_gateway_overhead_seconds; sum and count.", "route")
	upstreamDesc = desc("route_upstream_seconds", "How long the app of a route took, as cocoom_gateway_upstream_seconds; sum and count.", "route")
	inFlightDesc = desc("requests_in_flight", "Requests under way, WebSockets and event streams included.")
	streamsDesc  = desc("streams_open", `Answers under way that last: by route and kind, "websocket" or "event_stream".`, "route", "kind")
	loginsDesc   = desc("logins_total", `Sign-ins that came back from Slack or could not begin: by route and result, which is "ok", "break_glass", or the code of the refusal.`, "route", "result")
	sessionsDesc = desc("sessions", "Sessions that are not over, by route. Read from the store; missing while it cannot be read.", "route")
	routesDesc   = desc("routes", "Routes in force.")
	revokedDesc  = desc("revocations_age_seconds", "How old the list of ended sessions is. It is read every second.")
	maxLagDesc   = desc("revocations_max_age_seconds", "How old that list may become before no session is honoured: session.revocation_max_lag.")
)

// Describe sends what Collect may send.
func (c *counters) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range [...]*prometheus.Desc{requestsDesc, refusalsDesc, overheadDesc, upstreamDesc, inFlightDesc, streamsDesc, loginsDesc, sessionsDesc, routesDesc, revokedDesc, maxLagDesc} {
		ch <- d
	}
}

// Collect sends what there is.
func (c *counters) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	routes := *c.routes.Load()
	c.nobody.collect(ch, "")
	for host, rt := range routes {
		rt.collect(ch, host)
	}
	if sessions, ok := c.sessions.Get(); ok {
		for host := range routes {
			if n, any := sessions[host]; any {
				gauge(sessionsDesc, float64(n), host)
			}
		}
	}
	revoked := c.gateway.sessions.revoked
	gauge(inFlightDesc, float64(c.open.Load()))
	gauge(routesDesc, float64(len(routes)))
	gauge(revokedDesc, revoked.list.Load().age(c.gateway.cfg.Now()).Seconds())
	gauge(maxLagDesc, revoked.maxLag().Seconds())
}

func (rt *routeCounters) collect(ch chan<- prometheus.Metric, host string) {
	count := func(d *prometheus.Desc, value uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(value), labels...)
	}
	for class := range rt.requests {
		for i := range rt.requests[class] {
			if n := rt.requests[class][i].Load(); n > 0 {
				count(requestsDesc, n, host, className(class), decisions[i])
			}
		}
	}
	if n := rt.carried.Load(); n > 0 {
		ch <- prometheus.MustNewConstSummary(overheadDesc, n, time.Duration(rt.overhead.Load()).Seconds(), nil, host)
		ch <- prometheus.MustNewConstSummary(upstreamDesc, n, time.Duration(rt.upstream.Load()).Seconds(), nil, host)
	}
	for kind, n := range map[string]int64{"websocket": rt.websockets.Load(), "event_stream": rt.eventStreams.Load()} {
		if n > 0 {
			ch <- prometheus.MustNewConstMetric(streamsDesc, prometheus.GaugeValue, float64(n), host, kind)
		}
	}
	for reason, n := range rt.refusals.All() {
		count(refusalsDesc, n, host, reason)
	}
	for result, n := range rt.logins.All() {
		count(loginsDesc, n, host, result)
	}
}

func className(class int) string {
	if class == 0 {
		return "none"
	}
	return strconv.Itoa(class) + "xx"
}
