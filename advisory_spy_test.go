package main

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// passer stands between the gateway and Slack's Web API, and writes down the
// headers of what passes.
type passer struct {
	mu    sync.Mutex
	calls int
	told  strings.Builder
}

var apiURL = regexp.MustCompile(`api_url: ([^}\s]+)`)

// between puts it into a configuration.
func (p *passer) between(t *testing.T, config string) string {
	t.Helper()
	api, err := url.Parse(strings.TrimSuffix(apiURL.FindStringSubmatch(config)[1], "/api/"))
	if err != nil {
		t.Fatal(err)
	}
	onward := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(api) }}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.calls++
		_ = r.Header.Write(&p.told) // a strings.Builder takes all
		p.mu.Unlock()
		onward.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	return apiURL.ReplaceAllString(config, "api_url: "+srv.URL+"/api/")
}

// seen is how many calls have passed, and all their headers.
func (p *passer) seen() (calls int, headers string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls, p.told.String()
}
