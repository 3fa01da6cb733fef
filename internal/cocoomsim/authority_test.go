package cocoomsim

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	issuer   = "http://agrafmania.localhost:8080"
	audience = "agrafmania.localhost"
	keyID    = "k-2026-11"
)

var now = time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)

// authority signs assertions as the app's front server would.
type authority struct {
	key  *ecdsa.PrivateKey
	p384 *ecdsa.PrivateKey // published too, but good for no ES256 assertion
	url  string            // of the JWKS
	// up says whether the JWKS can be read; reads counts how often it was.
	up    atomic.Bool
	reads atomic.Int32
	kids  atomic.Value // []string: the ids under which the key is published
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	s := &authority{key: newKey(t, elliptic.P256()), p384: newKey(t, elliptic.P384())}
	s.up.Store(true)
	s.kids.Store([]string{keyID})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.reads.Add(1)
		if !s.up.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.Write(s.jwks(t))
	}))
	t.Cleanup(srv.Close)
	s.url = srv.URL + "/jwks.json"
	return s
}

func newKey(t *testing.T, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// jwks publishes the key, beside two of other kinds that readers must pass over.
func (s *authority) jwks(t *testing.T) []byte {
	point, err := s.key.PublicKey.Bytes()
	if err != nil {
		t.Error(err)
	}
	keys := []any{map[string]string{"kty": "OKP", "crv": "Ed25519", "kid": "other", "x": "AAAA"}}
	p384, err := s.p384.PublicKey.Bytes()
	if err != nil {
		t.Error(err)
	}
	keys = append(keys, map[string]string{
		"kty": "EC", "crv": "P-384", "alg": "ES384", "kid": "p384",
		"x": base64.RawURLEncoding.EncodeToString(p384[1:49]), "y": base64.RawURLEncoding.EncodeToString(p384[49:]),
	})
	for _, kid := range s.kids.Load().([]string) {
		keys = append(keys, map[string]string{
			"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": kid,
			"x": base64.RawURLEncoding.EncodeToString(point[1:33]), "y": base64.RawURLEncoding.EncodeToString(point[33:]),
		})
	}
	out, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		t.Error(err)
	}
	return out
}

func (s *authority) publicPEM(t *testing.T) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(&s.key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// claimsWith are a good assertion's claims with some changed; nil removes one.
func claimsWith(changes map[string]any) jwt.MapClaims {
	c := jwt.MapClaims{
		"iss": issuer, "aud": audience, "sub": "U0MARIE", "team_id": "T0AGRAF001", "sid": "s1",
		"email": "marie@agrafmania.fr", "name": "Marie Lefèvre", "groups": []string{"cocoom-admins"},
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
	}
	maps.Copy(c, changes)
	for name, value := range c {
		if value == nil {
			delete(c, name)
		}
	}
	return c
}

// sign makes a token; a nil kid leaves the header out.
func sign(t *testing.T, method jwt.SigningMethod, key, kid any, c jwt.MapClaims) string {
	t.Helper()
	token := jwt.NewWithClaims(method, c)
	if kid != nil {
		token.Header["kid"] = kid
	}
	out, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (s *authority) token(t *testing.T, changes map[string]any) string {
	t.Helper()
	return sign(t, jwt.SigningMethodES256, s.key, keyID, claimsWith(changes))
}

// tokenCase is an assertion, and what a verifier must make of it.
type tokenCase struct {
	name, token string
	reason      string // in French; empty: it is good
}

// tokenCases are what every verifier of assertions is put to, whatever the
// language it is written in.
func tokenCases(t *testing.T, s *authority) []tokenCase {
	t.Helper()
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }
	good := s.token(t, nil)
	head, rest, _ := strings.Cut(good, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	goodClaims, err := json.Marshal(claimsWith(nil))
	if err != nil {
		t.Fatal(err)
	}
	forgedPayload := strings.Split(s.token(t, map[string]any{"email": "paul@agrafmania.fr"}), ".")[1]
	flipped, err := base64.RawURLEncoding.DecodeString(signature)
	if err != nil {
		t.Fatal(err)
	}
	padded := base64.RawURLEncoding.EncodeToString(slices.Insert(slices.Clone(flipped), 32, 0))
	flipped[10] ^= 1
	const (
		signatureWrong = "sa signature est fausse"
		algWrong       = "son algorithme n’est pas ES256"
		keyUnknown     = "sa clé est inconnue"
		claimMissing   = "il lui manque une information obligatoire"
	)
	return []tokenCase{
		{"good", good, ""},
		{"audience in a list", s.token(t, map[string]any{"aud": []string{"x", audience}}), ""},
		{"expired within the leeway", s.token(t, map[string]any{"exp": at(-29 * time.Second)}), ""},
		{"no nbf", s.token(t, map[string]any{"nbf": nil}), ""},
		{"r with a leading zero", s.shortToken(t, 0), ""},
		{"s with a leading zero", s.shortToken(t, 32), ""},
		{"expired", s.token(t, map[string]any{"exp": at(-31 * time.Second)}), "elle a expiré"},
		{"never expires", s.token(t, map[string]any{"exp": nil}), claimMissing},
		{"exp is no number", s.token(t, map[string]any{"exp": "jamais"}), "elle est illisible"},
		{"not yet", s.token(t, map[string]any{"nbf": at(31 * time.Second)}), "elle n’est pas encore valable"},
		{"wrong audience", s.token(t, map[string]any{"aud": "editionsduport.localhost"}), "elle est destinée à une autre application"},
		{"no audience", s.token(t, map[string]any{"aud": nil}), claimMissing},
		{"wrong issuer", s.token(t, map[string]any{"iss": issuer + "/"}), "son émetteur est un autre"},
		{"no issuer", s.token(t, map[string]any{"iss": nil}), claimMissing},
		{"alg none", sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, keyID, claimsWith(nil)), algWrong},
		{"HS256 keyed with the public key", sign(t, jwt.SigningMethodHS256, s.publicPEM(t), keyID, claimsWith(nil)), algWrong},
		{"ES384", sign(t, jwt.SigningMethodES384, newKey(t, elliptic.P384()), keyID, claimsWith(nil)), algWrong},
		{"another key under our key id", sign(t, jwt.SigningMethodES256, newKey(t, elliptic.P256()), keyID, claimsWith(nil)), signatureWrong},
		{"tampered signature", head + "." + payload + "." + base64.RawURLEncoding.EncodeToString(flipped), signatureWrong},
		{"tampered payload", head + "." + forgedPayload + "." + signature, signatureWrong},
		{"no signature", head + "." + payload + ".", signatureWrong},
		{"zero signature", head + "." + payload + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 64)), signatureWrong},
		{"signature in DER", head + "." + payload + "." + derSignature(t, s.key, head+"."+payload), signatureWrong},
		{"signature with a zero too many", head + "." + payload + "." + padded, signatureWrong},
		{"ES256 under the name of HS256", s.signRaw(t, `{"alg":"HS256","kid":"`+keyID+`"}`, string(goodClaims)), algWrong},
		{"a published key on another curve", sign(t, jwt.SigningMethodES256, s.key, "p384", claimsWith(nil)), keyUnknown},
		{"unknown key id", sign(t, jwt.SigningMethodES256, s.key, "k-1999", claimsWith(nil)), keyUnknown},
		{"no key id", sign(t, jwt.SigningMethodES256, s.key, nil, claimsWith(nil)), keyUnknown},
		{"key id is a list", sign(t, jwt.SigningMethodES256, s.key, []string{keyID}, claimsWith(nil)), keyUnknown},
		{"two parts", head + "." + payload, "elle est illisible"},
		{"no token at all", "marie@agrafmania.fr", "elle est illisible"},
	}
}

// shortToken returns a good token whose signature has a zero byte at offset:
// an integer that is shorter than 32 bytes in DER.
func (s *authority) shortToken(t *testing.T, offset int) string {
	t.Helper()
	for {
		token := s.token(t, nil)
		raw, err := base64.RawURLEncoding.DecodeString(token[strings.LastIndexByte(token, '.')+1:])
		if err != nil {
			t.Fatal(err)
		}
		if raw[offset] == 0 {
			return token
		}
	}
}

func derSignature(t *testing.T, key *ecdsa.PrivateKey, signed string) string {
	t.Helper()
	digest := sha256.Sum256([]byte(signed))
	der, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(der)
}

// signRaw signs any header and payload, which need not make sense.
func (s *authority) signRaw(t *testing.T, head, payload string) string {
	t.Helper()
	signed := base64.RawURLEncoding.EncodeToString([]byte(head)) + "." + base64.RawURLEncoding.EncodeToString([]byte(payload))
	signature, err := jwt.SigningMethodES256.Sign(signed, s.key)
	if err != nil {
		t.Fatal(err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}
