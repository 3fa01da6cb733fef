package gateway_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/proxy"
)

// TestAppsOwnLoginFails: people are told, in their language, whether it is
// their account or the app, and programs by a code.
func TestAppsOwnLoginFails(t *testing.T) {
	for _, tt := range []struct {
		name, page, accept, language string
		status                       int
		want                         string
	}{
		{"refused", `<form method=post><input name=u><input type=password name=p></form>`, "text/html", "en", 403, "<h1>The application did not accept your account</h1>"},
		{"refused, in French", `<form method=post><input name=u><input type=password name=p></form>`, "text/html", "fr", 403, "<h1>L’application n’a pas accepté votre compte</h1>"},
		{"refused, to a program", `<form method=post><input name=u><input type=password name=p></form>`, "", "", 403, `"app_account_refused"`},
		{"no form", "maintenance", "text/html", "en", 503, "<h1>The application could not sign you in</h1>"},
		{"no form, in French", "maintenance", "text/html", "fr", 503, "<h1>L’application n’a pas pu vous connecter</h1>"},
		{"no form, to a program", "maintenance", "", "", 503, `"app_sign_in_failed"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/html")
				fmt.Fprint(w, tt.page)
			}))
			t.Cleanup(app.Close)
			w := newWorld(t, func(c *gateway.Config) {
				rt := &c.Routes[0]
				var err error
				rt.Upstream, err = proxy.New(proxy.Config{Origin: rt.Origin, Host: rt.Host, Upstream: proxy.Upstream{URL: app.URL},
					Assertion: proxy.Assertion{Alg: "HS256", Secret: "0123456789abcdef0123456789abcdef"}, Log: slog.New(slog.DiscardHandler), Error: gateway.WriteError,
					Login: proxy.UpstreamLogin{Form: &proxy.Form{URL: "/login.php", Password: "p", Cookies: []string{"PHPSESSID"}}}})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(rt.Upstream.Close)
			})
			b := w.browser()
			b.signIn(w.routes[0].Origin+"/", teams[0], "U0MARIE")
			headers := []string{"Accept", tt.accept, "Accept-Language", tt.language}
			if tt.accept == "" {
				headers = append(headers, "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty")
			}
			if got := b.get(w.routes[0].Origin+"/", headers...); got.StatusCode != tt.status || !strings.Contains(got.text, tt.want) {
				t.Errorf("got %d %s", got.StatusCode, got.text)
			}
		})
	}
}
