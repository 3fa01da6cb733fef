package gateway_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/internal/slacksim"
	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
)

// loginOnly is an office without a bot token, which knows people by their own.
func loginOnly(t *testing.T, st *store.Store) *office {
	return newOffice(t, st, func(c *gateway.Config) {
		c.Routes[0].SlackApp.BotToken = ""
		c.Routes[0].Login.Guests = "allow"
	})
}

func userInfo(answer http.HandlerFunc) func(*office) {
	return func(o *office) {
		o.slack.Fault(slacksim.Fault{Method: "openid.connect.userInfo", Kind: slacksim.Custom, Answer: answer})
	}
}

func status(code int, body string) http.HandlerFunc {
	return func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "application/json")
		rw.WriteHeader(code)
		fmt.Fprint(rw, body)
	}
}

// TestByTheirOwnToken: what userInfo says of somebody on a route without a bot
// token, and what its silence means.
func TestByTheirOwnToken(t *testing.T) {
	for name, row := range map[string]struct {
		change func(*office)
		status int  // after 16 minutes
		later  int  // after max_stale
		kept   bool // the token is kept
	}{
		"nothing":        {func(*office) {}, 200, 200, true},
		"deactivated":    {func(o *office) { o.becomes("U0PAUL", deactivate) }, 302, 302, false},
		"Slack is down":  {func(o *office) { o.slack.Fault(slacksim.Fault{Kind: slacksim.ServerError}) }, 200, 503, true},
		"rate limited":   {func(o *office) { o.slack.Fault(slacksim.Fault{Kind: slacksim.RateLimited, RetryAfter: time.Minute}) }, 200, 503, true},
		"token revoked":  {userInfo(status(200, `{"ok":false,"error":"token_revoked"}`)), 302, 302, false},
		"invalid_token":  {userInfo(status(401, `{"error":"invalid_token"}`)), 302, 302, false},
		"token expired":  {userInfo(status(200, `{"ok":false,"error":"token_expired"}`)), 200, 302, false},
		"somebody else":  {userInfo(status(200, `{"ok":true,"sub":"U0MARIE","email":"x@y.fr","email_verified":true}`)), 200, 503, true},
		"ok false alone": {userInfo(status(200, `{"ok":false}`)), 200, 503, true},
		"a web page":     {userInfo(status(200, `<html>`)), 200, 503, true},
		"no permission":  {userInfo(status(403, `{}`)), 200, 503, true},
	} {
		t.Run(name, func(t *testing.T) {
			o := loginOnly(t, nil)
			paul := o.arrives("U0PAUL")
			row.change(o)
			o.pass(16 * time.Minute)
			o.wants(paul, o.page, row.status, "")
			var token string
			must(t, o.store.Read().QueryRow(`SELECT token FROM person WHERE user_id = 'U0PAUL'`).Scan(&token))
			if row.kept != (token != "") || strings.Contains(token, "xox") {
				t.Errorf("the token is kept: %v (want %v), readable: %v", token != "", row.kept, strings.Contains(token, "xox"))
			}
			o.pass(25 * time.Hour)
			o.wants(paul, o.page, row.later, "")
		})
	}
}

func TestDeactivatedByTheirOwnToken(t *testing.T) {
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		o := loginOnly(t, st)
		paul := o.arrives("U0PAUL")
		o.becomes("U0PAUL", deactivate)
		o.pass(16 * time.Minute)
		o.reads()
		if got := o.elsewhere(paul, o.page); got.Code != 302 {
			t.Errorf("the other replica answers %d", got.Code)
		}
	})
}

// TestTokenRotation: tokens of an app with token rotation last for twelve hours,
// and a refresh token is good once.
func TestTokenRotation(t *testing.T) {
	o := loginOnly(t, nil)
	paul := o.arrives("U0PAUL")
	refreshed := 0
	renew := func(n int) {
		o.slack.ClearFaults()
		o.slack.Fault(slacksim.Fault{Method: "openid.connect.token", Kind: slacksim.Custom, Answer: func(rw http.ResponseWriter, r *http.Request) {
			refreshed++
			if want := fmt.Sprintf("xoxe-%d", n-1); r.FormValue("refresh_token") != want {
				status(200, `{"ok":false,"error":"invalid_refresh_token"}`)(rw, r)
				return
			}
			status(200, fmt.Sprintf(`{"ok":true,"access_token":"xoxp-new","token_type":"Bearer","expires_in":43200,"refresh_token":"xoxe-%d"}`, n))(rw, r)
		}})
		o.slack.Fault(slacksim.Fault{Method: "openid.connect.userInfo", Kind: slacksim.Custom, Answer: func(rw http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") == "Bearer xoxp-new" {
				status(200, `{"ok":true,"sub":"U0PAUL","name":"Paul Neuf"}`)(rw, r)
				return
			}
			status(200, `{"ok":false,"error":"token_expired"}`)(rw, r)
		}})
	}
	must(t, o.gateway.KeepToken(t.Context(), host, "U0PAUL", "xoxp-old", "xoxe-0", o.clock().Add(12*time.Hour)))
	renew(1)
	o.pass(16 * time.Minute) // Slack says that it has expired before we thought so
	o.wants(paul, o.page, 200, "app")
	if got := o.last().Header.Get("X-Forwarded-Preferred-Username"); got != "Paul Neuf" || refreshed != 1 {
		t.Errorf("after %d refreshes the name is %s", refreshed, got)
	}
	renew(2)
	o.pass(13 * time.Hour)
	o.wants(paul, o.page, 200, "app")
	if refreshed != 2 {
		t.Errorf("refreshed %d times, want 2", refreshed)
	}
	renew(9) // Slack does not know the token any more
	o.pass(13 * time.Hour)
	o.wants(paul, o.page, 302, "")
}

func TestOwnTokenRevokedByEvent(t *testing.T) {
	o := loginOnly(t, nil)
	paul, marie := o.arrives("U0PAUL"), o.arrives("U0MARIE")
	o.hears("tokens_revoked", map[string]any{"tokens": map[string]any{"oauth": []string{"U0PAUL"}}})
	o.wants(paul, o.page, 302, "")
	o.wants(marie, o.page, 200, "app")
	o.wants(o.arrives("U0PAUL"), o.page, 200, "app")
}
