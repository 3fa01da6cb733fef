package proxy

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Key is a private key that assertions are signed with.
type Key struct {
	ID      string // the JWT's kid; unique among all keys
	Private crypto.Signer
	// ActiveFrom is when the key begins to sign. It is published before, so
	// that verifiers know it by then. The zero time: it signs already.
	ActiveFrom time.Time
}

// Keys are the signing keys of a gateway, shared by its routes and replaced
// while requests run. The zero Keys has none.
type Keys struct {
	setting sync.Mutex
	current atomic.Pointer[keySet]
}

// keySet is never changed once it is current.
type keySet struct {
	byAlg map[string][]Key // the one that became active last comes first
	jwks  []byte
	pem   map[string]string
}

// NewKeys returns Keys without a key.
func NewKeys() *Keys { return &Keys{} }

// Set replaces the keys of alg, one of ES256, EdDSA and RS256, in one step. On
// an error, which names the key that does not fit, everything stays as it was.
func (k *Keys) Set(alg string, keys []Key) error {
	k.setting.Lock()
	defer k.setting.Unlock()
	next := &keySet{byAlg: map[string][]Key{}, pem: map[string]string{}}
	if old := k.current.Load(); old != nil {
		maps.Copy(next.byAlg, old.byAlg)
	}
	sorted := slices.Clone(keys)
	slices.SortStableFunc(sorted, func(a, b Key) int { return b.ActiveFrom.Compare(a.ActiveFrom) })
	next.byAlg[alg] = sorted

	public := []jwk{}
	for _, alg := range slices.Sorted(maps.Keys(next.byAlg)) {
		for _, key := range next.byAlg[alg] {
			j, err := newJWK(alg, key)
			if err != nil {
				return fmt.Errorf("set signing keys: %w", err)
			}
			public = append(public, j)
			der, err := x509.MarshalPKIXPublicKey(key.Private.Public())
			if err != nil {
				return fmt.Errorf("set signing keys: %w", err)
			}
			next.pem[key.ID] = string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
		}
	}
	var err error
	if next.jwks, err = json.Marshal(map[string][]jwk{"keys": public}); err != nil {
		return fmt.Errorf("set signing keys: %w", err)
	}
	k.current.Store(next)
	return nil
}

// JWKS returns the public keys of all algorithms as a JSON Web Key Set (RFC
// 7517), those included that do not sign yet and those that no longer do. It
// must not be changed.
func (k *Keys) JWKS() []byte {
	if set := k.current.Load(); set != nil {
		return set.jwks
	}
	return []byte(`{"keys":[]}`)
}

// PEM returns the same keys by their ids, as RFC 7468 section 13 writes them. It
// must not be changed.
func (k *Keys) PEM() map[string]string {
	if set := k.current.Load(); set != nil {
		return set.pem
	}
	return nil
}

// active returns the key that signs at now: the last to have become active.
func (k *Keys) active(alg string, now time.Time) (Key, bool) {
	if set := k.current.Load(); set != nil {
		for _, key := range set.byAlg[alg] {
			if !key.ActiveFrom.After(now) {
				return key, true
			}
		}
	}
	return Key{}, false
}

// jwk is a public key as RFC 7517 and RFC 7518 section 6, for Ed25519 RFC 8037,
// write it.
type jwk struct {
	Kty string `json:"kty"`
	Kid string `json:"kid"`
	Use string `json:"use"`
	Alg string `json:"alg"`
	Crv string `json:"crv,omitempty"`
	X   string `json:"x,omitempty"`
	Y   string `json:"y,omitempty"`
	N   string `json:"n,omitempty"`
	E   string `json:"e,omitempty"`
}

func newJWK(alg string, key Key) (jwk, error) {
	if err := fits(alg, key.Private); err != nil {
		return jwk{}, fmt.Errorf("key %q: %w", key.ID, err)
	}
	if key.ID == "" {
		return jwk{}, errors.New("a key has no id")
	}
	text := base64.RawURLEncoding.EncodeToString
	j := jwk{Kid: key.ID, Use: "sig", Alg: alg}
	switch public := key.Private.Public().(type) {
	case *ecdsa.PublicKey:
		point, err := public.Bytes() // 4, then X and Y in their full length
		if err != nil {
			return jwk{}, fmt.Errorf("key %q: %w", key.ID, err)
		}
		half := len(point) / 2
		j.Kty, j.Crv, j.X, j.Y = "EC", "P-256", text(point[1:1+half]), text(point[1+half:])
	case ed25519.PublicKey:
		j.Kty, j.Crv, j.X = "OKP", "Ed25519", text(public)
	case *rsa.PublicKey:
		j.Kty, j.N, j.E = "RSA", text(public.N.Bytes()), text(big.NewInt(int64(public.E)).Bytes())
	}
	return j, nil
}

const rsaBits = 2048

// fits says why a key cannot sign with alg.
func fits(alg string, private crypto.Signer) error {
	ok := false
	switch key := private.(type) {
	case *ecdsa.PrivateKey:
		ok = alg == "ES256" && key.Curve == elliptic.P256()
	case ed25519.PrivateKey:
		ok = alg == "EdDSA"
	case *rsa.PrivateKey:
		ok = alg == "RS256" && key.N.BitLen() >= rsaBits
	}
	if !ok {
		return fmt.Errorf("it cannot sign with %s", alg)
	}
	return nil
}

// GenerateKey makes a private key for alg, one of ES256, EdDSA and RS256, and
// returns it in PKCS #8.
func GenerateKey(alg string) (pkcs8 []byte, err error) {
	var private crypto.Signer
	switch alg {
	case "ES256":
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "EdDSA":
		_, private, err = ed25519.GenerateKey(rand.Reader)
	case "RS256":
		private, err = rsa.GenerateKey(rand.Reader, rsaBits)
	default:
		return nil, fmt.Errorf("generate key: no keys are made for %q", alg)
	}
	if err == nil {
		pkcs8, err = x509.MarshalPKCS8PrivateKey(private)
	}
	if err != nil {
		return nil, fmt.Errorf("generate key: %w", err)
	}
	return pkcs8, nil
}

// ParseKey reads a private key of GenerateKey. It is active from the start;
// set ActiveFrom where it is not. The error never quotes the key.
func ParseKey(id, alg string, pkcs8 []byte) (Key, error) {
	parsed, err := x509.ParsePKCS8PrivateKey(pkcs8)
	if err != nil {
		return Key{}, errors.New("parse key: it is no private key in PKCS #8")
	}
	private, ok := parsed.(crypto.Signer)
	if !ok {
		return Key{}, errors.New("parse key: it cannot sign")
	}
	if err := fits(alg, private); err != nil {
		return Key{}, fmt.Errorf("parse key: %w", err)
	}
	return Key{ID: id, Private: private}, nil
}
