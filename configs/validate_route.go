package configs

import (
	"fmt"
	"strings"

	"github.com/cocoom/cocoom-gateway/policy"
)

// spot is a route that is being looked at, and where it stands.
type spot struct {
	*Route
	doc   *document
	index int
}

// mistake reports a mistake of the route; key is relative to it.
func (s spot) mistake(key, text string) {
	s.doc.mistake(join(s.doc.keyOf(s.index), key), text)
}

// under gives what reports the mistakes of a section of the route.
func (s spot) under(section string) func(key, text string) {
	return func(key, text string) { s.mistake(join(section, key), text) }
}

// mistaken tells whether a key of the route was meant to be there.
func (s spot) mistaken(key string) bool {
	return s.doc.mistaken[join(s.doc.keyOf(s.index), key)]
}

// wrote tells whether the file gives a key of the route a value.
func (s spot) wrote(key string) bool {
	return s.doc.wrote(join(s.doc.keyOf(s.index), key))
}

// need reports what is missing, but for a Slack app that is to be set up through
// a link, where it is not the operator who writes it.
func (s spot) need(key, text string) {
	if !s.SlackApp.Managed {
		s.mistake(key, text)
	}
}

// botToken tells whether the route names a bot token.
func (s spot) botToken() bool {
	return s.SlackApp.BotToken != "" || s.wrote("slack_app.bot_token")
}

// routes looks at the routes of one file.
func (v *validator) routes(doc *document) {
	for i := range doc.routes {
		v.route(spot{&doc.routes[i], doc, i})
	}
}

func (v *validator) route(s spot) {
	v.host(s)
	if s.Login == nil && s.Notify == nil && !s.mistaken("login") && !s.mistaken("notify") {
		s.mistake("", "has neither login nor notify: add login: {} for sign-in by Slack, or notify: with bearer_tokens for notifications")
	}
	if s.Upstream != nil {
		s.Upstream.Validate(s.under("upstream"))
	}
	if strings.ContainsAny(s.Workspace, " ./:") {
		s.mistake("workspace", "must be Slack's team id, such as T0AGRAF001, not a name or an address")
	}
	v.managedApp(s)
	if s.Login != nil {
		s.Login.Validate(s.under("login"))
		v.login(s)
	}
	if s.Notify != nil {
		s.Notify.Validate(s.under("notify"))
		if len(s.Notify.SigningSecrets)+len(s.Notify.BearerTokens)+len(s.Notify.Hooks) == 0 {
			s.need("notify", "has no signing_secrets, bearer_tokens or hooks, so that nobody could call it: add bearer_tokens: [env:NAME]")
		}
		if s.Notify.InBand && s.Upstream == nil {
			s.mistake("notify.in_band", "is for an app behind this gateway, and there is no upstream")
		}
		if !s.botToken() {
			s.need("slack_app.bot_token", "notify posts with it: write the bot token (xoxb-…) of the route's Slack app, as env:NAME or file:PATH")
		}
	}
	v.policy(s)
	v.serviceTokens(s)
	v.maintenance(s)
	if s.EncodedSlash != "" && s.EncodedSlash != "refuse" && s.EncodedSlash != "allow" {
		s.mistake("encoded_slash", "is unknown: write refuse, or allow for an app whose paths hold %2F")
	}
	s.Headers.Validate(s.under("headers"))
	s.Assertion.Validate(s.under("assertion"))
	if s.Upstream == nil && s.Login == nil && !s.mistaken("upstream") {
		v.withoutApp(s)
	}
}

// withoutApp looks for keys that only mean something in front of an app.
func (v *validator) withoutApp(s spot) {
	for _, key := range []string{"case_insensitive", "encoded_slash", "headers", "assertion", "service_tokens", "maintenance"} {
		if s.wrote(key) {
			s.mistake(key, "is about the app, but the route has no upstream: add one, or remove "+key)
		}
	}
}

func (v *validator) host(s spot) {
	s.Host = normalHost(s.Host)
	if text := hostMistake(s.Host); text != "" {
		s.mistake("host", text)
		return
	}
	if v.cfg.PublicScheme == "http" && !isLocal(s.Host) {
		s.mistake("host", "is not of this machine, but public_scheme is http: write public_scheme: https, or a host such as agrafmania.localhost")
	}
	if first, twice := v.hosts[s.Host]; twice {
		m := first.doc.at(join(first.doc.keyOf(first.index), "host"), "")
		s.mistake("host", fmt.Sprintf("is that of the route at %s:%d too: give each route a host of its own, or make one route of the two", m.File, m.Line))
		return
	}
	v.hosts[s.Host] = s
	v.certifiable(s)
}

func (v *validator) login(s spot) {
	switch {
	case s.Upstream != nil:
	case v.cfg.Private == "":
		s.mistake("upstream", "is missing: login guards an app, so write the app's address, such as http://10.0.0.12:8000, or set private, where nginx, Traefik or Caddy can ask by forward auth")
	case len(v.cfg.TrustedProxies) == 0 && !v.main.follows("trusted_proxies"):
		s.mistake("upstream", "is missing, so another proxy must ask by forward auth, but trusted_proxies is empty: write the proxy's address there, or the app's here")
	}
	if s.Workspace == "" {
		s.need("workspace", "is missing: write the Slack team id whose people may sign in, such as T0AGRAF001")
	}
	if s.SlackApp.ClientID == "" {
		s.need("slack_app.client_id", "is missing: login needs it; it stands under Basic Information of the route's Slack app")
	}
	if s.SlackApp.ClientSecret == "" {
		s.need("slack_app.client_secret", "is missing: login needs it; write it as env:NAME or file:PATH")
	}
	if !s.botToken() && (s.Login.Guests == "" || s.Login.Guests == "deny") {
		s.need("login.guests", "guests cannot be told from members without a bot token: add slack_app.bot_token, or write guests: allow")
	}
	v.callback(s)
	v.signOutPaths(s)
	v.appForm(s)
	v.onTheWay(s)
}

// callback looks at what the section cannot see itself: the gateway's other
// paths, and how a request's path is normalised before it is compared.
func (v *validator) callback(s spot) {
	path, prefix := s.Login.CallbackPath(v.cfg.ReservedPrefix), v.cfg.ReservedPrefix
	if path == prefix+"/callback" {
		return
	}
	if path == prefix || strings.HasPrefix(path, prefix+"/") {
		s.mistake("login.callback", fmt.Sprintf("stands among the gateway's own pages: remove it, which means %s/callback, or write a path outside %s", prefix, prefix))
	} else if normal, err := policy.NormalizePath(path, false); err == nil && normal != path {
		s.mistake("login.callback", fmt.Sprintf("would never be asked for in this form: write %s", normal))
	}
}

func (v *validator) policy(s spot) {
	switch {
	case s.Policy != nil:
		policy.Validate(s.Policy, s.under("policy"))
		s.noteRules()
	case s.Login != nil:
		s.Policy = membersOnly()
	}
	switch {
	case s.Login != nil:
	case s.Upstream == nil && len(s.Policy) > 0:
		s.mistake("policy", "guards nothing, since the route has no upstream: add one, or remove policy")
	case s.Upstream != nil && s.Policy == nil:
		s.mistake("upstream", "lets nobody pass, since the route has no login: add login: {}, or a policy of public paths, or remove upstream")
	}
	for i := range s.Policy {
		v.conditions(s, i)
	}
}

// noteRules keeps where the rules stand, for RuleAt.
func (s spot) noteRules() {
	for i := range s.Policy {
		m := s.doc.at(join(s.doc.keyOf(s.index), fmt.Sprintf("policy[%d]", i)), "")
		s.rulesAt = append(s.rulesAt, fmt.Sprintf("%s:%d", m.File, m.Line))
	}
}

// conditions looks for conditions that the route can never fulfil.
func (v *validator) conditions(s spot, rule int) {
	a, key := &s.Policy[rule].Allow, fmt.Sprintf("policy[%d].allow", rule)
	if s.Login == nil {
		for _, c := range []struct {
			key  string
			asks bool
		}{{"", a.Members}, {".users", len(a.Users) > 0}, {".emails", len(a.Emails) > 0}, {".email_domains", len(a.EmailDomains) > 0}, {".admins", a.Admins}, {".guests", a.Guests}, {".usergroups", len(a.Usergroups) > 0}} {
			if c.asks {
				s.mistake(key+c.key, "asks who a person is, but the route has no login: add login: {}, or allow public or cidrs")
			}
		}
		return
	}
	if a.Admins && !s.botToken() {
		s.need(key+".admins", "admins cannot be told without a bot token: add slack_app.bot_token, or name people by users or emails")
	}
	if len(a.Usergroups) > 0 && !s.botToken() {
		s.need(key+".usergroups", "usergroups are unknown without a bot token: add slack_app.bot_token (with the scope usergroups:read), or name people by users or emails")
	}
	switch {
	case a.Guests && s.Login.Guests != "allow":
		s.mistake(key+".guests", "guests are refused at sign-in already: write guests: allow under login, or remove this condition")
	case a.Guests && !s.botToken():
		s.need(key+".guests", "guests cannot be told from members without a bot token: add slack_app.bot_token, or remove this condition")
	}
}
