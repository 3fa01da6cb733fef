package main

import (
	"context"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
)

// What the rows of the advisory suite have in common.

// identityHeaders are those by which an app knows who is signed in.
var identityHeaders = []string{"X-Forwarded-User", "X-Forwarded-Email", "X-Forwarded-Preferred-Username", "X-Forwarded-Groups", "X-Gateway-Team", "X-Gateway-Assertion"}

// headerLines are header lines with one value.
func headerLines(value string, names ...string) string {
	var out strings.Builder
	for _, name := range names {
		out.WriteString(name + ": " + value + "\r\n")
	}
	return out.String()
}

// each makes a try of every text, which is its name, too.
func each(texts []string, one func(text string) try) tries {
	out := make(tries, len(texts))
	for _, text := range texts {
		out[text] = one(text)
	}
	return out
}

// and puts tries together.
func (ts tries) and(more ...tries) tries {
	for _, m := range more {
		for name, one := range m {
			ts[name] = one
		}
	}
	return ts
}

// asCGI is a header's name as a CGI program has it: PHP's $_SERVER after HTTP_.
func asCGI(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z':
			return r - 'a' + 'A'
		case 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
			return r
		}
		return '_'
	}, name)
}

// unforged holds for what has reached an app: no header has the word "forged", and
// none stands there twice, as a CGI program reads their names.
func unforged(t *testing.T, _ *answer, got recorded) {
	t.Helper()
	seen := map[string]string{}
	for _, line := range got.header {
		name, value, _ := strings.Cut(line, ":")
		if strings.Contains(strings.ToLower(value), "forged") {
			t.Errorf("the app got %q", line)
		}
		if before, twice := seen[asCGI(name)]; twice {
			t.Errorf("the app got %s and %s", before, name)
		}
		seen[asCGI(name)] = name
	}
}

// knows is unforged, and the app knows that user alone; empty: nobody.
func (s *siege) knows(user string) func(*testing.T, *answer, recorded) {
	want := map[string]string{"X-Forwarded-Proto": "http", "X-Forwarded-Host": s.host, "X-Forwarded-For": "127.0.0.1", "Host": s.host}
	for _, p := range customers[0].people {
		if p.ID == user {
			want["X-Forwarded-User"], want["X-Forwarded-Email"], want["X-Forwarded-Preferred-Username"] = p.ID, p.Email, p.Name
			want["X-Gateway-Team"] = customers[0].Team
		}
	}
	return func(t *testing.T, a *answer, got recorded) {
		t.Helper()
		unforged(t, a, got)
		for name, value := range want {
			if v := got.value(name); v != value {
				t.Errorf("the app got %s: %q, want %q", name, v, value)
			}
		}
		for _, name := range identityHeaders {
			if user == "" && got.value(name) != "" {
				t.Errorf("the app got %s: %q of nobody", name, got.value(name))
			}
		}
		if user != "" && strings.Count(got.value("X-Gateway-Assertion"), ".") != 2 {
			t.Errorf("the app got the assertion %q", got.value("X-Gateway-Assertion"))
		}
		if got.value("X-Request-Id") == "" || strings.Contains(got.value("Cookie"), "gw") {
			t.Errorf("the app got request id %q, cookies %q", got.value("X-Request-Id"), got.value("Cookie"))
		}
	}
}

// asks is what another proxy asks the private listener about a page of a browser
// at 192.0.2.7; more are the browser's own header lines.
func asks(path, host, target, more string) string {
	return "GET " + path + " HTTP/1.1\r\nHost: gateway\r\nX-Forwarded-Method: GET\r\nX-Forwarded-Host: " + host + "\r\nX-Forwarded-Uri: " + target +
		"\r\nX-Forwarded-For: 192.0.2.7\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n" + more + "\r\n"
}

const authAny, authNginx = "/.gateway/auth", "/.gateway/auth/nginx"

// tells is what forward auth answers about user; empty: it tells of nobody.
func tells(user string) func(*testing.T, *answer, recorded) {
	return func(t *testing.T, a *answer, _ recorded) {
		t.Helper()
		if a == nil || a.Header.Get("X-Forwarded-User") != user {
			t.Fatalf("told %+v, want %q", a, user)
		}
		for _, name := range identityHeaders {
			if values := a.Header[http.CanonicalHeaderKey(name)]; a.StatusCode == 200 && len(values) != 1 || a.StatusCode != 200 && values != nil || user == "" && strings.Join(values, "") != "" {
				t.Errorf("with %d it tells %s: %q", a.StatusCode, name, values)
			}
		}
	}
}

// rivalCookie is cookie for the second customer's people and host.
func (s *siege) rivalCookie(user string) string {
	s.t.Helper()
	jar, _ := cookiejar.New(nil)
	tr := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		if address == s.rival {
			address = s.p.public.addr()
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}}
	s.t.Cleanup(tr.CloseIdleConnections)
	m := &member{office: s.office, at: s.p, Client: http.Client{Jar: jar, Transport: tr}}
	at := m.ask("GET", "http://"+s.rival+"/", nil).Request.URL.String()
	if end := m.ask("POST", at, url.Values{"person": {customers[1].Team + ":" + user}}); end.Request.URL.Host != s.rival || end.StatusCode != 200 {
		s.t.Fatalf("signing in ended at %s with %d", end.Request.URL, end.StatusCode)
	}
	var pairs []string
	for _, c := range jar.Cookies(&url.URL{Scheme: "http", Host: s.rival}) {
		pairs = append(pairs, c.Name+"="+c.Value)
	}
	return strings.Join(pairs, "; ")
}
