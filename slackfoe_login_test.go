package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/cocoom/cocoom-gateway/configs"
	"github.com/cocoom/cocoom-gateway/internal/slackapi/slackfoe"
	"github.com/cocoom/cocoom-gateway/internal/slacksim"
)

// sharedLog takes the log of a program that runs.
type sharedLog struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (l *sharedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *sharedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// betrayed is an office whose Slack means ill, with a log that is read in the end.
type betrayed struct {
	*office
	p         *program
	log       *sharedLog
	elsewhere *httptest.Server // where redirects lead, to no good
	astray    atomic.Int32     // requests that followed one
}

func betray(t *testing.T) *betrayed {
	t.Helper()
	b := &betrayed{office: newOffice(t, t.TempDir()), log: &sharedLog{}}
	b.elsewhere = httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { b.astray.Add(1) }))
	t.Cleanup(b.elsewhere.Close)
	cfg, err := configs.Load(b.file("0"), os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	if b.p, err = start(context.Background(), cfg, slog.New(slog.NewJSONHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug}))); err != nil {
		t.Fatal(err)
	}
	runs(t, b.p)
	t.Cleanup(b.inspect)
	return b
}

// inspect looks for what Slack's answers may have left behind.
func (b *betrayed) inspect() {
	if n := b.astray.Load(); n > 0 {
		b.t.Errorf("%d redirects were followed", n)
	}
	b.spares(b.log.String())
	for line := range strings.Lines(b.log.String()) {
		if !json.Valid([]byte(line)) || len(line) > 4<<10 || strings.ContainsAny(line, "\x1b\a\r") {
			b.t.Errorf("the log has a line of %d bytes: %.200q", len(line), line)
		}
	}
}

// spares fails if text holds a secret: neither one of the route's nor what Slack
// has given out for somebody.
func (b *betrayed) spares(text string) {
	b.t.Helper()
	c := customers[0]
	for _, secret := range []string{c.ClientSecret, c.BotToken, "MDEyMzQ1Njc4OWFi", "xoxp-", "xoxb-", "eyJhbGciOi"} {
		if strings.Contains(text, secret) {
			b.t.Errorf("%s is in\n%s", secret, text)
		}
	}
}

// tries signs somebody in, and gives the answer in which that ends with its body.
func (b *betrayed) tries(user string) (*http.Response, string) {
	m := b.browser(b.p)
	defer m.CloseIdleConnections()
	first, _ := m.page("GET", b.origin+"/", nil)
	if strings.HasPrefix(first.Request.URL.String(), b.origin) {
		b.t.Fatalf("not sent to Slack, but answered %d", first.StatusCode)
	}
	return m.page("POST", first.Request.URL.String(), url.Values{"person": {customers[0].Team + ":" + user}})
}

// page is ask with the answer's body.
func (m *member) page(method, address string, form url.Values) (*http.Response, string) {
	m.t.Helper()
	req, err := http.NewRequest(method, address, strings.NewReader(form.Encode()))
	if err != nil {
		m.t.Fatal(err)
	}
	req.Header.Set("Accept", "text/html")
	req.Header.Set("Sec-Fetch-Mode", "navigate")
	req.Header.Set("Sec-Fetch-Dest", "document")
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := m.Do(req)
	if err != nil {
		m.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		m.t.Fatal(err)
	}
	return resp, string(text)
}

// refused fails unless the sign-in ended on a page of ours that says what to do.
func (b *betrayed) refused(t *testing.T, resp *http.Response, page string) {
	t.Helper()
	if !strings.HasPrefix(resp.Request.URL.String(), b.origin+"/.gateway/") || resp.StatusCode < 400 || !strings.Contains(page, `id="next"`) {
		t.Errorf("ended at %s with %d: %.300s", resp.Request.URL.Path, resp.StatusCode, page)
	}
	if resp.StatusCode == http.StatusServiceUnavailable && resp.Header.Get("Retry-After") == "" {
		t.Error("503 without Retry-After")
	}
	if strings.Contains(page, "<script") || strings.ContainsAny(page, "\x1b\a\u202e\u0085") || len(page) > 64<<10 {
		t.Errorf("Slack's words stand on the page: %.300q", page)
	}
	for _, c := range resp.Cookies() {
		if c.Value != "" && !strings.Contains(c.Name, "tab") {
			t.Errorf("the cookie %s is set", c.Name)
		}
	}
	b.spares(page)
}

// TestAttackBySlackAtLogin: each hostile answer instead of each that a sign-in
// asks for, at the running program. Nobody is signed in, everybody gets a page,
// nothing of it stays in memory, and then Slack's word is good again.
func TestAttackBySlackAtLogin(t *testing.T) {
	t.Parallel()
	b := betray(t)
	strange, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	b.tries("U0MARIE") // what is made once is made
	before, goroutines := heap(), runtime.NumGoroutine()
	for name, answer := range slackfoe.Answers(b.elsewhere.URL) {
		for _, method := range []string{"openid.connect.token", "users.info", "keys"} {
			if racing && method != "keys" { // one at a time is no race
				continue
			}
			t.Run(method+" answers with "+name, func(t *testing.T) {
				b.slack.Fault(slacksim.Fault{Method: method, Kind: slacksim.Custom, Answer: answer})
				if method == "keys" { // which are asked for when an unknown one has signed
					b.slack.Fault(slacksim.Fault{Method: "openid.connect.token", Kind: slacksim.Forged, Forge: func(c jwt.MapClaims) string { return signedBy(t, strange, c) }})
				}
				defer b.slack.ClearFaults()
				begun := time.Now()
				resp, page := b.tries("U0MARIE")
				b.refused(t, resp, page)
				if took := time.Since(begun); took > 8*time.Second && !racing {
					t.Errorf("took %s", took)
				}
			})
		}
	}
	if resp, _ := b.tries("U0MARIE"); resp.Request.URL.String() != b.origin+"/" {
		t.Errorf("afterwards a sign-in ends at %s", resp.Request.URL)
	}
	t.Logf("%d KiB more in use, %d goroutines instead of %d", (heap()-before)>>10, runtime.NumGoroutine(), goroutines)
	if more := heap() - before; more > 32<<20 && !racing { // other tests run beside
		t.Errorf("%d MiB stay in use", more>>20)
	}
}

// heap is how many bytes are in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func signedBy(t *testing.T, key *rsa.PrivateKey, c jwt.MapClaims) string {
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, c)
	token.Header["kid"] = "strange"
	signed, err := token.SignedString(key)
	if err != nil {
		t.Error(err)
	}
	return signed
}

// TestAttackBySlowSlackAtLogin: an answer that comes byte by byte, at each place.
// The person has a page after a time-out, and does not wait for its end.
func TestAttackBySlowSlackAtLogin(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"discovery", "keys", "openid.connect.token", "users.info"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			b := betray(t)
			b.slack.Fault(slacksim.Fault{Method: method, Kind: slacksim.Custom, Answer: slackfoe.Drip})
			begun := time.Now()
			m := b.browser(b.p)
			resp, page := m.page("GET", b.origin+"/", nil)
			if method != "discovery" {
				resp, page = m.page("POST", resp.Request.URL.String(), url.Values{"person": {customers[0].Team + ":U0MARIE"}})
			}
			if took := time.Since(begun); resp.StatusCode < 500 || !strings.Contains(page, `id="next"`) || took > 25*time.Second {
				t.Errorf("answered %d after %s: %.300s", resp.StatusCode, took, page)
			}
		})
	}
}
