package slacksim_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/slack-go/slack"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
)

func TestRawCalls(t *testing.T) {
	srv := start(t, slacksim.Config{NoChannelLimit: true})
	must(t, srv.SetScopes(botTok, "chat:write", "users:read", "users:read.email"))
	post := "POST /api/chat.postMessage"
	jsonType := "application/json; charset=utf-8"
	for _, c := range []struct{ name, line, contentType, token, body, want string }{
		{"no token", "GET /api/auth.test", "", "", "", `"error":"not_authed"`},
		{"unknown token", "GET /api/auth.test", "", "xoxb-no", "", `"error":"invalid_auth"`},
		{"token in query", "GET /api/auth.test?token=" + botTok, "", "", "", `"ok":true`},
		{"token in form", "POST /api/auth.test", formType, "", form("token", botTok), `"team_id":"T0AGRAF001"`},
		{"token in JSON", post, jsonType, "", `{"token":"` + botTok + `","channel":"C0VENTES","text":"x"}`, `"error":"not_authed"`},
		{"unknown method", "POST /api/no.such", formType, botTok, "", `"req_method":"no.such"`},
		{"scope", "GET /api/usergroups.list", "", botTok, "", `"error":"missing_scope","needed":"usergroups:read","ok":false,"provided":"chat:write,users:read,users:read.email"`},
		{"JSON", post, jsonType, botTok, `{"channel":"C0VENTES","text":"x","unfurl_links":false,"blocks":[{"type":"divider"}]}`, `"ok":true`},
		{"no charset", post, "application/json", botTok, `{"channel":"C0VENTES","text":"x"}`, `"warnings":["missing_charset"]`},
		{"charset too many", post, formType + "; charset=utf-8", botTok, form("channel", ventes, "text", "x"), `"superfluous_charset"`},
		{"broken JSON", post, jsonType, botTok, `{"channel"`, `"error":"invalid_json"`},
		{"JSON list", post, jsonType, botTok, `[]`, `"error":"json_not_object"`},
		{"JSON where only forms go", "POST /api/users.info", jsonType, botTok, `{"user":"U0MARIE"}`, `"error":"invalid_arguments"`},
		{"text/plain", post, "text/plain", botTok, `x`, `"error":"invalid_post_type"`},
		{"no type", post, "", botTok, `x`, `"error":"missing_post_type"`},
		{"no channel", post, formType, botTok, form("text", "x"), `missing required field: channel`},
	} {
		res, got := do(t, srv, c.line, c.contentType, c.token, c.body)
		if res.StatusCode != 200 || !strings.Contains(got, c.want) {
			t.Errorf("%s: %d %s, want %s", c.name, res.StatusCode, got, c.want)
		}
		if c.name == "scope" && res.Header.Get("X-OAuth-Scopes") != "chat:write,users:read,users:read.email" {
			t.Errorf("X-OAuth-Scopes = %q", res.Header.Get("X-OAuth-Scopes"))
		}
	}
	must(t, srv.RevokeToken(botTok))
	if _, got := do(t, srv, "GET /api/auth.test", "", botTok, ""); !strings.Contains(got, "token_revoked") {
		t.Errorf("revoked: %s", got)
	}
	for _, call := range srv.Calls("") {
		if call.Args.Has("token") || call.At.IsZero() {
			t.Errorf("call kept a token or no time: %+v", call)
		}
	}
}

func TestUsers(t *testing.T) {
	srv := start(t, slacksim.Config{})
	api := client(srv, botTok)
	u, err := api.GetUserByEmail("marie@AGRAFMANIA.fr")
	must(t, err)
	if u.ID != marie || !u.IsAdmin || u.IsRestricted || u.TeamID != agraf || u.Profile.Email != "Marie@agrafmania.fr" {
		t.Errorf("marie = %+v", u)
	}
	for _, mail := range []string{"nobody@x", "greta@agrafmania.fr", "jean@port.fr"} {
		if _, err := api.GetUserByEmail(mail); errText(err) != "users_not_found" {
			t.Errorf("%s: %v", mail, err)
		}
	}
	g, err := api.GetUserInfo(guest)
	must(t, err)
	if !g.IsRestricted || !g.IsUltraRestricted || g.Deleted {
		t.Errorf("guest = %+v", g)
	}
	// A deactivated guest's flags are absent, not false.
	_, raw := do(t, srv, "GET /api/users.info?user="+gone, "", botTok, "")
	if !strings.Contains(raw, `"deleted":true`) || strings.Contains(raw, "is_restricted") || strings.Contains(raw, "is_admin") {
		t.Errorf("deactivated: %s", raw)
	}
	if _, err := api.GetUserInfo(jean); errText(err) != "user_not_found" {
		t.Errorf("person of another workspace: %v", err)
	}
	b, err := api.GetUserInfo(srv.BotUser("A0AGRAF", agraf))
	must(t, err)
	if !b.IsBot {
		t.Errorf("bot = %+v", b)
	}
	all, err := api.GetUsers(slack.GetUsersOptionLimit(2)) // follows the cursor
	must(t, err)
	ids := map[string]bool{}
	for _, u := range all {
		ids[u.ID] = true
	}
	if len(all) != 6 || len(ids) != 6 || !ids[gone] || !ids["USLACKBOT"] {
		t.Errorf("users.list gave %d: %v", len(all), ids)
	}
	if n := len(srv.Calls("users.list")); n != 3 {
		t.Errorf("%d pages of two, want 3", n)
	}
	must(t, srv.SetScopes(botTok, "users:read"))
	u, err = api.GetUserInfo(marie)
	must(t, err)
	if u.Profile.Email != "" {
		t.Error("e-mail told without users:read.email")
	}
	if _, err := api.GetUserByEmail("marie@agrafmania.fr"); errText(err) != "missing_scope" {
		t.Errorf("lookup without scope: %v", err)
	}
}

func TestUsergroups(t *testing.T) {
	srv := start(t, slacksim.Config{})
	api := client(srv, botTok)
	groups, err := api.GetUserGroups(slack.GetUserGroupsOptionIncludeUsers(true))
	must(t, err)
	if len(groups) != 1 || groups[0].Handle != "cocoom-admins" || !slices.Equal(groups[0].Users, []string{marie}) {
		t.Errorf("groups = %+v", groups)
	}
	must(t, srv.SetUsergroup(agraf, slacksim.Usergroup{ID: "S0ADMINS", Handle: "cocoom-admins", Members: []string{paul}}))
	members, err := api.GetUserGroupMembers("S0ADMINS")
	must(t, err)
	if !slices.Equal(members, []string{paul}) {
		t.Errorf("members = %v", members)
	}
	if _, err := api.GetUserGroupMembers("S404"); errText(err) != "no_such_subteam" {
		t.Error(err)
	}
	must(t, srv.AddApp(slacksim.App{ID: "A0FREE", Workspace: port, BotToken: "xoxb-port", BotScopes: allScopes(), BotName: "x"}))
	if _, err := client(srv, "xoxb-port").GetUserGroups(); errText(err) != "plan_upgrade_required" {
		t.Error(err)
	}
}

func TestConversations(t *testing.T) {
	srv := start(t, slacksim.Config{})
	api := client(srv, botTok)
	opened, noOp, already, err := api.OpenConversation(&slack.OpenConversationParameters{Users: []string{marie}})
	must(t, err)
	if !strings.HasPrefix(opened.ID, "D") || noOp || already {
		t.Errorf("open = %+v %v %v", opened.ID, noOp, already)
	}
	again, _, already, err := api.OpenConversation(&slack.OpenConversationParameters{Users: []string{marie}, ReturnIM: true})
	must(t, err)
	if again.ID != opened.ID || !already || again.User != marie {
		t.Errorf("second open = %+v", again)
	}
	for user, want := range map[string]string{gone: "user_disabled", "U404": "user_not_found", jean: "user_not_found", "": "users_list_not_supplied", srv.BotUser("A0AGRAF", agraf): "cannot_dm_bot"} {
		if _, _, _, err := api.OpenConversation(&slack.OpenConversationParameters{Users: []string{user}}); errText(err) != want {
			t.Errorf("open %q: %v, want %s", user, err, want)
		}
	}
	list, next, err := api.GetConversations(&slack.GetConversationsParameters{Limit: 2, ExcludeArchived: true})
	must(t, err)
	if len(list) != 2 || next != "" {
		t.Errorf("public channels = %+v, next %q", list, next)
	}
	list, _, err = api.GetConversations(&slack.GetConversationsParameters{Types: []string{"private_channel", "im"}})
	must(t, err)
	if len(list) != 1 || !list[0].IsIM {
		t.Errorf("the bot sees a private channel it is not in: %+v", list)
	}
	for id, want := range map[string]string{open: "", secretC: "channel_not_found", archive: "is_archived", opened.ID: "method_not_supported_for_channel_type"} {
		if _, _, _, err := api.JoinConversation(id); errText(err) != want {
			t.Errorf("join %s: %v, want %q", id, err, want)
		}
	}
	if _, warning, _, err := api.JoinConversation(open); err != nil || warning != "already_in_channel" {
		t.Errorf("join twice: %q %v", warning, err)
	}
}

func TestInstall(t *testing.T) {
	srv := start(t, slacksim.Config{})
	must(t, srv.UpdateApp("A0PORT", func(a *slacksim.App) { a.MessagesTab = true }))
	address := func(scope string) string {
		return srv.URL() + "/oauth/v2/authorize?" + form("client_id", "2.port", "scope", scope, "redirect_uri", "https://port.test/cb/install", "state", "s")
	}
	b := browser(t)
	to := signIn(t, b, address("chat:write,im:write"), port+":"+jean)
	got, err := slack.GetOAuthV2Response(http.DefaultClient, "2.port", "s3cret2", to.Query().Get("code"), "https://port.test/cb/install", slack.OAuthOptionAPIURL(srv.APIURL()))
	must(t, err)
	if got.AppID != "A0PORT" || got.Team.ID != port || got.AuthedUser.ID != jean || got.Scope != "chat:write,im:write" ||
		got.TokenType != "bot" || !strings.HasPrefix(got.AccessToken, "xoxb-") || got.BotUserID != srv.BotUser("A0PORT", port) {
		t.Errorf("oauth.v2.access = %+v", got)
	}
	if _, _, err := client(srv, got.AccessToken).PostMessage(jean, slack.MsgOptionText("salut", false)); err != nil {
		t.Errorf("post with the new token: %v", err)
	}
	// A second installation adds scopes and keeps the token.
	to = signIn(t, b, address("users:read"), port+":"+jean)
	again, err := slack.GetOAuthV2Response(http.DefaultClient, "2.port", "s3cret2", to.Query().Get("code"), "https://port.test/cb/install", slack.OAuthOptionAPIURL(srv.APIURL()))
	must(t, err)
	if again.AccessToken != got.AccessToken || again.Scope != "chat:write,im:write,users:read" {
		t.Errorf("second installation = %+v", again)
	}
	for _, scope := range []string{"", "openid", "chat:write,email", "Not A Scope!"} {
		res, err := b.Get(address(scope))
		must(t, err)
		body(t, res)
		if !strings.Contains(res.Header.Get("Location"), "error=invalid_scope") {
			t.Errorf("scope %q: %d %s", scope, res.StatusCode, res.Header.Get("Location"))
		}
	}
}

func TestFaults(t *testing.T) {
	srv := start(t, slacksim.Config{NoChannelLimit: true})
	api := client(srv, botTok)
	post := func() error {
		_, _, err := api.PostMessage(ventes, slack.MsgOptionText("x", false))
		return err
	}
	posted := 0
	for _, c := range []struct {
		name  string
		fault slacksim.Fault
		good  func(error) bool
		lands bool
	}{
		{"429", slacksim.Fault{Kind: slacksim.RateLimited, RetryAfter: 7e9}, func(err error) bool {
			var limited *slack.RateLimitedError
			return errors.As(err, &limited) && limited.RetryAfter == 7e9
		}, false},
		{"500", slacksim.Fault{Kind: slacksim.ServerError}, func(err error) bool {
			var status slack.StatusCodeError
			return errors.As(err, &status) && status.Code == 500
		}, false},
		{"500 after posting", slacksim.Fault{Kind: slacksim.ServerError, Status: 503, After: true}, func(err error) bool { return err != nil }, true},
		{"code", slacksim.Fault{Kind: slacksim.ErrorCode, Error: "ekm_access_denied"}, func(err error) bool { return errText(err) == "ekm_access_denied" }, false},
		{"truncated", slacksim.Fault{Kind: slacksim.Truncated}, func(err error) bool { return err != nil }, true},
		{"reset", slacksim.Fault{Kind: slacksim.Reset}, func(err error) bool { return err != nil }, false},
		{"custom", slacksim.Fault{Kind: slacksim.Custom, Answer: func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"ok":false}`)) }},
			func(err error) bool { return err == nil }, false},
		{"none left", slacksim.Fault{Method: "chat.update"}, func(err error) bool { return err == nil }, true},
	} {
		if c.fault.Method == "" {
			c.fault.Method = "chat.postMessage"
		}
		c.fault.Times = 1
		srv.Fault(c.fault)
		if err := post(); !c.good(err) {
			t.Errorf("%s: %v", c.name, err)
		}
		if c.lands {
			posted++
		}
		if n := len(srv.Messages(agraf, "#ventes")); n != posted {
			t.Errorf("%s: %d messages stand, want %d", c.name, n, posted)
		}
	}
	srv.ClearFaults()
	srv.Fault(slacksim.Fault{Team: port, Kind: slacksim.ErrorCode, Error: "fatal_error"})
	if err := post(); err != nil {
		t.Errorf("fault of another workspace: %v", err)
	}
	srv.Fault(slacksim.Fault{Method: "auth.test", Kind: slacksim.Oversize, Bytes: 1 << 20})
	if _, text := do(t, srv, "GET /api/auth.test", "", botTok, ""); len(text) < 1<<20 || !json.Valid([]byte(text)) {
		t.Errorf("oversize answer has %d bytes", len(text))
	}
	srv.ClearFaults()
	srv.Fault(slacksim.Fault{Method: "auth.test", Kind: slacksim.WrongType})
	if res, _ := do(t, srv, "GET /api/auth.test", "", botTok, ""); res.Header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Error("content type is right")
	}
	srv.Fault(slacksim.Fault{Method: "keys", Kind: slacksim.ServerError, Times: 1})
	if res, _ := do(t, srv, "GET /openid/connect/keys", "", "", ""); res.StatusCode != 500 {
		t.Errorf("keys: %d", res.StatusCode)
	}
}

func TestHangAfterPosting(t *testing.T) {
	srv := start(t, slacksim.Config{})
	srv.Fault(slacksim.Fault{Method: "chat.postMessage", Kind: slacksim.Hang, After: true, Times: 1})
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() {
		_, _, err := client(srv, botTok).PostMessageContext(ctx, marie, slack.MsgOptionText("x", false))
		result <- err
	}()
	got, err := srv.Await(t.Context(), agraf, marie, 1)
	must(t, err)
	if got[0].Person != marie {
		t.Errorf("message = %+v", got[0])
	}
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("client got %v", err)
	}
	// Released by the test, the client sees a broken connection, no answer.
	srv.Fault(slacksim.Fault{Method: "auth.test", Kind: slacksim.Hang, Times: 1})
	go func() {
		_, err := client(srv, botTok).AuthTest()
		result <- err
	}()
	_, err = srv.AwaitCalls(t.Context(), "auth.test", 1)
	must(t, err)
	srv.Release()
	if err := <-result; err == nil {
		t.Error("a hung call was answered")
	}
}
