package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/cocoom/cocoom-gateway/configs"
)

func serveCommand(getenv func(string) string) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the routes of a configuration file until interrupted",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := load(file, getenv, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			log := slog.New(slog.NewJSONHandler(cmd.ErrOrStderr(), nil))
			quietLibraries(log)
			p, err := start(cmd.Context(), cfg, log)
			if err != nil {
				return err
			}
			return p.run(cmd.Context())
		},
	}
	configFlag(cmd, &file)
	return cmd
}

func checkCommand(getenv func(string) string) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Say everything that is wrong with a configuration file",
		Long: "check reads the file and what it includes, and prints every mistake with file, line and column.\n" +
			"It exits with 0 if there is none, else with 1. serve refuses a file in the same words.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := load(file, getenv, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s is good: %s\n", file, plural(len(cfg.Routes), "route"))
			return nil
		},
	}
	configFlag(cmd, &file)
	return cmd
}

func configFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVarP(file, "config", "c", "cocoom-gateway.yaml", "configuration `file`")
}

// load reads a configuration, reporting its mistakes.
func load(file string, getenv func(string) string, stderr io.Writer) (*configs.Config, error) {
	cfg, err := configs.Load(file, getenv)
	return cfg, report(err, stderr)
}

// report prints the mistakes of a configuration, one a line, as they are, so that
// editors and terminals find file, line and column. Other errors it gives back.
func report(err error, stderr io.Writer) error {
	var mistakes *configs.Error
	if !errors.As(err, &mistakes) {
		return err
	}
	fmt.Fprintln(stderr, mistakes)
	fmt.Fprintf(stderr, "%s in the configuration\n", plural(len(mistakes.Mistakes), "mistake"))
	return errReported
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func healthCommand() *cobra.Command {
	var file, admin string
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Ask a running gateway whether it is ready (for container checks)",
		Long: "health asks the operators' listener whether the gateway is ready, and exits with 0 if it is, else with 1.\n" +
			"Of the configuration file it reads the key admin alone, so it needs none of the secrets.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file != "" && !cmd.Flags().Changed("admin") {
				var err error
				if admin, err = configs.AdminAddress(file); err != nil {
					return report(err, cmd.ErrOrStderr())
				}
			}
			if err := askReady(admin); err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), "ready")
			return nil
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "", "configuration `file` that says where the operators' listener is")
	cmd.Flags().StringVar(&admin, "admin", "127.0.0.1:9090", "`address` of the operators' listener, rather than the file's")
	return cmd
}

// askReady is nil if the gateway whose operators' listener is at admin is ready.
func askReady(admin string) error {
	client := http.Client{Timeout: 5 * time.Second}
	resp, err := client.Get("http://" + admin + "/readyz")
	if err != nil {
		return fmt.Errorf("ask %s: %w", admin, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 8<<10))
	if err != nil {
		return fmt.Errorf("ask %s: %w", admin, err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("not ready: %s", body)
	}
	return nil
}
