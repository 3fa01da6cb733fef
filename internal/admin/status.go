package admin

import (
	"context"
	"net/http"
)

// status sums up what an operator looks at first.
func (cfg Config) status(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), checkTimeout)
	defer cancel()
	stats, err := cfg.Relay.Stats(ctx)
	if err != nil {
		cfg.fail(w, r, err)
		return
	}
	body := map[string]any{
		"deliveries": stats, "alarms": cfg.Relay.Alarms(), "people": cfg.Gateway.Alarms(), "sessions": cfg.sessions(ctx),
	}
	if cfg.Configuration != nil {
		body["configuration"] = cfg.Configuration()
	}
	answer(w, http.StatusOK, body)
}

// sessions is "honoured", or why that is about to end or has ended.
func (cfg Config) sessions(ctx context.Context) string {
	if err := cfg.Gateway.Ready(ctx); err != nil {
		return err.Error()
	}
	return "honoured"
}
