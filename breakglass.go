package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/internal/admin"
)

func breakGlassCommand(getenv func(string) string) *cobra.Command {
	var at listenerFlags
	var lasts time.Duration
	asked := admin.BreakGlass{Operator: asker(getenv)}
	cmd := &cobra.Command{
		Use:   "break-glass HOST --as EMAIL",
		Short: "Make a link that lets one person in while Slack is down",
		Long: "break-glass asks the running gateway for a link that signs one person in to one route, once, without Slack.\n" +
			"You vouch for who that person is: send the link by a way that reaches nobody else. It can be used for an\n" +
			"hour; the session lasts as long as --for says. Policy decides as for anyone. Making it and using it are\n" +
			"written to the audit and logged as warnings. It must run on the gateway's machine.",
		Example: "  cocoom-gateway break-glass agrafmania.cocoom.com --as marie@agrafmania.fr --for 30m",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			running, err := at.listener(cmd)
			if err != nil {
				return err
			}
			asked.Host, asked.Seconds = args[0], int64(lasts.Seconds())
			var link admin.BreakGlassLink
			if err := running.post(cmd.Context(), "/break-glass", asked, &link); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s\n\nFor %s (%s) alone; good once, until %s; then signed in for %s.\n",
				link.URL, asked.Email, link.User, minute(link.Expires), lasts)
			return nil
		},
	}
	at.add(cmd, getenv)
	cmd.Flags().StringVar(&asked.Email, "as", "", "the person's e-mail `address`")
	cmd.Flags().StringVar(&asked.User, "user", "", "their Slack user `id` (default: that of whom the gateway knows by the address, else one made of it)")
	cmd.Flags().StringVar(&asked.Name, "name", "", "their `name`, for pages and the app")
	cmd.Flags().DurationVar(&lasts, "for", 30*time.Minute, fmt.Sprintf("how `long` they stay signed in, at most %s", gateway.MaxBreakGlass))
	_ = cmd.MarkFlagRequired("as") // fails only for a flag that is not there
	return cmd
}
