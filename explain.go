package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/cocoom/cocoom-gateway/configs"
	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/policy"
	"github.com/cocoom/cocoom-gateway/proxy"
)

// Exit codes of explain.
const (
	exitSignIn  exitCode = 3
	exitRefused exitCode = 4
)

// asked is the command line of explain.
type asked struct {
	file                          string        // of the configuration
	at                            listenerFlags // of the operators' listener; the file is the same
	as, user, groups, from, token string
	admin, guest, json            bool
	said                          func(flag string) bool // whether the command line has it

	who    *policy.Identity // whom the request is made for; nil: nobody
	source string           // where that is from, for a note
}

func explainCommand(getenv func(string) string) *cobra.Command {
	var a asked
	cmd := &cobra.Command{
		Use:   "explain HOST METHOD PATH[?QUERY] | URL [METHOD]",
		Short: "Say what happens to a request, by which rule, and why",
		Long: "explain decides about a request as the gateway would, by the same code, from the configuration file: it makes\n" +
			"no request, and asks neither Slack nor the app. Who the person in --as is, such as their usergroups, it asks\n" +
			"the running gateway; what flags say counts more. Where no gateway runs, or it does not know the person, what\n" +
			"flags do not say is unknown.\n\n" +
			"It exits with 0 if the request passes (or the gateway answers it with a page of its own), 3 if somebody has\n" +
			"to sign in first, 4 if it is refused, and 1 if the configuration or the command line is wrong.",
		Example: "  cocoom-gateway explain agrafmania.cocoom.com GET '/index.php?page=admin' --as marie@agrafmania.fr\n" +
			"  cocoom-gateway explain https://agrafmania.cocoom.com/cron/nightly --token cron",
		Args: cobra.RangeArgs(1, 3),
		RunE: func(cmd *cobra.Command, args []string) error {
			a.said = cmd.Flags().Changed
			q, err := a.question(args)
			if err != nil {
				return err
			}
			cfg, err := load(a.file, getenv, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			running, given, err := a.at.givenToken(operators{address: cmp.Or(a.at.address, cfg.Admin)})
			if err != nil {
				return err
			}
			if !given && a.at.address == "" {
				running.token, running.source = cfg.AdminToken, "admin_token in "+a.file
			}
			a.identify(cmd.Context(), running, &q)
			return a.explain(cmd.OutOrStdout(), cfg, q)
		},
	}
	configFlag(cmd, &a.file)
	a.at.addAddress(cmd, getenv)
	f := cmd.Flags()
	f.StringVar(&a.as, "as", "", "the `person` who is signed in, by e-mail address or Slack user id (default: nobody)")
	f.StringVar(&a.user, "user", "", "their Slack user `id`, beside an e-mail address in --as")
	f.StringVar(&a.groups, "groups", "", "the `handles` of their usergroups, with commas between; empty: none")
	f.BoolVar(&a.admin, "is-admin", false, "they are an admin or owner of the workspace")
	f.BoolVar(&a.guest, "is-guest", false, "they are a guest of the workspace")
	f.StringVar(&a.from, "from", "", "the client's IP `address` (default: in no network)")
	f.StringVar(&a.token, "token", "", "the `id` of the service token that the request carries")
	f.BoolVar(&a.json, "json", false, "print JSON")
	return cmd
}

// question reads the arguments and flags.
func (a *asked) question(args []string) (gateway.Question, error) {
	q := gateway.Question{Method: "GET", Now: time.Now(), ServiceToken: a.token}
	_, rest, isURL := strings.Cut(args[0], "://")
	switch {
	case isURL && len(args) <= 2:
		end := strings.IndexAny(rest, "/?#")
		if end < 0 {
			end = len(rest)
		}
		q.Host = rest[:end]
		q.Target, _, _ = strings.Cut(rest[end:], "#") // which no browser sends
		if !strings.HasPrefix(q.Target, "/") {
			q.Target = "/" + q.Target
		}
		if len(args) == 2 {
			q.Method = args[1]
		}
	case !isURL && len(args) == 3:
		q.Host, q.Method, q.Target = args[0], args[1], args[2]
	default:
		return q, errors.New("write HOST METHOD PATH, or a URL and perhaps a method")
	}
	if a.from != "" {
		addr, err := netip.ParseAddr(a.from)
		if err != nil {
			return q, fmt.Errorf("--from %q is no IP address", a.from)
		}
		q.Addr = addr
	}
	if a.as == "" && (a.said("user") || a.said("groups") || a.said("is-admin") || a.said("is-guest")) {
		return q, errors.New("--user, --groups, --is-admin and --is-guest say more about the person in --as")
	}
	return q, nil
}

func (a *asked) explain(w io.Writer, cfg *configs.Config, q gateway.Question) error {
	routes := make([]gateway.Route, len(cfg.Routes))
	for i := range cfg.Routes {
		var err error
		if routes[i], err = newRoute(cfg, &cfg.Routes[i], routeParts{signing: proxy.NewKeys(), cookies: &proxy.CookieKeys{}, log: slog.New(slog.DiscardHandler)}, builtRoute{}); err != nil {
			return fmt.Errorf("build route %s: %w", cfg.Routes[i].Host, err)
		}
	}
	explainer, err := gateway.NewExplainer(cfg.ReservedPrefix, routes)
	if err != nil {
		return err
	}
	e, err := explainer.Explain(q)
	if err != nil {
		return err
	}
	said := a.sayAll(cfg, q, &e)
	if a.json {
		err = printJSON(w, said)
	} else {
		err = said.print(w)
	}
	if err != nil {
		return err
	}
	switch e.Outcome() {
	case gateway.Passes, gateway.Own:
		return nil
	case gateway.SignIn:
		return exitSignIn
	}
	return exitRefused
}

// explained is the answer as it is printed; its JSON is for programs.
type explained struct {
	Route    string   `json:"route,omitempty"`
	Request  string   `json:"request"`
	Path     string   `json:"path,omitempty"`
	Readings []string `json:"other_readings,omitempty"`
	Who      string   `json:"who"`
	Rule     *int     `json:"rule,omitempty"` // -1: none matched
	RuleAt   string   `json:"rule_at,omitempty"`
	RuleText string   `json:"rule_text,omitempty"`
	Verdict  string   `json:"verdict"` // pass, sign_in, own_page, refuse
	Reason   string   `json:"reason,omitempty"`
	Why      string   `json:"why"`
	Page     string   `json:"page"`
	Program  string   `json:"program"`
	Notes    []string `json:"notes,omitempty"`
}

func (x *explained) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(t, "%s\t%s\n", name, value)
		}
	}
	line("request", x.Request)
	line("route", x.Route)
	line("path", x.Path)
	for _, r := range x.Readings {
		line("also read", r)
	}
	line("who", x.Who)
	if x.Rule != nil {
		rule := "none"
		if *x.Rule >= 0 {
			rule = strings.TrimSpace(fmt.Sprintf("policy[%d]  %s  %s", *x.Rule, x.RuleAt, x.RuleText))
		}
		line("rule", rule)
	}
	line("verdict", x.Verdict)
	line("why", x.Why)
	line("a page", x.Page)
	line("a program", x.Program)
	for _, n := range x.Notes {
		line("note", n)
	}
	return t.Flush()
}
