package cocoomsim

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

func TestFeed(t *testing.T) {
	srv := startApp(t, nil)
	b := visitAs(t, srv, "agrafmania.localhost", marie)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", b.origin+"/flux", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = b.header.Clone()
	res, err := b.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got := res.Header.Get("Content-Type"); got != "text/event-stream; charset=utf-8" {
		t.Errorf("content type %q", got)
	}
	lines := bufio.NewScanner(res.Body)
	next := func() string {
		var out []string
		for lines.Scan() && lines.Text() != "" {
			out = append(out, lines.Text())
		}
		return strings.Join(out, "|")
	}
	if got := next(); got != `event: bonjour|data: {"at":"2026-11-24T08:00:00Z","text":"Marie Lefèvre"}` {
		t.Errorf("first event: %s", got)
	}
	b.post("/notes", url.Values{"dossier": {"7"}, "texte": {"Bien reçu"}})
	if got := next(); got != `event: activite|data: {"at":"2026-11-24T08:00:00Z","text":"Marie Lefèvre a ajouté une note au dossier 7"}` {
		t.Errorf("second event: %s", got)
	}
}

func TestCloseEndsFeeds(t *testing.T) {
	app, err := New(Config{Tenants: []Tenant{{Host: "a.localhost"}}})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(app)
	defer srv.Close()
	b := visitAs(t, srv, "a.localhost", marie)
	b.client.Timeout = 0
	req, _ := http.NewRequestWithContext(t.Context(), "GET", b.origin+"/flux", nil)
	req.Header = b.header
	res, err := b.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	app.Close()
	app.Close()
	if _, err := io.ReadAll(res.Body); err != nil {
		t.Errorf("the feed broke off instead of ending: %v", err)
	}
}

func TestBoardIsBounded(t *testing.T) {
	b := newBoard(Tenant{Host: "a.localhost"}, now)
	for i := range maxEntries + 50 {
		text := fmt.Sprint(i)
		b.addNote(12, note{"x", text, now})
		b.addTask(12, task{Title: text, At: now})
		b.addFile(12, file{Name: text, At: now})
	}
	d, _ := b.dossier(12)
	if len(d.Notes) != maxEntries || len(d.Tasks) != maxEntries || len(d.Files) != maxEntries || len(b.activity()) != maxEvents {
		t.Errorf("%d notes, %d tasks, %d files, %d events", len(d.Notes), len(d.Tasks), len(d.Files), len(b.activity()))
	}
	if d.Notes[0].Text != "149" {
		t.Errorf("the latest note is %q", d.Notes[0].Text)
	}
	for range maxFeeds {
		if _, ok := b.subscribe(); !ok {
			t.Fatal("a feed was refused too early")
		}
	}
	if _, ok := b.subscribe(); ok {
		t.Error("there is no end of feeds")
	}
}
