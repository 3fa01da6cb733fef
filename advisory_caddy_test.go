package main

import (
	"strings"
	"testing"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
)

// TestAdvisoryCaddy is what broke Caddy, before the app and as the one that asks
// by forward auth. The policy of these routes does not tell cases apart, and Paul
// has no name.
func TestAdvisoryCaddy(t *testing.T) {
	t.Parallel()
	s := besiege(t, func(config string) string {
		return "trusted_proxies: [127.0.0.1/32]\n" + strings.ReplaceAll(config, "    login: {}\n", "    login: {}\n    case_insensitive: true\n")
	})
	if err := s.slack.SetUsergroup(customers[0].Team, slacksim.Usergroup{ID: "S0AADMINS", Handle: "cocoom-admins", Name: "Cocoom admins", Members: []string{"U0INES"}}); err != nil {
		t.Fatal(err)
	}
	marie := "Cookie: " + s.cookie("U0MARIE") + "\r\n"
	s.absentHeaders(t, marie)
	s.remoteNames(t, marie)
	s.casesOfPaths(t, marie)
}

// absentHeaders: what there is nothing to say of is not what the client says of it.
func (s *siege) absentHeaders(t *testing.T, marie string) {
	forged := headerLines("forged", identityHeaders...)
	private := s.p.private.addr()
	token := "Authorization: Bearer " + s.cron + "\r\n"
	without := func(name string) func(*testing.T, *answer, recorded) {
		return func(t *testing.T, a *answer, got recorded) {
			if unforged(t, a, got); got.value(name) != "" {
				t.Errorf("the app got %s: %q", name, got.value(name))
			}
		}
	}
	s.row(t, "CVE-2026-30851 an absent identity header is absent", advisory{
		refused: tries{
			"nobody":               {request: get(s.host, "/x", forged), status: 302},
			"nobody, forward auth": {request: asks(authNginx, s.host, "/x", forged), to: private, status: 401, also: tells("")},
		},
		honest: tries{
			"a member":               {request: get(s.host, "/x", marie), status: 200, arrives: "/x", also: s.knows("U0MARIE")},
			"a member, forward auth": {request: asks(authAny, s.host, "/x", marie), to: private, status: 200, also: tells("U0MARIE")},
		},
		forged: tries{
			"a member in no group":        {request: get(s.host, "/x", marie+forged), status: 200, arrives: "/x", also: without("X-Forwarded-Groups")},
			"no header at all, public":    {request: get(s.host, "/public/x", forged), status: 200, arrives: "/public/x", also: s.knows("")},
			"a program":                   {request: get(s.host, "/cron/x", token+forged), status: 200, arrives: "/cron/x", also: s.knows("")},
			"a cookie that is none":       {request: get(s.host, "/public/x", "Cookie: gw=forged\r\n"+forged), status: 200, arrives: "/public/x", also: s.knows("")},
			"the other customer's cookie": {request: get(s.rival, "/public/x", marie+forged), status: 200, arrives: "/public/x", also: without("X-Forwarded-User")},
			"public, forward auth":        {request: asks(authAny, s.host, "/public/x", forged), to: private, status: 200, also: tells("")},
			"public, nginx":               {request: asks(authNginx, s.host, "/public/x", forged), to: private, status: 200, also: tells("")},
			"a program, forward auth":     {request: asks(authAny, s.host, "/cron/x", token+forged), to: private, status: 200, also: tells("")},
			"empty values":                {request: get(s.host, "/public/x", headerLines("", identityHeaders...)), status: 200, arrives: "/public/x", also: s.knows("")},
			"trailers":                    {request: "POST /public/x HTTP/1.1\r\nHost: " + s.host + "\r\nTrailer: X-Forwarded-User\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-Forwarded-User: forged\r\n\r\n", status: 200, arrives: "/public/x", also: s.knows("")},
		},
	})
}

// remoteNames: PHP has HTTP_REMOTE_USER of each of these, and FastCGI's REMOTE_USER
// is one sign away.
func (s *siege) remoteNames(t *testing.T, marie string) {
	var forged strings.Builder
	for _, name := range []string{"Remote-User", "Remote-Groups", "Remote-Email", "Remote-Name", "Remote-Addr", "X-Remote-User", "X-Authenticated-User", "X-Webauth-User", "Auth-User", "X-Auth-Request-Email"} {
		for _, sign := range []string{"-", "_", ".", "~", "!"} {
			forged.WriteString(headerLines("forged", strings.ReplaceAll(name, "-", sign), strings.ToLower(strings.Replace(name, "-", sign, 1)), strings.ToUpper(strings.ReplaceAll(name, "-", sign))))
		}
	}
	s.row(t, "CVE-2026-52845 Remote_Groups and Remote.User are PHP's REMOTE_USER", advisory{
		refused: tries{"nobody": {request: get(s.host, "/x", forged.String()), status: 302}},
		honest:  tries{"a member": {request: get(s.host, "/x", marie), status: 200, arrives: "/x", also: s.knows("U0MARIE")}},
		forged: tries{
			"a member":      {request: get(s.host, "/x", marie+forged.String()), status: 200, arrives: "/x", also: s.knows("U0MARIE")},
			"a public page": {request: get(s.host, "/public/x", forged.String()), status: 200, arrives: "/public/x", also: s.knows("")},
		},
	})
}

// casesOfPaths: one rule for all spellings of host and path; the app gets the case
// that was asked for.
func (s *siege) casesOfPaths(t *testing.T, marie string) {
	secret := []string{"/admin/secret", "/Admin/Secret", "/ADMIN/SECRET", "/%41dmin/secret", "/admin/%53ecret", "/aDMIN//secret", "/PUBLIC/../ADMIN/SECRET"}
	own := []string{"/.Gateway/me", "/.GATEWAY/", "/.gatewaY/login", "//.GateWay/me", "/.GATEWAY;x/me", "/%2eGATEWAY/me", "/PUBLIC/../.GATEWAY/me"}
	hosts := []string{s.host, strings.ToUpper(s.host), strings.Replace(s.host, "a", "A", 1)}
	at := func(cookie string) tries {
		out := tries{}
		for _, host := range hosts {
			for _, target := range secret {
				out[host+target] = try{request: get(host, target, cookie), status: 403}
			}
			for _, target := range own { // never the app's, whatever server it runs on
				out[host+target] = try{request: get(host, target, cookie), status: 404}
			}
		}
		return out
	}
	s.row(t, "CVE-2026-27588 CVE-2026-27587 host and path in another case", advisory{
		refused: at(""),
		honest: tries{
			"a public page":   {request: get(hosts[1], "/PUBLIC/Logo.PNG", ""), status: 200, arrives: "/PUBLIC/Logo.PNG"},
			"a member's page": {request: get(hosts[1], "/Dossiers", marie), status: 200, arrives: "/Dossiers"},
			"a program's":     {request: get(hosts[2], "/CRON/x", "Authorization: Bearer "+s.cron+"\r\n"), status: 200, arrives: "/CRON/x"},
		},
		forged: at(marie),
	})
}
