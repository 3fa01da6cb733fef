// Package admin is the operators' listener: whether the gateway lives, whether
// it is ready, what waits in its queue, and who is signed in. Whoever reaches it
// may do all that it offers.
package admin

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"time"

	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/notifyhook"
)

// checkTimeout bounds one readiness check: a probe must be answered.
const checkTimeout = 3 * time.Second

// Check is one thing that must work for the gateway to be ready; it returns why
// it does not.
type Check struct {
	Name string
	Run  func(ctx context.Context) error
}

// Config is what the listener shows.
type Config struct {
	Ready   []Check
	Relay   *notifyhook.Relay
	Gateway *gateway.Gateway
	Keys    Keys
	Log     *slog.Logger
}

// New gives the operators' pages:
//
//	GET /livez    200 as long as the process answers
//	GET /readyz   200, or 503 with what is wrong
//	GET /status   deliveries by state and what needs an operator, as JSON
//
//	GET  /keys                the public keys of assertions: a JSON object, key id to PEM
//	POST /keys/rotate         makes new keys, announced before they are used
//	GET  /sessions            who is signed in: a SessionList, by ?route= and ?person=,
//	                          at most ?limit= from ?cursor= on
//	POST /sessions/revoke     ends sessions: a RevokeRequest, a RevokeAnswer
//	POST /people/accept-email lets somebody back in whose pinned address changed
//	POST /break-glass         makes a link that signs one person in without Slack
func New(cfg Config) http.Handler {
	mux := probes(cfg.Ready, error.Error)
	mux.HandleFunc("GET /status", cfg.status)
	mux.HandleFunc("GET /keys", cfg.keys)
	mux.Handle("POST /keys/rotate", fromPrograms(cfg.rotate))
	mux.HandleFunc("POST /break-glass", cfg.breakGlass)
	mux.HandleFunc("POST /people/accept-email", cfg.acceptEmail)
	mux.HandleFunc("GET /sessions", notBrowsers(cfg.listSessions))
	mux.HandleFunc("POST /sessions/revoke", notBrowsers(cfg.revokeSessions))
	return mux
}

// Probes gives /livez and /readyz alone, for a listener that others than
// operators reach: it names what does not work, but does not say why.
func Probes(ready []Check) http.Handler {
	return probes(ready, func(error) string { return "does not work" })
}

// probes gives both; why tells what to say of a failed check.
func probes(ready []Check, why func(error) string) *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]string{"status": "alive"})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), checkTimeout)
		defer cancel()
		status, said := http.StatusOK, map[string]string{"status": "ready"}
		for _, c := range ready {
			if err := c.Run(ctx); err != nil {
				status, said["status"], said[c.Name] = http.StatusServiceUnavailable, "not ready", why(err)
			}
		}
		answer(w, status, said)
	})
	return mux
}

func (cfg Config) status(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), checkTimeout)
	defer cancel()
	stats, err := cfg.Relay.Stats(ctx)
	if err != nil {
		cfg.Log.Error("deliveries cannot be counted", "error", err)
		answer(w, http.StatusServiceUnavailable, map[string]string{"error": "the store cannot be read"})
		return
	}
	answer(w, http.StatusOK, map[string]any{"deliveries": stats, "alarms": cfg.Relay.Alarms(), "people": cfg.people(), "sessions": cfg.sessions(ctx)})
}

// sessions is "honoured", or why that is about to end or has ended.
func (cfg Config) sessions(ctx context.Context) string {
	if err := cfg.Gateway.Ready(ctx); err != nil {
		return err.Error()
	}
	return "honoured"
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(body) // a probe that has gone away misses nothing
}
