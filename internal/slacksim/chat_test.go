package slacksim_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slack-go/slack"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
)

func TestPostMessageDestinations(t *testing.T) {
	srv := start(t, slacksim.Config{NoChannelLimit: true})
	api := client(srv, botTok)
	for _, c := range []struct{ to, want, channel string }{
		{marie, "", "D"},
		{ventes, "", ventes}, {"#ventes", "", ventes}, {"ventes", "", ventes},
		{gone, "", "D"}, // accepted, as was seen at Slack
		{open, "not_in_channel", ""}, {archive, "is_archived", ""},
		{secretC, "channel_not_found", ""}, {"#secret", "channel_not_found", ""},
		{"U404", "channel_not_found", ""}, {jean, "channel_not_found", ""}, {"marie@agrafmania.fr", "channel_not_found", ""},
	} {
		channel, ts, err := api.PostMessage(c.to, slack.MsgOptionText("salut", false))
		if errText(err) != c.want || !strings.HasPrefix(channel, c.channel) || (ts != "") != (c.want == "") {
			t.Errorf("%s: %q %q %v, want %q", c.to, channel, ts, err, c.want)
		}
	}
	must(t, srv.SetScopes(botTok, "chat:write", "chat:write.public"))
	if _, _, err := api.PostMessage(open, slack.MsgOptionText("x", false)); err != nil {
		t.Errorf("chat:write.public: %v", err)
	}
	if _, _, err := api.PostMessage(marie, slack.MsgOptionText("x", false), slack.MsgOptionUsername("Chef")); errText(err) != "missing_scope" {
		t.Errorf("username without scope: %v", err)
	}
	must(t, srv.SetScopes(botTok, "chat:write", "chat:write.customize"))
	d, _, err := api.PostMessage(marie, slack.MsgOptionText("x", false), slack.MsgOptionUsername("Chef"))
	must(t, err)
	if own := srv.Messages(agraf, marie)[0].Channel; d == own {
		t.Error("a message under another name landed in the bot's own conversation")
	}
	must(t, srv.UpdateApp("A0AGRAF", func(a *slacksim.App) { a.MessagesTab = false }))
	if _, _, err := api.PostMessage(marie, slack.MsgOptionText("x", false)); errText(err) != "messages_tab_disabled" {
		t.Errorf("no messages tab: %v", err)
	}
	must(t, srv.SetChannel(agraf, slacksim.Channel{ID: ventes, Name: "ventes", ReadOnly: true}))
	if _, _, err := api.PostMessage(ventes, slack.MsgOptionText("x", false)); errText(err) != "restricted_action_read_only_channel" {
		t.Errorf("read-only: %v", err)
	}
}

func TestPostUpdateThreadHistory(t *testing.T) {
	srv := start(t, slacksim.Config{NoChannelLimit: true})
	api := client(srv, botTok)
	meta := slack.MsgOptionMetadata(slack.SlackMetadata{EventType: "ntf", EventPayload: map[string]any{"id": "n1"}})
	channel, ts, err := api.PostMessage(marie, slack.MsgOptionText("un", false), meta,
		slack.MsgOptionBlocks(slack.NewSectionBlock(slack.NewTextBlockObject("mrkdwn", "*un*", false, false), nil, nil)))
	must(t, err)
	_, reply, err := api.PostMessage(channel, slack.MsgOptionText("deux", false), slack.MsgOptionTS(ts))
	must(t, err)
	// A reply to a reply goes to its parent.
	_, _, err = api.PostMessage(channel, slack.MsgOptionText("trois", false), slack.MsgOptionTS(reply))
	must(t, err)
	got := srv.Messages(agraf, channel)
	if len(got) != 3 || got[1].ThreadTS != ts || got[2].ThreadTS != ts {
		t.Fatalf("thread = %+v", got)
	}
	history, err := api.GetConversationHistory(&slack.GetConversationHistoryParameters{ChannelID: channel, IncludeAllMetadata: true, Oldest: ts, Inclusive: true})
	must(t, err)
	if len(history.Messages) != 1 || history.Messages[0].Metadata.EventPayload["id"] != "n1" {
		t.Errorf("history = %+v", history.Messages)
	}
	replies, _, _, err := api.GetConversationReplies(&slack.GetConversationRepliesParameters{ChannelID: channel, Timestamp: ts})
	must(t, err)
	if len(replies) != 3 || replies[0].Timestamp != ts {
		t.Errorf("replies = %+v", replies)
	}
	if _, err := api.GetConversationHistory(&slack.GetConversationHistoryParameters{ChannelID: open}); errText(err) != "not_in_channel" {
		t.Errorf("history of a foreign channel: %v", err)
	}

	_, _, text, err := api.UpdateMessage(channel, ts, slack.MsgOptionText("nouveau", false))
	must(t, err)
	got = srv.Messages(agraf, channel)
	if text != "nouveau" || got[0].Text != "nouveau" || len(got[0].Blocks) != 0 || len(got[0].Metadata) == 0 || got[0].EditedAt.IsZero() {
		t.Errorf("updated = %+v", got[0])
	}
	for _, c := range []struct{ channel, ts, text, want string }{
		{marie, ts, "x", "channel_not_found"}, // wants the D… id
		{channel, "1.000001", "x", "message_not_found"},
		{channel, ts, strings.Repeat("é", 4001), "msg_too_long"},
	} {
		if _, _, _, err := api.UpdateMessage(c.channel, c.ts, slack.MsgOptionText(c.text, false)); errText(err) != c.want {
			t.Errorf("update %s %s: %v, want %s", c.channel, c.ts, err, c.want)
		}
	}
	must(t, srv.DeleteMessage(agraf, channel, ts))
	if _, _, _, err := api.UpdateMessage(channel, ts, slack.MsgOptionText("x", false)); errText(err) != "message_not_found" {
		t.Errorf("update of a deleted message: %v", err)
	}
	must(t, srv.AddApp(slacksim.App{ID: "A0TWO", Workspace: agraf, BotToken: "xoxb-two", BotScopes: allScopes(), BotName: "Two", MessagesTab: true, Channels: []string{ventes}}))
	_, other, err := client(srv, "xoxb-two").PostMessage(ventes, slack.MsgOptionText("mine", false))
	must(t, err)
	if _, _, _, err := api.UpdateMessage(ventes, other, slack.MsgOptionText("x", false)); errText(err) != "cant_update_message" {
		t.Errorf("update of another's message: %v", err)
	}
}

func TestContentLimits(t *testing.T) {
	srv := start(t, slacksim.Config{NoChannelLimit: true, NoMethodLimit: true})
	section := func(n int) string {
		return `{"type":"section","text":{"type":"mrkdwn","text":"` + strings.Repeat("é", n) + `"}}`
	}
	many := func(n int, one string) string { return "[" + strings.TrimSuffix(strings.Repeat(one+",", n), ",") + "]" }
	button := func(label int) string {
		return `[{"type":"actions","elements":[{"type":"button","text":{"type":"plain_text","text":"` + strings.Repeat("b", label) + `"}}]}]`
	}
	for _, c := range []struct{ name, field, value, want string }{
		{"nothing", "text", "", "no_text"},
		{"spaces", "text", "  ", "no_text"},
		{"50 blocks", "blocks", many(50, `{"type":"divider"}`), ""},
		{"51 blocks", "blocks", many(51, `{"type":"divider"}`), "invalid_blocks"},
		{"no list", "blocks", `{"type":"divider"}`, "invalid_blocks_format"},
		{"section 3000", "blocks", "[" + section(3000) + "]", ""},
		{"section 3001", "blocks", "[" + section(3001) + "]", "invalid_blocks"},
		{"section empty", "blocks", "[" + section(0) + "]", "invalid_blocks"},
		{"all too long", "blocks", many(5, section(2900)), "msg_blocks_too_long"},
		{"header mrkdwn", "blocks", `[{"type":"header","text":{"type":"mrkdwn","text":"x"}}]`, "invalid_blocks"},
		{"header 151", "blocks", `[{"type":"header","text":{"type":"plain_text","text":"` + strings.Repeat("x", 151) + `"}}]`, "invalid_blocks"},
		{"button 75", "blocks", button(75), ""},
		{"button 76", "blocks", button(76), "invalid_blocks"},
		{"unknown block", "blocks", `[{"type":"carrousel"}]`, "invalid_blocks"},
		{"block id twice", "blocks", `[{"type":"divider","block_id":"a"},{"type":"divider","block_id":"a"}]`, "invalid_blocks"},
		{"attachments", "attachments", many(100, `{"text":"a"}`), ""},
		{"attachments 101", "attachments", many(101, `{"text":"a"}`), "too_many_attachments"},
		{"metadata", "metadata", `{"event_type":"x"}`, "invalid_metadata_schema"},
		{"metadata text", "metadata", `x`, "invalid_metadata_format"},
		{"40001", "text", strings.Repeat("é", 40001), "message_truncated"},
		{"thread", "thread_ts", "abc", "invalid_thread_ts"},
	} {
		fields := []string{"channel", ventes, c.field, c.value}
		if c.field == "metadata" || c.field == "thread_ts" {
			fields = append(fields, "text", "x")
		}
		_, got := do(t, srv, "POST /api/chat.postMessage", formType, botTok, form(fields...))
		var answer struct{ Error, Warning string }
		must(t, json.Unmarshal([]byte(got), &answer))
		if answer.Error+answer.Warning != c.want {
			t.Errorf("%s: %.200s, want %q", c.name, got, c.want)
		}
	}
	if list := srv.Messages(agraf, "#ventes"); len([]rune(list[len(list)-1].Text)) != 40000 {
		t.Error("text was not cut")
	}
}

func TestRateLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim, err := slacksim.New(slacksim.Config{BaseURL: "http://slack.test"})
		must(t, err)
		fill(t, sim)
		hc, stop := sim.Client()
		defer stop()
		api := slack.New(botTok, slack.OptionAPIURL(sim.APIURL()), slack.OptionHTTPClient(hc))
		post := func(to string) time.Duration {
			_, _, err := api.PostMessage(to, slack.MsgOptionText("x", false))
			var limited *slack.RateLimitedError
			if errors.As(err, &limited) {
				return limited.RetryAfter
			}
			must(t, err)
			return 0
		}
		for i, c := range []struct {
			pause time.Duration
			to    string
			want  time.Duration
		}{
			{0, ventes, 0}, {0, ventes, time.Second}, {0, marie, 0}, {0, paul, 0},
			{999 * time.Millisecond, ventes, time.Second}, {time.Millisecond, ventes, 0}, {time.Second, ventes, 0},
		} {
			time.Sleep(c.pause)
			if got := post(c.to); got != c.want {
				t.Errorf("step %d: %s waits %v, want %v", i, c.to, got, c.want)
			}
		}
		for i := range 21 {
			_, err := api.GetUserGroups()
			var limited *slack.RateLimitedError
			if got := errors.As(err, &limited); got != (i == 20) || got && limited.RetryAfter != time.Minute {
				t.Fatalf("call %d: %v", i+1, err)
			}
		}
		if _, err := api.GetUserGroupMembers("S0ADMINS"); err != nil {
			t.Errorf("another method is limited too: %v", err)
		}
		time.Sleep(time.Minute)
		if _, err := api.GetUserGroups(); err != nil {
			t.Errorf("after a minute: %v", err)
		}
	})
}

func TestWebhook(t *testing.T) {
	srv := start(t, slacksim.Config{NoChannelLimit: true})
	address := srv.WebhookURL("A0AGRAF", "B0HOOK")
	path := strings.TrimPrefix(address, srv.URL())
	for _, c := range []struct {
		name, path, contentType, body string
		status                        int
		want                          string
	}{
		{"JSON", path, "application/json", `{"text":"a","blocks":[{"type":"divider"}]}`, 200, "ok"},
		{"form", path, formType, form("payload", `{"text":"b"}`), 200, "ok"},
		{"JSON without type", path, "", `{"text":"c"}`, 200, "ok"},
		{"no text", path, "application/json", `{}`, 400, "no_text"},
		{"no JSON", path, "application/json", `hello`, 400, "invalid_payload"},
		{"bad blocks", path, "application/json", `{"blocks":[{"type":"no"}]}`, 400, "invalid_blocks"},
		{"wrong secret", path + "x", "application/json", `{"text":"x"}`, 403, "invalid_token"},
		{"no such hook", strings.Replace(path, "B0HOOK", "B404", 1), "application/json", `{"text":"x"}`, 404, "no_service"},
	} {
		res, got := do(t, srv, "POST "+c.path, c.contentType, "", c.body)
		if res.StatusCode != c.status || got != c.want {
			t.Errorf("%s: %d %q, want %d %q", c.name, res.StatusCode, got, c.status, c.want)
		}
	}
	if n := len(srv.Messages(agraf, "#ventes")); n != 3 {
		t.Errorf("%d messages stand, want 3", n)
	}
	must(t, slack.PostWebhook(address, &slack.WebhookMessage{Text: "d"}))
	must(t, srv.SetChannel(agraf, slacksim.Channel{ID: ventes, Name: "ventes", Archived: true}))
	if res, got := do(t, srv, "POST "+path, "application/json", "", `{"text":"x"}`); res.StatusCode != http.StatusGone || got != "channel_is_archived" {
		t.Errorf("archived: %d %q", res.StatusCode, got)
	}
}
