package manifest

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Slack's bounds, in characters and counts
// (https://github.com/slackapi/manifest-schema, schema 1.0.0).
const (
	maxName        = 35
	maxDescription = 140
	maxBotName     = 80
	maxRedirects   = 1000
	maxRedirect    = 2500
	maxScopes      = 255
	maxScope       = 50
	maxEventsURL   = 3500
	maxEvents      = 100
	maxEvent       = 50
)

// checker collects mistakes, each with the JSON pointer to its place, as Slack
// reports them.
type checker []error

func (c *checker) mistake(pointer, format string, args ...any) {
	*c = append(*c, fmt.Errorf("%s: "+format, append([]any{pointer}, args...)...))
}

// Validate says, in one error, all that Slack would refuse: by its schema, and
// by the rules that stand in its documentation alone, which are that redirect
// URLs are https and have no fragment
// (https://docs.slack.dev/authentication/installing-with-oauth), the letters of
// the bot's name, and that events need an address. On this machine, http is let
// pass: there only something that stands in for Slack takes the manifest.
func (m Manifest) Validate() error {
	var c checker
	d := m.Display
	c.length("/display_information/name", d.Name, maxName)
	c.length("/display_information/description", d.Description, maxDescription)
	if !regexp.MustCompile(`^#([0-9a-fA-F]{3}){1,2}$`).MatchString(d.BackgroundColor) {
		c.mistake("/display_information/background_color", "must be a colour such as #24506c")
	}
	if bot := m.Features.Bot; bot != nil {
		const pointer = "/features/bot_user/display_name"
		c.length(pointer, bot.DisplayName, maxBotName)
		if strings.Trim(bot.DisplayName, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" {
			c.mistake(pointer, "may hold a-z, 0-9, -, _ and . alone")
		}
	}
	c.oauth(m.OAuth, m.Features.Bot != nil)
	c.events(m.Settings)
	return errors.Join(c...)
}

func (c *checker) oauth(o OAuth, bot bool) {
	const redirects, scopes = "/oauth_config/redirect_urls", "/oauth_config/scopes"
	c.list(redirects, o.RedirectURLs, maxRedirects, maxRedirect)
	for i, raw := range o.RedirectURLs {
		c.address(fmt.Sprintf("%s/%d", redirects, i), raw)
	}
	c.list(scopes+"/user", o.Scopes.User, maxScopes, maxScope)
	c.list(scopes+"/bot", o.Scopes.Bot, maxScopes, maxScope)
	if len(o.Scopes.Bot) > 0 != bot {
		c.mistake(scopes+"/bot", "and a bot user need each other")
	}
}

func (c *checker) events(s Settings) {
	if s.Events == nil {
		return
	}
	const pointer = "/settings/event_subscriptions"
	c.list(pointer+"/bot_events", s.Events.BotEvents, maxEvents, maxEvent)
	if s.Events.RequestURL == "" {
		if !s.SocketMode {
			c.mistake(pointer, "requires either Request URL or Socket Mode Enabled")
		}
		return
	}
	c.length(pointer+"/request_url", s.Events.RequestURL, maxEventsURL)
	c.address(pointer+"/request_url", s.Events.RequestURL)
}

func (c *checker) length(pointer, text string, most int) {
	if n := utf8.RuneCountInString(text); n == 0 || n > most {
		c.mistake(pointer, "must have 1 to %d characters, not %d", most, n)
	}
}

func (c *checker) list(pointer string, items []string, most, longest int) {
	if len(items) > most {
		c.mistake(pointer, "may have %d items, not %d", most, len(items))
	}
	for i, item := range items {
		c.length(fmt.Sprintf("%s/%d", pointer, i), item, longest)
		if slices.Contains(items[:i], item) {
			c.mistake(fmt.Sprintf("%s/%d", pointer, i), "stands there twice")
		}
	}
}

func (c *checker) address(pointer, raw string) {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.User != nil:
		c.mistake(pointer, "is no address")
	case u.Scheme != "https" && !(u.Scheme == "http" && local(u.Hostname())):
		c.mistake(pointer, "must be https")
	case strings.Contains(raw, "#"):
		c.mistake(pointer, "may have no fragment")
	}
}

// local reports whether a host is this machine (RFC 6761, section 6.3).
func local(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}
