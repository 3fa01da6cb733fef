package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestE2EDemoPeople does what the demo says can be tried with people: a page for
// a usergroup, a guest, somebody who is deactivated in Slack, and the app's own
// sign-out on a shared computer.
func TestE2EDemoPeople(t *testing.T) {
	newTab := chromium(t)
	d := newDemo(t)
	startDemo(t, d)
	c := customers[0]
	marie, paul, louis := c.people[0], c.people[1], c.people[3]
	origin := fmt.Sprintf("http://%s:%d", c.Host, d.Port)
	who := func(id string) string { return fmt.Sprintf(`button[data-user=%q]`, id) }
	slack := newTab(t, 1200, 900)
	press := func(button string) {
		t.Helper()
		slack.open(fmt.Sprintf("%s/workspace/%s?as=%s&refresh=0", d.slack.URL(), c.Team, paul.ID))
		slack.follow(fmt.Sprintf(`button[value=%q]`, button))
	}
	heading := func(tb *tab, address string) string {
		t.Helper()
		tb.open(address)
		return tb.sees("h1")
	}

	tb := newTab(t, 1200, 900)
	tb.open(origin + c.Reserved)
	tb.follow(who(paul.ID))
	if got := tb.sees("h1"); got != "You may not open this page" {
		t.Errorf("Paul, who is not in the usergroup, sees %s", got)
	}
	tb.shot("demo-1-reserved")
	press("join:" + c.usergroups[0].ID)
	slack.shot("demo-2-slack")
	for heading(tb, origin+c.Reserved) != "Litige livraison nº 88-1204" {
		if tb.ctx.Err() != nil {
			t.Fatal("Paul is in the usergroup, and not let in")
		}
	}
	press("leave:" + c.usergroups[0].ID)
	if got := heading(tb, origin+c.Reserved); got != "You may not open this page" {
		t.Errorf("Paul, who has left the usergroup, sees %s", got)
	}
	press("deactivate")
	tb.open(origin + "/dossiers/12")
	if got := tb.sees("body"); strings.Contains(got, "Refonte du catalogue") {
		t.Errorf("Paul, who is deactivated, sees %s", got)
	}
	tb.shot("demo-3-deactivated")

	shared := newTab(t, 1200, 900)
	shared.open(origin + "/")
	shared.follow(who(louis.ID))
	if got := shared.sees("h1"); got != "Guests have no access" {
		t.Errorf("a guest sees %s", got)
	}
	shared.follow("#next")
	shared.follow(who(marie.ID))
	shared.sees("#signed-in-as")
	shared.follow("#sign-out")
	if got := shared.sees("h1"); got != "You are signed out" {
		t.Errorf("after the app's own sign-out: %s", got)
	}
	ines := c.people[2]
	shared.open(origin + "/profil")
	shared.follow(who(ines.ID))
	if got := shared.sees("#session-owner"); got != ines.Name {
		t.Errorf("after Marie has signed out, the app's session is %s's", got)
	}
	if got := value(shared, chromedp.Location()); got != origin+"/profil" {
		t.Errorf("landed on %s", got)
	}
}
