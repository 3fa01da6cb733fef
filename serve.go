package main

import (
	"github.com/spf13/cobra"
)

func serveCommand(getenv func(string) string) *cobra.Command {
	var file string
	var logging logFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the routes of a configuration file",
		Long: "serve runs until it is interrupted, or told to stop by SIGTERM. It logs JSON to standard error, one line a\n" +
			"request, without headers, queries or secrets. A second interrupt ends it at once.",
		Example: "  cocoom-gateway serve -c gateway.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, err := logging.logger(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			cfg, err := load(file, getenv, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			quietLibraries(log)
			p, err := start(cmd.Context(), cfg, log)
			if err != nil {
				return err
			}
			return p.run(cmd.Context())
		},
	}
	configFlag(cmd, &file)
	logging.add(cmd)
	return cmd
}
