package gateway_test

import (
	"bufio"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/internal/slacksim"
	"github.com/cocoom/cocoom-gateway/proxy"
)

// TestStreamOfWhoLeavesTheGroup (as GHSA-x883-2vmg-xwf7): what is only for a
// usergroup's members ends when somebody is none any more; what is for all
// members of the workspace goes on.
func TestStreamOfWhoLeavesTheGroup(t *testing.T) {
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for r.Context().Err() == nil {
			fmt.Fprint(w, "data: hello\n\n")
			_ = http.NewResponseController(w).Flush()
			time.Sleep(10 * time.Millisecond)
		}
	}))
	t.Cleanup(app.Close)
	o := newOffice(t, nil, func(c *gateway.Config) {
		rt := &c.Routes[0]
		var err error
		rt.Upstream, err = proxy.New(proxy.Config{Origin: rt.Origin, Host: rt.Host, Upstream: proxy.Upstream{URL: app.URL}, Assertion: proxy.Assertion{Alg: "HS256", Secret: "0123456789abcdef0123456789abcdef"}, Error: gateway.WriteError})
		must(t, err)
	})
	paul := o.browser()
	paul.signIn(o.page, teams[0], "U0PAUL")
	open := func(address string) (goesOn func() bool) {
		req, err := http.NewRequestWithContext(t.Context(), "GET", address, nil)
		must(t, err)
		resp, err := paul.Do(req)
		must(t, err)
		t.Cleanup(func() { resp.Body.Close() })
		if resp.StatusCode != 200 {
			t.Fatal(resp.StatusCode)
		}
		lines := bufio.NewReader(resp.Body)
		return func() bool {
			for range 50 {
				if _, err := lines.ReadString('\n'); err != nil {
					return false
				}
			}
			return true
		}
	}
	admin, page := open(o.admin), open(o.page)
	o.advance(2 * time.Second)
	o.gateway.EndStreams()
	if !admin() || !page() {
		t.Fatal("cut early")
	}
	must(t, o.slack.SetUsergroup(teams[0], slacksim.Usergroup{ID: "S0ADMINS1", Handle: admins, Members: []string{"U0MARIE"}}))
	o.hears("subteam_members_changed", map[string]any{"subteam_id": "S0ADMINS1", "removed_users": []string{"U0PAUL"}})
	o.gateway.EndStreams()
	if admin() || !page() {
		t.Error("the group's stream goes on, or the members' does not")
	}
}
