package proxy

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/cocoom/cocoom-gateway/internal/secret"
	"github.com/cocoom/cocoom-gateway/policy"
)

// Principal is who is signed in, in one session of one route, with the
// assertion that was minted last. Concurrent requests of the session share it.
// When the identity changes, the session gets a new one.
type Principal struct {
	identity policy.Identity
	session  string
	minting  sync.Mutex
	minted   atomic.Pointer[minted]
}

// NewPrincipal returns the Principal of a session. sessionID becomes the
// assertion's sid, so it must not be what opens the session.
func NewPrincipal(id policy.Identity, sessionID string) *Principal {
	return &Principal{identity: id, session: sessionID}
}

// who is the identity, or nil for nobody.
func (w *Principal) who() *policy.Identity {
	if w.isNobody() {
		return nil
	}
	return &w.identity
}

func (w *Principal) isNobody() bool { return w == nil || w.identity.User == "" }

// charset writes header values: UTF-8 bytes, or ISO-8859-1.
type charset struct{ latin1 bool }

// encode writes v without blanks around it, and with "?" for each character
// that cannot be written: control characters above all. exact is false if
// anything of v is lost.
func (c charset) encode(v string) (value string, exact bool) {
	value = strings.TrimSpace(v)
	exact = value == v
	if !strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r >= 0x7f }) {
		return value, exact
	}
	var out strings.Builder
	for _, r := range value {
		switch {
		case r < ' ' || 0x7f <= r && r < 0xa0 || r == '\uFFFD' || c.latin1 && r > 0xff:
			out.WriteByte('?')
			exact = false
		case c.latin1:
			out.WriteByte(byte(r))
		default:
			out.WriteRune(r)
		}
	}
	return out.String(), exact
}

// join writes groups with commas between them. A handle that cannot be written
// so is left out, for it could come out as another group's.
func (c charset) join(groups []string) string {
	var out []string
	for _, g := range groups {
		if value, exact := c.encode(g); exact && value != "" && !strings.Contains(value, ",") {
			out = append(out, value)
		}
	}
	return strings.Join(out, ",")
}

// userOf returns the user name for Basic authentication, false if the person
// has none that can be sent: RFC 7617 section 2 ends it at the first colon.
func (b *Basic) userOf(id *policy.Identity, c charset) (string, bool) {
	name := id.Email
	if b.User == "id" {
		name = id.User
	}
	name, exact := c.encode(name)
	return name, exact && name != "" && !strings.Contains(name, ":")
}

// passwordOf returns the password for all, or the person's own.
func (b *Basic) passwordOf(id *policy.Identity) string {
	if b.DeriveFrom == "" {
		return b.Password.Reveal()
	}
	return derivePassword(basicLabel, b.DeriveFrom, id)
}

// What derived passwords are for: none is good for the other.
const (
	basicLabel = "cocoom-gateway basic password"
	formLabel  = "cocoom-gateway form password"
)

// derivePassword makes a person's own password: HMAC-SHA256 over a label, the
// team and the user, each with its length before it so that no two people have
// the same input, in unpadded base64url.
func derivePassword(label string, from secret.String, id *policy.Identity) string {
	mac := hmac.New(sha256.New, []byte(from.Reveal()))
	for _, part := range [...]string{label, id.Team, id.User} {
		mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		mac.Write([]byte(part))
	}
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
