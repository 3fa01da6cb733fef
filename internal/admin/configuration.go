package admin

import (
	"context"
	"net/url"
	"time"
)

// Configuration says which configuration is in force, and what became of the
// last attempt to change it.
type Configuration struct {
	// File is where it was read from.
	File string `json:"file"`
	// Generation counts those that were in force since the process began, from 1.
	Generation int `json:"generation"`
	// Since is when this one came into force.
	Since time.Time `json:"since"`
	// Routes is how many there are.
	Routes int `json:"routes"`
	// Error is every mistake of the file as it was read last, a line each; empty:
	// it is the one in force. What was in force before goes on.
	Error string `json:"error,omitempty"`
	// ErrorAt is when the file was read last in vain.
	ErrorAt time.Time `json:"error_at,omitzero"`
	// Restart names the keys whose new values a restart alone brings into force.
	Restart []string `json:"restart,omitempty"`
}

// configurationCheck is the name of the check that Check is for.
const configurationCheck = "configuration"

// Check tells, for the probes, of a file with mistakes: the gateway is ready all
// the same, with what was in force before.
func (c Configuration) Check() error {
	if c.Error == "" {
		return nil
	}
	return Notice("the configuration in force is of " + c.Since.Format(time.RFC3339) + "; the file has mistakes:\n" + c.Error)
}

// configuration is GET /configuration.
func (cfg Config) configuration(_ context.Context, query url.Values) (Configuration, error) {
	return cfg.Configuration(), onlyKnown(query)
}
