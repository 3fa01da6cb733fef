package doctor

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/cocoom/cocoom-gateway/configs"
	"github.com/cocoom/cocoom-gateway/gateway"
)

const (
	// skewWrong is when sign-ins begin to fail: an ID token lives for 300 seconds,
	// of which the way to us takes some.
	skewWrong = time.Minute
	skewWarn  = 10 * time.Second // a Date header has whole seconds, and a way to go
)

// provider is what Sign in with Slack says of itself.
type provider struct {
	Issuer        string   `json:"issuer"`
	Authorization string   `json:"authorization_endpoint"`
	Token         string   `json:"token_endpoint"`
	JWKS          string   `json:"jwks_uri"`
	AuthMethods   []string `json:"token_endpoint_auth_methods_supported"`
	Algorithms    []string `json:"id_token_signing_alg_values_supported"`

	raw  map[string]json.RawMessage // the whole document
	keys int                        // that sign
	skew time.Duration              // how far our clock is ahead of theirs
	date bool                       // theirs is known
	err  error                      // it could not be had
}

// provider asks for the discovery document and the signing keys, once.
func (d *Doctor) provider(ctx context.Context) *provider {
	return d.op.get("", func() *provider { return d.discover(ctx) })
}

func (d *Doctor) discover(ctx context.Context) *provider {
	var p provider
	issuer := d.cfg.Config.Slack.WithDefaults().Issuer
	said, err := d.get(ctx, strings.TrimSuffix(issuer, "/")+"/.well-known/openid-configuration")
	if err != nil {
		p.err = err
		return &p
	}
	if date, err := http.ParseTime(said.header.Get("Date")); err == nil {
		p.skew, p.date = d.cfg.Now().Sub(date.Add(time.Second/2)), true
	}
	if err := errors.Join(json.Unmarshal(said.body, &p), json.Unmarshal(said.body, &p.raw)); err != nil || said.status != http.StatusOK {
		p.err = fmt.Errorf("its discovery document cannot be read (answered %d)", said.status)
		return &p
	}
	for name, endpoint := range map[string]string{"authorization_endpoint": p.Authorization, "token_endpoint": p.Token, "jwks_uri": p.JWKS} {
		if u, err := url.Parse(endpoint); err != nil || u.Host == "" || strings.HasPrefix(issuer, "https:") && u.Scheme != "https" {
			p.err = fmt.Errorf("its discovery document has no good %s", name)
		}
	}
	if p.Issuer != issuer {
		p.err = fmt.Errorf("it calls itself %s, not %s", oneLine(p.Issuer), issuer)
	}
	if p.err == nil {
		p.keys, p.err = d.signingKeys(ctx, p.JWKS)
	}
	return &p
}

func (d *Doctor) signingKeys(ctx context.Context, address string) (int, error) {
	said, err := d.get(ctx, address)
	if err != nil {
		return 0, err
	}
	var set struct {
		Keys []struct {
			Type string `json:"kty"`
			Use  string `json:"use"`
		} `json:"keys"`
	}
	if err := json.Unmarshal(said.body, &set); err != nil || said.status != http.StatusOK {
		return 0, fmt.Errorf("its signing keys cannot be read (answered %d)", said.status)
	}
	n := 0
	for _, k := range set.Keys {
		if k.Type != "" && cmp.Or(k.Use, "sig") == "sig" {
			n++
		}
	}
	if n == 0 {
		return 0, errors.New("it publishes no signing key")
	}
	return n, nil
}

func (d *Doctor) get(ctx context.Context, address string) (answer, error) {
	req, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		return answer{}, err
	}
	said, err := d.ask(ctx, req)
	if err != nil {
		return said, errors.New(unreachable(err))
	}
	return said, nil
}

// signIn looks at the OpenID provider, and at our clock by its.
func (d *Doctor) signIn(ctx context.Context, routes []*configs.Route, n *notes) {
	p := d.provider(ctx)
	needed := slices.ContainsFunc(routes, func(rt *configs.Route) bool { return rt.Login != nil })
	const remedy = "let the gateway reach Slack, through a firewall too; or mend slack.issuer in the configuration"
	issuer := d.cfg.Config.Slack.WithDefaults().Issuer
	switch {
	case p.err != nil && needed:
		n.wrong("sign_in", remedy, "nobody can sign in with %s: %s", issuer, p.err)
	case p.err == nil:
		n.ok("sign_in", "%s says where to sign in, and has %s", issuer, count(p.keys, "signing key", "signing keys"))
	}
	d.clock(ctx, p, n)
}

// clock compares ours with Slack's and the database's.
func (d *Doctor) clock(ctx context.Context, p *provider, n *notes) {
	const remedy = "keep the machine's clock right by NTP (timedatectl set-ntp true)"
	judge := func(whose string, skew time.Duration) {
		way := "ahead of"
		if skew < 0 {
			way = "behind"
		}
		abs := skew.Abs().Round(time.Second)
		switch {
		case abs >= skewWrong:
			n.wrong("clock", remedy, "this machine's clock is %s %s %s: sign-ins fail", abs, way, whose)
		case abs >= skewWarn:
			n.warn("clock", remedy, "this machine's clock is %s %s %s", abs, way, whose)
		default:
			n.ok("clock", "this machine's clock and %s agree within %s", whose, max(abs, time.Second))
		}
	}
	if p.date {
		judge("Slack's", p.skew)
	} else {
		n.unknown("clock", "Slack says no time to compare with")
	}
	if d.cfg.Store == nil || !d.cfg.Store.Postgres() {
		return
	}
	if now, err := d.cfg.Store.Now(ctx); err == nil {
		judge("the database's", d.cfg.Now().Sub(now))
	}
}

// client is what Slack says of a client id and its secret.
type client struct {
	method string
	status int
	name   string // of the error
	err    error
}

// badCode is a code that cannot be right: who gets as far as to refuse it has
// taken the client id and the secret.
func badCode() string { return "doctor-" + rand.Text() }

// client tries a route's client id and secret, where the gateway would use them.
func (d *Doctor) client(ctx context.Context, rt *configs.Route) *client {
	app := rt.SlackApp
	return d.keys.get(app.ClientID+"\x00"+app.ClientSecret.Reveal(), func() *client {
		return d.exchange(ctx, rt, badCode())
	})
}

func (d *Doctor) exchange(ctx context.Context, rt *configs.Route, code string) *client {
	form := url.Values{"code": {code}, "redirect_uri": {d.cfg.Config.RedirectURL(rt)}}
	endpoint, method := d.cfg.Config.Slack.WithDefaults().APIURL+"oauth.v2.access", "oauth.v2.access"
	inBody := true
	if rt.Login != nil {
		p := d.provider(ctx)
		if p.err != nil {
			return &client{err: p.err}
		}
		form.Set("grant_type", "authorization_code")
		endpoint, method = p.Token, "openid.connect.token"
		inBody = slices.Contains(p.AuthMethods, "client_secret_post")
	}
	return d.exchangeAt(ctx, rt.SlackApp, exchange{endpoint, method, form, inBody})
}

// exchange is a call that trades a code.
type exchange struct {
	endpoint, method string
	form             url.Values
	inBody           bool // the secret goes in the body, else as HTTP Basic
}

func (d *Doctor) exchangeAt(ctx context.Context, app gateway.SlackApp, e exchange) *client {
	if e.inBody {
		e.form.Set("client_id", app.ClientID)
		e.form.Set("client_secret", app.ClientSecret.Reveal())
	}
	req, err := http.NewRequest(http.MethodPost, e.endpoint, strings.NewReader(e.form.Encode()))
	if err != nil {
		return &client{err: err}
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if !e.inBody { // RFC 6749 section 2.3.1
		req.SetBasicAuth(url.QueryEscape(app.ClientID), url.QueryEscape(app.ClientSecret.Reveal()))
	}
	said, err := d.ask(ctx, req)
	if err != nil {
		return &client{err: errors.New(unreachable(err))}
	}
	return &client{method: e.method, status: said.status, name: said.name}
}

// signInApp looks at what a route signs people in with.
func (d *Doctor) signInApp(ctx context.Context, rt *configs.Route, n *notes) {
	if rt.SlackApp.ClientID == "" {
		return
	}
	c := d.client(ctx, rt)
	refusedURL := false
	switch {
	case c.err != nil:
		n.unknown("client", "Slack cannot be asked about client id and secret: %s", c.err)
	case slices.Contains([]string{"invalid_code", "invalid_grant", "code_already_used", "code_expired"}, c.name):
		n.ok("client", "Slack takes the client id and its secret")
	case slices.Contains([]string{"bad_redirect_uri", "redirect_uri_mismatch", "invalid_redirect_uri"}, c.name):
		n.ok("client", "Slack takes the client id and its secret")
		refusedURL = true
	case c.status == http.StatusTooManyRequests || c.status >= 500 || c.name == "":
		n.unknown("client", "Slack says nothing about client id and secret (%d %s)", c.status, c.name)
	default:
		n.wrong("client", gateway.MendSignIn(c.name), "Slack refuses the client id or its secret: %s", c.name)
	}
	if rt.Login != nil {
		d.redirect(ctx, rt, refusedURL, n)
	}
}

// redirect looks at the redirect URL. Slack shows most about it to people who are
// signed in there, so only a refusal is certain.
func (d *Doctor) redirect(ctx context.Context, rt *configs.Route, refused bool, n *notes) {
	address := d.cfg.Config.RedirectURL(rt)
	remedy := "add " + address + " to the Redirect URLs of the Slack app, under OAuth & Permissions"
	if !refused {
		refused = d.authorizeRefuses(ctx, rt, address)
	}
	u, err := url.Parse(address)
	switch {
	case refused:
		n.wrong("redirect", remedy, "the Slack app does not have the redirect URL %s", address)
	case err != nil || u.Scheme != "https" && u.Hostname() != "localhost" && !strings.HasSuffix(u.Hostname(), ".localhost"):
		n.wrong("redirect", "set public_scheme: https: Slack takes no other redirect URLs", "the redirect URL is %s", address)
	default:
		n.ok("redirect", "%s; Slack does not refuse it, as far as it says without a person", address)
	}
}

// authorizeRefuses asks Slack's authorize page as a browser without a session.
func (d *Doctor) authorizeRefuses(ctx context.Context, rt *configs.Route, address string) bool {
	p := d.provider(ctx)
	if p.err != nil {
		return false
	}
	query := url.Values{"response_type": {"code"}, "scope": {"openid email profile"}, "client_id": {rt.SlackApp.ClientID},
		"redirect_uri": {address}, "state": {"doctor"}, "nonce": {"doctor"}, "team": {rt.Workspace}}
	said, err := d.get(ctx, p.Authorization+"?"+query.Encode())
	if err != nil {
		return false
	}
	page := string(said.body) + said.header.Get("Location")
	return strings.Contains(page, "bad_redirect_uri") || strings.Contains(page, "redirect_uri did not match")
}
