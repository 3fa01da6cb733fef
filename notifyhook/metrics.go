package notifyhook

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cocoom/cocoom-gateway/internal/metrics"
)

// counters are what is counted of notifications. Those of a route hang on the
// route, and go with it. A nil *counters counts nothing.
type counters struct {
	relay  *Relay
	routes atomic.Pointer[map[string]*routeCounters]
	queue  *metrics.Reading[queue]
}

// routeCounters are those of one route. A nil one counts nothing.
type routeCounters struct {
	accepted   metrics.Counts // by way
	repeated   metrics.Counts // by way
	refused    metrics.Counts // by reason
	deliveries metrics.Counts // by result
}

// queue is what waits.
type queue struct {
	stats Stats
	lag   time.Duration
}

func newCounters(r *Relay, reg prometheus.Registerer) (*counters, error) {
	if reg == nil {
		return nil, nil
	}
	c := &counters{relay: r, queue: metrics.NewReading(r.measureQueue)}
	c.routes.Store(&map[string]*routeCounters{})
	if err := reg.Register(c); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	return c, nil
}

// follow gives each route its counters: those that its host had before, else new
// ones. Those of other hosts are forgotten. It is called with routes before they
// are in use, by one caller at a time.
func (c *counters) follow(routes map[string]*route) {
	if c == nil {
		return
	}
	before, next := *c.routes.Load(), make(map[string]*routeCounters, len(routes))
	for host, rt := range routes {
		if rt.counters = before[host]; rt.counters == nil {
			rt.counters = &routeCounters{}
		}
		next[host] = rt.counters
	}
	c.routes.Store(&next)
}

// noteAccepted counts what was written down, and what had been before.
func (rt *route) noteAccepted(list []*acceptance) {
	if rt.counters == nil {
		return
	}
	for _, a := range list {
		switch {
		case a.err != nil: // its caller counts it
		case a.duplicate:
			rt.counters.repeated.Add(a.way(), 1)
		default:
			rt.counters.accepted.Add(a.way(), 1)
		}
	}
}

// noteRefused counts what was not taken, by a constant word.
func (rt *route) noteRefused(reason string) {
	if rt.counters != nil {
		rt.counters.refused.Add(reason, 1)
	}
}

// noteProblem counts p if it refuses a notification.
func (rt *route) noteProblem(r *http.Request, p *problem) {
	if p != nil && r.Method == http.MethodPost {
		rt.noteRefused(p.Code)
	}
}

// noteDelivery counts what became of a delivery: its state, but for "deferred",
// after an attempt, or a look-up, that is to be repeated.
func (rt *route) noteDelivery(state string) {
	if state == "queued" {
		state = "deferred"
	}
	if rt != nil && rt.counters != nil {
		rt.counters.deliveries.Add(state, 1)
	}
}

// way is the door by which a request came.
func (q request) way() string {
	kind, _, _ := strings.Cut(q.Credential, ":")
	switch {
	case q.ReplayOf != "":
		return "replay"
	case kind == "in_band" || kind == "hook":
		return kind
	case q.OwnTS != "":
		return "web_api"
	}
	return "webhook"
}

// lagQuery finds what has waited for longest. It reads the index of what is open.
const lagQuery = `SELECT MIN(due_at) FROM delivery WHERE state IN ('queued', 'sending')`

func (r *Relay) measureQueue(ctx context.Context) (q queue, err error) {
	if q.stats, err = r.Stats(ctx); err != nil {
		return q, err
	}
	now, err := r.clock(ctx)
	if err != nil {
		return q, err
	}
	var oldest sql.NullInt64
	err = r.store.Read().QueryRowContext(ctx, lagQuery).Scan(&oldest)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return q, fmt.Errorf("find oldest delivery: %w", err)
	}
	if oldest.Valid {
		q.lag = max(0, now.Sub(time.UnixMilli(oldest.Int64)))
	}
	return q, nil
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("cocoom_gateway_"+name, help, labels, nil)
}

// The series that are made when they are scraped.
var (
	acceptedDesc   = desc("notifications_accepted_total", `Notifications that are on disk: by route and way, "webhook", "hook" (in place of Slack's incoming webhooks), "web_api" (in place of Slack's Web API), "in_band" (X-Notify headers) or "replay".`, "route", "way")
	repeatedDesc   = desc("notifications_repeated_total", "Requests for notifications that had been accepted before, by their key; nothing is sent for them. By route and way.", "route", "way")
	refusedDesc    = desc("notifications_refused_total", "Notifications that were not taken: by route and reason, the code of the answer's problem or the word that Slack has for it.", "route", "reason")
	deliveriesDesc = desc("deliveries_total", `What became of deliveries to one recipient each: by route and result, "sent", "deferred" (an attempt is to be repeated), "dead" or "suppressed" (to whom did it themselves).`, "route", "result")
	queueDesc      = desc("queue_deliveries", `Deliveries in the store by state, "queued", "sending", "sent", "dead", "cancelled" or "suppressed"; those that are over as long as they are kept. Missing while the store cannot be read.`, "state")
	lagDesc        = desc("queue_lag_seconds", "Age of the oldest delivery that is due and not over. Missing while the store cannot be read.")
	readableDesc   = desc("store_readable", "1 if what waits could be read from the store for this scrape, else 0.")
)

// Describe sends what Collect may send.
func (c *counters) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range [...]*prometheus.Desc{acceptedDesc, repeatedDesc, refusedDesc, deliveriesDesc, queueDesc, lagDesc, readableDesc} {
		ch <- d
	}
}

// Collect sends what there is.
func (c *counters) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	for host, rt := range *c.routes.Load() {
		for d, counts := range map[*prometheus.Desc]*metrics.Counts{acceptedDesc: &rt.accepted, repeatedDesc: &rt.repeated, refusedDesc: &rt.refused, deliveriesDesc: &rt.deliveries} {
			for label, n := range counts.All() {
				ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), host, label)
			}
		}
	}
	q, ok := c.queue.Get()
	if !ok {
		gauge(readableDesc, 0)
		return
	}
	gauge(readableDesc, 1)
	gauge(lagDesc, q.lag.Seconds())
	for state, n := range q.stats.byState() {
		gauge(queueDesc, float64(n), state)
	}
}

func (s Stats) byState() map[string]int {
	return map[string]int{"queued": s.Queued, "sending": s.Sending, "sent": s.Sent, "dead": s.Dead, "cancelled": s.Cancelled, "suppressed": s.Suppressed}
}
