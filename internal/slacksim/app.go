package slacksim

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// App is a Slack app as its owner configured it.
type App struct {
	ID            string // A…
	Name          string // as people see it; empty means BotName
	ClientID      string
	ClientSecret  string
	SigningSecret string
	// RedirectURLs are what authorize requests may return to, or to below.
	// Slack insists on https; here http is taken too, for localhost.
	RedirectURLs []string
	Workspace    string // id of the workspace that owns it
	// EventsURL is where the app takes events; empty: nowhere. None go there while
	// it is EventsUnverified. Events are the types it takes; nil: all.
	EventsURL        string
	EventsUnverified bool
	Events           []string
	// Description and Background (#rrggbb) are shown with the app.
	Description, Background string
	// Distributed lets people of other workspaces sign in and install.
	Distributed bool
	// BotToken, when given, makes the bot installed in Workspace from the
	// start, with BotScopes.
	BotToken  string
	BotScopes []string
	BotName   string
	// MessagesTab lets people receive the bot's direct messages.
	MessagesTab bool
	Channels    []string // ids of channels in Workspace the bot is a member of
	Webhooks    []Webhook
}

// Webhook is an incoming webhook of an app in its own workspace.
type Webhook struct {
	ID      string // B…
	Secret  string // last part of the address
	Channel string // id of a channel, or of a person
}

type app struct {
	App
	installs map[string]*installation // by team
	icon     []byte                   // a picture; nil: none
}

// installation is an app's bot in one workspace.
type installation struct {
	app     *app
	team    string
	botUser string // U…
	botID   string // B…
	token   *token
}

// token is an access token of a bot (xoxb) or a person (xoxp), or an app
// configuration token (xoxe.xoxp), which is of no app.
type token struct {
	value   string
	app     *app
	team    string
	user    string
	bot     bool
	scopes  []string
	revoked bool
	expires time.Time // zero: never
}

func (t *token) has(scope string) bool { return slices.Contains(t.scopes, scope) }

// AddApp adds an app. Its owner workspace must be there.
func (s *Sim) AddApp(a App) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addApp(a)
}

// addApp is AddApp for a caller that holds mu.
func (s *Sim) addApp(a App) error {
	ws := s.workspaces[a.Workspace]
	switch {
	case ws == nil:
		return fmt.Errorf("app %s: workspace %q not found", a.ID, a.Workspace)
	case a.ID == "" || s.apps[a.ID] != nil:
		return fmt.Errorf("app %q: id is empty or taken", a.ID)
	case a.ClientID != "" && s.appByClientID(a.ClientID) != nil:
		return fmt.Errorf("app %s: client id is taken", a.ID)
	case a.BotToken != "" && s.tokens[a.BotToken] != nil:
		return fmt.Errorf("app %s: bot token is taken", a.ID)
	}
	for _, u := range a.RedirectURLs {
		if parsed, err := url.Parse(u); err != nil || parsed.Host == "" || strings.Contains(u, "#") {
			return fmt.Errorf("app %s: redirect URL %q is not absolute, or has a fragment", a.ID, u)
		}
	}
	if a.BotName == "" {
		a.BotName = a.Name
	}
	if a.Name == "" {
		a.Name = a.BotName
	}
	app := &app{App: a, installs: map[string]*installation{}}
	if a.BotToken != "" {
		inst := s.install(app, ws, a.BotToken, a.BotScopes)
		for _, id := range a.Channels {
			conv := ws.conversations[id]
			if conv == nil {
				return fmt.Errorf("app %s: channel %q not found", a.ID, id)
			}
			conv.members = append(conv.members, inst.botUser)
		}
	}
	s.apps[a.ID] = app
	s.appOrder = append(s.appOrder, a.ID)
	return nil
}

// UpdateApp changes an app through change. The id stays; the bot's scopes are
// those of its token and change by SetScopes. It fails when there is no such app.
func (s *Sim) UpdateApp(id string, change func(*App)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.apps[id]
	if a == nil {
		return fmt.Errorf("app %s: not found", id)
	}
	change(&a.App)
	a.ID = id
	return nil
}

// SetScopes replaces what a token may do. It fails when the token is unknown.
func (s *Sim) SetScopes(value string, scopes ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tokens[value]
	if t == nil {
		return errors.New("set scopes: token not found")
	}
	t.scopes = slices.Clone(scopes)
	return nil
}

// RevokeToken makes every later call with the token fail with token_revoked.
func (s *Sim) RevokeToken(value string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tokens[value]
	if t == nil {
		return errors.New("revoke: token not found")
	}
	t.revoked = true
	return nil
}

// BotToken gives the token of an app's bot in a workspace, or "".
func (s *Sim) BotToken(appID, team string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.apps[appID]; a != nil && a.installs[team] != nil {
		return a.installs[team].token.value
	}
	return ""
}

// BotUser gives the user id of an app's bot in a workspace, or "".
func (s *Sim) BotUser(appID, team string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.apps[appID]; a != nil && a.installs[team] != nil {
		return a.installs[team].botUser
	}
	return ""
}

// install puts an app's bot into a workspace or adds scopes to the one there;
// Slack never removes scopes on a second installation. The caller holds mu.
func (s *Sim) install(a *app, ws *workspace, value string, scopes []string) *installation {
	inst := a.installs[ws.ID]
	if inst == nil {
		inst = &installation{app: a, team: ws.ID,
			botUser: makeID("U", ws.ID, a.ID, "bot"), botID: makeID("B", ws.ID, a.ID)}
		a.installs[ws.ID] = inst
		ws.bots[inst.botUser] = inst
	}
	old := inst.token
	if old == nil || old.revoked {
		if value == "" {
			value = "xoxb-" + rand.Text()
		}
		inst.token = &token{value: value, app: a, team: ws.ID, user: inst.botUser, bot: true}
		s.tokens[value] = inst.token
	}
	inst.token.scopes = union(inst.token.scopes, scopes)
	return inst
}

// personToken gives the token a person granted an app: the same one each time
// until it is revoked, with the scopes added up. The caller holds mu.
func (s *Sim) personToken(a *app, who personRef, scopes []string) *token {
	for _, t := range s.tokens {
		if !t.bot && t.app == a && t.team == who.team && t.user == who.user && !t.revoked {
			t.scopes = union(t.scopes, scopes)
			return t
		}
	}
	t := &token{value: "xoxp-" + rand.Text(), app: a, team: who.team, user: who.user,
		scopes: slices.Clone(scopes)}
	s.tokens[t.value] = t
	return t
}

func (s *Sim) appByClientID(id string) *app {
	for _, a := range s.apps {
		if a.ClientID == id && id != "" {
			return a
		}
	}
	return nil
}

// union adds to a what b has more, keeping the order.
func union(a, b []string) []string {
	all := slices.Clone(a)
	for _, x := range b {
		if !slices.Contains(all, x) {
			all = append(all, x)
		}
	}
	return all
}
