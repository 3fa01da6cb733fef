package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// reservedNames are what an attacker writes in every spelling. The list is not
// the product's: it is what PHP apps, frameworks and other gateways are known to
// believe.
var reservedNames = strings.Fields(`
	x-forwarded-user x-forwarded-email x-forwarded-preferred-username x-forwarded-groups x-gateway-team x-gateway-assertion x-gateway-anything
	remote-user remote-email remote-name remote-groups x-remote-user x-remote-email x-remote-groups x-webauth-user x-webauth-email
	x-authenticated-user x-authenticated-userid x-auth-request-user x-auth-request-email auth-user auth-type php-auth-user php-auth-pw php-auth-digest
	redirect-remote-user redirect-status redirect-http-authorization ssl-client-cert ssl-client-s-dn ssl-client-verify x-ssl-client-verify
	oidc-claim-email shib-session-id sm-user iv-user x-goog-authenticated-user-email x-amzn-oidc-identity x-ms-client-principal-name cf-access-authenticated-user-email
	forwarded forwarded-for x-forwarded x-forwarded-for x-forwarded-proto x-forwarded-host x-forwarded-port x-forwarded-prefix x-forwarded-uri x-forwarded-method
	x-forwarded-server x-forwarded-ssl x-forwarded-scheme x-forwarded-client-cert
	x-real-ip client-ip x-client-ip x-cluster-client-ip true-client-ip cf-connecting-ip fastly-client-ip x-originating-ip remote-addr x-remote-addr x-remote-ip
	x-host x-http-host-override x-url-scheme x-scheme front-end-https https cf-visitor cloudfront-forwarded-proto
	x-original-url x-original-uri x-original-host x-original-method x-rewrite-url x-http-method-override x-http-method x-method-override
	proxy x-request-id x-notify x-sendfile-type x-accel-mapping http2-settings`)

// aliased are HTTP's own names: theirs to write, but in no other spelling.
var aliased = strings.Fields(`content-length content-type transfer-encoding user-agent if-none-match accept-language
	sec-fetch-site sec-fetch-mode sec-websocket-key proxy-authorization proxy-connection keep-alive`)

// respelled gives the names that PHP, or CGI of old, could take for one.
func respelled(name string) (out []string) {
	for _, s := range spellings(name) {
		out = append(out, s, strings.ToLower(s), strings.ToUpper(s))
	}
	if strings.Contains(name, "-") {
		for _, other := range []string{"!", "~", "'", "+", "|", "^"} {
			out = append(out, strings.ReplaceAll(name, "-", other))
		}
	}
	return out
}

// TestAttackForgedHeaders: with one's own name in each header that an app could
// believe, in every spelling that PHP could take for it, nothing forged arrives,
// and what is true does once (CVE-2025-64484, CVE-2026-52845, CVE-2026-30851,
// CVE-2026-39858, httpoxy).
func TestAttackForgedHeaders(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		people map[string]string
		change func(string) string
		basic  bool
	}{
		"default names": {people: map[string]string{"HTTP_X_FORWARDED_USER": "U0MARIE", "HTTP_X_FORWARDED_EMAIL": "marie@agrafmania.fr", "HTTP_X_FORWARDED_PREFERRED_USERNAME": "Marie Dupont",
			"HTTP_X_FORWARDED_GROUPS": "cocoom-admins", "HTTP_X_GATEWAY_TEAM": "T0AGRAF001", "HTTP_X_GATEWAY_ASSERTION": ""}},
		"the operator's names": {people: map[string]string{"HTTP_REMOTE_USER": "U0MARIE", "HTTP_REMOTE_EMAIL": "marie@agrafmania.fr", "HTTP_X_PERSON": "Marie Dupont",
			"HTTP_X_WEBAUTH_GROUPS": "cocoom-admins", "HTTP_X_TEAM": "T0AGRAF001", "HTTP_X_PREUVE": "",
			"HTTP_AUTHORIZATION": "Basic bWFyaWVAYWdyYWZtYW5pYS5mcjpwYXNz", "PHP_AUTH_USER": "marie@agrafmania.fr", "PHP_AUTH_PW": "pass"}, basic: true,
			change: func(config string) string {
				return strings.Replace(config, "    login: {}\n", `    login: {upstream: {basic: {password: pass}}}
    headers: {user: Remote-User, email: REMOTE_EMAIL, name: X.Person, groups: x-webauth-Groups, team: X_Team, assertion: X-Preuve}
`, 1)
			}},
	} {
		t.Run(name, func(t *testing.T) {
			s := besiegePHP(t, row.people, row.change)
			s.basic = row.basic
			s.signIn()
			t.Run("spellings", s.spellings)
			t.Run("tricks", s.tricks)
			t.Run("bodies", s.bodies)
		})
	}
}

// spellings sends all forged headers, as many in a request as it may have.
func (s *phpSiege) spellings(t *testing.T) {
	for _, v := range s.visits() {
		n, arrived := 0, 0
		send := func(lines string) {
			n++
			query := fmt.Sprintf("n=%d&a.b=%%zz&x[y]=50%%", n)
			a := s.attack(get(s.host, v.path+"?"+query, v.header+lines))
			if a == nil || a.StatusCode != 200 {
				t.Fatalf("%s was answered %v", v.who, a)
			}
			got := saw(t, a.body)
			if s.check(t, v, got); got != nil && got.Server["QUERY_STRING"] == query {
				arrived++
			}
		}
		for some := range slices.Chunk(s.forgedLines(v), maxLines-16) {
			send(strings.Join(some, ""))
		}
		if n < 3 || arrived != n {
			t.Errorf("%s: %d of %d requests arrived", v.who, arrived, n)
		}
	}
}

// forgedLines are the header lines of an attack.
func (s *phpSiege) forgedLines(v visit) (lines []string) {
	forge := func(name string) { lines = append(lines, fmt.Sprintf("%s: %s%d\r\n", name, forged, len(lines))) }
	names := slices.Clone(reservedNames)
	for key := range s.people {
		if name, ok := strings.CutPrefix(key, "HTTP_"); ok && name != "AUTHORIZATION" {
			names = append(names, strings.ToLower(strings.ReplaceAll(name, "_", "-")))
		}
	}
	for _, name := range names {
		for _, spelling := range respelled(name) {
			forge(spelling)
		}
	}
	for _, name := range aliased {
		for _, spelling := range respelled(name) {
			if strings.ContainsAny(spelling, "_.!~'+|^") {
				forge(spelling)
			}
		}
	}
	if s.basic && v.header == "" { // else it is the app's own, or a service token's
		for _, name := range []string{"Authorization", "authorization", "AUTHORIZATION"} {
			lines = append(lines, name+": Basic "+forged+"\r\n", name+": Basic Rk9SR0VEOng=\r\n", name+": Digest username=\""+forged+"\"\r\n")
		}
	}
	return lines
}

// tricks are requests in which a forged header is hidden. Each is refused, or
// reaches the app without it.
func (s *phpSiege) tricks(t *testing.T) {
	const name, value = "X-Forwarded-User", ": " + forged + "\r\n"
	ours := "X-Forwarded-User, x-forwarded-email, X-FORWARDED-GROUPS, X-Gateway-Team, X-Gateway-Assertion, Remote-User, remote_email, x.person, X_TEAM, X-Preuve, X-WebAuth-Groups, Authorization, Cookie, " +
		"X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host, X-Request-Id, Host, Content-Length"
	for trick, row := range map[string]struct {
		lines    string
		refused  bool
		carriers []string
	}{
		"nothing":                     {},
		"twice":                       {lines: name + value + name + value + strings.ToLower(name) + value},
		"empty":                       {lines: name + ":\r\n" + name + ": \r\n" + "X-Gateway-Assertion:\r\nx-forwarded-email: \t\r\nREMOTE-USER:\r\nX_Team:\r\n"},
		"tabs around":                 {lines: name + ":\t\t" + forged + "\t\r\n"},
		"blank before the colon":      {lines: name + " " + value, refused: true},
		"tab before the colon":        {lines: name + "\t" + value, refused: true},
		"blank before the name":       {lines: "X-Other: a\r\n " + name + value, carriers: []string{"X-Other"}},
		"tab before the name":         {lines: "X-Other: a\r\n\t" + name + value, carriers: []string{"X-Other"}},
		"value on the next line":      {lines: name + ":\r\n " + forged + "\r\n"},
		"bare LF":                     {lines: "X-Other: a\n" + name + value},
		"bare CR":                     {lines: "X-Other: a\r" + name + value, refused: true},
		"NUL in the name":             {lines: "X-Forwarded\x00User" + value, refused: true},
		"NUL at the name's end":       {lines: name + "\x00" + value, refused: true},
		"NUL in a value":              {lines: "X-Other: a\x00" + name + value, refused: true},
		"bracket in the name":         {lines: "X[Forwarded-User" + value, refused: true},
		"brackets":                    {lines: name + "[0]" + value, refused: true},
		"blank in the name":           {lines: "X Forwarded User" + value, refused: true},
		"no name":                     {lines: value, refused: true},
		"no colon":                    {lines: name + "\r\n", refused: true},
		"slash in the name":           {lines: "X/Forwarded/User" + value, refused: true},
		"semicolon in the name":       {lines: "X-Forwarded-User;" + value, refused: true},
		"equals sign in the name":     {lines: "X=Forwarded=User" + value, refused: true},
		"Latin-1 in the name":         {lines: "X\xadForwarded\xadUser" + value, refused: true},
		"UTF-8 in the name":           {lines: "X‐Forwarded‐User" + value, refused: true},
		"dotless i":                   {lines: "X-Ori\u0131ginal-Url" + value, refused: true},
		"Connection":                  {lines: "Connection: " + ours + "\r\n"},
		"connection in lower case":    {lines: "connection: close, " + strings.ToLower(ours) + "\r\n"},
		"CONNECTION in upper case":    {lines: "CONNECTION: keep-alive," + strings.ToUpper(strings.ReplaceAll(ours, " ", "")) + "\r\n"},
		"Connection many times":       {lines: "Connection: keep-alive\r\nconnection:" + ours + "\r\nConnection:\tx-forwarded-user ,, ,\r\n"},
		"Connection and the header":   {lines: "Connection: x_forwarded_user, " + ours + "\r\nX_Forwarded_User" + value + name + value},
		"Connection names itself":     {lines: "Connection: Connection, " + ours + "\r\n"},
		"Keep-Alive":                  {lines: "Keep-Alive: " + ours + "\r\nConnection: keep-alive\r\n"},
		"TE":                          {lines: "TE: trailers, " + ours + "\r\nConnection: TE\r\n"},
		"Proxy-Connection":            {lines: "Proxy-Connection: " + ours + "\r\n"},
		"Trailer without a body":      {lines: "Trailer: " + ours + "\r\n"},
		"Upgrade to h2c":              {lines: "Connection: Upgrade, HTTP2-Settings, " + ours + "\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"},
		"Upgrade to a WebSocket":      {lines: "Connection: Upgrade, " + ours + "\r\nUpgrade: websocket\r\nOrigin: ORIGIN\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" + name + value},
		"the length by another name":  {lines: "Content_Length: 7" + forged + "\r\nContent.Length: 7\r\nCONTENT_TYPE: " + forged + "\r\n"},
		"what PHP has of its own":     {lines: "PHP_AUTH_USER" + value + "REMOTE_USER" + value + "Auth_Type" + value + "HTTPS: on\r\nRedirect_Remote_User" + value + "HTTP_PROXY" + value, carriers: []string{"HTTP-PROXY"}},
		"httpoxy":                     {lines: "Proxy: http://" + forged + "\r\npROXY: http://" + forged + "\r\n"},
		"a long name of the family":   {lines: name + "-" + strings.Repeat("x", 300) + value + "x_gateway_" + strings.Repeat("y", 300) + value},
		"the name in the value's end": {lines: "X-Other: " + name + value, carriers: []string{"X-Other"}},
	} {
		for _, v := range s.visits() {
			t.Run(trick+"/"+v.who, func(t *testing.T) {
				a := s.attack(get(s.host, v.path, v.header+strings.ReplaceAll(row.lines, "ORIGIN", s.origin)))
				switch {
				case a == nil, row.refused != (a.StatusCode == 400), !row.refused && a.StatusCode != 200:
					t.Fatalf("answered %v, want refused: %t", a, row.refused)
				case !row.refused:
					s.check(t, v, saw(t, a.body), row.carriers...)
				}
			})
		}
	}
}

// bodies are followed by forged trailers, announced and not, or described by
// headers that PHP would take for the true ones.
func (s *phpSiege) bodies(t *testing.T) {
	const trailers = "X-Forwarded-User: FORGED\r\nx_forwarded_user: FORGED\r\nX-Gateway-Assertion: FORGED\r\nRemote-User: FORGED\r\nContent_Length: FORGED\r\n\r\n"
	chunked, measured := map[string]string{"CONTENT_TYPE": "text/plain"}, map[string]string{"CONTENT_TYPE": "text/plain", "CONTENT_LENGTH": "5"}
	for name, row := range map[string]struct {
		lines, body string
		want        map[string]string
	}{
		"trailers":           {"Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n" + trailers, chunked},
		"announced trailers": {"Transfer-Encoding: chunked\r\nTrailer: X-Forwarded-User, x_forwarded_user\r\n", "5\r\nhello\r\n0\r\n" + trailers, chunked},
		"another length":     {"Content_Length: 3FORGED\r\nContent-Length: 5\r\nCONTENT.LENGTH: FORGED\r\nTransfer_Encoding: FORGED\r\n", "hello", measured},
		"another type":       {"Content-Length: 5\r\nContent_Type: FORGED\r\ncontent.type: FORGED\r\n", "hello", measured},
		"nominated":          {"Content-Length: 5\r\nConnection: content-length, content_type\r\nContent_Type: FORGED\r\n", "hello", measured},
	} {
		for _, v := range s.visits() {
			t.Run(name+"/"+v.who, func(t *testing.T) {
				v.body = row.want
				a := s.attack("POST " + v.path + " HTTP/1.1\r\nHost: " + s.host + "\r\nOrigin: " + s.origin + "\r\n" + v.header + "Content-Type: text/plain\r\n" + row.lines + "\r\n" + row.body)
				if a == nil || a.StatusCode != 200 {
					t.Fatalf("answered %v", a)
				}
				s.check(t, v, saw(t, a.body))
			})
		}
	}
}
