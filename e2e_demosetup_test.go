package main

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestE2EDemoSetup is the admin of the demo's third workspace: with nothing but
// the link that the demo prints to a site on which people sign in and the old
// app's notifications come. Started again, the demo begins anew.
func TestE2EDemoSetup(t *testing.T) {
	newTab := chromium(t)
	d := newDemo(t)
	c := customers[2]
	var first string
	t.Run("first", func(t *testing.T) {
		startDemo(t, d)
		first = d.setup[c.Host]
		origin := fmt.Sprintf("http://%s:%d", c.Host, d.Port)
		d.setUp(newTab(t, 1200, 900), newTab(t, 1200, 900), c)
		tb := newTab(t, 1200, 900)
		tb.open(origin + "/dossiers/12")
		tb.follow(fmt.Sprintf("button[data-user=%q]", c.people[1].ID))
		if got := tb.sees("#signed-in-as"); !strings.Contains(got, c.people[1].Name) {
			t.Errorf("signed in as %s", got)
		}
		d.notify(t, c, url.Values{"to": {c.people[1].Email}, "text": {"La presse est réparée"}})
		d.seesInSlack(tb, c, "La presse est réparée")
	})
	t.Run("again", func(t *testing.T) {
		d := &demo{Port: d.Port, State: d.State}
		startDemo(t, d)
		if link := d.setup[c.Host]; link == "" || link == first {
			t.Errorf("the second run has the link %q", link)
		}
		d.setUp(newTab(t, 1200, 900), newTab(t, 1200, 900), c)
	})
}

// setUp does what the pages ask of the admin of the customer's workspace, in one
// browser for the gateway and another for the pages at Slack.
func (d *demo) setUp(tb, slack *tab, c customer) {
	tb.t.Helper()
	tb.open(d.setup[c.Host])
	tb.follow("#confirm")
	clientID, clientSecret, signingSecret := createApp(slack, c.Team, value(tb, chromedp.EvaluateAsDevTools[string](`document.querySelector("#create").href`)))
	tb.follow("#next")
	tb.sees("#client_id")
	tb.run(chromedp.SetValue("#client_id", clientID), chromedp.SetValue("#client_secret", clientSecret), chromedp.SetValue("#signing_secret", signingSecret))
	tb.follow("#check")
	tb.follow("#install")
	jeanne := fmt.Sprintf("button[data-user=%q]", c.people[0].ID)
	tb.follow(jeanne)
	tb.follow("#sign-in")
	tb.follow(jeanne)
	tb.follow("#tell")
	tb.sees("#message.good")
	tb.shot("demo-setup-tried")
	tb.follow("#finish")
}
