package notifyhook

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/cocoom/cocoom-gateway/internal/secret"
	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
)

const (
	host        = "agrafmania.cocoom.com"
	otherHost   = "editionsduport.cocoom.com"
	testSecret  = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	newSecret   = "whsec_bmV3IHNlY3JldCBvZiAzMiBieXRlcyBmb3IgdGVzdHM="
	oldSecret   = "whsec_b2xkIHNlY3JldCBvZiAzMiBieXRlcyBmb3IgdGVzdHM="
	testToken   = "ck_agrafmania_0123456789abcdef"
	otherToken  = "ck_editions_0123456789abcdef"
	hookSecret  = "0123456789abcdef-alertmanager"
	botToken    = "xoxb-agrafmania-bot-token"
	otherBot    = "xoxb-editions-bot-token"
	minimalJSON = `{"to":["C0GENERAL"],"text":"Facture validée"}`
)

// fakeClock is both of the relay's clocks, and the simulator's.
type fakeClock struct {
	mu sync.Mutex
	t  time.Time
}

func newFakeClock() *fakeClock {
	return &fakeClock{t: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)}
}

func (c *fakeClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *fakeClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// syncBuffer collects the log of concurrent writers.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func testRoutes() []Route {
	return []Route{
		{Host: host, Workspace: "T0AGRAF001", BotToken: botToken, Settings: Settings{
			SigningSecrets: []Credential{{ID: "k1", Value: testSecret}, {ID: "k2", Value: newSecret},
				{ID: "k0", Value: oldSecret, NotAfter: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)}},
			BearerTokens: []Credential{{Value: testToken}}, LinkHosts: []string{"intranet.agrafmania.fr"},
			Hooks: []Hook{{ID: "alertmanager", To: "#ventes", Tokens: []Credential{{Value: hookSecret},
				{Value: "an-old-token-0123456789", NotAfter: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)}}}}}},
		{Host: otherHost, Workspace: "T0PORT0001", BotToken: otherBot, Settings: Settings{BearerTokens: []Credential{{Value: otherToken}}}},
	}
}

// newTestRelay makes a relay of testRoutes on s whose clocks stand still.
func newTestRelay(t testing.TB, s *store.Store, apiURL string) (*Relay, *fakeClock, *syncBuffer) {
	t.Helper()
	var log syncBuffer
	clock := newFakeClock()
	r := relayOf(t, s, clock, Config{Routes: testRoutes(), APIURL: apiURL,
		Log: slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	t.Cleanup(func() { // whatever a test did, no secret came out
		for _, s := range []string{botToken, otherBot, testToken, otherToken, testSecret, newSecret, hookSecret} {
			if strings.Contains(log.String(), s) {
				t.Errorf("a secret is in the log: %s", log.String())
			}
		}
	})
	return r, clock, &log
}

// relayOf makes a relay on s whose clocks are the given one.
func relayOf(t testing.TB, s *store.Store, clock *fakeClock, cfg Config) *Relay {
	t.Helper()
	cfg.Store, cfg.PublicScheme = s, "https"
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r.now = clock.now
	r.clock = func(context.Context) (time.Time, error) { return clock.now(), nil }
	r.arrival = r.clock
	return r
}

func sqliteStore(t testing.TB) *store.Store {
	t.Helper()
	return storetest.Open(t, filepath.Join(t.TempDir(), "state"))
}

// call sends a request to the handler of host; headers come in pairs.
func call(r *Relay, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(method, path, strings.NewReader(body))
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	r.Handler(host).ServeHTTP(w, req)
	return w
}

// post sends a notification with the bearer token.
func post(r *Relay, body string, headers ...string) *httptest.ResponseRecorder {
	return call(r, "POST", "/v1/notifications", body, append([]string{"Authorization", "Bearer " + testToken, "Content-Type", "application/json"}, headers...)...)
}

type answer struct {
	ID         string
	Key        string
	Status     any // a number in problems
	Duplicate  bool
	Recipients []Delivery
	Warnings   []string
	Code       string
	Detail     string
	Errors     []fieldError
	Retryable  bool
	RequestID  string `json:"request_id"`
	Skew       *int   `json:"skew_seconds"`
}

func decode(t testing.TB, w *httptest.ResponseRecorder) answer {
	t.Helper()
	var a answer
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
		t.Fatalf("answer %d is not JSON: %s", w.Code, w.Body)
	}
	return a
}

// mustPost accepts a notification and returns its id.
func mustPost(t testing.TB, r *Relay, body string) string {
	t.Helper()
	w := post(r, body)
	if w.Code != http.StatusAccepted {
		t.Fatalf("post %s: %d %s", body, w.Code, w.Body)
	}
	return decode(t, w).ID
}

func show(t testing.TB, r *Relay, id string) Notification {
	t.Helper()
	v, err := r.show(context.Background(), host, id)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// signed returns the headers of a Standard Webhooks signature.
func signed(t testing.TB, s secret.String, id string, at time.Time, body string) []string {
	t.Helper()
	key, err := signingKey(s)
	if err != nil {
		t.Fatal(err)
	}
	wh, err := standardwebhooks.NewWebhookRaw(key)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := wh.Sign(id, at, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return []string{"webhook-id", id, "webhook-timestamp", unix(at), "webhook-signature", signature, "Content-Type", "application/json"}
}

// step claims and works until nothing is due, at a clock that stands still.
func step(t testing.TB, r *Relay) {
	t.Helper()
	for range 1000 {
		claims, err := r.claim(context.Background(), workers)
		if err != nil {
			t.Fatal(err)
		}
		if len(claims) == 0 {
			return
		}
		for _, c := range claims {
			r.work(context.Background(), c)
		}
	}
	t.Fatal("still lanes due after 1000 rounds")
}

// running runs the relay until it is stopped, which waits for its end.
func running(t *testing.T, r *Relay) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	return func() {
		t.Helper()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}
