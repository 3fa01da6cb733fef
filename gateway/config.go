package gateway

import (
	"net/url"
	"strings"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/secret"
	"github.com/cocoom/cocoom-gateway/proxy"
)

// Slack says where Slack is. Only these two addresses differ between
// slack.com, GovSlack and a stand-in.
type Slack struct {
	Issuer string `yaml:"issuer"`  // of Sign in with Slack; default https://slack.com
	APIURL string `yaml:"api_url"` // of the Web API; default https://slack.com/api/
}

// SessionTimes bounds a sign-in.
type SessionTimes struct {
	Lifetime time.Duration `yaml:"lifetime"` // from sign-in; 0 means 12 h
	Idle     time.Duration `yaml:"idle"`     // without a page opened; 0 means 2 h
}

// SlackApp is a route's own Slack app.
type SlackApp struct {
	ClientID      string        `yaml:"client_id"`
	ClientSecret  secret.String `yaml:"client_secret"`
	BotToken      secret.String `yaml:"bot_token"`
	SigningSecret secret.String `yaml:"signing_secret"`
}

// Login is the login section of a route; its zero value takes all defaults.
type Login struct {
	// Callback is the path Slack sends people back to; empty means
	// <reserved prefix>/callback.
	Callback string `yaml:"callback"`
	// Guests is "deny" (default) or "allow".
	Guests string `yaml:"guests"`
	// Upstream says how the app is told who is signed in.
	Upstream proxy.UpstreamLogin `yaml:"upstream"`
	// SavedFormMax is up to which size a form is kept that was sent with an
	// expired session, until its person has signed in again.
	SavedFormMax FormLimit `yaml:"saved_form_max"`
}

// WithDefaults gives s with slack.com where nothing is set, and the slash that
// method names are appended to.
func (s Slack) WithDefaults() Slack {
	if s.Issuer == "" {
		s.Issuer = "https://slack.com"
	}
	if s.APIURL == "" {
		s.APIURL = "https://slack.com/api/"
	}
	if !strings.HasSuffix(s.APIURL, "/") {
		s.APIURL += "/"
	}
	return s
}

// Validate reports every mistake in s with its key.
func (s Slack) Validate(report func(key, text string)) {
	s = s.WithDefaults()
	for key, raw := range map[string]string{"issuer": s.Issuer, "api_url": s.APIURL} {
		u, err := url.Parse(raw)
		if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
			report(key, "is no http(s) address; write for example https://slack.com")
		}
	}
}

func (t SessionTimes) withDefaults() SessionTimes {
	if t.Lifetime == 0 {
		t.Lifetime = 12 * time.Hour
	}
	if t.Idle == 0 {
		t.Idle = min(2*time.Hour, t.Lifetime)
	}
	return t
}

// Validate reports every mistake in t with its key.
func (t SessionTimes) Validate(report func(key, text string)) {
	if t.Lifetime < 0 || t.Lifetime > 0 && t.Lifetime < time.Minute || t.Lifetime > 90*24*time.Hour {
		report("lifetime", "must lie between 1m and 2160h (90 days)")
	}
	if t.Idle < 0 || t.Idle > 0 && t.Idle < time.Minute {
		report("idle", "must be at least 1m")
	}
	if d := t.withDefaults(); d.Idle > d.Lifetime {
		report("idle", "is longer than lifetime, so it would never end a session; write a shorter time")
	}
}

// Validate reports every mistake in l with its key.
func (l Login) Validate(report func(key, text string)) {
	if l.Callback != "" && (!strings.HasPrefix(l.Callback, "/") || strings.HasPrefix(l.Callback, "//") || strings.ContainsAny(l.Callback, "?#*% ") || l.Callback == "/") {
		report("callback", "must be a path such as /.gateway/callback, without query")
	}
	if l.Guests != "" && l.Guests != "deny" && l.Guests != "allow" {
		report("guests", "must be deny or allow")
	}
	l.Upstream.Validate(func(key, text string) { report(join("upstream", key), text) })
	if l.SavedFormMax > maxSavedForm {
		report("saved_form_max", "must be at most 8MiB, since forms are kept in the store; or write off")
	}
}

func join(a, b string) string {
	switch {
	case b == "":
		return a
	case strings.HasPrefix(b, "["):
		return a + b
	}
	return a + "." + b
}
