package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/cocoom/cocoom-gateway/internal/admin"
)

func peopleCommand(getenv func(string) string) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "people",
		Short:   "Decide about people, export and erase what is kept of them",
		Example: "  cocoom-gateway people accept-email agrafmania.cocoom.com U0PAUL",
	}
	var at listenerFlags
	at.add(cmd, getenv)
	return parent(cmd, acceptEmailCommand(&at, getenv), peopleExportCommand(&at, getenv), peopleEraseCommand(&at, getenv))
}

func acceptEmailCommand(at *listenerFlags, getenv func(string) string) *cobra.Command {
	return &cobra.Command{
		Use:   "accept-email HOST PERSON",
		Short: "Let somebody back in whose pinned e-mail address has changed",
		Long: "accept-email pins the e-mail address that Slack says now of a person whom a route with pin_email refuses.\n" +
			"PERSON is their Slack user id or that address. Make sure that the change was meant: on Slack's free plans\n" +
			"people change their address themselves, to anybody's. It is written to the audit.",
		Example: "  cocoom-gateway people accept-email agrafmania.cocoom.com U0PAUL",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			running, err := at.listener(cmd)
			if err != nil {
				return err
			}
			accept := admin.AcceptEmail{Operator: asker(getenv), Host: args[0], Person: args[1]}
			if err := running.post(cmd.Context(), "/people/accept-email", accept, new(struct{})); err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), "accepted")
			return nil
		},
	}
}
