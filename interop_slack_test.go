package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/slack-go/slack"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
)

// Programs that speak Slack and know nothing of the gateway: Alertmanager with
// an incoming webhook, and two client libraries of the Web API. Only a base URL
// and a token tell the gateway from slack.com.
const interopSlack = `
listen: 127.0.0.1:0
admin: 127.0.0.1:0
private: 127.0.0.1:0
public_scheme: http
slack: {api_url: API}
routes:
  - host: interop.localhost
    workspace: T000000001
    slack_app: {bot_token: env:BOT_TOKEN}
    notify:
      bearer_tokens: [env:HOOK_TOKEN]
      hooks: [{id: alertmanager, tokens: [alertmanagers-own-token], to: "#general"}]
`

// startSlackSim gives a workspace with the app whose bot token the gateway has.
func startSlackSim(t *testing.T, more ...string) *slacksim.Server {
	t.Helper()
	sim, err := slacksim.Listen("127.0.0.1:0", slacksim.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sim.Close() })
	if err := sim.AddWorkspace(slacksim.Workspace{ID: interopTeam, Name: "Interop", Domain: "interop",
		People:   []slacksim.Person{{ID: "U0MARIE", Name: "Marie Dupont", Email: "marie@interop.example"}},
		Channels: []slacksim.Channel{{ID: "C0GENERAL", Name: "general"}, {ID: "C0OPS", Name: "ops"}}}); err != nil {
		t.Fatal(err)
	}
	if err := sim.AddApp(slacksim.App{ID: "A0", Name: "Cocoom", BotName: "cocoom", ClientID: "1.2", ClientSecret: "s", SigningSecret: "s", Workspace: interopTeam, BotToken: botToken,
		BotScopes:   append([]string{"chat:write", "chat:write.public", "im:write", "users:read", "users:read.email", "channels:read"}, more...),
		MessagesTab: true, Channels: []string{"C0OPS"}}); err != nil {
		t.Fatal(err)
	}
	return sim
}

// await waits until that many messages stand in a conversation.
func await(t *testing.T, sim *slacksim.Server, conversation string, n int) []slacksim.Message {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	list, err := sim.Await(ctx, interopTeam, conversation, n)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestInteropAlertmanager(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		setting string   // where Alertmanager gets the webhook's address from
		scopes  []string // of the bot, besides
		shown   string   // the name above the message
	}{
		{"api_url", "api_url: ADDRESS", []string{"chat:write.customize"}, "Alertmanager"},
		{"api_url_file, no name of its own", "api_url_file: FILE", nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sim := startSlackSim(t, tt.scopes...)
			g := startInterop(t, interopSlack, "API", sim.APIURL())
			a := startAlertmanager(t, tt.setting, "http://"+g.inside+"/routes/interop.localhost/services/alertmanager/alertmanagers-own-token")
			a.fire(t, "DiskFull", "Plus de place sur <db1> & co.")
			m := await(t, sim, "#ops", 1)[0]
			if m.Username != tt.shown || !json.Valid(m.Attachments) {
				t.Errorf("shown as %q: %+v", m.Username, m)
			}
			for _, part := range []string{"[FIRING:1] DiskFull", "Plus de place sur", `"color":"danger"`, `"mrkdwn_in"`, "prometheus.interop.example/graph"} {
				if !strings.Contains(string(m.Attachments), part) {
					t.Errorf("the attachments lack %s: %s", part, m.Attachments)
				}
			}
			// It drops a message on a 429 of Slack's own; here it does not hear of it.
			sim.Fault(slacksim.Fault{Method: "chat.postMessage", Times: 2, Kind: slacksim.RateLimited, RetryAfter: time.Second})
			a.fire(t, "LinkDown", "Plus de ligne")
			if m := await(t, sim, "#ops", 2)[1]; !strings.Contains(string(m.Attachments), "LinkDown") {
				t.Errorf("after the 429: %+v", m)
			}
			if n := len(sim.Messages(interopTeam, "")); n != 2 {
				t.Errorf("Slack has %d messages", n)
			}
		})
	}
}

// alertmanager is a running one that notifies by a webhook.
type alertmanager struct{ address string }

func startAlertmanager(t *testing.T, setting, hook string) alertmanager {
	t.Helper()
	program, dir := need(t, "prometheus-alertmanager"), t.TempDir()
	config := `
route: {receiver: slack, group_by: [alertname], group_wait: 1ms, group_interval: 1s, repeat_interval: 1h}
receivers:
  - name: slack
    slack_configs:
      - ` + strings.NewReplacer("ADDRESS", hook, "FILE", filepath.Join(dir, "address")).Replace(setting) + `
        channel: '#ops'
        text: '{{ range .Alerts }}{{ .Annotations.summary }}{{ end }}'
        actions: [{type: button, text: Courbe, url: 'https://prometheus.interop.example/graph'}]
`
	for name, content := range map[string]string{"alertmanager.yml": config, "address": hook} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a := alertmanager{loopback(freePort(t))}
	ctx, kill := context.WithTimeout(context.Background(), 5*time.Minute)
	cmd := exec.CommandContext(ctx, program, "--config.file="+filepath.Join(dir, "alertmanager.yml"), "--storage.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+a.address, "--cluster.listen-address=")
	var said bytes.Buffer
	cmd.Stderr, cmd.Env = &said, []string{}
	if err := cmd.Start(); err != nil {
		kill()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		kill()
		_ = cmd.Wait() // it was killed
		if t.Failed() {
			t.Logf("Alertmanager said:\n%s", said.String())
		}
	})
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); <-tick.C {
		if resp, err := http.Get("http://" + a.address + "/-/ready"); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return a
			}
		}
	}
	t.Fatal("Alertmanager does not become ready")
	return a
}

// fire reports an alert, as Prometheus does.
func (a alertmanager) fire(t *testing.T, name, summary string) {
	t.Helper()
	body, err := json.Marshal([]map[string]any{{"labels": map[string]string{"alertname": name}, "annotations": map[string]string{"summary": summary}}})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post("http://"+a.address+"/api/v2/alerts", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("the alert was answered %d", resp.StatusCode)
	}
}

// ownTS is how Slack, and the gateway in its place, names a message.
var ownTS = regexp.MustCompile(`^\d{10}\.\d{6}$`)

func TestInteropSlackGo(t *testing.T) {
	t.Parallel()
	sim := startSlackSim(t)
	g := startInterop(t, interopSlack, "API", sim.APIURL())
	api := slack.New(hookToken, slack.OptionAPIURL(interopOrigin+"/.gateway/slack/api/"), slack.OptionHTTPClient(g.client(t)))
	ctx := t.Context()

	self, err := api.AuthTestContext(ctx)
	if err != nil || self.TeamID != interopTeam || self.UserID == "" || self.BotID == "" {
		t.Fatalf("auth.test: %+v %v", self, err)
	}
	marie, err := api.GetUserByEmailContext(ctx, "marie@interop.example")
	if err != nil || marie.ID != "U0MARIE" || marie.RealName != "Marie Dupont" {
		t.Fatalf("users.lookupByEmail: %+v %v", marie, err)
	}
	dm, _, _, err := api.OpenConversationContext(ctx, &slack.OpenConversationParameters{Users: []string{marie.ID}})
	if err != nil || !strings.HasPrefix(dm.ID, "D") {
		t.Fatalf("conversations.open: %+v %v", dm, err)
	}
	if _, _, err := api.PostMessageContext(ctx, dm.ID, slack.MsgOptionText("direct <!here>", false),
		slack.MsgOptionBlocks(slack.NewDividerBlock())); err != nil {
		t.Fatalf("chat.postMessage: %v", err)
	}
	channel, ts, err := api.PostMessageContext(ctx, "#ops", slack.MsgOptionText("parent", false), slack.MsgOptionAttachments(slack.Attachment{Fallback: "f", Color: "good"}))
	if err != nil || !ownTS.MatchString(ts) {
		t.Fatalf("chat.postMessage: %s %s %v", channel, ts, err)
	}
	for i := range 2 { // at once, and when the parent has its ts of Slack's
		if _, _, err := api.PostMessageContext(ctx, channel, slack.MsgOptionText(fmt.Sprint("reply ", i), false), slack.MsgOptionTS(ts)); err != nil {
			t.Fatalf("chat.postMessage in a thread: %v", err)
		}
		await(t, sim, "#ops", 2+i)
	}
	for _, refusal := range []struct {
		word string
		call func() error
	}{
		{"users_not_found", func() error { _, err := api.GetUserByEmailContext(ctx, "nobody@interop.example"); return err }},
		{"no_text", func() error { _, _, err := api.PostMessageContext(ctx, "C0OPS"); return err }},
		{"user_not_found", func() error {
			_, _, _, err := api.OpenConversationContext(ctx, &slack.OpenConversationParameters{Users: []string{"U0NOBODY"}})
			return err
		}},
		{"unknown_method", func() error { return api.AddReactionContext(ctx, "tada", slack.NewRefToMessage("C0OPS", ts)) }},
		{"invalid_auth", func() error {
			_, err := slack.New("xoxb-wrong", slack.OptionAPIURL(interopOrigin+"/.gateway/slack/api/"), slack.OptionHTTPClient(g.client(t))).AuthTestContext(ctx)
			return err
		}},
	} {
		if err := refusal.call(); err == nil || err.Error() != refusal.word {
			t.Errorf("refused with %v, want %s", err, refusal.word)
		}
	}
	checkInSlack(t, sim)
}

// checkInSlack looks at what the clients have posted: a direct message, and a
// thread in #ops.
func checkInSlack(t *testing.T, sim *slacksim.Server) {
	t.Helper()
	direct := await(t, sim, "U0MARIE", 1)[0]
	if direct.Text != "direct <!here>" || len(direct.Blocks) == 0 || direct.Channel[0] != 'D' {
		t.Errorf("the direct message: %+v", direct)
	}
	list := sim.Messages(interopTeam, "#ops")
	if list[0].Text != "parent" || len(list[0].Attachments) == 0 || list[0].ThreadTS != "" {
		t.Errorf("the parent: %+v", list[0])
	}
	for _, m := range list[1:] {
		if m.ThreadTS != list[0].TS {
			t.Errorf("%q stands in thread %q, want %q", m.Text, m.ThreadTS, list[0].TS)
		}
	}
}

func TestInteropSlackWebAPIClient(t *testing.T) {
	t.Parallel()
	dir := needModules(t)
	sim := startSlackSim(t)
	g := startInterop(t, interopSlack, "API", sim.APIURL())
	argument, err := json.Marshal(map[string]any{"url": "http://" + g.inside + "/routes/interop.localhost/slack/api/", "token": hookToken, "email": "marie@interop.example",
		"channel": "#ops", "blocks": []any{map[string]string{"type": "divider"}}, "attachments": []any{map[string]string{"fallback": "f"}}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", "webapi.mjs", string(argument))
	cmd.Dir, cmd.Env, cmd.Stderr = dir, []string{"PATH=" + os.Getenv("PATH")}, t.Output()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("webapi.mjs: %v %s", err, out)
	}
	type posted struct {
		OK          bool
		Channel, TS string
	}
	var got struct {
		Bot, User, Name, Nobody, Nothing, Nowhere, Stranger string
		Direct, Parent, Reply                               posted
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if got.Bot == "" || got.User != "U0MARIE" || got.Name != "Marie Dupont" || got.Nobody != "users_not_found" || got.Nothing != "no_text" ||
		got.Nowhere != "channel_not_found" || got.Stranger != "invalid_auth" {
		t.Errorf("heard %s", out)
	}
	for _, p := range []posted{got.Direct, got.Parent, got.Reply} {
		if !p.OK || p.Channel == "" || !ownTS.MatchString(p.TS) {
			t.Errorf("heard of a message: %+v", p)
		}
	}
	await(t, sim, "#ops", 2)
	checkInSlack(t, sim)
}
