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
	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/internal/admin"
)

func breakGlassCommand(getenv func(string) string) *cobra.Command {
	var file, at string
	var lasts time.Duration
	var ask admin.BreakGlass
	cmd := &cobra.Command{
		Use:   "break-glass HOST --as EMAIL",
		Short: "Make a link that lets one person in while Slack is down",
		Long: "break-glass asks the running gateway for a link that signs one person in to one route, once, without Slack.\n" +
			"You vouch for who that person is: send the link by a way that reaches nobody else. It can be used for an\n" +
			"hour; the session lasts as long as --for says. Policy decides as for anyone. Making it and using it are\n" +
			"written to the audit and logged as warnings.\n\n" +
			"It must run on the gateway's machine. Of the configuration file it reads the key admin alone.",
		Example: "  cocoom-gateway break-glass agrafmania.cocoom.com --as marie@agrafmania.fr --user U0MARIE --for 30m",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !cmd.Flags().Changed("admin") {
				var err error
				if at, err = configs.AdminAddress(file); err != nil {
					return report(err, cmd.ErrOrStderr())
				}
			}
			ask.Host, ask.Seconds = args[0], int64(lasts.Seconds())
			ask.By = cmp.Or(getenv("SUDO_USER"), getenv("USER"), "operator")
			link, err := askBreakGlass(cmd.Context(), at, ask)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s\n\nFor %s (%s) alone; good once, until %s; then signed in for %s.\n",
				link.URL, ask.Email, link.User, link.Expires.Format("2006-01-02 15:04 MST"), lasts)
			return nil
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().StringVar(&at, "admin", "", "`address` of the operators' listener, rather than the file's")
	cmd.Flags().StringVar(&ask.Email, "as", "", "the person's e-mail `address`")
	cmd.Flags().StringVar(&ask.User, "user", "", "their Slack user `id`; without it the app sees an id made of the address")
	cmd.Flags().StringVar(&ask.Name, "name", "", "their `name`, for pages and the app")
	cmd.Flags().DurationVar(&lasts, "for", 30*time.Minute, fmt.Sprintf("how `long` they stay signed in, at most %s", gateway.MaxBreakGlass))
	_ = cmd.MarkFlagRequired("as") // fails only for a flag that is not there
	return cmd
}

// askBreakGlass asks the gateway whose operators' listener is at address.
func askBreakGlass(ctx context.Context, address string, ask admin.BreakGlass) (link admin.BreakGlassLink, err error) {
	body, err := json.Marshal(ask)
	if err != nil {
		return link, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/break-glass", bytes.NewReader(body))
	if err != nil {
		return link, fmt.Errorf("ask %s: %w", address, err)
	}
	req.Header.Set("Content-Type", "application/json")
	client := http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{}} // no proxy: the gateway is on this machine
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		return link, fmt.Errorf("is the gateway running? ask %s: %w", address, err)
	}
	defer resp.Body.Close()
	answer := json.NewDecoder(io.LimitReader(resp.Body, 16<<10))
	if resp.StatusCode != http.StatusOK {
		var why admin.Refusal
		if err := answer.Decode(&why); err != nil || why.Error == "" {
			return link, fmt.Errorf("ask %s: it answered %s", address, resp.Status)
		}
		return link, errors.New(why.Error)
	}
	if err := answer.Decode(&link); err != nil {
		return link, fmt.Errorf("ask %s: read its answer: %w", address, err)
	}
	return link, nil
}
