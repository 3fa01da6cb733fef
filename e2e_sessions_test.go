package main

import (
	"fmt"
	"strings"
	"testing"
)

// TestE2ESignOutEverywhere: somebody who is signed in on a computer and on a
// phone sees both on either, and ends both with one button.
func TestE2ESignOutEverywhere(t *testing.T) {
	newTab := chromium(t)
	d := newDemo(t)
	startDemo(t, d)
	origin := fmt.Sprintf("http://%s:%d", customers[0].Host, d.Port)
	marie := fmt.Sprintf(`button[data-user=%q]`, customers[0].people[0].ID)
	desk, phone := newTab(t, 1200, 900), newTab(t, 390, 844)
	for _, tb := range []*tab{desk, phone} {
		tb.open(origin + "/")
		tb.follow(marie)
		tb.sees("#signed-in-as")
		tb.open(origin + "/.gateway/")
	}
	if got := phone.sees("ul"); strings.Count(got, "Chrome on Linux") != 2 || strings.Count(got, "this browser") != 1 {
		t.Errorf("the account page lists %s", got)
	}
	desk.open(origin + "/.gateway/")
	desk.sees("ul")
	desk.shot("sessions-desktop")
	phone.until(`document.documentElement.scrollWidth <= innerWidth`)
	phone.shot("sessions-phone")
	phone.follow("#everywhere")
	if got := phone.sees("h1"); got != "You are signed out" {
		t.Errorf("after signing out everywhere: %s", got)
	}
	desk.open(origin + "/dossiers/12")
	desk.sees(marie)
}
