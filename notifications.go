package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/cocoom/cocoom-gateway/internal/admin"
	"github.com/cocoom/cocoom-gateway/notifyhook"
)

// pageOfNotifications is how many are asked for at once, the most that are given.
const pageOfNotifications = 100

func notificationsCommand(getenv func(string) string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "notifications",
		Short: "See what became of notifications and why, and send them again",
		Example: "  cocoom-gateway notifications list --status failed\n" +
			"  cocoom-gateway notifications show ntf_abc",
	}
	var at listenerFlags
	at.add(cmd, getenv)
	return parent(cmd, notificationsListCommand(&at), notificationsShowCommand(&at), notificationsReplayCommand(&at, getenv))
}

func notificationsListCommand(at *listenerFlags) *cobra.Command {
	var query notifyhook.Query
	var since time.Duration
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List notifications, the newest first",
		Example: "  cocoom-gateway notifications list --route agrafmania.cocoom.com --status failed\n" +
			"  cocoom-gateway notifications list --to marie@agrafmania.fr --since 24h --json",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if query.Limit < 1 {
				return errors.New("--limit must be 1 or more")
			}
			running, err := at.listener(cmd)
			if err != nil {
				return err
			}
			if since > 0 {
				query.Since = time.Now().Add(-since)
			}
			list, more, err := listNotifications(cmd.Context(), running, query)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), list)
			}
			return printNotifications(cmd.OutOrStdout(), list, more)
		},
	}
	f := cmd.Flags()
	f.StringVar(&query.Route, "route", "", "only those of this `host`")
	f.StringVar(&query.To, "to", "", "only those to a `recipient`: an e-mail address, a Slack id or a #channel")
	f.StringVar(&query.Status, "status", "", "only those that are `such`: scheduled, queued, sent, partial, failed, cancelled, suppressed")
	f.StringVar(&query.Key, "key", "", "only the one with this `key` of the app's")
	f.DurationVar(&since, "since", 0, "only those accepted in this `time`, such as 24h")
	f.IntVar(&query.Limit, "limit", pageOfNotifications, "at most this `many`")
	f.BoolVar(&asJSON, "json", false, "print everything that is known of them, as JSON")
	return cmd
}

func notificationsShowCommand(at *listenerFlags) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Say what became of a notification, why, and what to do",
		Long: "show says in sentences of each recipient's message when it was accepted, looked up, tried and sent, what the\n" +
			"time went on, and why it was late, held, merged, suppressed or given up; of one that is still open, what it\n" +
			"waits for. Times are UTC.",
		Example: "  cocoom-gateway notifications show ntf_abc",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			running, err := at.listener(cmd)
			if err != nil {
				return err
			}
			var n notifyhook.Explained
			if err := running.get(cmd.Context(), "/notifications/"+url.PathEscape(args[0]), &n); err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), n)
			}
			return printNotification(cmd.OutOrStdout(), n)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print all times and attempts too, as JSON")
	return cmd
}

func notificationsReplayCommand(at *listenerFlags, getenv func(string) string) *cobra.Command {
	asked := admin.Replay{Operator: asker(getenv)}
	var yes bool
	cmd := &cobra.Command{
		Use:   "replay [ID]",
		Short: "Send again what was given up",
		Long: "replay sends one notification again to those of its recipients whose message was given up, or with --all to\n" +
			"each of them; or, with --failed, all of a route that failed and was not replayed yet, at most 500 at a time.\n" +
			"Each becomes a new notification at the end of the queue. Who has replayed what is written to the audit.",
		Example: "  cocoom-gateway notifications replay ntf_abc\n" +
			"  cocoom-gateway notifications replay --failed --route agrafmania.cocoom.com --error not_in_channel --yes",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			asked.ID = strings.Join(args, "")
			switch {
			case asked.Failed == (asked.ID != ""):
				return errors.New("say the id of one notification, or --failed for all of a --route that failed")
			case asked.Failed && asked.Route == "":
				return errors.New("--failed needs a --route")
			case asked.Failed && !yes:
				return fmt.Errorf("this sends all again that failed on %s: add --yes to do it", asked.Route)
			}
			running, err := at.listener(cmd)
			if err != nil {
				return err
			}
			var done notifyhook.Replays
			if err := running.post(cmd.Context(), "/notifications/replay", asked, &done); err != nil {
				return err
			}
			return printReplays(cmd.OutOrStdout(), done)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&asked.All, "all", false, "to each recipient of the notification, also those who have it")
	f.BoolVar(&asked.Failed, "failed", false, "all of a route that failed, instead of one")
	f.StringVar(&asked.Route, "route", "", "the notification's, or whose failed ones, `host`")
	f.StringVar(&asked.Error, "error", "", "with --failed: only what was given up with this `error`, such as not_in_channel")
	f.BoolVar(&yes, "yes", false, "replay all that failed without being asked")
	cmd.MarkFlagsMutuallyExclusive("all", "failed")
	return cmd
}

// listNotifications reads page by page, up to the query's limit, and says
// whether there are more.
func listNotifications(ctx context.Context, at operators, q notifyhook.Query) (list []notifyhook.Notification, more bool, err error) {
	values := url.Values{"route": {q.Route}, "to": {q.To}, "status": {q.Status}, "key": {q.Key}}
	if !q.Since.IsZero() {
		values.Set("since", q.Since.UTC().Format(time.RFC3339))
	}
	for list = []notifyhook.Notification{}; ; {
		values.Set("limit", strconv.Itoa(min(pageOfNotifications, q.Limit-len(list))))
		var page notifyhook.Page
		if err := at.get(ctx, "/notifications?"+values.Encode(), &page); err != nil {
			return nil, false, err
		}
		if list = append(list, page.Items...); page.Next == "" || len(list) >= q.Limit {
			return list, page.Next != "", nil
		}
		values.Set("cursor", page.Next)
	}
}

func printNotifications(w io.Writer, list []notifyhook.Notification, more bool) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, "no notifications")
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tROUTE\tACCEPTED\tTYPE\tSTATUS\tTO\tERROR")
	for _, n := range list {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", n.ID, n.Route, n.AcceptedAt.Local().Format("2006-01-02 15:04:05"), n.Type, n.Status, recipients(n), mistakes(n))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if more {
		_, err := fmt.Fprintln(w, "and older ones: --limit shows more")
		return err
	}
	return nil
}

// recipients names the first, and how many there are besides.
func recipients(n notifyhook.Notification) string {
	switch len(n.Recipients) {
	case 0:
		return ""
	case 1:
		return n.Recipients[0].To
	}
	return fmt.Sprintf("%s and %d more", n.Recipients[0].To, len(n.Recipients)-1)
}

// mistakes names each error of its deliveries once.
func mistakes(n notifyhook.Notification) string {
	var names []string
	for _, d := range n.Recipients {
		if d.Error != "" && !slices.Contains(names, d.Error) {
			names = append(names, d.Error)
		}
	}
	return strings.Join(names, ", ")
}

func printNotification(w io.Writer, n notifyhook.Explained) error {
	facts := []string{n.Status, "on " + n.Route}
	for label, value := range map[string]string{"type ": n.Type, "key ": n.Key, "by ": n.Credential, "repeats ": n.ReplayOf} {
		if value != "" {
			facts = append(facts, label+value)
		}
	}
	slices.Sort(facts[2:])
	if _, err := fmt.Fprintf(w, "%s: %s\n", n.ID, strings.Join(facts, ", ")); err != nil {
		return err
	}
	for i, told := range n.Why {
		if _, err := fmt.Fprintf(w, "\n%s: %s\n", told.To, n.Recipients[i].State); err != nil {
			return err
		}
		for _, sentence := range told.Sentences {
			if _, err := fmt.Fprintln(w, "  "+sentence); err != nil {
				return err
			}
		}
	}
	return nil
}

func printReplays(w io.Writer, done notifyhook.Replays) error {
	for _, one := range done.Replayed {
		if _, err := fmt.Fprintf(w, "%s is sent again as %s\n", one.ID, one.New); err != nil {
			return err
		}
	}
	if len(done.Replayed) != 1 {
		if _, err := fmt.Fprintf(w, "%s replayed\n", plural(len(done.Replayed), "notification")); err != nil {
			return err
		}
	}
	if done.Before > 0 {
		if _, err := fmt.Fprintf(w, "%s had been replayed before\n", plural(done.Before, "other")); err != nil {
			return err
		}
	}
	if done.More {
		_, err := fmt.Fprintln(w, "there are more: run this again")
		return err
	}
	return nil
}
