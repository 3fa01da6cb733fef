package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/cocoom/cocoom-gateway/configs"
	"github.com/cocoom/cocoom-gateway/gateway"
)

const (
	signInTime   = 10 * time.Minute // for the person to sign in
	metadataMost = 64               // KiB that are tried
	updateEvery  = 1200 * time.Millisecond
)

// Live says how far a live examination may go.
type Live struct {
	Host string
	// Browser says that somebody is there who can sign in and answer questions.
	Browser bool
	// Message is whom a test message may be sent to, by Slack user id; empty: none is.
	Message string
}

// Live finds out by one route what Slack's documentation leaves open, without
// harm: calls that must be refused, a sign-in if somebody is there for it, and one
// test message if that is allowed. It ends with an Event that has the Report, and
// the questions that a person alone can answer.
func (d *Doctor) Live(ctx context.Context, live Live, say func(Event)) error {
	routes, err := d.choose([]string{live.Host})
	if err != nil {
		return err
	}
	rt := routes[0]
	r := &Report{At: d.cfg.Now().UTC().Format(time.DateOnly), Slack: d.cfg.Config.Slack.WithDefaults().Issuer}
	if p := d.provider(ctx); p.err != nil {
		r.leave("everything: " + p.err.Error())
	} else {
		r.Discovery = differences(p, r.Slack)
		d.tokenErrors(ctx, rt, r)
	}
	if rt.SlackApp.BotToken != "" {
		b := d.bot(ctx, rt)
		if b.err != nil {
			word, _ := slackError(b.err)
			r.leave("answers of the Web API: " + word)
		} else {
			r.Headers = b.headers
			d.metadata(ctx, b, live.Message, r)
		}
	}
	link, err := d.cfg.Config.Manifest(rt, true).Link(r.Slack)
	if err != nil {
		return err
	}
	r.CreateLink = len(link)
	d.watchSignIn(ctx, rt, live.Browser, r, say)
	r.leave("whether http://localhost can be registered as a redirect URL: Slack's settings page alone says",
		"whether tokens_revoked comes for tokens of a sign-in: somebody with such a token has to be deactivated")
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("examine: %w", err)
	}
	if live.Browser {
		for _, q := range questions(link, r.Callback != nil) {
			say(Event{Ask: &q})
		}
	}
	say(Event{Report: r})
	return nil
}

// tokenErrors provokes the errors of the token endpoint.
func (d *Doctor) tokenErrors(ctx context.Context, rt *configs.Route, r *Report) {
	if rt.SlackApp.ClientID == "" || rt.Login == nil {
		r.leave("errors of the token endpoint: the route signs nobody in")
		return
	}
	p := d.provider(ctx)
	inBody := slices.Contains(p.AuthMethods, "client_secret_post")
	good := rt.SlackApp
	other := good
	other.ClientSecret = "doctor-no-secret"
	nobody := other
	nobody.ClientID = "1.1"
	form := func(pairs ...string) url.Values {
		f := url.Values{"grant_type": {"authorization_code"}, "code": {badCode()}, "redirect_uri": {d.cfg.Config.RedirectURL(rt)}}
		for i := 0; i < len(pairs); i += 2 {
			if f.Set(pairs[i], pairs[i+1]); pairs[i+1] == "" {
				f.Del(pairs[i])
			}
		}
		return f
	}
	for _, try := range []struct {
		cause string
		app   gateway.SlackApp
		form  url.Values
	}{
		{"a code that is none", good, form()},
		{"no code", good, form("code", "")},
		{"another redirect_uri", good, form("redirect_uri", "https://doctor.invalid/callback")},
		{"a code_verifier besides", good, form("code_verifier", strings.Repeat("d", 43))},
		{"an unknown grant_type", good, form("grant_type", "doctor")},
		{"a wrong secret", other, form()},
		{"an unknown client_id", nobody, form()},
	} {
		said := d.exchangeAt(ctx, try.app, exchange{p.Token, "openid.connect.token", try.form, inBody})
		e := TokenError{Cause: try.cause, Status: said.status, Error: said.name}
		if said.err != nil {
			e.Error = "no answer"
		}
		r.TokenErrors = append(r.TokenErrors, e)
	}
}

// watchSignIn has the person sign in, and notes how that came back.
func (d *Doctor) watchSignIn(ctx context.Context, rt *configs.Route, browser bool, r *Report, say func(Event)) {
	switch {
	case !browser:
		r.leave("how a sign-in comes back: nobody signed in (--no-browser)")
		return
	case rt.Login == nil:
		r.leave("how a sign-in comes back: the route signs nobody in")
		return
	case d.cfg.Witness == nil:
		r.leave("how a sign-in comes back: no gateway runs here")
		return
	}
	told, stop, err := d.cfg.Witness(rt.Host)
	if err != nil {
		r.leave("how a sign-in comes back: " + err.Error())
		return
	}
	defer stop()
	say(Event{Open: d.cfg.Config.Origin(rt.Host) + d.cfg.Config.ReservedPrefix + "/login"})
	timeout := time.NewTimer(signInTime)
	defer timeout.Stop()
	select {
	case seen := <-told:
		r.Callback = newCallback(seen)
	case <-timeout.C:
		r.leave("how a sign-in comes back: nobody signed in within " + signInTime.String() + ", or another replica got it")
	case <-ctx.Done():
	}
}

// metadata finds how much may stand beside a message, by one message to a person
// that is changed again and again, and in the end has none.
func (d *Doctor) metadata(ctx context.Context, b *bot, user string, r *Report) {
	if user == "" {
		r.leave("how much metadata a message may have: no message may be sent (--message USER)")
		return
	}
	const text = "cocoom-gateway doctor: this is a test, and needs no answer."
	var channel, ts string
	err := d.call(ctx, func(ctx context.Context) (err error) {
		channel, ts, err = b.api.PostMessageContext(ctx, user, slack.MsgOptionText(text, true))
		return err
	})
	if err != nil || ts == "" {
		word, _ := slackError(err)
		r.leave("how much metadata a message may have: " + word)
		return
	}
	try := func(kib int) (taken bool, word string) {
		if sleep(ctx, updateEvery) != nil {
			return false, "interrupted"
		}
		err := d.call(ctx, func(ctx context.Context) error {
			payload := map[string]any{"padding": strings.Repeat("x", kib<<10)}
			_, _, _, err := b.api.UpdateMessageContext(ctx, channel, ts, slack.MsgOptionText(text, true),
				slack.MsgOptionMetadata(slack.SlackMetadata{EventType: "doctor", EventPayload: payload}))
			return err
		})
		if err == nil {
			return true, ""
		}
		word, _ = slackError(err)
		return false, word
	}
	r.Metadata = search(metadataMost, try)
	_, _ = try(0) // leaves the message without the padding
}

// search finds the most KiB that are taken, up to most.
func search(most int, try func(kib int) (bool, string)) *Limit {
	low, high := 0, most+1
	l := &Limit{}
	for next := most; low+1 < high; next = (low + high) / 2 {
		taken, word := try(next)
		if taken {
			low = next
		} else {
			high, l.Error = next, word
		}
	}
	l.KiB, l.More = low, low == most
	return l
}

// questions are what a person sees and a program does not.
func questions(link string, signedIn bool) []Question {
	list := []Question{
		{ID: "create_link", Text: "Open this link. Does Slack show the whole manifest? (do not create the app)", Link: link},
		{ID: "events_at_creation", Text: "If you have created an app by such a link: was its Events request URL verified without a click of yours?"},
		{ID: "install_button", Text: "Did \"Install to Workspace\" in the app's settings work, with sign-in scopes and bot scopes in one manifest?"},
		{ID: "guest", Text: "If a guest of the workspace has tried to sign in: did Slack send them back to the gateway, which then refused them?"},
	}
	if signedIn {
		list = append([]Question{{ID: "consent", Text: "When you signed in just now, did Slack ask for your consent, although you had given it before?"}}, list...)
	}
	return list
}

// differences compares a discovery document with the one that Slack documents.
func differences(p *provider, issuer string) []string {
	expected := map[string]any{
		"issuer": issuer, "authorization_endpoint": issuer + "/openid/connect/authorize", "token_endpoint": issuer + "/api/openid.connect.token",
		"userinfo_endpoint": issuer + "/api/openid.connect.userInfo", "jwks_uri": issuer + "/openid/connect/keys",
		"scopes_supported": []string{"openid", "profile", "email"}, "response_types_supported": []string{"code"},
		"response_modes_supported": []string{"form_post"}, "grant_types_supported": []string{"authorization_code"}, "subject_types_supported": []string{"public"},
		"id_token_signing_alg_values_supported": []string{"RS256"}, "claims_supported": []string{"sub", "auth_time", "iss"},
		"claims_parameter_supported": false, "request_parameter_supported": false, "request_uri_parameter_supported": true,
		"token_endpoint_auth_methods_supported": []string{"client_secret_post", "client_secret_basic"},
	}
	var list []string
	for name, want := range expected {
		text, err := json.Marshal(want)
		if got, ok := p.raw[name]; !ok {
			list = append(list, name+" is missing")
		} else if err != nil || compact(got) != string(text) {
			list = append(list, name+": "+oneLine(compact(got)))
		}
	}
	for name, got := range p.raw {
		if _, ok := expected[name]; !ok {
			list = append(list, clean(name)+" is new: "+oneLine(compact(got)))
		}
	}
	slices.Sort(list)
	return list
}

// compact writes JSON in the one form of the library.
func compact(raw json.RawMessage) string {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return string(raw)
	}
	out, err := json.Marshal(v)
	if err != nil {
		return string(raw)
	}
	return string(out)
}
