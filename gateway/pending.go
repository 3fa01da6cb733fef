package gateway

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"sort"
	"strconv"
	"strings"
	"time"
)

const (
	// pendingLife is how long a person may take at Slack.
	pendingLife = 15 * time.Minute
	// maxPending bounds the cookies of sign-ins under way in one browser, one a
	// tab: 20 of them are about 1 KiB.
	maxPending = 20
)

// pendingLogin is a sign-in under way. It travels sealed as the OAuth state, so
// that any replica can finish it, and is bound to the browser by a cookie that
// holds the secret whose hash is in here: a state stolen or planted is useless
// in another browser.
type pendingLogin struct {
	ID     string `json:"i"` // names the cookie
	Bind   string `json:"b"` // hash of the cookie's secret
	Nonce  string `json:"n"` // comes back in the ID token
	Return string `json:"r"` // path and query to end on
	Begun  int64  `json:"t"` // Unix seconds
}

// newPending begins a sign-in that is to end on path, and gives the cookie's
// secret beside it.
func newPending(path string, now time.Time) (pendingLogin, string) {
	secret := randomText(16)
	return pendingLogin{
		ID:    strconv.FormatInt(now.Unix(), 36) + "-" + randomText(6),
		Bind:  bindHash(secret),
		Nonce: randomText(16), Return: path, Begun: now.Unix(),
	}, secret
}

func bindHash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// boundTo reports whether the request comes from the browser that began p.
func (p pendingLogin) boundTo(rt *Route, r *http.Request) bool {
	secret := cookieValue(r, pendingPrefix(rt)+p.ID)
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

// pendingPrefix leads the names of the cookies of sign-ins under way.
func pendingPrefix(rt *Route) string { return cookieName(rt) + "-" }

// setPendingCookie binds p to the browser. Where there are too many already,
// the oldest make room: their names begin with the time.
func setPendingCookie(w http.ResponseWriter, r *http.Request, rt *Route, p pendingLogin, secret string) {
	names := pendingCookies(r, rt)
	for len(names) >= maxPending {
		setCookie(w, rt, names[0], "", 0)
		names = names[1:]
	}
	setCookie(w, rt, pendingPrefix(rt)+p.ID, secret, pendingLife)
}

// clearPendingCookies ends all sign-ins under way in the browser.
func clearPendingCookies(w http.ResponseWriter, r *http.Request, rt *Route) {
	for _, name := range pendingCookies(r, rt) {
		setCookie(w, rt, name, "", 0)
	}
}

// pendingCookies names them, oldest first.
func pendingCookies(r *http.Request, rt *Route) []string {
	var names []string
	for _, c := range r.Cookies() {
		if strings.HasPrefix(c.Name, pendingPrefix(rt)) && !strings.HasPrefix(c.Name, draftPrefix(rt)) {
			names = append(names, c.Name)
		}
	}
	sort.Strings(names)
	return names
}

// useOnce reports whether a state is used for the first time in this process.
// The cookie's removal and Slack's one-time code say the same; this one does
// not depend on the browser or on Slack.
func (l *logins) useOnce(state string) bool {
	sum := sha256.Sum256([]byte(state))
	seen, _ := l.used.ContainsOrAdd(hex.EncodeToString(sum[:16]), struct{}{})
	return !seen
}
