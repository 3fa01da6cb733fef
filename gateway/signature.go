package gateway

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/secret"
)

// signatureAge is how far from now a request of Slack's may say it was made.
const signatureAge = 5 * time.Minute

// verifySlack checks that a body comes from Slack, and not from long ago
// (https://docs.slack.dev/authentication/verifying-requests-from-slack). It is
// asked before anything in the body is believed. slack-go has the same, but by
// its own clock.
func verifySlack(h http.Header, body []byte, signing secret.String, now time.Time) error {
	if signing == "" {
		return errors.New("the route has no signing secret")
	}
	stamp := h.Get("X-Slack-Request-Timestamp")
	unix, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return errors.New("no timestamp")
	}
	if age := now.Sub(time.Unix(unix, 0)); age > signatureAge || age < -signatureAge {
		return errors.New("made too long ago, or a clock is wrong")
	}
	mac := hmac.New(sha256.New, []byte(signing.Reveal()))
	mac.Write([]byte("v0:" + stamp + ":"))
	mac.Write(body)
	want := "v0=" + hex.EncodeToString(mac.Sum(nil))
	if !hmac.Equal([]byte(want), []byte(h.Get("X-Slack-Signature"))) {
		return errors.New("wrong signature")
	}
	return nil
}
