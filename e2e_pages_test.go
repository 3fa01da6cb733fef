package main

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestE2EPages opens every kind of page of ours in Chromium: on a desktop, on a
// phone and on 320 pixels, light and dark, English and French, and with text of
// twice the size. Nothing sticks out, the keyboard gets to every button and
// shows where it is, and buttons are large enough for a thumb.
func TestE2EPages(t *testing.T) {
	t.Parallel()
	need(t, "chromium")
	d := newDemo(t)
	startDemo(t, d)
	c := customers[1] // the longer name
	origin := fmt.Sprintf("http://%s:%d", c.Host, d.Port)
	light := []chromedp.ExecAllocatorOption{chromedp.Flag("blink-settings", "preferredColorScheme=1")}
	darkFrench := []chromedp.ExecAllocatorOption{chromedp.Flag("blink-settings", "preferredColorScheme=0"), chromedp.Flag("lang", "fr-FR"), chromedp.Flag("accept-lang", "fr-FR")}
	for _, look := range []struct {
		name          string
		flags         []chromedp.ExecAllocatorOption
		width, height int
	}{
		{"light-en-1280", light, 1280, 800}, {"light-en-320", light, 320, 568},
		{"dark-fr-1280", darkFrench, 1280, 800}, {"dark-fr-390", darkFrench, 390, 844},
	} {
		t.Run(look.name, func(t *testing.T) {
			tb := chromium(t, look.flags...)(t, look.width, look.height)
			if dark := value(tb, chromedp.EvaluateAsDevTools[bool](`matchMedia("(prefers-color-scheme: dark)").matches`)); dark != strings.HasPrefix(look.name, "dark") {
				t.Fatalf("the scheme is dark: %t", dark)
			}
			d.lookAtPages(tb, c, origin, "page-"+look.name+"-")
		})
	}
}

// lookAtPages goes from page to page.
func (d *demo) lookAtPages(tb *tab, c customer, origin, shot string) {
	tb.t.Helper()
	page := func(name, address string) {
		tb.t.Helper()
		tb.open(address)
		tb.sees("h1")
		tb.checkLayout(name)
		tb.shot(shot + name)
	}
	page("1-stale", origin+"/.gateway/callback?state=x")
	page("2-not-found", origin+"/.gateway/none")
	page("3-signed-out", origin+"/.gateway/signed-out")
	tb.open(origin + "/dossiers/12")
	tb.sees("button[data-user]")
	slack, err := url.Parse(value(tb, chromedp.Location()))
	if err != nil {
		tb.t.Fatal(err)
	}
	for i, name := range []string{"access_denied", "invalid_team_for_non_distributed_app", "user_is_restricted", "account_inactive", "user_email_unverified",
		"two_factor_setup_required", "accesslimited", "org_login_required", "ratelimited", "bad_client_secret"} {
		page(fmt.Sprintf("4%c-%s", 'a'+i, name), origin+"/.gateway/callback?error="+name+"&state="+slack.Query().Get("state"))
	}
	for range 2 { // two rounds more: the third one is the last
		tb.open(origin + "/.gateway/callback?error=access_denied&state=" + slack.Query().Get("state"))
		tb.follow("#next")
		tb.sees("button[data-user]")
		if slack, err = url.Parse(value(tb, chromedp.Location())); err != nil {
			tb.t.Fatal(err)
		}
	}
	page("5-last", origin+"/.gateway/callback?error=access_denied&state="+slack.Query().Get("state"))
	tb.open(origin + "/")
	tb.follow(fmt.Sprintf(`button[data-user=%q]`, c.people[0].ID))
	page("6-account", origin+"/.gateway/")
	page("7-sign-out", origin+"/.gateway/sign-out")
	page("8-no-host", strings.Replace(origin, c.Host, "nobody.localhost", 1))
}
