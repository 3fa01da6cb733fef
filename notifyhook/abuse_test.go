package notifyhook

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
)

// A form or a list with very many small parts costs what its size says, and its
// answer is not many times its size.
func TestManySmallMistakes(t *testing.T) {
	r, _, _ := newTestRelay(t, sqliteStore(t), "")
	repeat := func(n int, part func(i int) string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(part(i))
		}
		return b.String()
	}
	for _, tt := range []struct {
		name, path, contentType, body string
		status                        int
	}{
		{"to, thousands of times in a form", "/v1/notifications", formType, "text=x&" + repeat(12_000, func(int) string { return "to=&" }), 422},
		{"fields of data in a form", "/v1/notifications", formType, "text=x&to=C01&" + repeat(5_000, func(i int) string { return fmt.Sprintf("data[%d]=&", i) }), 422},
		{"fields of data in a form for a batch", "/v1/notifications/batch", formType, repeat(80_000, func(i int) string { return fmt.Sprintf("data[%d]=&", i) }), 422},
		{"recipients that are none", "/v1/notifications", "application/json", `{"text":"x","to":"` + strings.Repeat("x,", 30_000) + `"}`, 422},
		{"mentions that are none", "/v1/notifications", "application/json", `{"text":"x","to":"C01","mentions":"` + strings.Repeat("x,", 30_000) + `"}`, 422},
		{"one recipient again and again", "/v1/notifications", "application/json", `{"text":"x","to":"` + strings.Repeat("C01,", 15_000) + `"}`, 202},
	} {
		t.Run(tt.name, func(t *testing.T) {
			start := time.Now()
			w := postTo(r, tt.path, tt.body, "Content-Type", tt.contentType)
			took := time.Since(start)
			if w.Code != tt.status || w.Body.Len() > 16<<10 || took > 2*time.Second {
				t.Errorf("got %d with %d bytes after %s: %s", w.Code, w.Body.Len(), took, w.Body.Bytes()[:min(w.Body.Len(), 300)])
			}
		})
	}
}

// A sender that signs with both secrets while it changes over is let in as long
// as one of them is good, in whichever order they are configured and sent.
func TestSignedWithAnExpiredSecretToo(t *testing.T) {
	r, clock, _ := newTestRelay(t, sqliteStore(t), "")
	good, old := signed(t, testSecret, "both", clock.now(), minimalJSON), signed(t, oldSecret, "both", clock.now(), minimalJSON)
	for _, value := range []string{good[5] + " " + old[5], old[5] + " " + good[5]} {
		headers := append([]string{}, good...)
		headers[5] = value
		if w := call(r, "POST", "/v1/notifications", minimalJSON, headers...); w.Code != http.StatusAccepted && w.Code != http.StatusOK {
			t.Errorf("got %d %s", w.Code, w.Body)
		}
	}
	if w := call(r, "POST", "/v1/notifications", minimalJSON, old...); w.Code != http.StatusUnauthorized || !bytes.Contains(w.Body.Bytes(), []byte("secret_expired")) {
		t.Errorf("with the expired one alone: %d %s", w.Code, w.Body)
	}
}

// A signature covers neither method nor path: who has seen a signed request must
// not get its message out a second time at another door.
func TestSignedRequestAtAnotherDoor(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r, clock, _ := newTestRelay(t, s, "")
		doors := []string{"/v1/notifications", "/v1/ping", "/v1/notifications/batch"}
		for i, body := range []string{minimalJSON, `{"to":["C0GENERAL"],"text":"x","type":"ping"}`, `{"items":[` + minimalJSON + `]}`} {
			for _, first := range doors {
				headers := signed(t, testSecret, fmt.Sprintf("door-%d-%s", i, strings.ReplaceAll(first, "/", "_")), clock.now(), body)
				before := accepted(t, s)
				call(r, "POST", first, body, headers...)
				sent := accepted(t, s) - before
				for _, door := range doors {
					if door != first {
						call(r, "POST", door, body, headers...)
					}
				}
				if n := accepted(t, s) - before; sent == 1 && n != 1 {
					t.Errorf("%s, sent to %s, became %d notifications", body, first, n)
				}
			}
		}
	})
}

// Guessing is seen at every door, without what was guessed.
func TestGuessesAreLogged(t *testing.T) {
	for name, guess := range map[string]struct{ path, authorization, body, code string }{
		"token":          {"/v1/notifications", "Bearer guess", minimalJSON, "token_mismatch"},
		"hook":           {"/services/guess/x", "", "{}", "no_service"},
		"token of hook":  {"/services/alertmanager/guess", "", "{}", "invalid_token"},
		"Web API":        {"/slack/api/auth.test", "Bearer guess", "", "token_mismatch"},
		"Web API's form": {"/slack/api/auth.test", "", "token=guess", "token_mismatch"},
		"other route's":  {"/slack/api/auth.test", "Bearer " + otherToken, "", "route_mismatch"},
	} {
		t.Run(name, func(t *testing.T) {
			r, _, log := newTestRelay(t, sqliteStore(t), "")
			for range 9 {
				call(r, "POST", guess.path, guess.body, "Authorization", guess.authorization, "Content-Type", formType)
			}
			if said := log.String(); strings.Count(said, "notification caller refused") != 1 || !strings.Contains(said, guess.code) || strings.Contains(said, "guess") {
				t.Errorf("logged %s", said)
			}
		})
	}
}

func accepted(t testing.TB, s *store.Store) (n int) {
	t.Helper()
	if err := s.Read().QueryRow(`SELECT COUNT(*) FROM notification`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// Slack looks for names of people in the markup of a block that is not verbatim.
func TestNamesInALongBatchPingNobody(t *testing.T) {
	r, clock, sim, _ := relayOn(t, sqliteStore(t))
	var bodies []string
	for i := range 6 {
		bodies = append(bodies, fmt.Sprintf(`{"to":["U0MARIE"],"format":"mrkdwn","text":"%d @channel %s"}`, i, strings.Repeat("é", 2400)))
	}
	backUp(t, r, clock, bodies...)
	step(t, r)
	m := sim.Messages(team, "U0MARIE")
	if last := string(m[len(m)-1].Blocks); strings.Count(last, `"mrkdwn"`) < 2 || strings.Count(last, `"mrkdwn"`) != strings.Count(last, `"verbatim":true`) {
		t.Errorf("got %.300s", last)
	}
}

// Many at once ask for the same thing at several doors and by key, by signature
// or by looks: it is one notification each time.
func TestConcurrentDuplicates(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r, clock, _ := newTestRelay(t, s, "")
		r.routes()[host].Collapse = time.Minute
		headers := signed(t, testSecret, "signed-1", clock.now(), minimalJSON)
		for _, row := range []struct {
			name string
			send func(i int) int
		}{
			{"by key", func(int) int { return post(r, `{"key":"k-1","to":["C0GENERAL"],"text":"a"}`).Code }},
			{"by looks", func(int) int { return post(r, `{"to":["C0GENERAL"],"text":"b"}`).Code }},
			{"by looks, after a minute", func(int) int { return post(r, `{"to":["C0GENERAL"],"text":"b"}`).Code }},
			{"by signature", func(i int) int {
				return call(r, "POST", []string{"/v1/notifications", "/v1/ping"}[i%2], minimalJSON, headers...).Code
			}},
			{"one and batch", func(i int) int {
				if i%2 == 0 {
					return post(r, `{"key":"both:0","to":["C0GENERAL"],"text":"c"}`).Code
				}
				return postTo(r, "/v1/notifications/batch", `{"items":[{"to":["C0GENERAL"],"text":"c"}]}`, "Idempotency-Key", "both").Code
			}},
			{"Web API", func(int) int {
				return call(r, "POST", "/slack/api/chat.postMessage", "channel=C0GENERAL&text=d", "Authorization", "Bearer "+testToken, "Content-Type", formType, "Idempotency-Key", "d").Code
			}},
			{"hook", func(int) int {
				return call(r, "POST", hookPath+"alertmanager/"+hookSecret, `{"text":"e"}`, "Idempotency-Key", "e").Code
			}},
		} {
			name := row.name
			if strings.Contains(name, "minute") {
				clock.advance(2 * time.Minute)
			}
			before := accepted(t, s)
			var all sync.WaitGroup
			for i := range 40 {
				all.Go(func() {
					if code := row.send(i); code != 200 && code != 202 && code != 422 {
						t.Errorf("%s: answered %d", name, code)
					}
				})
			}
			all.Wait()
			if n := accepted(t, s) - before; n != 1 {
				t.Errorf("%s: %d notifications", name, n)
			}
		}
	})
}

// What names nobody any more, because it was erased, is not sent to nobody.
func TestReplayOfWhatWasErased(t *testing.T) {
	r, _, _ := newTestRelay(t, sqliteStore(t), "")
	id := mustPost(t, r, minimalJSON)
	execute(t, r.store, `UPDATE notification SET request = '{"to":[]}'`)
	if w := postTo(r, "/v1/notifications/"+id+"/replay?all=1", ""); w.Code != http.StatusConflict || accepted(t, r.store) != 1 {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}
