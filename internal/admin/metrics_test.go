package admin_test

import (
	"strings"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/admin"
)

// TestMetrics: the listener's own metrics.
func TestMetrics(t *testing.T) {
	now := admin.Configuration{Generation: 3, Since: time.Unix(1_800_000_000, 0), Error: "gateway.yaml:3:1: unknown key", ErrorAt: time.Unix(1_800_000_500, 0)}
	l := newListener(t, func(cfg *admin.Config) {
		cfg.Configuration = func() admin.Configuration { return now }
		cfg.Metrics.Keys = func() map[string]time.Time { return map[string]time.Time{"cookies": time.Unix(1_700_000_000, 0)} }
		cfg.Metrics.Certificates = func() map[string]time.Time { return map[string]time.Time{"a.localhost": time.Unix(1_900_000_000, 0)} }
	})
	status, said := l.ask("GET", "/metrics", "")
	if status != 200 {
		t.Fatalf("answered %d %s", status, said)
	}
	for _, want := range []string{
		`cocoom_gateway_configuration_generation 3`, `cocoom_gateway_configuration_valid 0`,
		`cocoom_gateway_configuration_timestamp_seconds 1.8e+09`, `cocoom_gateway_configuration_error_timestamp_seconds 1.8000005e+09`,
		`cocoom_gateway_key_timestamp_seconds{ring="cookies"} 1.7e+09`, `cocoom_gateway_certificate_expiry_timestamp_seconds{host="a.localhost"} 1.9e+09`,
		`cocoom_gateway_build_info{`, `go_goroutines `, `process_start_time_seconds `,
	} {
		if !strings.Contains(said, "\n"+want) {
			t.Errorf("%s is missing", want)
		}
	}
	if status, _ := newListener(t).ask("GET", "/metrics", ""); status != 404 {
		t.Errorf("a listener without metrics answered %d", status)
	}
}

// TestDeedsAreLogged: what may change something, and nothing that reads.
func TestDeedsAreLogged(t *testing.T) {
	var log strings.Builder
	l := newListener(t, logTo(&log))
	l.ask("GET", "/sessions", "")
	l.ask("POST", "/keys/rotate", `{"by":"lea"}`)
	l.ask("POST", "/sessions/revoke", `{"by":"lea"}`)
	if said := log.String(); strings.Count(said, "\n") != 2 || !strings.Contains(said, "path=/keys/rotate status=200") || !strings.Contains(said, "path=/sessions/revoke status=400") {
		t.Errorf("the log says %s", said)
	}
}
