// Command cocoom-gateway puts Slack login and Slack notifications in front of
// an unmodified web app.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second interrupt ends at once
	code := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// errReported ends a command whose mistakes were printed already.
var errReported = errors.New("reported")

// exitCode ends a command that has said all it had to say with that code.
type exitCode int

// Error is never printed.
func (c exitCode) Error() string { return fmt.Sprintf("exit code %d", int(c)) }

// run executes one command line and returns the exit code: 0, 1 when something
// failed, or what the command's help says. It returns when the command is done
// or ctx has ended.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	stdout, stderr = legible{stdout}, legible{stderr}
	root := rootCommand(getenv)
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	if err := root.ExecuteContext(ctx); err != nil {
		var code exitCode
		if errors.As(err, &code) {
			return int(code)
		}
		if !errors.Is(err, errReported) {
			fmt.Fprintln(stderr, "cocoom-gateway:", err)
		}
		return 1
	}
	return 0
}

// rootCommand is the whole command line.
func rootCommand(getenv func(string) string) *cobra.Command {
	root := &cobra.Command{
		Use:           "cocoom-gateway",
		Short:         "Slack login and Slack notifications in front of an unmodified web app",
		Example:       "  cocoom-gateway demo\n  cocoom-gateway serve -c gateway.yaml",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	group := func(id, title string, commands ...*cobra.Command) {
		root.AddGroup(&cobra.Group{ID: id, Title: title})
		for _, cmd := range commands {
			cmd.GroupID = id
			root.AddCommand(cmd)
		}
	}
	group("serve", "Serve:", serveCommand(getenv), demoCommand(getenv))
	group("file", "Work on a configuration file:", checkCommand(getenv), explainCommand(getenv), manifestCommand(getenv), tokensCommand(getenv))
	group("running", "Ask a running gateway:", healthCommand(), sessionsCommand(getenv), peopleCommand(getenv), notificationsCommand(getenv), keysCommand(getenv), breakGlassCommand(getenv), setupCommand(getenv))
	group("self", "About this program:", versionCommand())
	root.SetHelpCommandGroupID("self")
	root.SetCompletionCommandGroupID("self")
	return root
}

// printJSON writes v for programs to read, and for people.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// parent makes cmd one that has others below it and does nothing itself: a
// misspelt one is an error, not a call for help that a script takes for success.
func parent(cmd *cobra.Command, below ...*cobra.Command) *cobra.Command {
	cmd.Args, cmd.DisableFlagsInUseLine = cobra.NoArgs, true
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	cmd.AddCommand(below...)
	return cmd
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Say which build this is",
		Example: "  cocoom-gateway version",
		Args:    cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) {
			fmt.Fprintln(cmd.OutOrStdout(), version())
		},
	}
}

// version names the build by what the Go toolchain noted in the binary.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "cocoom-gateway (unknown build)"
	}
	revision, modified := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = " " + s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			modified = " (modified)"
		}
	}
	return fmt.Sprintf("cocoom-gateway %s%s%s, %s", info.Main.Version, revision, modified, info.GoVersion)
}
