package main

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
)

// TestAdvisoryAuthelia is what broke Authelia. Behind the first customer's host
// there is besides a page for a network and one for a usergroup.
func TestAdvisoryAuthelia(t *testing.T) {
	t.Parallel()
	s := besiege(t, func(config string) string {
		config = strings.ReplaceAll(config, "      - {path: /public/**", "      - {path: /inside/**, allow: {cidrs: [192.0.2.7/32]}}\n      - {path: /groups/**, allow: {usergroups: [cocoom-admins]}}\n      - {path: /public/**")
		config = strings.Replace(config, "bot_token: "+customers[0].BotToken, "bot_token: "+customers[0].BotToken+", signing_secret: "+customers[0].SigningSecret, 1)
		return "trusted_proxies: [127.0.0.1/32]\n" + config + "  - host: kiosk.localhost\n    upstream: http://127.0.0.1:9\n    workspace: T0KIOSK001\n    slack_app: {client_id: \"1.2\", client_secret: kiosk-secret}\n    login: {guests: allow}\n    policy: [{path: /public/**, allow: public}]\n"
	})
	marie := "Cookie: " + s.cookie("U0MARIE") + "\r\n"
	s.malformed(t, marie)
	s.redirectsByQuery(t, marie)
	s.addressForms(t)
	s.hostSpellings(t, marie)
	for where := range s.placesOfMarkup() {
		s.reflects(t, "CVE-2026-33525 markup in "+where, where, marie)
	}
	s.shownNames(t)
	s.groupChange(t, marie)
}

func (s *siege) malformed(t *testing.T, marie string) {
	private := s.p.private.addr()
	refused := func(cookie string) tries {
		out := tries{}
		for _, uri := range []string{"", "%", "?x=/public/", "*", "public/x", ":80/public/x", "/%", "/public/%", "/public/%2", "/public/%zz", "/%zz/../public/x",
			"http://%zz/public/x", "http://[::1/public/x", "http:/public/x", "http:///public/x", "mailto:/public/x", "//user@evil.example:x\\/public/x",
			"/public/x y", "/public/x /admin/secret", "/public/x\t", "/public/a\tb", "/public/x#", "/public/..;/x", "/public/%00", "/public/%0d%0aX: y", "/public/%5cx"} {
			for path, status := range map[string]int{authAny: 400, authNginx: 403} {
				also := tells("")
				if strings.TrimSpace(uri) != uri {
					continue // what stands around a header's value is no part of it
				}
				out[path+" "+uri] = try{request: asks(path, s.host, uri, cookie), to: private, status: status, also: also}
			}
		}
		for _, target := range []string{"/%", "/public/%2", "/public/%zz", "//[/../%", "?x", "public/x", "http://%zz/public/x", "/public/x y", "/public/%00", "/public/%5cx", "/public/..;/x", "/../public/x"} {
			out["GET "+target] = try{request: get(s.host, target, cookie), status: 400}
		}
		return out
	}
	s.row(t, "CVE-2021-32637 an address that cannot be read is refused", advisory{
		refused: refused(""),
		honest: tries{
			"a public page":             {request: asks(authAny, s.host, "/public/x?50%&y", ""), to: private, status: 200, also: tells("")},
			"a member's page":           {request: asks(authAny, s.host, "/x", marie), to: private, status: 200, also: tells("U0MARIE")},
			"a member's page, by nginx": {request: asks(authNginx, s.host, "/x", marie), to: private, status: 200, also: tells("U0MARIE")},
			"nobody's page":             {request: asks(authAny, s.host, "/x", ""), to: private, status: 302, also: tells("")},
			"nobody's page, by nginx":   {request: asks(authNginx, s.host, "/x", ""), to: private, status: 401, also: tells("")},
		},
		forged: refused(marie),
	})
}

func (s *siege) redirectsByQuery(t *testing.T, marie string) {
	pages := map[string][2]int{"/.gateway/login": {302, 302}, "/.gateway/sign-out": {303, 200}, "/.gateway/signed-out": {200, 200},
		"/.gateway/callback": {400, 400}, "/.gateway/": {302, 200}, "/.gateway/form": {410, 410}, "/.gateway/break-glass": {410, 410}}
	elsewhere := []string{"https://evil.example/", "//evil.example/", `/\evil.example/`, `\\evil.example`, "/\t/evil.example", "https:evil.example", "http://" + s.host + "@evil.example/", "javascript:evil.example"}
	with := func(cookie string, at int) tries {
		out := tries{}
		for page, status := range pages {
			for _, to := range elsewhere {
				query := url.Values{}
				for _, name := range []string{"to", "rd", "redirect", "redirect_uri", "redirect_url", "return", "next", "url", "target", "again", "state"} {
					query.Set(name, to)
				}
				out[page+" "+to] = try{request: get(s.host, page+"?"+query.Encode(), cookie+"Referer: "+strings.ReplaceAll(to, "\t", "")+"\r\n"), status: status[at],
					also: func(t *testing.T, a *answer, _ recorded) {
						if a != nil && strings.Contains(a.body, "evil.example") {
							t.Error("the page names the address")
						}
					}}
			}
		}
		return out
	}
	s.row(t, "CVE-2021-29456 no query leads elsewhere", advisory{
		refused: with("", 0),
		honest: tries{"an own page": {request: get(s.host, "/.gateway/login?to=%2Fdossiers%2F12%3Fa", marie), status: 302, also: func(t *testing.T, a *answer, _ recorded) {
			if to := a.Header.Get("Location"); to != s.origin+"/dossiers/12?a" {
				t.Errorf("led to %q", to)
			}
		}}},
		forged: with(marie, 1),
	})
	for _, to := range elsewhere { // through Slack, to the end
		m := s.browser(s.p)
		at := m.ask("GET", s.origin+"/.gateway/login?to="+url.QueryEscape(to), nil).Request.URL.String()
		if end := m.ask("POST", at, url.Values{"person": {customers[0].Team + ":U0PAUL"}}).Request.URL; end.Host != s.host {
			t.Errorf("CVE-2021-29456: signing in for %q ended at %s", to, end)
		}
	}
}

// addressForms: nobody types a user name here; what is decided by a client is
// decided by their address, of which there is one form.
func (s *siege) addressForms(t *testing.T) {
	from := func(status int, arrives string) func(string) try {
		return func(address string) try {
			return try{request: get(s.host, "/inside/x", "X-Forwarded-For: "+address+"\r\n"), status: status, arrives: arrives}
		}
	}
	s.row(t, "CVE-2025-24806 CVE-2026-47203 an address has one form", advisory{
		honest: each([]string{"192.0.2.7", "::ffff:192.0.2.7", "192.0.2.7:4711", "[::ffff:192.0.2.7]:4711", "::FFFF:C000:0207", "198.51.100.1, 192.0.2.7"}, from(200, "/inside/x")),
		forged: each([]string{"192.0.2.8", "192.0.2.07", "192.0.2.7 198.51.100.1", "192.0.2.7, 198.51.100.1", "::192.0.2.7", "0300.0.2.7", "3221225991", "0xc0000207", "192.0.2.7%lo",
			"::ffff:192.0.2.7%lo", "[192.0.2.7]", "\"192.0.2.7\"", "192.0.2.7;", "for=192.0.2.7", ",", "unknown", "192.0.2.7, "}, from(403, "")),
	})
}

func (s *siege) hostSpellings(t *testing.T, marie string) {
	name, _, _ := strings.Cut(s.host, ":")
	same := []string{name, s.host, strings.ToUpper(s.host), "AGRAFMANIA.localhost.", name + ":", name + ".:443", name + ":1"}
	foreign := []string{"bad" + name, "x." + name, name + "..", "." + name, name + ":x", name + ":80:80", name + ".evil.example", "evil.example:" + name, name + "%2e", name + "%00", "*." + name, "*", "localhost", "127.0.0.1", "[::1]"}
	private := s.p.private.addr()
	spelled := func(hosts []string, cookie, target string, status, nginx int, arrives string) tries {
		out := each(hosts, func(h string) try {
			return try{request: get(h, target, cookie), status: status, arrives: arrives, also: func(t *testing.T, a *answer, got recorded) {
				if arrives != "" && got.value("Host") != s.host {
					t.Errorf("the app got Host %q", got.value("Host"))
				}
			}}
		})
		for _, h := range hosts {
			if h != "*" && !strings.Contains(h, "%") && !strings.HasSuffix(h, ":x") && !strings.HasSuffix(h, ":80:80") && !strings.Contains(h, ":agraf") { // which no URL can have
				out["absolute "+h] = try{request: get(s.rival, "http://"+h+target, cookie), status: status, arrives: arrives}
			}
			out["asked about "+h] = try{request: asks(authNginx, h, target, cookie), to: private, status: nginx}
		}
		return out
	}
	ping := func(host string, status int) try {
		return try{request: "POST /routes/" + host + "/v1/ping HTTP/1.1\r\nHost: gateway\r\nContent-Length: 0\r\nAuthorization: Bearer " + customers[0].HookToken + "\r\n\r\n", to: private, status: status}
	}
	s.row(t, "CVE-2026-48794 a host in any spelling is the same host", advisory{
		refused: spelled(same, "", "/x", 302, 401, ""),
		honest: spelled(same, marie, "/x", 200, 200, "/x").and(each(same, func(h string) try { return ping(h, 200) }),
			tries{"a k": {request: asks(authNginx, "Kiosk.localhost", "/public/x", ""), to: private, status: 200}}),
		forged: spelled(same, marie, "/admin/secret", 403, 403, "").and(spelled(foreign, marie, "/x", 421, 403, ""), tries{
			"no host":            {request: "GET /x HTTP/1.1\r\n" + marie + "\r\n", status: 400},
			"an empty host":      {request: get("", "/x", marie), status: 421},
			"two hosts":          {request: get(s.host, "/x", "Host: "+s.rival+"\r\n"+marie), status: 400},
			"two hosts in one":   {request: get(s.host+","+s.rival, "/x", marie), status: 421},
			"with a user":        {request: get("x@"+name, "/x", marie), status: 400},
			"a space":            {request: get(name+" evil.example", "/x", marie), status: 400},
			"the other's host":   {request: get(strings.ToUpper(s.rival), "/x", marie), status: 302},
			"the other's hook":   ping(strings.ToUpper(strings.Split(s.rival, ":")[0]), 403),
			"no route of a hook": ping(name+"%2f..", 404),
			"the sign of kelvin": {request: asks(authNginx, "\u212Aiosk.localhost", "/public/x", ""), to: private, status: 403}, // whose lower case is k
		}),
	})
}

// groupChange: who leaves a usergroup is out when Slack says so, at the latest
// when everybody is asked about again: TestUsergroups (gateway) proves that bound
// by a clock of its own.
func (s *siege) groupChange(t *testing.T, marie string) {
	if err := s.slack.SetUsergroup(customers[0].Team, slacksim.Usergroup{ID: "S0AADMINS", Handle: "cocoom-admins", Name: "Cocoom admins", Members: []string{"U0PAUL"}}); err != nil {
		t.Fatal(err)
	}
	body := fmt.Sprintf(`{"type":"event_callback","event_id":"Ev0GROUPS","team_id":%q,"api_app_id":%q,"event":{"type":"subteam_members_changed","subteam_id":"S0AADMINS"}}`, customers[0].Team, customers[0].AppID)
	event := func(secret string) string {
		h := slacksim.Sign(secret, time.Now().Unix(), []byte(body))
		return fmt.Sprintf("POST /.gateway/slack/events HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nX-Slack-Request-Timestamp: %s\r\nX-Slack-Signature: %s\r\n\r\n%s",
			s.host, len(body), h.Get("X-Slack-Request-Timestamp"), h.Get("X-Slack-Signature"), body)
	}
	page := get(s.host, "/groups/x", marie)
	s.row(t, "GHSA-x883-2vmg-xwf7 who leaves a usergroup is out within seconds", advisory{
		refused: tries{"nobody": {request: get(s.host, "/groups/x", ""), status: 302}},
		honest:  tries{"a member of it": {request: page, status: 200, arrives: "/groups/x"}},
		forged:  tries{"an event of another's": {request: event(customers[1].SigningSecret), status: 401}, "still in force": {request: page, status: 200, arrives: "/groups/x"}},
	})
	begun := time.Now()
	if a := s.attack(event(customers[0].SigningSecret)); a == nil || a.StatusCode != 200 {
		t.Fatalf("GHSA-x883-2vmg-xwf7: the event was answered %v", a)
	}
	for s.attack(page).StatusCode != 403 {
		if time.Since(begun) > 10*time.Second {
			t.Fatal("GHSA-x883-2vmg-xwf7: who left the usergroup still passes after 10 s")
		}
		time.Sleep(100 * time.Millisecond)
	}
}
