package gateway

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// Sealer encrypts and authenticates what the gateway leaves with browsers
// (session cookies and login states) and in the store (kept forms and tokens).
// Each kind and each host has sealed things of its own; one can never be opened
// as another. The zero Sealer opens nothing. It is safe for concurrent use.
type Sealer struct {
	keys atomic.Pointer[[]sealKey]
}

// SealKey is one key of a Sealer's ring.
type SealKey struct {
	ID         string
	Value      []byte    // 32 bytes
	ActiveFrom time.Time // the first active key seals; every key opens
}

type sealKey struct {
	tag    [4]byte // leads each sealed value: which key to open it with
	aead   cipher.AEAD
	active time.Time
	probe  [32]byte // derived; see prove
}

// kind separates what is sealed for one purpose from all else.
type kind string

const (
	kindSession kind = "session"
	kindLogin   kind = "login"
	kindToken   kind = "token"
	kindDraft   kind = "draft"
	kindSetup   kind = "setup"
	kindInstall kind = "install"
)

var errSeal = errors.New("not sealed by this gateway for this purpose")

// Set replaces the ring, newest key first. Keys that are announced but not yet
// active open already, so that replicas may read keys at different moments.
func (s *Sealer) Set(keys []SealKey) error {
	ring := make([]sealKey, 0, len(keys))
	for _, k := range keys {
		if len(k.Value) != 32 {
			return fmt.Errorf("seal key %s: %d bytes, want 32", k.ID, len(k.Value))
		}
		block, err := aes.NewCipher(k.Value)
		if err != nil {
			return fmt.Errorf("seal key %s: %w", k.ID, err)
		}
		// 96-bit random nonces bound one key to 2^32 seals (NIST SP 800-38D);
		// keys are rotated long before.
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return fmt.Errorf("seal key %s: %w", k.ID, err)
		}
		probe, err := hkdf.Key(sha256.New, k.Value, nil, "probe", 32)
		if err != nil {
			return fmt.Errorf("seal key %s: %w", k.ID, err)
		}
		sum := sha256.Sum256([]byte(k.ID))
		ring = append(ring, sealKey{tag: [4]byte(sum[:4]), aead: aead, active: k.ActiveFrom, probe: [32]byte(probe)})
	}
	s.keys.Store(&ring)
	return nil
}

// seal gives plain as URL-safe text that only open with the same kind and host
// turns back.
func (s *Sealer) seal(k kind, host string, plain []byte, now time.Time) (string, error) {
	ring := s.keys.Load()
	if ring == nil {
		return "", errors.New("no key to seal with")
	}
	for _, key := range *ring {
		if key.active.After(now) {
			continue
		}
		// #nosec G407 -- the AEAD draws a random nonce itself
		out := key.aead.Seal(key.tag[:], nil, plain, bind(k, host))
		return base64.RawURLEncoding.EncodeToString(out), nil
	}
	return "", errors.New("no active key to seal with")
}

// open undoes seal. Whatever is wrong, the error is the same: errSeal.
func (s *Sealer) open(k kind, host, sealed string) ([]byte, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(sealed)
	ring := s.keys.Load()
	// The decoder skips line breaks, even if strict: one text could be spelled in
	// many ways, and what is used once be used again.
	if err != nil || ring == nil || len(raw) < 4 || strings.ContainsAny(sealed, "\r\n") {
		return nil, errSeal
	}
	for _, key := range *ring {
		if [4]byte(raw[:4]) != key.tag {
			continue
		}
		if plain, err := key.aead.Open(nil, nil, raw[4:], bind(k, host)); err == nil {
			return plain, nil
		}
	}
	return nil, errSeal
}

// tagOf is the part of a sealed value that names its key; zero for what is none.
func tagOf(sealed string) (tag [4]byte) {
	if len(sealed) >= 6 { // the six characters that hold four bytes
		_, _ = base64.RawURLEncoding.Decode(tag[:], []byte(sealed[:6])) // of 36 bits, 32 are the tag's
	}
	return tag
}

// holds reports whether a key of that tag is still in the ring.
func (s *Sealer) holds(tag [4]byte) bool {
	ring := s.keys.Load()
	return ring != nil && slices.ContainsFunc(*ring, func(k sealKey) bool { return k.tag == tag })
}

// bind is the additional data. A NUL cannot stand in a kind or a host.
func bind(k kind, host string) []byte { return []byte(string(k) + "\x00" + host) }
