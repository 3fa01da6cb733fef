package main

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"
)

// echoing has a recorder answer each request by its own line, so that an answer
// that goes to another request is seen.
func echoing(req recorded, conn net.Conn, _ *bufio.Reader) bool {
	_, err := fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(req.line), req.line)
	return err == nil
}

// inStep sends request and, on the same connection, one that tells whether the
// gateway reads it where the sender meant it to begin. It gives the statuses, and
// fails if the app has got anything but lines: each whole, or cut off with its
// connection. Then a member asks, and must get their own answer.
func (s *siege) inStep(t *testing.T, member, request string, lines ...string) string {
	t.Helper()
	const probe = "/public/behind"
	var got []string
	for _, a := range attackAll(t, s.p.public.addr(), nil, request+get(s.host, probe, "Connection: close\r\n"), 8) {
		got = append(got, fmt.Sprint(a.StatusCode))
		if strings.Contains(a.body, probe) {
			got[len(got)-1] = "behind"
		}
	}
	if a := s.attack(get(s.host, "/member", "Connection: close\r\nCookie: "+member+"\r\n")); a == nil || a.body != "GET /member HTTP/1.1" {
		t.Fatalf("a member is answered %v", a)
	}
	arrived := s.app.requests()
	want := append(lines, "GET /member HTTP/1.1")
	if len(got) > 0 && got[len(got)-1] == "behind" {
		want = append(lines, "GET "+probe+" HTTP/1.1", "GET /member HTTP/1.1")
	}
	var all []string
	for _, req := range arrived {
		if req.broken == nil {
			all = append(all, req.line)
		} else if strings.Contains(req.line+strings.Join(req.header, "")+req.body, "smuggled") {
			t.Errorf("a part arrived: %+v", req)
		}
	}
	if strings.Join(all, "|") != strings.Join(want, "|") {
		t.Errorf("arrived %q, want %q", all, want)
	}
	return strings.Join(got, " ")
}

// TestAttackSmuggling: a request that a proxy in front of the gateway, or the app
// behind it, could see end elsewhere is refused, or goes on in one form and is the
// last of its connection ("200" without "behind").
func TestAttackSmuggling(t *testing.T) {
	s := besiege(t, nil)
	s.app.answer = echoing
	member := s.cookie("U0MARIE")
	s.app.requests()
	host := "Host: " + s.host + "\r\n"
	smuggled := get(s.host, "/admin/smuggled", "")
	const line, both = "POST /public/a HTTP/1.1", "200 behind"
	chunks := func(body string) string { return "Transfer-Encoding: chunked\r\n\r\n" + body }
	for _, row := range []struct {
		name, rest string // of a POST, behind Host
		want       string
		arrives    bool
	}{
		{"a body", "Content-Length: 2\r\n\r\nhi", both, true},
		{"CL.TE", "Content-Length: 6\r\n" + chunks("0\r\n\r\n"+smuggled), "200", true},
		{"TE.CL", "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n" + fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(smuggled), smuggled), "200", true},
		{"CL.0", "Content-Length: " + fmt.Sprint(len(smuggled)) + "\r\n\r\n" + smuggled, both, true},
		{"0.CL", "Content-Length: 0\r\n\r\n", both, true},
		{"chunks alone", chunks("2\r\nhi\r\n0\r\n\r\n"), "200", true},

		{"length twice", "Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi", both, true},
		{"two lengths", "Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi!", "400", false},
		{"lengths in a list", "Content-Length: 2, 2\r\n\r\nhi", "400", false},
		{"length with a sign", "Content-Length: +2\r\n\r\nhi", "400", false},
		{"length below nothing", "Content-Length: -2\r\n\r\nhi", "400", false},
		{"length in hex", "Content-Length: 0x2\r\n\r\nhi", "400", false},
		{"length of two words", "Content-Length: 0 2\r\n\r\nhi", "400", false},
		{"length of nothing", "Content-Length:\r\n\r\n", "400", false},
		{"length that overflows", "Content-Length: 18446744073709551618\r\n\r\nhi", "400", false},
		{"length, space, colon", "Content-Length : 2\r\n\r\nhi", "400", false},
		{"length that is folded", "Content-Length:\r\n 2\r\n\r\nhi", both, true},
		{"length as CGI reads it", "Content_Length: 9\r\nContent.Length: 9\r\n\r\n", both, true},
		{"length that Connection names", "Connection: Content-Length\r\nContent-Length: 2\r\n\r\nhi", both, true},

		{"coding twice", "Transfer-Encoding: chunked\r\n" + chunks("0\r\n\r\n"), "501", false},
		{"coding in a list", "Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n", "501", false},
		{"coding in capitals", "TRANSFER-ENCODING: Chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", "200", true},
		{"coding behind a tab", "Transfer-Encoding:\tchunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", "200", true},
		{"coding behind a vertical tab", "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", "400", false},
		{"coding before a form feed", "Transfer-Encoding: chunked\x0c\r\n\r\n0\r\n\r\n", "400", false},
		{"coding behind a hard space", "Transfer-Encoding: \xa0chunked\r\n\r\n0\r\n\r\n", "501", false},
		{"coding in quotes", "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", "501", false},
		{"coding with a parameter", "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n", "501", false},
		{"coding misspelt", "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "501", false},
		{"coding of nothing", "Transfer-Encoding:\r\n\r\n", "501", false},
		{"coding, space, colon", "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", "400", false},
		{"coding that is folded", "Transfer-Encoding:\r\n chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", "200", true},
		{"coding behind a bare LF", "X-A: b\n" + chunks("2\r\nhi\r\n0\r\n\r\n"), "200", true},
		{"coding behind a bare CR", "X-A: b\r" + chunks("2\r\nhi\r\n0\r\n\r\n"), "400", false},
		{"coding as CGI reads it", "Transfer_Encoding: chunked\r\nContent-Length: 2\r\n\r\nhi", both, true},
		{"coding that Connection names", "Connection: Transfer-Encoding\r\n" + chunks("2\r\nhi\r\n0\r\n\r\n"), "200", true},

		{"extension", chunks("2;a=b\r\nhi\r\n0;c\r\n\r\n"), "200", true},
		{"extension with a bare LF", chunks("2;a=b\nhi\r\n0\r\n\r\n"), "400", false},
		{"extension with a bare CR", chunks("2;a\rb\r\nhi\r\n0\r\n\r\n"), "400", false},
		{"extension that is long", chunks("2;" + strings.Repeat("a", 20000) + "\r\nhi\r\n0\r\n\r\n"), "400", false},
		{"chunks with bare LF", chunks("2\nhi\n0\n\n"), "400", false},
		{"size of 17 digits", chunks("10000000000000002\r\nhi\r\n0\r\n\r\n"), "400", false},
		{"size behind zeros", chunks("00000000000000000002\r\nhi\r\n0\r\n\r\n"), "400", false},
		{"size below nothing", chunks("-2\r\nhi\r\n0\r\n\r\n"), "400", false},
		{"size with 0x", chunks("0x2\r\nhi\r\n0\r\n\r\n"), "400", false},
		{"size of nothing", chunks("\r\nhi\r\n0\r\n\r\n"), "400", false},
		{"size that is too small", chunks("2\r\nhidden\r\n0\r\n\r\n"), "400", false},
		{"last CR LF missing", chunks("2\r\nhi\r\n0\r\n"), "400", false},
		{"trailers", "Trailer: X-Forwarded-User\r\n" + chunks("2\r\nhi\r\n0\r\nX-Forwarded-User: smuggled\r\nContent-Length: 9\r\nTransfer-Encoding: x\r\n\r\n"), "200", true},

		{"expectation unknown", "Expect: x\r\nContent-Length: 2\r\n\r\nhi", "417", false},
		{"expectations", "Expect: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi", "417", false},
		{"expectation that is met", "Expect: 100-Continue\r\nContent-Length: 2\r\n\r\nhi", "100 " + both, true},
		{"expectation without a body", "Expect: 100-continue\r\n\r\n", both, true},
		{"name of nothing", ": x\r\n\r\n", "400", false},
		{"zero byte", "X-A: b\x00c\r\n\r\n", "400", false},
		{"folded host", " X-A: b\r\n\r\n", "400", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			var lines []string
			if row.arrives {
				lines = []string{line}
			}
			if got := s.inStep(t, member, line+"\r\n"+host+row.rest, lines...); got != row.want {
				t.Errorf("answered %s, want %s", got, row.want)
			}
		})
	}
}

// TestAttackRequestLine: what begins a request is read in one way, and one form of
// it reaches the app.
func TestAttackRequestLine(t *testing.T) {
	s := besiege(t, nil)
	s.app.answer = echoing
	member := s.cookie("U0MARIE")
	s.app.requests()
	host := "Host: " + s.host + "\r\n"
	const a, both = "GET /public/a HTTP/1.1", "200 behind"
	for _, row := range []struct{ name, request, want, arrives string }{
		{"whole address", "GET http://" + s.host + "/public/a HTTP/1.1\r\nHost: evil.example\r\n\r\n", both, a},
		{"whole address of another host", "GET http://evil.example/public/a HTTP/1.1\r\n" + host + "\r\n", "421 behind", ""},
		{"whole address for nobody", "GET http://" + s.host + "/admin/secret HTTP/1.1\r\n" + host + "\r\n", "403 behind", ""},
		{"whole address with a user", "GET http://a:b@" + s.host + "/public/a HTTP/1.1\r\n" + host + "\r\n", both, a},
		{"whole address without a path", "GET http://" + s.host + " HTTP/1.1\r\n" + host + "\r\n", "400 behind", ""},
		{"whole address without a host", "GET ftp:///public/a HTTP/1.1\r\n" + host + "\r\n", both, a},
		{"scheme and no path", "GET x:public/a HTTP/1.1\r\n" + host + "\r\n", "400 behind", ""},
		{"authority", "GET " + s.host + " HTTP/1.1\r\n" + host + "\r\n", "400 behind", ""},
		{"asterisk", "GET * HTTP/1.1\r\n" + host + "\r\n", "400 behind", ""},
		{"asterisk, as it is meant", "OPTIONS * HTTP/1.1\r\n" + host + "\r\n", "401 behind", ""},
		{"asterisk at a stranger's", "OPTIONS * HTTP/1.1\r\nHost: evil.example\r\n\r\n", "421 behind", ""},
		{"tunnel", "CONNECT " + s.host + " HTTP/1.1\r\n" + host + "\r\n", "501", ""},
		{"tunnel to a path", "CONNECT /public/a HTTP/1.1\r\n" + host + "\r\n", "501", ""},
		{"two hosts", "GET /public/a HTTP/1.1\r\n" + host + "Host: " + s.rival + "\r\n\r\n", "400", ""},
		{"no host", "GET /public/a HTTP/1.1\r\n\r\n", "400", ""},
		{"HTTP/0.9", "GET /public/a\r\n", "400", ""},
		{"HTTP/1.0", "GET /public/a HTTP/1.0\r\n" + host + "\r\n", "200", a},
		{"HTTP/1.0, to be kept", "GET /public/a HTTP/1.0\r\nConnection: keep-alive\r\n" + host + "\r\n", "200", a},
		{"HTTP/1.0 with chunks", "GET /public/a HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n" + host + "\r\n0\r\n\r\n", "200", a},
		{"HTTP/1.0 that expects", "GET /public/a HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n" + host + "\r\nhi", "200", a},
		{"HTTP/2.0", "GET /public/a HTTP/2.0\r\n" + host + "\r\n", "505", ""},
		{"HTTP/2 by a stranger", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "421", ""},
		{"space in the path", "GET /public/a b HTTP/1.1\r\n" + host + "\r\n", "400", ""},
		{"tabs", "GET\t/public/a\tHTTP/1.1\r\n" + host + "\r\n", "400", ""},
		{"two spaces", "GET  /public/a HTTP/1.1\r\n" + host + "\r\n", "400", ""},
		{"space at the end", "GET /public/a HTTP/1.1 \r\n" + host + "\r\n", "400", ""},
		{"CR in the path", "GET /public/a\rX: HTTP/1.1\r\n" + host + "\r\n", "400", ""},
		{"empty line before", "\r\n" + a + "\r\n" + host + "\r\n", "400", ""},
		{"bare LF", strings.ReplaceAll(a+"\r\n"+host+"\r\n", "\r\n", "\n"), both, a},
		{"h2c", a + "\r\n" + host + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n", "200", a},
		{"WebSocket that the app refuses", a + "\r\n" + host + "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nOrigin: http://" + s.host + "\r\n\r\n", "200", a},
		{"WebSocket that policy refuses", "GET /x HTTP/1.1\r\n" + host + "Connection: Upgrade\r\nUpgrade: websocket\r\nOrigin: http://" + s.host + "\r\n\r\n", "401", ""},
		{"a member's, then a stranger's", get(s.host, "/mine", "Cookie: "+member+"\r\n") + get(s.host, "/theirs", ""), "200 302 behind", "GET /mine HTTP/1.1"},
	} {
		t.Run(row.name, func(t *testing.T) {
			var lines []string
			if row.arrives != "" {
				lines = []string{row.arrives}
			}
			if got := s.inStep(t, member, row.request, lines...); got != row.want {
				t.Errorf("answered %s, want %s", got, row.want)
			}
		})
	}
}
