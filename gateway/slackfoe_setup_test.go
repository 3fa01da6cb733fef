package gateway_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/slackapi/slackfoe"
	"github.com/cocoom/cocoom-gateway/internal/slacksim"
)

// TestAttackBySlackAtInstallation: each hostile answer instead of each that the
// set-up of an app asks for. Nothing is installed, the admin gets a page without
// Slack's words, and the next try with an honest Slack succeeds.
func TestAttackBySlackAtInstallation(t *testing.T) {
	var astray atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { astray.Add(1) }))
	t.Cleanup(elsewhere.Close)
	s := newSite(t, nil)
	b := s.pasted()
	answers := slackfoe.Answers(elsewhere.URL)
	for name, answer := range map[string]string{
		"a token with a line":     `{"ok":true,"access_token":"xoxb-1\r\nX: y","app_id":"A1","scope":"chat:write","bot_user_id":"U1","team":{"id":"T0AGRAF001"},"authed_user":{"id":"U0MARIE"}}`,
		"a token of a megabyte":   `{"ok":true,"access_token":"` + strings.Repeat("x", 900<<10) + `","app_id":"A1","bot_user_id":"U1","team":{"id":"T0AGRAF001"},"authed_user":{"id":"U0MARIE"}}`,
		"a team of null":          `{"ok":true,"access_token":"xoxb-1","app_id":"A1","bot_user_id":"U1","team":null,"authed_user":{"id":"U0MARIE"}}`,
		"a team with a path":      `{"ok":true,"access_token":"xoxb-1","app_id":"A1","bot_user_id":"U1","team":{"id":"../T"},"authed_user":{"id":"U0MARIE"}}`,
		"an app of other types":   `{"ok":true,"access_token":"xoxb-1","app_id":7,"bot_user_id":[],"team":"T","authed_user":true}`,
		"scopes that are missing": `{"ok":true,"access_token":"xoxb-1","app_id":"A1","scope":"` + strings.Repeat("x,", 100_000) + `","bot_user_id":"U1","team":{"id":"T0AGRAF001"},"authed_user":{"id":"U0MARIE"}}`,
	} {
		answers[name] = status(200, answer)
	}
	for name, answer := range answers {
		for _, method := range []string{"oauth.v2.access", "auth.test", "users.info"} {
			t.Run(method+" answers with "+name, func(t *testing.T) {
				s.slack.Fault(slacksim.Fault{Method: method, Kind: slacksim.Custom, Answer: answer})
				defer s.slack.ClearFaults()
				begun := time.Now()
				got := s.install(b, teams[0], "U0MARIE")
				if got.StatusCode < 400 || s.status().Installed || time.Since(begun) > 8*time.Second {
					t.Errorf("answered %d %s after %s", got.StatusCode, title(got.text), time.Since(begun))
				}
				if strings.ContainsAny(got.text, "\x1b\a\u202e") || strings.Contains(got.text, "alert(1)") || strings.Contains(got.text, "xoxb-") || len(got.text) > 64<<10 {
					t.Errorf("Slack's words stand on the page: %.300q", got.text)
				}
			})
		}
	}
	if got := s.install(b, teams[0], "U0MARIE"); got.StatusCode >= 400 {
		t.Errorf("afterwards %d %s", got.StatusCode, title(got.text))
	}
	if text := s.log.String(); astray.Load() > 0 || strings.Contains(text, "\x1b") || strings.Contains(text, "xoxb-") {
		t.Errorf("%d redirects were followed, or Slack's words are in the log", astray.Load())
	}
}
