package main

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
)

// TestAdvisoryTraefikConnections is about CVE-2026-88007: an app that signs
// connections in, not requests (NTLM, Negotiate), behind connections that people
// share: who comes next on one must not be taken for who signed it in.
func TestAdvisoryTraefikConnections(t *testing.T) {
	t.Parallel()
	s := besiege(t, nil)
	var mu sync.Mutex
	signedIn := map[net.Conn]string{}
	s.app.answer = func(req recorded, conn net.Conn, _ *bufio.Reader) bool {
		mu.Lock()
		defer mu.Unlock()
		if credential := req.value("Authorization"); credential != "" {
			signedIn[conn] = credential
		}
		body := "as " + signedIn[conn]
		_, err := fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nPersistent-Auth: true\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		return err == nil
	}
	marie, paul := "Cookie: "+s.cookie("U0MARIE")+"\r\n", "Cookie: "+s.cookie("U0PAUL")+"\r\n"
	as := func(who string) func(*testing.T, *answer, recorded) {
		return func(t *testing.T, a *answer, _ recorded) {
			if a == nil || a.body != "as "+who {
				t.Errorf("the app takes it for one %v, want as %q", a, who)
			}
		}
	}
	for _, credential := range []string{"NTLM TlRMTVNTUAAD", "ntlm TlRMTVNTUAAD", "Negotiate YIIJ", "NEGOTIATE\tYIIJ", "\t Negotiate  YIIJ", "Negotiate", "Kerberos YIIJ", "Nego2 YIIJ"} {
		own := "Authorization: " + credential + "\r\n"
		page := try{status: 200, arrives: "/x"}
		with := func(request, who string) try {
			one := page
			one.request, one.also = request, as(who)
			return one
		}
		s.row(t, "CVE-2026-88007 behind who signed the connection in by "+credential, advisory{
			honest: tries{"it arrives": with(get(s.host, "/x", marie+own), strings.Trim(credential, " \t"))},
			forged: tries{"another's": with(get(s.host, "/x", paul), "")},
		})
		s.row(t, "CVE-2026-88007 behind an upgrade with "+credential, advisory{
			honest: tries{"it arrives": with(get(s.host, "/x", marie+own+"Origin: "+s.origin+"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"), strings.Trim(credential, " \t"))},
			forged: tries{"another's": with(get(s.host, "/x", paul), "")},
		})
	}
	s.row(t, "CVE-2026-88007 other credentials share connections", advisory{
		honest: tries{"Basic": {request: get(s.host, "/x", marie+"Authorization: Basic eDp5\r\n"), status: 200, arrives: "/x", also: as("Basic eDp5")}},
		forged: tries{"this app would be wrong": {request: get(s.host, "/x", paul), status: 200, arrives: "/x", also: as("Basic eDp5")}},
	})
}
