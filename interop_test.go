package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// The gateway against programs that know nothing of it: an OpenID provider and
// a Slack Web API emulator (testdata/interop). In the configuration only the
// two base URLs tell them from slack.com.
const interopConfig = `
listen: 127.0.0.1:0
admin: 127.0.0.1:0
public_scheme: http
slack: {issuer: ISSUER, api_url: API}
routes:
  - host: interop.localhost
    upstream: APP
    workspace: T000000001
    workspace_name: Interop
`

const interopLogin = interopConfig + `
    slack_app: {client_id: "1.2", client_secret: env:CLIENT_SECRET}
    login: {guests: allow}
`

const interopBoth = interopConfig + `
    slack_app: {client_id: "1.2", client_secret: env:CLIENT_SECRET, bot_token: env:BOT_TOKEN}
    login: {}
    notify:
      signing_secrets: [env:HOOK_SECRET]
      bearer_tokens: [env:HOOK_TOKEN]
    policy:
      - {path: /admin/*, allow: {admins: true}}
      - {path: "/**", allow: members}
`

func TestInteropOpenIDProvider(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name       string
		alg        string // that ID tokens are signed with
		authMethod string // how the client secret is sent
		conform    bool   // the ID token holds the claims of the scope openid only, userinfo the rest
		slackScope string // the scope that brings Slack's own claims
	}{
		{"all claims in the ID token", "RS256", "client_secret_post", false, "openid"},
		{"e-mail and name at userinfo", "RS256", "client_secret_post", true, "openid"},
		{"all claims at userinfo", "RS256", "client_secret_post", true, "profile"},
		{"ES256", "ES256", "client_secret_post", false, "openid"},
		{"EdDSA, all claims at userinfo", "EdDSA", "client_secret_post", true, "profile"},
		{"client_secret_basic", "RS256", "client_secret_basic", false, "openid"},
		{"client_secret_basic, ES256, all claims at userinfo", "ES256", "client_secret_basic", true, "profile"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newOpenIDProvider("U0MARIE")
			p.Alg, p.AuthMethod, p.Conform, p.SlackScope = tt.alg, tt.authMethod, tt.conform, tt.slackScope
			issuer := p.start(t)
			g := startInterop(t, interopLogin, "ISSUER", issuer, "API", issuer+"/api/")
			const path, query = "/dossiers/42", "q=50%&b=2;a=1&x=%C3%A9&x="
			landed := g.browser(t).signIn(interopOrigin+path+"?"+query, "U0MARIE")
			if landed.status != http.StatusOK {
				t.Fatalf("the sign-in ended with %d at %s:\n%s", landed.status, landed.at, landed.body)
			}
			var got appRequest
			if err := json.Unmarshal([]byte(landed.body), &got); err != nil {
				t.Fatalf("%v in %s", err, landed.body)
			}
			if got.Path != path || got.Query != query || got.Host != interopHost {
				t.Errorf("the app was asked for %s?%s on %s, want %s?%s on %s", got.Path, got.Query, got.Host, path, query, interopHost)
			}
			for name, want := range map[string]string{
				"X-Forwarded-User": "U0MARIE", "X-Forwarded-Email": "u0marie@interop.example", "X-Gateway-Team": interopTeam,
				"X-Forwarded-Preferred-Username": "Prénom U0MARIE", "X-Forwarded-Groups": "", "X-Forwarded-Proto": "http", "Cookie": "",
			} {
				if got := got.Header.Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
			if got.Header.Get("X-Gateway-Assertion") == "" {
				t.Error("no assertion")
			}
		})
	}
}

func TestInteropOpenIDProviderRefused(t *testing.T) {
	t.Parallel()
	p := newOpenIDProvider("U0MARIE", "U0OTHER", "U0NEW")
	p.Accounts["U0OTHER"]["https://slack.com/team_id"] = "T0OTHER001"
	p.Accounts["U0NEW"]["email_verified"] = false
	issuer := p.start(t)
	p.ClientSecret = "another"
	wrongSecret := p.start(t)
	for _, tt := range []struct {
		name    string
		issuer  string
		account string // empty: the person cancels
		status  int
		title   string
	}{
		{"another workspace", issuer, "U0OTHER", http.StatusForbidden, "This is not the right Slack workspace"},
		{"e-mail not verified", issuer, "U0NEW", http.StatusForbidden, "Your e-mail address is not confirmed"},
		{"cancelled", issuer, "", http.StatusForbidden, "The sign-in was cancelled"},
		{"wrong client secret", wrongSecret, "U0MARIE", http.StatusBadGateway, "The connection to Slack is not set up right"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := startInterop(t, interopLogin, "ISSUER", tt.issuer, "API", tt.issuer+"/api/")
			landed := g.browser(t).signIn(interopOrigin+"/", tt.account)
			if landed.status != tt.status || !strings.Contains(landed.body, tt.title) {
				t.Errorf("got %d, want %d and %q:\n%s", landed.status, tt.status, tt.title, landed.body)
			}
			if n := g.served.Load(); n != 0 {
				t.Errorf("the app served %d requests", n)
			}
		})
	}
}

func TestInteropSlackWebAPI(t *testing.T) {
	t.Parallel()
	api := startEmulator(t)
	marie, paul := api.user("marie@interop.example"), api.user("paul@interop.example")
	g := startInterop(t, interopBoth, "ISSUER", newOpenIDProvider(marie, paul, "U0STRANGER").start(t), "API", api.url)
	for _, tt := range []struct {
		name    string
		account string
		status  int
	}{
		{"an admin by users.info", marie, http.StatusOK},
		{"no admin by users.info", paul, http.StatusForbidden},
		{"unknown to users.info", "U0STRANGER", http.StatusForbidden},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := g.served.Load()
			landed := g.browser(t).signIn(interopOrigin+"/admin/", tt.account)
			if landed.status != tt.status {
				t.Errorf("/admin/ answered %d, want %d:\n%s", landed.status, tt.status, landed.body)
			}
			if reached := g.served.Load() > before; reached != (tt.status == http.StatusOK) {
				t.Errorf("the app was reached: %v", reached)
			}
		})
	}
	t.Run("notifications", func(t *testing.T) { interopDeliveries(t, g, api) })
}

// interopDeliveries sends notifications and looks for them in the emulator.
func interopDeliveries(t *testing.T, g *interopGateway, api *emulator) {
	marie, paul := api.user("marie@interop.example"), api.user("paul@interop.example")
	ventes := api.channel("ventes")
	form := func(to, text string) *http.Request { return bearerForm(t, url.Values{"to": {to}, "text": {text}}) }
	signed := func(to, text, more string) *http.Request {
		return signedJSON(t, `{"to": ["`+to+`"], "text": "`+text+`"`+more+`}`)
	}
	const blocks = `[{"text":{"text":"*bloc*","type":"mrkdwn"},"type":"section"}]`
	for _, tt := range []struct {
		name    string
		request *http.Request
		channel string // where it must stand
		message posted
		fails   string // with Slack's error
	}{
		{name: "form, bearer token, to an e-mail address", request: form("marie@interop.example", "Facture validée & payée <!channel>"),
			channel: api.conversation(marie), message: posted{Text: "Facture validée &amp; payée &lt;!channel&gt;"}},
		{name: "JSON, signed, to a user id", request: signed(paul, "Devis 7", `, "link": "http://interop.localhost/devis?a=1&b=2"`),
			channel: api.conversation(paul), message: posted{Text: "Devis 7\n<http://interop.localhost/devis?a=1&amp;b=2>"}},
		{name: "JSON, signed, to the person who was mailed", request: signed(marie, "encore", ""),
			channel: api.conversation(marie), message: posted{Text: "encore"}},
		{name: "form, bearer token, to a #name", request: form("#ventes", "au canal"), channel: ventes, message: posted{Text: "au canal"}},
		{name: "JSON, signed, with blocks, to a channel id", request: signed(ventes, "en blocs", `, "blocks": `+blocks),
			channel: ventes, message: posted{Text: "en blocs", Blocks: strings.Replace(blocks, `"}`, `","verbatim":true}`, 1)}}, // names in them are no mentions
		{name: "unknown e-mail address", request: form("nobody@interop.example", "?"), fails: "users_not_found"},
		{name: "unknown user id", request: form("U0NOBODY01", "?"), fails: "user_not_found"},
		{name: "unknown #name", request: form("#nulle-part", "?"), fails: "channel_not_found"},
		{name: "unknown channel id", request: form("C0NOWHERE1", "?"), fails: "channel_not_found"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := g.deliver(t, tt.request)
			if got.Error != tt.fails || got.Channel != tt.channel {
				t.Fatalf("%s ended %s in %q with error %q, want %q and %q", got.To, got.State, got.Channel, got.Error, tt.channel, tt.fails)
			}
			if tt.fails == "" {
				if found := api.message(got.Channel, got.TS); found != tt.message {
					t.Errorf("%s got %+v, want %+v", got.Channel, found, tt.message)
				}
			}
		})
	}
}
