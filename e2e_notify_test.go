package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// TestE2EDemoNotifications does what the demo says can be tried with
// notifications: one message per task, which changes with it, in the language of
// who reads it; a thread per dossier, asked for in band; an incoming webhook's
// stand-in; and what an operator is told of all this.
func TestE2EDemoNotifications(t *testing.T) {
	newTab := chromium(t)
	d := newDemo(t)
	startDemo(t, d)
	c := customers[0]
	marie, paul, emma := c.people[0], c.people[1], c.people[4]
	origin := fmt.Sprintf("http://%s:%d", c.Host, d.Port)
	slack := newTab(t, 1200, 900)
	inSlack := func(query, text string) {
		t.Helper()
		for slack.open(d.slack.URL() + "/workspace/" + c.Team + "?refresh=0&" + query); !strings.Contains(slack.sees("#messages"), text); {
			if slack.ctx.Err() != nil {
				t.Fatalf("%q does not stand in Slack: %s", text, slack.sees("#messages"))
			}
			slack.open(d.slack.URL() + "/workspace/" + c.Team + "?refresh=0&" + query)
		}
	}

	tb := newTab(t, 1200, 900)
	tb.open(origin + "/dossiers/12?onglet=taches")
	tb.follow(fmt.Sprintf(`button[data-user=%q]`, marie.ID))
	assign := func(title, to string) string {
		t.Helper()
		tb.sees("#assign-form")
		tb.run(chromedp.SetValue("#assign-title", title), chromedp.SetValue("#assign-to", to))
		tb.follow("#assign-submit")
		return regexp.MustCompile(`ntf_[a-z0-9]+`).FindString(tb.sees("#flash"))
	}
	id := assign("Relire la maquette", paul.Email)
	inSlack("as="+paul.ID, "Marie Dupont vous a assigné la tâche « Relire la maquette » (dossier 12, Papeterie Lenoir).")
	tb.follow(`tr:first-child form.inline button`)
	tb.shot("notify-1-closed")
	inSlack("as="+paul.ID, "Tâche close par Marie Dupont : « Relire la maquette »")
	if got := slack.sees("#messages"); strings.Count(got, "Relire la maquette") != 1 || !strings.Contains(got, "(edited)") {
		t.Errorf("the message was not changed in place: %s", got)
	}
	slack.shot("notify-2-updated")
	assign("Check the cover", emma.Email)
	inSlack("as="+emma.ID, "Marie Dupont assigned you the task “Check the cover” (file 12, Papeterie Lenoir).")
	slack.shot("notify-3-english")

	for _, text := range []string{"Premier tirage reçu.", "Deuxième tirage reçu."} {
		tb.open(origin + "/dossiers/12?onglet=notes")
		tb.sees("#note-form")
		tb.run(chromedp.SetValue("#note-text", text))
		tb.follow("#note-submit")
	}
	inSlack("c=C0AGENERAL", "Deuxième tirage reçu.")
	if got := value(slack, chromedp.EvaluateAsDevTools[int](`document.querySelectorAll("#messages article.reply").length`)); got != 1 {
		t.Errorf("%d messages in the dossier's thread, want 1: %s", got, slack.sees("#messages"))
	}
	if res := d.postAlert(t, c); res != "ok" {
		t.Errorf("the stand-in of an incoming webhook says %q", res)
	}
	inSlack("c=C0AGENERAL", "Disk almost full")
	slack.shot("notify-4-thread")
	slack.open(d.slack.URL() + "/workspace/" + c.Team + "?refresh=0&view=all")
	slack.shot("notify-5-all")

	var said, wrong bytes.Buffer
	if code := run(t.Context(), []string{"notifications", "show", "--admin", d.gateway.admin.addr(), id}, os.Getenv, &said, &wrong); code != 0 ||
		!strings.Contains(said.String(), paul.Email+": sent") {
		t.Errorf("notifications show %s: %d %s%s", id, code, &said, &wrong)
	}
}

// postAlert posts as Alertmanager would, and gives the answer.
func (d *demo) postAlert(t *testing.T, c customer) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "POST", fmt.Sprintf("http://127.0.0.1:%d/.gateway/services/alerts/%s", d.Port, url.PathEscape(c.AlertToken)),
		strings.NewReader(`{"text":"Disk almost full"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Host = c.Host
	client := http.Client{Timeout: 10 * time.Second}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var body bytes.Buffer
	if _, err := body.ReadFrom(res.Body); err != nil {
		t.Fatal(err)
	}
	return body.String()
}
