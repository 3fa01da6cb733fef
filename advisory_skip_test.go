package main

import (
	"fmt"
	"strings"
	"testing"
)

// TestAdvisoryOAuth2ProxySkip: nothing about a request but its own path makes a
// page public, or somebody of nobody. No proxy is trusted.
func TestAdvisoryOAuth2ProxySkip(t *testing.T) {
	t.Parallel()
	s := besiege(t, func(config string) string {
		return strings.Replace(config, "      - {path: /cron/**", "      - {path: /inside/*, allow: {cidrs: [127.0.0.0/8, \"::1/128\", 192.0.2.0/24]}}\n      - {path: /cron/**", 1)
	})
	marie := "Cookie: " + s.cookie("U0MARIE") + "\r\n"
	s.row(t, "CVE-2025-54576 a public path in the query", advisory{
		refused: tries{
			"as a value":       {request: get(s.host, "/private?x=/public/", ""), status: 302},
			"alone":            {request: get(s.host, "/private?/public/x", ""), status: 302},
			"with line breaks": {request: get(s.host, "/private?x=%0a/public/x", ""), status: 302},
			"as the path":      {request: get(s.host, "/private%3F/public/x", ""), status: 302},
			"as a parameter":   {request: get(s.host, "/private;/public/x", ""), status: 302},
			"before the path":  {request: get(s.host, "/?/../public/x", ""), status: 302},
			"as userinfo":      {request: get(s.host, "/private@/public/x", ""), status: 302},
		},
		honest: tries{"a private path in the query": {request: get(s.host, "/public/x?y=/private&z=%zz", ""), status: 200, arrives: "/public/x?y=/private&z=%zz"}},
		forged: tries{"for nobody": {request: get(s.host, "/admin/secret?x=/public/", marie), status: 403}},
	})
	s.row(t, "CVE-2026-41059 a public path behind a fragment", advisory{
		refused: tries{
			"as it stands":       {request: get(s.host, "/private#/public/x", ""), status: barred},
			"encoded":            {request: get(s.host, "/private%23/public/x", ""), status: 302},
			"encoded twice":      {request: get(s.host, "/private%2523/public/x", ""), status: 302},
			"with dots":          {request: get(s.host, "/private#/../public/x/../../private", ""), status: barred},
			"before the public":  {request: get(s.host, "/#/public/x", ""), status: barred},
			"absolute":           {request: get(s.host, "http://"+s.host+"/private#/public/x", ""), status: barred},
			"through the public": {request: get(s.host, "/public/%23/../../private", ""), status: 302},
		},
		honest: tries{"within a public page": {request: get(s.host, "/public/a%23b", ""), status: 200, arrives: "/public/a%23b"}},
		forged: tries{
			"of another customer's member": {request: get(s.rival, "/private%23/public/x", marie), status: 302},
			"for nobody":                   {request: get(s.host, "/admin/secret#/public/x", marie), status: barred},
			"encoded, for nobody":          {request: get(s.host, "/admin/secret%23/public/x", marie), status: 403},
		},
	})
	s.row(t, "CVE-2026-34457 a health check's User-Agent", healthChecks(s, marie))
	s.row(t, "CVE-2026-40575 a header that names the path", advisory{
		refused: pathHeaders(s, "/private", "", 302),
		honest:  tries{"without": {request: get(s.host, "/private", marie), status: 200, arrives: "/private"}},
		forged:  pathHeaders(s, "/admin/secret", marie, 403),
	})
	trusted := tries{}
	for name, chain := range map[string]string{"loopback": "127.0.0.1", "loopback, by another name": "::1", "a network that may": "192.0.2.7", "two": "192.0.2.7, 127.0.0.1"} {
		trusted["claims to be "+name] = try{request: get(s.rival, "/inside/x", "X-Forwarded-For: "+chain+"\r\nX-Real-IP: "+chain+"\r\nForwarded: for="+chain+"\r\n"), status: 302}
	}
	s.row(t, "CVE-2026-76835 nobody is trusted unless named", advisory{
		refused: tries{
			"a question from the loopback": {to: s.p.private.addr(), request: describes(s.host, "/public/x", ""), status: 403},
			"on the public listener":       {request: get(s.host, "/.gateway/auth", "X-Forwarded-Method: GET\r\nX-Forwarded-Uri: /public/x\r\nX-Forwarded-Host: "+s.host+"\r\n"), status: 404},
			"a network by its header": {request: get(s.host, "/public/x", "X-Forwarded-For: 192.0.2.7\r\n"), status: 200, arrives: "/public/x", also: func(t *testing.T, _ *answer, got recorded) {
				if chain := got.value("X-Forwarded-For"); chain != "127.0.0.1" {
					t.Errorf("the app is told %q", chain)
				}
			}},
		},
		honest: tries{"from the network itself": {request: get(s.host, "/inside/x", ""), status: 200, arrives: "/inside/x"}},
		forged: tries{"a question with a session": {to: s.p.private.addr(), request: describes(s.host, "/x", marie), status: 403, also: func(t *testing.T, a *answer, _ recorded) {
			if who := a.Header.Get("X-Forwarded-User"); who != "" {
				t.Errorf("it is told who this is: %s", who)
			}
		}}},
		more: map[string]func(*testing.T){"refused when forged, elsewhere": func(t *testing.T) {
			for name, one := range trusted {
				t.Run(name, func(t *testing.T) { s.try(t, one) })
			}
		}},
	})
	s.row(t, "CVE-2025-64484 headers with underscores", foldedHeaders(s, marie))
}

// healthChecks: who probes is nobody on the public listener, and the probes of the
// other two say nothing but how the gateway does, at their own path.
func healthChecks(s *siege, marie string) advisory {
	row := advisory{refused: tries{}, forged: tries{}, honest: tries{
		"the private listener's": {to: s.p.private.addr(), request: get("127.0.0.1", "/livez", ""), status: 200},
		"the operators'":         {to: s.p.admin.addr(), request: get("127.0.0.1", "/readyz", ""), status: 200},
		"a member's own":         {request: get(s.host, "/private", marie+"User-Agent: GoogleHC/1.0\r\n"), status: 200, arrives: "/private"},
	}}
	for _, agent := range []string{"GoogleHC/1.0", "kube-probe/1.31", "ELB-HealthChecker/2.0", "Consul Health Check", "AlwaysOn", "HealthCheck", "Prometheus/3.0", "cocoom-gateway"} {
		row.refused[agent] = try{request: get(s.host, "/private", "User-Agent: "+agent+"\r\n"), status: 302}
		row.forged[agent] = try{request: get(s.host, "/admin/secret", marie+"User-Agent: "+agent+"\r\n"), status: 403}
	}
	for _, path := range []string{"/livez", "/readyz", "/ping", "/ready", "/healthz", "/health", "/.well-known/health", "/robots.txt", "/oauth2/auth"} {
		row.refused["the path "+path] = try{request: get(s.host, path, "User-Agent: GoogleHC/1.0\r\n"), status: 302}
	}
	for _, path := range []string{"/livez/x", "/livez/../routes", "//livez", "/livez%2f", "/LIVEZ", "/livez;x"} {
		row.refused["private "+path] = try{to: s.p.private.addr(), request: get("127.0.0.1", path, "User-Agent: kube-probe/1.31\r\n"), status: 404}
	}
	return row
}

// pathHeaders are requests for a page whose headers say that it is another, or
// that it is asked for otherwise.
func pathHeaders(s *siege, target, more string, status int) tries {
	row := tries{}
	for _, name := range []string{"X-Forwarded-Uri", "X-Forwarded-Path", "X-Forwarded-Prefix", "X-Original-URL", "X-Original-Uri", "X-Rewrite-URL", "X-Replaced-Path", "X-Envoy-Original-Path",
		"X-Auth-Request-Redirect", "X-Forwarded-Host", "X-Forwarded-Method", "X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "Content-Location", ":path", "Upgrade-Insecure-Requests"} {
		for _, value := range []string{"/public/x", "http://" + s.host + "/public/x", "OPTIONS"} {
			one := try{request: get(s.host, target, more+name+": "+value+"\r\n"), status: status}
			if strings.HasPrefix(name, ":") { // no header's name in HTTP/1.1, says net/http
				one.status = 400
			}
			row[name+" "+value] = one
		}
	}
	return row
}

// foldedHeaders: what a CGI or WSGI app would take for the identity that the
// gateway tells it does not come through, on public pages too.
func foldedHeaders(s *siege, marie string) advisory {
	more := ""
	for _, name := range []string{"X-Forwarded-User", "X-Forwarded-Email", "X-Forwarded-Preferred-Username", "X-Forwarded-Groups", "X-Gateway-Team", "X-Gateway-Assertion", "X-Auth-Request-Email", "Remote-User"} {
		for _, fold := range []string{"-", "_", "."} {
			folded := strings.ReplaceAll(name, "-", fold)
			more += fmt.Sprintf("%s: forged\r\n%s: forged\r\n%s: forged\r\n%s: forged\r\n", folded, strings.ToLower(folded), strings.ToUpper(folded), strings.Replace(folded, fold, "_", 1))
		}
	}
	clean := func(who string) func(*testing.T, *answer, recorded) {
		return func(t *testing.T, _ *answer, got recorded) {
			for _, line := range got.header {
				if strings.Contains(line, "forged") {
					t.Errorf("the app is told %q", line)
				}
			}
			if said := got.value("X-Forwarded-User"); said != who {
				t.Errorf("the app is told of %q, want %q", said, who)
			}
		}
	}
	return advisory{
		refused: tries{
			"a member's page": {request: get(s.host, "/private", more), status: 302},
			"a public page":   {request: get(s.host, "/public/x", more), status: 200, arrives: "/public/x", also: clean("")},
			"a program's":     {request: get(s.host, "/cron/x", more+"Authorization: Bearer "+s.cron+"\r\n"), status: 200, arrives: "/cron/x", also: clean("")},
		},
		honest: tries{"without": {request: get(s.host, "/private", marie), status: 200, arrives: "/private", also: clean("U0MARIE")}},
		forged: tries{
			"beside a session": {request: get(s.host, "/private", more+marie), status: 200, arrives: "/private", also: clean("U0MARIE")},
			"nominated":        {request: get(s.host, "/private", marie+"Connection: close, X-Forwarded-User, x_forwarded_user\r\n"+more), status: 200, arrives: "/private", also: clean("U0MARIE")},
		},
	}
}
