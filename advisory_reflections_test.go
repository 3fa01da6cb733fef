package main

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
)

// markup breaks out of text, attributes, scripts and styles, were it written as it
// comes.
const markup = `"'></title></style><script>evil()</script><img src=x onerror=evil()><a href=javascript:evil()>`

// placesOfMarkup are headers with markup, as far as net/http lets them in.
func (s *siege) placesOfMarkup() map[string]string {
	return map[string]string{
		"the address": "", "Referer": "Referer: " + s.origin + "/" + markup + "\r\n", "Accept-Language": "Accept-Language: fr" + markup + "\r\n", "User-Agent": "User-Agent: " + markup + "\r\n",
		"X-Request-Id": "X-Request-Id: " + markup + "\r\n", "Origin": "Origin: " + s.origin + markup + "\r\n", "a cookie": "Cookie: " + markup + "=" + markup + "\r\n",
		"X-Forwarded-Host": "X-Forwarded-Host: " + markup + "\r\n", "Accept": "Accept: text/html, application/xhtml+xml, */*" + markup + "\r\n",
	}
}

// reflects puts markup in one place of requests to every page of ours, and of
// what is refused of the app's: none of it may be in the answer but as text.
func (s *siege) reflects(t *testing.T, name, where, cookie string) {
	q, more := url.QueryEscape(markup), s.placesOfMarkup()[where]
	query := "?" + q + "=" + q
	for _, name := range []string{"to", "again", "state", "error", "error_description", "code", "iss", "id", "token", "key", "link"} {
		query += "&" + name + "=" + q
	}
	t.Run(name, func(t *testing.T) {
		for who, cookie := range map[string]string{"refused without a session": "", "refused when forged": cookie} {
			t.Run(who, func(t *testing.T) {
				for _, path := range []string{"/.gateway/", "/.gateway/login", "/.gateway/callback", "/.gateway/sign-out", "/.gateway/sign-out-everywhere", "/.gateway/signed-out", "/.gateway/me", "/.gateway/break-glass", "/.gateway/form", "/.gateway/setup", "/.gateway/setup/installed",
					"/.gateway/slack/events", "/.gateway/v1/notifications", "/.gateway/services/x/y", "/.gateway/slack/api/chat.postMessage", "/.gateway/nothing", "/admin/secret", "/x", "/%zz", "/x%2f"} {
					targets := []string{path}
					if where == "the address" {
						targets = []string{path + "/" + url.PathEscape(markup), path + query}
					}
					for _, target := range targets {
						s.harmless(t, "GET "+target, "Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n"+cookie+more)
						if where != "the address" && where != "Referer" && where != "Origin" {
							continue // which say nothing about how it is asked
						}
						s.harmless(t, "POST "+target, "Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\nContent-Length: 0\r\n"+cookie+more)
						s.harmless(t, "GET "+target, "Sec-Fetch-Mode: cors\r\n"+cookie+more)
					}
				}
			})
		}
	})
}

// harmless sends a request, whose answer, if it is ours, must show nothing but
// text; and a browser that found a script in it all the same would not run it.
func (s *siege) harmless(t *testing.T, line, headers string) {
	t.Helper()
	s.app.requests()
	a := s.attack(line + " HTTP/1.1\r\nHost: " + s.host + "\r\n" + headers + "\r\n")
	if len(s.app.requests()) > 0 {
		return // the app's answer
	}
	if a == nil || a.StatusCode >= 500 {
		t.Fatalf("%s: answered %+v", line, a)
	}
	s.stays(t, a)
	for _, bad := range []string{"<script", "<img", "</title></style>", "href=javascript"} {
		if strings.Contains(strings.ToLower(a.body), bad) {
			t.Errorf("%s: %s stands in the answer", line, bad)
		}
	}
	for name, values := range a.Header {
		if strings.Contains(strings.Join(values, "\n"), "<script") {
			t.Errorf("%s: %s is %q", line, name, values)
		}
	}
	kind, csp := a.Header.Get("Content-Type"), a.Header.Get("Content-Security-Policy")
	switch {
	case a.body == "", strings.HasPrefix(kind, "application/problem+json"), strings.HasPrefix(kind, "application/json"), // browsers run none of these
		strings.HasPrefix(kind, "text/plain") && a.Header.Get("X-Content-Type-Options") == "nosniff":
	case strings.HasPrefix(kind, "text/plain") && a.StatusCode == 400 && strings.HasPrefix(a.body, "400 Bad Request"): // net/http's own
	case strings.HasPrefix(kind, "text/html") && strings.HasPrefix(csp, "default-src 'none'") && !strings.Contains(csp, "unsafe") && a.Header.Get("X-Content-Type-Options") == "nosniff":
	default:
		t.Errorf("%s: an answer of type %q with the policy %q", line, kind, csp)
	}
}

// shownNames: what a person is called in Slack, and what an app tells of people,
// stands as text on their page and on the operators'.
func (s *siege) shownNames(t *testing.T) {
	t.Run("CVE-2026-33525 markup in what is kept", func(t *testing.T) {
		if err := s.slack.UpdatePerson(customers[0].Team, "U0EMMA", func(p *slacksim.Person) { p.Name = markup }); err != nil {
			t.Fatal(err)
		}
		shown := 0
		emma := "Cookie: " + s.cookie("U0EMMA") + "\r\n"
		s.harmless(t, "GET /.gateway/", emma+"Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n")
		s.harmless(t, "GET /.gateway/me", emma)
		if a := s.attack(get(s.host, "/.gateway/", emma)); !strings.Contains(a.body, "&lt;script&gt;") {
			t.Error("her page does not show her name")
		}
		body := url.Values{"to": {"U0EMMA", "U0PAUL"}, "text": {markup}, "key": {"markup"}, "type": {"invoice.approved"}, "actor": {"marie@agrafmania.fr"}, "title": {markup}, "url": {s.origin + "/?" + url.QueryEscape(markup)}}.Encode()
		if a := s.attack(fmt.Sprintf("POST /.gateway/v1/notifications HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s", s.host, customers[0].HookToken, len(body), body)); a == nil || a.StatusCode != 202 {
			t.Fatalf("the notification was answered %+v", a)
		}
		for _, page := range []string{"/ui/", "/ui/routes", "/ui/routes/agrafmania.localhost", "/ui/alarms", "/ui/sessions", "/ui/people?host=agrafmania.localhost&person=U0EMMA", "/ui/notifications", "/ui/audit"} {
			for _, query := range []string{"", "search=", "person=", "route=", "host=", "status=", "done=", "after=", "x="} {
				at := page
				if query != "" {
					at += map[bool]string{true: "&", false: "?"}[strings.Contains(page, "?")] + query + url.QueryEscape(markup)
				}
				all := attackAll(t, s.p.admin.addr(), nil, "GET "+at+" HTTP/1.1\r\nHost: "+s.p.admin.addr()+"\r\nReferer: http://"+s.p.admin.addr()+"/ui/"+markup+"\r\n\r\n", 1)
				if len(all) == 0 || query == "" && all[0].StatusCode != 200 || all[0].StatusCode >= 500 {
					t.Fatalf("%s: answered %+v", at, all)
				}
				shown += strings.Count(all[0].body, "&lt;script&gt;")
				for _, bad := range []string{"<script", "<img", "<a href=javascript", "</title></style>"} {
					if strings.Contains(strings.ToLower(all[0].body), bad) {
						t.Errorf("%s: %s stands in the page", at, bad)
					}
				}
				if csp := all[0].Header.Get("Content-Security-Policy"); strings.HasPrefix(all[0].Header.Get("Content-Type"), "text/html") && (!strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe")) {
					t.Errorf("%s: a page with the policy %q", at, csp)
				}
			}
		}
		if shown < 10 {
			t.Errorf("the operators' pages show it %d times", shown)
		}
	})
}
