package main

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/gateway"
)

// credential is something that lets somebody in at one place.
type credential struct{ kind, value string }

// entrance is a place that takes one kind of credential.
type entrance struct {
	name    string
	takes   string // the kind
	to      string // the listener; empty: the public one
	request func(value string) string
	opens   int    // the status for who has it
	shut    int    // for who has not; may be barred
	arrives string // what the app is then asked for
	opened  string // what the answer has then, where both statuses are one
}

const operatorsToken = "operators-0123456789abcdef0123456789abcdef"

// TestAdvisoryPomeriumKinds: what opens one door opens no other, be it this
// customer's or another's, and an assertion is for one app alone.
func TestAdvisoryPomeriumKinds(t *testing.T) {
	t.Parallel()
	s := besiege(t, func(config string) string {
		config = strings.Replace(config, "public_scheme:", "admin_token: "+operatorsToken+"\npublic_scheme:", 1)
		config = strings.Replace(config, "    notify: {bearer_tokens", "    notify: {hooks: [{id: alerts, tokens: ["+customers[0].AlertToken+"], to: \"#general\"}], bearer_tokens", 1)
		return config + "  - host: " + customers[2].Host + "\n    upstream: http://127.0.0.1:1\n    slack_app: {managed: true}\n    login: {}\n"
	})
	held, doors := s.credentials(t), s.entrances()
	row := advisory{refused: tries{}, honest: tries{}, forged: tries{}}
	for _, d := range doors {
		row.refused[d.name] = d.try("x", false)
		if !slices.ContainsFunc(held, func(c credential) bool { return c.kind == d.takes }) {
			t.Fatalf("nobody has what %s takes", d.name)
		}
		for _, c := range held {
			if c.kind == d.takes {
				row.honest[d.name] = d.try(c.value, true)
				continue
			}
			row.forged[d.name+" by "+c.kind] = d.try(c.value, false)
		}
	}
	row.more = map[string]func(*testing.T){
		"refused when forged, the operators' listener": func(t *testing.T) { s.operatorsDoor(t, held) },
		"an assertion is for one app": func(t *testing.T) {
			for _, c := range held {
				if host, _, _ := strings.Cut(s.host, ":"); c.kind == "an assertion" && (claims(t, c.value)["aud"] != host || claims(t, c.value)["iss"] != s.origin) {
					t.Errorf("it is for %v, by %v", claims(t, c.value)["aud"], claims(t, c.value)["iss"])
				}
			}
		},
	}
	s.row(t, "CVE-2024-47616 a token of another kind", row)
}

// try is a door tried with a credential.
func (d entrance) try(value string, fits bool) try {
	one := try{to: d.to, request: d.request(value), status: d.shut}
	switch {
	case fits:
		one.status, one.arrives = d.opens, d.arrives
	case d.opened != "" && strings.Contains(one.request, "Bearer "+gateway.ServiceTokenPrefix):
		one.status = 403 // before anybody looks at what is asked
	}
	one.also = func(t *testing.T, a *answer, got recorded) {
		if d.opened != "" && a != nil && strings.Contains(a.body, d.opened) != fits {
			t.Errorf("answered %s", a.body)
		}
		if all := strings.Join(got.header, "\n"); d.takes != "a session" && strings.Contains(all, value) {
			t.Errorf("the app is told it: %s", all)
		}
	}
	return one
}

// doors are all that take a credential over the network, but for the operators'.
func (s *siege) entrances() []entrance {
	_, port, _ := strings.Cut(s.host, ":")
	managed := customers[2].Host + ":" + port
	send := func(host, path, more, body string) string {
		return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\n%sContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s", path, host, more, len(body), body)
	}
	bearer := func(v string) string { return "Authorization: Bearer " + v + "\r\n" }
	page := func(host, target string) func(string) string {
		return func(v string) string { return get(host, target+url.QueryEscape(v), "") }
	}
	const note = "/v1/notifications?dry_run=1"
	return []entrance{
		{name: "a page", takes: "a session", opens: 200, shut: 302, arrives: "/x",
			request: func(v string) string { return get(s.host, "/x", "Cookie: gw="+v+"\r\n") }},
		{name: "a page of the other's", takes: "a session of the other's", opens: 200, shut: 302, arrives: "/x",
			request: func(v string) string { return get(s.rival, "/x", "Cookie: gw="+v+"\r\n") }},
		{name: "a program's page", takes: "a service token", opens: 200, shut: barred, arrives: "/cron/x",
			request: func(v string) string { return get(s.host, "/cron/x", bearer(v)) }},
		{name: "a program's page, by password", takes: "a service token", opens: 200, shut: barred, arrives: "/cron/x",
			request: func(v string) string {
				return get(s.host, "/cron/x", "Authorization: Basic "+base64.StdEncoding.EncodeToString([]byte("cron:"+v))+"\r\n")
			}},
		{name: "notifications", takes: "a webhook's token", opens: 200, shut: barred,
			request: func(v string) string { return send(s.host, "/.gateway"+note, bearer(v), "to=U0PAUL&text=x") }},
		{name: "notifications, inside", takes: "a webhook's token", to: s.p.private.addr(), opens: 200, shut: barred,
			request: func(v string) string {
				return send("127.0.0.1", "/routes/"+customers[0].Host+note, bearer(v), "to=U0PAUL&text=x")
			}},
		{name: "notifications of the other's", takes: "a webhook's token of the other's", opens: 200, shut: barred,
			request: func(v string) string { return send(s.rival, "/.gateway"+note, bearer(v), "to=U0YANN&text=x") }},
		{name: "Slack's Web API", takes: "a webhook's token", opens: 200, shut: 200, opened: `"ok":true`,
			request: func(v string) string { return send(s.host, "/.gateway/slack/api/auth.test", bearer(v), "") }},
		{name: "Slack's Web API, in the form", takes: "a webhook's token", opens: 200, shut: 200, opened: `"ok":true`,
			request: func(v string) string {
				return send(s.host, "/.gateway/slack/api/auth.test", "", "token="+url.QueryEscape(v))
			}},
		{name: "an incoming webhook", takes: "an incoming webhook's token", opens: 200, shut: barred,
			request: func(v string) string {
				return send(s.host, "/.gateway/services/alerts/"+url.PathEscape(v), "", "payload="+url.QueryEscape(`{"text":"x"}`))
			}},
		{name: "a break-glass link", takes: "a break-glass key", opens: 200, shut: 410, request: page(s.host, "/.gateway/break-glass?key=")},
		{name: "a break-glass link of the other's", takes: "a break-glass key of the other's", opens: 200, shut: 410, request: page(s.rival, "/.gateway/break-glass?key=")},
		{name: "a set-up link", takes: "a set-up key", opens: 200, shut: 404, request: page(managed, "/.gateway/setup?key=")},
		{name: "a callback", takes: "a sign-in's state", opens: 302, shut: 400, request: page(s.host, "/.gateway/callback?code=x&state=")},
		{name: "the operators' pages", takes: "an operator's cookie", to: s.p.admin.addr(), opens: 200, shut: 303,
			request: func(v string) string { return get(s.p.admin.addr(), "/ui/", "Cookie: "+s.operatorsCookie(v)+"\r\n") }},
	}
}

// operatorsCookie is the operators' cookie with that value.
func (s *siege) operatorsCookie(value string) string {
	_, port, _ := strings.Cut(s.p.admin.addr(), ":")
	return "gw-admin-" + port + "=" + value
}

// credentials are one of each kind that there is, good at this moment.
func (s *siege) credentials(t *testing.T) []credential {
	t.Helper()
	session := func(r roundTrip, c customer, user string) string {
		set := cookieLine(s.attack(get(r.host, r.picks(t, c, user), r.cookie)))
		return strings.TrimSpace(strings.TrimPrefix(set, "Cookie: gw="))
	}
	glass := func(host, email string) string {
		link, err := s.p.gateway.MakeBreakGlass(t.Context(), gateway.BreakGlass{Host: host, Email: email, For: time.Hour, By: "lea"})
		if err != nil {
			t.Fatal(err)
		}
		_, key, _ := strings.Cut(link.URL.Reveal(), "?key=")
		return key
	}
	setup, err := s.p.gateway.MakeSetup(t.Context(), customers[2].Host, "lea")
	if err != nil {
		t.Fatal(err)
	}
	_, setupKey, _ := strings.Cut(setup.URL.Reveal(), "?key=")
	r := s.begins(t, s.host, get(s.host, "/", ""))
	back, _ := url.Parse(r.picks(t, customers[0], "U0PAUL"))
	_, tab, _ := strings.Cut(strings.TrimSpace(r.cookie), "gw-tab-")
	marie := session(s.begins(t, s.host, get(s.host, "/", "")), customers[0], "U0MARIE")
	held := []credential{
		{"a session", marie},
		{"a session of the other's", session(s.begins(t, s.rival, get(s.rival, "/", "")), customers[1], "U0ANNE")},
		{"a sign-in's state", r.state()}, {"a sign-in's cookie", tab[len("00="):]}, {"Slack's code", back.Query().Get("code")},
		{"a service token", s.cron},
		{"a webhook's token", customers[0].HookToken}, {"a webhook's token of the other's", customers[1].HookToken},
		{"an incoming webhook's token", customers[0].AlertToken},
		{"a break-glass key", glass(customers[0].Host, "paul@agrafmania.fr")}, {"a break-glass key of the other's", glass(customers[1].Host, "yann@editionsduport.fr")},
		{"a set-up key", setupKey},
		{"the bot's token", customers[0].BotToken}, {"the client secret", customers[0].ClientSecret},
		{"the operators' token", operatorsToken},
	}
	s.try(t, try{request: get(s.host, "/x", "Cookie: gw="+marie+"\r\n"), status: 200, arrives: "/x", also: func(t *testing.T, _ *answer, got recorded) {
		held = append(held, credential{"an assertion", got.value("X-Gateway-Assertion")})
	}})
	form := url.Values{"name": {"lea"}, "token": {operatorsToken}}.Encode()
	at := s.p.admin.addr()
	for _, a := range attackAll(t, at, nil, fmt.Sprintf("POST /ui/sign-in HTTP/1.1\r\nHost: %s\r\nOrigin: http://%[1]s\r\nSec-Fetch-Site: same-origin\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s", at, len(form), form), 1) {
		held = append(held, credential{"an operator's cookie", strings.TrimPrefix(strings.TrimSpace(cookieLine(a)), "Cookie: "+s.operatorsCookie(""))})
	}
	return held
}

// operatorsDoor tries the operators' listener with all that others hold, at once:
// whoever is wrong there waits for the answer.
func (s *siege) operatorsDoor(t *testing.T, held []credential) {
	answers := make(chan string)
	for _, c := range held {
		go func() {
			got := c.kind + ": no answer"
			for _, a := range attackAll(t, s.p.admin.addr(), nil, get("127.0.0.1", "/status", "Authorization: Bearer "+c.value+"\r\n"), 1) {
				got = fmt.Sprintf("%s: %d", c.kind, a.StatusCode)
			}
			answers <- got
		}()
	}
	for range held {
		got := <-answers
		if want := ": 401"; !strings.HasSuffix(got, want) && got != "the operators' token: 200" {
			t.Errorf("%s, want%s", got, want)
		}
	}
}
