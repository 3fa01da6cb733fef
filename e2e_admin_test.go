package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
)

// TestE2EOperator does an operator's day in a browser, by keyboard alone: a
// message that failed, why, and again once that is mended; a session that is
// ended, and whose person is signed out.
func TestE2EOperator(t *testing.T) {
	newTab := chromium(t)
	d := newDemo(t)
	startDemo(t, d)
	c := customers[0]
	marie := c.people[0]
	d.notify(t, c, url.Values{"to": {"#atelier"}, "type": {"task.assigned"}, "key": {"task-12"}, "text": {"Relire le contrat"}})
	d.notify(t, c, url.Values{"to": {"ancien@agrafmania.fr"}, "type": {"task.assigned"}, "text": {"Relire"}})
	operator := newTab(t, 1280, 800)
	pages := "http://" + d.gateway.admin.addr()

	operator.open(pages)
	operator.tabTo(`a.skip`)
	operator.press(kb.Enter)
	operator.until(`location.hash === "#main"`)
	for { // deliveries take a moment
		operator.open(pages + "/ui/notifications?status=failed&to=%23atelier")
		if strings.Contains(operator.sees("main"), "there is no such channel") {
			break
		}
	}
	operator.shot("operator-1-failed")
	operator.tabTo(`tbody th a`)
	operator.enter()
	if got := operator.sees(".told"); !strings.Contains(got, "Given up (channel_not_found): there is no such channel") || !strings.Contains(got, "Check its name or id") {
		t.Errorf("why it failed: %s", got)
	}
	operator.shot("operator-2-why")

	if err := d.slack.SetChannel(c.Team, slacksim.Channel{ID: "C0AATELIER", Name: "atelier", Members: []string{marie.ID}}); err != nil {
		t.Fatal(err)
	}
	operator.tabTo(`#replay`)
	operator.enter()
	if got := operator.sees(`[role="status"]`); got != "1 notification is sent again." {
		t.Errorf("after replaying it: %s", got)
	}
	for !strings.Contains(operator.sees(".told"), "sent") || strings.Contains(operator.sees(".acts"), "queued") {
		operator.open(strings.TrimSuffix(value(operator, chromedp.Location()), "?done=replayed"))
	}
	operator.shot("operator-3-sent")
	slack := newTab(t, 1200, 900)
	slack.open(d.slack.URL() + "/workspace/" + c.Team + "?c=C0AATELIER&refresh=0")
	if got := slack.sees("body"); !strings.Contains(got, "Relire le contrat") {
		t.Errorf("in Slack: %s", got)
	}

	person := newTab(t, 1200, 900)
	origin := fmt.Sprintf("http://%s:%d", c.Host, d.Port)
	person.open(origin + "/dossiers/12")
	person.follow(fmt.Sprintf(`button[data-user=%q]`, marie.ID))
	person.sees("#signed-in-as")
	operator.open(pages + "/ui/sessions")
	operator.tabTo("#person")
	operator.press(marie.Email)
	operator.enter()
	operator.sees("tbody")
	operator.shot("operator-4-sessions")
	operator.tabTo("#end-all")
	operator.enter()
	if got := operator.sees(".card"); !strings.Contains(got, "1 session of "+marie.Email) {
		t.Errorf("before it is ended: %s", got)
	}
	operator.shot("operator-5-confirm")
	operator.tabTo("#confirm")
	operator.enter()
	if got := operator.sees(`[role="status"]`); got != "1 session was ended." {
		t.Errorf("after it was ended: %s", got)
	}
	person.open(origin + "/dossiers/12")
	person.sees(fmt.Sprintf(`button[data-user=%q]`, marie.ID)) // Slack asks who it is

	phone := newTab(t, 390, 844)
	for i, path := range []string{"/ui/", "/ui/alarms", "/ui/routes", "/ui/routes/" + c.Host, "/ui/sessions", "/ui/notifications", "/ui/replay?route=" + c.Host, "/ui/people?host=" + c.Host + "&person=" + marie.Email, "/ui/audit"} {
		phone.open(pages + path)
		phone.sees("h1")
		phone.shot(fmt.Sprintf("operator-phone-%d", i))
		phone.checkPage(path + " on a phone")
		operator.open(pages + path)
		operator.shot(fmt.Sprintf("operator-desktop-%d", i))
		operator.checkPage(path)
	}
}

// notify calls the webhook as the app would.
func (d *demo) notify(t *testing.T, c customer, form url.Values) {
	t.Helper()
	req, err := http.NewRequest("POST", fmt.Sprintf("http://127.0.0.1:%d/.gateway/v1/notifications", d.Port), strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Host = c.Host
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Authorization", "Bearer "+c.HookToken)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusAccepted {
		t.Fatalf("the webhook answers %d", resp.StatusCode)
	}
}

// press types.
func (tb *tab) press(keys string) { tb.t.Helper(); tb.run(chromedp.KeyEvent(keys)) }

// enter presses Enter, and waits for the page that it leads to.
func (tb *tab) enter() {
	tb.t.Helper()
	tb.until(`window.left = true`)
	tb.press(kb.Enter)
	tb.until(`window.left !== true && document.readyState === "complete"`)
}

// tabTo presses Tab until the first element of that kind has the focus, which
// must be seen.
func (tb *tab) tabTo(selector string) {
	tb.t.Helper()
	tb.sees("main")
	for range 60 {
		tb.press(kb.Tab)
		if value(tb, chromedp.EvaluateAsDevTools[bool](fmt.Sprintf(`(e => e === document.activeElement && getComputedStyle(e).outlineStyle !== "none")(document.querySelector(%q))`, selector))) {
			return
		}
	}
	tb.fail(fmt.Errorf("no Tab leads to %s", selector))
}
