package gateway

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/secret"
	"github.com/cocoom/cocoom-gateway/policy"
)

// ServiceTokenPrefix begins every service token, so that people and programs
// tell it from other secrets, and each endpoint from what it takes itself.
const ServiceTokenPrefix = "cgs_"

const (
	maxServiceTokens  = 100 // per route
	maxServiceTokenID = 64
	hashPrefix        = "sha256:"
)

// ServiceToken is a token by which a program without a person, such as a cron
// job or a feed reader, may make requests to a route. The token itself is
// known to that program alone.
type ServiceToken struct {
	ID       string    `yaml:"id"`        // what policy rules and logs call it
	Hash     string    `yaml:"hash"`      // "sha256:" and the token's SHA-256 in hex or base64url
	NotAfter time.Time `yaml:"not_after"` // the last day that it is good; midnight UTC, as of a bare date: that day included
	Paths    []string  `yaml:"paths"`     // where it is good; patterns as in policy rules
}

// NewServiceToken makes a token of 256 random bits, and its hash as
// ServiceToken.Hash takes it.
func NewServiceToken() (token secret.String, hash string) {
	b := make([]byte, 32)
	rand.Read(b) // never fails
	token = secret.String(ServiceTokenPrefix + base64.RawURLEncoding.EncodeToString(b))
	sum := sha256.Sum256([]byte(token.Reveal()))
	return token, hashPrefix + hex.EncodeToString(sum[:])
}

// end is the moment from which the token is refused.
func (t ServiceToken) end() time.Time {
	if end := t.NotAfter.UTC(); end.Equal(end.Truncate(24 * time.Hour)) {
		return end.Add(24 * time.Hour)
	}
	return t.NotAfter
}

func (t ServiceToken) sum() (sum [sha256.Size]byte, err error) {
	text, ok := strings.CutPrefix(t.Hash, hashPrefix)
	if !ok {
		return sum, errors.New("no sha256: in front of it")
	}
	raw, err := secret.Key32(text)
	if err != nil {
		return sum, err
	}
	return [sha256.Size]byte(raw), nil
}

// ValidateServiceTokens reports every mistake in the tokens of one route: its
// key relative to the list, and what to write instead.
func ValidateServiceTokens(tokens []ServiceToken, report func(key, text string)) {
	const make = "make one with: cocoom-gateway tokens new"
	if len(tokens) > maxServiceTokens {
		report("", fmt.Sprintf("has %d tokens, at most %d may be: remove those that have expired", len(tokens), maxServiceTokens))
		return
	}
	ids, sums := map[string]bool{}, map[[sha256.Size]byte]bool{}
	for i, t := range tokens {
		at := func(key, text string) { report(fmt.Sprintf("[%d]%s", i, key), text) }
		switch {
		case !plausible(t.ID, maxServiceTokenID, "."):
			at(".id", "must be 1 to 64 letters, digits, . - and _, such as cron")
		case ids[t.ID]:
			at(".id", fmt.Sprintf("%q is used twice; an id tells one token", t.ID))
		}
		ids[t.ID] = true
		sum, err := t.sum()
		switch {
		case strings.HasPrefix(t.Hash, ServiceTokenPrefix):
			at(".hash", "is the token itself, which must not stand here and is no longer secret: "+make)
		case err != nil:
			at(".hash", "must be sha256: and 64 hex digits (or base64url) of the token's SHA-256; "+make)
		case sums[sum]:
			at(".hash", "is the same as another one's")
		}
		sums[sum] = sums[sum] || err == nil
		if t.NotAfter.IsZero() {
			at(".not_after", "is missing: write the last day on which it is good, such as 2027-01-31")
		}
		if len(t.Paths) == 0 {
			at(".paths", "is missing: write where it is good, such as [/cron/*]")
		}
		policy.ValidatePaths(t.Paths, func(key, text string) { at(".paths"+key, text) })
	}
}

// serviceToken is a ServiceToken made ready.
type serviceToken struct {
	id    string
	end   time.Time
	paths *policy.Paths
}

// name is the id by which policy knows the token; empty for none.
func (t *serviceToken) name() string {
	if t == nil {
		return ""
	}
	return t.id
}

// serviceTokens finds a route's tokens by their hash: how long that takes says
// nothing about a token, since nobody can choose what a hash begins with.
type serviceTokens map[[sha256.Size]byte]*serviceToken

func newServiceTokens(tokens []ServiceToken, foldCase bool) (serviceTokens, error) {
	if len(tokens) == 0 {
		return nil, nil
	}
	out := make(serviceTokens, len(tokens))
	for _, t := range tokens {
		sum, err := t.sum()
		if err != nil {
			return nil, fmt.Errorf("service token %s: hash %w", t.ID, err)
		}
		paths, err := policy.NewPaths(t.Paths, foldCase)
		if err != nil {
			return nil, fmt.Errorf("service token %s: %w", t.ID, err)
		}
		out[sum] = &serviceToken{t.ID, t.end(), paths}
	}
	return out, nil
}

// find gives the token of that text, or nil.
func (ts serviceTokens) find(token string) *serviceToken {
	if len(ts) == 0 {
		return nil
	}
	return ts[sha256.Sum256([]byte(token))]
}

// named gives the token with that id, or nil.
func (ts serviceTokens) named(id string) *serviceToken {
	for _, t := range ts {
		if t.id == id {
			return t
		}
	}
	return nil
}

// sameAs gives the token that has the hash of t, one of another configuration's;
// nil if there is none any more.
func (ts serviceTokens) sameAs(t *serviceToken, others serviceTokens) *serviceToken {
	for sum, one := range others {
		if one == t {
			return ts[sum]
		}
	}
	return nil
}

// takeToken looks for a service token in the request's Authorization header. A
// token goes no further than here, and one that is not good here is refused
// rather than passed on: the app, and its logs, would learn a secret that may
// open another route, and the program would take the app's answer to nobody
// for its own.
func (g *Gateway) takeToken(x *exchange, r *http.Request) error {
	token, ours := presented(r.Header["Authorization"])
	if !ours {
		return nil
	}
	x.program = true
	r.Header.Del("Authorization") // also the app's own, should there be several
	if x.token = x.route.tokens.find(token); x.token == nil {
		return g.failed(x, countTokens, failureBudget, errToken.because(errors.New("unknown")))
	}
	return x.route.admit(x.token, r.URL.EscapedPath(), g.cfg.Prefix, g.cfg.Now())
}

// admit says why a token of the route is not good for a path now; nil if it is.
func (rt *Route) admit(t *serviceToken, path, prefix string, now time.Time) error {
	switch {
	case !now.Before(t.end):
		return errToken.because(errors.New("expired"))
	case rt.place(prefix, path) != atApp:
		return errTokenUse.because(errors.New("the gateway's own pages take none"))
	case !t.paths.Contains(path):
		return errTokenUse.because(errors.New("not for this path"))
	}
	return nil
}

// presented gives the service token of an Authorization header, and whether it
// holds one at all. What is a token of ours but stands where none belongs (as
// a Basic user name, under another scheme, beside a second header) is one that
// nothing finds: "".
func presented(credentials []string) (token string, ours bool) {
	for _, c := range credentials {
		if t, found := tokenIn(c); found {
			if ours = true; len(credentials) == 1 {
				token = t
			}
		}
	}
	return token, ours
}

func tokenIn(credentials string) (token string, ours bool) {
	scheme, value, _ := strings.Cut(strings.Trim(credentials, " \t"), " ")
	value = strings.TrimLeft(value, " \t")
	switch {
	case strings.EqualFold(scheme, "Basic"):
		raw, err := base64.StdEncoding.DecodeString(value)
		if err != nil {
			return "", false
		}
		user, password, _ := strings.Cut(string(raw), ":")
		if strings.HasPrefix(password, ServiceTokenPrefix) {
			return password, true
		}
		return "", strings.HasPrefix(user, ServiceTokenPrefix)
	case strings.HasPrefix(value, ServiceTokenPrefix) && strings.EqualFold(scheme, "Bearer"):
		return value, true
	}
	return "", strings.HasPrefix(value, ServiceTokenPrefix) || strings.HasPrefix(scheme, ServiceTokenPrefix)
}

// asksForToken reports whether a request comes from a program and could be
// made with a service token: many send one only when asked. Of a browser
// nothing is asked, since it would ask the person for a password; all of
// today's tell themselves by Sec-Fetch-Mode.
func (rt *Route) asksForToken(r *http.Request) bool {
	if len(rt.tokens) == 0 || classOf(r) != background || r.Header.Get("Sec-Fetch-Mode") != "" ||
		r.Header.Get("X-Requested-With") != "" || r.Header.Get("Origin") != "" || isPrefetch(r) {
		return false
	}
	for _, t := range rt.tokens {
		if t.paths.Contains(r.URL.EscapedPath()) {
			return true
		}
	}
	return false
}

// challenges are the WWW-Authenticate of a 401, which RFC 9110 section 15.5.2
// wants with each. No browser knows the scheme Slack, so none asks for a
// password because of it.
func (rt *Route) challenges(r *http.Request, why *refusal) []string {
	slack := `Slack realm="` + rt.Host + `", login_url="` + why.link + `"`
	basic := `Basic realm="` + rt.Host + `"`
	switch {
	case why.code == errToken.code: // RFC 6750 section 3.1
		return []string{`Bearer realm="` + rt.Host + `", error="invalid_token"`}
	case why.code == errTokenNeeded.code:
		return []string{basic}
	case rt.asksForToken(r):
		return []string{slack, basic}
	}
	return []string{slack}
}
