// Package metricstest reads metrics in tests.
package metricstest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// Gather gives every series of g, such as `requests_total{class="2xx"}`, without
// the prefix cocoom_gateway_. A histogram or summary is given as its _count and
// _sum.
func Gather(t testing.TB, g prometheus.Gatherer) map[string]float64 {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	series := map[string]float64{}
	for _, family := range families {
		name := strings.TrimPrefix(family.GetName(), "cocoom_gateway_")
		for _, m := range family.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
			}
			by := ""
			if len(labels) > 0 {
				by = "{" + strings.Join(labels, ",") + "}"
			}
			switch {
			case m.Counter != nil:
				series[name+by] = m.Counter.GetValue()
			case m.Gauge != nil:
				series[name+by] = m.Gauge.GetValue()
			case m.Summary != nil:
				series[name+"_count"+by], series[name+"_sum"+by] = float64(m.Summary.GetSampleCount()), m.Summary.GetSampleSum()
			case m.Histogram != nil:
				series[name+"_count"+by], series[name+"_sum"+by] = float64(m.Histogram.GetSampleCount()), m.Histogram.GetSampleSum()
			}
		}
	}
	return series
}

// Want reports series that are not as want says; 0 is one that is not there.
func Want(t testing.TB, g prometheus.Gatherer, want map[string]float64) {
	t.Helper()
	got := Gather(t, g)
	for series, value := range want {
		if got[series] != value {
			t.Errorf("%s is %v, want %v", series, got[series], value)
		}
	}
}
