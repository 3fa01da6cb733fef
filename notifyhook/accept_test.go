package notifyhook

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
)

func jsonRequest() *http.Request {
	r, _ := http.NewRequest("POST", "/", nil)
	r.Header.Set("Content-Type", "application/json")
	return r
}

// reposted is a parsed request as a caller would write it.
func reposted(t testing.TB, q request) []byte {
	t.Helper()
	m := map[string]any{"to": q.To, "text": q.Text, "notify_actor": q.NotifyActor}
	for name, v := range map[string]string{"type": q.Type, "actor": q.Actor, "link": q.Link, "lang": q.Lang} {
		m[name] = v
	}
	if q.Mrkdwn {
		m["format"] = "mrkdwn"
	}
	if q.Blocks != nil {
		m["blocks"] = q.Blocks
	}
	if q.Meta != nil {
		m["meta"] = q.Meta
	}
	if q.ExpiresIn != 0 {
		m["expires_in"] = q.ExpiresIn
	}
	if q.SendAt != 0 {
		m["send_at"] = time.UnixMilli(q.SendAt).UTC().Format(time.RFC3339Nano)
	}
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// serve makes a real server of the handler of host and returns its address.
func serve(t testing.TB, r *Relay) string {
	t.Helper()
	srv := httptest.NewServer(r.Handler(host))
	t.Cleanup(srv.Close)
	return srv.URL
}

func TestIdempotency(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r, _, _ := newTestRelay(t, s, "")
		body := func(key, text string) string { return `{"key":"` + key + `","to":["C01"],"text":"` + text + `"}` }
		first := post(r, body("k1", "a"))
		id := decode(t, first).ID
		tests := []struct {
			name, body string
			headers    []string
			status     int
			code       string
			sameID     bool
		}{
			{"again", body("k1", "a"), nil, 200, "", true},
			{"as form", "key=k1&to=C01&text=a", []string{"Content-Type", formType}, 200, "", true},
			{"key in header", `{"to":["C01"],"text":"a"}`, []string{"Idempotency-Key", `"k1"`}, 200, "", true},
			{"key as webhook-id", `{"to":["C01"],"text":"a"}`, []string{"webhook-id", "k1"}, 200, "", true},
			{"agreeing", body("k1", "a"), []string{"webhook-id", "k1", "Idempotency-Key", "k1"}, 200, "", true},
			{"other content", body("k1", "b"), nil, 422, "key_reused", false},
			{"two keys", body("k1", "a"), []string{"Idempotency-Key", "k2"}, 400, "key_conflict", false},
			{"malformed key", `{"to":["C01"],"text":"a"}`, []string{"Idempotency-Key", "a b"}, 422, "validation", false},
			{"refused is not remembered", body("k3", ""), nil, 422, "validation", false},
			{"and may be mended", body("k3", "a"), nil, 202, "", false},
			{"other key", body("k2", "a"), nil, 202, "", false},
		}
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				w := post(r, tt.body, tt.headers...)
				a := decode(t, w)
				if w.Code != tt.status || a.Code != tt.code || (a.ID == id) != tt.sameID || a.Duplicate != (w.Code == 200) {
					t.Errorf("got %d %s", w.Code, w.Body)
				}
				if (w.Header().Get("Idempotent-Replayed") == "true") != (w.Code == 200) {
					t.Errorf("Idempotent-Replayed with %d", w.Code)
				}
			})
		}
		// The same key of another route is another notification.
		w := httptest.NewRecorder()
		other := httptest.NewRequest("POST", "/v1/notifications", strings.NewReader(body("k1", "b")))
		other.Header.Set("Authorization", "Bearer "+otherToken)
		other.Header.Set("Content-Type", "application/json")
		r.Handler(otherHost).ServeHTTP(w, other)
		if w.Code != 202 {
			t.Errorf("other route: %d %s", w.Code, w.Body)
		}
		v, err := r.show(t.Context(), otherHost, id)
		if err == nil {
			t.Errorf("another route reads it: %+v", v)
		}
	})
}

func TestConcurrentPostsOfOneKey(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r, _, _ := newTestRelay(t, s, "")
		var mu sync.Mutex
		codes, ids := map[int]int{}, map[string]bool{}
		var group sync.WaitGroup
		for range 50 {
			group.Go(func() {
				w := post(r, `{"key":"same","to":["C01","marie@agrafmania.fr","U01"],"text":"x"}`)
				var a answer
				_ = json.Unmarshal(w.Body.Bytes(), &a)
				mu.Lock()
				defer mu.Unlock()
				codes[w.Code]++
				ids[a.ID] = true
			})
		}
		group.Wait()
		if codes[202] != 1 || codes[200] != 49 || len(ids) != 1 {
			t.Errorf("codes %v, ids %v", codes, ids)
		}
		if st, err := r.Stats(t.Context()); err != nil || st != (Stats{Queued: 3}) {
			t.Errorf("stats %+v, %v", st, err)
		}
	})
}

func TestStoreUnavailable(t *testing.T) {
	s := sqliteStore(t)
	r, _, _ := newTestRelay(t, s, "")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	w := post(r, minimalJSON)
	if a := decode(t, w); w.Code != 503 || a.Code != "store_unavailable" || !a.Retryable || w.Header().Get("Retry-After") == "" {
		t.Errorf("got %d %v %s", w.Code, w.Header(), w.Body)
	}
}
