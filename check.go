package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/cocoom/cocoom-gateway/configs"
)

func checkCommand(getenv func(string) string) *cobra.Command {
	var at listenerFlags
	var diff bool
	var against string
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Say everything that is wrong with a configuration file",
		Long: "check reads the file and what it includes, and prints every mistake with file, line and column.\n" +
			"It exits with 0 if there is none, else with 1. serve refuses a file in the same words.\n\n" +
			"With --diff it asks the running gateway to read its file, by its own environment, and says what would change:\n" +
			"routes that come (+), go (-) and change (~), key by key, and what takes a restart. Of secrets it says only that they\n" +
			"changed. With --against it compares the file to another one, and needs no gateway.",
		Example: "  cocoom-gateway check -c gateway.yaml\n  cocoom-gateway check -c gateway.yaml --diff\n  cocoom-gateway check -c new.yaml --diff --against old.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if diff && against == "" {
				return printDifference(cmd, &at, getenv)
			}
			cfg, err := load(at.file, getenv, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			if against == "" {
				fmt.Fprintf(cmd.OutOrStdout(), "%s is good: %s\n", at.file, plural(len(cfg.Routes), "route"))
				return nil
			}
			old, err := load(against, getenv, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			printChanges(cmd.OutOrStdout(), configs.Compare(old, cfg), nil)
			return nil
		},
	}
	configFlag(cmd, &at.file)
	at.addAddress(cmd, getenv)
	cmd.Flags().BoolVar(&diff, "diff", false, "say what differs from what the running gateway has in force")
	cmd.Flags().StringVar(&against, "against", "", "with --diff: compare to this `file` instead")
	return cmd
}

// defaultFile is what every command reads that is not told another.
const defaultFile = "cocoom-gateway.yaml"

func configFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVarP(file, "config", "c", defaultFile, "configuration `file`")
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
