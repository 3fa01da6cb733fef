package gateway_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/cocoom/cocoom-gateway/gateway"
)

// TestProbe: the answer proves this gateway, this host and this challenge.
func TestProbe(t *testing.T) {
	var ring *gateway.Sealer
	w := newWorld(t, func(c *gateway.Config) { ring = c.Sealer })
	b := w.browser()
	path, challenge := gateway.ProbePath("/.gateway")
	got := b.get(w.routes[0].Origin + path)
	proof := strings.TrimSpace(got.text)
	if got.StatusCode != http.StatusOK || got.Header.Get("Cache-Control") != "no-store" || !ring.Answered(host, challenge, proof) {
		t.Fatalf("answered %d %q", got.StatusCode, got.text)
	}
	for name, accepted := range map[string]bool{
		"another host":      ring.Answered(other, challenge, proof),
		"another challenge": ring.Answered(host, challenge+"x", proof),
		"another ring":      sealer(t).Answered(host, challenge, proof),
		"no ring":           new(gateway.Sealer).Answered(host, challenge, proof),
		"nothing":           ring.Answered(host, challenge, ""),
		"no hex":            ring.Answered(host, challenge, "zz"+proof[2:]),
	} {
		if accepted {
			t.Errorf("%s is taken for the answer", name)
		}
	}
	for path, status := range map[string]int{"/.gateway/probe": 404, "/.gateway/probe?challenge=" + strings.Repeat("x", 65): 404} {
		if got := b.get(w.routes[0].Origin + path); got.StatusCode != status {
			t.Errorf("%s answered %d", path, got.StatusCode)
		}
	}
	if got := b.do("POST", w.routes[0].Origin+path, nil); got.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST answered %d", got.StatusCode)
	}
}

// TestProbeThroughAProxy: the answer says whether a proxy is trusted, and the
// proof stays.
func TestProbeThroughAProxy(t *testing.T) {
	for name, row := range map[string]struct {
		trusted []netip.Prefix
		note    string
	}{
		"trusted":   {[]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, ""},
		"untrusted": {nil, gateway.ViaStranger},
	} {
		w := newWorld(t, func(c *gateway.Config) { c.TrustedProxies = row.trusted })
		path, _ := gateway.ProbePath("/.gateway")
		got := w.browser().get(w.routes[0].Origin+path, "X-Forwarded-For", "192.0.2.1")
		if _, note, _ := strings.Cut(strings.TrimSpace(got.text), " "); note != row.note {
			t.Errorf("%s: answered %q", name, got.text)
		}
	}
}
