package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/cocoom/cocoom-gateway/internal/slackapi"
)

const (
	slackTimeout     = 10 * time.Second // one call to Slack
	discoveryRefresh = 24 * time.Hour   // endpoints move rarely
	discoveryAgain   = time.Minute      // until a failed renewal is tried again
	discoveryPause   = 2 * time.Second  // between failed discoveries, so that a crowd does not hammer a Slack that is down
)

// newOpenIDClient gives the HTTP client for discovery, tokens and keys: with a
// time limit, with bounded answers, since go-oidc reads them whole, and without
// following redirects, since neither a token nor a code may be carried to
// another place.
func newOpenIDClient() *http.Client {
	return &http.Client{
		Timeout:       slackTimeout,
		Transport:     bounded{slackapi.Transport()},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// provider is the OpenID provider of Sign in with Slack. Every route uses the
// same one, with its own client id. It is discovered when first needed, so that
// the gateway starts while Slack is down.
type provider struct {
	issuer string
	client *http.Client // for tokens
	reader *http.Client // for documents, which go-oidc reads
	now    func() time.Time
	calls  *slackapi.Calls

	mu     sync.Mutex
	found  *discovered
	failed time.Time // when the last failure was known: a hang must count for those who waited
	err    error     // the last failure
}

func newProvider(issuer string, now func() time.Time) *provider {
	client := newOpenIDClient()
	reader := *client
	reader.Transport = documents{client.Transport}
	return &provider{issuer: issuer, client: client, reader: &reader, now: now}
}

type discovered struct {
	*oidc.Provider
	authStyle oauth2.AuthStyle
	at        time.Time
}

// get gives the provider, or the error of the last try to discover it.
func (p *provider) get(ctx context.Context) (*discovered, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if p.found != nil && now.Sub(p.found.at) < discoveryRefresh {
		return p.found, nil
	}
	if p.err != nil && now.Sub(p.failed) < discoveryPause {
		return p.stale()
	}
	// The context is the server's, not the request's: a person who gives up
	// must not break the discovery for those who wait with them.
	var op *oidc.Provider
	err := p.calls.Do(context.WithoutCancel(ctx), "openid-configuration", func(ctx context.Context) (err error) {
		op, err = oidc.NewProvider(oidc.ClientContext(ctx, p.reader), p.issuer)
		return err
	})
	if err != nil {
		p.failed, p.err = p.now(), fmt.Errorf("discover OpenID provider: %s", clip(err.Error(), 300))
		return p.stale()
	}
	var meta metadata
	if err := errors.Join(op.Claims(&meta), meta.check(p.issuer)); err != nil {
		p.failed, p.err = p.now(), fmt.Errorf("read OpenID discovery: %s", clip(err.Error(), 300))
		return p.stale()
	}
	p.found, p.err = &discovered{op, authStyle(meta.AuthMethods), now}, nil
	return p.found, nil
}

// stale gives what was last discovered while it cannot be renewed, and lets the
// next try wait: nobody's sign-in may stall for endpoints that still stand.
func (p *provider) stale() (*discovered, error) {
	if p.found == nil {
		return nil, p.err
	}
	p.found.at = p.now().Add(discoveryAgain - discoveryRefresh)
	return p.found, nil
}

// authStyle says how the client secret is sent. It must be explicit: with
// auto-detection x/oauth2 sends the one-time code a second time after any
// error. The body is Slack's documented way; a provider that does not offer it,
// or says nothing, gets HTTP Basic, the default of OpenID Connect Discovery 1.0
// section 3.
func authStyle(methods []string) oauth2.AuthStyle {
	if slices.Contains(methods, "client_secret_post") {
		return oauth2.AuthStyleInParams
	}
	return oauth2.AuthStyleInHeader
}

// oauth is the OAuth client of a route.
func (p *provider) oauth(d *discovered, rt *Route) oauth2.Config {
	endpoint := d.Endpoint()
	endpoint.AuthStyle = d.authStyle
	return oauth2.Config{
		ClientID: rt.SlackApp.ClientID, ClientSecret: rt.SlackApp.ClientSecret.Reveal(),
		Endpoint: endpoint, RedirectURL: rt.Origin + rt.callback,
		Scopes: UserScopes(),
	}
}

// claims is what the ID token and, where that lacks something, userInfo say.
// The https://slack.com/ names are Slack's own
// (https://docs.slack.dev/authentication/sign-in-with-slack), whatever the
// issuer's address is.
type claims struct {
	Subject       string   `json:"sub"`
	Team          string   `json:"https://slack.com/team_id"`
	User          string   `json:"https://slack.com/user_id"`
	Email         string   `json:"email"`
	EmailVerified flexBool `json:"email_verified"`
	Name          string   `json:"name"`
	Authorized    string   `json:"azp"`

	token *oauth2.Token // that came with the ID token
	names []string      // of all that the ID token claims
	asked bool          // userInfo
}

// flexBool also reads the strings "true" and "false", which some providers send.
type flexBool bool

// UnmarshalJSON takes true, false and both as strings; all else is false.
func (b *flexBool) UnmarshalJSON(raw []byte) error {
	*b = flexBool(strings.Trim(string(raw), `"`) == "true")
	return nil
}

// redeem exchanges the one-time code and verifies what comes back: signature,
// issuer, audience and expiry (go-oidc), nonce, authorized party and access token
// hash (here).
func (p *provider) redeem(ctx context.Context, rt *Route, code, nonce string) (claims, error) {
	var c claims
	d, err := p.get(ctx)
	if err != nil {
		return c, errSlackDown.because(err)
	}
	ctx = oidc.ClientContext(ctx, p.client)
	conf := p.oauth(d, rt)
	var token *oauth2.Token
	err = p.calls.Do(ctx, "openid.connect.token", func(ctx context.Context) (err error) {
		token, err = conf.Exchange(ctx, code)
		return err
	})
	if err != nil {
		return c, exchangeError(err)
	}
	raw, _ := token.Extra("id_token").(string)
	if raw == "" {
		return c, errSlackAnswer.because(errors.New("token answer without id_token"))
	}
	if !isModestJWT(raw) {
		return c, errSlackAnswer.because(errors.New("id token is too large"))
	}
	verified, err := d.Verifier(&oidc.Config{ClientID: conf.ClientID, Now: p.now}).Verify(ctx, raw)
	if err != nil {
		return c, errSlackAnswer.because(fmt.Errorf("verify id token: %s", clip(err.Error(), 300)))
	}
	if verified.Nonce != nonce {
		return c, errSlackAnswer.because(errors.New("id token has another nonce"))
	}
	if verified.AccessTokenHash != "" {
		if err := verified.VerifyAccessToken(token.AccessToken); err != nil {
			return c, errSlackAnswer.because(fmt.Errorf("verify access token hash: %w", err))
		}
	}
	if err := verified.Claims(&c); err != nil {
		return c, errSlackAnswer.because(fmt.Errorf("read id token: %w", err))
	}
	if !c.isFor(conf.ClientID, verified.Audience) {
		return c, errSlackAnswer.because(errors.New("id token is for another client too"))
	}
	var all map[string]json.RawMessage
	if err := verified.Claims(&all); err != nil {
		return c, errSlackAnswer.because(fmt.Errorf("read id token: %w", err))
	}
	c.token, c.names = token, slices.Sorted(maps.Keys(all))
	if c.Team == "" || c.Email == "" {
		c.asked = true
		if err := p.userInfo(ctx, d, token, &c); err != nil {
			return c, errSlackAnswer.because(err)
		}
	}
	return c, nil
}

// userInfo fills what the ID token left out: with the code flow a conforming
// provider may give the claims of the email scope here only (OpenID Connect
// Core 1.0 section 5.4). The subject must be the token's (section 5.3.2);
// go-oidc does not compare it, and reads Slack's {"ok":false} as an answer
// without one.
func (p *provider) userInfo(ctx context.Context, d *discovered, token *oauth2.Token, c *claims) error {
	ctx = oidc.ClientContext(ctx, p.reader)
	var info *oidc.UserInfo
	err := p.calls.Do(ctx, "openid.connect.userInfo", func(ctx context.Context) (err error) {
		info, err = d.UserInfo(ctx, oauth2.StaticTokenSource(token))
		return err
	})
	if err != nil {
		return fmt.Errorf("ask userInfo: %s", clip(err.Error(), 300))
	}
	if info.Subject != c.Subject {
		return errors.New("userInfo is about somebody else")
	}
	var more claims
	if err := info.Claims(&more); err != nil {
		return fmt.Errorf("read userInfo: %w", err)
	}
	if c.Team == "" {
		c.Team, c.User = more.Team, more.User
	}
	if c.Email == "" {
		c.Email, c.EmailVerified = more.Email, more.EmailVerified
	}
	if c.Name == "" {
		c.Name = more.Name
	}
	return nil
}

// exchangeError tells apart whose fault a failed code exchange is. The answer's
// body is never kept: it may hold tokens.
func exchangeError(err error) error {
	var re *oauth2.RetrieveError
	if !errors.As(err, &re) {
		if !isNetwork(err) {
			return errSlackAnswer.because(errors.New("token answer cannot be read"))
		}
		return errSlackDown.because(errors.New("token endpoint cannot be reached"))
	}
	return tokenRefusal(re.Response, re.ErrorCode)
}
