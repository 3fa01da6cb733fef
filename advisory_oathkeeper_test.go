package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// TestAdvisoryOathkeeper is what broke Ory Oathkeeper. There is a third route here,
// kiosk.localhost, of the first customer's workspace.
func TestAdvisoryOathkeeper(t *testing.T) {
	t.Parallel()
	s := besiege(t, func(config string) string {
		return config + fmt.Sprintf("  - host: kiosk.localhost\n    upstream: http://127.0.0.1:9\n    workspace: %s\n    slack_app: {client_id: \"1.2\", client_secret: kiosk-secret}\n    login: {guests: allow}\n    policy: [{path: /**, allow: members}]\n", customers[0].Team)
	})
	marie := "Cookie: " + s.cookie("U0MARIE") + "\r\n"
	s.tokenScope(t, marie)
	s.tenantKeys(t, marie)
	s.dotSegments(t, marie)
	s.foreignScheme(t, marie)
	s.row(t, "GHSA-w9mr-28mw-j8hg nominated in Connection", s.nominations("Connection", marie))
}

// tokenScope: what a token was good for once says nothing of what it is good for
// elsewhere, however often it was seen.
func (s *siege) tokenScope(t *testing.T, marie string) {
	token := "Authorization: Bearer " + s.cron + "\r\n"
	elsewhere := []string{"/", "/x", "/cron", "/cron/../x", "/cron/%2e%2e/x", "/x?/cron/x", "/Cron/x", "/%63ron/../x", "/admin/secret", "/public/x", "/.gateway/me", "/.gateway/", "//cron/x"}
	ambiguous := map[string]int{"/cron/..%2fx": 400, "/cron/..;/x": 400}
	tried := func(credentials string) tries {
		return each(elsewhere, func(target string) try {
			status := 403
			if target == "/cron" {
				return try{request: get(s.host, target, credentials), status: 200, arrives: "/cron"} // /cron/** is that, too
			}
			return try{request: get(s.host, target, credentials), status: status}
		})
	}
	forged := tried(token)
	for target, status := range ambiguous {
		forged[target] = try{request: get(s.host, target, token), status: status}
	}
	for name, credentials := range map[string]string{
		"cut off": "Bearer " + s.cron[:len(s.cron)-1], "longer": "Bearer " + s.cron + "A", "alone": s.cron,
		"the hook's": "Bearer cgs_" + customers[0].HookToken, "another scheme": "Token " + s.cron, "as a user": "Basic Y2dzX3g6eA=="} {
		forged[name] = try{request: get(s.host, "/cron/x", "Authorization: "+credentials+"\r\n"), status: 401}
	}
	s.row(t, "CVE-2021-32701 GHSA-qvp4-rpmr-xwrr a token is good for its paths alone", advisory{
		refused: tries{
			"no token":             {request: get(s.host, "/cron/x", ""), status: 403},
			"a member is no token": {request: get(s.host, "/cron/x", marie), status: 403},
		},
		honest: tries{"its path": {request: get(s.host, "/cron/x", token), status: 200, arrives: "/cron/x", also: s.knows("")},
			"encoded": {request: get(s.host, "/%63ron/x", token), status: 200, arrives: "/cron/x", also: s.knows("")}},
		forged: forged.and(tries{
			"another case":           {request: get(s.host, "/cron/x", "Authorization: Bearer "+strings.ToUpper(s.cron)+"\r\n"), status: 403}, // no token at all
			"with a member's cookie": {request: get(s.host, "/x", token+marie), status: 403},
			"twice":                  {request: get(s.host, "/cron/x", token+token), status: 401},
		}),
	})
}

// tenantKeys: each of what is kept between requests (opened sessions, keys of
// notifications, credentials) is kept by customer.
func (s *siege) tenantKeys(t *testing.T, marie string) {
	anne := "Cookie: " + s.rivalCookie("U0ANNE") + "\r\n"
	is := func(host, user string) func(*testing.T, *answer, recorded) {
		return func(t *testing.T, a *answer, got recorded) {
			if got.value("Host") != host || got.value("X-Forwarded-User") != user {
				t.Errorf("%s got a request of %q", got.value("Host"), got.value("X-Forwarded-User"))
			}
		}
	}
	honest := tries{
		"the first's":       {request: get(s.host, "/x", marie), status: 200, arrives: "/x", also: is(s.host, "U0MARIE")},
		"the second's":      {request: get(s.rival, "/x", anne), status: 200, arrives: "/x", also: is(s.rival, "U0ANNE")},
		"both at the first": {request: get(s.host, "/x", marie+anne), status: 200, arrives: "/x", also: is(s.host, "U0MARIE")},
	}
	const text = "to=U0PAUL&text=x&key=one-key"
	send := func(host, token string, status int) try {
		return try{status: status, request: fmt.Sprintf("POST /.gateway/v1/notifications HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s",
			host, token, len(text), text)}
	}
	for range 2 { // cold and warm
		s.row(t, "CVE-2026-33496 the tenant is in every key", advisory{
			honest: honest,
			forged: tries{
				"the first's at the second":       {request: get(s.rival, "/x", marie), status: 302},
				"the second's at the first":       {request: get(s.host, "/x", anne), status: 302},
				"the first's page of who it is":   {request: get(s.rival, "/.gateway/me", marie), status: 401},
				"the first's hook at the second":  send(s.rival, customers[0].HookToken, 403),
				"the second's hook at the first":  send(s.host, customers[1].HookToken, 403),
				"by the other's absolute address": {request: get(s.host, "http://"+s.rival+"/x", marie), status: 302},
			},
		})
	}
	if a := s.attack(get("kiosk.localhost", "/.gateway/me", marie)); a == nil || a.StatusCode != 401 {
		t.Errorf("CVE-2026-33496: another route of the same workspace answered %+v", a)
	}
	ids := map[string]bool{}
	for i, host := range []string{s.host, s.rival, s.host, s.rival} {
		var kept struct{ ID string }
		a := s.attack(send(host, customers[i%2].HookToken, 0).request)
		if a == nil || json.Unmarshal([]byte(a.body), &kept) != nil || a.StatusCode != map[bool]int{true: 202, false: 200}[i < 2] {
			t.Fatalf("CVE-2026-33496: notification %d was answered %+v", i, a)
		}
		ids[kept.ID] = true
	}
	if len(ids) != 2 {
		t.Errorf("CVE-2026-33496: two customers' same key made %d notifications, want 2", len(ids))
	}
}

// dotSegments: the rule is looked up for the path that the app is asked for.
func (s *siege) dotSegments(t *testing.T, marie string) {
	up := []string{"/public/../admin/secret", "/public/./../admin/secret", "/public/%2e%2e/admin/secret", "/public/.%2E/admin/secret", "/public/x/../../admin/secret", "/public/../public/../admin/secret",
		"/public/../admin/./secret", "/admin/x/../secret", "/%61dmin/secret", "/admin/%73ecret"}
	unclear := []string{"/public/..%2fadmin/secret", "/public/..%5cadmin/secret", `/public/..\admin/secret`, "/public/..;/admin/secret", "/public/%2e%2e%2fadmin/secret", "/../admin/secret", "/public/../../admin/secret", "/public/%2e%2e;x=1/admin/secret"}
	at := func(cookie string, status int) tries {
		return each(up, func(target string) try { return try{request: get(s.host, target, cookie), status: status} }).
			and(each(unclear, func(target string) try { return try{request: get(s.host, target, cookie), status: 400} }),
				each([]string{"/public/..//admin/secret", "//admin/secret", "/admin//secret"}, func(target string) try {
					return try{request: get(s.host, target, cookie), status: status} // read with and without the second slash
				}))
	}
	refused, forged := at("", 302), at(marie, 403)
	// Nobody is sent to sign in for what is denied to all, and for nothing else.
	for target, one := range refused {
		if one.status == 302 {
			one.status = 403
			refused[target] = one
		}
	}
	s.row(t, "CVE-2026-33494 dot segments are removed before a rule is looked for", advisory{
		refused: refused,
		honest: tries{
			"to a public page":  {request: get(s.host, "/admin/../public/x", ""), status: 200, arrives: "/public/x"},
			"within":            {request: get(s.host, "/public/a/../b/./c", ""), status: 200, arrives: "/public/b/c"},
			"a member's page":   {request: get(s.host, "/public/../dossiers/12", marie), status: 200, arrives: "/dossiers/12"},
			"of an empty one":   {request: get(s.host, "/public//../admin/secret", ""), status: 200, arrives: "/public/admin/secret"},
			"dots in the query": {request: get(s.host, "/public/x?/../admin/secret", ""), status: 200, arrives: "/public/x?/../admin/secret"},
		},
		forged: forged,
	})
}

// foreignScheme: which scheme the public host has stands in the configuration.
func (s *siege) foreignScheme(t *testing.T, marie string) {
	says := []string{"X-Forwarded-Proto: https", "x-forwarded-proto: https", "X-Forwarded-Proto: http\r\nX-Forwarded-Proto: https", "X_Forwarded_Proto: https", "X-Forwarded_Proto: https", "X-Forwarded-Scheme: https", "X-Forwarded-Protocol: https",
		"X-Forwarded-Ssl: on", "X-Url-Scheme: https", "X-Scheme: https", "Front-End-Https: on", "X-Arr-Ssl: x", "Forwarded: for=192.0.2.7;proto=https;host=evil.example", "X-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\nX-Forwarded-Host: " + s.host}
	said := func(cookie, user string, status int, arrives string) tries {
		knows := s.knows(user)
		return each(says, func(more string) try {
			return try{request: get(s.host, "/x", cookie+more+"\r\n"), status: status, arrives: arrives, also: func(t *testing.T, a *answer, got recorded) {
				if arrives != "" {
					knows(t, a, got)
				}
				for _, line := range got.header {
					if name, value, _ := strings.Cut(line, ": "); strings.Contains(value, "https") || value == "on" || value == "443" {
						t.Errorf("the app got %s: %s", name, value)
					}
				}
				for _, c := range a.Cookies() {
					if c.Secure || strings.HasPrefix(c.Name, "__Host-") {
						t.Errorf("a cookie for https: %s", c.Name)
					}
				}
			}}
		})
	}
	s.row(t, "CVE-2026-33495 the scheme is nobody's to say", advisory{
		refused: said("", "", 302, ""),
		honest:  tries{"plainly": {request: get(s.host, "/x", marie), status: 200, arrives: "/x", also: s.knows("U0MARIE")}},
		forged: said(marie, "U0MARIE", 200, "/x").and(tries{
			"in the target":         {request: get("x", "https://"+s.host+"/admin/secret", marie), status: 403},
			"the name of the other": {request: get(s.host, "/x", strings.Replace(marie, "gw=", "__Host-gw=", 1)), status: 302},
		}),
	})
}

// nominations are requests that name in a header what intermediaries are to
// remove: the identity above all.
func (s *siege) nominations(header, marie string) advisory {
	all := strings.Join(identityHeaders, ", ")
	names := append(append([]string{}, identityHeaders...), "x-forwarded-user", "X-FORWARDED-USER", "X_Forwarded_User", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Request-Id", "Host", "Cookie", "Sec-Fetch-Mode", "Authorization", "Content-Length",
		"close, "+all, all+", keep-alive", strings.ToLower(all), " ,, X-Forwarded-User ,,", "\tX-Forwarded-User\t", "close, X-Forwarded-User;q=1", "X-Forwarded-User\r\n"+header+": X-Gateway-Assertion", "keep-alive\r\n"+strings.ToLower(header)+": x-forwarded-user, x-forwarded-email",
		"X-Forwarded-User\r\nProxy-Connection: X-Forwarded-Email", "TE, X-Forwarded-User\r\nTE: trailers", "close\r\nKeep-Alive: X-Forwarded-User", "Upgrade, X-Forwarded-User")
	named := func(more, target string, status int, arrives string, also func(*testing.T, *answer, recorded)) tries {
		return each(names, func(list string) try {
			return try{request: get(s.host, target, more+header+": "+list+"\r\n"), status: status, arrives: arrives, also: also}
		})
	}
	forged := headerLines("forged", identityHeaders...)
	return advisory{
		refused: named("", "/x", 302, "", nil),
		honest:  tries{"keep-alive": {request: get(s.host, "/x", marie+header+": keep-alive\r\n"), status: 200, arrives: "/x", also: s.knows("U0MARIE")}},
		forged: named(marie, "/x", 200, "/x", s.knows("U0MARIE")).and(tries{
			"with forged ones":         {request: get(s.host, "/x", marie+forged+header+": close, "+all+"\r\n"), status: 200, arrives: "/x", also: s.knows("U0MARIE")},
			"of nobody, with forged":   {request: get(s.host, "/public/x", forged+header+": "+all+"\r\n"), status: 200, arrives: "/public/x", also: s.knows("")},
			"a program's, with forged": {request: get(s.host, "/cron/x", forged+"Authorization: Bearer "+s.cron+"\r\n"+header+": close, Authorization, "+all+"\r\n"), status: 200, arrives: "/cron/x", also: s.knows("")},
			"a form's, with its length": {request: "POST /x HTTP/1.1\r\nHost: " + s.host + "\r\n" + marie + header + ": Content-Length, X-Forwarded-User\r\nContent-Length: 5\r\n\r\nhello", status: 200, arrives: "/x",
				also: func(t *testing.T, a *answer, got recorded) {
					if s.knows("U0MARIE")(t, a, got); got.body != "hello" {
						t.Errorf("the app got the body %q", got.body)
					}
				}},
		}),
	}
}
