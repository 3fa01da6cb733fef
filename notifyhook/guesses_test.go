package notifyhook

import (
	"bytes"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/throttle"
)

// TestAttackGuessedCredentials: who shows wrong credentials is told after some
// that there were too many, in the words of each door; what is good passes from
// the same address, and who holds a secret is told what is wrong with it.
func TestAttackGuessedCredentials(t *testing.T) {
	const hook = `{"text":"x"}`
	for name, row := range map[string]struct {
		path, body string
		header     func(t *testing.T, r *Relay) []string
		wrong      int
		says       string // what the one is told who tries too often
		good       func(t *testing.T, r *Relay) *httptest.ResponseRecorder
	}{
		"bearer token": {"/v1/notifications", minimalJSON, func(*testing.T, *Relay) []string { return []string{"Authorization", "Bearer guessed"} }, 401, `"code":"too_many_failures"`,
			func(_ *testing.T, r *Relay) *httptest.ResponseRecorder { return post(r, minimalJSON) }},
		"another route's": {"/v1/notifications", minimalJSON, func(*testing.T, *Relay) []string { return []string{"Authorization", "Bearer " + otherToken} }, 403, `"code":"too_many_failures"`,
			func(_ *testing.T, r *Relay) *httptest.ResponseRecorder { return post(r, minimalJSON) }},
		"none": {"/v1/notifications", minimalJSON, func(*testing.T, *Relay) []string { return nil }, 401, `"code":"too_many_failures"`,
			func(_ *testing.T, r *Relay) *httptest.ResponseRecorder { return post(r, minimalJSON) }},
		"signature": {"/v1/notifications", minimalJSON, func(t *testing.T, r *Relay) []string { return signed(t, testSecret, "msg_1", r.now(), minimalJSON+" ") }, 401, `"code":"too_many_failures"`,
			func(t *testing.T, r *Relay) *httptest.ResponseRecorder {
				return call(r, "POST", "/v1/notifications", minimalJSON, append(signed(t, testSecret, "msg_2", r.now(), minimalJSON), "Content-Type", "application/json")...)
			}},
		"incoming webhook": {hookPath + "alertmanager/guessed", hook, func(*testing.T, *Relay) []string { return []string{"Content-Type", "application/json"} }, 403, "rate_limited",
			func(_ *testing.T, r *Relay) *httptest.ResponseRecorder {
				return call(r, "POST", hookAddress, hook, "Content-Type", "application/json")
			}},
		"Web API": {webAPIPath + "auth.test", "", func(*testing.T, *Relay) []string { return []string{"Authorization", "Bearer guessed"} }, 200, `"error":"ratelimited"`,
			func(_ *testing.T, r *Relay) *httptest.ResponseRecorder { return post(r, minimalJSON) }},
	} {
		t.Run(name, func(t *testing.T) {
			r, clock, _ := newTestRelay(t, sqliteStore(t), "http://127.0.0.1:1/")
			r.throttle = throttle.New(r.log, clock.now)
			try := func() *httptest.ResponseRecorder { return call(r, "POST", row.path, row.body, row.header(t, r)...) }
			for i := range 120 {
				if w := try(); w.Code != row.wrong {
					t.Fatalf("try %d is answered %d %s", i, w.Code, w.Body)
				}
			}
			if w := try(); w.Code != 429 || w.Header().Get("Retry-After") != "1" && w.Header().Get("Retry-After") != "2" || !strings.Contains(w.Body.String(), row.says) {
				t.Errorf("who tries too often is answered %d %s", w.Code, w.Body)
			}
			if w := row.good(t, r); w.Code/100 != 2 {
				t.Errorf("what is good is answered %d %s", w.Code, w.Body)
			}
			late := signed(t, testSecret, "msg_3", r.now().Add(-time.Hour), minimalJSON)
			if w := call(r, "POST", "/v1/notifications", minimalJSON, late...); w.Code != 401 || decode(t, w).Code != "timestamp_skew" {
				t.Errorf("a clock that is off is told %d %s", w.Code, w.Body)
			}
			other := httptest.NewRequest("POST", "/v1/notifications", strings.NewReader(minimalJSON))
			other.RemoteAddr = "192.0.2.99:1"
			w := httptest.NewRecorder()
			if r.Handler(host).ServeHTTP(w, other); w.Code != 401 {
				t.Errorf("another address is answered %d", w.Code)
			}
			clock.advance(time.Second)
			if w := try(); w.Code != row.wrong {
				t.Errorf("a second later: %d", w.Code)
			}
		})
	}
}

// slowBody comes up to some size, and then not until it is let.
type slowBody struct {
	first   *bytes.Reader
	waiting chan<- struct{}
	release <-chan struct{}
	told    bool
}

func (b *slowBody) Read(p []byte) (int, error) {
	if n, err := b.first.Read(p); err == nil {
		return n, nil
	}
	if !b.told {
		b.told = true
		b.waiting <- struct{}{}
	}
	<-b.release
	return 0, io.ErrUnexpectedEOF
}

// TestAttackLargeBodiesOfStrangers: until it is known who sends them, so many
// large bodies are in memory and no more; small ones, and those of who shows a
// token first, are read all the same. What has no credential at all is not read.
func TestAttackLargeBodiesOfStrangers(t *testing.T) {
	r, _, _ := newTestRelay(t, sqliteStore(t), "")
	large := strings.Repeat(" ", usualBody+1)
	waiting, release, done := make(chan struct{}), make(chan struct{}), make(chan int)
	header := signed(t, testSecret, "msg_1", r.now(), "another body")
	for range maxLarge {
		req := httptest.NewRequest("POST", "/v1/notifications/batch", &slowBody{first: bytes.NewReader([]byte(large)), waiting: waiting, release: release})
		req.ContentLength = maxBatchBody
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		go func() {
			w := httptest.NewRecorder()
			r.Handler(host).ServeHTTP(w, req)
			done <- w.Code
		}()
		<-waiting
	}
	body := minimalJSON + large
	send := func(body string) *httptest.ResponseRecorder {
		return call(r, "POST", "/v1/notifications", body, append(signed(t, testSecret, "msg_2", r.now(), body), "Content-Type", "application/json")...)
	}
	if w := send(body); w.Code != 503 || w.Header().Get("Retry-After") == "" || decode(t, w).Code != "busy" {
		t.Errorf("one large body more is answered %d %s", w.Code, w.Body)
	}
	if w := send(minimalJSON); w.Code != 202 {
		t.Errorf("a small one is answered %d %s", w.Code, w.Body)
	}
	if w := post(r, body); w.Code != 202 {
		t.Errorf("a large one with a token is answered %d %s", w.Code, w.Body)
	}
	none := httptest.NewRequest("POST", "/v1/notifications", &slowBody{first: bytes.NewReader(nil)})
	w := httptest.NewRecorder()
	if r.Handler(host).ServeHTTP(w, none); w.Code != 401 {
		t.Errorf("without a credential: %d", w.Code)
	}
	close(release)
	for range maxLarge {
		if code := <-done; code != 400 {
			t.Errorf("what did not come whole is answered %d", code)
		}
	}
	if w := send(body); w.Code != 200 && w.Code != 202 {
		t.Errorf("when there is room again: %d %s", w.Code, w.Body)
	}
}
