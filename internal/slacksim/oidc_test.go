package slacksim_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/golang-jwt/jwt/v5"
	"github.com/slack-go/slack"
	"golang.org/x/oauth2"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
)

const (
	callback = "https://app.test/.gateway/callback"
	formType = "application/x-www-form-urlencoded"
)

// signIn walks the browser through the authorize page and gives where it was
// sent. An empty person cancels.
func signIn(t *testing.T, b *http.Client, authorizeURL, person string) *url.URL {
	t.Helper()
	res, err := b.Get(authorizeURL)
	must(t, err)
	if page := body(t, res); !strings.Contains(page, `id="cancel"`) {
		t.Fatalf("authorize page %d has no cancel button: %s", res.StatusCode, page)
	}
	v := url.Values{"action": {"cancel"}}
	if person != "" {
		v = url.Values{"person": {person}}
	}
	res, err = b.PostForm(authorizeURL, v)
	must(t, err)
	text := body(t, res)
	if res.StatusCode != http.StatusFound {
		t.Fatalf("choice answered %d: %s", res.StatusCode, text)
	}
	u, err := res.Location()
	must(t, err)
	return u
}

func oauthConfig(srv *slacksim.Server, p *oidc.Provider) *oauth2.Config {
	e := p.Endpoint()
	e.AuthStyle = oauth2.AuthStyleInParams
	return &oauth2.Config{ClientID: "1.agraf", ClientSecret: "s3cret", Endpoint: e,
		RedirectURL: callback, Scopes: []string{"openid", "email", "profile"}}
}

func TestSignInWithSlack(t *testing.T) {
	srv := start(t, slacksim.Config{})
	ctx := context.Background()
	provider, err := oidc.NewProvider(ctx, srv.URL())
	must(t, err)
	conf := oauthConfig(srv, provider)
	to := signIn(t, browser(t), conf.AuthCodeURL("st&te", oidc.Nonce("n0nce"), oauth2.SetAuthURLParam("team", agraf)), agraf+":"+marie)
	if to.Host != "app.test" || to.Path != "/.gateway/callback" || to.Query().Get("state") != "st&te" {
		t.Fatalf("sent to %s", to)
	}
	tok, err := conf.Exchange(ctx, to.Query().Get("code"))
	must(t, err)
	raw, _ := tok.Extra("id_token").(string)
	verifier := provider.Verifier(&oidc.Config{ClientID: "1.agraf"})
	id, err := verifier.Verify(ctx, raw)
	must(t, err)
	must(t, id.VerifyAccessToken(tok.AccessToken))
	if id.Subject != marie || id.Nonce != "n0nce" || id.Expiry.Sub(id.IssuedAt) != 300*time.Second {
		t.Errorf("id token = %+v", id)
	}
	var claims map[string]any
	must(t, id.Claims(&claims))
	for name, want := range map[string]any{
		"https://slack.com/team_id": agraf, "https://slack.com/user_id": marie, "aud": "1.agraf",
		"email": "Marie@agrafmania.fr", "email_verified": true, "name": "Marie Curie", "given_name": "Marie",
		"family_name": "Curie", "locale": "fr-FR", "https://slack.com/team_image_default": true,
	} {
		if claims[name] != want {
			t.Errorf("claim %s = %v, want %v", name, claims[name], want)
		}
	}
	for _, userInfoOnly := range []string{"picture", "https://slack.com/team_name"} {
		if _, has := claims[userInfoOnly]; has {
			t.Errorf("id token has %s, which only userInfo tells", userInfoOnly)
		}
	}

	info, err := client(srv, tok.AccessToken).GetOpenIDConnectUserInfo()
	must(t, err)
	if info.Sub != marie || info.TeamID != agraf || info.TeamName != "Agrafmania" || info.Email != "Marie@agrafmania.fr" {
		t.Errorf("userInfo = %+v", info)
	}

	// One-time: the second exchange is refused with HTTP 200, as Slack does.
	_, err = conf.Exchange(ctx, to.Query().Get("code"))
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) || refused.ErrorCode != "invalid_code" || refused.Response.StatusCode != 200 {
		t.Errorf("second exchange: %v", err)
	}
}

func TestScopesDecideClaims(t *testing.T) {
	srv := start(t, slacksim.Config{})
	provider, err := oidc.NewProvider(context.Background(), srv.URL())
	must(t, err)
	for scope, want := range map[string]struct{ email, name bool }{
		"openid": {}, "openid email": {email: true}, "openid profile": {name: true},
	} {
		conf := oauthConfig(srv, provider)
		conf.Scopes = strings.Fields(scope)
		to := signIn(t, browser(t), conf.AuthCodeURL("s"), agraf+":"+paul)
		tok, err := conf.Exchange(context.Background(), to.Query().Get("code"))
		must(t, err)
		claims := jwt.MapClaims{}
		_, _, err = jwt.NewParser().ParseUnverified(tok.Extra("id_token").(string), claims)
		must(t, err)
		_, email := claims["email"]
		_, name := claims["name"]
		_, nonce := claims["nonce"]
		if email != want.email || name != want.name || nonce {
			t.Errorf("scope %q: email %v, name %v, nonce %v", scope, email, name, nonce)
		}
		if email && claims["email_verified"] != false {
			t.Error("Paul's address counts as verified")
		}
	}
}

func TestTokenEndpointRefusals(t *testing.T) {
	now := newClock()
	srv := start(t, slacksim.Config{Now: now.Now})
	authorize := srv.URL() + "/openid/connect/authorize?" + form("response_type", "code", "scope", "openid", "client_id", "1.agraf", "redirect_uri", callback)
	b := browser(t)
	code := func() string { return signIn(t, b, authorize, agraf+":"+marie).Query().Get("code") }
	good := func(change ...string) string {
		v := url.Values{"client_id": {"1.agraf"}, "client_secret": {"s3cret"}, "redirect_uri": {callback}, "grant_type": {"authorization_code"}, "code": {code()}}
		for i := 0; i < len(change); i += 2 {
			v.Set(change[i], change[i+1])
		}
		return v.Encode()
	}
	for _, c := range []struct{ name, form, want string }{
		{"good", good(), ""},
		{"unknown client", good("client_id", "9"), "invalid_client_id"},
		{"bad secret", good("client_secret", "no"), "bad_client_secret"},
		{"no secret", good("client_secret", ""), "bad_client_secret"},
		{"unknown code", good("code", "no"), "invalid_code"},
		{"code of another client", good("client_id", "2.port", "client_secret", "s3cret2"), "invalid_code"},
		{"other redirect", good("redirect_uri", callback+"/x"), "bad_redirect_uri"},
		{"no redirect", good("redirect_uri", ""), "bad_redirect_uri"},
		{"other grant", good("grant_type", "password"), "unsupported_grant_type"},
		{"refresh", good("grant_type", "refresh_token"), "invalid_refresh_token"},
	} {
		res, text := do(t, srv, "POST /api/openid.connect.token", formType, "", c.form)
		var got struct {
			OK      bool
			Error   string
			IDToken string `json:"id_token"`
		}
		must(t, json.Unmarshal([]byte(text), &got))
		if res.StatusCode != 200 || got.Error != c.want || got.OK != (c.want == "") || (got.IDToken != "") != (c.want == "") {
			t.Errorf("%s: %d %s", c.name, res.StatusCode, text)
		}
	}

	late := good()
	now.add(10*time.Minute + time.Second)
	if _, text := do(t, srv, "POST /api/openid.connect.token", formType, "", late); !strings.Contains(text, "invalid_code") {
		t.Errorf("code after ten minutes: %s", text)
	}
	if _, text := do(t, srv, "POST /api/oauth.v2.access", formType, "", good()); !strings.Contains(text, "oauth_authorization_url_mismatch") {
		t.Errorf("sign-in code at the install endpoint: %s", text)
	}
	// JSON, and the credentials by HTTP Basic.
	if _, text := do(t, srv, "POST /api/openid.connect.token", "application/json; charset=utf-8", "",
		`{"client_id":"1.agraf","client_secret":"s3cret","redirect_uri":"`+callback+`","code":"`+code()+`"}`); !strings.Contains(text, `"ok":true`) {
		t.Errorf("JSON: %s", text)
	}
	req, err := http.NewRequest("POST", srv.APIURL()+"openid.connect.token", strings.NewReader(form("redirect_uri", callback, "code", code())))
	must(t, err)
	req.Header.Set("Content-Type", formType)
	req.SetBasicAuth("1.agraf", "s3cret")
	res, err := http.DefaultClient.Do(req)
	must(t, err)
	if text := body(t, res); !strings.Contains(text, `"ok":true`) {
		t.Errorf("basic: %s", text)
	}
}

func TestAuthorizeRules(t *testing.T) {
	srv := start(t, slacksim.Config{})
	good := url.Values{"response_type": {"code"}, "scope": {"openid"}, "client_id": {"1.agraf"}, "redirect_uri": {callback}, "state": {"s"}}
	with := func(k, v string) url.Values {
		out := url.Values{}
		for key := range good {
			out.Set(key, good.Get(key))
		}
		out.Set(k, v)
		return out
	}
	for _, c := range []struct {
		name  string
		query url.Values
		page  string // error shown by Slack
		back  string // error on the redirect
	}{
		{"good", good, "", ""},
		{"exactly registered", with("redirect_uri", "https://app.test/.gateway"), "", ""},
		{"default redirect", with("redirect_uri", ""), "", ""},
		{"unknown client", with("client_id", "404"), "invalid_client_id", ""},
		{"other host", with("redirect_uri", "https://evil.test/.gateway"), "bad_redirect_uri", ""},
		{"subdomain", with("redirect_uri", "https://a.app.test/.gateway"), "bad_redirect_uri", ""},
		{"other scheme", with("redirect_uri", "http://app.test/.gateway"), "bad_redirect_uri", ""},
		{"other port", with("redirect_uri", "https://app.test:444/.gateway"), "bad_redirect_uri", ""},
		{"parent path", with("redirect_uri", "https://app.test/"), "bad_redirect_uri", ""},
		{"sibling path", with("redirect_uri", "https://app.test/.gateway-evil"), "bad_redirect_uri", ""},
		{"climbing", with("redirect_uri", "https://app.test/.gateway/../evil"), "bad_redirect_uri", ""},
		{"userinfo", with("redirect_uri", "https://u@app.test/.gateway"), "bad_redirect_uri", ""},
		{"fragment", with("redirect_uri", callback+"#x"), "bad_redirect_uri", ""},
		{"no openid", with("scope", "email"), "", "invalid_scope"},
		{"mixed scopes", with("scope", "openid chat:write"), "", "invalid_scope"},
		{"token flow", with("response_type", "token"), "", "unsupported_response_type"},
	} {
		res, text := do(t, srv, "GET /openid/connect/authorize?"+c.query.Encode(), "", "", "")
		switch {
		case c.page != "" && !strings.Contains(text, `data-error="`+c.page+`"`),
			c.back != "" && !strings.Contains(res.Header.Get("Location"), "error="+c.back+"&state=s"),
			c.page+c.back == "" && (res.StatusCode != 200 || !strings.Contains(text, `data-user="`+marie+`"`)):
			t.Errorf("%s: %d %s %.300s", c.name, res.StatusCode, res.Header.Get("Location"), text)
		}
		if strings.Contains(text, gone) {
			t.Errorf("%s: a deactivated person is offered", c.name)
		}
	}

}

func TestAuthorizeChoices(t *testing.T) {
	srv := start(t, slacksim.Config{})
	b := browser(t)
	path := "/openid/connect/authorize?" + form("response_type", "code", "scope", "openid", "client_id", "1.agraf", "redirect_uri", callback, "state", "s")
	address := srv.URL() + path
	if to := signIn(t, b, address, ""); to.Query().Get("error") != "access_denied" || to.Query().Get("code") != "" {
		t.Errorf("cancel sent to %s", to)
	}
	for person, want := range map[string]string{port + ":" + jean: "invalid_team_for_non_distributed_app", agraf + ":" + gone: "account_inactive", "x": "account_inactive"} {
		res, err := b.PostForm(address, url.Values{"person": {person}})
		must(t, err)
		if text := body(t, res); !strings.Contains(text, `data-error="`+want+`"`) {
			t.Errorf("%s: %d %.400s", person, res.StatusCode, text)
		}
	}
	// A distributed app takes anybody.
	to := signIn(t, b, srv.URL()+"/openid/connect/authorize?"+form("response_type", "code", "scope", "openid", "client_id", "2.port", "redirect_uri", "https://port.test/cb"), agraf+":"+paul)
	if to.Query().Get("code") == "" {
		t.Errorf("distributed app: %s", to)
	}
	// Whoever chose last stands first the next time.
	res, err := b.Get(address)
	must(t, err)
	if text := body(t, res); strings.Index(text, `data-user="`+paul) > strings.Index(text, `data-user="`+marie) {
		t.Error("the signed-in person is not first")
	}
	srv.SignInAs(agraf, guest)
	if to, _ := do(t, srv, "GET "+path, "", "", ""); !strings.Contains(to.Header.Get("Location"), "code=") {
		t.Errorf("SignInAs: %d", to.StatusCode)
	}
}

func TestKeyRotationAndForgery(t *testing.T) {
	srv := start(t, slacksim.Config{})
	ctx := context.Background()
	provider, err := oidc.NewProvider(ctx, srv.URL())
	must(t, err)
	conf := oauthConfig(srv, provider)
	verifier := provider.Verifier(&oidc.Config{ClientID: "1.agraf"})
	idToken := func() string {
		to := signIn(t, browser(t), conf.AuthCodeURL("s"), agraf+":"+marie)
		tok, err := conf.Exchange(ctx, to.Query().Get("code"))
		must(t, err)
		return tok.Extra("id_token").(string)
	}
	verify := func(raw string, want bool) {
		t.Helper()
		if _, err := verifier.Verify(ctx, raw); (err == nil) != want {
			t.Errorf("verify: %v, want good %v", err, want)
		}
	}
	old := idToken()
	verify(old, true)
	must(t, srv.RotateKey(true))
	verify(idToken(), true)
	verify(old, true)
	must(t, srv.RotateKey(false))
	verify(idToken(), true)

	srv.Fault(slacksim.Fault{Method: "openid.connect.token", Kind: slacksim.Forged, Times: 1,
		Forge: func(c jwt.MapClaims) string { c["aud"] = "somebody else"; return "" }})
	verify(idToken(), false)
	srv.Fault(slacksim.Fault{Method: "openid.connect.token", Kind: slacksim.Forged, Times: 1,
		Forge: func(c jwt.MapClaims) string {
			raw, err := jwt.NewWithClaims(jwt.SigningMethodNone, c).SignedString(jwt.UnsafeAllowNoneSignatureType)
			must(t, err)
			return raw
		}})
	verify(idToken(), false)
	verify(idToken(), true)
}

func TestUserInfoIsALivenessCheck(t *testing.T) {
	srv := start(t, slacksim.Config{})
	to := signIn(t, browser(t), srv.URL()+"/openid/connect/authorize?"+form("response_type", "code", "scope", "openid", "client_id", "1.agraf", "redirect_uri", callback), agraf+":"+marie)
	tok, err := slack.GetOpenIDConnectToken(http.DefaultClient, "1.agraf", "s3cret", to.Query().Get("code"), callback, slack.OAuthOptionAPIURL(srv.APIURL()))
	must(t, err)
	check := func(want string) {
		t.Helper()
		_, err := client(srv, tok.AccessToken).GetOpenIDConnectUserInfo()
		if got := errText(err); got != want {
			t.Errorf("userInfo error %q, want %q", got, want)
		}
	}
	check("")
	must(t, srv.UpdatePerson(agraf, marie, func(p *slacksim.Person) { p.Deactivated = true }))
	check("account_inactive")
	must(t, srv.UpdatePerson(agraf, marie, func(p *slacksim.Person) { p.Deactivated = false }))
	if _, err := client(srv, tok.AccessToken).SendAuthRevoke(""); err != nil {
		t.Error(err)
	}
	check("token_revoked")
	if _, err := client(srv, botTok).GetOpenIDConnectUserInfo(); errText(err) != "not_allowed_token_type" {
		t.Errorf("bot token: %v", err)
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
