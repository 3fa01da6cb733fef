package main

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"
)

// inBandPHP is an app that notifies in band, as the README shows it.
const inBandPHP = `<?php
if ($_SERVER['REQUEST_URI'] == '/tasks') {
  header('X-Notify: '.rawurlencode(json_encode(array('key'=>'task-1', 'to'=>'marie@agrafmania.fr,paul@agrafmania.fr', 'actor'=>'U0INES', 'text'=>"Tâche assignée\n<!channel>"))), false);
  header('X-Notify: '.rawurlencode(json_encode(array('to'=>'#ventes', 'text'=>'seconde'))), false);
  header('X-Notify: not%20JSON', false);
}
echo 'the page';`

// A PHP app asks on a page: the header does not reach the browser, the messages
// reach Slack, and whoever asked for the page is not told of what they did.
func TestInBand(t *testing.T) {
	t.Parallel()
	app := servePHPWith(t, need(t, "php"), "", inBandPHP)
	for name, inBand := range map[string]bool{"on": true, "off, as by default": false} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t, t.TempDir())
			at := strings.Index(o.config, "upstream: ")
			o.config = o.config[:at] + "upstream: http://" + app.address + o.config[at+strings.IndexByte(o.config[at:], '\n'):] + "    notify: {bearer_tokens: [ck_office_0123456789abcdef]"
			if inBand {
				o.config += ", in_band: true"
			}
			o.config += "}\n"
			p, _ := o.start("0")
			marie := o.member(p, "U0MARIE")
			for range 2 { // a page is reloaded
				if resp := marie.ask("GET", o.origin+"/tasks", nil); resp.StatusCode != http.StatusOK || resp.Header["X-Notify"] != nil {
					t.Fatalf("the page is %d with %v", resp.StatusCode, resp.Header)
				}
			}
			var n int
			if err := p.store.Read().QueryRow(`SELECT COUNT(*) FROM notification`).Scan(&n); err != nil || !inBand && n != 0 || inBand && n != 3 {
				t.Fatalf("%d notifications when the pages were there, %v", n, err)
			}
			if inBand {
				o.toldInBand(p)
			}
		})
	}
}

// toldInBand waits until all is delivered.
func (o *office) toldInBand(p *program) {
	o.t.Helper()
	ctx, cancel := context.WithTimeout(o.t.Context(), 20*time.Second)
	defer cancel()
	if _, err := o.slack.Await(ctx, customers[0].Team, "#ventes", 2); err != nil {
		o.t.Error(err)
	}
	for open := 1; open > 0 && ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
		if err := p.store.Read().QueryRow(`SELECT COUNT(*) FROM notification WHERE finished_at IS NULL`).Scan(&open); err != nil {
			o.t.Fatal(err)
		}
	}
	if got := o.slack.Messages(customers[0].Team, "U0PAUL"); len(got) != 1 || got[0].Text != "Tâche assignée\n&lt;!channel&gt;" {
		o.t.Errorf("Paul got %+v", got)
	}
	if got := o.slack.Messages(customers[0].Team, "U0MARIE"); len(got) != 0 {
		o.t.Errorf("Marie was told of what she did herself: %+v", got)
	}
}
