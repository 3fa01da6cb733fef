package main

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/chromedp"
)

// noViolations fails the test, when it ends, for each time that the browser has
// found something on a page that the page's own Content-Security-Policy forbids.
func noViolations(t *testing.T, ctx context.Context) {
	t.Helper()
	var mu sync.Mutex
	var found []string
	err := chromedp.Listen(ctx, func(ev any) {
		e, ok := ev.(*log.EventEntryAdded)
		if !ok || !strings.Contains(strings.ReplaceAll(e.Entry.Text, "-", " "), "Content Security Policy") {
			return
		}
		if strings.HasPrefix(e.Entry.Text, "Framing ") && e.Entry.URL == "" {
			return // another page has tried to frame ours, and could not
		}
		mu.Lock()
		defer mu.Unlock()
		found = append(found, e.Entry.URL+": "+e.Entry.Text)
	})
	if err != nil {
		t.Fatalf("listen to the browser: %v", err)
	}
	t.Cleanup(func() {
		mu.Lock()
		defer mu.Unlock()
		for _, one := range found {
			t.Errorf("the browser found at %s", one)
		}
	})
}
