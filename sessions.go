package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/cocoom/cocoom-gateway/configs"
	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/internal/admin"
)

const (
	askTime   = 15 * time.Second // for one answer of the operators' listener
	maxAnswer = 4 << 20          // 500 sessions are about 200 KiB
	shortID   = 12               // hex digits: two of a million sessions seldom share them
)

func sessionsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sessions",
		Short: "See who is signed in, and sign people out",
		Long: "sessions asks the running gateway, through its operators' listener. Of the configuration file\n" +
			"it reads the key admin alone, so it needs none of the secrets.",
		Args: cobra.NoArgs,
	}
	var at listenerFlags
	at.add(cmd)
	cmd.AddCommand(sessionsListCommand(&at), sessionsRevokeCommand(&at))
	return cmd
}

func sessionsListCommand(at *listenerFlags) *cobra.Command {
	var query gateway.SessionQuery
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List who is signed in, the latest sign-in first",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			address, err := at.address(cmd)
			if err != nil {
				return err
			}
			list, err := listSessions(cmd.Context(), address, query)
			if err != nil {
				return err
			}
			if asJSON {
				enc := json.NewEncoder(cmd.OutOrStdout())
				enc.SetIndent("", "  ")
				return enc.Encode(list)
			}
			return printSessions(cmd.OutOrStdout(), list)
		},
	}
	cmd.Flags().StringVar(&query.Route, "route", "", "only those on this `host`")
	cmd.Flags().StringVar(&query.Person, "person", "", "only those of a person, by `e-mail` address or Slack id")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print everything that is known of them, as JSON")
	return cmd
}

func sessionsRevokeCommand(at *listenerFlags) *cobra.Command {
	var asked admin.RevokeRequest
	var yes bool
	cmd := &cobra.Command{
		Use:   "revoke",
		Short: "End sessions at once, with their WebSockets and event streams",
		Long: "revoke ends one session, those of a person (on one route or on all), those of a route, or all.\n" +
			"It holds on every replica within two seconds. Nobody is kept from signing in again: to shut\n" +
			"somebody out, deactivate the account in Slack or change the route's policy first.",
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
			address, err := at.address(cmd)
			if err != nil {
				return err
			}
			var done admin.RevokeAnswer
			if err := ask(cmd.Context(), http.MethodPost, address, "/sessions/revoke", asked, &done); err != nil {
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
	f.StringVar(&asked.Reason, "reason", "", "why; the audit table keeps it")
	f.BoolVar(&yes, "yes", false, "end every session of a route, or all, without being asked")
	cmd.MarkFlagsOneRequired("session", "person", "route", "all")
	for _, other := range []string{"person", "route", "all"} {
		cmd.MarkFlagsMutuallyExclusive("session", other)
	}
	cmd.MarkFlagsMutuallyExclusive("all", "person")
	cmd.MarkFlagsMutuallyExclusive("all", "route")
	return cmd
}

// listenerFlags say where the operators' listener is.
type listenerFlags struct{ file, admin string }

func (l *listenerFlags) add(cmd *cobra.Command) {
	cmd.PersistentFlags().StringVarP(&l.file, "config", "c", "", "configuration `file` that says where the operators' listener is")
	cmd.PersistentFlags().StringVar(&l.admin, "admin", "127.0.0.1:9090", "`address` of the operators' listener, rather than the file's")
}

func (l *listenerFlags) address(cmd *cobra.Command) (string, error) {
	if l.file == "" || cmd.Flags().Changed("admin") {
		return l.admin, nil
	}
	address, err := configs.AdminAddress(l.file)
	return address, report(err, cmd.ErrOrStderr())
}

// listSessions reads the whole list, page by page.
func listSessions(ctx context.Context, address string, q gateway.SessionQuery) ([]gateway.SessionInfo, error) {
	values := url.Values{"route": {q.Route}, "person": {q.Person}, "limit": {"500"}}
	list := []gateway.SessionInfo{}
	for {
		var page admin.SessionList
		if err := ask(ctx, http.MethodGet, address, "/sessions?"+values.Encode(), nil, &page); err != nil {
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
	const minute = "2006-01-02 15:04"
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "SESSION\tPERSON\tUSER\tROUTE\tDEVICE\tADDRESS\tSIGNED IN\tLAST SEEN")
	for _, s := range list {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", s.ID[:min(len(s.ID), shortID)], s.Email, s.User, s.Route, s.Device, s.Address,
			s.FirstSeen.Local().Format(minute), s.LastSeen.Local().Format(minute))
	}
	return table.Flush()
}

// ask puts a question to the operators' listener and reads its answer into out.
func ask(ctx context.Context, method, address, path string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("ask %s: %w", address, err)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+address+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("ask %s: %w", address, err)
	}
	req.Host = "localhost" // the listener answers to no other name, lest a page of the web give it one
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	var dial *net.OpError
	switch {
	case errors.As(err, &dial) && dial.Op == "dial":
		return fmt.Errorf("no gateway answers at %s: is it running? (%w)", address, dial.Err)
	case err != nil:
		return fmt.Errorf("ask %s: %w", address, err)
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("ask %s: %w", address, err)
	}
	if resp.StatusCode != http.StatusOK {
		var failure admin.Failure
		if json.Unmarshal(said, &failure) != nil || failure.Error == "" {
			failure.Error = "it answered " + strconv.Itoa(resp.StatusCode) + ": is this the operators' listener of a gateway?"
		}
		return fmt.Errorf("ask %s: %s", address, failure.Error)
	}
	if err := json.Unmarshal(said, out); err != nil {
		return fmt.Errorf("ask %s: its answer cannot be read: is this the operators' listener of a gateway?", address)
	}
	return nil
}
