package gateway_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"
)

// BenchmarkRequest compares, in one run, a request with a warm session through
// the whole gateway with the same request through a bare ReverseProxy.
func BenchmarkRequest(b *testing.B) {
	w := newWorld(b)
	br := w.browser()
	br.signIn(w.routes[0].Origin+"/", teams[0], "U0PAUL")
	u, _ := url.Parse(w.routes[0].Origin)
	cookie := br.Jar.Cookies(u)[0]
	app := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.Write([]byte("ok")) }))
	defer app.Close()
	target, _ := url.Parse(app.URL)
	bare := &httputil.ReverseProxy{Rewrite: func(pr *httputil.ProxyRequest) { pr.SetURL(target) }}
	for name, h := range map[string]http.Handler{"bare proxy": bare, "gateway": w.gateway} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r := httptest.NewRequest("GET", "/dossiers/12?onglet=notes", nil)
				r.Host = u.Host
				r.AddCookie(cookie)
				rec := httptest.NewRecorder()
				h.ServeHTTP(rec, r)
				if rec.Code != 200 {
					b.Fatal(rec.Code)
				}
			}
		})
	}
}
