package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/cocoom/cocoom-gateway/configs"
	"github.com/cocoom/cocoom-gateway/internal/admin"
)

func peopleCommand(getenv func(string) string) *cobra.Command {
	cmd := &cobra.Command{Use: "people", Short: "Decide about people who have signed in", Args: cobra.NoArgs}
	cmd.AddCommand(acceptEmailCommand(getenv))
	return cmd
}

func acceptEmailCommand(getenv func(string) string) *cobra.Command {
	var file, at string
	cmd := &cobra.Command{
		Use:   "accept-email HOST PERSON",
		Short: "Let somebody back in whose pinned e-mail address has changed",
		Long: "accept-email pins the e-mail address that Slack says now of a person whom a route with pin_email refuses.\n" +
			"PERSON is their Slack user id or that address. Make sure that the change was meant: on Slack's free plans\n" +
			"people change their address themselves, to anybody's. It is written to the audit.\n\n" +
			"It asks the running gateway. Of the configuration file it reads the key admin alone.",
		Example: "  cocoom-gateway people accept-email agrafmania.cocoom.com U0PAUL",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !cmd.Flags().Changed("admin") {
				var err error
				if at, err = configs.AdminAddress(file); err != nil {
					return report(err, cmd.ErrOrStderr())
				}
			}
			by := cmp.Or(getenv("SUDO_USER"), getenv("USER"), "operator")
			if err := askAcceptEmail(cmd.Context(), at, admin.AcceptEmail{Host: args[0], Person: args[1], By: by}); err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), "accepted")
			return nil
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().StringVar(&at, "admin", "", "`address` of the operators' listener, rather than the file's")
	return cmd
}

// askAcceptEmail asks the gateway whose operators' listener is at address.
func askAcceptEmail(ctx context.Context, address string, ask admin.AcceptEmail) error {
	body, err := json.Marshal(ask)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/people/accept-email", bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("ask %s: %w", address, err)
	}
	req.Header.Set("Content-Type", "application/json")
	client := http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{}} // no proxy: the gateway is on this machine
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("is the gateway running? ask %s: %w", address, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	var why struct {
		Error string `json:"error"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 16<<10)).Decode(&why); err != nil || why.Error == "" {
		return fmt.Errorf("ask %s: it answered %s", address, resp.Status)
	}
	return errors.New(why.Error)
}
