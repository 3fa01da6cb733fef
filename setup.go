package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/cocoom/cocoom-gateway/internal/admin"
)

// setupFlags say what setup is to do other than make a link.
type setupFlags struct{ revoke, status, reset, token, yes, json bool }

func setupCommand(getenv func(string) string) *cobra.Command {
	var at listenerFlags
	var do setupFlags
	cmd := &cobra.Command{
		Use:   "setup HOST",
		Short: "Make the link by which a customer's admin sets up Slack",
		Long: "setup is for routes with slack_app: {managed: true}. It prints a link, good for 24 hours and in one browser at a\n" +
			"time, to a page that leads an admin of the customer's workspace through it: create the Slack app, paste three\n" +
			"values, install, try. The first installation pins the workspace, unless the configuration names it. A route with\n" +
			"notifications and no credential gets a bearer token for the app, which is printed once.\n\n" +
			"A link made before for the same route ends. On a route that is set up already, the admin can give other\n" +
			"credentials or install the app again, in the same workspace; --reset is for another workspace.",
		Example: "  cocoom-gateway setup agrafmania.cocoom.com\n" +
			"  cocoom-gateway setup agrafmania.cocoom.com --status",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			running, err := at.listener(cmd)
			if err != nil {
				return err
			}
			return do.run(cmd.Context(), running, admin.Setup{Operator: asker(getenv), Host: args[0]}, cmd.OutOrStdout())
		},
	}
	at.add(cmd, getenv)
	cmd.Flags().BoolVar(&do.status, "status", false, "say how far it is")
	cmd.Flags().BoolVar(&do.json, "json", false, "with --status: as JSON")
	cmd.Flags().BoolVar(&do.revoke, "revoke", false, "make the link useless; what was installed stays")
	cmd.Flags().BoolVar(&do.token, "new-token", false, "make another bearer token for notifications; the one before ends at once")
	cmd.Flags().BoolVar(&do.reset, "reset", false, "forget the installed app and its workspace, and sign everybody out; needs --yes")
	cmd.Flags().BoolVar(&do.yes, "yes", false, "with --reset: really")
	cmd.MarkFlagsMutuallyExclusive("status", "revoke", "reset", "new-token")
	return cmd
}

// run asks the gateway for what the flags say, and prints what came of it.
func (do setupFlags) run(ctx context.Context, running operators, asked admin.Setup, out io.Writer) error {
	var nothing struct{}
	switch {
	case do.status:
		var s admin.SetupStatus
		if err := running.get(ctx, "/setup?host="+url.QueryEscape(asked.Host), &s); err != nil {
			return err
		}
		if do.json {
			return printJSON(out, s)
		}
		printSetup(out, s)
	case do.revoke:
		if err := running.post(ctx, "/setup/revoke", asked, &nothing); err != nil {
			return err
		}
		fmt.Fprintln(out, "The link is useless now.")
	case do.token:
		var made admin.HookToken
		if err := running.post(ctx, "/setup/token", asked, &made); err != nil {
			return err
		}
		printHookToken(out, made)
	case do.reset && !do.yes:
		return errors.New("--reset signs everybody out of the route, and nobody gets in until an app is set up again: add --yes if that is what you want")
	case do.reset:
		if err := running.post(ctx, "/setup/reset", asked, &nothing); err != nil {
			return err
		}
		fmt.Fprintf(out, "The app is forgotten, and everybody is signed out. To set up another: cocoom-gateway setup %s\n", asked.Host)
	default:
		var link admin.SetupLink
		if err := running.post(ctx, "/setup", asked, &link); err != nil {
			return err
		}
		fmt.Fprintf(out, "%s\n\nFor an admin of the workspace of %s alone.\nGood until %s, in one browser at a time.\n", link.URL, asked.Host, minute(link.Expires))
		if link.Hook != nil {
			fmt.Fprintln(out)
			printHookToken(out, *link.Hook)
		}
	}
	return nil
}

func printHookToken(out io.Writer, made admin.HookToken) {
	fmt.Fprintf(out, "The app behind the gateway sends its notifications to\n\n  %s\n  Authorization: Bearer %s\n\nThe token is good within a second, and not shown again.\n", made.URL, made.Token)
}

// printSetup says how far a set-up is, a line for each thing.
func printSetup(out io.Writer, s admin.SetupStatus) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(out, "%-12s %s\n", name, fmt.Sprintf(format, args...))
	}
	switch {
	case !s.Installed:
		line("Slack app", "not set up yet; nobody can sign in, and notifications wait")
	default:
		line("Slack app", "%s (client %s)", cmp.Or(s.AppID, "-"), s.ClientID)
		line("Workspace", "%s %s", s.Workspace, s.WorkspaceName)
		line("Installed", "%s by %s", minute(s.InstalledAt), cmp.Or(s.InstalledBy, "-"))
		if !s.InForce {
			line("In force", "not yet, or the configuration names another workspace")
		}
	}
	if s.HookToken {
		line("Token", "for notifications: made, and shown once")
	}
	l := s.Link
	if l == nil {
		line("Link", "none was made")
		return
	}
	line("Link", "%s, good until %s", l.State, minute(l.Expires))
	line("", "made %s by %s", minute(l.Created), l.By)
	if l.State == "open" {
		line("Progress", "%s", progress(s))
	}
	if l.SignedIn != "" {
		line("Sign-in", "%s", l.SignedIn)
	}
	if l.Message != "" {
		line("Message", "%s", l.Message)
	}
}

// progress is what the admin has to do next.
func progress(s admin.SetupStatus) string {
	switch {
	case !s.Link.Opened:
		return "nobody has opened it"
	case s.Installed:
		return "installed; trying it, or finished without saying so"
	case s.Link.Credentials:
		return "Slack has taken the credentials; to be installed"
	}
	return "opened; the app is being created"
}
