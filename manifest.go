package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cocoom/cocoom-gateway/configs"
	"github.com/cocoom/cocoom-gateway/internal/manifest"
)

func manifestCommand() *cobra.Command {
	var file, format string
	var link, optional bool
	cmd := &cobra.Command{
		Use:   "manifest HOST",
		Short: "Print the manifest of a route's Slack app, or a link that creates the app",
		Long: "manifest prints from what Slack creates the app with all that the route needs: name, redirect URLs, scopes for\n" +
			"login, notifications or both, the bot, and Slack's events. It holds no secret, and needs none: write env:NAME for\n" +
			"those that Slack shows once the app is there. Paste it at api.slack.com/apps under Create New App, From a manifest;\n" +
			"or open the link that --link prints, which does the same. An app that is there already takes it under App Manifest,\n" +
			"and is then installed again for new scopes.",
		Example: "  cocoom-gateway manifest -c gateway.yaml agrafmania.cocoom.com\n" +
			"  cocoom-gateway manifest -c gateway.yaml agrafmania.cocoom.com --link",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if format != "yaml" && format != "json" || link && cmd.Flags().Changed("format") {
				return errors.New("write --format yaml, --format json, or --link")
			}
			cfg, err := configs.LoadBare(file) // it is from the app that its secrets come
			if err := report(err, cmd.ErrOrStderr()); err != nil {
				return err
			}
			i := slices.IndexFunc(cfg.Routes, func(r configs.Route) bool { return r.Host == strings.ToLower(args[0]) })
			if i < 0 {
				return fmt.Errorf("no route has the host %q", args[0])
			}
			m := cfg.Manifest(&cfg.Routes[i], optional)
			if err := m.Validate(); err != nil {
				return fmt.Errorf("slack would refuse the manifest: %w", err)
			}
			if link {
				format = "link"
			}
			return printManifest(cmd.OutOrStdout(), m, format, cfg.Slack.WithDefaults().Issuer)
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().StringVar(&format, "format", "yaml", "`yaml` or json")
	cmd.Flags().BoolVar(&link, "link", false, "print the address of the page at Slack that creates the app")
	cmd.Flags().BoolVar(&optional, "optional", false, "ask for the optional scopes of notifications too: history, private channels, joining, names and icons")
	return cmd
}

func printManifest(w io.Writer, m manifest.Manifest, format, issuer string) error {
	switch format {
	case "json":
		return printJSON(w, m)
	case "link":
		address, err := m.Link(issuer)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(w, address)
		return err
	}
	text, err := m.YAML()
	if err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}
