package proxy_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"

	"github.com/cocoom/cocoom-gateway/proxy"
)

// BenchmarkServe compares a request through Serve with one through a bare
// ReverseProxy with the same transport settings, app and client.
func BenchmarkServe(b *testing.B) {
	body := make([]byte, 8<<10)
	app := newApp(b, func(w http.ResponseWriter, r *http.Request) { w.Write(body) })
	target, err := url.Parse(app)
	if err != nil {
		b.Fatal(err)
	}
	bare := &httputil.ReverseProxy{
		Rewrite:   func(pr *httputil.ProxyRequest) { pr.SetURL(target); pr.SetXForwarded() },
		Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true},
	}
	p, err := proxy.New(proxy.Config{Origin: origin, Host: host, Upstream: proxy.Upstream{URL: app}, Keys: newKeys(b, "ES256")})
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	who := proxy.NewPrincipal(lea, "s")
	for name, handler := range map[string]http.Handler{
		"bare":     bare,
		"nobody":   http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.Serve(w, r, proxy.Inbound{}) }),
		"somebody": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.Serve(w, r, proxy.Inbound{Who: who}) }),
	} {
		b.Run(name, func(b *testing.B) {
			front := httptest.NewServer(handler)
			defer front.Close()
			b.ReportAllocs()
			for b.Loop() {
				req, _ := http.NewRequest("GET", front.URL+"/documents/12?view=full", nil)
				req.Header.Set("Cookie", "PHPSESSID=abcdef; __Host-gw=0123456789abcdef0123456789abcdef")
				req.Header.Set("Accept", "text/html")
				res, err := http.DefaultClient.Do(req)
				if err != nil {
					b.Fatal(err)
				}
				io.Copy(io.Discard, res.Body)
				res.Body.Close()
			}
		})
	}
}
