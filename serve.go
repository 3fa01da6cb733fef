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
	"github.com/cocoom/cocoom-gateway/internal/store"
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

// load reads a configuration; its mistakes go to stderr, one a line, as they
// are, so that editors and terminals find file, line and column.
func load(file string, getenv func(string) string, stderr io.Writer) (*configs.Config, error) {
	cfg, err := configs.Load(file, getenv)
	var mistakes *configs.Error
	if errors.As(err, &mistakes) {
		fmt.Fprintln(stderr, mistakes)
		fmt.Fprintf(stderr, "%s in the configuration\n", plural(len(mistakes.Mistakes), "mistake"))
		return nil, errReported
	}
	if err == nil && cfg.MasterKey != "" {
		if _, err := store.LoadMaster(cfg.State.Reveal(), cfg.MasterKey.Reveal()); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	return cfg, err
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func healthCommand() *cobra.Command {
	var admin string
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Ask a running gateway whether it is ready (for container checks)",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
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
			fmt.Fprintln(cmd.OutOrStdout(), "ready")
			return nil
		},
	}
	cmd.Flags().StringVar(&admin, "admin", "127.0.0.1:9090", "`address` of the operators' listener")
	return cmd
}
