package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cocoom/cocoom-gateway/internal/admin"
)

func peopleExportCommand(at *listenerFlags, getenv func(string) string) *cobra.Command {
	return &cobra.Command{
		Use:   "export HOST PERSON",
		Short: "Print all that is kept of a person on a route, as JSON",
		Long: "export prints what the gateway keeps of a person on a route, for whoever asks what is known of them: who they\n" +
			"are, sessions, saved forms (times only: what stands in them is sealed), break-glass links, notifications to them\n" +
			"and about what they did, with what was asked and every attempt, and what the audit says. Names of other people\n" +
			"are left out where they are recipients or actors. PERSON is an e-mail address or a Slack user id; whoever never\n" +
			"signed in may have notifications, too. That it was done is written to the audit.",
		Example: "  cocoom-gateway people export agrafmania.cocoom.com paul@agrafmania.fr",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			running, err := at.listener(cmd)
			if err != nil {
				return err
			}
			export, err := exportPerson(cmd.Context(), running, admin.PersonRequest{Operator: asker(getenv), Host: args[0], Person: args[1]})
			if err != nil {
				return err
			}
			return printJSON(cmd.OutOrStdout(), export)
		},
	}
}

// exportPerson reads the whole of it, page by page.
func exportPerson(ctx context.Context, at operators, asked admin.PersonRequest) (admin.PersonExport, error) {
	var all admin.PersonExport
	if err := at.post(ctx, "/people/export", asked, &all); err != nil {
		return all, err
	}
	for list := &all.Notifications; list.Next != ""; {
		var page admin.PersonExport
		asked.Cursor = list.Next
		if err := at.post(ctx, "/people/export", asked, &page); err != nil {
			return all, err
		}
		list.Notifications, list.Next = append(list.Notifications, page.Notifications.Notifications...), page.Notifications.Next
	}
	return all, nil
}

func peopleEraseCommand(at *listenerFlags, getenv func(string) string) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "erase HOST PERSON",
		Short: "Remove all that is kept of a person on a route",
		Long: "erase ends a person's sessions at once and removes what export prints. What waits for them is not sent any more.\n" +
			"A notification to them alone goes with its text; one to others too stays theirs, without this recipient. The\n" +
			"audit keeps its entries without who it was, and that an erasure took place. It cannot be undone. Messages that\n" +
			"were delivered stay in Slack, and an app that notifies the person again, or a new sign-in, makes them known again.\n" +
			"PERSON is an e-mail address or a Slack user id. Doing it again does no harm.",
		Example: "  cocoom-gateway people erase agrafmania.cocoom.com paul@agrafmania.fr --yes",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			running, err := at.listener(cmd)
			if err != nil {
				return err
			}
			if !yes && !agreed(cmd, fmt.Sprintf("Remove all that is kept of %s on %s, for good? Type yes: ", args[1], args[0])) {
				return errors.New("nothing was removed: add --yes to do it")
			}
			var done admin.PersonErased
			if err := running.post(cmd.Context(), "/people/erase", admin.PersonRequest{Operator: asker(getenv), Host: args[0], Person: args[1]}, &done); err != nil {
				return err
			}
			return printErased(cmd.OutOrStdout(), done)
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "remove it without being asked")
	return cmd
}

// agreed asks whoever sits at a terminal; nobody else agrees to anything.
func agreed(cmd *cobra.Command, question string) bool {
	in, ok := cmd.InOrStdin().(*os.File)
	if !ok {
		return false
	}
	if info, err := in.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	fmt.Fprint(cmd.ErrOrStderr(), question)
	line, err := bufio.NewReader(in).ReadString('\n')
	return err == nil && strings.TrimSpace(line) == "yes"
}

func printErased(w io.Writer, done admin.PersonErased) error {
	g, n := done.Gateway, done.Notifications
	_, err := fmt.Fprintf(w, "removed: %s, %s, %s, %s, %s\nwithout the name now: %s, %s\n",
		plural(g.Sessions, "session"), plural(g.Drafts, "saved form"), plural(g.Links, "break-glass link"),
		plural(n.Notifications, "notification"), plural(n.Threads, "thread"),
		plural(n.Changed, "other notification"), plural(g.Audit, "audit line"))
	if err == nil && n.Cancelled > 0 {
		_, err = fmt.Fprintf(w, "not sent any more: %s\n", plural(n.Cancelled, "message"))
	}
	if err == nil && n.Sending > 0 {
		_, err = fmt.Fprintf(w, "with Slack at that very moment, and perhaps posted: %s\n", plural(n.Sending, "message"))
	}
	return err
}
