// Command cocoom-gateway puts Slack login and Slack notifications in front of
// an unmodified web app.
//
// This package is the command line, and the program that serve starts: it wires
// the others together, and does nothing itself that one of them could.
//
// Where things are:
//
//	the process     main help usage print legible logging quiet
//	serving         serve program routes server crowd guest paused framing cleartext endtls keyring observe stop servicemanager
//	its changes     source follow apply managed
//	about a file    check explain explain_person explain_words manifest tokens
//	asking one      operators · setup reload doctor doctor_live examine health
//	                sessions people people_data notifications keys breakglass backup
//	about itself    version man completion
//	to try it       demo demo_customers demo_welcome
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	os.Exit(asStarted())
}

// asStarted runs what this process was started for, until it is interrupted.
func asStarted() (code int) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second interrupt ends at once
	return process{getenv: os.Getenv, stdout: os.Stdout, stderr: os.Stderr, hangups: hangups}.run(ctx, os.Args[1:])
}

// errReported ends a command whose mistakes were printed already.
var errReported = errors.New("reported")

// exitCode ends a command that has said all it had to say with that code.
type exitCode int

// Error is never printed.
func (c exitCode) Error() string { return fmt.Sprintf("exit code %d", int(c)) }

// hangups begins to tell of SIGHUP, by which operators ask a server to read its
// configuration again; until somebody asks for it, the signal ends the process.
// Windows never sends it.
func hangups() <-chan os.Signal {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGHUP)
	return c
}

// process is what surrounds a command line.
type process struct {
	getenv         func(string) string
	stdout, stderr io.Writer
	hangups        func() <-chan os.Signal // nil: there are none
}

// run executes a command line where nobody hangs up.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	return process{getenv: getenv, stdout: stdout, stderr: stderr}.run(ctx, args)
}

// run executes one command line and returns the exit code: 0, 1 when something
// failed, or what the command's help says. It returns when the command is done
// or ctx has ended.
func (p process) run(ctx context.Context, args []string) int {
	stdout, stderr := legible{p.stdout}, legible{p.stderr}
	root := rootCommand(p.getenv, p.hangups)
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
		var misused *misuse
		if errors.As(err, &misused) {
			fmt.Fprintf(stderr, "Usage: %s\n", misused.cmd.UseLine())
			fmt.Fprintf(stderr, "More: %s --help\n", misused.cmd.CommandPath())
		}
		return 1
	}
	return 0
}

// rootCommand is the whole command line.
func rootCommand(getenv func(string) string, hangups func() <-chan os.Signal) *cobra.Command {
	root := &cobra.Command{
		Use:           "cocoom-gateway",
		Short:         "Slack login and Slack notifications in front of an unmodified web app",
		Example:       "  cocoom-gateway demo\n  cocoom-gateway serve -c gateway.yaml",
		Version:       version(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetVersionTemplate("{{.Version}}\n")
	group := func(id, title string, commands ...*cobra.Command) {
		root.AddGroup(&cobra.Group{ID: id, Title: title})
		for _, cmd := range commands {
			cmd.GroupID = id
			root.AddCommand(cmd)
		}
	}
	group("serve", "Serve:", serveCommand(getenv, hangups), demoCommand(getenv))
	group("file", "Work on a configuration file:", checkCommand(getenv), explainCommand(getenv), manifestCommand(), tokensCommand(getenv))
	group("running", "Ask a running gateway:", healthCommand(getenv), setupCommand(getenv), doctorCommand(getenv), reloadCommand(getenv), sessionsCommand(getenv), peopleCommand(getenv), notificationsCommand(getenv), keysCommand(getenv), breakGlassCommand(getenv), backupCommand(getenv))
	group("self", "About this program:", versionCommand(), manCommand())
	root.SetHelpCommandGroupID("self")
	root.SetCompletionCommandGroupID("self")
	completeAll(root)
	sayUsage(root)
	fitHelp(root)
	return root
}

// parent makes cmd one that has others below it and does nothing itself: a
// misspelt one is an error, not a call for help that a script takes for success.
func parent(cmd *cobra.Command, below ...*cobra.Command) *cobra.Command {
	cmd.Args, cmd.DisableFlagsInUseLine = cobra.NoArgs, true
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	cmd.AddCommand(below...)
	return cmd
}
