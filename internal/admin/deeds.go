package admin

import (
	"log/slog"
	"net/http"
	"time"
)

// logged writes a line of the log for each request that may change something;
// what reads, and what probes and scrapes ask, is not worth one. What was done,
// and by whom, stands in the audit.
func logged(log *slog.Logger, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			h.ServeHTTP(w, r)
			return
		}
		begun, noted := time.Now(), &statusWriter{ResponseWriter: w}
		defer func() {
			log.Info("operator's request", "method", r.Method, "path", clip(r.URL.Path), "status", noted.status, "client", r.RemoteAddr,
				"ms", float64(time.Since(begun).Microseconds())/1000)
		}()
		h.ServeHTTP(noted, r)
	})
}

// clip bounds what is logged of a path.
func clip(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}

// statusWriter notes the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader notes the first.
func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *statusWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController set deadlines.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
