package notifyhook

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
)

type batchAnswer struct {
	Accepted, Duplicates, Refused int
	Items                         []batchItem
	Warnings                      []string
}

func postTo(r *Relay, path, body string, headers ...string) *httptest.ResponseRecorder {
	return call(r, "POST", path, body, append([]string{"Authorization", "Bearer " + testToken, "Content-Type", "application/json"}, headers...)...)
}

func postBatch(t testing.TB, r *Relay, body string, headers ...string) batchAnswer {
	t.Helper()
	w := postTo(r, "/v1/notifications/batch", body, headers...)
	return readBatch(t, w)
}

func readBatch(t testing.TB, w *httptest.ResponseRecorder) batchAnswer {
	t.Helper()
	var a batchAnswer
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || w.Code != http.StatusOK {
		t.Fatalf("batch: %d %s", w.Code, w.Body)
	}
	return a
}

func batchOf(list ...string) string { return `{"items":[` + strings.Join(list, ",") + `]}` }

// itemWords is the outcome of each item: its status and the code of its problem.
func itemWords(a batchAnswer) []string {
	var out []string
	for _, one := range a.Items {
		word := fmt.Sprint(one.Status)
		if one.Problem != nil {
			word += " " + one.Problem.Code
		}
		out = append(out, word)
	}
	return out
}

// An item's mistake is its own; what is right is accepted in one write.
func TestBatch(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r, _, _ := newTestRelay(t, s, "")
		mustPost(t, r, `{"key":"before","to":["C01"],"text":"a"}`)
		a := postBatch(t, r, batchOf(
			`{"key":"k1","to":["C01"],"text":"a"}`,
			`{"key":"k1","to":["C01"],"text":"a"}`,
			`{"key":"k1","to":["C01"],"text":"other"}`,
			`{"key":"before","to":["C01"],"text":"a"}`,
			`{"key":"before","to":["C01"],"text":"other"}`,
			`{"to":["nobody"],"text":"a"}`,
			`7`,
			`{"to":["C01"],"text":"`+strings.Repeat("x", maxBody)+`"}`,
			`{"to":["C01","C02","C01"],"text":"no key","colour":"red"}`,
			`{"to":["C01"],"text":"tried","dry_run":true}`,
		))
		want := []string{"202", "200", "422 key_reused", "200", "422 key_reused", "422 validation", "400 unparsable", "413 body_too_large", "202", "422 validation"}
		if !slices.Equal(itemWords(a), want) || a.Accepted != 2 || a.Duplicates != 2 || a.Refused != 6 {
			t.Errorf("got  %q\nwant %q (%+v)", itemWords(a), want, a)
		}
		if a.Items[0].ID == "" || a.Items[0].ID != a.Items[1].ID || a.Items[0].Key != "k1" || len(a.Items[8].Warnings) != 3 {
			t.Errorf("items %+v", a.Items)
		}
		if p := a.Items[5].Problem; p.Type == "" || p.Errors[0].Field != "to[0]" || p.Retryable {
			t.Errorf("problem %+v", p)
		}
		if st, err := r.Stats(t.Context()); err != nil || st != (Stats{Queued: 4}) {
			t.Errorf("stats %+v, %v", st, err)
		}
		if v := show(t, r, a.Items[8].ID); v.Credential != "bearer:1" {
			t.Errorf("credential %q", v.Credential)
		}
	})
}

func TestBatchRefused(t *testing.T) {
	r, _, _ := newTestRelay(t, sqliteStore(t), "")
	for _, tt := range []struct {
		name, body string
		status     int
		code       string
		headers    []string
	}{
		{"no items", `{}`, 422, "validation", nil},
		{"empty list", `{"items":[]}`, 422, "validation", nil},
		{"a list", `[]`, 400, "unparsable", nil},
		{"items is an object", `{"items":{}}`, 422, "validation", nil},
		{"101 items", batchOf(slices.Repeat([]string{minimalJSON}, 101)...), 422, "validation", nil},
		{"too large", `{"items":"` + strings.Repeat("x", maxBatchBody) + `"}`, 413, "body_too_large", nil},
		{"two keys", batchOf(minimalJSON), 400, "key_conflict", []string{"Idempotency-Key", "a", "webhook-id", "b"}},
		{"long key", batchOf(minimalJSON), 422, "validation", []string{"Idempotency-Key", strings.Repeat("k", 126)}},
		{"strict", `{"items":[` + minimalJSON + `],"x":1}`, 422, "validation", []string{"Prefer", "handling=strict"}},
		{"dry run of sorts", batchOf(minimalJSON), 422, "validation", []string{"path", "?dry_run=perhaps"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := "/v1/notifications/batch"
			if len(tt.headers) > 0 && tt.headers[0] == "path" {
				path, tt.headers = path+tt.headers[1], nil
			}
			w := postTo(r, path, tt.body, tt.headers...)
			if a := decode(t, w); w.Code != tt.status || a.Code != tt.code {
				t.Errorf("got %d %s", w.Code, w.Body)
			}
		})
	}
	if st, err := r.Stats(t.Context()); err != nil || st != (Stats{}) {
		t.Errorf("refused batches left %+v, %v", st, err)
	}
}

// Whoever sends a signed batch again, with or without keys in it, sends nothing
// twice.
func TestReplayedBatch(t *testing.T) {
	r, clock, _ := newTestRelay(t, sqliteStore(t), "")
	body := batchOf(minimalJSON, `{"key":"own","to":["C01"],"text":"x"}`, minimalJSON)
	headers := signed(t, testSecret, "msg_1", clock.now(), body)
	first := readBatch(t, call(r, "POST", "/v1/notifications/batch", body, headers...))
	again := readBatch(t, call(r, "POST", "/v1/notifications/batch", body, headers...))
	if first.Accepted != 3 || again.Duplicates != 3 || first.Items[2].ID != again.Items[2].ID {
		t.Errorf("first %+v, again %+v", first, again)
	}
	if first.Items[0].Key != "msg_1:0" || first.Items[1].Key != "own" || first.Items[2].Key != "msg_1:2" {
		t.Errorf("keys %+v", first.Items)
	}
	if v := show(t, r, first.Items[0].ID); v.Credential != "signature:k1" {
		t.Errorf("credential %q", v.Credential)
	}
	// Nor does it pass for a single notification, or that for a batch.
	if w := call(r, "POST", "/v1/notifications", body, headers...); w.Code != 422 {
		t.Errorf("a batch as one: %d %s", w.Code, w.Body)
	}
	if w := call(r, "POST", "/v1/notifications/batch", minimalJSON, signed(t, testSecret, "msg_2", clock.now(), minimalJSON)...); w.Code != 422 {
		t.Errorf("one as a batch: %d %s", w.Code, w.Body)
	}
}

func TestBatchWithoutStore(t *testing.T) {
	s := sqliteStore(t)
	r, _, _ := newTestRelay(t, s, "")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	a := postBatch(t, r, batchOf(minimalJSON, `{}`))
	if want := []string{"503 store_unavailable", "422 validation"}; !slices.Equal(itemWords(a), want) || !a.Items[0].Problem.Retryable {
		t.Errorf("got %q, want %q", itemWords(a), want)
	}
}

// One item that the database refuses does not sink its neighbours.
func TestBatchItemRefusedByStore(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r, _, _ := newTestRelay(t, s, "")
		v := visit{r: jsonRequest(), who: caller{Kind: byToken, ID: "1"}}
		execute(t, s, `CREATE UNIQUE INDEX poison ON notification (type) WHERE type <> ''`)
		b := batch{}
		for _, kind := range []string{"", "a", "a", ""} {
			b.items = append(b.items, batchItem{request: request{To: []string{"C01"}, Text: "x", Type: kind}})
		}
		endpoint{relay: r, route: r.routes()[host]}.takeBatch(t.Context(), v, b, newFakeClock().now())
		for _, i := range []int{0, 1, 3} {
			if b.items[i].Status != 202 {
				t.Errorf("item %d: %+v", i, b.items[i])
			}
		}
		if p := b.items[2].Problem; p == nil || p.Code != "internal" {
			t.Errorf("the poisoned item: %+v", b.items[2])
		}
	})
}

// A whole batch that fails at its last item is written item by item; one with
// more deliveries than a transaction should have, in parts.
func TestLargeBatch(t *testing.T) {
	s := sqliteStore(t)
	r, _, _ := newTestRelay(t, s, "")
	var list []string
	for i := range maxBatch {
		list = append(list, fmt.Sprintf(`{"key":"k%d","to":["C%03d"],"text":"x"}`, i, i%7))
	}
	execute(t, s, `CREATE TRIGGER one AFTER INSERT ON notification WHEN NEW.idem_key = 'k99' BEGIN SELECT RAISE(ABORT, 'late'); END`)
	a := postBatch(t, r, batchOf(list...))
	if a.Accepted != maxBatch-1 || a.Items[99].Problem == nil { // one by one, after the whole was undone
		t.Errorf("got %+v", a)
	}
	execute(t, s, `DROP TRIGGER one`)
	if a := postBatch(t, r, batchOf(list...)); a.Accepted != 1 || a.Duplicates != maxBatch-1 {
		t.Errorf("again: %d new, %d duplicates", a.Accepted, a.Duplicates)
	}
	list = nil
	for i := range 20 {
		list = append(list, fmt.Sprintf(`{"to":%q,"text":"%d"}`, manyChannels(maxRecipients), i))
	}
	if a := postBatch(t, r, batchOf(list...)); a.Accepted != 20 {
		t.Errorf("1000 deliveries: %+v", itemWords(a))
	}
}

// Batches that name the same lanes and keys in other orders all come through.
func TestConcurrentBatches(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r, _, _ := newTestRelay(t, s, "")
		var list []string
		for i := range 30 {
			list = append(list, fmt.Sprintf(`{"key":"k%d","to":["C%03d"],"text":"x"}`, i, i%5))
		}
		reversed := slices.Clone(list)
		slices.Reverse(reversed)
		var group sync.WaitGroup
		var mu sync.Mutex
		accepted, duplicates := 0, 0
		for i := range 8 {
			group.Go(func() {
				a := postBatch(t, r, batchOf([][]string{list, reversed}[i%2]...))
				mu.Lock()
				defer mu.Unlock()
				accepted, duplicates = accepted+a.Accepted, duplicates+a.Duplicates
			})
		}
		group.Wait()
		if accepted != 30 || duplicates != 7*30 {
			t.Errorf("%d accepted, %d duplicates", accepted, duplicates)
		}
	})
}

// The order in a batch is the order of delivery.
func TestBatchKeepsOrder(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		a := postBatch(t, r, batchOf(to("C0GENERAL", "1"), to("C0VENTES", "other"), to("C0GENERAL", "2"), to("C0GENERAL", "3")))
		if a.Accepted != 4 {
			t.Fatal(a)
		}
		for range 3 {
			step(t, r)
			clock.advance(pace)
		}
		if got := texts(sim.Messages(team, "C0GENERAL")); !slices.Equal(got, []string{"1", "2", "3"}) {
			t.Errorf("got %q", got)
		}
	})
}
