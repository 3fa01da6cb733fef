package notifyhook

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/secret"
)

func unix(at time.Time) string { return strconv.FormatInt(at.Unix(), 10) }

// The vector of the Standard Webhooks reference implementations.
func TestSignatureVector(t *testing.T) {
	c, err := newCredentials(host, Settings{SigningSecrets: []Credential{{Value: testSecret}}})
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{}
	h.Set("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek")
	h.Set("webhook-timestamp", "1614265330")
	h.Set("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
	who, p := c.checkSignature(h, []byte(`{"test": 2432232314}`), time.Unix(1614265330+100, 0))
	if p != nil {
		t.Fatalf("refused: %s %s", p.Code, p.Detail)
	}
	if who.Kind != "signature" || who.ID != "1" || who.Skew != -100 {
		t.Errorf("caller = %+v", who)
	}
}

func TestCredentials(t *testing.T) {
	r, clock, _ := newTestRelay(t, sqliteStore(t), "")
	now := clock.now()
	sign := func(s string, at time.Time, edit func(h http.Header)) func() []string {
		return func() []string {
			pairs := signed(t, secret.String(s), "msg_1", at, minimalJSON)
			h := http.Header{}
			for i := 0; i < len(pairs); i += 2 {
				h.Set(pairs[i], pairs[i+1])
			}
			if edit != nil {
				edit(h)
			}
			var out []string
			for name := range h {
				out = append(out, name, h.Get(name))
			}
			return out
		}
	}
	tests := []struct {
		name    string
		headers func() []string
		status  int
		code    string
	}{
		{"good signature", sign(testSecret, now, nil), 202, ""},
		{"second active secret", sign(newSecret, now, nil), 200, ""}, // the same id and body as before
		{"expired secret", sign(oldSecret, now, nil), 401, "secret_expired"},
		{"300 s behind", sign(testSecret, now.Add(-300*time.Second), nil), 200, ""},
		{"301 s behind", sign(testSecret, now.Add(-301*time.Second), nil), 401, "timestamp_skew"},
		{"301 s ahead", sign(testSecret, now.Add(301*time.Second), nil), 401, "timestamp_skew"},
		{"wrong secret", sign("whsec_"+strings.Repeat("QUFB", 10), now, nil), 401, "signature_mismatch"},
		{"id changed", sign(testSecret, now, func(h http.Header) { h.Set("webhook-id", "msg_2") }), 401, "signature_mismatch"},
		{"time changed", sign(testSecret, now, func(h http.Header) { h.Set("webhook-timestamp", unix(now.Add(time.Second))) }), 401, "signature_mismatch"},
		{"time with a plus", sign(testSecret, now, func(h http.Header) { h.Set("webhook-timestamp", "+"+unix(now)) }), 401, "signature_mismatch"},
		{"no signature", sign(testSecret, now, func(h http.Header) { h.Del("webhook-signature") }), 401, "signature_missing"},
		{"fifth of five", sign(testSecret, now, func(h http.Header) {
			h.Set("webhook-signature", strings.Repeat("v1,AAAA ", 4)+h.Get("webhook-signature"))
		}), 200, ""},
		{"sixth of six", sign(testSecret, now, func(h http.Header) {
			h.Set("webhook-signature", strings.Repeat("v1,AAAA ", 5)+h.Get("webhook-signature"))
		}), 401, "signature_mismatch"},
		{"other version", sign(testSecret, now, func(h http.Header) {
			h.Set("webhook-signature", strings.Replace(h.Get("webhook-signature"), "v1,", "v2,", 1))
		}), 401, "signature_mismatch"},
		{"nothing", func() []string { return nil }, 401, "credential_missing"},
		{"basic", func() []string { return []string{"Authorization", "Basic Zm9vOmJhcg=="} }, 401, "credential_missing"},
		{"good token", func() []string { return []string{"Authorization", "bearer " + testToken} }, 202, ""},
		{"wrong token", func() []string { return []string{"Authorization", "Bearer " + testToken + "x"} }, 401, "token_mismatch"},
		{"empty token", func() []string { return []string{"Authorization", "Bearer "} }, 401, "token_mismatch"},
		{"token of another route", func() []string { return []string{"Authorization", "Bearer " + otherToken} }, 403, "route_mismatch"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := call(r, "POST", "/v1/notifications", minimalJSON, tt.headers()...)
			a := decode(t, w)
			if w.Code != tt.status || a.Code != tt.code {
				t.Errorf("got %d %q, want %d %q: %s", w.Code, a.Code, tt.status, tt.code, w.Body)
			}
			if (w.Code == 401) != (w.Header().Get("WWW-Authenticate") == `Bearer realm="`+host+`"`) {
				t.Errorf("WWW-Authenticate = %q with %d", w.Header().Get("WWW-Authenticate"), w.Code)
			}
			if (tt.code == "timestamp_skew") != (a.Skew != nil) {
				t.Errorf("skew_seconds = %v", a.Skew)
			}
		})
	}
}

// What is signed is id.timestamp.body. Whoever has seen one signed request for
// (id "a", time T, body "T2.{…}") holds a signature for (id "a.T", time T2,
// body "{…}") as well, and the reference library takes it.
func TestSignatureOfDottedID(t *testing.T) {
	r, clock, _ := newTestRelay(t, sqliteStore(t), "")
	now := clock.now()
	seen := signed(t, testSecret, "a", now, unix(now)+"."+minimalJSON)
	signature := seen[5]
	send := func(id string) answer {
		return decode(t, call(r, "POST", "/v1/notifications", minimalJSON, "Content-Type", "application/json",
			"webhook-id", id, "webhook-timestamp", unix(now), "webhook-signature", signature))
	}
	if a := send("a." + unix(now)); a.Code != "webhook_id_invalid" {
		t.Errorf("forged: got %+v", a)
	}
	if a := send("a"); a.Code != "signature_mismatch" {
		t.Errorf("refused: got %+v", a)
	}
	if w := call(r, "POST", "/v1/notifications", minimalJSON, signed(t, testSecret, "a", now, minimalJSON)...); w.Code != 202 {
		t.Errorf("baseline: got %d %s", w.Code, w.Body)
	}
}

func TestReplayedRequest(t *testing.T) {
	r, clock, _ := newTestRelay(t, sqliteStore(t), "")
	headers := signed(t, testSecret, "order-1", clock.now(), minimalJSON)
	first := call(r, "POST", "/v1/notifications", minimalJSON, headers...)
	again := call(r, "POST", "/v1/notifications", minimalJSON, headers...)
	if first.Code != 202 || again.Code != 200 || decode(t, first).ID != decode(t, again).ID || again.Header().Get("Idempotent-Replayed") != "true" {
		t.Errorf("first %d, again %d %v %s", first.Code, again.Code, again.Header(), again.Body)
	}
	// A header that the signature does not cover must not make it another one.
	w := call(r, "POST", "/v1/notifications", minimalJSON, append(headers, "Idempotency-Key", "order-2")...)
	if w.Code != 400 || decode(t, w).Code != "key_conflict" {
		t.Errorf("with another key: %d %s", w.Code, w.Body)
	}
}

func TestReadingNeedsToken(t *testing.T) {
	r, clock, _ := newTestRelay(t, sqliteStore(t), "")
	id := mustPost(t, r, minimalJSON)
	path := "/v1/notifications/" + id
	if w := call(r, "GET", path, "", signed(t, testSecret, "p", clock.now(), "")...); w.Code != 401 || decode(t, w).Code != "bearer_required" {
		t.Errorf("by signature: %d %s", w.Code, w.Body)
	}
	if w := call(r, "GET", path, "", "Authorization", "Bearer "+testToken); w.Code != 200 || decode(t, w).ID != id {
		t.Errorf("by token: %d %s", w.Code, w.Body)
	}
	if w := call(r, "GET", path+"x", "", "Authorization", "Bearer "+testToken); w.Code != 404 {
		t.Errorf("unknown id: %d %s", w.Code, w.Body)
	}
}
