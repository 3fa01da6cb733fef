package gateway

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	// pendingLife is how long a person may take at Slack.
	pendingLife = 15 * time.Minute
	// pendingSlots bounds the cookies of sign-ins under way in one browser.
	// Tabs opened at once ask without knowing of each other, so each gets a
	// cookie of its own; 32 of them are about 1 KiB, and to clear them is less
	// than the 4 KiB that a front proxy may take of an answer's headers.
	pendingSlots = 32
	// pendingSecret is how many bytes bind a sign-in to its browser.
	pendingSecret = 12
)

// pendingLogin is a sign-in under way. It travels sealed as the OAuth state, so
// that any replica can finish it, and is bound to the browser by a cookie that
// holds the secret whose hash is in here: a state stolen or planted is useless
// in another browser. Several sign-ins of one browser may share a cookie.
type pendingLogin struct {
	Slot   int    `json:"i"`           // names the cookie
	Bind   string `json:"b"`           // hash of the cookie's secret
	Nonce  string `json:"n"`           // comes back in the ID token
	Return string `json:"r"`           // path and query to end on
	Begun  int64  `json:"t"`           // Unix seconds
	Round  int    `json:"k,omitempty"` // rounds before this one that led nowhere; see maxRounds
}

// newPending begins a sign-in that is to end on path, and gives the cookie's
// secret beside it. A browser that has such a cookie keeps it; one that has
// none gets the next slot, so that tabs opened at once get different ones.
func (l *logins) newPending(r *http.Request, rt *Route, path string, round int) (pendingLogin, string) {
	var cookie pendingCookie
	if have := pendingCookies(r, rt); len(have) > 0 {
		cookie = have[0]
	} else {
		cookie = pendingCookie{int(l.slots.Add(1) % pendingSlots), randomText(pendingSecret)}
	}
	return pendingLogin{
		Slot: cookie.slot, Bind: bindHash(cookie.secret), Nonce: randomText(16),
		Return: path, Begun: l.now().Unix(), Round: round,
	}, cookie.secret
}

func bindHash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// boundTo reports whether the request comes from the browser that began p.
func (p pendingLogin) boundTo(rt *Route, r *http.Request) bool {
	secret := cookieValue(r, pendingName(rt, p.Slot))
	return secret != "" && subtle.ConstantTimeCompare([]byte(bindHash(secret)), []byte(p.Bind)) == 1
}

func (p pendingLogin) expired(now time.Time) bool {
	return now.Sub(time.Unix(p.Begun, 0)) > pendingLife
}

// sealPending gives p as an OAuth state for this route.
func (l *logins) sealPending(rt *Route, p pendingLogin) (string, error) {
	plain, err := json.Marshal(p)
	if err != nil {
		return "", fmt.Errorf("marshal login state: %w", err)
	}
	return l.sealer.seal(kindLogin, rt.Host, plain, l.now())
}

func (l *logins) openPending(rt *Route, state string) (pendingLogin, error) {
	var p pendingLogin
	plain, err := l.sealer.open(kindLogin, rt.Host, state)
	if err != nil {
		return p, err
	}
	err = json.Unmarshal(plain, &p)
	return p, err
}

// pendingCookie binds sign-ins under way to a browser.
type pendingCookie struct {
	slot   int
	secret string
}

// pendingPrefix leads the names of those cookies; two digits follow.
func pendingPrefix(rt *Route) string { return cookieName(rt) + "-tab-" }

func pendingName(rt *Route, slot int) string { return fmt.Sprintf("%s%02d", pendingPrefix(rt), slot) }

// setPendingCookie binds p to the browser. One that is there already lives on.
func setPendingCookie(w http.ResponseWriter, rt *Route, p pendingLogin, secret string) {
	setCookie(w, rt, pendingName(rt, p.Slot), secret, pendingLife)
}

// clearPendingCookies ends all sign-ins under way in the browser.
func clearPendingCookies(w http.ResponseWriter, r *http.Request, rt *Route) {
	for _, c := range pendingCookies(r, rt) {
		setCookie(w, rt, pendingName(rt, c.slot), "", 0)
	}
}

// pendingCookies gives those that a request brings.
func pendingCookies(r *http.Request, rt *Route) []pendingCookie {
	var found []pendingCookie
	for _, c := range r.Cookies() {
		digits, ours := strings.CutPrefix(c.Name, pendingPrefix(rt))
		slot, err := strconv.Atoi(digits)
		if ours && err == nil && slot >= 0 && slot < pendingSlots && len(c.Value) == base64.RawURLEncoding.EncodedLen(pendingSecret) {
			found = append(found, pendingCookie{slot, c.Value})
		}
	}
	return found
}

// useOnce reports whether a state is used for the first time in this process.
// Slack's one-time code says the same; this one does not depend on Slack.
func (l *logins) useOnce(state string) bool {
	sum := sha256.Sum256([]byte(state))
	seen, _ := l.used.ContainsOrAdd(hex.EncodeToString(sum[:16]), struct{}{})
	return !seen
}
