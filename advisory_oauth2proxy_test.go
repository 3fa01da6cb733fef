package main

import (
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
	"github.com/cocoom/cocoom-gateway/policy"
)

// optioned edits a siege's configuration: the first customer's policy has a page
// for each option that there is, guests may sign in, and the loopback is a proxy
// that is trusted; the second's has no rule for everything.
func optioned(config string) string {
	const first, last = "      - {path: /public/**, allow: public}\n", "      - {path: /**, allow: members}\n"
	config = strings.Replace(config, first, `      - {path: /users/*, allow: {users: [U0MARIE]}}
      - {path: /emails/*, allow: {emails: [marie@agrafmania.fr]}}
      - {path: /email_domains/*, allow: {email_domains: [agrafmania.fr]}}
      - {path: /usergroups/*, allow: {usergroups: [cocoom-admins]}}
      - {path: /admins/*, allow: {admins: true}}
      - {path: /guests/*, allow: {guests: true}}
      - {path: /cidrs/*, allow: {cidrs: [192.0.2.0/24]}}
      - {path: /methods/*, methods: [GET], allow: public}
      - {path: /methods/*, allow: deny}
      - {path: /query/*, query: {page: admin}, allow: {admins: true}}
`+first, 1)
	i := strings.LastIndex(config, last)
	config = config[:i] + config[i+len(last):]
	config = strings.Replace(config, "    login: {}\n", "    login: {guests: allow}\n", 1)
	return strings.Replace(config, "public_scheme:", "trusted_proxies: [127.0.0.0/8]\npublic_scheme:", 1)
}

// TestAdvisoryOAuth2ProxyOptions: whatever a rule can ask for keeps out whoever
// does not have it.
func TestAdvisoryOAuth2ProxyOptions(t *testing.T) {
	t.Parallel()
	s := besiege(t, optioned)
	marie, paul, louis := "Cookie: "+s.cookie("U0MARIE")+"\r\n", "Cookie: "+s.cookie("U0PAUL")+"\r\n", "Cookie: "+s.cookie("U0LOUIS")+"\r\n"
	row := s.options(marie, paul, louis)
	s.row(t, "CVE-2021-21411 a check that silently stopped", row)
	for _, options := range []reflect.Type{reflect.TypeFor[policy.Allow](), reflect.TypeFor[policy.Rule]()} {
		for f := range options.Fields() {
			option := f.Tag.Get("yaml")
			if option == "-" {
				option = strings.ToLower(f.Name)
			}
			if _, ok := row.forged[option]; !ok && option != "public" && option != "path" && option != "allow" {
				t.Errorf("nothing is refused by %q", option)
			}
		}
	}
	s.row(t, "CVE-2021-21291 names that end or begin alike", s.alike(marie))
	s.row(t, "CVE-2026-40574 an address with two domains", advisory{
		refused: tries{"nobody": {request: get(s.host, "/email_domains/x", ""), status: 302}},
		honest:  tries{"an address of the domain": {request: get(s.host, "/email_domains/x", paul), status: 200, arrives: "/email_domains/x"}},
		more:    map[string]func(*testing.T){"refused when forged": s.emails},
	})
	s.row(t, "CVE-2026-76835 only who is named is believed", advisory{
		refused: tries{"another one before it": {request: get(s.host, "/cidrs/x", forwarded("192.0.2.7, 203.0.113.9")), status: 403}},
		honest:  tries{"by the one that is": {to: s.p.private.addr(), request: describes(s.host, "/x", marie), status: 200}},
		forged: tries{
			"no address":          {request: get(s.host, "/cidrs/x", forwarded("192.0.2.7, unknown")), status: 403},
			"another name for it": {request: get(s.host, "/cidrs/x", "X-Real-IP: 192.0.2.7\r\nForwarded: for=192.0.2.7\r\nX_Forwarded_For: 192.0.2.7\r\n"), status: 403},
		},
	})
}

// forwarded is a chain of clients as a proxy says it.
func forwarded(chain string) string { return "X-Forwarded-For: " + chain + "\r\n" }

// options are the conditions of rules, each by its key.
func (s *siege) options(marie, paul, louis string) advisory {
	bearer := "Authorization: Bearer " + s.cron + "\r\n"
	post := func(target, more string) string {
		return strings.Replace(get(s.host, target, more+"Content-Length: 0\r\n"), "GET", "POST", 1)
	}
	return advisory{
		refused: tries{
			"members":        {request: get(s.host, "/x", ""), status: 302},
			"users":          {request: get(s.host, "/users/x", ""), status: 302},
			"emails":         {request: get(s.host, "/emails/x", ""), status: 302},
			"email_domains":  {request: get(s.host, "/email_domains/x", ""), status: 302},
			"usergroups":     {request: get(s.host, "/usergroups/x", ""), status: 302},
			"admins":         {request: get(s.host, "/admins/x", ""), status: 302},
			"guests":         {request: get(s.host, "/guests/x", ""), status: 302},
			"cidrs":          {request: get(s.host, "/cidrs/x", ""), status: 403},
			"service_tokens": {request: get(s.host, "/cron/x", ""), status: 403},
			"methods":        {request: post("/methods/x", ""), status: 403},
			"query":          {request: get(s.host, "/query/x?page=admin", ""), status: 302},
			"deny":           {request: get(s.host, "/admin/secret", ""), status: 403},
			"no rule":        {request: get(s.rival, "/x", ""), status: 403},
		},
		honest: tries{
			"public":         {request: get(s.host, "/public/x", ""), status: 200, arrives: "/public/x"},
			"members":        {request: get(s.host, "/x", paul), status: 200, arrives: "/x"},
			"users":          {request: get(s.host, "/users/x", marie), status: 200, arrives: "/users/x"},
			"emails":         {request: get(s.host, "/emails/x", marie), status: 200, arrives: "/emails/x"},
			"email_domains":  {request: get(s.host, "/email_domains/x", paul), status: 200, arrives: "/email_domains/x"},
			"usergroups":     {request: get(s.host, "/usergroups/x", marie), status: 200, arrives: "/usergroups/x"},
			"admins":         {request: get(s.host, "/admins/x", marie), status: 200, arrives: "/admins/x"},
			"guests":         {request: get(s.host, "/guests/x", louis), status: 200, arrives: "/guests/x"},
			"cidrs":          {request: get(s.host, "/cidrs/x", forwarded("198.51.100.1, 192.0.2.7")), status: 200, arrives: "/cidrs/x"},
			"service_tokens": {request: get(s.host, "/cron/x", bearer), status: 200, arrives: "/cron/x"},
			"methods":        {request: get(s.host, "/methods/x", ""), status: 200, arrives: "/methods/x"},
			"query":          {request: get(s.host, "/query/x?page=admin", marie), status: 200, arrives: "/query/x?page=admin"},
		},
		forged: tries{
			"members":        {request: get(s.rival, "/public/../x", marie), status: 403},
			"users":          {request: get(s.host, "/users/x", paul), status: 403},
			"emails":         {request: get(s.host, "/emails/x", paul), status: 403},
			"email_domains":  {request: get(s.host, "/email_domains/x", louis), status: 403},
			"usergroups":     {request: get(s.host, "/usergroups/x", paul), status: 403},
			"admins":         {request: get(s.host, "/admins/x", paul), status: 403},
			"guests":         {request: get(s.host, "/guests/x", paul), status: 403},
			"cidrs":          {request: get(s.host, "/cidrs/x", forwarded("192.0.2.7, 198.51.100.1")), status: 403},
			"service_tokens": {request: get(s.host, "/cron/x", marie), status: 403},
			"methods":        {request: post("/methods/x", marie+"X-HTTP-Method-Override: GET\r\n"), status: 403},
			"query":          {request: get(s.host, "/query/x?page=a&pag%65=admin", paul), status: 403},
			"deny":           {request: get(s.host, "/admin/secret", marie), status: 403},
			"no rule":        {request: get(s.rival, "/x", bearer), status: 403},
		},
	}
}

// alike are hosts, domains and origins that only end or begin as the true ones.
func (s *siege) alike(marie string) advisory {
	host, _, _ := strings.Cut(s.host, ":")
	row := advisory{
		refused: tries{},
		honest: tries{
			"the host":             {request: get(s.host, "/x", marie), status: 200, arrives: "/x"},
			"in another case":      {request: get(strings.ToUpper(host), "/x", marie), status: 200, arrives: "/x"},
			"with the root's dot":  {request: get(host+".", "/x", marie), status: 200, arrives: "/x"},
			"a form of its own":    {request: signOut(s.host, "Origin: "+s.origin+"\r\n"), status: 303},
			"its own page's login": {request: get(s.host, "/.gateway/login", ""), status: 302},
		},
		forged: tries{},
	}
	for _, other := range []string{"bad" + host, "bad." + host, host + ".evil.example", host + "evil", strings.TrimPrefix(host, "a"), "localhost", ".localhost", "." + host, host + "..", "*.localhost",
		host + "@evil.example", "evil.example@" + host, host + "/evil", host + "#", host + "?", host + ":80:80", host + ":x", host + "%00", "[" + host + "]", host + ",evil.example", host + " evil.example", "xn--" + host} {
		status := 421
		if strings.ContainsAny(other, "/#?@ ") { // says net/http itself
			status = 400
		}
		row.refused[other] = try{request: get(other, "/public/x", ""), status: status}
		row.forged[other] = try{request: get(other, "/x", marie), status: status}
		for _, origin := range []string{"http://" + other, "http://" + other + s.host[len(host):], s.origin + other} {
			row.forged["a form of "+origin] = try{request: signOut(s.host, marie+"Origin: "+origin+"\r\n"), status: 403}
		}
	}
	return row
}

// signOut is the form that ends a session.
func signOut(host, more string) string {
	return "POST /.gateway/sign-out HTTP/1.1\r\nHost: " + host + "\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\nContent-Length: 0\r\n" + more + "\r\n"
}

// describes is a question of forward auth: may somebody get that page?
func describes(host, target, more string) string {
	return get("127.0.0.1", "/.gateway/auth", "X-Forwarded-Method: GET\r\nX-Forwarded-For: 198.51.100.1\r\nX-Forwarded-Host: "+host+"\r\nX-Forwarded-Uri: "+target+"\r\n"+more)
}

// emails: who has an address that another reader would take for one of the
// domain's does not get the domain's page, and with one that no two readers read
// alike not even a session.
func (s *siege) emails(t *testing.T) {
	for address, session := range map[string]bool{
		"emma@evil.example@agrafmania.fr": false, "emma@agrafmania.fr@evil.example": false, "@agrafmania.fr": false, "agrafmania.fr": false, "emma@": false, "": false,
		`"emma@evil.example"@agrafmania.fr`: false, "emma @agrafmania.fr": false, "emma@agrafmania.fr ": false, "emma@agrafmania.fr\n": false, "emma\x00@agrafmania.fr": false, "emma@evil.example,emma@agrafmania.fr": false, "<emma@agrafmania.fr>@evil.example": false,
		strings.Repeat("e", 300) + "@agrafmania.fr": false,
		"emma@badagrafmania.fr":                     true, "emma@x.agrafmania.fr": true, "emma@agrafmania.fr.evil.example": true, "emma@agrafmania.fr.": true, "emma@.agrafmania.fr": true, "emma@\u0430grafmania.fr": true,
		"emma%agrafmania.fr@evil.example": true, "emma\uff20agrafmania.fr@evil.example": true, "emma@agra\u017fmania.fr": true, "emma@evil.example;agrafmania.fr": true, "emma@evil.example%00agrafmania.fr": true,
	} {
		err := s.slack.UpdatePerson(customers[0].Team, "U0EMMA", func(p *slacksim.Person) { p.Email = address })
		if err != nil {
			t.Fatal(err)
		}
		r := s.begins(t, s.host, get(s.host, "/", ""))
		a := s.attack(get(s.host, r.picks(t, customers[0], "U0EMMA"), r.cookie))
		if a == nil || !session {
			if a == nil || a.StatusCode != 403 || strings.Contains(cookieLine(a), "gw=") {
				t.Errorf("%q signs in: %v", address, a)
			}
			continue
		}
		back, err := url.Parse(a.Header.Get("Location"))
		if err != nil || a.StatusCode != 302 || back.Path != "/.gateway/login" {
			t.Errorf("%q is answered %d to %q", address, a.StatusCode, back)
			continue
		}
		s.try(t, try{request: get(s.host, "/email_domains/x", cookieLine(a)), status: 403})
	}
}
