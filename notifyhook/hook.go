package notifyhook

import (
	"fmt"
	"regexp"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/secret"
)

// What may stand in a hook's address: as it is, without escapes (RFC 3986
// section 2.3).
var (
	hookID    = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)
	hookToken = regexp.MustCompile(`^[A-Za-z0-9._~-]{16,}$`)
)

// Hook is an address that takes what Slack's incoming webhooks take, under
// /services/ID/TOKEN: whoever knows the token may post
// (https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks).
type Hook struct {
	// ID names the hook in its address and to operators: at most 64 lower case
	// letters, digits, - and _.
	ID string `yaml:"id"`
	// Tokens are the secret part of the address: letters, digits and -._~, at
	// least 16 of them. At most two are active.
	Tokens []Credential `yaml:"tokens"`
	// To is where a message goes that names no channel itself: a #channel, a
	// Slack id or an e-mail address.
	To string `yaml:"to"`
}

func validateHooks(hooks []Hook, report func(key, text string)) {
	ids := map[string]bool{}
	for i, h := range hooks {
		at := fmt.Sprintf("hooks[%d]", i)
		if !hookID.MatchString(h.ID) {
			report(at+".id", "must be at most 64 lower case letters, digits, - and _, since it stands in the hook's address")
		} else if ids[h.ID] {
			report(at+".id", fmt.Sprintf("%q is used twice; an id tells one hook", h.ID))
		}
		ids[h.ID] = true
		if kind, _ := classify(h.To); kind == unknownRecipient {
			report(at+".to", `must be a channel such as "#ops" (in quotes: # begins a comment), a Slack id, or an e-mail address`)
		}
		if len(h.Tokens) == 0 {
			report(at+".tokens", "is missing: whoever knows one may post; generate one, for example with: openssl rand -hex 24")
		}
		validateCredentials(at+".tokens", h.Tokens, report, func(c Credential) string {
			if !hookToken.MatchString(c.Value.Reveal()) {
				return fmt.Sprintf("must be at least %d letters, digits and -._~, since it stands in an address; generate one, for example with: openssl rand -hex 24", minTokenLength)
			}
			return ""
		})
	}
}

// hook is a Hook ready to serve.
type hook struct {
	to    string
	creds credentials
}

// newHooks makes the hooks of a route ready, by id.
func newHooks(host string, list []Hook) (map[string]hook, error) {
	hooks := map[string]hook{}
	for _, one := range list {
		creds, err := newCredentials(host, Settings{BearerTokens: one.Tokens})
		if err != nil {
			return nil, fmt.Errorf("hook %s: %w", one.ID, err)
		}
		_, to := classify(one.To)
		hooks[one.ID] = hook{to: to, creds: creds}
	}
	return hooks, nil
}

// admits says who posts with the token, if anybody may.
func (h hook) admits(id string, token secret.String, now time.Time) (caller, bool) {
	who, p := h.creds.checkToken(token, now)
	who.Kind, who.ID = "hook", id+"/"+who.ID
	return who, p == nil
}
