package main

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/cocoom/cocoom-gateway/gateway"
)

// TestE2EBreakGlass: Slack is gone; a link from an operator lets a person into
// the app by one press of a button, which a browser's own Origin must fit.
func TestE2EBreakGlass(t *testing.T) {
	newTab := chromium(t)
	d := newDemo(t)
	startDemo(t, d)
	c := customers[0]
	origin := fmt.Sprintf("http://%s:%d", c.Host, d.Port)
	if err := d.slack.Close(); err != nil {
		t.Fatal(err)
	}
	newLink := func() string {
		link, err := d.gateway.gateway.MakeBreakGlass(context.Background(), gateway.BreakGlass{
			Host: c.Host, Email: c.people[0].Email, User: c.people[0].ID, Name: c.people[0].Name, For: 30 * time.Minute, By: "test",
		})
		if err != nil {
			t.Fatal(err)
		}
		return link.URL.Reveal()
	}
	link := newLink()
	tb := newTab(t, 1000, 700)
	tb.open(origin + "/dossiers/12")
	if got := tb.sees("h1"); got != "Slack cannot be reached right now" {
		t.Errorf("without Slack: %s", got)
	}
	tb.open(link)
	tb.shot("break-glass-1")
	tb.follow("#confirm")
	if got := tb.sees("#signed-in-as"); got != c.people[0].Name {
		t.Errorf("the app sees %q, want %q", got, c.people[0].Name)
	}
	if got := value(tb, chromedp.Location()); got != origin+"/" {
		t.Errorf("landed on %s", got)
	}
	if got := value(tb, chromedp.EvaluateAsDevTools[string](`document.referrer`)); got != "" && got != origin+"/" {
		t.Errorf("the app's page was told that it comes from %s", got)
	}
	tb.open(link)
	if got := tb.sees("h1"); got != "This link is no longer good" {
		t.Errorf("the link again: %s", got)
	}
	tb.shot("break-glass-2-spent")

	phone := newTab(t, 390, 844)
	phone.open(newLink())
	phone.sees("#confirm")
	phone.shot("break-glass-3-phone")
}
