package notifyhook

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/cocoom/cocoom-gateway/internal/secret"
)

const (
	signatureTolerance = 300 * time.Second // both ways; Standard Webhooks
	maxSignatures      = 5                 // a change of secrets needs two; more is work for an attacker's benefit
	maxKeyLength       = 128
)

// Kinds of credentials.
const (
	bySignature = "signature"
	byToken     = "bearer"
)

// credentials are the secrets of one route, ready to compare.
type credentials struct {
	host    string
	signing []signing
	tokens  []token
}

type signing struct {
	id      string
	end     time.Time
	webhook *standardwebhooks.Webhook
}

type token struct {
	id  string
	end time.Time
	sum [sha256.Size]byte // compared instead of the token, so that its length does not show either
}

// caller is who passed the check, and by what.
type caller struct {
	Kind     string    // bySignature or byToken
	ID       string    // of the credential
	NotAfter time.Time // zero: no end
	Skew     int       // seconds the caller's clock is ahead; signatures only
}

// credential is how the credential is written down.
func (c caller) credential() string { return c.Kind + ":" + c.ID }

func newCredentials(host string, s Settings) (credentials, error) {
	c := credentials{host: host}
	for i, one := range s.SigningSecrets {
		key, err := signingKey(one.Value)
		if err != nil {
			return c, fmt.Errorf("signing secret %s %w", credentialID(one, i), err)
		}
		webhook, err := standardwebhooks.NewWebhookRaw(key)
		if err != nil {
			return c, fmt.Errorf("signing secret %s: %w", credentialID(one, i), err)
		}
		c.signing = append(c.signing, signing{id: credentialID(one, i), end: one.end(), webhook: webhook})
	}
	for i, one := range s.BearerTokens {
		if len(one.Value) < minTokenLength {
			return c, fmt.Errorf("bearer token %s: %w", credentialID(one, i), errors.New("too short"))
		}
		c.tokens = append(c.tokens, token{id: credentialID(one, i), end: one.end(), sum: tokenSum(one.Value)})
	}
	return c, nil
}

func tokenSum(s secret.String) [sha256.Size]byte { return sha256.Sum256([]byte(s.Reveal())) }

// bearer returns the token of an Authorization header, if it holds one.
func bearer(h http.Header) (secret.String, bool) {
	scheme, value, ok := strings.Cut(h.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return "", false
	}
	return secret.String(strings.TrimSpace(value)), true
}

// checkToken accepts a bearer token of this route.
func (c credentials) checkToken(value secret.String, now time.Time) (caller, *problem) {
	sum := tokenSum(value)
	found := -1
	for i := range c.tokens { // all of them, so that the time tells nothing
		if subtle.ConstantTimeCompare(sum[:], c.tokens[i].sum[:]) == 1 {
			found = i
		}
	}
	if found < 0 {
		return caller{}, c.refuse("token_mismatch", "the bearer token is not one of this route's")
	}
	t := c.tokens[found]
	if ended(t.end, now) {
		return caller{}, c.refuse("secret_expired", "the bearer token has expired")
	}
	return caller{Kind: byToken, ID: t.id, NotAfter: t.end}, nil
}

// checkSignature verifies a Standard Webhooks v1 signature over the raw body.
// Clock and expiry are judged only after a signature matched: what is said
// about them is said to somebody who holds the secret.
func (c credentials) checkSignature(h http.Header, body []byte, now time.Time) (caller, *problem) {
	id, stamp, list, p := c.signatureHeaders(h)
	if p != nil {
		return caller{}, p
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || strconv.FormatInt(seconds, 10) != stamp {
		return caller{}, c.refuse("signature_mismatch", "webhook-timestamp is not a number of seconds since 1970")
	}
	at := time.Unix(seconds, 0)
	found := -1
	for i, s := range c.signing {
		want, err := s.webhook.Sign(id, at, body)
		if err != nil {
			return caller{}, c.refuse("signature_mismatch", "the signature could not be computed")
		}
		for _, got := range list {
			// Who changes over signs with both, and is let in by the one that is good.
			if subtle.ConstantTimeCompare([]byte(got), []byte(want)) == 1 && (found < 0 || ended(c.signing[found].end, now)) {
				found = i
			}
		}
	}
	if found < 0 {
		return caller{}, c.refuse("signature_mismatch", "no signature matches this route's secrets, the id, the timestamp and the raw body")
	}
	if ended(c.signing[found].end, now) {
		return caller{}, c.refuse("secret_expired", "the signing secret has expired")
	}
	skew := at.Sub(now)
	if skew > signatureTolerance || skew < -signatureTolerance {
		p := c.refuse("timestamp_skew", "webhook-timestamp is too far from this server's clock")
		p.SkewSeconds = new(int(skew / time.Second))
		return caller{}, p
	}
	return caller{Kind: bySignature, ID: c.signing[found].id, NotAfter: c.signing[found].end, Skew: int(skew / time.Second)}, nil
}

// signatureHeaders returns the three headers, with the signatures apart.
func (c credentials) signatureHeaders(h http.Header) (id, stamp string, list []string, p *problem) {
	id, stamp, value := h.Get(standardwebhooks.HeaderWebhookID), h.Get(standardwebhooks.HeaderWebhookTimestamp), h.Get(standardwebhooks.HeaderWebhookSignature)
	if id == "" && stamp == "" && value == "" {
		return "", "", nil, c.refuse("credential_missing", "send a Standard Webhooks signature or a bearer token")
	}
	if id == "" || stamp == "" || value == "" {
		return "", "", nil, c.refuse("signature_missing", "webhook-id, webhook-timestamp and webhook-signature are needed together")
	}
	for _, name := range []string{standardwebhooks.HeaderWebhookID, standardwebhooks.HeaderWebhookTimestamp, standardwebhooks.HeaderWebhookSignature} {
		if len(h.Values(name)) > 1 {
			return "", "", nil, c.refuse("signature_mismatch", "a webhook header is there twice")
		}
	}
	// What is signed is id.timestamp.body without escaping: with a dot in the
	// id, a signature for one (id, body) would also stand for another.
	if strings.Contains(id, ".") || len(id) > maxKeyLength {
		return "", "", nil, c.refuse("webhook_id_invalid", "webhook-id must have no dot and at most 128 characters")
	}
	list = strings.Fields(value)
	if len(list) > maxSignatures {
		return "", "", nil, c.refuse("signature_mismatch", "webhook-signature holds more than 5 signatures")
	}
	return id, stamp, list, nil
}

func ended(end, now time.Time) bool { return !end.IsZero() && !now.Before(end) }

// refuse is a 401 that names the check that failed.
func (c credentials) refuse(code, detail string) *problem {
	return &problem{Status: http.StatusUnauthorized, Code: code, Detail: detail, Challenge: fmt.Sprintf("Bearer realm=%q", c.host)}
}
