package main

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/cocoom/cocoom-gateway/configs"
)

const (
	interopHost   = "interop.localhost"
	interopOrigin = "http://" + interopHost // no port: the dialer finds the gateway by the name
	hookToken     = "ck_interop_0123456789"
	hookKey       = "an interop signing key, 32 bytes"
)

// interopGateway is a gateway, and behind it an app that answers each request
// with what it received.
type interopGateway struct {
	address string
	inside  string       // of the private listener; empty: there is none
	served  atomic.Int32 // requests that reached the app
}

// appRequest is a request as the app received it.
type appRequest struct {
	Path, Query, Host string
	Header            http.Header
}

// startInterop runs the gateway on a configuration in which words are replaced.
func startInterop(t *testing.T, yaml string, replace ...string) *interopGateway {
	t.Helper()
	g := &interopGateway{}
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.served.Add(1)
		_ = json.NewEncoder(w).Encode(appRequest{r.URL.EscapedPath(), r.URL.RawQuery, r.Host, r.Header})
	}))
	t.Cleanup(app.Close)
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	if err := os.WriteFile(file, []byte(strings.NewReplacer(append(replace, "APP", app.URL)...).Replace(yaml)), 0o600); err != nil {
		t.Fatal(err)
	}
	environment := map[string]string{"CLIENT_SECRET": clientSecret, "BOT_TOKEN": botToken, "HOOK_TOKEN": hookToken,
		"HOOK_SECRET": "whsec_" + base64.StdEncoding.EncodeToString([]byte(hookKey))}
	cfg, err := configs.Load(file, func(name string) string { return environment[name] })
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	p, err := start(ctx, cfg, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		stop()
		t.Fatal(err)
	}
	g.address = p.public.addr()
	if p.private != nil {
		g.inside = p.private.addr()
	}
	ended := make(chan error, 1)
	go func() { ended <- p.run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the gateway ended with %v", err)
		}
	})
	return g
}

// client reaches the gateway by its host's name, and else loopback only.
func (g *interopGateway) client(t *testing.T) *http.Client {
	transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		switch host, _, _ := net.SplitHostPort(address); host {
		case interopHost:
			address = g.address
		case "127.0.0.1":
		default:
			return nil, fmt.Errorf("%s is not of this test", address)
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 30 * time.Second}
}

// interopBrowser opens pages and fills in forms.
type interopBrowser struct {
	t      *testing.T
	client *http.Client
}

func (g *interopGateway) browser(t *testing.T) interopBrowser {
	t.Helper()
	b := interopBrowser{t, g.client(t)}
	var err error
	if b.client.Jar, err = cookiejar.New(nil); err != nil {
		t.Fatal(err)
	}
	return b
}

// opened is the page where an address led.
type opened struct {
	at     *url.URL
	status int
	body   string
}

// open follows an address; with values it submits a form there.
func (b interopBrowser) open(address string, values url.Values) opened {
	b.t.Helper()
	r, err := http.NewRequest(http.MethodGet, address, nil)
	if values != nil {
		r, err = http.NewRequest(http.MethodPost, address, strings.NewReader(values.Encode()))
	}
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header = http.Header{"Accept": {"text/html"}, "Accept-Language": {"en"}, "Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"document"}}
	if values != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return opened{resp.Request.URL, resp.StatusCode, string(body)}
}

// signIn opens an address of the gateway, answers the provider's forms as
// account, or cancels if that is empty, and returns where it ends.
func (b interopBrowser) signIn(address, account string) opened {
	b.t.Helper()
	p := b.open(address, nil)
	if p.at.Host == interopHost {
		b.t.Fatalf("%s was not sent to the provider: %d\n%s", address, p.status, p.body)
	}
	for range 4 {
		form, cancel := p.form(b.t)
		if account == "" {
			p = b.open(cancel, nil)
		} else {
			target := form.Get("action")
			form.Del("action")
			if form.Has("login") {
				form.Set("login", account)
				form.Set("password", "any")
			}
			p = b.open(target, form)
		}
		if p.at.Host == interopHost {
			return p
		}
	}
	b.t.Fatalf("the provider asks on and on: %d at %s\n%s", p.status, p.at, p.body)
	return p
}

// form reads the fields of a page's form, with its address as "action", and the
// address of the link that cancels.
func (p opened) form(t *testing.T) (fields url.Values, cancel string) {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(p.body))
	if err != nil {
		t.Fatal(err)
	}
	fields = url.Values{}
	for n := range doc.Descendants() {
		attr := map[string]string{}
		for _, a := range n.Attr {
			attr[a.Key] = a.Val
		}
		switch {
		case n.Data == "form":
			fields.Set("action", attr["action"])
		case n.Data == "input":
			fields.Set(attr["name"], attr["value"])
		case n.Data == "a" && strings.HasSuffix(attr["href"], "/abort"):
			cancel = attr["href"]
		}
	}
	if !fields.Has("action") || cancel == "" {
		t.Fatalf("no form at %s: %d\n%s", p.at, p.status, p.body)
	}
	return fields, cancel
}

// notify makes a request to the notification API.
func notify(t *testing.T, contentType, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, interopOrigin+"/.gateway/v1/notifications", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", contentType)
	return r
}

func bearerForm(t *testing.T, values url.Values) *http.Request {
	t.Helper()
	r := notify(t, "application/x-www-form-urlencoded", values.Encode())
	r.Header.Set("Authorization", "Bearer "+hookToken)
	return r
}

// signedJSON signs as the Standard Webhooks specification says, without the
// library that the gateway verifies with.
func signedJSON(t *testing.T, body string) *http.Request {
	t.Helper()
	r := notify(t, "application/json", body)
	id, at := "msg_"+rand.Text(), strconv.FormatInt(time.Now().Unix(), 10)
	mac := hmac.New(sha256.New, []byte(hookKey))
	mac.Write([]byte(id + "." + at + "." + body))
	r.Header.Set("webhook-id", id)
	r.Header.Set("webhook-timestamp", at)
	r.Header.Set("webhook-signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return r
}

// delivered is what the notification API says of one recipient.
type delivered struct{ To, State, Error, Channel, TS string }

// deliver posts a notification to one recipient and waits until it is over.
func (g *interopGateway) deliver(t *testing.T, r *http.Request) delivered {
	t.Helper()
	client := g.client(t)
	var n struct {
		ID, Status string
		Recipients []delivered
	}
	ask := func(r *http.Request, want int) {
		t.Helper()
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != want || json.Unmarshal(body, &n) != nil {
			t.Fatalf("%s %s answered %d %s %v", r.Method, r.URL, resp.StatusCode, body, err)
		}
	}
	ask(r, http.StatusAccepted)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); n.Status == "queued" && time.Now().Before(deadline); <-tick.C {
		status, err := http.NewRequest(http.MethodGet, interopOrigin+"/.gateway/v1/notifications/"+n.ID, nil)
		if err != nil {
			t.Fatal(err)
		}
		status.Header.Set("Authorization", "Bearer "+hookToken)
		ask(status, http.StatusOK)
	}
	if n.Status == "queued" || len(n.Recipients) != 1 {
		t.Fatalf("the notification stands at %+v", n)
	}
	return n.Recipients[0]
}
