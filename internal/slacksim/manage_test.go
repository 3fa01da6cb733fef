package slacksim_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
)

// TestManagePeople clicks what an administrator can do about a person: it holds,
// and the app is told by a signed event at its address.
func TestManagePeople(t *testing.T) {
	sim := start(t, slacksim.Config{})
	type told struct {
		Event struct {
			Type    string   `json:"type"`
			Group   string   `json:"subteam_id"`
			Added   []string `json:"added_users"`
			Removed []string `json:"removed_users"`
			User    struct {
				ID      string `json:"id"`
				Deleted bool   `json:"deleted"`
				Guest   bool   `json:"is_restricted"`
			} `json:"user"`
		} `json:"event"`
	}
	got := make(chan told, 10)
	app := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var e told
		if raw, err := io.ReadAll(r.Body); err != nil || json.Unmarshal(raw, &e) != nil || r.Header.Get("X-Slack-Signature") == "" {
			t.Errorf("the app is told %s (%v)", raw, err)
		}
		got <- e
	}))
	t.Cleanup(app.Close)
	address, err := url.Parse(app.URL)
	must(t, err)
	// Under this name the app is found without a resolver's help.
	must(t, sim.UpdateApp("A0AGRAF", func(a *slacksim.App) { a.EventsURL = "http://agrafmania.localhost:" + address.Port() + "/events" }))
	press := func(user, do string) int {
		t.Helper()
		resp, err := http.PostForm(sim.URL()+"/workspace/"+agraf+"/people/"+user, url.Values{"do": {do}})
		must(t, err)
		body(t, resp)
		return resp.StatusCode
	}

	for _, step := range []struct {
		do, button     string // button: what the page offers afterwards
		deleted, guest bool
	}{
		{"deactivate", "Activate again", true, false},
		{"activate", "Deactivate", false, false},
		{"guest", "Make a full member", false, true},
		{"member", "Make a guest", false, false},
	} {
		if status := press(paul, step.do); status != http.StatusOK {
			t.Fatalf("%s answered %d", step.do, status)
		}
		if u := (<-got).Event.User; u.ID != paul || u.Deleted != step.deleted || u.Guest != step.guest {
			t.Errorf("after %s the app is told %+v", step.do, u)
		}
		if _, html := page(t, sim, "/workspace/"+agraf+"?as="+paul, "en"); !strings.Contains(html, ">"+step.button+"<") {
			t.Errorf("after %s the page has no button %q", step.do, step.button)
		}
	}
	press(paul, "join:S0ADMINS")
	if e := (<-got).Event; e.Type != "subteam_members_changed" || e.Group != "S0ADMINS" || len(e.Added) != 1 || e.Added[0] != paul || len(e.Removed) != 0 {
		t.Errorf("of the new member of a group the app is told %+v", e)
	}
	press(paul, "leave:S0ADMINS")
	if e := (<-got).Event; len(e.Added) != 0 || len(e.Removed) != 1 || e.Removed[0] != paul {
		t.Errorf("of who has left the group the app is told %+v", e)
	}
	for name, status := range map[string]int{"unknown person": press("U404", "deactivate"), "unknown button": press(paul, "promote"), "unknown group": press(paul, "join:S404")} {
		if status != http.StatusNotFound {
			t.Errorf("%s: answered %d", name, status)
		}
	}
	if len(got) != 0 {
		t.Errorf("and the app is told %+v", <-got)
	}
}
