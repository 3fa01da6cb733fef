package admin

import (
	"context"

	"github.com/cocoom/cocoom-gateway/configs"
)

// Reload is the body of POST /reload.
type Reload struct {
	Operator
	// DryRun asks what would change, and changes nothing.
	DryRun bool `json:"dry_run"`
}

// Reloaded is its answer when the configuration is good. One that is not is
// answered by a Failure with every mistake, a line each, and status 422.
type Reloaded struct {
	// Changes are those to what was in force.
	Changes configs.Changes `json:"changes"`
	// Restart names the keys, of all that differ from the start, whose values a
	// restart alone brings into force.
	Restart []string `json:"restart,omitempty"`
	// Configuration is what is in force now.
	Configuration Configuration `json:"configuration"`
}

// reload is POST /reload.
func (cfg Config) reload(ctx context.Context, in Reload) (any, error) {
	done, err := cfg.Reload(ctx, in.DryRun)
	if err != nil || in.DryRun {
		return done, err
	}
	return done, cfg.Gateway.Audit(ctx, in.By, "configuration.reloaded", "")
}
