package proxy

import (
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// signer mints the assertions of one route.
type signer struct {
	method           jwt.SigningMethod
	keys             *Keys
	secret           []byte // HS256 only
	issuer, audience string
	ttl              time.Duration
	now              func() time.Time
}

func newSigner(cfg Config) (*signer, error) {
	a := cfg.Assertion.withDefaults(cfg.Host)
	s := &signer{
		method: jwt.GetSigningMethod(a.Alg), keys: cfg.Keys,
		issuer: cfg.Origin, audience: a.Audience, ttl: a.TTL, now: cfg.Now,
	}
	if a.Alg == "HS256" {
		s.secret = []byte(a.Secret.Reveal())
	} else if s.keys == nil {
		return nil, errors.New("there are no keys to sign assertions with")
	}
	if s.audience == "" {
		return nil, errors.New("the route has no host, which is the assertion's audience")
	}
	if s.now == nil {
		s.now = time.Now
	}
	return s, nil
}

// minted is an assertion and what it was made with.
type minted struct {
	token string
	by    *signer // of the one route that it is for
	keyID string
	at    time.Time
}

// stillGood reports whether m can be sent: minted by s with the key that is
// active, and with more than half of its life left, so that a slow upload
// does not outlive it. A clock that was set back makes it bad.
func (m *minted) stillGood(s *signer, keyID string, now time.Time) bool {
	age := now.Sub(m.at)
	return m.by == s && m.keyID == keyID && age >= 0 && age < s.ttl/2
}

// assertionFor returns the signed assertion for the route of s.
func (w *Principal) assertionFor(s *signer) (string, error) {
	now := s.now()
	keyID, key, err := s.key(now)
	if err != nil {
		return "", err
	}
	if m := w.minted.Load(); m != nil && m.stillGood(s, keyID, now) {
		return m.token, nil
	}
	w.minting.Lock()
	defer w.minting.Unlock()
	if m := w.minted.Load(); m != nil && m.stillGood(s, keyID, now) {
		return m.token, nil
	}
	token := jwt.NewWithClaims(s.method, s.claims(w, now))
	if keyID != "" {
		token.Header["kid"] = keyID
	}
	signed, err := token.SignedString(key)
	if err != nil {
		return "", fmt.Errorf("sign assertion: %w", err)
	}
	w.minted.Store(&minted{token: signed, by: s, keyID: keyID, at: now})
	return signed, nil
}

// key returns what to sign with now. A route's own secret has no id.
func (s *signer) key(now time.Time) (id string, key any, err error) {
	if s.secret != nil {
		return "", s.secret, nil
	}
	k, ok := s.keys.active(s.method.Alg(), now)
	if !ok {
		return "", nil, errNoKey
	}
	return k.ID, k.Private, nil
}

// claims is the closed set of what an assertion says. What is unknown is absent.
func (s *signer) claims(w *Principal, now time.Time) jwt.MapClaims {
	id := &w.identity
	claims := jwt.MapClaims{
		"iss": s.issuer, "aud": s.audience, "sub": id.User,
		"iat": now.Unix(), "exp": now.Add(s.ttl).Unix(),
	}
	for name, value := range map[string]string{"team_id": id.Team, "email": id.Email, "name": id.Name, "sid": w.session} {
		if value != "" {
			claims[name] = value
		}
	}
	if id.Groups != nil {
		claims["groups"] = id.Groups
	}
	return claims
}
