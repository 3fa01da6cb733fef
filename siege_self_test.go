package main

import (
	"strings"
	"testing"
)

// TestSiege: the besieged gateway does its work, and the recorder tells a request
// that is out of step from one that is whole.
func TestSiege(t *testing.T) {
	s := besiege(t, nil)
	cookie := s.cookie("U0MARIE")
	s.app.requests()
	for name, row := range map[string]struct {
		request string
		status  int
		arrives string
	}{
		"nobody":          {get(s.host, "/", ""), 302, ""},
		"public":          {get(s.host, "/public/a?b=%zz", ""), 200, "GET /public/a?b=%zz HTTP/1.1"},
		"a member":        {get(s.host, "/", "Cookie: "+cookie+"\r\n"), 200, "GET / HTTP/1.1"},
		"a program":       {get(s.host, "/cron/x", "Authorization: Bearer "+s.cron+"\r\n"), 200, "GET /cron/x HTTP/1.1"},
		"for nobody":      {get(s.host, "/admin/secret", "Cookie: "+cookie+"\r\n"), 403, ""},
		"the other route": {get(s.rival, "/public/", ""), 200, ""},
		"a body":          {"POST /public/ HTTP/1.1\r\nHost: " + s.host + "\r\nContent-Length: 5\r\n\r\nhello", 200, "POST /public/ HTTP/1.1"},
		"a chunked body":  {"POST /public/ HTTP/1.1\r\nHost: " + s.host + "\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 200, "POST /public/ HTTP/1.1"},
	} {
		t.Run(name, func(t *testing.T) {
			if a := s.attack(row.request); a == nil || a.StatusCode != row.status {
				t.Fatalf("answered %v, want %d", a, row.status)
			}
			got := s.app.requests()
			if row.arrives == "" && len(got) > 0 || row.arrives != "" && (len(got) != 1 || got[0].line != row.arrives || got[0].broken != nil) {
				t.Fatalf("arrived %v, want %q", got, row.arrives)
			}
			if strings.HasSuffix(name, " body") && got[0].body != "hello" {
				t.Errorf("arrived %q", got[0].body)
			}
		})
	}
}
