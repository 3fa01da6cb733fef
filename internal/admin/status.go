package admin

import (
	"context"
	"net/url"
)

// status is GET /status: what an operator looks at first.
func (cfg Config) status(ctx context.Context, _ url.Values) (map[string]any, error) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	stats, err := cfg.Relay.Stats(ctx)
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"deliveries": stats, "alarms": cfg.Relay.Alarms(), "people": cfg.Gateway.Alarms(), "sessions": cfg.sessions(ctx),
		"configuration": cfg.Configuration(), "version": cfg.Version,
	}, nil
}

// sessions is "honoured", or why that is about to end or has ended.
func (cfg Config) sessions(ctx context.Context) string {
	if err := cfg.Gateway.Ready(ctx); err != nil {
		return err.Error()
	}
	return "honoured"
}
