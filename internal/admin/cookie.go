package admin

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	// cookieLife is how long a browser stays signed in.
	cookieLife = 8 * time.Hour
	// pagesPath is what browsers send the cookie to: never to the API of programs.
	pagesPath = "/ui/"
)

// cookieName is that of the listener which a browser knows by a Host header. The
// cookies of a host reach all its ports: two gateways' must not meet. It has no
// __Host- before it, since browsers take those over https only.
func cookieName(host string) string {
	const name = "gw-admin"
	_, port, err := net.SplitHostPort(host)
	if _, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil {
		return name
	}
	return name + "-" + port
}

// signIn gives a browser the cookie that stands for the token: who it is, until
// when, and a MAC of both and of the host, by a key made of the token. So it is
// good on every replica, at this host alone, and not with another token.
func (k *keeper) signIn(w http.ResponseWriter, r *http.Request, name string, now time.Time) {
	text := base64.RawURLEncoding.EncodeToString([]byte(name)) + "." + strconv.FormatInt(now.Add(cookieLife).Unix(), 10)
	setCookie(w, r, text+"."+k.mac(r.Host, text), int(cookieLife.Seconds()))
}

// signOut takes it away.
func signOut(w http.ResponseWriter, r *http.Request) { setCookie(w, r, "", -1) }

func setCookie(w http.ResponseWriter, r *http.Request, value string, age int) {
	// #nosec G124 -- Secure would keep it from browsers: the listener speaks plain HTTP on loopback
	http.SetCookie(w, &http.Cookie{Name: cookieName(r.Host), Value: value, Path: pagesPath, MaxAge: age, HttpOnly: true, SameSite: http.SameSiteStrictMode})
}

// signedIn gives who signed in with a browser. All cookies of the name are looked
// at: another port or a sibling of the host can plant some, which browsers may send
// first.
func (k *keeper) signedIn(r *http.Request, now time.Time) (name string, ok bool) {
	if !k.asks() {
		return "", false
	}
	for _, c := range r.CookiesNamed(cookieName(r.Host)) {
		if name, ok = k.named(r.Host, c.Value, now); ok {
			break
		}
	}
	return name, ok
}

// named gives whom a cookie names on a host.
func (k *keeper) named(host, value string, now time.Time) (name string, ok bool) {
	i := strings.LastIndexByte(value, '.')
	if i < 0 || !hmac.Equal([]byte(k.mac(host, value[:i])), []byte(value[i+1:])) {
		return "", false
	}
	encoded, until, _ := strings.Cut(value[:i], ".")
	ends, err := strconv.ParseInt(until, 10, 64)
	if err != nil || now.Unix() >= ends {
		return "", false
	}
	raw, err := base64.RawURLEncoding.DecodeString(encoded)
	return string(raw), err == nil
}

// mac is that of a text on a host.
func (k *keeper) mac(host, text string) string {
	// The token is hashed to a key of this one purpose first.
	key := hmac.New(sha256.New, []byte(k.token.Reveal()))
	key.Write([]byte("cocoom-gateway operators' pages"))
	sum := hmac.New(sha256.New, key.Sum(nil))
	sum.Write([]byte(strings.ToLower(host) + "\x00" + text))
	return base64.RawURLEncoding.EncodeToString(sum.Sum(nil))
}
