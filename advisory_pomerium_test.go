package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/configs"
	"github.com/cocoom/cocoom-gateway/internal/slacksim"
)

// TestAdvisoryPomerium: who may do what is decided for each request, about the
// route that serves it and by what is known now; and nothing that the gateway
// signs or seals is believed elsewhere, or shown to anybody.
func TestAdvisoryPomerium(t *testing.T) {
	t.Parallel()
	s := besiege(t, func(config string) string {
		i := strings.LastIndex(config, "      - {path: /public/**")
		config = config[:i] + "      - {path: /open/**, allow: public}\n" + config[i:]
		return strings.Replace(config, "slack_app: {", "slack_app: {signing_secret: "+customers[0].SigningSecret+", ", 1)
	})
	marie := "Cookie: " + s.cookie("U0MARIE") + "\r\n"
	s.row(t, "CVE-2021-29651 CVE-2021-29652 an address that nobody signed", s.unsigned(t, marie))
	s.row(t, "CVE-2021-41230 what has changed since the sign-in", advisory{more: map[string]func(*testing.T){
		"refused when forged, deactivated since":      s.deactivatedSince,
		"refused when forged, the policy has changed": s.changedSince,
	}})
	s.row(t, "CVE-2021-39206 a path that begins with a public one, a header that stands twice", prefixes(s, marie))
	s.row(t, "CVE-2022-24797 profiles and metrics", profiles(s, marie))
	s.row(t, "CVE-2023-33189 a route other than the one that serves", twoHosts(s, marie))
	s.row(t, "CVE-2024-39315 tokens on our own pages", ownPages(s, marie))
}

// unsigned are internal addresses with what another than the gateway has made, or
// the gateway for something else.
func (s *siege) unsigned(t *testing.T, marie string) advisory {
	t.Helper()
	const page = "/.gateway/callback?code=x&state="
	session := strings.TrimSuffix(strings.TrimPrefix(marie, "Cookie: gw="), "\r\n")
	silent := func(t *testing.T, a *answer, _ recorded) {
		if all := fmt.Sprint(a.Header, a.body); strings.Contains(all, session) || strings.Contains(all, "eyJ") {
			t.Errorf("a session or a token goes along: %s", all)
		}
	}
	plain := base64.RawURLEncoding.EncodeToString([]byte(`{"i":0,"b":"","n":"x","r":"//evil.example","t":4000000000}`))
	state := s.begins(t, s.host, get(s.host, "/x?y=1", "")).state()
	rival := s.begins(t, s.rival, get(s.rival, "/x", "")).state()
	row := advisory{
		refused: tries{
			"Slack's events":     {request: "POST /.gateway/slack/events HTTP/1.1\r\nHost: " + s.host + "\r\nContent-Length: 2\r\n\r\n{}", status: 401},
			"a break-glass link": {request: get(s.host, "/.gateway/break-glass?key="+plain, ""), status: 410},
			"a set-up link":      {request: get(s.host, "/.gateway/setup?key="+plain, ""), status: 404},
			"a kept form":        {request: get(s.host, "/.gateway/form?id="+plain, "Cookie: gw-form-"+plain+"=x\r\n"), status: 410},
			"a session":          {request: get(s.host, "/x", "Cookie: gw="+plain+"\r\n"), status: 302, also: silent},
		},
		honest: tries{
			"its own state":    {request: get(s.host, page+state, marie), status: 302, also: silent},
			"its own, to come": {request: get(s.host, "/.gateway/login?again="+state, marie), status: 302, also: silent},
		},
		forged: tries{},
	}
	for name, forged := range map[string]string{"made up": plain, "empty": "", "of another route": rival, "a session's": session, "signed and not sealed": "eyJhbGciOiJub25lIn0." + plain + ".", "cut short": state[:len(state)-1]} {
		row.refused["a state, "+name] = try{request: get(s.host, page+forged, ""), status: 400, also: silent}
		row.forged["a state, "+name] = try{request: get(s.host, page+forged, marie), status: 400, also: silent}
		row.refused["the way again, "+name] = try{request: get(s.host, "/.gateway/login?again="+forged, ""), status: 302, also: silent}
	}
	row.forged["a state as a session"] = try{request: get(s.host, "/x", "Cookie: gw="+state+"\r\n"), status: 302, also: silent}
	return row
}

// deactivatedSince: who is deactivated at Slack is out with Slack's word, and only
// with Slack's.
func (s *siege) deactivatedSince(t *testing.T) {
	ines := "Cookie: " + s.cookie("U0INES") + "\r\n"
	event := fmt.Sprintf(`{"type":"event_callback","team_id":%q,"event_id":"Ev1","event_time":%d,"event":{"type":"user_change","user":{"id":"U0INES","team_id":%[1]q,"deleted":true}}}`, customers[0].Team, time.Now().Unix())
	told := func(secret string) string {
		h := slacksim.Sign(secret, time.Now().Unix(), []byte(event))
		return fmt.Sprintf("POST /.gateway/slack/events HTTP/1.1\r\nHost: %s\r\nX-Slack-Request-Timestamp: %s\r\nX-Slack-Signature: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
			s.host, h.Get("X-Slack-Request-Timestamp"), h.Get("X-Slack-Signature"), len(event), event)
	}
	s.try(t, try{request: told(customers[1].SigningSecret), status: 401})
	s.try(t, try{request: get(s.host, "/x", ines), status: 200, arrives: "/x"})
	s.try(t, try{request: told(customers[0].SigningSecret), status: 200})
	s.try(t, try{request: get(s.host, "/x", ines), status: barred})
}

// changedSince: another configuration holds for the sessions that there are.
func (s *siege) changedSince(t *testing.T) {
	paul := "Cookie: " + s.cookie("U0PAUL") + "\r\n"
	before := s.config
	apply := func(config string) {
		t.Helper()
		s.config = config
		cfg, err := configs.Load(s.file("0"), os.Getenv)
		if err == nil {
			err = s.p.apply(context.WithoutCancel(t.Context()), cfg)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	defer apply(before)
	const members = "      - {path: /**, allow: members}\n"
	for name, row := range map[string]struct {
		from, to string
		status   int
	}{
		"a narrower rule":   {members, "      - {path: /**, allow: {emails: [marie@agrafmania.fr]}}\n", 403},
		"a wider rule":      {members, "      - {path: /**, allow: {emails: [paul@agrafmania.fr]}}\n", 200},
		"no rule":           {members, "", 403},
		"another workspace": {"workspace: " + customers[0].Team, "workspace: T0ELSEWHERE", 302},
		"a shorter life":    {"public_scheme:", "session: {lifetime: 5m, idle: 1m}\npublic_scheme:", 200},
	} {
		t.Run(name, func(t *testing.T) {
			apply(before)
			s.try(t, try{request: get(s.host, "/x", paul), status: 200, arrives: "/x"})
			apply(strings.Replace(before, row.from, row.to, 1))
			one := try{request: get(s.host, "/x", paul), status: row.status}
			if row.status == 200 {
				one.arrives = "/x"
			}
			s.try(t, one)
		})
	}
}

// prefixes: a rule for what is beneath a path holds for that, and no header that
// stands twice has two meanings.
func prefixes(s *siege, marie string) advisory {
	bearer := "Authorization: Bearer " + s.cron + "\r\n"
	row := advisory{
		refused: tries{
			"an encoded slash":     {request: get(s.host, "/public%2f..%2fprivate", ""), status: 400},
			"an encoded backslash": {request: get(s.host, "/public%5c..%5cprivate", ""), status: 400},
			"a backslash":          {request: get(s.host, `/public/..\private`, ""), status: 400},
			"dots with parameters": {request: get(s.host, "/public/..;/private", ""), status: 400},
			"two hosts":            {request: get(s.rival, "/open/x", "Host: "+s.host+"\r\n"), status: 400},
		},
		honest: tries{
			"beneath":        {request: get(s.host, "/public/a/../b", ""), status: 200, arrives: "/public/b"},
			"two headers":    {request: get(s.host, "/public/x", "Accept-Language: fr\r\nAccept-Language: en\r\n"), status: 200, arrives: "/public/x"},
			"one token":      {request: get(s.host, "/cron/x", bearer), status: 200, arrives: "/cron/x"},
			"a member's own": {request: get(s.host, "/public/../private", marie), status: 200, arrives: "/private"},
		},
		forged: tries{
			"two tokens":            {request: get(s.host, "/cron/x", bearer+bearer), status: 401},
			"a token and a name":    {request: get(s.host, "/cron/x", bearer+"Authorization: Basic Y3JvbjpjZ3NfeA==\r\n"), status: 401},
			"a token in a list":     {request: get(s.host, "/cron/x", "Authorization: Bearer "+s.cron+", Bearer x\r\n"), status: 401},
			"out of a token's path": {request: get(s.host, "/cron/../private", bearer), status: 403},
			"another's session":     {request: get(s.host, "/private", "Cookie: a=b; gw=x\r\n"+marie), status: 302},
		},
	}
	for _, path := range []string{"/publicity", "/public.evil/x", "/PUBLIC/x", "/public../x", "/public/../private", "/public/%2e%2e/private", "/public/./../private", "/public/.%2e/private", "/x/public/x", "/%70ublic/../private", "/publi%63/../private", "/public%20/x", "/public%00/x"} {
		status := 302
		if strings.Contains(path, "%00") {
			status = 400
		}
		row.refused[path] = try{request: get(s.host, path, ""), status: status}
	}
	return row
}

// profiles: what tells of the process is on the operators' listener alone, and
// there for whoever is on this machine.
func profiles(s *siege, marie string) advisory {
	row := advisory{refused: tries{}, forged: tries{}, honest: tries{
		"metrics":            {to: s.p.admin.addr(), request: get("127.0.0.1", "/metrics", ""), status: 200},
		"the app's own page": {request: get(s.host, "/metrics", marie), status: 200, arrives: "/metrics"},
	}}
	for _, path := range []string{"/debug/pprof/", "/debug/pprof/cmdline", "/debug/pprof/heap", "/debug/vars", "/debug/requests", "/metrics", "/status", "/configuration", "/sessions", "/keys", "/ui/", "/audit"} {
		row.refused["public "+path] = try{request: get(s.host, path, ""), status: 302}
		row.refused["public, ours "+path] = try{request: get(s.host, "/.gateway"+path, ""), status: 404}
		row.refused["private "+path] = try{to: s.p.private.addr(), request: get("127.0.0.1", path, ""), status: 404}
		row.forged["by another name "+path] = try{to: s.p.admin.addr(), request: get("evil.example", path, ""), status: barred}
		row.forged["from another's page "+path] = try{to: s.p.admin.addr(), request: get("127.0.0.1", path, "Origin: http://evil.example\r\nSec-Fetch-Site: cross-site\r\n"), status: barred}
	}
	for path := range row.forged {
		if strings.HasSuffix(path, "/ui/") { // its own tests know what it refuses: a page may be opened by a link
			delete(row.forged, path)
		}
	}
	for _, path := range []string{"/debug/pprof/", "/debug/pprof/heap", "/debug/vars"} {
		row.refused["operators' "+path] = try{to: s.p.admin.addr(), request: get("127.0.0.1", path, ""), status: 404}
	}
	return row
}

// twoHosts: the same path is public on the second host and for members on the
// first. Whichever of the two a request is taken to be for, it goes there.
func twoHosts(s *siege, marie string) advisory {
	at := func(line, host, more string) string {
		return strings.Replace(get(host, "TARGET", more), "TARGET", line, 1)
	}
	toRival := func(t *testing.T, _ *answer, got recorded) {
		if host := got.value("Host"); host != s.rival || got.value("X-Forwarded-User") != "" {
			t.Errorf("it went to %s", host)
		}
	}
	return advisory{
		refused: tries{
			"a whole address":           {request: at("http://"+s.host+"/open/x", s.rival, ""), status: 302},
			"another's in the path":     {request: get(s.host, "//"+s.rival+"/open/x", ""), status: 302},
			"another's as a header":     {request: get(s.host, "/open/x", "X-Forwarded-Host: "+s.rival+"\r\nX-Host: "+s.rival+"\r\nForwarded: host="+s.rival+"\r\n"), status: 302},
			"another's as userinfo":     {request: at("http://"+s.rival+"@"+s.host+"/open/x", s.rival, ""), status: barred},
			"userinfo of the other":     {request: at("http://x:y@"+s.host+"/open/x", s.rival, ""), status: barred},
			"a backslash in it":         {request: at(`http://`+s.host+`\@`+s.rival+"/open/x", s.rival, ""), status: 400},
			"a name with a slash in it": {request: at("http://"+s.host+"%2f"+s.rival+"/open/x", s.rival, ""), status: barred},
			"without a host":            {request: at("http:/open/x", s.host, ""), status: barred},
			"with no path":              {request: at("http:open/x", s.host, ""), status: 400},
			"an empty host":             {request: at("http:///open/x", s.host, ""), status: barred},
			"a host that is none":       {request: get("", "/open/x", ""), status: 421},
			"HTTP/1.0 without one":      {request: "GET /open/x HTTP/1.0\r\n\r\n", status: 421},
			"a host in another scheme":  {request: at("ftp://"+s.host+"/open/x", s.rival, ""), status: 302},
		},
		honest: tries{
			"public there":         {request: get(s.rival, "/open/x", ""), status: 200, arrives: "/open/x", also: toRival},
			"a member's":           {request: get(s.host, "/open/x", marie), status: 200, arrives: "/open/x"},
			"a whole address":      {request: at("http://"+s.rival+"/open/x", s.host, ""), status: 200, arrives: "/open/x", also: toRival},
			"with another's login": {request: get(s.rival, "/open/x", marie), status: 200, arrives: "/open/x", also: toRival},
		},
		forged: tries{
			"a session of the other":       {request: get(s.rival, "/x", marie), status: 302},
			"a whole address of the other": {request: at("http://"+s.rival+"/x", s.host, marie), status: 302},
		},
	}
}

// ownPages: our pages, which know who is signed in, show nothing to sign in with.
func ownPages(s *siege, marie string) advisory {
	session := strings.TrimSuffix(strings.TrimPrefix(marie, "Cookie: gw="), "\r\n")
	silent := func(t *testing.T, a *answer, _ recorded) {
		for _, token := range []string{session, "eyJ", "xox", "cgs_", "cgh_"} {
			if strings.Contains(a.body, token) {
				t.Errorf("%.12q… stands on the page", token)
			}
		}
	}
	known := func(t *testing.T, a *answer, r recorded) {
		silent(t, a, r)
		if !strings.Contains(a.body, "marie@agrafmania.fr") {
			t.Errorf("the page does not know her: %s", a.body)
		}
	}
	trace := func(method string) try {
		return try{request: strings.Replace(get(s.host, "/x", marie), "GET", method, 1), status: 501, also: silent}
	}
	return advisory{
		refused: tries{
			"the account": {request: get(s.host, "/.gateway/", ""), status: 302, also: silent},
			"who it is":   {request: get(s.host, "/.gateway/me", ""), status: 401, also: silent},
		},
		honest: tries{
			"the account": {request: get(s.host, "/.gateway/", marie), status: 200, also: known},
			"who it is":   {request: get(s.host, "/.gateway/me", marie), status: 200, also: known},
			"the way out": {request: get(s.host, "/.gateway/sign-out", marie), status: 200, also: silent},
			"a refusal":   {request: get(s.host, "/admin/secret", marie), status: 403, also: silent},
			"our keys":    {request: get(s.host, "/.gateway/jwks.json", marie), status: 200, also: func(t *testing.T, a *answer, r recorded) { silent(t, a, r); public(t, a) }},
		},
		forged: tries{
			"on another route": {request: get(s.rival, "/.gateway/me", marie), status: 401, also: silent},
			// These have an app send back the request as it got it, with our assertion.
			"TRACE": trace("TRACE"), "TRACK": trace("TRACK"),
		},
	}
}

// public fails for a key with a private part (RFC 7518, section 6).
func public(t *testing.T, a *answer) {
	t.Helper()
	for _, part := range []string{`"d"`, `"k"`, `"p"`, `"oct"`} {
		if strings.Contains(a.body, part) {
			t.Errorf("the keys have the member %s", part)
		}
	}
}
