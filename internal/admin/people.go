package admin

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/cocoom/cocoom-gateway/gateway"
)

// maxAcceptEmail bounds the body of a request to accept an address.
const maxAcceptEmail = 4 << 10

// AcceptEmail is the body of POST /people/accept-email.
type AcceptEmail struct {
	Host   string `json:"host"`
	Person string `json:"person"` // a Slack user id, or the address that Slack says now
	By     string `json:"by"`     // who decided so, for the audit
}

// acceptEmail lets somebody back in whose pinned address has changed. It is for
// programs: a foreign page that an operator's browser shows must not decide so,
// and browsers say with a POST where it comes from.
func (cfg Config) acceptEmail(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "" {
		answer(w, http.StatusForbidden, map[string]string{"error": "not from a browser"})
		return
	}
	var a AcceptEmail
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxAcceptEmail))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&a); err != nil || a.Host == "" || a.Person == "" || a.By == "" {
		answer(w, http.StatusBadRequest, map[string]string{"error": "the body is not what was expected"})
		return
	}
	switch err := cfg.Gateway.AcceptEmail(r.Context(), a.Host, a.Person, a.By); {
	case errors.Is(err, gateway.ErrUnknownPerson):
		answer(w, http.StatusNotFound, map[string]string{"error": gateway.ErrUnknownPerson.Error()})
	case err != nil:
		cfg.Log.Error("an e-mail address cannot be accepted", "error", err)
		answer(w, http.StatusServiceUnavailable, map[string]string{"error": "the store cannot be written"})
	default:
		answer(w, http.StatusOK, map[string]string{"status": "accepted"})
	}
}

// people lists what needs an operator about routes' people.
func (cfg Config) people() []gateway.Alarm {
	if cfg.Gateway == nil {
		return []gateway.Alarm{}
	}
	return cfg.Gateway.Alarms()
}
