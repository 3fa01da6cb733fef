package notifyhook

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/secret"
)

const (
	maxActive      = 2 // one in use, one to change over to
	minSecretBytes = 24
	maxSecretBytes = 64 // both bounds are those of the Standard Webhooks specification
	minTokenLength = 16
	maxCollapse    = 24 * time.Hour
	defaultBacklog = 100_000 // deliveries
)

// Settings is the notify section of a route: who may ask for notifications, what
// they may say and how it is said, and how much and for how long is kept.
type Settings struct {
	// SigningSecrets are Standard Webhooks secrets (whsec_…), at most two active.
	SigningSecrets []Credential `yaml:"signing_secrets"`
	// BearerTokens are tokens for callers that cannot sign, at most two active.
	BearerTokens []Credential `yaml:"bearer_tokens"`
	// Hooks are addresses that stand in for Slack's incoming webhooks.
	Hooks []Hook `yaml:"hooks"`
	// AllowFrom are the networks from which callers are let in, with a
	// credential all the same; empty: from everywhere.
	AllowFrom []netip.Prefix `yaml:"allow_from"`
	// InBand takes notifications from X-Notify headers of the app's pages, too.
	InBand bool `yaml:"in_band"`
	// LinkHosts are hosts besides the route's own that a notification's link
	// may point to.
	LinkHosts []string `yaml:"link_hosts"`
	// Lang is the language, "fr" (default) or "en", of messages to channels and
	// to people whose Slack is in another one.
	Lang string `yaml:"lang"`
	// Templates make the text of notifications that have none, by name. A
	// request names one, or else its type does.
	Templates map[string]Template `yaml:"templates"`
	// Broadcast shows the replies in an entity's thread in the conversation,
	// too, unless a notification says otherwise.
	Broadcast bool `yaml:"broadcast"`
	// Merge says whose texts go out as one message when they wait because a lane is
	// backed up: those of "people" (default), of "all", which means channels too, or
	// of nobody: "off".
	Merge string `yaml:"merge"`
	// Fallback are recipients who are told, the first that can be, when a
	// notification's own recipient cannot be reached and it names no others.
	Fallback []string `yaml:"fallback"`
	// Collapse is how long a notification without a key stands for others that
	// look the same to who reads them, such as those of a form sent twice; 0: not
	// at all.
	Collapse time.Duration `yaml:"collapse"`
	// Retention is how long a notification is kept once it is finished, at least
	// 24 h; 0 means 7 days. One that failed, or is a replay, is kept for 30 days if
	// that is longer. Its key is remembered as long: after that, the same key is a
	// new notification.
	Retention time.Duration `yaml:"retention"`
	// Limits bound what the route may ask of the gateway.
	Limits Limits `yaml:"limits"`
}

// Limits bound what a route may ask of the gateway.
type Limits struct {
	// Backlog is how many deliveries may wait; beyond it no more are accepted.
	// 0: 100,000.
	Backlog int `yaml:"backlog"`
}

// fallback returns the recipients in their one spelling.
func (s Settings) fallback() []string {
	var list []string
	for _, to := range s.Fallback {
		_, same := classify(to)
		list = append(list, same)
	}
	return list
}

// retention is Retention with its default.
func (s Settings) retention() time.Duration {
	if s.Retention == 0 {
		return defaultRetention
	}
	return s.Retention
}

// Credential is a secret of the webhook's callers. In YAML it may be just the
// value.
type Credential struct {
	ID       string        `yaml:"id"`        // shown to operators; empty: its position, from 1
	Value    secret.String `yaml:"value"`     // the secret itself: whsec_… for a signing secret, any 16 characters or more for a token
	NotAfter time.Time     `yaml:"not_after"` // the last day that it is good; midnight UTC, as of a bare date: that day included; zero: no end
}

// UnmarshalYAML reads the long form, {id, value, not_after}, or the value
// alone. It has the signature that YAML libraries look for.
func (c *Credential) UnmarshalYAML(unmarshal func(any) error) error {
	var value string
	if unmarshal(&value) == nil {
		*c = Credential{Value: secret.String(value)}
		return nil
	}
	type long Credential // without this method
	return unmarshal((*long)(c))
}

// end is the moment from which the credential is refused; zero: never.
func (c Credential) end() time.Time {
	if end := c.NotAfter.UTC(); !end.IsZero() && end.Equal(end.Truncate(24*time.Hour)) {
		return end.Add(24 * time.Hour)
	}
	return c.NotAfter
}

// Validate reports every mistake with its key, relative to the notify section,
// and a text that says what to write instead. It expects values, not the
// env: and file: references they were configured with.
func (s Settings) Validate(report func(key, text string)) {
	validateCredentials("signing_secrets", s.SigningSecrets, report, func(c Credential) string {
		if _, err := signingKey(c.Value); err != nil {
			return err.Error()
		}
		return ""
	})
	validateCredentials("bearer_tokens", s.BearerTokens, report, func(c Credential) string {
		v := c.Value.Reveal()
		if len(v) < minTokenLength {
			return fmt.Sprintf("is shorter than %d characters; generate one, for example with: openssl rand -hex 24", minTokenLength)
		}
		if strings.ContainsFunc(v, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return "must be printable ASCII without spaces, since it travels in a header"
		}
		return ""
	})
	validateHooks(s.Hooks, report)
	for i, host := range s.LinkHosts {
		if host == "" || host != strings.ToLower(host) || strings.ContainsAny(host, "/:@*? ") {
			report(fmt.Sprintf("link_hosts[%d]", i), "must be a lower case host name alone, such as intranet.example.com")
		}
	}
	if s.Lang != "" && s.Lang != french && s.Lang != english {
		report("lang", "is unknown: write fr or en")
	}
	validateTemplates(s.Templates, report)
	switch s.Merge {
	case "", mergePeople, mergeAll, mergeOff:
	default:
		report("merge", "must be people, all or off")
	}
	s.validateFallback(report)
	if s.Collapse < 0 || s.Collapse > maxCollapse {
		report("collapse", "must be 0s to 24h, such as 10s")
	}
	if s.Retention != 0 && s.Retention < minRetention {
		report("retention", fmt.Sprintf("must be at least %.0fh: a caller may repeat a request for that long, and must not cause a second message", minRetention.Hours()))
	}
	if s.Limits.Backlog < 0 {
		report("limits.backlog", "must be a number of deliveries, or 0 for the default of 100000")
	}
}

// validateFallback reports what is no recipient.
func (s Settings) validateFallback(report func(key, text string)) {
	if len(s.Fallback) > maxRecipients {
		report("fallback", fmt.Sprintf("has %d recipients, may have %d", len(s.Fallback), maxRecipients))
	}
	for i, to := range s.Fallback {
		if kind, _ := classify(to); kind == unknownRecipient {
			report(fmt.Sprintf("fallback[%d]", i), `must be a "#channel" (quoted, since # begins a comment), a Slack id (C…, U…) or an e-mail address`)
		}
	}
}

func validateCredentials(key string, list []Credential, report func(key, text string), mistake func(Credential) string) {
	ids, values := map[string]bool{}, map[secret.String]bool{}
	active, now := 0, time.Now()
	for i, c := range list {
		at := fmt.Sprintf("%s[%d]", key, i)
		if end := c.end(); end.IsZero() || now.Before(end) {
			active++
		}
		if id := credentialID(c, i); ids[id] {
			report(at+".id", fmt.Sprintf("%q is used twice; an id tells one credential", id))
		} else {
			ids[id] = true
		}
		if c.Value == "" {
			report(at+".value", "is empty")
			continue
		}
		if values[c.Value] {
			report(at+".value", "is the same as another one's")
		}
		values[c.Value] = true
		if text := mistake(c); text != "" {
			report(at+".value", text)
		}
	}
	if active > maxActive {
		report(key, fmt.Sprintf("%d are active, at most %d may be: the one in use and the one to change over to", active, maxActive))
	}
}

func credentialID(c Credential, i int) string {
	if c.ID != "" {
		return c.ID
	}
	return strconv.Itoa(i + 1)
}

// signingKey decodes a Standard Webhooks secret. The prefix "v1,whsec_" is what
// some dashboards show and people paste.
func signingKey(s secret.String) ([]byte, error) {
	encoded, ok := strings.CutPrefix(strings.TrimPrefix(s.Reveal(), "v1,"), "whsec_")
	if !ok {
		return nil, errors.New("must be whsec_ followed by base64 (Standard Webhooks); generate one, for example with: echo whsec_$(openssl rand -base64 32)")
	}
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, errors.New("has a part after whsec_ that is not base64") // the cause would quote the secret's bytes
	}
	if len(key) < minSecretBytes || len(key) > maxSecretBytes {
		return nil, fmt.Errorf("decodes to %d bytes, must be %d to %d", len(key), minSecretBytes, maxSecretBytes)
	}
	return key, nil
}
