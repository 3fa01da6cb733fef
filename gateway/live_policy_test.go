package gateway_test

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/internal/slacksim"
	"github.com/cocoom/cocoom-gateway/policy"
	"github.com/cocoom/cocoom-gateway/proxy"
)

// TestStreamsEndWithTheirPermission: who was taken out of a usergroup hears
// nothing more of what only that group may see, and keeps what everybody may.
func TestStreamsEndWithTheirPermission(t *testing.T) {
	gone := make(chan string, 100)
	app := httptest.NewServer(streamingApp(gone, nil))
	t.Cleanup(app.Close)
	o := newOffice(t, nil, func(c *gateway.Config) {
		rt := &c.Routes[0]
		var err error
		rt.Policy, err = policy.New([]policy.Rule{
			{Path: "/events", Allow: policy.Allow{Usergroups: []string{admins}}},
			{Path: "/socket", Allow: policy.Allow{Usergroups: []string{admins}}},
			{Path: "/**", Allow: policy.Allow{Members: true}},
		}, false)
		must(t, err)
		rt.Upstream, err = proxy.New(proxy.Config{Origin: rt.Origin, Host: rt.Host, Upstream: proxy.Upstream{URL: app.URL},
			Assertion: proxy.Assertion{Alg: "HS256", Secret: "0123456789abcdef0123456789abcdef"}, Log: c.Log, Error: gateway.WriteError})
		must(t, err)
		rt.Identifier = nil
	})
	paul, marie := o.streamer(t, "U0PAUL"), o.streamer(t, "U0MARIE")
	o.lose(gateway.LongAnswer)
	o.gateway.EndStreams()
	if !paul.open(t) || !marie.open(t) {
		t.Fatal("streams end although nothing has changed")
	}
	must(t, o.slack.SetUsergroup(teams[0], slacksim.Usergroup{ID: "S0ADMINS1", Handle: admins, Members: []string{"U0MARIE"}}))
	o.hears("subteam_members_changed", map[string]any{"subteam_id": "S0ADMINS1", "removed_users": []string{"U0PAUL"}, "added_users": []string{}})
	o.gateway.EndStreams()
	for range 2 {
		select {
		case path := <-gone:
			if path == "/download" {
				t.Error("what everybody may see is broken off")
			}
		case <-time.After(5 * time.Second):
			t.Fatal("the app streams on")
		}
	}
	if _, err := paul.events.ReadString('x'); err == nil {
		t.Error("the stream of events goes on")
	}
	if !marie.open(t) {
		t.Error("the streams of who is still in the group have ended, too")
	}
	if got := paul.get(o.routes[0].Origin + "/"); got.StatusCode != 200 {
		t.Errorf("a page answers %d", got.StatusCode)
	}
}
