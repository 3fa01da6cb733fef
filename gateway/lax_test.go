package gateway_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/cocoom/cocoom-gateway/gateway"
)

// TestAttackFromASister: what pages of sister subdomains, which browsers let bring
// SameSite cookies, can have done with somebody's session: no more than pages of
// other sites can.
func TestAttackFromASister(t *testing.T) {
	const friend = "https://intranet.cocoom.com"
	w := newWorld(t, func(c *gateway.Config) { c.Routes[0].Login = &gateway.Login{TrustedOrigins: []string{friend}} })
	origin, sister := w.routes[0].Origin, "http://sister."+host
	b := w.browser()
	b.signIn(origin+"/", teams[0], "U0PAUL")
	headers := func(site, mode, dest string, more ...string) []string {
		return append([]string{"Sec-Fetch-Site", site, "Sec-Fetch-Mode", mode, "Sec-Fetch-Dest", dest}, more...)
	}
	const (
		refused   = ""
		asPaul    = "U0PAUL"
		asNobody  = "nobody"
		oldAccept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	)
	for name, row := range map[string]struct {
		method, path string
		header       []string
		as           string // whom the app sees
	}{
		"the app's own form":                 {"POST", "/x", headers("same-origin", "navigate", "document", "Origin", origin), asPaul},
		"its form without a referrer":        {"POST", "/x", headers("same-origin", "navigate", "document", "Origin", "null"), asPaul},
		"its fetch":                          {"POST", "/x", headers("same-origin", "cors", "empty", "Origin", origin), asPaul},
		"its frame":                          {"GET", "/x", headers("same-origin", "navigate", "iframe"), asPaul},
		"its image":                          {"GET", "/x", headers("same-origin", "no-cors", "image"), asPaul},
		"a link in Slack":                    {"GET", "/x", headers("cross-site", "navigate", "document"), asPaul},
		"a link on a sister's page":          {"GET", "/x", headers("same-site", "navigate", "document"), asPaul},
		"a link that a worker passes on":     {"GET", "/x", headers("cross-site", "navigate", "empty"), asPaul},
		"typed":                              {"GET", "/x", headers("none", "navigate", "document"), asPaul},
		"an old browser's form":              {"POST", "/x", headers("", "", "", "Origin", origin, "Accept", oldAccept), asPaul},
		"an old browser's image":             {"GET", "/x", headers("", "", "", "Referer", origin+"/y", "Accept", "image/*"), asPaul},
		"an old browser's link":              {"GET", "/x", headers("", "", "", "Referer", "https://app.slack.com/", "Accept", oldAccept), asPaul},
		"a program with the cookie":          {"POST", "/x", headers("", "", "", "Accept", "*/*"), asPaul},
		"a friend's form":                    {"POST", "/x", headers("cross-site", "navigate", "document", "Origin", friend), asPaul},
		"a friend's frame":                   {"GET", "/x", headers("cross-site", "navigate", "iframe", "Referer", friend+"/"), asPaul},
		"a sister's form":                    {"POST", "/x", headers("same-site", "navigate", "document", "Origin", sister), refused},
		"a sister's form with no name":       {"POST", "/x", headers("same-site", "navigate", "document", "Origin", "null"), refused},
		"a sister's form through a worker":   {"POST", "/x", headers("same-site", "navigate", "empty", "Origin", sister), refused},
		"a sister's form to a frame":         {"POST", "/x", headers("same-site", "navigate", "iframe", "Origin", sister), refused},
		"a sister's fetch":                   {"GET", "/x", headers("same-site", "cors", "empty", "Origin", sister), refused},
		"a sister's blind fetch":             {"POST", "/x", headers("same-site", "no-cors", "empty", "Origin", sister), refused},
		"a sister's fetch, PUT":              {"PUT", "/x", headers("same-site", "cors", "empty", "Origin", sister), refused},
		"a sister's script":                  {"GET", "/x", headers("same-site", "no-cors", "script", "Referer", sister+"/"), refused},
		"a sister's image":                   {"GET", "/x", headers("same-site", "no-cors", "image"), refused},
		"a sister's frame":                   {"GET", "/x", headers("same-site", "navigate", "iframe", "Referer", sister+"/"), refused},
		"a sister's embed":                   {"GET", "/x", headers("same-site", "navigate", "embed"), refused},
		"a sister's prefetch":                {"GET", "/x", headers("same-site", "navigate", "document", "Sec-Purpose", "prefetch"), refused},
		"a sister's form, old browser":       {"POST", "/x", headers("", "", "", "Origin", sister, "Accept", oldAccept), refused},
		"a sister's image, old browser":      {"GET", "/x", headers("", "", "", "Referer", sister+"/", "Accept", "image/*"), refused},
		"a name that begins alike":           {"GET", "/x", headers("", "", "", "Referer", origin+".evil.example/", "Accept", "image/*"), refused},
		"a friend's name in a path":          {"GET", "/x", headers("same-site", "no-cors", "image", "Referer", sister+"/"+friend), refused},
		"a friend's name before an @":        {"GET", "/x", headers("same-site", "no-cors", "image", "Referer", friend+"@evil.example/"), refused},
		"a friend over http":                 {"POST", "/x", headers("cross-site", "navigate", "document", "Origin", "http://intranet.cocoom.com"), refused},
		"a sister's image of a page for all": {"GET", "/public/x", headers("same-site", "no-cors", "image"), asNobody},
		"a sister's form to a page for all":  {"POST", "/public/x", headers("same-site", "navigate", "document", "Origin", sister), asNobody},
	} {
		t.Run(name, func(t *testing.T) {
			w.mu.Lock()
			w.seen = nil
			w.mu.Unlock()
			got := b.do(row.method, origin+row.path, nil, row.header...)
			app := w.last()
			if row.as == refused {
				if got.StatusCode != http.StatusForbidden || app != nil || len(got.Header["Set-Cookie"]) > 0 {
					t.Errorf("answered %d with %v; the app got %v", got.StatusCode, got.Header, app)
				}
				return
			}
			if got.StatusCode != http.StatusOK || app == nil {
				t.Fatalf("answered %d: %s", got.StatusCode, got.text)
			}
			if user := app.Header.Get("X-Forwarded-User"); user != strings.TrimPrefix(row.as, asNobody) {
				t.Errorf("the app sees %q, want %q", user, row.as)
			}
		})
	}
	if n := strings.Count(w.log.String(), `"failure":"foreign_origin"`); n != 18 {
		t.Errorf("the log tells of %d refusals", n)
	}
}

// TestTrustedOriginsMistakes: what is no origin as browsers write it would never
// match, or be more than was meant.
func TestTrustedOriginsMistakes(t *testing.T) {
	for origin, good := range map[string]bool{
		"https://intranet.cocoom.com": true, "https://intranet.cocoom.com:8443": true, "http://intranet.localhost:8080": true, "https://[::1]:8443": true,
		"": false, "*": false, "null": false, "intranet.cocoom.com": false, "https://": false, "https://intranet.cocoom.com/": false, "https://*.cocoom.com": false,
		"https://Intranet.cocoom.com": false, "https://intranet.cocoom.com:443": false, "http://intranet.cocoom.com:80": false, "https://u@intranet.cocoom.com": false,
		"https://intranet.cocoom.com:": false, "https://intranet.cocoom.com?x": false, "https://intranet.cocoom.com#x": false, "ftp://intranet.cocoom.com": false, "https://a b": false,
	} {
		var said []string
		gateway.Login{TrustedOrigins: []string{origin}}.Validate(func(key, _ string) { said = append(said, key) })
		if good != (said == nil) || !good && said[0] != "trusted_origins[0]" {
			t.Errorf("%q: %v", origin, said)
		}
	}
	count := 0
	gateway.Login{TrustedOrigins: make([]string, 33)}.Validate(func(key, _ string) {
		if key == "trusted_origins" {
			count++
		}
	})
	if count != 1 {
		t.Error("33 origins are not too many")
	}
}
