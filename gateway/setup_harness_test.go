package gateway_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/internal/manifest"
	"github.com/cocoom/cocoom-gateway/internal/slacksim"
	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
)

// What an admin copies from the Slack app that they have created.
const (
	newClientID      = "1111111111.2222222222"
	newClientSecret  = "0123456789abcdef0123456789abcdef"
	newSigningSecret = "fedcba9876543210fedcba9876543210"
)

// site is a world whose first route is to be set up by a link, and whose second
// workspace is another customer's. What is set up is in force at once.
type site struct {
	*world
	apps   *gateway.ManagedApps
	config gateway.Settings // as an operator wrote it
	at     string           // where the set-up's pages are

	mu    sync.Mutex
	told  gateway.Told
	texts []string // of test messages
}

// eachSite runs f on both engines.
func eachSite(t *testing.T, f func(t *testing.T, s *site), change ...func(*gateway.Config)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, st *store.Store) { f(t, newSite(t, st, change...)) })
}

func newSite(t *testing.T, st *store.Store, change ...func(*gateway.Config)) *site {
	t.Helper()
	s := &site{told: gateway.Told{State: "queued"}}
	master, err := store.LoadMaster(t.TempDir(), "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")
	if err != nil {
		t.Fatal(err)
	}
	s.world = newWorld(t, append([]func(*gateway.Config){func(c *gateway.Config) {
		if st == nil {
			st = c.Store
		}
		c.Store, c.Master, c.AppChanged = st, master, func() { s.apply() }
		rt := &c.Routes[0]
		made := manifest.New(manifest.Spec{
			RedirectURLs: []string{rt.Origin + "/.gateway/callback", rt.Origin + "/.gateway/setup/installed"},
			UserScopes:   gateway.UserScopes(), BotScopes: []string{"chat:write", "users:read", "users:read.email"},
		})
		rt.SlackApp, rt.Workspace, rt.WorkspaceName, rt.Manifest = gateway.SlackApp{Managed: true}, "", "", &made
		rt.Notify, rt.WantsHookToken = http.NotFoundHandler(), true
		c.Messenger = gateway.Messenger{Tell: s.tell, Told: s.toldOf}
	}}, append(change, func(c *gateway.Config) { s.config = c.Settings })...)...)
	s.store, s.at = st, s.routes[0].Origin+"/.gateway/setup"
	s.apps = gateway.NewManagedApps(st, master, slog.New(slog.NewJSONHandler(s.log, nil)))
	s.addNewApp(teams[0])
	return s
}

// addNewApp makes the app that an admin creates, with the constants above. It may
// be installed elsewhere too.
func (s *site) addNewApp(team string) {
	s.t.Helper()
	app := slacksim.App{ID: "A0NEW", Name: "Cocoom", ClientID: newClientID, ClientSecret: newClientSecret, SigningSecret: newSigningSecret,
		Workspace: team, RedirectURLs: s.config.Routes[0].Manifest.OAuth.RedirectURLs, MessagesTab: true, Distributed: true}
	if err := s.slack.AddApp(app); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) tell(_ context.Context, host, user, text string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.texts = append(s.texts, host+" "+user+" "+text)
	return "ntf_1", nil
}

func (s *site) toldOf(context.Context, string, string) (gateway.Told, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.told, nil
}

// apply does what the program does when an app was set up.
func (s *site) apply() {
	apps, err := s.apps.Read(context.Background())
	if err != nil {
		s.t.Error(err)
		return
	}
	next := s.config
	next.Routes = append([]gateway.Route(nil), next.Routes...)
	rt := &next.Routes[0]
	if app, ok := apps[rt.Host]; ok && (rt.Workspace == "" || rt.Workspace == app.Workspace) {
		rt.SlackApp, rt.Workspace, rt.WorkspaceName = app.App, app.Workspace, app.WorkspaceName
	}
	apply, err := s.gateway.Prepare(next)
	if err != nil {
		s.t.Error(err)
		return
	}
	apply()
}

// setupLink makes a link.
func (s *site) setupLink() string {
	s.t.Helper()
	s.lose(time.Second) // the last link is the one that was made last
	made, err := s.gateway.MakeSetup(context.Background(), host, "lea")
	if err != nil {
		s.t.Fatal(err)
	}
	return made.URL.Reveal()
}

// fill sends a form of a page of ours.
func (b *browser) fill(address string, form url.Values, header ...string) answer {
	b.w.t.Helper()
	return b.do("POST", address, strings.NewReader(form.Encode()), append([]string{"Origin", b.w.routes[0].Origin,
		"Content-Type", "application/x-www-form-urlencoded"}, header...)...)
}

// admin is a browser that has begun the set-up.
func (s *site) admin() *browser {
	s.t.Helper()
	b := s.browser()
	if got := b.fill(s.setupLink(), nil); got.StatusCode != 303 || got.Header.Get("Location") != s.at {
		s.t.Fatalf("the link's button: %d %s", got.StatusCode, got.text)
	}
	return b
}

// secrets are the values of the new app, but for those in change, in pairs.
func secrets(change ...string) url.Values {
	form := url.Values{"client_id": {newClientID}, "client_secret": {newClientSecret}, "signing_secret": {newSigningSecret}}
	for i := 0; i < len(change); i += 2 {
		form.Set(change[i], change[i+1])
	}
	return form
}

// pasted is a browser whose credentials Slack has taken.
func (s *site) pasted() *browser {
	s.t.Helper()
	b := s.admin()
	if got := b.fill(s.at+"/secrets", secrets()); got.StatusCode != 303 {
		s.t.Fatalf("the credentials: %d %s", got.StatusCode, got.text)
	}
	return b
}

// install goes to Slack and comes back as somebody.
func (s *site) install(b *browser, team, user string) answer {
	s.t.Helper()
	first := b.get(s.at + "/install")
	if first.StatusCode != 302 {
		s.t.Fatalf("to Slack: %d %s", first.StatusCode, first.text)
	}
	back := b.pick(first.Header.Get("Location"), team, user)
	return b.get(back.Header.Get("Location"))
}

// installed is a browser that has installed the app as Marie, an admin.
func (s *site) installed() *browser {
	s.t.Helper()
	b := s.pasted()
	if got := s.install(b, teams[0], "U0MARIE"); got.StatusCode != 303 {
		s.t.Fatalf("the installation: %d %s", got.StatusCode, got.text)
	}
	return b
}

// status is what the operator is told.
func (s *site) status() gateway.SetupStatus {
	s.t.Helper()
	got, err := s.gateway.SetupStatus(context.Background(), host)
	if err != nil {
		s.t.Fatal(err)
	}
	return got
}

// deeds are what the audit has of the set-up.
func (s *site) deeds() (list []string) {
	s.t.Helper()
	rows, err := s.store.Read().Query(`SELECT actor, action FROM audit WHERE object = $1 ORDER BY seq`, host)
	if err != nil {
		s.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var actor, action string
		if err := rows.Scan(&actor, &action); err != nil {
			s.t.Fatal(err)
		}
		list = append(list, actor+" "+action)
	}
	return list
}

// silent checks that nothing secret was logged, and nothing is readable in the store.
func (s *site) silent() {
	s.t.Helper()
	rows, err := s.store.Read().Query(`SELECT detail FROM link UNION ALL SELECT detail FROM audit`)
	if err != nil {
		s.t.Fatal(err)
	}
	defer rows.Close()
	kept := s.log.String()
	for rows.Next() {
		var detail string
		if err := rows.Scan(&detail); err != nil {
			s.t.Fatal(err)
		}
		kept += detail
	}
	for _, secret := range []string{newClientSecret, newSigningSecret, "xoxb-", "cgh_", "?key="} {
		if strings.Contains(kept, secret) {
			s.t.Errorf("%s… can be read where it must not stand", secret[:5])
		}
	}
}
