package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/secret"
)

const (
	// slowness is how long whoever shows a wrong token waits for the answer.
	slowness = time.Second
	// maxSlow is how many may wait so at once; others are turned away. Who shows
	// the right one never waits, so nobody is locked out by strangers who guess.
	maxSlow = 100
)

// keeper asks for the admin token, where there is one.
type keeper struct {
	token secret.String // empty: nobody is asked
	log   *slog.Logger
	slow  chan struct{} // full: no more are kept waiting
}

func newKeeper(token secret.String, log *slog.Logger) *keeper {
	return &keeper{token: token, log: log, slow: make(chan struct{}, maxSlow)}
}

// asks reports whether there is a token to be shown.
func (k *keeper) asks() bool { return k.token != "" }

// knows reports whether a token is the right one, in a time that does not tell
// how much of it is.
func (k *keeper) knows(token string) bool {
	want, got := sha256.Sum256([]byte(k.token.Reveal())), sha256.Sum256([]byte(token))
	return k.asks() && subtle.ConstantTimeCompare(want[:], got[:]) == 1
}

// letsProgram reports whether a program shows the token, or need not; else it
// has answered. A token is read from the header Authorization alone: what stands
// in an address ends up in logs.
func (k *keeper) letsProgram(w http.ResponseWriter, r *http.Request) bool {
	if !k.asks() {
		return true
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	given := strings.EqualFold(scheme, "Bearer") && token != ""
	switch {
	case given && k.knows(token):
		return true
	case given && !k.delay(r):
		w.Header().Set("Retry-After", "1")
		answer(w, http.StatusTooManyRequests, Failure{"too many wrong tokens at once; try again later"})
	default:
		w.Header().Set("WWW-Authenticate", `Bearer realm="operators of cocoom-gateway"`)
		answer(w, http.StatusUnauthorized, Failure{"this listener asks for its admin_token: send it as Authorization: Bearer …"})
	}
	return false
}

// delay notes a wrong token and keeps its bearer waiting; false: too many wait
// already.
func (k *keeper) delay(r *http.Request) bool {
	select {
	case k.slow <- struct{}{}:
	default:
		return false // unnoted: the log is not theirs to fill
	}
	defer func() { <-k.slow }()
	k.log.Warn("wrong admin token", "from", r.RemoteAddr, "path", clip(r.URL.Path))
	timer := time.NewTimer(slowness)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
	}
	return true
}
