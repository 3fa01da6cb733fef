package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/slack-go/slack"
	"golang.org/x/oauth2"

	"github.com/cocoom/cocoom-gateway/internal/slackapi"
)

// tokenPace is between two questions by people's own tokens: userInfo may be
// called 50 times a minute.
const tokenPace = 2 * time.Second

// keptToken is a person's own access token: the way of a route without a bot
// token to notice that an account was deactivated. It lies sealed in the row of
// the person it belongs to, and opens nowhere else.
type keptToken struct {
	Access  string `json:"a"`
	Refresh string `json:"r,omitempty"`
	Expires int64  `json:"x,omitempty"` // Unix seconds; 0: the provider did not say
	Subject string `json:"s"`           // whom userInfo must be about
}

// maxKeptToken bounds one of them in bytes: Slack's have less than 100, others'
// may be JWTs. One that is longer is not kept: each person's lies in the store.
const maxKeptToken = 8 << 10

func newKeptToken(t *oauth2.Token, subject string) keptToken {
	k := keptToken{Access: t.AccessToken, Refresh: t.RefreshToken, Subject: subject}
	if len(k.Access) > maxKeptToken || len(k.Refresh) > maxKeptToken || len(subject) > maxKeptToken {
		return keptToken{}
	}
	if !t.Expiry.IsZero() {
		k.Expires = t.Expiry.Unix()
	}
	return k
}

func (p *people) sealToken(key personKey, t keptToken) (string, error) {
	if t.Access == "" {
		return "", nil
	}
	plain, err := json.Marshal(t)
	if err != nil {
		return "", fmt.Errorf("marshal token: %w", err)
	}
	sealed, err := p.sealer.seal(kindToken, key.String(), plain, p.now())
	if err != nil {
		return "", fmt.Errorf("seal token: %w", err)
	}
	return sealed, nil
}

// openToken gives a kept token; false if there is none, or none that still
// opens.
func (p *people) openToken(key personKey, sealed string) (keptToken, bool) {
	var t keptToken
	plain, err := p.sealer.open(kindToken, key.String(), sealed)
	return t, err == nil && json.Unmarshal(plain, &t) == nil
}

// What userInfo, or a refresh of the token for it, can end in besides an answer
// and an outage.
var (
	errTokenOver    = errors.New("the token is over: its person must sign in again")
	errTokenExpired = errors.New("the token has expired, and there is no way to renew it")
	errGone         = errors.New("the account is deactivated")
)

// probe asks userInfo about the owner of a kept token. renewed is the token to
// keep from now on, also when the error is not nil; nil: the same.
func (p *people) probe(ctx context.Context, rt *Route, t keptToken) (c claims, renewed *keptToken, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*slackTimeout)
	defer cancel()
	d, err := rt.conf.provider.get(ctx)
	if err != nil {
		return c, nil, errSlackDown.because(err)
	}
	err = errTokenExpired
	if t.Expires == 0 || p.now().Unix() < t.Expires {
		c, err = rt.conf.provider.liveness(ctx, d, t)
	}
	if t.Refresh == "" || !errors.Is(err, errTokenExpired) && !errors.Is(err, errTokenOver) {
		return c, nil, err
	}
	if t, err = rt.conf.provider.renew(ctx, d, rt, t); err != nil {
		return c, nil, err
	}
	c, err = rt.conf.provider.liveness(ctx, d, t)
	return c, &t, err
}

// renew exchanges a refresh token, which on Slack is good once.
func (p *provider) renew(ctx context.Context, d *discovered, rt *Route, t keptToken) (keptToken, error) {
	conf := p.oauth(d, rt)
	var fresh *oauth2.Token
	err := p.calls.Do(ctx, "openid.connect.token", func(ctx context.Context) (err error) {
		fresh, err = conf.TokenSource(oidc.ClientContext(ctx, p.client), &oauth2.Token{RefreshToken: t.Refresh}).Token()
		return err
	})
	var re *oauth2.RetrieveError
	switch {
	case err == nil:
		return newKeptToken(fresh, t.Subject), nil // x/oauth2 keeps the refresh token if there is no new one
	case !errors.As(err, &re):
		return t, errSlackDown.because(errors.New("token endpoint gave no token"))
	case slices.Contains([]string{"invalid_grant", "invalid_refresh_token", "token_revoked", "token_expired"}, re.ErrorCode):
		return t, errTokenOver
	case isGone(re.ErrorCode):
		return t, errGone
	}
	return t, errSlackDown.because(fmt.Errorf("token endpoint answered %s", clip(re.ErrorCode, 80)))
}

// liveness is userInfo, read for what its refusal means: Slack answers 200 and
// {"ok":false}, other providers 401 (RFC 6750 section 3.1).
func (p *provider) liveness(ctx context.Context, d *discovered, t keptToken) (claims, error) {
	var c claims
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.UserInfoEndpoint(), nil)
	if err != nil {
		return c, err
	}
	req.Header.Set("Authorization", "Bearer "+t.Access)
	var resp *http.Response
	_ = p.calls.Do(ctx, "openid.connect.userInfo", func(context.Context) error {
		if resp, err = p.client.Do(req); err == nil && resp.StatusCode >= 400 {
			return slack.StatusCodeError{Code: resp.StatusCode}
		}
		return err
	})
	if err != nil {
		return c, errSlackDown.because(errors.New("userInfo cannot be reached"))
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, slackapi.MaxAnswer))
	if err != nil {
		return c, errSlackDown.because(errors.New("userInfo broke off"))
	}
	var said struct {
		claims
		OK    *bool  `json:"ok"`
		Error string `json:"error"`
	}
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	readable := kind != "application/jwt" && json.Unmarshal(body, &said) == nil
	if resp.StatusCode == http.StatusUnauthorized && !isGone(said.Error) && said.Error != "token_expired" {
		return c, errTokenOver // invalid_token: "expired, revoked, malformed, or invalid for other reasons"
	}
	switch {
	case said.OK != nil && !*said.OK || resp.StatusCode >= 400:
		return c, livenessError(resp.StatusCode, said.Error)
	case resp.StatusCode != http.StatusOK, kind != "application/jwt" && (!readable || said.Subject != t.Subject):
		return c, errSlackDown.because(errors.New("userInfo gave no answer about this person"))
	}
	return said.claims, nil
}

func livenessError(status int, name string) error {
	switch {
	case status >= 500 || status == http.StatusTooManyRequests, slackapi.Unavailable(name):
		return errSlackDown.because(fmt.Errorf("userInfo answered %d %s", status, clip(name, 80)))
	case isGone(name):
		return errGone
	case name == "token_expired":
		return errTokenExpired
	case slices.Contains([]string{"token_revoked", "invalid_auth", "not_authed"}, name):
		return errTokenOver
	}
	return errSlackDown.because(fmt.Errorf("userInfo refused with %d %s", status, clip(name, 80)))
}

// isGone knows Slack's names for people who may not be in the workspace any more.
func isGone(name string) bool {
	return slices.Contains([]string{"account_inactive", "user_removed_from_team", "deleted_user", "user_not_found", "user_disabled"}, name)
}

// recheckByToken asks about somebody on a route without a bot token.
func (p *people) recheckByToken(ctx context.Context, rt *Route, who *personRow, r report) (report, error) {
	t, ok := p.openToken(who.key, who.token)
	if !ok {
		return forgetToken(r), nil
	}
	c, renewed, err := p.probe(ctx, rt, t)
	if renewed != nil {
		sealed, sealErr := p.sealToken(who.key, *renewed)
		if sealErr != nil {
			return r, sealErr
		}
		r.token = &sealed
	}
	switch {
	case err == nil:
		r.change = func(f *facts) { describeClaims(f, c) }
	case errors.Is(err, errGone):
		r = forgetToken(r)
		r.partial, r.change = false, func(f *facts) { f.deactivated = true }
	case errors.Is(err, errTokenOver):
		r = forgetToken(r)
		r.over = true
	case errors.Is(err, errTokenExpired):
		r = forgetToken(r) // what was known holds for its time
	default:
		if renewed == nil {
			return r, err
		}
		r.partial, r.change, r.soon = true, func(*facts) {}, true // the new token must be kept: the old one is spent
	}
	return r, nil
}

func forgetToken(r report) report {
	none := ""
	r.token, r.partial, r.change = &none, true, func(*facts) {}
	return r
}

// describeClaims takes over what userInfo says.
func describeClaims(f *facts, c claims) {
	if plausibleEmail(c.Email) && bool(c.EmailVerified) {
		f.email = strings.ToValidUTF8(c.Email, "")
	}
	if name := plainName(c.Name); name != "" {
		f.name = name
	}
}
