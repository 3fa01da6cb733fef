package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/internal/admin"
)

// shortID is how many hex digits of an id are shown: two of a million sessions
// seldom share them.
const shortID = 12

func sessionsCommand(getenv func(string) string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sessions",
		Short: "See who is signed in, and sign people out",
		Example: "  cocoom-gateway sessions list\n" +
			"  cocoom-gateway sessions revoke --person paul@agrafmania.fr",
	}
	var at listenerFlags
	at.add(cmd, getenv)
	return parent(cmd, sessionsListCommand(&at), sessionsRevokeCommand(&at, getenv))
}

func sessionsListCommand(at *listenerFlags) *cobra.Command {
	var query gateway.SessionQuery
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List who is signed in, the latest sign-in first",
		Example: "  cocoom-gateway sessions list --route agrafmania.cocoom.com\n" +
			"  cocoom-gateway sessions list --person paul@agrafmania.fr --json",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			running, err := at.listener(cmd)
			if err != nil {
				return err
			}
			list, err := listSessions(cmd.Context(), running, query)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), list)
			}
			return printSessions(cmd.OutOrStdout(), list)
		},
	}
	cmd.Flags().StringVar(&query.Route, "route", "", "only those on this `host`")
	cmd.Flags().StringVar(&query.Person, "person", "", "only those of a person, by `e-mail` address or Slack id")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print everything that is known of them, as JSON")
	return cmd
}

func sessionsRevokeCommand(at *listenerFlags, getenv func(string) string) *cobra.Command {
	asked := admin.Revoke{Operator: asker(getenv)}
	var yes bool
	cmd := &cobra.Command{
		Use:   "revoke",
		Short: "End sessions at once, with their open streams",
		Long: "revoke ends one session, those of a person (on one route or on all), those of a route, or all, with their\n" +
			"WebSockets, event streams and downloads. It holds on every replica within two seconds. Nobody is kept from\n" +
			"signing in again: to shut somebody out, deactivate the account in Slack or change the route's policy first.\n" +
			"Who has revoked what is written to the audit.",
		Example: "  cocoom-gateway sessions revoke --person paul@agrafmania.fr --reason 'lost phone'\n" +
			"  cocoom-gateway sessions revoke --route agrafmania.cocoom.com --yes",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, name := range []string{"session", "person", "route"} { // a script's empty variable must not mean everybody
				if f := cmd.Flags().Lookup(name); f.Changed && f.Value.String() == "" {
					return fmt.Errorf("--%s is empty", name)
				}
			}
			switch {
			case yes || asked.Session != "" || asked.Person != "":
			case asked.All:
				return errors.New("this ends every session there is: add --yes to do it")
			default:
				return fmt.Errorf("this ends every session on %s: add --yes to do it", asked.Route)
			}
			running, err := at.listener(cmd)
			if err != nil {
				return err
			}
			var done admin.Revoked
			if err := running.post(cmd.Context(), "/sessions/revoke", asked, &done); err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), plural(done.Ended, "session")+" ended")
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&asked.Session, "session", "", "the session with this `id`, or the only one whose id begins so")
	f.StringVar(&asked.Person, "person", "", "the sessions of a person, by `e-mail` address or Slack id")
	f.StringVar(&asked.Route, "route", "", "the sessions on this `host`; with --person, only that person's")
	f.BoolVar(&asked.All, "all", false, "every session on every route")
	f.StringVar(&asked.Reason, "reason", "", "why; the audit keeps it")
	f.BoolVar(&yes, "yes", false, "end every session of a route, or all, without being asked")
	cmd.MarkFlagsOneRequired("session", "person", "route", "all")
	for _, other := range []string{"person", "route", "all"} {
		cmd.MarkFlagsMutuallyExclusive("session", other)
	}
	cmd.MarkFlagsMutuallyExclusive("all", "person")
	cmd.MarkFlagsMutuallyExclusive("all", "route")
	return cmd
}

// listSessions reads the whole list, page by page.
func listSessions(ctx context.Context, at operators, q gateway.SessionQuery) ([]gateway.SessionInfo, error) {
	values := url.Values{"route": {q.Route}, "person": {q.Person}, "limit": {"500"}}
	list := []gateway.SessionInfo{}
	for {
		var page admin.SessionList
		if err := at.get(ctx, "/sessions?"+values.Encode(), &page); err != nil {
			return nil, err
		}
		list = append(list, page.Sessions...)
		if page.Next == "" {
			return list, nil
		}
		values.Set("cursor", page.Next)
	}
}

func printSessions(w io.Writer, list []gateway.SessionInfo) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, "nobody is signed in")
		return err
	}
	const layout = "2006-01-02 15:04"
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "SESSION\tPERSON\tUSER\tROUTE\tDEVICE\tADDRESS\tSIGNED IN\tLAST SEEN")
	for _, s := range list {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", s.ID[:min(len(s.ID), shortID)], s.Email, s.User, s.Route, s.Device, s.Address,
			s.FirstSeen.Local().Format(layout), s.LastSeen.Local().Format(layout))
	}
	return table.Flush()
}
