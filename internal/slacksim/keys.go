package slacksim

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net/http"

	"github.com/golang-jwt/jwt/v5"
)

// signingKey signs ID tokens.
type signingKey struct {
	id      string
	private *rsa.PrivateKey
}

// signer gives the current key; the first is made when it is first needed.
// The caller holds mu.
func (s *Sim) signer() (signingKey, error) {
	if len(s.keys) == 0 {
		if err := s.addKey(); err != nil {
			return signingKey{}, err
		}
	}
	return s.keys[0], nil
}

func (s *Sim) addKey() error {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return fmt.Errorf("generate signing key: %w", err)
	}
	s.keys = append([]signingKey{{id: "sim-" + rand.Text()[:8], private: private}}, s.keys...)
	return nil
}

// RotateKey signs ID tokens with a new key from now on. The old ones stay
// published if keepOld says so.
func (s *Sim) RotateKey(keepOld bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.addKey(); err != nil {
		return err
	}
	if !keepOld {
		s.keys = s.keys[:1]
	}
	return nil
}

// SignIDToken signs any claims with the current key, for tests that need a
// token Slack would not issue but whose signature is good.
func (s *Sim) SignIDToken(claims jwt.MapClaims) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sign(claims)
}

func (s *Sim) sign(claims jwt.MapClaims) (string, error) {
	key, err := s.signer()
	if err != nil {
		return "", err
	}
	t := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
	t.Header["kid"] = key.id
	signed, err := t.SignedString(key.private)
	if err != nil {
		return "", fmt.Errorf("sign id token: %w", err)
	}
	return signed, nil
}

func (s *Sim) serveKeys(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	_, err := s.signer()
	keys := make([]reply, 0, len(s.keys))
	for _, k := range s.keys {
		exponent := binary.BigEndian.AppendUint32(nil, uint32(k.private.E))
		keys = append(keys, reply{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": k.id,
			"n": base64.RawURLEncoding.EncodeToString(k.private.N.Bytes()),
			"e": base64.RawURLEncoding.EncodeToString(bytes.TrimLeft(exponent, "\x00"))})
	}
	s.mu.Unlock()
	if err != nil {
		http.Error(w, "no signing key", http.StatusInternalServerError)
		return
	}
	writeDocument(w, reply{"keys": keys})
}
