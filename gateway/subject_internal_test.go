package gateway

import (
	"context"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
)

// TestBlot: a name is found as a whole, in any case and as JSON writes it, and
// never as a part of somebody else's.
func TestBlot(t *testing.T) {
	s := Subject{Users: []string{"U0PAUL"}, Emails: []string{"paul@x.fr", "a&b@x.fr"}}
	for text, want := range map[string]string{
		"":                           "",
		"a.fr T1/U0PAUL":             "a.fr T1/erased",
		"U0PAULINE U0PAUL U0PAUL":    "U0PAULINE erased erased",
		"Paul@X.FR → jean-paul@x.fr": "erased → jean-paul@x.fr",
		"paul@x.fr.example, break-glass:paul@x.fr":  "paul@x.fr.example, break-glass:erased",
		`{"email":"a\u0026b@x.fr","user":"U0PAUL"}`: `{"email":"erased","user":"erased"}`,
		"éU0PAUL\xff u0paul":                        "éU0PAUL erased",
	} {
		if got := s.blot(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

// TestDraftsOfASubject: of whom a form is stands sealed in it; erasing takes
// theirs and leaves the others'.
func TestDraftsOfASubject(t *testing.T) {
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		now, ctx := time.Now(), context.Background()
		ds := draftsAt(t, st, &now)
		g := &Gateway{cfg: Config{Store: st, Sealer: ds.sealer}}
		rt := &Route{Host: "a.example.com"}
		for id, user := range map[string]string{"one": "U0PAUL", "two": "U0PAUL", "three": "U0MARIE"} {
			if err := ds.add(ctx, rt, id, &session{sum: sessionID{id[0], id[1]}}, &draft{team: "T1", user: user, body: []byte("a=b")}); err != nil {
				t.Fatal(err)
			}
		}
		for host, want := range map[string]int{"a.example.com": 2, "b.example.com": 0} {
			found := 0
			if err := g.draftsOf(ctx, Subject{Route: host, Users: []string{"U0PAUL"}}, func(id string, d DraftRecord) {
				if found++; id == "three" || d.Sent || !d.ExpiresAt.After(d.CreatedAt) {
					t.Errorf("found %s %+v", id, d)
				}
			}); err != nil || found != want {
				t.Errorf("on %s found %d (%v), want %d", host, found, err, want)
			}
		}
	})
}
