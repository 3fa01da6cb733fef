package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cocoom/cocoom-gateway/configs"
	"github.com/cocoom/cocoom-gateway/internal/admin"
	"github.com/cocoom/cocoom-gateway/internal/secret"
)

func reloadCommand(getenv func(string) string) *cobra.Command {
	var at listenerFlags
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "Have the running gateway read its configuration again",
		Long: "reload has the running gateway read its file, and what that names, and put it in force without a pause. It says\n" +
			"what has changed. If anything is wrong it prints every mistake and exits with 1, and what was in force goes on.\n\n" +
			"The gateway does the same by itself within seconds of a change, and on SIGHUP. To look first: check --diff.",
		Example: "  cocoom-gateway reload -c gateway.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			to, err := at.listener(cmd)
			if err != nil {
				return err
			}
			done, err := to.reload(cmd, admin.Reload{Operator: asker(getenv)})
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			printChanges(out, done.Changes, done.Restart)
			fmt.Fprintf(out, "in force: generation %d, %s\n", done.Configuration.Generation, plural(done.Configuration.Routes, "route"))
			return nil
		},
	}
	at.add(cmd, getenv)
	return cmd
}

// printDifference asks the running gateway what its file would change now.
func printDifference(cmd *cobra.Command, at *listenerFlags, getenv func(string) string) error {
	to, err := at.listener(cmd)
	if err != nil {
		return err
	}
	would, err := to.reload(cmd, admin.Reload{Operator: asker(getenv), DryRun: true})
	if err != nil {
		return err
	}
	printChanges(cmd.OutOrStdout(), would.Changes, would.Restart)
	return nil
}

// reload asks for a reload, or a trial of one. Mistakes of the file are printed as
// check prints them.
func (o operators) reload(cmd *cobra.Command, in admin.Reload) (done admin.Reloaded, err error) {
	status, said, err := o.call(cmd.Context(), http.MethodPost, "/reload", in)
	if err != nil {
		return done, err
	}
	var failure admin.Failure
	if status == http.StatusUnprocessableEntity && json.Unmarshal(said, &failure) == nil {
		fmt.Fprintln(cmd.ErrOrStderr(), failure.Error)
		fmt.Fprintf(cmd.ErrOrStderr(), "%s in the configuration; what was in force goes on\n", plural(strings.Count(failure.Error, "\n")+1, "mistake"))
		return done, errReported
	}
	return done, o.read(status, said, &done)
}

// printChanges prints what differs, as diff does: + is new, - is gone, ~ is
// otherwise.
func printChanges(w io.Writer, c configs.Changes, restart []string) {
	if c.None() {
		fmt.Fprintln(w, "nothing differs")
	}
	printKeys(w, "", c.Keys)
	for _, host := range c.Removed {
		fmt.Fprintln(w, "-", host)
	}
	for _, host := range c.Added {
		fmt.Fprintln(w, "+", host)
	}
	for _, one := range c.Changed {
		fmt.Fprintln(w, "~", one.Host)
		printKeys(w, "    ", one.Keys)
	}
	if len(restart) > 0 {
		fmt.Fprintf(w, "only a restart brings these into force: %s\n", strings.Join(restart, ", "))
	}
}

func printKeys(w io.Writer, indent string, keys []configs.Change) {
	for _, k := range keys {
		if k.From == secret.Redacted && k.To == secret.Redacted {
			fmt.Fprintf(w, "%s%s: another secret\n", indent, k.Key)
			continue
		}
		fmt.Fprintf(w, "%s%s: %s → %s\n", indent, k.Key, orNone(k.From), orNone(k.To))
	}
}

func orNone(value string) string {
	if value == "" {
		return "(not set)"
	}
	return value
}
