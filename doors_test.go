package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestWithheldBodies: whoever announces a body and does not send it is answered
// at once where nothing is to be read, and after seconds where something is. No
// connection is held for them.
func TestWithheldBodies(t *testing.T) {
	t.Parallel()
	o := newOffice(t, t.TempDir())
	o.config += "    notify: {bearer_tokens: [ck_office_0123456789abcdef], hooks: [{id: mon, to: '#ventes', tokens: [" + hookToken + "]}]}\nprivate: 127.0.0.1:0\n"
	p, _ := o.start("0")
	const good = "Authorization: Bearer ck_office_0123456789abcdef\r\n"
	var waiting sync.WaitGroup
	for _, row := range []struct {
		name, line, headers string
		status              int
		within              time.Duration
	}{
		{"no such hook", "POST /services/none/x", "", 404, 2 * time.Second},
		{"wrong token of a hook", "POST /services/mon/x", "", 403, 2 * time.Second},
		{"a hook by PUT", "PUT /services/mon/" + hookToken, "", 400, 2 * time.Second},
		{"no such method of the Web API", "POST /slack/api/chat.delete", "", 200, 2 * time.Second},
		{"the Web API by PUT", "PUT /slack/api/chat.postMessage", "", 405, 2 * time.Second},
		{"the Web API with a wrong token", "POST /slack/api/chat.postMessage", "Authorization: Bearer wrong\r\n", 200, 2 * time.Second},
		{"no credential to list", "GET /v1/notifications", "", 401, 2 * time.Second},
		{"a list", "GET /v1/notifications", good, 200, 2 * time.Second},
		{"a cancelling of nothing", "DELETE /v1/notifications/ntf_x", good, 404, 2 * time.Second},
		{"nothing there", "POST /v1/none", "", 404, 2 * time.Second},
		{"a hook", "POST /services/mon/" + hookToken, "", 400, 8 * time.Second},
		{"the Web API", "POST /slack/api/api.test", "", 200, 8 * time.Second},
		{"a notification", "POST /v1/notifications", good, 400, 8 * time.Second},
		{"a notification without credential", "POST /v1/notifications", "", 401, 2 * time.Second},
	} {
		for listener, at := range map[string][2]string{"public": {p.public.addr(), "/.gateway"}, "private": {p.private.addr(), "/routes/" + customers[0].Host}} {
			waiting.Go(func() {
				status, err := withhold(at[0], fmt.Sprintf("%s HTTP/1.1\r\nHost: %s\r\n%s", strings.Replace(row.line, " ", " "+at[1], 1), customers[0].Host, row.headers), row.within)
				if err != nil || status != row.status {
					t.Errorf("%s, %s: answered %d (%v), want %d", row.name, listener, status, err, row.status)
				}
			})
		}
	}
	waiting.Wait()
}

// withhold sends a request without the body that it announces. The answer must
// come in time, and then the end of the connection.
func withhold(address, head string, within time.Duration) (status int, err error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(within))
	fmt.Fprintf(conn, "%sContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 60000\r\n\r\n", head)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return resp.StatusCode, err
	}
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if n, err := conn.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		return resp.StatusCode, fmt.Errorf("the connection is still open: %w", err)
	}
	return resp.StatusCode, nil
}
