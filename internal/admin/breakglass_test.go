package admin_test

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/cocoom/cocoom-gateway/internal/admin"
)

// TestBreakGlassIsForProgramsOnThisMachine: whoever may make a link may become
// anybody, so reaching the listener is not enough.
func TestBreakGlassIsForProgramsOnThisMachine(t *testing.T) {
	pages := admin.New(admin.Config{Log: slog.New(slog.DiscardHandler)})
	const passed = http.StatusBadRequest // as the body is none
	for name, row := range map[string]struct {
		peer, local string
		header      string
		want        int
	}{
		"loopback":                  {"127.0.0.1:4000", "127.0.0.1:9090", "", passed},
		"loopback, IPv6":            {"[::1]:4000", "[::1]:9090", "", passed},
		"the machine's own address": {"10.0.0.5:4000", "10.0.0.5:9090", "", passed},
		"as IPv4 in IPv6":           {"[::ffff:10.0.0.5]:4000", "10.0.0.5:9090", "", passed},
		"another machine":           {"10.0.0.6:4000", "10.0.0.5:9090", "", 403},
		"a page in a browser":       {"127.0.0.1:4000", "127.0.0.1:9090", "Origin", 403},
		"a browser all the same":    {"127.0.0.1:4000", "127.0.0.1:9090", "Sec-Fetch-Site", 403},
		"through a proxy":           {"127.0.0.1:4000", "127.0.0.1:9090", "X-Forwarded-For", 403},
		"nobody knows":              {"@", "127.0.0.1:9090", "", 403},
	} {
		t.Run(name, func(t *testing.T) {
			local, err := net.ResolveTCPAddr("tcp", row.local)
			if err != nil {
				t.Fatal(err)
			}
			r := httptest.NewRequest("POST", "/break-glass", strings.NewReader("{"))
			r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, local))
			r.RemoteAddr = row.peer
			if row.header != "" {
				r.Header.Set(row.header, "x")
			}
			rec := httptest.NewRecorder()
			pages.ServeHTTP(rec, r)
			if rec.Code != row.want {
				t.Errorf("answered %d, want %d: %s", rec.Code, row.want, rec.Body)
			}
		})
	}
	rec := httptest.NewRecorder()
	r := httptest.NewRequest("POST", "/break-glass", strings.NewReader(`{"host": "`+strings.Repeat("x", 20<<10)+`"}`))
	r.RemoteAddr = "127.0.0.1:1"
	if pages.ServeHTTP(rec, r); rec.Code != 400 {
		t.Errorf("a body without bounds answered %d", rec.Code)
	}
}
