package gateway_test

import (
	"strings"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/gateway"
)

// TestForwardAuthKeepsNoForm: nginx brings a form that was refused to the public
// listener. Kept there, its button would go past the gateway to the app, which
// would take the button's own body for the form.
func TestForwardAuthKeepsNoForm(t *testing.T) {
	in := newInside(t, func(c *gateway.Config) {
		c.Routes[0].Identifier, c.Routes[0].Upstream = c.Routes[0].Upstream.Identifier, nil
	})
	cookie, origin := in.cookieOf("U0PAUL"), in.routes[0].Origin
	in.advance(3 * time.Hour)
	got := in.browser().do("POST", origin+"/notes", strings.NewReader("a=b"), "Content-Type", urlencoded, "Origin", origin, "Cookie", cookie)
	if got.StatusCode != 401 || !strings.Contains(got.text, "form") || len(got.Cookies()) != 0 {
		t.Errorf("answered %d %s", got.StatusCode, title(got.text))
	}
}

// TestForwardAuthHandsOverTheButton: a route that the gateway carries requests
// of as well has kept the form, and must be brought the button.
func TestForwardAuthHandsOverTheButton(t *testing.T) {
	in := newInside(t)
	cookie := in.cookieOf("U0PAUL")
	button := page("/notes").with("Cookie", cookie+"; gw-form-x-y=secret").with("Content-Type", "text/plain")
	button.method = "POST"
	for name, row := range map[string]struct {
		question
		want int
	}{
		"button":        {button, 401},
		"another form":  {button.with("Content-Type", urlencoded), 200},
		"without draft": {button.with("Cookie", cookie), 200},
	} {
		if got := in.ask(authNginx, row.question); got.StatusCode != row.want {
			t.Errorf("%s: nginx was answered %d, want %d", name, got.StatusCode, row.want)
		}
	}
}
