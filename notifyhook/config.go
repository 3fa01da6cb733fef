package notifyhook

import (
	"encoding/base64"
	"errors"
	"fmt"
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
)

// Settings is the notify section of a route: who may call its webhook.
type Settings struct {
	// SigningSecrets are Standard Webhooks secrets (whsec_…), at most two active.
	SigningSecrets []Credential `yaml:"signing_secrets"`
	// BearerTokens are tokens for callers that cannot sign, at most two active.
	BearerTokens []Credential `yaml:"bearer_tokens"`
	// LinkHosts are hosts besides the route's own that a notification's link
	// may point to.
	LinkHosts []string `yaml:"link_hosts"`
	// Retention is how long a notification is kept once it is finished, at least
	// 24 h; 0 means 7 days. A failed one is kept for 30 days if that is longer.
	// Its key is remembered as long: after that, the same key is a new
	// notification.
	Retention time.Duration `yaml:"retention"`
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
	Value    secret.String `yaml:"value"`     // whsec_… for a signing secret, any 16 characters or more for a token
	NotAfter time.Time     `yaml:"not_after"` // zero: no end; midnight UTC, as of a bare date: that day included
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
	if s.Retention != 0 && s.Retention < minRetention {
		report("retention", fmt.Sprintf("must be at least %.0fh: a caller may repeat a request for that long, and must not cause a second message", minRetention.Hours()))
	}
	for i, host := range s.LinkHosts {
		if host == "" || host != strings.ToLower(host) || strings.ContainsAny(host, "/:@*? ") {
			report(fmt.Sprintf("link_hosts[%d]", i), "must be a lower case host name alone, such as intranet.example.com")
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
