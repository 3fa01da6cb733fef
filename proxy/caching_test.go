package proxy_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/cocoom/cocoom-gateway/proxy"
)

// TestAttackSharedCache: what not everybody may have is kept by no cache in front
// of the gateway, whatever the app says of it; what everybody may have is the
// app's to say. No answer that renews a session is kept at all.
func TestAttackSharedCache(t *testing.T) {
	app := newApp(t, func(w http.ResponseWriter, r *http.Request) {
		for line := range strings.SplitSeq(r.URL.Query().Get("says"), "|") {
			if name, value, ok := strings.Cut(line, ": "); ok {
				w.Header().Add(name, value)
			}
		}
	})
	p, err := proxy.New(proxy.Config{Origin: origin, Host: host, Upstream: proxy.Upstream{URL: app}, Keys: newKeys(t, "ES256")})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	who := proxy.NewPrincipal(lea, "s1")
	nobody, somebody := proxy.Inbound{}, proxy.Inbound{Who: who}
	for name, row := range map[string]struct {
		in           proxy.Inbound
		cookie       string // of the gateway's own
		says         string
		control, cdn string
	}{
		"nothing":                    {somebody, "", "", "private", ""},
		"nothing, public":            {proxy.Inbound{Public: true}, "", "", "", ""},
		"nothing, public, signed in": {proxy.Inbound{Public: true, Who: who}, "", "", "private", ""},
		"nothing, by network":        {nobody, "", "", "private", ""},
		"public":                     {somebody, "", "Cache-Control: public, max-age=600", "private, max-age=600", ""},
		"public, by network":         {nobody, "", "Cache-Control: Public", "private", ""},
		"public, public":             {proxy.Inbound{Public: true, Who: who}, "", "Cache-Control: public, max-age=600", "public, max-age=600", ""},
		"max-age":                    {somebody, "", "Cache-Control: max-age=600, immutable", "private, max-age=600, immutable", ""},
		"s-maxage":                   {somebody, "", "Cache-Control: s-maxage=600|Cache-Control: no-cache", "private, no-cache", ""},
		"no-store":                   {somebody, "", "Cache-Control: no-store", "private, no-store", ""},
		"private for one header":     {somebody, "", `Cache-Control: private="set-cookie", max-age=1`, "private, max-age=1", ""},
		"Expires":                    {somebody, "", "Expires: Thu, 01 Jan 2099 00:00:00 GMT", "private", ""},
		"Expires, public":            {proxy.Inbound{Public: true, Who: who}, "", "Expires: Thu, 01 Jan 2099 00:00:00 GMT", "", ""},
		"Pragma":                     {somebody, "", "Pragma: no-cache", "private, no-cache", ""},
		"Pragma for old browsers":    {somebody, "", "Pragma: public", "private", ""},
		"Pragma, public":             {proxy.Inbound{Public: true, Who: who}, "", "Pragma: public", "", ""},
		"for networks of caches":     {somebody, "", "Cdn-Cache-Control: max-age=600|Surrogate-Control: max-age=600", "private", ""},
		"for them, public":           {proxy.Inbound{Public: true}, "", "Cdn-Cache-Control: max-age=600", "", "max-age=600"},
		"session renewed":            {proxy.Inbound{Public: true, Who: who}, "gw=x", "Cache-Control: public, max-age=600|Cdn-Cache-Control: max-age=600|Expires: 0", "private, no-store", ""},
	} {
		t.Run(name, func(t *testing.T) {
			front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if row.cookie != "" {
					w.Header().Add("Set-Cookie", row.cookie)
				}
				p.Serve(w, r, row.in)
			}))
			defer front.Close()
			req := httptest.NewRequest("GET", front.URL, nil)
			req.RequestURI, req.URL.RawQuery = "", "says="+strings.NewReplacer(" ", "+", "=", "%3D").Replace(row.says)
			res, err := front.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			h := res.Header
			if got := strings.Join(h["Cache-Control"], "|"); got != row.control || h.Get("Cdn-Cache-Control") != row.cdn || h.Get("Surrogate-Control") != "" {
				t.Errorf("got %q, CDN %q, surrogate %q", got, h.Get("Cdn-Cache-Control"), h.Get("Surrogate-Control"))
			}
		})
	}
}
