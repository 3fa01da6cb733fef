package gateway_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/internal/secret"
	"github.com/cocoom/cocoom-gateway/internal/slacksim"
	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/policy"
	"github.com/cocoom/cocoom-gateway/proxy"
)

const (
	host  = "agrafmania.localhost"
	other = "editionsduport.localhost"
)

// world is a gateway with two routes, a Slack with two workspaces, and an app.
type world struct {
	t       testing.TB
	slack   *slacksim.Server
	gateway *gateway.Gateway
	store   *store.Store
	front   *httptest.Server
	log     *lockedBuffer
	routes  []gateway.Route

	mu   sync.Mutex
	now  time.Time
	seen []*http.Request // what reached the app
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

// advance lets time pass while the gateway follows the store, as it does when
// it runs.
func (w *world) advance(d time.Duration) {
	w.t.Helper()
	w.lose(d)
	if err := w.gateway.RefreshRevocations(context.Background()); err != nil {
		w.t.Fatal(err)
	}
}

// lose lets time pass in which the store cannot be read.
func (w *world) lose(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// last is the latest request that reached the app; nil if none did.
func (w *world) last() *http.Request {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.seen) == 0 {
		return nil
	}
	return w.seen[len(w.seen)-1]
}

type lockedBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// newWorld starts everything; change may alter the routes before.
func newWorld(t testing.TB, change ...func(*gateway.Config)) *world {
	t.Helper()
	w := &world{t: t, now: time.Now(), log: &lockedBuffer{}}
	var err error
	if w.slack, err = slacksim.Listen("127.0.0.1:0", slacksim.Config{Now: w.clock, NoMethodLimit: true}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.slack.Close() })
	app := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		w.seen = append(w.seen, r)
		w.mu.Unlock()
		fmt.Fprintf(rw, "app: %s %s", r.Method, r.RequestURI)
	}))
	t.Cleanup(app.Close)
	w.front = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.gateway.ServeHTTP(rw, r) }))
	t.Cleanup(w.front.Close)

	log := slog.New(slog.NewJSONHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if w.store, err = store.Open(context.Background(), t.TempDir(), log); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.store.Close() })
	keys := proxy.NewKeys()
	der, err := proxy.GenerateKey("ES256")
	if err != nil {
		t.Fatal(err)
	}
	key, err := proxy.ParseKey("k1", "ES256", der)
	if err != nil {
		t.Fatal(err)
	}
	if err := keys.Set("ES256", []proxy.Key{key}); err != nil {
		t.Fatal(err)
	}
	cfg := gateway.Config{
		Settings: gateway.Settings{Slack: gateway.Slack{Issuer: w.slack.URL(), APIURL: w.slack.URL() + "/api/"}},
		Prefix:   "/.gateway", Sealer: sealer(t), JWKS: keys.JWKS, Store: w.store, Log: log, Now: w.clock,
	}
	for i, h := range []string{host, other} {
		cfg.Routes = append(cfg.Routes, w.addCustomer(h, i, app.URL, keys))
	}
	for _, f := range change {
		f(&cfg)
	}
	if w.gateway, err = gateway.New(context.Background(), cfg); err != nil {
		t.Fatal(err)
	}
	w.routes = cfg.Routes
	return w
}

func sealer(t testing.TB) *gateway.Sealer {
	s := new(gateway.Sealer)
	value := make([]byte, 32)
	rand.Read(value)
	if err := s.Set([]gateway.SealKey{{ID: "s1", Value: value}}); err != nil {
		t.Fatal(err)
	}
	return s
}

var teams = []string{"T0AGRAF001", "T0EDPORT01"}

// addCustomer fills the Slack with a workspace and gives its route.
func (w *world) addCustomer(h string, i int, upstream string, keys *proxy.Keys) gateway.Route {
	w.t.Helper()
	u, err := url.Parse(w.front.URL)
	if err != nil {
		w.t.Fatal(err)
	}
	origin := "http://" + net.JoinHostPort(h, u.Port())
	team := teams[i]
	people := []slacksim.Person{
		{ID: "U0MARIE", Name: "Marie Dupont", Email: "marie@agrafmania.fr", Admin: true},
		{ID: "U0PAUL", Name: "Paul Martin", Email: "paul@agrafmania.fr"},
		{ID: "U0GUEST", Name: "Guest", Email: "guest@example.com", Guest: true},
		{ID: "U0GONE", Name: "Gone", Email: "gone@agrafmania.fr", Deactivated: true},
		{ID: "U0UNV", Name: "Unverified", Email: "unv@agrafmania.fr", EmailUnverified: true},
	}
	if i == 1 {
		people = []slacksim.Person{{ID: "U0ANNE", Name: "Anne Le Goff", Email: "anne@editionsduport.fr"}}
	}
	if err := w.slack.AddWorkspace(slacksim.Workspace{ID: team, Name: "Workspace " + team, People: people}); err != nil {
		w.t.Fatal(err)
	}
	app := slacksim.App{
		ID: fmt.Sprintf("A%d", i), Name: "Cocoom", ClientID: fmt.Sprintf("client-%d", i), ClientSecret: fmt.Sprintf("client-secret-%d", i),
		Workspace: team, RedirectURLs: []string{origin + "/.gateway/callback"}, BotToken: fmt.Sprintf("xoxb-secret-%d", i),
		BotScopes: []string{"users:read", "chat:write"},
	}
	if err := w.slack.AddApp(app); err != nil {
		w.t.Fatal(err)
	}
	px, err := proxy.New(proxy.Config{Origin: origin, Host: h, Upstream: proxy.Upstream{URL: upstream}, Keys: keys,
		Log: slog.New(slog.NewJSONHandler(w.log, nil)), Error: gateway.WriteError})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(px.Close)
	rules, err := policy.New([]policy.Rule{
		{Path: "/public/*", Allow: policy.Allow{Public: true}},
		{Path: "/admin/*", Allow: policy.Allow{Emails: []string{"marie@agrafmania.fr"}}},
		{Path: "/**", Allow: policy.Allow{Members: true}},
	}, false)
	if err != nil {
		w.t.Fatal(err)
	}
	return gateway.Route{
		Host: h, Origin: origin, Workspace: team, WorkspaceName: "Workspace " + team, Policy: rules, Upstream: px, Login: &gateway.Login{},
		SlackApp: gateway.SlackApp{ClientID: app.ClientID, ClientSecret: secret.String(app.ClientSecret), BotToken: secret.String(app.BotToken)},
	}
}

// browser is an HTTP client that behaves as a browser does when a person opens
// pages: it keeps cookies, says that it navigates, and stops at redirects.
type browser struct {
	w *world
	http.Client
}

func (w *world) browser() *browser {
	jar, _ := cookiejar.New(nil)
	tr := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		if h, port, err := net.SplitHostPort(addr); err == nil && strings.HasSuffix(h, ".localhost") {
			addr = net.JoinHostPort("127.0.0.1", port)
		}
		return new(net.Dialer).DialContext(ctx, network, addr)
	}}
	w.t.Cleanup(tr.CloseIdleConnections)
	return &browser{w, http.Client{Jar: jar, Transport: tr,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// answer is a response whose body has been read.
type answer struct {
	*http.Response
	text string
}

func (b *browser) do(method, address string, body io.Reader, header ...string) answer {
	b.w.t.Helper()
	req, err := http.NewRequest(method, address, body)
	if err != nil {
		b.w.t.Fatal(err)
	}
	req.Header.Set("Sec-Fetch-Mode", "navigate")
	req.Header.Set("Sec-Fetch-Dest", "document")
	req.Header.Set("Accept", "text/html")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
	}
	return b.send(req)
}

func (b *browser) send(req *http.Request) answer {
	b.w.t.Helper()
	resp, err := b.Do(req)
	if err != nil {
		b.w.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.w.t.Fatal(err)
	}
	return answer{resp, string(text)}
}

func (b *browser) get(address string, header ...string) answer {
	b.w.t.Helper()
	return b.do("GET", address, nil, header...)
}

// pick answers Slack's page as a person does, and gives Slack's redirect.
func (b *browser) pick(authorize, team, user string) answer {
	b.w.t.Helper()
	return b.submit(authorize, url.Values{"person": {team + ":" + user}})
}

func (b *browser) submit(authorize string, choice url.Values) answer {
	b.w.t.Helper()
	if page := b.get(authorize); page.StatusCode != http.StatusOK {
		b.w.t.Fatalf("Slack's authorize page answered %d: %s", page.StatusCode, page.text)
	}
	return b.do("POST", authorize, strings.NewReader(choice.Encode()), "Content-Type", "application/x-www-form-urlencoded")
}

// land follows the callback's answer, which asks whether the browser kept the
// session, to what comes then. Any other answer is given as it is.
func (b *browser) land(back answer) answer {
	b.w.t.Helper()
	if to := back.Header.Get("Location"); strings.Contains(to, "/.gateway/login?again=") {
		return b.get(to)
	}
	return back
}

// signIn opens address and comes back signed in; it gives the answer that sends
// the browser on to address, or the page that refuses.
func (b *browser) signIn(address, team, user string) answer {
	b.w.t.Helper()
	first := b.get(address)
	if first.StatusCode != http.StatusFound {
		b.w.t.Fatalf("%s answered %d, want a redirect to Slack: %s", address, first.StatusCode, first.text)
	}
	back := b.pick(first.Header.Get("Location"), team, user)
	return b.land(b.get(back.Header.Get("Location")))
}
