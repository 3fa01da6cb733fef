package proxy_test

import (
	"strings"
	"testing"

	"github.com/cocoom/cocoom-gateway/proxy"
)

// TestFormCookiesAreBound: in one browser a second person is signed in as
// themselves, and so is who comes back from the app's public pages.
func TestFormCookiesAreBound(t *testing.T) {
	app := newOldApp(t)
	f := newFormFront(t, app, nil, func(c *proxy.Config) {
		c.AppCookies, c.CookieKeys = proxy.AppCookies{"PHPSESSID"}, newCookieKeys(t)
	})
	v := f.visitor("")
	v.get("/login.php") // the app begins a session for nobody
	if len(v.setCookie) != 1 {
		t.Fatalf("the app set %q", v.setCookie)
	}
	v.who = "lea"
	v.wants(v.get("/"), "lea@agrafmania.fr: GET / ", 1)
	if !strings.Contains(v.setCookie[0], ".") {
		t.Errorf("not bound: %q", v.setCookie)
	}
	v.wants(v.get("/"), "lea@agrafmania.fr: GET / ", 1)
	v.who = "paul"
	v.wants(v.get("/"), "paul@agrafmania.fr: GET / ", 2)
	v.who = "lea"
	v.wants(v.get("/"), "lea@agrafmania.fr: GET / ", 2)
}
