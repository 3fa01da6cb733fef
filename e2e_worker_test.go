package main

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestE2ELinkIntoAnAppWithAServiceWorker: a service worker that passes requests on
// takes their destination from them. Links from elsewhere, as in a message in
// Slack, open all the same, with a session and without.
func TestE2ELinkIntoAnAppWithAServiceWorker(t *testing.T) {
	newTab := chromium(t, chromedp.IgnoreCertErrors)
	n := startNeighbours(t)
	tb := newTab(t, 1000, 700)
	tb.open(n.victim + "/")
	tb.follow(`button[data-user="U0MARIE"]`)
	tb.until(`window.registered ||= navigator.serviceWorker.register("/worker.js"), navigator.serviceWorker.controller !== null`)
	follow := func(path string) {
		tb.open("about:blank")
		tb.until(fmt.Sprintf(`(setTimeout(() => { location.href = %q }), true)`, n.victim+path))
	}
	n.asked()
	follow("/linked")
	tb.until(`location.pathname === "/linked" && document.querySelector("h1")?.innerText === "U0MARIE"`)
	passed := false
	for _, r := range n.asked() {
		passed = passed || r.URL.Path == "/linked" && r.Header.Get("Sec-Fetch-Dest") == "empty"
	}
	if !passed {
		t.Error("the worker has no part in it")
	}
	tb.open(n.victim + "/.gateway/sign-out") // which the worker has its hands in, too
	tb.follow("form button")
	follow("/linked")
	tb.until(`document.querySelector('button[data-user="U0MARIE"]') !== null`)
}
