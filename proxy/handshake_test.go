package proxy_test

import (
	"fmt"
	"strings"
	"testing"
)

// TestOnlyAFullHandshakeOpensATunnel: an app that says "101" without speaking
// WebSocket would read what the client sends next as requests that policy never
// sees. The accept key for upgradeRequest is that of RFC 6455 section 1.3.
func TestOnlyAFullHandshakeOpensATunnel(t *testing.T) {
	const accept = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
	const upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\n"
	handshake := fmt.Sprintf(upgradeRequest, "websocket")
	for _, row := range []struct{ name, request, answer, want string }{
		{"full", handshake, upgrade + accept, "101"},
		{"no key is accepted", handshake, upgrade, "502"},
		{"another key is accepted", handshake, upgrade + "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n", "502"},
		{"two keys are accepted", handshake, upgrade + accept + accept, "502"},
		{"the key is given back", handshake, upgrade + "Sec-WebSocket-Accept: dGhlIHNhbXBsZSBub25jZQ==\r\n", "502"},
		{"another protocol", handshake, "Upgrade: h2c\r\nConnection: Upgrade\r\n" + accept, "502"},
		{"no protocol", handshake, accept, "502"},
		{"unasked", strings.Replace(handshake, "Connection: Upgrade\nUpgrade: websocket", "Connection: close", 1), upgrade + accept, "502"},
		{"asked without a key", strings.Replace(handshake, "Sec-WebSocket-Key", "X-Key", 1), upgrade + accept, "502"},
		{"asked with two keys", strings.Replace(handshake, "\n\n", "\nSec-WebSocket-Key: x\n\n", 1), upgrade + accept, "502"},
		{"asked without Connection", strings.Replace(handshake, "Connection: Upgrade\n", "", 1), upgrade + accept, "502"},
		{"asked by POST", strings.Replace(handshake, "GET", "POST", 1), upgrade + accept, "502"},
		{"asked in HTTP/1.0", strings.Replace(handshake, "HTTP/1.1", "HTTP/1.0", 1), upgrade + accept, "502"},
	} {
		t.Run(row.name, func(t *testing.T) {
			app, heads := newRawApp(t, "HTTP/1.1 101 Switching Protocols\r\n"+row.answer+"\r\n")
			f := newFront(t, app, nil, nil)
			got := f.send(t, row.request+"GET /smuggled HTTP/1.1\nHost: x\n\n")
			if !strings.HasPrefix(got, "HTTP/1.") || len(got) < 12 || got[9:12] != row.want || strings.Count(got, "HTTP/1.") != 1 {
				t.Errorf("answered %q, want one %s", got, row.want)
			}
			head := <-heads
			if whole := strings.HasPrefix(row.name, "asked"); whole && strings.Contains(strings.ToLower(head), "upgrade:") {
				t.Errorf("the app was asked: %q", head)
			}
			if len(heads) > 0 {
				t.Errorf("the app also got %q", <-heads)
			}
		})
	}
}
