package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

// healthTime is less than what container runtimes give a check by default.
const healthTime = 5 * time.Second

func healthCommand(getenv func(string) string) *cobra.Command {
	var at listenerFlags
	cmd := &cobra.Command{
		Use:     "health",
		Short:   "Say whether a running gateway is ready, for container checks",
		Long:    "health exits with 0 if the gateway is ready, else with 1.",
		Example: "  cocoom-gateway health -c gateway.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			address, err := at.place(cmd) // whoever asks is told, without a token
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), healthTime)
			defer cancel()
			status, said, err := operators{address: address}.call(ctx, http.MethodGet, "/readyz", nil)
			switch {
			case err != nil:
				return err
			case status != http.StatusOK:
				return fmt.Errorf("not ready: %s", bytes.TrimSpace(said))
			}
			fmt.Fprintln(cmd.OutOrStdout(), "ready")
			return nil
		},
	}
	at.add(cmd, getenv)
	return cmd
}
