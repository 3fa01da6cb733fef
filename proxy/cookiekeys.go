package proxy

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash"
	"sync"
	"sync/atomic"
	"time"
)

// CookieKey is one key of CookieKeys.
type CookieKey struct {
	ID         string
	Value      []byte    // 32 bytes
	ActiveFrom time.Time // the first active key binds; every key verifies
}

// CookieKeys bind apps' cookies to people. The gateway's routes share them, and
// they are replaced while requests run. The zero CookieKeys binds and verifies
// nothing.
type CookieKeys struct {
	ring atomic.Pointer[[]cookieKey]
}

type cookieKey struct {
	hint   [hintSize]byte // leads each tag: which key to verify it with
	active time.Time
	macs   *sync.Pool // of *cookieMAC: making one costs more than using it
}

// A tag is a hint and an HMAC-SHA256 cut to 128 bits (RFC 2104 section 5), as
// text that needs no padding.
const (
	hintSize = 2
	macSize  = 16
	tagSize  = (hintSize + macSize) / 3 * 4 // bytes of text
)

// Set replaces the ring, newest key first. Keys that are announced but not yet
// active verify already, so that replicas may read keys at different moments.
func (k *CookieKeys) Set(keys []CookieKey) error {
	ring := make([]cookieKey, 0, len(keys))
	for _, key := range keys {
		if len(key.Value) != 32 {
			return fmt.Errorf("set cookie key %s: %d bytes, want 32", key.ID, len(key.Value))
		}
		sum := sha256.Sum256([]byte(key.ID))
		ring = append(ring, cookieKey{hint: [hintSize]byte(sum[:]), active: key.ActiveFrom, macs: &sync.Pool{
			New: func() any { return &cookieMAC{hash: hmac.New(sha256.New, key.Value)} },
		}})
	}
	k.ring.Store(&ring)
	return nil
}

// boundCookie is what a tag is made over.
type boundCookie struct {
	host, name, team, user, value string
}

// tag appends the text of c's tag to out, made with the key that is active at
// now; false if none is.
func (k *CookieKeys) tag(out []byte, c boundCookie, now time.Time) ([]byte, bool) {
	if ring := k.ring.Load(); ring != nil {
		for _, key := range *ring {
			if !key.active.After(now) {
				raw := key.sum(c)
				return base64.RawURLEncoding.AppendEncode(out, raw[:]), true
			}
		}
	}
	return out, false
}

// verify reports whether some key has made this tag for c.
func (k *CookieKeys) verify(tag string, c boundCookie) bool {
	ring := k.ring.Load()
	if ring == nil || len(tag) != tagSize {
		return false
	}
	var raw [hintSize + macSize]byte
	if n, err := base64.RawURLEncoding.Decode(raw[:], []byte(tag)); err != nil || n != len(raw) {
		return false
	}
	for _, key := range *ring {
		if [hintSize]byte(raw[:]) != key.hint {
			continue
		}
		if want := key.sum(c); subtle.ConstantTimeCompare(raw[:], want[:]) == 1 {
			return true
		}
	}
	return false
}

// cookieMAC is a keyed hash with room to work in.
type cookieMAC struct {
	hash  hash.Hash
	input []byte
	sum   [sha256.Size]byte
}

// sum is the tag of c in bytes. Each part stands behind its length, so that no
// two cookies have the same input.
func (k *cookieKey) sum(c boundCookie) (out [hintSize + macSize]byte) {
	m := k.macs.Get().(*cookieMAC)
	defer k.macs.Put(m)
	m.input = m.input[:0]
	for _, part := range [...]string{c.host, c.name, c.team, c.user, c.value} {
		m.input = binary.BigEndian.AppendUint32(m.input, uint32(len(part)))
		m.input = append(m.input, part...)
	}
	m.hash.Reset()
	m.hash.Write(m.input)
	copy(out[:], k.hint[:])
	copy(out[hintSize:], m.hash.Sum(m.sum[:0]))
	return out
}
