package doctor_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/internal/doctor"
	"github.com/cocoom/cocoom-gateway/internal/secret"
	"github.com/cocoom/cocoom-gateway/internal/slacksim"
	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/policy"
	"github.com/cocoom/cocoom-gateway/proxy"
)

// TestHealthy: nothing is wrong with what nothing was done to, and every check
// has something to say.
func TestHealthy(t *testing.T) {
	list, sum := newClinic(t).examine()
	seen := map[string]bool{}
	for _, f := range list {
		seen[f.Check] = true
		if f.Result != doctor.OK {
			t.Errorf("%+v", f)
		}
	}
	for _, check := range []string{"configuration", "proxies", "disk", "database", "keys", "queue", "alarms", "sign_in", "clock",
		"dns", "tls", "public", "client", "redirect", "bot", "workspace", "scopes", "usergroups", "channel", "upstream", "headers"} {
		if !seen[check] {
			t.Errorf("nothing is said of %s", check)
		}
	}
	if sum.OK != len(list) || sum.Routes != 1 {
		t.Errorf("the summary is %+v for %d findings", sum, len(list))
	}
}

// illness is one thing that is done to a clinic, and what must be found.
type illness struct {
	do     func(c *clinic)
	check  string
	result doctor.Result
	says   string
	remedy string // what it must hold
}

// TestIll: each trouble is provoked by its cause, found by its name, and there
// is a remedy.
func TestIll(t *testing.T) {
	shared := t.TempDir()
	opened := openStore(t, shared)
	for name, row := range illnesses() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			state, st := shared, opened
			if row.check == "database" || row.check == "disk" {
				state = t.TempDir() // which it makes ill
				st = openStore(t, state)
			}
			c := newClinicWith(t, state, st)
			row.do(c)
			list, sum := c.examine()
			found := false
			for _, f := range list {
				if f.Check == row.check && f.Result == row.result && strings.Contains(f.Text, row.says) && strings.Contains(f.Remedy, row.remedy) {
					found = true
				}
				if (f.Result == doctor.Wrong || f.Result == doctor.Warning) && f.Remedy == "" {
					t.Errorf("no remedy: %+v", f)
				}
			}
			if !found {
				t.Errorf("%s %q is not said, but %+v", row.result, row.says, notOK(list))
			}
			if (sum.Wrong > 0) != (row.result == doctor.Wrong) {
				t.Errorf("%d are wrong: %+v", sum.Wrong, notOK(list))
			}
		})
	}
}

func notOK(list []doctor.Finding) (bad []doctor.Finding) {
	for _, f := range list {
		if f.Result != doctor.OK {
			bad = append(bad, f)
		}
	}
	return bad
}

func illnesses() map[string]illness {
	all := map[string]illness{}
	for _, some := range []map[string]illness{illAddresses(), illApps(), illChannels(), illUpstreams(), illStates()} {
		for name, row := range some {
			all[name] = row
		}
	}
	return all
}

func illAddresses() map[string]illness {
	elsewhere := func(h http.HandlerFunc) func(*clinic) { return func(c *clinic) { c.front = h } }
	return map[string]illness{
		"no DNS record": {func(c *clinic) {
			c.cfg.LookupHost = func(_ context.Context, host string) ([]string, error) {
				return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
			}
		}, "dns", doctor.Wrong, "no such host", "add an A, AAAA or CNAME record"},
		"nobody listens": {func(c *clinic) { c.public.Close() }, "public", doctor.Wrong, "cannot be reached", "start what listens"},
		"certificate expired": {func(c *clinic) { c.recertify(host, time.Now().Add(-time.Hour), true) },
			"tls", doctor.Wrong, "expired", "renew it"},
		"certificate expires soon": {func(c *clinic) { c.recertify(host, time.Now().Add(7*24*time.Hour+time.Hour), true) },
			"tls", doctor.Warning, "ends in 7 days", "renew it"},
		"certificate of another host": {func(c *clinic) { c.recertify("other.example", time.Now().Add(90*24*time.Hour), true) },
			"tls", doctor.Wrong, "other.example", "names this host"},
		"certificate of nobody known": {func(c *clinic) { c.recertify(host, time.Now().Add(90*24*time.Hour), false) },
			"tls", doctor.Wrong, "unknown authority", "authority that browsers know"},
		"another gateway": {func(c *clinic) {
			other := new(gateway.Sealer)
			if err := other.Set([]gateway.SealKey{{ID: "k1", Value: []byte(strings.Repeat("x", 32))}}); err != nil {
				c.t.Fatal(err)
			}
			c.cfg.Answered = other.Answered
		}, "public", doctor.Wrong, "another gateway answers", "point the name"},
		"another server":   {elsewhere(http.NotFound), "public", doctor.Wrong, "something else answers at 127.0.0.1, with 404", "/.gateway/"},
		"what echoes":      {elsewhere(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.URL.Query().Get("challenge")) }), "public", doctor.Wrong, "something else", ""},
		"another Host":     {elsewhere(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(421) }), "public", doctor.Wrong, "does not know the host", "proxy_set_header Host"},
		"no key to verify": {func(c *clinic) { c.cfg.Answered = nil }, "public", doctor.Unknown, "without the key ring", ""},
		"one of two addresses": {func(c *clinic) {
			c.cfg.LookupHost = func(context.Context, string) ([]string, error) { return []string{"127.0.0.1", "127.0.0.77"}, nil }
		}, "public", doctor.Warning, "127.0.0.77 does not answer", "remove the address"},
		"untrusted proxy": {func(c *clinic) {
			inner := c.front
			c.front = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				r.Header.Set("X-Forwarded-For", "192.0.2.1")
				inner.ServeHTTP(w, r)
			})
		}, "public", doctor.Wrong, "a proxy that is not trusted", "trusted_proxies"},
		"no proxy trusted": {func(c *clinic) { c.cfg.Config.TrustedProxies = nil }, "proxies", doctor.Warning, "everybody seems to come from it", "trusted_proxies"},
		"everybody trusted": {func(c *clinic) {
			c.cfg.Config.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}
		}, "proxies", doctor.Wrong, "0.0.0.0/0", "own addresses"},
	}
}

func illApps() map[string]illness {
	return map[string]illness{
		"wrong secret":    {func(c *clinic) { c.route.SlackApp.ClientSecret = "no-secret-of-ours" }, "client", doctor.Wrong, "bad_client_secret", "slack_app.client_secret"},
		"wrong client id": {func(c *clinic) { c.route.SlackApp.ClientID = "9.9" }, "client", doctor.Wrong, "invalid_client_id", "slack_app.client_id"},
		"wrong secret, RFC 6749": {func(c *clinic) {
			c.slack.Fault(slacksim.Fault{Method: "openid.connect.token", Kind: slacksim.Custom, Answer: func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusUnauthorized)
				fmt.Fprint(w, `{"error":"invalid_client"}`)
			}})
		}, "client", doctor.Wrong, "invalid_client", "client_secret"},
		"token endpoint down": {func(c *clinic) {
			c.slack.Fault(slacksim.Fault{Method: "openid.connect.token", Kind: slacksim.ServerError})
		}, "client", doctor.Unknown, "says nothing about client id", ""},
		"redirect URL not registered": {func(c *clinic) {
			if err := c.slack.UpdateApp("A0", func(a *slacksim.App) { a.RedirectURLs = []string{"https://other.example/"} }); err != nil {
				c.t.Fatal(err)
			}
		}, "redirect", doctor.Wrong, "does not have the redirect URL", "/.gateway/callback"},
		"managed, not set up": {func(c *clinic) { c.route.SlackApp = gateway.SlackApp{Managed: true} }, "client", doctor.Warning, "not set the Slack app up", "setup " + host},
		"revoked token": {func(c *clinic) {
			if err := c.slack.RevokeToken(botToken); err != nil {
				c.t.Fatal(err)
			}
		}, "bot", doctor.Wrong, "token_revoked", "install the Slack app"},
		"token of nobody": {func(c *clinic) { c.route.SlackApp.BotToken = "xoxb-none" }, "bot", doctor.Wrong, "invalid_auth", "slack_app.bot_token"},
		"no token":        {func(c *clinic) { c.route.SlackApp.BotToken = "" }, "bot", doctor.Wrong, "nothing can be sent", "slack_app.bot_token"},
		"throttled": {func(c *clinic) {
			c.slack.Fault(slacksim.Fault{Method: "auth.test", Kind: slacksim.RateLimited, RetryAfter: time.Hour})
		}, "bot", doctor.Unknown, "asks to wait", ""},
		"other workspace":          {func(c *clinic) { c.route.Workspace = "T0OTHER001" }, "workspace", doctor.Wrong, "is of Team " + team, "workspace: " + team},
		"scope for sending":        {func(c *clinic) { c.without("im:write") }, "scopes", doctor.Wrong, "im:write (the order between messages", "im:write"},
		"scope for signing in":     {func(c *clinic) { c.without("users:read", "users:read.email"); c.route.Notify = nil }, "scopes", doctor.Wrong, "users:read (sign-in", "users:read"},
		"scope for usergroups":     {func(c *clinic) { c.without("usergroups:read") }, "scopes", doctor.Wrong, "usergroups:read (rules that name usergroups", "usergroups:read"},
		"usergroup of another":     {func(c *clinic) { c.route.Policy[0].Allow.Usergroups = []string{"boss"} }, "usergroups", doctor.Wrong, "boss", "create them"},
		"usergroup switched off":   {func(c *clinic) { c.route.Policy[0].Allow.Usergroups = []string{"off"} }, "usergroups", doctor.Wrong, "off (switched off)", ""},
		"plan without usergroups":  {freePlan, "usergroups", doctor.Wrong, "has no usergroups", "paid Slack plan"},
		"issuer down":              {func(c *clinic) { c.slack.Fault(slacksim.Fault{Method: "discovery", Kind: slacksim.ServerError}) }, "sign_in", doctor.Wrong, "cannot be read", "slack.issuer"},
		"issuer of another name":   {func(c *clinic) { c.cfg.Config.Slack.Issuer += "/" }, "sign_in", doctor.Wrong, "it calls itself", ""},
		"no signing keys":          {func(c *clinic) { c.slack.Fault(answering("keys", `{"keys":[]}`)) }, "sign_in", doctor.Wrong, "no signing key", ""},
		"clock 2 minutes too slow": {func(c *clinic) { c.cfg.Now = func() time.Time { return time.Now().Add(-2 * time.Minute) } }, "clock", doctor.Wrong, "behind Slack's", "NTP"},
		"clock 20 seconds too fast": {func(c *clinic) { c.cfg.Now = func() time.Time { return time.Now().Add(20 * time.Second) } },
			"clock", doctor.Warning, "ahead of Slack's", "NTP"},
	}
}

func answering(method, body string) slacksim.Fault {
	return slacksim.Fault{Method: method, Kind: slacksim.Custom, Answer: func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) }}
}

func freePlan(c *clinic) {
	c.slack.Fault(slacksim.Fault{Method: "usergroups.list", Kind: slacksim.ErrorCode, Error: "plan_upgrade_required"})
}

func illChannels() map[string]illness {
	channel := func(ch slacksim.Channel) func(*clinic) {
		return func(c *clinic) {
			if err := c.slack.SetChannel(team, ch); err != nil {
				c.t.Fatal(err)
			}
		}
	}
	return map[string]illness{
		"archived channel": {channel(slacksim.Channel{ID: "C0GENERAL", Name: "general", Archived: true}), "channel", doctor.Wrong, "#general is archived", "unarchive"},
		"not a member": {func(c *clinic) {
			c.route.Notify.Hooks[0].To = "C0GENERAL"
			if err := c.slack.SetScopes(botToken, "chat:write", "channels:read"); err != nil {
				c.t.Fatal(err)
			}
		}, "channel", doctor.Wrong, "the bot is not a member of C0GENERAL", "/invite"},
		"private channel": {func(c *clinic) {
			c.route.Notify.Fallback[0] = "C0SECRET"
			channel(slacksim.Channel{ID: "C0SECRET", Name: "s", Private: true})(c)
		},
			"channel", doctor.Wrong, "cannot see C0SECRET: channel_not_found", "invite"},
		"no such channel":  {func(c *clinic) { c.route.Notify.Hooks[0].To = "#gone" }, "channel", doctor.Wrong, "sees no channel #gone", "create the channel"},
		"unknown fallback": {func(c *clinic) { c.route.Notify.Fallback[1] = "nobody@agrafmania.fr" }, "channel", doctor.Wrong, "users_not_found", "somebody else"},
	}
}

func illUpstreams() map[string]illness {
	serving := func(h http.HandlerFunc) func(*clinic) {
		return func(c *clinic) {
			app := httptest.NewServer(h)
			c.t.Cleanup(app.Close)
			c.route.Upstream.URL = app.URL
		}
	}
	limited := func(limit, status int) func(*clinic) { // as nginx and Apache refuse one field
		return serving(func(w http.ResponseWriter, r *http.Request) {
			for _, value := range r.Header {
				if len(value[0]) > limit-512 {
					w.WriteHeader(status)
				}
			}
		})
	}
	return map[string]illness{
		"app down":        {func(c *clinic) { c.app.Close() }, "upstream", doctor.Wrong, "cannot be reached", "start the app"},
		"app hangs up":    {serving(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), "upstream", doctor.Wrong, "does not answer", "own log"},
		"app answers 500": {serving(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }), "upstream", doctor.Warning, "answers 500", "own log"},
		"app's certificate": {func(c *clinic) {
			app := httptest.NewTLSServer(http.NotFoundHandler())
			app.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
			c.t.Cleanup(app.Close)
			c.route.Upstream.URL = app.URL
		}, "upstream", doctor.Wrong, "certificate", ""},
		"refuses 8 KiB, 400": {limited(8<<10, 400), "headers", doctor.Wrong, "refuses headers of 8 KiB (Bad Request)", "large_client_header_buffers"},
		"refuses 8 KiB, 431": {limited(8<<10, 431), "headers", doctor.Wrong, "refuses headers of 8 KiB (Request Header", "LimitRequestFieldSize"},
		"refuses 2 KiB, 494": {limited(2<<10, 494), "headers", doctor.Wrong, "refuses headers of 2 KiB", ""},
		"as others refuse":   {limited(16<<10, 400), "headers", doctor.OK, "refuses headers of 16 KiB", ""},
		"less than its groups": {func(c *clinic) {
			limited(4<<10, 400)(c)
			for i := range 60 {
				if err := c.slack.SetUsergroup(team, slacksim.Usergroup{ID: fmt.Sprintf("S%03d", i), Handle: fmt.Sprintf("a-group-with-a-long-name-%d", i)}); err != nil {
					c.t.Fatal(err)
				}
			}
		}, "headers", doctor.Wrong, "and the usergroups may take", ""},
	}
}

func illStates() map[string]illness {
	return map[string]illness{
		"no state directory": {func(c *clinic) { c.cfg.Config.State = secret.String(c.t.TempDir() + "/none") }, "disk", doctor.Warning, "is not there yet", "start the gateway"},
		"open to others": {func(c *clinic) {
			if err := os.Chmod(c.cfg.Config.State.Reveal(), 0o755); err != nil {
				c.t.Fatal(err)
			}
		}, "disk", doctor.Wrong, "lets other users in (mode 0755)", "chmod 700"},
		"no database": {func(c *clinic) {
			c.cfg.Store, c.cfg.StoreError = nil, errors.New("connect to PostgreSQL: connection refused")
		},
			"database", doctor.Wrong, "connection refused", "start the database"},
		"database gone": {func(c *clinic) { c.cfg.Store.Close() }, "database", doctor.Wrong, "cannot be read", ""},
		"another master key": {func(c *clinic) {
			c.cfg.Rings = func(context.Context) ([]doctor.Ring, error) {
				return nil, errors.New("is sealed under master key 12, but 34")
			}
		}, "keys", doctor.Wrong, "is sealed under master key 12", "put the master key back"},
		"no master key": {func(c *clinic) {
			c.cfg.Rings = func(context.Context) ([]doctor.Ring, error) { return nil, fmt.Errorf("master key: %w", fs.ErrNotExist) }
		}, "keys", doctor.Warning, "no master key", ""},
		"keys not rotated": {func(c *clinic) {
			c.cfg.Rings = func(context.Context) ([]doctor.Ring, error) { return rings(40*24*time.Hour, -10*24*time.Hour), nil }
		}, "keys", doctor.Warning, "should have been replaced 10 days ago", ""},
		"alarm": {func(c *clinic) {
			c.cfg.Alarms = func() []doctor.Alarm {
				return []doctor.Alarm{{Route: host, Kind: "held", Reason: "token_revoked", Since: time.Now().Add(-3 * time.Hour)}}
			}
		}, "alarms", doctor.Wrong, "held: token_revoked, for 3 hours", ""},
		"nothing is set up yet": {func(c *clinic) {
			c.cfg.Alarms = func() []doctor.Alarm {
				return []doctor.Alarm{{Route: host, Kind: "held", Reason: "not_installed", Since: time.Now().Add(-3 * time.Hour)}}
			}
		}, "alarms", doctor.Warning, "for 3 hours", "cocoom-gateway setup " + host},
		"mistakes in the file": {func(c *clinic) {
			c.cfg.Pending = func() (string, []string) { return "gateway.yaml:3:1: routes[0].host: is missing\n", nil }
		}, "configuration", doctor.Wrong, "gateway.yaml:3:1", "mend the file"},
		"waits for a restart": {func(c *clinic) { c.cfg.Pending = func() (string, []string) { return "", []string{"listen"} } },
			"configuration", doctor.Warning, "listen", "restart"},
	}
}

// TestQueue: what waits too long, or is too much, is said of its route.
func TestQueue(t *testing.T) {
	c := newClinic(t)
	c.route.Notify.Limits.Backlog = 10
	for i, row := range []struct {
		add    int
		age    time.Duration
		result doctor.Result
		says   string
	}{
		{1, -time.Hour, doctor.OK, "1 delivery waits, none for long"},
		{1, 20 * time.Minute, doctor.Warning, "waits for 20 minutes"},
		{6, 0, doctor.Warning, "8 deliveries wait, of 10 that may"},
		{2, 3 * time.Hour, doctor.Wrong, "10 deliveries wait, which is all that may"},
		{0, 0, doctor.Wrong, "waits for 3 hours"},
	} {
		c.wait(i, row.add, time.Now().Add(-row.age))
		list, _ := c.examine()
		found := false
		for _, f := range list {
			found = found || f.Check == "queue" && f.Result == row.result && strings.Contains(f.Text, row.says)
		}
		if !found {
			t.Errorf("%q is not said, but %+v", row.says, notOK(list))
		}
	}
}

// TestReadOnly: a store is looked at while another process has it open.
func TestReadOnly(t *testing.T) {
	c := newClinic(t)
	beside, err := store.OpenReadOnly(t.Context(), c.cfg.Config.State.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { beside.Close() })
	c.cfg.Store = beside
	if list, sum := c.examine(); sum.Wrong+sum.Warning+sum.Unknown != 0 {
		t.Errorf("found %+v", notOK(list))
	}
}

// TestUnknownHost: nothing is examined for a host that no route has.
func TestUnknownHost(t *testing.T) {
	c := newClinic(t)
	err := doctor.New(c.cfg).Run(t.Context(), []string{host, "other.example"}, func(e doctor.Event) { t.Errorf("said %+v", e) })
	if !errors.Is(err, doctor.ErrNoRoute) || !strings.Contains(err.Error(), "other.example") {
		t.Errorf("error %v", err)
	}
}

// TestManyRoutes: routes that share an app ask Slack once.
func TestManyRoutes(t *testing.T) {
	c := newClinic(t)
	for i := range 60 {
		rt := *c.route
		rt.Host, rt.Upstream, rt.Notify = fmt.Sprintf("c%d.example", i), &proxy.Upstream{URL: c.app.URL}, nil
		rt.Policy = []policy.Rule{{Path: "/**", Allow: policy.Allow{Members: true}}}
		c.cfg.Config.Routes = append(c.cfg.Config.Routes, rt)
	}
	_, sum := c.examine()
	if sum.Routes != 61 {
		t.Errorf("%+v", sum)
	}
	for _, method := range []string{"auth.test", "openid.connect.token", "usergroups.list", "conversations.list"} {
		if n := len(c.slack.Calls(method)); n != 1 {
			t.Errorf("%s was called %d times", method, n)
		}
	}
}
