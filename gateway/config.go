package gateway

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/secret"
	"github.com/cocoom/cocoom-gateway/policy"
	"github.com/cocoom/cocoom-gateway/proxy"
)

// Slack says where Slack is. Only these two addresses differ between
// slack.com, GovSlack and a stand-in.
type Slack struct {
	Issuer string `yaml:"issuer"`  // that of Sign in with Slack; default https://slack.com
	APIURL string `yaml:"api_url"` // the address of the Web API; default https://slack.com/api/
}

// SessionTimes bounds a sign-in.
type SessionTimes struct {
	Lifetime time.Duration `yaml:"lifetime"` // how long it lasts from sign-in; 0 means 12 h
	Idle     time.Duration `yaml:"idle"`     // how long it lasts without a page opened; 0 means 2 h
	// RevocationMaxLag is how long sessions are honoured while the store cannot
	// say which of them were ended; 0 means 10 min.
	RevocationMaxLag time.Duration `yaml:"revocation_max_lag"`
	// MaxStale is how long what Slack last said about a person holds while it
	// cannot be asked again; 0 means 24 h. Then nobody is let in on old news.
	MaxStale time.Duration `yaml:"max_stale"`
}

// SlackApp is a route's own Slack app.
type SlackApp struct {
	ClientID      string        `yaml:"client_id"`      // for login; Slack shows it under Basic Information, with the two secrets
	ClientSecret  secret.String `yaml:"client_secret"`  // for login
	BotToken      secret.String `yaml:"bot_token"`      // that of the bot, xoxb-…; for notifications, and to know guests, admins and usergroups
	SigningSecret secret.String `yaml:"signing_secret"` // of Slack's events, at /slack/events under the reserved prefix
	// Managed means that the workspace's own admin sets the app up through a link,
	// and that the rest lies sealed in the state.
	Managed bool `yaml:"managed"`
}

// Login is the login section of a route. Its zero value takes all defaults.
type Login struct {
	// Callback is the path Slack sends people back to; empty means /callback under
	// the reserved prefix.
	Callback string `yaml:"callback"`
	// Guests says whether the workspace's guests may sign in: "deny" (default) or
	// "allow".
	Guests string `yaml:"guests"`
	// AppCookies are the app's own session cookies, bound to whoever is signed in.
	AppCookies proxy.AppCookies `yaml:"app_cookies"`
	// SignOutPaths are the app's own sign-out links, such as /logout.php or
	// "/index.php?action=logout"; they end our session too.
	SignOutPaths []string `yaml:"sign_out_paths"`
	// PinEmail refuses a known person whose e-mail address has changed, until an
	// operator accepts the new one. On Slack's free plans people change their
	// address themselves, and an app may know them by it.
	PinEmail bool `yaml:"pin_email"`
	// Upstream says how the app is told who is signed in.
	Upstream proxy.UpstreamLogin `yaml:"upstream"`
	// SavedFormMax is up to which size a form is kept that was sent with an
	// expired session, until its person has signed in again; 0 means 1 MiB.
	SavedFormMax FormLimit `yaml:"saved_form_max"`
	// TrustedOrigins are those of pages elsewhere, such as https://intranet.cocoom.com,
	// that may show the app in frames, and send it forms and requests, as whoever is
	// signed in. From other origins, sister subdomains too, only links may come. They
	// must lie below the same domain: from others browsers bring no session.
	TrustedOrigins []string `yaml:"trusted_origins"`
}

// CallbackPath is the path Slack sends people back to, prefix being the reserved
// one.
func (l Login) CallbackPath(prefix string) string { return cmp.Or(l.Callback, prefix+"/callback") }

// BoundCookies are the app's cookies that are bound to people: AppCookies, and
// those that hold the session of its login form.
func (l Login) BoundCookies() proxy.AppCookies {
	if l.Upstream.Form == nil {
		return l.AppCookies
	}
	all := slices.Clone(l.AppCookies)
	for _, name := range l.Upstream.Form.Cookies {
		if !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
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

// maxLifetime bounds what may be configured as a session's lifetime. Revocations
// are kept as long, whatever is configured when they are made: it may have been
// more when the sessions began, and be more again later.
const maxLifetime = 90 * 24 * time.Hour

func (t SessionTimes) withDefaults() SessionTimes {
	if t.Lifetime == 0 {
		t.Lifetime = 12 * time.Hour
	}
	if t.Idle == 0 {
		t.Idle = min(2*time.Hour, t.Lifetime)
	}
	if t.RevocationMaxLag == 0 {
		t.RevocationMaxLag = 10 * time.Minute
	}
	if t.MaxStale == 0 {
		t.MaxStale = 24 * time.Hour
	}
	return t
}

// Validate reports every mistake in t with its key.
func (t SessionTimes) Validate(report func(key, text string)) {
	if t.Lifetime < 0 || t.Lifetime > 0 && t.Lifetime < time.Minute || t.Lifetime > maxLifetime {
		report("lifetime", "must lie between 1m and 2160h (90 days)")
	}
	if t.Idle < 0 || t.Idle > 0 && t.Idle < time.Minute {
		report("idle", "must be at least 1m")
	}
	if d := t.withDefaults(); d.Idle > d.Lifetime {
		report("idle", "is longer than lifetime, so it would never end a session; write a shorter time")
	}
	if t.RevocationMaxLag < 0 || t.RevocationMaxLag > 0 && t.RevocationMaxLag < 30*time.Second || t.RevocationMaxLag > 24*time.Hour {
		report("revocation_max_lag", "must lie between 30s and 24h")
	}
	if t.MaxStale < 0 || t.MaxStale > 0 && t.MaxStale < time.Hour {
		report("max_stale", "must be at least 1h: people are asked about every 15 minutes, and Slack may be away for a while")
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
	l.AppCookies.Validate(func(key, text string) { report(join("app_cookies", key), text) })
	policy.ValidateRequests(l.SignOutPaths, func(key, text string) { report(join("sign_out_paths", key), text) })
	l.Upstream.Validate(func(key, text string) { report(join("upstream", key), text) })
	if l.SavedFormMax > maxSavedForm {
		report("saved_form_max", "must be at most 8MiB, since forms are kept in the store; or write off")
	}
	validateOrigins(l.TrustedOrigins, func(key, text string) { report(join("trusted_origins", key), text) })
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
