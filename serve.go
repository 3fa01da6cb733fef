package main

import (
	"log/slog"
	"os"

	"github.com/spf13/cobra"
)

func serveCommand(getenv func(string) string, hangups func() <-chan os.Signal) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the routes of a configuration file",
		Long: "serve runs until it is interrupted, or told to stop by SIGTERM. Then it takes no new requests, closes\n" +
			"WebSockets with code 1001, ends event streams, gives requests under way 8 seconds and calls to Slack 25,\n" +
			"and exits with 0. A second interrupt ends it at once; nothing that was accepted is lost then either.\n\n" +
			"When the file, one that it includes, or one that it takes a secret from changes, and on SIGHUP, it is read again,\n" +
			"and put in force without a pause if all of it is right; see reload.\n\n" +
			"It logs JSON to standard error, one line a request, without headers, queries or secrets. Where NOTIFY_SOCKET\n" +
			"is set, as systemd does for Type=notify, it says there when it is ready and when it stops.",
		Example: "  cocoom-gateway serve -c gateway.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s := &source{path: file, getenv: getenv, every: lookEvery}
			if hangups != nil {
				s.hangups = hangups()
			}
			cfg, err := s.read()
			if err := report(err, cmd.ErrOrStderr()); err != nil {
				return err
			}
			log := slog.New(slog.NewJSONHandler(cmd.ErrOrStderr(), nil))
			quietLibraries(log)
			p, err := start(cmd.Context(), cfg, log)
			if err != nil {
				return err
			}
			p.manager = serviceManager(getenv("NOTIFY_SOCKET"))
			p.from(s)
			return p.run(cmd.Context())
		},
	}
	configFlag(cmd, &file)
	return cmd
}
