package main

import (
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cocoom/cocoom-gateway/gateway"
)

// door is an endpoint at which secrets are tried.
type door struct {
	name, method, host, path string
	header                   []string // beside those of all
	body                     string   // that is signed; empty: a form
	private, admin           bool     // on which listener; else the public one
}

// doors are those that take a secret of some kind, and those that must not.
func (a *arsenal) doors() []door {
	host, third := a.siege.host, a.third
	own, page := []string{"Origin", "http://" + host}, []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}
	signed := []string{"Webhook-Id", "msg_1", "Webhook-Timestamp", a.stamp, "X-Slack-Request-Timestamp", a.stamp, "Content-Type", "application/json"}
	thirds := []string{"Origin", "http://" + third}
	asks := []string{"X-Forwarded-Method", "GET", "X-Forwarded-Host", a.rival, "X-Forwarded-Uri", "/x"}
	state := "state=" + a.kinds["sign-in state"]
	return []door{
		{name: "page", method: "GET", host: host, path: "/x", header: page},
		{name: "fetch", method: "GET", host: host, path: "/x"},
		{name: "form", method: "POST", host: host, path: "/x", header: append(own, page...)},
		{name: "public", method: "GET", host: host, path: "/public/x"},
		{name: "cron", method: "GET", host: host, path: "/cron/x"},
		{name: "denied", method: "GET", host: host, path: "/admin/secret"},
		{name: "WebSocket", method: "GET", host: host, path: "/x", header: append([]string{"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "MDEyMzQ1Njc4OWFiY2RlZg=="}, own...)},
		{name: "app with a session", method: "GET", host: host, path: "/x", header: []string{"Cookie", "gw=" + a.kinds["session"]}},
		{name: "other route", method: "GET", host: a.rival, path: "/x", header: page},
		{name: "other route's events", method: "POST", host: a.rival, path: "/.gateway/slack/events", header: signed, body: signedBody},
		{name: "other route's notifications", method: "GET", host: a.rival, path: "/.gateway/v1/notifications"},
		{name: "account", method: "GET", host: host, path: "/.gateway/", header: page},
		{name: "me", method: "GET", host: host, path: "/.gateway/me"},
		{name: "login", method: "GET", host: host, path: "/.gateway/login", header: page},
		{name: "callback", method: "GET", host: host, path: "/.gateway/callback?error=access_denied", header: page},
		{name: "callback of a sign-in", method: "GET", host: host, path: "/.gateway/callback?" + state, header: page},
		{name: "sign-out", method: "POST", host: host, path: "/.gateway/sign-out", header: own},
		{name: "sign-out everywhere", method: "POST", host: host, path: "/.gateway/sign-out-everywhere", header: own},
		{name: "break-glass", method: "GET", host: host, path: "/.gateway/break-glass", header: page},
		{name: "break-glass button", method: "POST", host: host, path: "/.gateway/break-glass", header: own},
		{name: "saved form", method: "GET", host: host, path: "/.gateway/form?id=" + a.kinds["name of a saved form"], header: page},
		{name: "keys", method: "GET", host: host, path: "/.gateway/jwks.json"},
		{name: "events", method: "POST", host: host, path: "/.gateway/slack/events", header: signed, body: signedBody},
		{name: "notifications", method: "POST", host: host, path: "/.gateway/v1/notifications", header: signed, body: signedBody},
		{name: "list of notifications", method: "GET", host: host, path: "/.gateway/v1/notifications"},
		{name: "hook", method: "POST", host: host, path: "/.gateway/services/mon"},
		{name: "Web API", method: "POST", host: host, path: "/.gateway/slack/api/auth.test"},
		{name: "setup", method: "GET", host: third, path: "/.gateway/setup", header: page},
		{name: "setup button", method: "POST", host: third, path: "/.gateway/setup", header: thirds},
		{name: "setup secrets", method: "POST", host: third, path: "/.gateway/setup/secrets", header: thirds},
		{name: "setup install", method: "GET", host: third, path: "/.gateway/setup/install", header: page},
		{name: "setup installed", method: "GET", host: third, path: "/.gateway/setup/installed?error=access_denied", header: append([]string{"Cookie", "gw-setup=" + a.kinds["setup cookie"]}, page...)},
		{name: "setup finish", method: "POST", host: third, path: "/.gateway/setup/finish", header: thirds},
		{name: "third route's notifications", method: "GET", host: third, path: "/.gateway/v1/notifications"},
		{name: "forward auth", method: "GET", path: "/.gateway/auth", header: asks, private: true},
		{name: "forward auth for nginx", method: "GET", path: "/.gateway/auth/nginx", header: asks, private: true},
		{name: "notifications inside", method: "GET", path: "/routes/" + customers[0].Host + "/v1/notifications", private: true},
		{name: "operators", method: "GET", path: "/sessions", admin: true},
		{name: "operators' pages", method: "GET", path: "/ui/", admin: true},
		{name: "operators' sign-in", method: "POST", path: "/ui/sign-in", header: []string{"Origin", "http://" + a.p.admin.addr()}, admin: true},
	}
}

// Where a secret can stand in a request.
var placesOfTokens = []string{"bearer", "basic", "cookie", "query", "header", "form", "path"}

var (
	cookiesOfTokens = []string{"gw", "__Host-gw", "gw-setup", "PHPSESSID", "PHPSESSID~nobody", "gw-assertion", "session"}
	fieldsOfTokens  = []string{"key", "id", "state", "again", "token", "code", "challenge", "access_token", "session", "client_secret", "gateway-saved-form", "browser", "csrf", "jwt", "name"}
	headersOfTokens = []string{"Webhook-Signature", "X-Slack-Signature", "X-Gateway-Assertion", "X-Forwarded-User", "X-Forwarded-Email", "X-Auth-Token", "X-Api-Key", "X-Access-Token",
		"X-CSRF-Token", "X-Admin-Token", "X-Session", "Proxy-Authorization", "Remote-User", "Cookie2", "Sec-WebSocket-Protocol", "X-Notify"}
)

// with gives a request for the door with a secret in a place; nil where it cannot stand.
func (a *arsenal) with(d door, place, secret string, client int) *http.Request {
	at := a.p.public.addr()
	switch {
	case d.private:
		at = a.p.private.addr()
	case d.admin:
		at = a.p.admin.addr()
	}
	fields := url.Values{}
	for _, name := range fieldsOfTokens {
		fields.Set(name, secret)
	}
	address, body := "http://"+at+d.path, d.body
	path, query, _ := strings.Cut(address, "?")
	switch {
	case place == "form" && (d.method != "POST" || d.body != ""):
		return nil
	case place == "form":
		body = fields.Encode()
	case place == "query":
		address = path + "?" + strings.TrimPrefix(query+"&"+fields.Encode(), "&")
	case place == "path":
		address = strings.TrimSuffix(path, "/") + "/" + url.PathEscape(secret) + "?" + query
	}
	req, err := http.NewRequest(d.method, address, strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	req.Host = d.host
	if d.method == "POST" && d.body == "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	// Each from an address of its own: limits per address are another matter.
	req.Header.Set("X-Forwarded-For", fmt.Sprintf("10.%d.%d.%d", client>>16&255, client>>8&255, client&255))
	for i := 0; i < len(d.header); i += 2 {
		req.Header.Add(d.header[i], d.header[i+1])
	}
	switch place {
	case "bearer":
		req.Header.Set("Authorization", "Bearer "+secret)
	case "basic":
		req.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(secret+":"+secret)))
	case "header":
		for _, name := range headersOfTokens {
			req.Header.Add(name, secret)
		}
	case "cookie":
		req.Header.Add("Cookie", a.cookies(secret))
	}
	return req
}

// cookies gives a secret under every name that is read somewhere.
func (a *arsenal) cookies(secret string) string {
	names := append([]string{"gw-form-" + a.kinds["name of a saved form"], "gw-admin-" + a.p.admin.addr()[strings.LastIndexByte(a.p.admin.addr(), ':')+1:]}, cookiesOfTokens...)
	for slot := range 32 {
		names = append(names, fmt.Sprintf("gw-tab-%02d", slot))
	}
	return strings.Join(names, "="+secret+"; ") + "=" + secret
}

// passing is what differs between two answers to the same.
var passing = regexp.MustCompile(`(state=|nonce=|gw-tab-|gw-form-|form\?id=|gw-admin-\d+=|req_method":")[^&"; ]+(=[^;"]*)?`)

// pageTime is when one of the operators' pages was made.
var pageTime = regexp.MustCompile(`[\d-]+ [\d:]+ UTC`)

// tells is all that an answer says, and what the app was told, but for what is
// different each time and for the secret itself.
func (a *arsenal) tells(d door, req *http.Request, secret string) string {
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		a.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	out := fmt.Sprintln(resp.StatusCode)
	id := resp.Header.Get("X-Request-Id")
	for _, name := range slices.Sorted(maps.Keys(resp.Header)) {
		if name != "Date" && name != "Content-Length" && name != "X-Request-Id" {
			out += fmt.Sprintln(name, resp.Header[name])
		}
	}
	out += string(body)
	if id != "" {
		out = strings.ReplaceAll(out, id, "ID")
	}
	var reached []*http.Request
	if !d.admin {
		reached = a.reached()
	}
	for _, seen := range reached {
		out += fmt.Sprintln("\napp:", seen.Method, seen.RequestURI, seen.Header["X-Forwarded-User"], seen.Header["Cookie"], len(seen.Header["Authorization"]), len(seen.Header["X-Gateway-Assertion"]))
	}
	for _, spelling := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret), url.QueryEscape(url.QueryEscape(secret)), url.QueryEscape(url.PathEscape(secret)), strings.ReplaceAll(secret, "+", "&#43;")} {
		out = strings.ReplaceAll(out, spelling, "SECRET")
	}
	if d.admin {
		return pageTime.ReplaceAllString(out, "")
	}
	return passing.ReplaceAllString(out, "$1")
}

// nearly is the secret with one character changed to another of its kind.
func nearly(secret string) string {
	out := []byte(secret)
	for i := len(out) * 2 / 3; i < len(out); i++ {
		switch c := out[i]; {
		case c >= '0' && c < '9', c >= 'a' && c < 'f', c >= 'g' && c < 'z', c >= 'A' && c < 'Z':
			out[i]++
			return string(out)
		}
	}
	return secret + "x"
}

// belonging is where a kind of secret is known: doors and the place there, as
// "door@place", apart by commas.
type belonging struct {
	opens string // it does what it is for
	told  string // it is refused, but its holder learns that it is one
}

// placesOfKinds says of every kind of secret where it belongs. Nothing else may
// know it.
func placesOfKinds() map[string]belonging {
	const anyApp = "page, fetch, form, public, cron, denied, WebSocket, account, me, login, callback, callback of a sign-in, sign-out, sign-out everywhere, break-glass, break-glass button, saved form, app with a session"
	everywhere := anyApp + ", keys, events, notifications, list of notifications, hook, Web API, other route, other route's events, other route's notifications, forward auth, forward auth for nginx"
	at := func(doors, place string) string { return strings.ReplaceAll(doors, ",", "@"+place+",") + "@" + place }
	const apis = "notifications, list of notifications, notifications inside, other route's notifications, third route's notifications"
	return map[string]belonging{
		"session":                                   {opens: at("page, fetch, form, public, cron, WebSocket, account, me, login, callback of a sign-in, sign-out, sign-out everywhere", "cookie")},
		"session of the other route":                {opens: at("other route, forward auth, forward auth for nginx", "cookie")},
		"session that was ended":                    {},
		"session of another ring":                   {},
		"session that has expired":                  {opens: "form@cookie, sign-out@cookie"}, // keeps the form
		"app cookie":                                {opens: "app with a session@cookie"},
		"assertion ES256":                           {},
		"assertion HS256":                           {},
		"user id":                                   {},
		"sign-in state":                             {opens: "callback@query"},
		"sign-in state of the other route":          {},
		"sign-in cookie":                            {opens: "callback of a sign-in@cookie"},
		"sign-in cookie of the other route":         {},
		"break-glass key":                           {opens: "break-glass@query, break-glass button@query"},
		"name of a saved form":                      {}, // without its cookie
		"cookie of a saved form":                    {opens: "saved form@cookie"},
		"notification token":                        {opens: at("notifications, list of notifications, notifications inside, Web API", "bearer") + ", Web API@form", told: at("other route's notifications, third route's notifications", "bearer")},
		"notification token of the other route":     {opens: "other route's notifications@bearer", told: at(apis, "bearer") + ", Web API@form"},
		"token that a set-up made":                  {opens: "third route's notifications@bearer", told: at(apis, "bearer") + ", Web API@form"},
		"notification signature":                    {opens: "notifications@header"},
		"notification signature of the other route": {},
		"hook token":                                {opens: "hook@path"},
		"hook token of the other route":             {},
		"event signature":                           {opens: "events@header"},
		"event signature of the other route":        {opens: "other route's events@header"},
		"service token":                             {opens: at("cron", "bearer") + ", " + at("cron", "basic"), told: at(everywhere, "bearer") + ", " + at(everywhere, "basic")},
		"setup key":                                 {opens: "setup@query, setup button@query"},
		"setup cookie":                              {opens: at("setup, setup secrets, setup install, setup finish", "cookie")},
		"install state":                             {opens: "setup installed@query"},
		"admin token":                               {opens: "operators@bearer, operators' sign-in@form"},
		"operator's cookie":                         {opens: at("operators' pages, operators' sign-in", "cookie")},
		"bot token":                                 {},
		"client secret":                             {},
		"signing secret":                            {},
	}
}

func (b belonging) has(list, cell string) bool {
	return slices.Contains(strings.Split(list, ", "), cell)
}

// TestAdvisoryTokensElsewhere puts every kind of secret that there is to every door, in every place where one can stand. What a door answers, and what the app
// behind it is told, is the same as for nonsense of that shape, but where the table
// says that the secret belongs; and there, afterwards, each is still good. There
// are no CSRF tokens: what changes something goes by Origin.
//
// A new kind of secret gets a line in the table, and one of its own in arsenal.
func TestAdvisoryTokensElsewhere(t *testing.T) {
	t.Parallel()
	t.Run("CVE-2024-47616 a token of another kind", tokensElsewhere)
}

func tokensElsewhere(t *testing.T) {
	a, table := arm(t), placesOfKinds()
	for kind, secret := range a.kinds {
		if _, listed := table[kind]; !listed || len(secret) < 7 {
			t.Errorf("%q, of %d bytes, is not in the table, or none", kind, len(secret))
		}
	}
	for kind := range table {
		if a.kinds[kind] == "" {
			t.Errorf("there is no %q", kind)
		}
	}
	m := &matrix{arsenal: a, nonsense: map[string]string{}}
	var operators sync.WaitGroup // who keep those waiting who guess
	for _, d := range a.doors() {
		if d.admin {
			operators.Go(func() { (&matrix{arsenal: a, nonsense: map[string]string{}}).strangers(d, table) })
			continue
		}
		m.strangers(d, table)
	}
	operators.Wait()
	for _, d := range a.doors() {
		m.owners(d, table)
	}
}

// matrix tries secrets at doors.
type matrix struct {
	*arsenal
	nonsense map[string]string // what a door says to it, by door, place and shape
	client   int
	cells    int
}

// ask gives what a door says to a secret in a place; "" where it cannot stand.
func (m *matrix) ask(d door, place, secret string) string {
	req := m.request(d, place, secret)
	if req == nil {
		return ""
	}
	return m.tells(d, req, secret)
}

func (m *matrix) request(d door, place, secret string) *http.Request {
	m.client++
	return m.with(d, place, secret, m.client)
}

// toNonsense gives what a door says to a secret of which one character is changed.
func (m *matrix) toNonsense(d door, place, secret string) string {
	shape := "long"
	switch {
	case d.admin:
	case strings.HasPrefix(secret, gateway.ServiceTokenPrefix):
		shape = "service token"
	case len(secret) < 20 || strings.Contains(secret, "/"): // as a sign-in's cookie, which a browser keeps for the next, and what is no segment of a path
		shape = secret
	}
	key := strings.Join([]string{d.name, place, shape}, "\n")
	said, known := m.nonsense[key]
	if !known {
		said = m.ask(d, place, nearly(secret))
		m.nonsense[key] = said
	}
	return said
}

// strangers tries all secrets at a door where they do not belong.
func (m *matrix) strangers(d door, table map[string]belonging) {
	var waiting sync.WaitGroup
	for _, place := range placesOfTokens {
		if d.admin { // of whom so many may wait at once, and others are told so
			m.toNonsense(d, place, m.kinds["session"])
			waiting.Wait()
		}
		for kind, secret := range m.kinds {
			if m.cells++; racing && m.cells%8 != 0 { // one at a time is no race: some show that it goes
				continue
			}
			cell, b := d.name+"@"+place, table[kind]
			nonsense, req := strings.ReplaceAll(m.toNonsense(d, place, secret), secret, "SECRET"), m.request(d, place, secret)
			if req == nil || b.has(b.opens, cell) {
				continue
			}
			try := func() {
				said := m.tells(d, req, secret)
				toApp := strings.Contains(said, "\napp:")
				switch {
				case !b.has(b.told, cell) && said != nonsense:
					m.t.Errorf("%s: the %s is answered\n%s\nand nonsense\n%s", cell, kind, said, nonsense)
				case b.has(b.told, cell) && (toApp || !slices.Contains([]string{"401", "403"}, said[:3]) && !strings.Contains(said, `"ok":false`)):
					m.t.Errorf("%s: the %s is answered\n%s", cell, kind, said)
				}
			}
			if d.admin { // which keeps those waiting who guess
				waiting.Go(try)
			} else {
				try()
			}
		}
	}
	waiting.Wait()
}

// owners tries all secrets where they belong: misuse has spent none.
func (m *matrix) owners(d door, table map[string]belonging) {
	for _, place := range placesOfTokens {
		for kind, secret := range m.kinds {
			if b := table[kind]; b.has(b.opens, d.name+"@"+place) && !strings.HasPrefix(d.name, "sign-out") {
				if said := m.ask(d, place, secret); said == m.ask(d, place, nearly(secret)) {
					m.t.Errorf("%s@%s: the %s is not known: %s", d.name, place, kind, said)
				}
			}
		}
	}
}
