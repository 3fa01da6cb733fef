package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cocoom/cocoom-gateway/configs"
	"github.com/cocoom/cocoom-gateway/gateway"
)

func tokensCommand(getenv func(string) string) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "tokens",
		Short:   "Make tokens for programs that make requests without a person",
		Example: "  cocoom-gateway tokens new -c gateway.yaml agrafmania.cocoom.com --id cron --path '/cron/*'",
	}
	return parent(cmd, newTokenCommand(getenv))
}

func newTokenCommand(getenv func(string) string) *cobra.Command {
	var file, id, life string
	var paths []string
	cmd := &cobra.Command{
		Use:   "new HOST --id ID --path PATTERN",
		Short: "Make a service token, and print it once",
		Long: "new prints a token for the program, and the lines for the configuration file, which hold only the token's\n" +
			"hash. Nothing else keeps the token: who loses it makes another one.",
		Example: "  cocoom-gateway tokens new -c gateway.yaml agrafmania.cocoom.com --id cron --for 365d --path '/cron/*'",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := load(file, getenv, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			lasts, err := days(life)
			if err != nil {
				return fmt.Errorf("--for: %w", err)
			}
			text, err := newToken(cfg, args[0], gateway.ServiceToken{ID: id, Paths: paths, NotAfter: time.Now().UTC().Add(lasts).Truncate(24 * time.Hour)})
			if err != nil {
				return err
			}
			fmt.Fprint(cmd.OutOrStdout(), text)
			return nil
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().StringVar(&id, "id", "", "what rules and logs call the token, such as cron")
	cmd.Flags().StringVar(&life, "for", "365d", "how `long` it is good: days, such as 90d, or hours")
	cmd.Flags().StringArrayVar(&paths, "path", nil, "`pattern` of the paths it is good on, such as '/cron/*'; more than once for several")
	for _, name := range []string{"id", "path"} {
		_ = cmd.MarkFlagRequired(name) // fails only for a flag that is not there
	}
	return cmd
}

// newToken makes a token for a route, and says what to do with it.
func newToken(cfg *configs.Config, host string, t gateway.ServiceToken) (string, error) {
	i := slices.IndexFunc(cfg.Routes, func(r configs.Route) bool { return r.Host == strings.ToLower(host) })
	switch {
	case i < 0:
		return "", fmt.Errorf("no route has the host %q", host)
	case cfg.Routes[i].Upstream == nil && cfg.Routes[i].Login == nil: // with login, another proxy asks about its app
		return "", fmt.Errorf("the route %s has no app that a token could open", host)
	}
	token, hash := gateway.NewServiceToken()
	t.Hash = hash
	var mistakes []error
	gateway.ValidateServiceTokens(append(slices.Clone(cfg.Routes[i].ServiceTokens), t), func(key, text string) {
		_, key, _ = strings.Cut(key, "]")
		mistakes = append(mistakes, fmt.Errorf("%s %s", strings.TrimPrefix(key, "."), text))
	})
	if len(mistakes) > 0 {
		return "", errors.Join(mistakes...)
	}
	quoted := make([]string, len(t.Paths))
	for i, p := range t.Paths {
		quoted[i] = strconv.Quote(p)
	}
	return fmt.Sprintf(`%s

This is the token. It is shown this once; give it to its program alone, which sends it as
    Authorization: Bearer <token>
or as the password of HTTP Basic, with any user name. The configuration of %s gets

    service_tokens:
      - {id: %s, hash: %q, not_after: %s, paths: [%s]}

and, above the rules that would match first, a rule such as

      - {path: %s, allow: {service_tokens: [%s]}}
`, token.Reveal(), cfg.Routes[i].Host, strconv.Quote(t.ID), hash, t.NotAfter.Format(time.DateOnly), strings.Join(quoted, ", "), quoted[0], strconv.Quote(t.ID)), nil
}

// maxTokenLife keeps a token from outliving everybody who knows of it.
const maxTokenLife = 10 * 365 * 24 * time.Hour

// days reads a duration that may be days, such as 365d.
func days(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if n, isDays := strings.CutSuffix(text, "d"); isDays {
		var count uint64
		count, err = strconv.ParseUint(n, 10, 12)
		d = time.Duration(count) * 24 * time.Hour
	}
	if err != nil || d < time.Hour || d > maxTokenLife {
		return 0, fmt.Errorf("%q is no time of an hour to ten years: write days, such as 365d, or hours, such as 12h", text)
	}
	return d, nil
}
