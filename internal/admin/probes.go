package admin

import (
	"context"
	"net/http"
	"time"
)

// checkTimeout bounds one readiness check: a probe must be answered.
const checkTimeout = 3 * time.Second

// Check is one thing that must work for the gateway to be ready; it returns why
// it does not.
type Check struct {
	Name string
	Run  func(ctx context.Context) error
}

// Probes gives /livez and /readyz alone, for a listener that others than
// operators reach: it names what does not work, but does not say why.
func Probes(ready []Check) http.Handler {
	return probes(ready, notSaid)
}

func notSaid(error) string { return "does not work" }

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
		for name, err := range failing(ctx, ready) {
			status, said["status"], said[name] = http.StatusServiceUnavailable, "not ready", why(err)
		}
		answer(w, status, said)
	})
	return mux
}

// failing gives what does not work, and why, by name.
func failing(ctx context.Context, ready []Check) map[string]error {
	found := map[string]error{}
	for _, c := range ready {
		if err := c.Run(ctx); err != nil {
			found[c.Name] = err
		}
	}
	return found
}
