// Package manifest makes the manifest of a route's Slack app, from which Slack
// creates the app with every setting that the route needs
// (https://docs.slack.dev/reference/app-manifest).
package manifest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/goccy/go-yaml"
)

// What every app looks like to the people of its workspace. The bot's display
// name is in the letters that Slack documents for it; Slack derives its default
// user name from it.
const (
	name       = "Cocoom"
	background = "#24506c"
	botName    = "cocoom"
)

// Spec says what a route needs of its Slack app.
type Spec struct {
	// RedirectURLs are where people come back to after signing in and after
	// installing the app.
	RedirectURLs []string
	// UserScopes are asked of each person at sign-in, BotScopes of who installs the
	// app. Slack takes no request for both: there are two flows.
	UserScopes, BotScopes []string
	// Notifies says that the bot sends notifications, for which people need the
	// Messages tab, and is not only asked about people.
	Notifies bool
	// EventsURL is where Slack sends Events; empty: nowhere.
	EventsURL string
	Events    []string
}

// Manifest is one, in the order in which Slack documents it. Its zero value is
// no valid one; New makes it.
type Manifest struct {
	Display  Display  `json:"display_information" yaml:"display_information"`
	Features Features `json:"features" yaml:"features"`
	OAuth    OAuth    `json:"oauth_config" yaml:"oauth_config"`
	Settings Settings `json:"settings" yaml:"settings"`
}

// Display is how the app looks.
type Display struct {
	Name            string `json:"name" yaml:"name"`
	Description     string `json:"description" yaml:"description"`
	BackgroundColor string `json:"background_color" yaml:"background_color"`
}

// Features are the app's home and its bot.
type Features struct {
	Home AppHome  `json:"app_home" yaml:"app_home"`
	Bot  *BotUser `json:"bot_user,omitempty" yaml:"bot_user,omitempty"`
}

// AppHome says which tabs the bot's conversation has. Without the Messages tab
// direct messages fail or stay hidden.
type AppHome struct {
	HomeTab          bool `json:"home_tab_enabled" yaml:"home_tab_enabled"`
	MessagesTab      bool `json:"messages_tab_enabled" yaml:"messages_tab_enabled"`
	MessagesReadOnly bool `json:"messages_tab_read_only_enabled" yaml:"messages_tab_read_only_enabled"`
}

// BotUser is the bot.
type BotUser struct {
	DisplayName  string `json:"display_name" yaml:"display_name"`
	AlwaysOnline bool   `json:"always_online" yaml:"always_online"`
}

// OAuth says what may be asked for, and where people come back to.
type OAuth struct {
	RedirectURLs []string `json:"redirect_urls,omitempty" yaml:"redirect_urls,omitempty"`
	Scopes       Scopes   `json:"scopes" yaml:"scopes"`
}

// Scopes are those of people and of the bot.
type Scopes struct {
	User []string `json:"user,omitempty" yaml:"user,omitempty"`
	Bot  []string `json:"bot,omitempty" yaml:"bot,omitempty"`
}

// Settings are the rest.
type Settings struct {
	Events        *EventSubscriptions `json:"event_subscriptions,omitempty" yaml:"event_subscriptions,omitempty"`
	OrgDeploy     bool                `json:"org_deploy_enabled" yaml:"org_deploy_enabled"`
	SocketMode    bool                `json:"socket_mode_enabled" yaml:"socket_mode_enabled"`
	TokenRotation bool                `json:"token_rotation_enabled" yaml:"token_rotation_enabled"`
}

// EventSubscriptions say which events Slack sends, and where.
type EventSubscriptions struct {
	RequestURL string   `json:"request_url" yaml:"request_url"`
	BotEvents  []string `json:"bot_events" yaml:"bot_events"`
}

// description says what the app is for, to people who read French or English,
// within the 140 characters that Slack shows.
func (s Spec) description() string {
	switch signIn := len(s.UserScopes) > 0; {
	case signIn && s.Notifies:
		return "Connexion à Cocoom avec Slack, et ses notifications. · Sign in to Cocoom with Slack, and get its notifications."
	case signIn:
		return "Connexion à Cocoom avec votre compte Slack. · Sign in to Cocoom with your Slack account."
	}
	return "Les notifications de Cocoom dans Slack. · Cocoom's notifications in Slack."
}

// New makes the manifest of an app. What it gives keeps the rules of
// [Manifest.Validate] where the Spec's own values do.
func New(s Spec) Manifest {
	m := Manifest{
		Display:  Display{Name: name, Description: s.description(), BackgroundColor: background},
		Features: Features{Home: AppHome{MessagesTab: s.Notifies, MessagesReadOnly: true}},
		OAuth:    OAuth{RedirectURLs: s.RedirectURLs, Scopes: Scopes{User: s.UserScopes, Bot: s.BotScopes}},
	}
	if len(s.BotScopes) > 0 {
		m.Features.Bot = &BotUser{DisplayName: botName, AlwaysOnline: true}
	}
	if s.EventsURL != "" && len(s.Events) > 0 {
		m.Settings.Events = &EventSubscriptions{RequestURL: s.EventsURL, BotEvents: s.Events}
	}
	return m
}

// JSON is the manifest as Slack's API takes it, in one line.
func (m Manifest) JSON() ([]byte, error) {
	out, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("write manifest: %w", err)
	}
	return out, nil
}

// YAML is the manifest as people read it.
func (m Manifest) YAML() ([]byte, error) {
	out, err := yaml.MarshalWithOptions(m, yaml.IndentSequence(true))
	if err != nil {
		return nil, fmt.Errorf("write manifest: %w", err)
	}
	return out, nil
}

// Link is the address of the page on which a person creates the app from the
// manifest (https://docs.slack.dev/app-manifests/configuring-apps-with-app-manifests).
// issuer is that of Sign in with Slack, which says which Slack it is.
func (m Manifest) Link(issuer string) (string, error) {
	out, err := m.JSON()
	if err != nil {
		return "", err
	}
	pages, err := appPages(issuer)
	if err != nil {
		return "", err
	}
	// A plus sign is a space to some readers of a query, and itself to others.
	return pages + "/apps?new_app=1&manifest_json=" + strings.ReplaceAll(url.QueryEscape(string(out)), "+", "%20"), nil
}

// appPages is where people manage their apps: beside slack.com and GovSlack's
// slack-gov.com it has a host of its own. What stands in for Slack elsewhere has
// only the one origin that its issuer names, so it is taken to have them there.
func appPages(issuer string) (string, error) {
	u, err := url.Parse(issuer)
	if err != nil || u.Host == "" {
		return "", errors.New("the issuer is no address")
	}
	if u.Host == "slack.com" || u.Host == "slack-gov.com" {
		u.Host = "api." + u.Host
	}
	return u.Scheme + "://" + u.Host, nil
}
