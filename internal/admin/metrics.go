package admin

import (
	"log/slog"
	"net/http"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const (
	scrapeTime = 8 * time.Second // less than Prometheus waits by default
	maxScrapes = 4               // at once: each holds all series in memory
)

// Metrics are what GET /metrics shows besides what the parts of the program have
// registered themselves. A nil func shows nothing.
type Metrics struct {
	// Registry has the parts' own metrics; nil: there is no GET /metrics. The
	// listener's are added to it, once.
	Registry *prometheus.Registry
	// Keys says since when the key in use of each ring is.
	Keys func() map[string]time.Time
	// Certificates says until when the certificate for each host that has one is good.
	Certificates func() map[string]time.Time
}

// metrics gives GET /metrics.
func (cfg Config) metrics() http.Handler {
	reg := cfg.Metrics.Registry
	if reg == nil {
		return http.NotFoundHandler()
	}
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collector{cfg}, buildInfo())
	h := promhttp.HandlerFor(reg, promhttp.HandlerOpts{
		ErrorLog: scrapeLog{cfg.Log}, ErrorHandling: promhttp.ContinueOnError, Timeout: scrapeTime, MaxRequestsInFlight: maxScrapes,
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		h.ServeHTTP(w, r)
	})
}

// scrapeLog logs what of a scrape could not be shown.
type scrapeLog struct{ log *slog.Logger }

// Println implements promhttp.Logger.
func (s scrapeLog) Println(what ...any) { s.log.Error("metrics cannot be shown", "error", what) }

// buildInfo is a gauge that is always 1.
func buildInfo() prometheus.Collector {
	version, revision := "unknown", "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		version = info.Main.Version
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				revision = s.Value
			}
		}
	}
	g := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "cocoom_gateway_build_info", Help: "1, with the build in its labels.",
		ConstLabels: prometheus.Labels{"version": version, "revision": revision, "goversion": runtime.Version()},
	})
	g.Set(1)
	return g
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("cocoom_gateway_"+name, help, labels, nil)
}

var (
	alarmsDesc      = desc("alarm", `1 for each thing that needs an operator, as GET /status lists them: by route ("": it is not one's) and kind, however many of it there are.`, "route", "kind")
	generationDesc  = desc("configuration_generation", "How many configurations were in force since the process began.")
	sinceDesc       = desc("configuration_timestamp_seconds", "When the configuration came into force, Unix time.")
	validDesc       = desc("configuration_valid", "1 if the configuration file, as it was read last, is the one in force; 0 if it has mistakes, and what was in force goes on.")
	errorDesc       = desc("configuration_error_timestamp_seconds", "When the configuration file was last read in vain, Unix time; 0: never.")
	keyDesc         = desc("key_timestamp_seconds", "Since when the key in use of each ring is, Unix time; it is replaced after 30 days.", "ring")
	certificateDesc = desc("certificate_expiry_timestamp_seconds", "Until when the certificate for a host is good, Unix time.", "host")
)

// collector are the metrics of the listener itself.
type collector struct{ cfg Config }

// Describe sends what Collect may send.
func (c collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range [...]*prometheus.Desc{alarmsDesc, generationDesc, sinceDesc, validDesc, errorDesc, keyDesc, certificateDesc} {
		ch <- d
	}
}

// Collect sends what there is.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	// A route may have several of a kind, for reasons that differ: a series that
	// stands there twice is a mistake, of which each scrape would write to the log.
	alarms := map[[2]string]bool{}
	for _, a := range c.cfg.Gateway.Alarms() {
		alarms[[2]string{a.Route, a.Kind}] = true
	}
	for _, a := range c.cfg.Relay.Alarms() {
		alarms[[2]string{a.Route, a.Kind}] = true
	}
	for a := range alarms {
		gauge(alarmsDesc, 1, a[0], a[1])
	}
	if c.cfg.Configuration != nil {
		now := c.cfg.Configuration()
		gauge(generationDesc, float64(now.Generation))
		gauge(sinceDesc, seconds(now.Since))
		gauge(errorDesc, seconds(now.ErrorAt))
		valid := 1.
		if now.Error != "" {
			valid = 0
		}
		gauge(validDesc, valid)
	}
	each := func(d *prometheus.Desc, times func() map[string]time.Time) {
		if times == nil {
			return
		}
		for label, t := range times() {
			gauge(d, seconds(t), label)
		}
	}
	each(keyDesc, c.cfg.Metrics.Keys)
	each(certificateDesc, c.cfg.Metrics.Certificates)
}

// seconds is Unix time; 0 for the zero time.
func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}
