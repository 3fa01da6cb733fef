package slacksim_test

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slack-go/slack"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
)

const (
	agraf   = "T0AGRAF001"
	port    = "T0PORT0001"
	botTok  = "xoxb-agraf"
	marie   = "U0MARIE"
	paul    = "U0PAUL"
	guest   = "U0GUEST"
	gone    = "U0GONE"
	jean    = "U0JEAN"
	ventes  = "C0VENTES"
	secretC = "C0SECRET"
	archive = "C0ARCHIVE"
	open    = "C0OPEN"
)

func allScopes() []string {
	return []string{"chat:write", "im:write", "users:read", "users:read.email", "usergroups:read",
		"channels:read", "channels:join", "channels:history", "im:history", "im:read", "groups:read"}
}

// fill adds two workspaces, each with its app.
func fill(t *testing.T, sim *slacksim.Sim) {
	t.Helper()
	must(t, sim.AddWorkspace(slacksim.Workspace{
		ID: agraf, Name: "Agrafmania", Domain: "agrafmania",
		People: []slacksim.Person{
			{ID: marie, Name: "Marie Curie", Email: "Marie@agrafmania.fr", Admin: true, Locale: "fr-FR"},
			{ID: paul, Name: "Paul Valéry", Email: "paul@agrafmania.fr", EmailUnverified: true},
			{ID: guest, Name: "Gaston Guest", Email: "gaston@ext.example", SingleChannelGuest: true},
			{ID: gone, Name: "Greta Gone", Email: "greta@agrafmania.fr", Guest: true, Deactivated: true},
		},
		Channels: []slacksim.Channel{
			{ID: ventes, Name: "ventes", Members: []string{marie}},
			{ID: open, Name: "ouvert"},
			{ID: secretC, Name: "secret", Private: true, Members: []string{marie}},
			{ID: archive, Name: "vieux", Archived: true},
		},
		Usergroups: []slacksim.Usergroup{{ID: "S0ADMINS", Handle: "cocoom-admins", Name: "Admins", Members: []string{marie}}},
	}))
	must(t, sim.AddWorkspace(slacksim.Workspace{
		ID: port, Name: "Éditions du Port", Domain: "editionsduport", FreePlan: true,
		People: []slacksim.Person{{ID: jean, Name: "Jean Bart", Email: "jean@port.fr"}},
	}))
	must(t, sim.AddApp(slacksim.App{
		ID: "A0AGRAF", ClientID: "1.agraf", ClientSecret: "s3cret", SigningSecret: "8f742231b10e8888abcd99yyyzzz85a5",
		RedirectURLs: []string{"https://app.test/.gateway"}, Workspace: agraf,
		BotToken: botTok, BotScopes: allScopes(), BotName: "Cocoom", MessagesTab: true, Channels: []string{ventes},
		Webhooks: []slacksim.Webhook{{ID: "B0HOOK", Secret: "hook-secret", Channel: ventes}},
	}))
	must(t, sim.AddApp(slacksim.App{
		ID: "A0PORT", ClientID: "2.port", ClientSecret: "s3cret2", Name: "Cocoom Port", Distributed: true,
		RedirectURLs: []string{"https://port.test/cb"}, Workspace: port,
	}))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// start gives a filled simulator on a socket.
func start(t *testing.T, cfg slacksim.Config) *slacksim.Server {
	t.Helper()
	srv, err := slacksim.Listen("127.0.0.1:0", cfg)
	must(t, err)
	t.Cleanup(func() { must(t, srv.Close()) })
	fill(t, srv.Sim)
	return srv
}

func client(srv *slacksim.Server, token string) *slack.Client {
	return slack.New(token, slack.OptionAPIURL(srv.APIURL()), slack.OptionHTTPClient(&http.Client{Timeout: 10 * time.Second}))
}

// clock is a settable time.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Now().Truncate(time.Second)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// browser keeps cookies and does not leave the simulator.
func browser(t *testing.T) *http.Client {
	jar, err := cookiejar.New(nil)
	must(t, err)
	return &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func body(t *testing.T, res *http.Response) string {
	t.Helper()
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	must(t, err)
	return string(data)
}

// do sends a raw request: "METHOD path", content type, bearer token, body.
func do(t *testing.T, srv *slacksim.Server, line, contentType, token, content string) (*http.Response, string) {
	t.Helper()
	verb, path, _ := strings.Cut(line, " ")
	req, err := http.NewRequest(verb, srv.URL()+path, strings.NewReader(content))
	must(t, err)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := browser(t).Do(req)
	must(t, err)
	return res, body(t, res)
}

func TestConfiguration(t *testing.T) {
	for _, base := range []string{"", "localhost", "ftp://x", "http://"} {
		if _, err := slacksim.New(slacksim.Config{BaseURL: base}); err == nil {
			t.Errorf("New(%q) took a base URL that is none", base)
		}
	}
	sim, err := slacksim.New(slacksim.Config{BaseURL: "http://slack.test/"})
	must(t, err)
	fill(t, sim)
	if got, want := sim.APIURL(), "http://slack.test/api/"; got != want {
		t.Errorf("APIURL = %q, want %q", got, want)
	}
	bad := map[string]error{
		"workspace twice":      sim.AddWorkspace(slacksim.Workspace{ID: agraf}),
		"person twice":         sim.AddWorkspace(slacksim.Workspace{ID: "T1", People: []slacksim.Person{{ID: "U1"}, {ID: "U1"}}}),
		"app without owner":    sim.AddApp(slacksim.App{ID: "A1", Workspace: "T404"}),
		"app twice":            sim.AddApp(slacksim.App{ID: "A0AGRAF", Workspace: agraf}),
		"client id twice":      sim.AddApp(slacksim.App{ID: "A2", ClientID: "1.agraf", Workspace: agraf}),
		"token twice":          sim.AddApp(slacksim.App{ID: "A3", BotToken: botTok, Workspace: agraf}),
		"relative redirect":    sim.AddApp(slacksim.App{ID: "A4", Workspace: agraf, RedirectURLs: []string{"/cb"}}),
		"bot in no channel":    sim.AddApp(slacksim.App{ID: "A5", Workspace: agraf, BotToken: "xoxb-5", Channels: []string{"C404"}}),
		"person not there":     sim.UpdatePerson(agraf, "U404", func(*slacksim.Person) {}),
		"revoke unknown token": sim.RevokeToken("xoxb-404"),
	}
	for name, err := range bad {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func form(pairs ...string) string {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return v.Encode()
}
