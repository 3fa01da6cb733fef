package gateway

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
)

// A probe finds out whether a public address leads here: whoever asks
// <prefix>/probe?challenge=RANDOM gets what only a gateway with this one's key
// ring can make of it. To strangers it says nothing.
const (
	probePage    = "/probe"
	maxChallenge = 64
	// ViaStranger stands behind the answer if the request came from a proxy that
	// is not trusted, so that everybody seems to come from it.
	ViaStranger = "untrusted-proxy"
)

// ProbePath gives the path of a probe with a new challenge.
func ProbePath(prefix string) (path, challenge string) {
	challenge = rand.Text()
	return prefix + probePage + "?challenge=" + challenge, challenge
}

// probe answers a challenge.
func (g *Gateway) probe(x *exchange, c echo.Context) error {
	challenge := c.QueryParam("challenge")
	answer, ok := g.cfg.Sealer.answer(x.route.Host, challenge)
	if !ok {
		return errNotFound
	}
	x.forNobodyElse()
	r := c.Request()
	if via := r.Header.Get("X-Forwarded-For") + r.Header.Get("Forwarded"); via != "" && !x.conf.peers.includes(socketPeer(r)) {
		answer += " " + ViaStranger
	}
	return c.String(http.StatusOK, answer+"\n")
}

// answer is the proof that goes with a challenge, by the first key of the ring;
// false if there is none, or the challenge is not one.
func (s *Sealer) answer(host, challenge string) (string, bool) {
	ring := s.keys.Load()
	if ring == nil || len(*ring) == 0 || challenge == "" || len(challenge) > maxChallenge {
		return "", false
	}
	return hex.EncodeToString((*ring)[0].prove(host, challenge)), true
}

// Answered reports whether a gateway with a key of this ring has answered the
// challenge for the host.
func (s *Sealer) Answered(host, challenge, answer string) bool {
	ring := s.keys.Load()
	proof, err := hex.DecodeString(strings.TrimSpace(answer))
	if ring == nil || err != nil {
		return false
	}
	for _, key := range *ring { // a replica may have another one first
		if hmac.Equal(proof, key.prove(host, challenge)) {
			return true
		}
	}
	return false
}

// prove is a MAC under a key that is made for this purpose alone.
func (k sealKey) prove(host, challenge string) []byte {
	mac := hmac.New(sha256.New, k.probe[:])
	mac.Write(bind("probe", host))
	mac.Write([]byte{0})
	mac.Write([]byte(challenge))
	return mac.Sum(nil)
}
