package gateway_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/cocoom/cocoom-gateway/gateway"
)

// TestNotifyGetsTheRequest: whatever the method, on either listener, the API
// gets path, query and body as they came, and the client's own address: that of
// the socket, or what a trusted proxy says, and no address rather than a guess.
func TestNotifyGetsTheRequest(t *testing.T) {
	api := func(c *gateway.Config) {
		c.Routes[0].Notify = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			rw.Header().Set("X-Seen", fmt.Sprintf("%s %s %s [%s]", r.Method, r.URL.RequestURI(), body, r.RemoteAddr))
			rw.WriteHeader(http.StatusAccepted)
		})
	}
	trusting := newInside(t, api)
	trustless := newWorld(t, api)
	for _, row := range []struct {
		name, method, path, forwarded, body, from string
	}{
		{"post", "POST", "/v1/notifications?dry_run=1", "", "to=C01", "127.0.0.1:0"},
		{"list", "GET", "/v1/notifications?to=%23ventes&cursor=a_-b", "198.51.100.7", "", "198.51.100.7:0"},
		{"head", "HEAD", "/v1/notifications/ntf_x", "", "", "127.0.0.1:0"},
		{"cancel", "DELETE", "/v1/notifications/ntf_x", "2001:db8::7", "", "[2001:db8::7]:0"},
		{"replay", "POST", "/v1/notifications/ntf_x/replay?all=1", "198.51.100.7, 127.0.0.1", `{"all":true}`, "198.51.100.7:0"},
		{"batch", "POST", "/v1/notifications/batch", "forged, 198.51.100.7", `{"items":[]}`, "198.51.100.7:0"},
		{"unreadable address", "POST", "/v1/ping", "unknown", "", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			seen := func(address string) string {
				t.Helper()
				req, err := http.NewRequest(row.method, address+row.path, strings.NewReader(row.body))
				must(t, err)
				if row.forwarded != "" {
					req.Header.Set("X-Forwarded-For", row.forwarded)
				}
				got := trusting.browser().send(req)
				if got.StatusCode != http.StatusAccepted {
					t.Errorf("answered %d %s", got.StatusCode, got.text)
				}
				return got.Header.Get("X-Seen")
			}
			want := func(from string) string { return fmt.Sprintf("%s %s %s [%s]", row.method, row.path, row.body, from) }
			if got := seen(trusting.routes[0].Origin + "/.gateway"); got != want(row.from) {
				t.Errorf("public: got %s, want %s", got, want(row.from))
			}
			if got := seen(trusting.private.URL + "/routes/" + host); got != want(row.from) {
				t.Errorf("private: got %s, want %s", got, want(row.from))
			}
			if got := seen(trustless.routes[0].Origin + "/.gateway"); got != want("127.0.0.1:0") {
				t.Errorf("trusting nobody: got %s, want %s", got, want("127.0.0.1:0"))
			}
		})
	}
}
