package cocoomsim

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

const (
	keysKept    = 5 * time.Minute // then the JWKS is read again
	keysAtLeast = time.Second     // between two reads, however many unknown keys are asked for
	maxJWKS     = 64 << 10        // bytes
)

var (
	errKeysUnreachable = errors.New("keys unreachable")
	errUnknownKey      = errors.New("unknown key")
)

// keySet holds the public keys published at one JWKS address (RFC 7517).
type keySet struct {
	url    string
	client *http.Client

	mu    sync.Mutex
	keys  map[string]*ecdsa.PublicKey // by key id
	read  time.Time                   // the last success
	tried time.Time                   // the last attempt
	err   error                       // the last attempt's
}

// find returns the key with the id, reading the JWKS if the key is unknown or
// the copy is old. While the address does not answer, the old copy holds.
func (s *keySet) find(ctx context.Context, id string, now time.Time) (*ecdsa.PublicKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := s.keys[id]
	if (key == nil || now.Sub(s.read) >= keysKept) && (s.tried.IsZero() || now.Sub(s.tried) >= keysAtLeast) {
		s.tried = now
		var keys map[string]*ecdsa.PublicKey
		if keys, s.err = s.fetch(ctx); s.err == nil {
			s.keys, s.read = keys, now
			key = s.keys[id]
		}
	}
	switch {
	case key != nil:
		return key, nil
	case s.err != nil:
		return nil, fmt.Errorf("%w: %w", errKeysUnreachable, s.err)
	default:
		return nil, fmt.Errorf("%w %q", errUnknownKey, id)
	}
}

func (s *keySet) fetch(ctx context.Context) (map[string]*ecdsa.PublicKey, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return nil, err
	}
	res, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("get jwks: %s", res.Status)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxJWKS))
	if err != nil {
		return nil, fmt.Errorf("read jwks: %w", err)
	}
	return parseJWKS(body)
}

// parseJWKS returns the P-256 keys of a JWKS by key id. Keys of other kinds
// belong to other algorithms and are passed over.
func parseJWKS(body []byte) (map[string]*ecdsa.PublicKey, error) {
	var doc struct {
		Keys []struct {
			Kty, Crv, Kid, X, Y string
		}
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		return nil, fmt.Errorf("parse jwks: %w", err)
	}
	keys := make(map[string]*ecdsa.PublicKey)
	for _, k := range doc.Keys {
		if k.Kty != "EC" || k.Crv != "P-256" {
			continue
		}
		x, errX := base64.RawURLEncoding.DecodeString(k.X)
		y, errY := base64.RawURLEncoding.DecodeString(k.Y)
		if err := errors.Join(errX, errY); err != nil {
			return nil, fmt.Errorf("parse key %q: %w", k.Kid, err)
		}
		point := append(append([]byte{4}, x...), y...)
		key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
		if err != nil {
			return nil, fmt.Errorf("parse key %q: %w", k.Kid, err)
		}
		keys[k.Kid] = key
	}
	return keys, nil
}
