package store

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are of all writes. A write is timed from the moment its caller asks
// for it, so that what it waits for its turn is in it.
type metrics struct {
	seconds  prometheus.Histogram
	failures *prometheus.CounterVec
}

func newMetrics() metrics {
	return metrics{
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "cocoom_gateway_store_write_seconds", Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
			Help: "How long a durable write to the store took, what it waited for its turn included. Acceptances of notifications and sign-ins wait for it; pages do not.",
		}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cocoom_gateway_store_write_failures_total",
			Help: `Writes to the store that failed: reason is "unavailable" (the store cannot be written to now), "cancelled" (the caller did not wait any longer) or "refused" (the write itself was no good, which includes transactions that the gateway decides to give up).`,
		}, []string{"reason"}),
	}
}

// Register registers the metrics of the store's writes.
func (s *Store) Register(reg prometheus.Registerer) error {
	return errors.Join(reg.Register(s.metrics.seconds), reg.Register(s.metrics.failures))
}

func (m *metrics) note(begun time.Time, err error) {
	m.seconds.Observe(time.Since(begun).Seconds())
	switch {
	case err == nil:
	case errors.Is(err, context.Canceled):
		m.failures.WithLabelValues("cancelled").Inc()
	case errors.Is(err, ErrUnavailable):
		m.failures.WithLabelValues("unavailable").Inc()
	default:
		m.failures.WithLabelValues("refused").Inc()
	}
}
