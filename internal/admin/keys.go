package admin

import (
	"context"
	"net/http"
)

// Keys are the gateway's keys, as far as operators handle them.
type Keys struct {
	PEM    func() map[string]string        // the public keys of assertions by their ids
	Rotate func(ctx context.Context) error // makes new keys, announced before they are used
}

// keys answers with the public keys, for the keys export command.
func (cfg Config) keys(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, cfg.Keys.PEM())
}

// rotate makes new keys.
func (cfg Config) rotate(w http.ResponseWriter, r *http.Request) {
	if err := cfg.Keys.Rotate(r.Context()); err != nil {
		cfg.Log.Error("keys cannot be rotated", "error", err)
		answer(w, http.StatusServiceUnavailable, map[string]string{"error": "the keys cannot be rotated; the log says why"})
		return
	}
	answer(w, http.StatusOK, map[string]string{"status": "announced"})
}

// fromPrograms refuses what the pages that an operator has open in a browser
// send: any of them may address loopback, and a form needs no permission for it.
func fromPrograms(h http.HandlerFunc) http.Handler {
	return http.NewCrossOriginProtection().Handler(h)
}
