package admin

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// checkTimeout bounds the checks of one probe: it must be answered.
const checkTimeout = 3 * time.Second

// Check is one thing that must work; it returns why it does not, or a [Notice].
type Check struct {
	Name string
	Run  func(ctx context.Context) error
	// Live is set of what a restart would mend, and nothing else would: /livez asks
	// it, and /readyz does not. The others are what the gateway needs to be ready.
	Live bool
}

// Notice is what a Check returns that has something to say, but nothing that
// should keep requests away.
type Notice string

// Error is what it says.
func (n Notice) Error() string { return string(n) }

// Probes gives /livez and /readyz alone, for a listener that others than
// operators reach: it names what does not work, but does not say why.
func Probes(checks []Check) http.Handler {
	return forNobodyElse(probes(checks, func(_ *http.Request, err error) string { return inShort(err) }))
}

// inShort is what strangers are told of a check that returned an error.
func inShort(err error) string {
	if isNotice(err) {
		return "needs attention"
	}
	return "does not work"
}

func isNotice(err error) bool {
	var n Notice
	return errors.As(err, &n)
}

// probes gives both; why tells what to say of a check that returned an error.
func probes(checks []Check, why func(*http.Request, error) string) *http.ServeMux {
	mux := http.NewServeMux()
	probe := func(path string, live bool, good, bad string) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithTimeout(r.Context(), checkTimeout)
			defer cancel()
			status, said := http.StatusOK, map[string]string{"status": good}
			for name, err := range failing(ctx, checks, live) {
				if said[name] = why(r, err); !isNotice(err) {
					status, said["status"] = http.StatusServiceUnavailable, bad
				}
			}
			answer(w, status, said)
		})
	}
	probe("/livez", true, "alive", "stuck")
	probe("/readyz", false, "ready", "not ready")
	return mux
}

// failing gives what returns an error of those that are Live, or of the others,
// by name.
func failing(ctx context.Context, checks []Check, live bool) map[string]error {
	found := map[string]error{}
	for _, c := range checks {
		if c.Live != live {
			continue
		}
		if err := c.Run(ctx); err != nil {
			found[c.Name] = err
		}
	}
	return found
}
