package slacksim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
)

// appManifest is what the simulator uses of a manifest
// (https://docs.slack.dev/reference/app-manifest).
type appManifest struct {
	Display struct {
		Name        string `json:"name"`
		Description string `json:"description"`
		Background  string `json:"background_color"`
	} `json:"display_information"`
	Features struct {
		Home struct {
			Messages bool `json:"messages_tab_enabled"`
		} `json:"app_home"`
		Bot *struct {
			DisplayName string `json:"display_name"`
		} `json:"bot_user"`
	} `json:"features"`
	OAuth struct {
		RedirectURLs []string `json:"redirect_urls"`
		Scopes       struct {
			User []string `json:"user"`
			Bot  []string `json:"bot"`
		} `json:"scopes"`
	} `json:"oauth_config"`
	Settings struct {
		Events *struct {
			RequestURL string   `json:"request_url"`
			BotEvents  []string `json:"bot_events"`
		} `json:"event_subscriptions"`
		Interactivity struct {
			Enabled    bool   `json:"is_enabled"`
			RequestURL string `json:"request_url"`
		} `json:"interactivity"`
		SocketMode bool `json:"socket_mode_enabled"`
	} `json:"settings"`
}

// manifestMistake is one of the errors of invalid_manifest. Slack documents the
// two fields and a few messages; the other messages are the simulator's own.
type manifestMistake struct {
	Message string `json:"message"`
	Pointer string `json:"pointer"`
}

// readManifest reads a manifest in JSON, or in YAML, of which JSON is a part.
func readManifest(text string) (m appManifest, mistakes []manifestMistake) {
	var tree any
	if err := yaml.Unmarshal([]byte(text), &tree); err != nil {
		return m, []manifestMistake{{Message: "manifest could not be parsed", Pointer: "/"}}
	}
	raw, err := json.Marshal(tree)
	if err == nil {
		tree = nil
		decoder := json.NewDecoder(bytes.NewReader(raw))
		decoder.UseNumber()
		err = decoder.Decode(&tree)
	}
	if err != nil {
		return m, []manifestMistake{{Message: "manifest could not be parsed", Pointer: "/"}}
	}
	report := func(pointer, format string, args ...any) {
		mistakes = append(mistakes, manifestMistake{fmt.Sprintf(format, args...), pointer})
	}
	manifestShape().check("", tree, report)
	if len(mistakes) > 0 {
		return m, mistakes
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		report("/", "manifest does not match the schema")
	}
	m.check(report)
	return m, mistakes
}

// check holds the manifest against what the schema cannot say. Of all redirect
// URLs http is taken for this machine alone, as for other apps of the simulator.
func (m *appManifest) check(report func(pointer, format string, args ...any)) {
	for i, raw := range m.OAuth.RedirectURLs {
		u, err := url.Parse(raw)
		if err != nil || u.Host == "" || u.Scheme != "https" && !(u.Scheme == "http" && thisMachine(u.Hostname())) || strings.Contains(raw, "#") {
			report(fmt.Sprintf("/oauth_config/redirect_urls/%d", i), "Redirect URL must be https and have no fragment")
		}
	}
	form := regexp.MustCompile(`^[a-z][a-z._:-]{0,49}$`)
	for i, scope := range m.OAuth.Scopes.Bot {
		if slices.Contains([]string{"openid", "email", "profile"}, scope) || !form.MatchString(scope) {
			report(fmt.Sprintf("/oauth_config/scopes/bot/%d", i), "Illegal bot scopes found %s", scope)
		}
	}
	for i, scope := range m.OAuth.Scopes.User {
		if !form.MatchString(scope) {
			report(fmt.Sprintf("/oauth_config/scopes/user/%d", i), "Illegal user scopes found %s", scope)
		}
	}
	if e := m.Settings.Events; e != nil {
		if e.RequestURL == "" && !m.Settings.SocketMode {
			report("/settings/event_subscriptions", "Event Subscription requires either Request URL or Socket Mode Enabled")
		}
		for i, event := range e.BotEvents {
			// Slack was seen to refuse an event without its scope.
			if scope := eventScope(event); scope != "" && !slices.Contains(m.OAuth.Scopes.Bot, scope) {
				report(fmt.Sprintf("/settings/event_subscriptions/bot_events/%d", i), "%s requires the bot scope %s", event, scope)
			}
		}
	}
	if it := m.Settings.Interactivity; it.Enabled && it.RequestURL == "" && !m.Settings.SocketMode {
		report("/settings/interactivity", "Interactivity requires a Request URL")
	}
}

func thisMachine(host string) bool {
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || host == "127.0.0.1"
}

// eventScope is the bot scope that an event takes; empty: none, or an event that
// is not known here (https://docs.slack.dev/reference/events).
func eventScope(event string) string {
	switch {
	case event == "user_change", event == "team_join", event == "user_profile_changed":
		return "users:read"
	case strings.HasPrefix(event, "subteam_"):
		return "usergroups:read"
	case event == "app_mention":
		return "app_mentions:read"
	}
	return ""
}

// shape is a part of Slack's schema 1.0.0
// (https://github.com/slackapi/manifest-schema). One without a kind takes
// anything.
type shape struct {
	kind     string // text, flag, list or map
	min, max int    // characters or items; max 0: any number
	pattern  string
	unique   bool
	item     *shape
	fields   map[string]shape // nothing else may stand in the map
	required []string
}

// manifestShape is the schema but for the functions, workflows and other parts of
// apps that Slack itself hosts, which are taken as they are.
func manifestShape() shape {
	flag, any := shape{kind: "flag"}, shape{}
	text := func(min, max int) shape { return shape{kind: "text", min: min, max: max} }
	list := func(most int, item shape, unique bool) shape {
		return shape{kind: "list", max: most, item: &item, unique: unique}
	}
	group := func(fields map[string]shape, required ...string) shape {
		return shape{kind: "map", fields: fields, required: required}
	}
	address := shape{kind: "text", max: 3500, pattern: `^https?://`}
	scopes, events := list(255, text(0, 50), false), list(100, text(0, 50), true)
	return group(map[string]shape{
		"_metadata": any, "app_directory": any, "functions": any, "workflows": any, "datastores": any, "outgoing_domains": any,
		"types": any, "external_auth_providers": any, "mcp_servers": any, "$schema": any,
		"display_information": group(map[string]shape{
			"name": text(1, 35), "description": text(1, 140), "long_description": text(175, 4000),
			"background_color": {kind: "text", pattern: `^#[0-9a-fA-F]{3}([0-9a-fA-F]{3})?$`},
		}, "name"),
		"features": group(map[string]shape{
			"app_home":  group(map[string]shape{"home_tab_enabled": flag, "messages_tab_enabled": flag, "messages_tab_read_only_enabled": flag}),
			"bot_user":  group(map[string]shape{"display_name": {kind: "text", min: 1, max: 80, pattern: `^[a-z0-9._-]*$`}, "always_online": flag}, "display_name"),
			"functions": any, "shortcuts": any, "slash_commands": any, "workflow_steps": any, "unfurl_domains": any, "assistant_view": any, "agent_view": any,
		}),
		"oauth_config": group(map[string]shape{
			"redirect_urls": list(1000, text(0, 2500), true), "token_management_enabled": flag, "pkce_enabled": flag,
			"scopes": group(map[string]shape{"user": scopes, "bot": scopes, "user_optional": scopes, "bot_optional": scopes}),
		}),
		"settings": group(map[string]shape{
			"event_subscriptions": group(map[string]shape{"request_url": address, "user_events": events, "bot_events": events, "metadata_subscriptions": any}),
			"interactivity":       group(map[string]shape{"is_enabled": flag, "request_url": address, "message_menu_options_url": address}, "is_enabled"),
			"incoming_webhooks":   group(map[string]shape{"incoming_webhooks_enabled": flag}),
			"siws_links":          group(map[string]shape{"initiate_uri": address}),
			"org_deploy_enabled":  flag, "socket_mode_enabled": flag, "is_hosted": flag, "token_rotation_enabled": flag, "is_mcp_enabled": flag,
			"allowed_ip_address_ranges": any, "hermes_app_type": any, "function_runtime": any,
		}),
	}, "display_information")
}

func (s shape) check(at string, v any, report func(pointer, format string, args ...any)) {
	pointer := at
	if pointer == "" {
		pointer = "/"
	}
	switch s.kind {
	case "text":
		text, ok := v.(string)
		n := utf8.RuneCountInString(text)
		switch {
		case !ok:
			report(pointer, "must provide a string")
		case n < s.min:
			report(pointer, "must be at least %d characters", s.min)
		case s.max > 0 && n > s.max:
			report(pointer, "must be less than %d characters", s.max+1)
		case s.pattern != "" && !regexp.MustCompile(s.pattern).MatchString(text):
			report(pointer, "must match pattern %s", s.pattern)
		}
	case "flag":
		if _, ok := v.(bool); !ok {
			report(pointer, "must provide a boolean")
		}
	case "list":
		s.checkList(at, v, report)
	case "map":
		s.checkMap(at, pointer, v, report)
	}
}

func (s shape) checkList(at string, v any, report func(pointer, format string, args ...any)) {
	items, ok := v.([]any)
	if !ok {
		report(at, "must provide an array")
		return
	}
	if len(items) > s.max {
		report(at, "must have at most %d items", s.max)
		return
	}
	seen := map[any]bool{}
	for i, item := range items {
		here := fmt.Sprintf("%s/%d", at, i)
		s.item.check(here, item, report)
		if text, ok := item.(string); ok && s.unique {
			if seen[text] {
				report(here, "must be unique")
			}
			seen[text] = true
		}
	}
}

func (s shape) checkMap(at, pointer string, v any, report func(pointer, format string, args ...any)) {
	fields, ok := v.(map[string]any)
	if !ok {
		report(pointer, "must provide an object")
		return
	}
	for _, name := range s.required {
		if _, there := fields[name]; !there {
			report(pointer, "missing required field: %s", name)
		}
	}
	names := make([]string, 0, len(fields))
	for name := range fields {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if inner, known := s.fields[name]; known {
			inner.check(at+"/"+name, fields[name], report)
		} else {
			report(pointer, "additional property not allowed: %s", name)
		}
	}
}
