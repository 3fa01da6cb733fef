package notifyhook

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
)

const hookAddress = hookPath + "alertmanager/" + hookSecret

func TestHookAnswers(t *testing.T) {
	r, _, log := newTestRelay(t, sqliteStore(t), "http://127.0.0.1:1/")
	const text = `{"text":"Disque plein"}`
	many := strings.TrimSuffix(strings.Repeat(`{"text":"x"},`, 101), ",")
	for _, row := range []struct {
		name, request, contentType, body string
		status                           int
		word                             string
	}{
		{"JSON", "POST " + hookAddress, "application/json", text, 200, "ok"},
		{"payload in a form", "POST " + hookAddress, "application/x-www-form-urlencoded", "payload=" + url.QueryEscape(text), 200, "ok"},
		{"JSON that says it is a form", "POST " + hookAddress, "application/x-www-form-urlencoded", text, 200, "ok"},
		{"JSON that says it is text", "POST " + hookAddress, "text/plain", text, 200, "ok"},
		{"JSON that does not say what it is", "POST " + hookAddress, "", text, 200, "ok"},
		{"windows-1252", "POST " + hookAddress, "application/json", "{\"text\":\"valid\xe9e\"}", 200, "ok"},
		{"attachments alone", "POST " + hookAddress, "application/json", `{"attachments":[{"fallback":"x"}]}`, 200, "ok"},
		{"a channel by name", "POST " + hookAddress, "application/json", `{"text":"x","channel":"general"}`, 200, "ok"},
		{"a person", "POST " + hookAddress, "application/json", `{"text":"x","channel":"U0MARIE"}`, 200, "ok"},
		{"unknown hook", "POST /services/grafana/" + hookSecret, "application/json", text, 404, "no_service"},
		{"no hook", "POST /services/", "application/json", text, 404, "no_service"},
		{"wrong token", "POST " + hookAddress + "x", "application/json", text, 403, "invalid_token"},
		{"no token", "POST /services/alertmanager", "application/json", text, 403, "invalid_token"},
		{"expired token", "POST /services/alertmanager/an-old-token-0123456789", "application/json", text, 403, "invalid_token"},
		{"bearer token of the route", "POST /services/alertmanager/" + testToken, "application/json", text, 403, "invalid_token"},
		{"GET", "GET " + hookAddress, "", "", 400, "invalid_payload"},
		{"empty", "POST " + hookAddress, "application/json", "", 400, "invalid_payload"},
		{"no JSON", "POST " + hookAddress, "application/json", "payload", 400, "invalid_payload"},
		{"a list", "POST " + hookAddress, "application/json", "[]", 400, "invalid_payload"},
		{"a form without payload", "POST " + hookAddress, "application/x-www-form-urlencoded", "text=x", 400, "invalid_payload"},
		{"nothing to say", "POST " + hookAddress, "application/json", `{"text":" ","blocks":[],"attachments":[]}`, 400, "no_text"},
		{"a channel that is none", "POST " + hookAddress, "application/json", `{"text":"x","channel":"@marie"}`, 404, "channel_not_found"},
		{"too many attachments", "POST " + hookAddress, "application/json", `{"attachments":[` + many + `]}`, 400, "too_many_attachments"},
		{"attachments that are none", "POST " + hookAddress, "application/json", `{"attachments":"x"}`, 400, "invalid_attachments"},
		{"blocks that are none", "POST " + hookAddress, "application/json", `{"text":"x","blocks":{"type":"section"}}`, 400, "invalid_blocks_format"},
		{"a block without a type", "POST " + hookAddress, "application/json", `{"text":"x","blocks":[{}]}`, 400, "invalid_blocks"},
		{"a thread that is none", "POST " + hookAddress, "application/json", `{"text":"x","thread_ts":"yesterday"}`, 400, "invalid_thread_ts"},
		{"too large", "POST " + hookAddress, "application/json", `{"text":"` + strings.Repeat("x", maxBody) + `"}`, 413, "msg_too_long"},
	} {
		t.Run(row.name, func(t *testing.T) {
			method, path, _ := strings.Cut(row.request, " ")
			w := call(r, method, path, row.body, "Content-Type", row.contentType)
			if w.Code != row.status || w.Body.String() != row.word || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
				t.Errorf("answered %d %q as %s, want %d %q", w.Code, w.Body, w.Header().Get("Content-Type"), row.status, row.word)
			}
		})
	}
	if strings.Contains(log.String(), "an-old-token") {
		t.Error("a token is in the log")
	}
}

func TestHookMultipart(t *testing.T) {
	r, _, _ := newTestRelay(t, sqliteStore(t), "http://127.0.0.1:1/")
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	if err := form.WriteField("payload", `{"text":"x"}`); err != nil {
		t.Fatal(err)
	}
	form.Close()
	if w := call(r, "POST", hookAddress, body.String(), "Content-Type", form.FormDataContentType()); w.Code != 200 || w.Body.String() != "ok" {
		t.Errorf("answered %d %s", w.Code, w.Body)
	}
}

// TestHookOurTrouble: the store cannot be written.
func TestHookOurTrouble(t *testing.T) {
	s := sqliteStore(t)
	r, _, _ := newTestRelay(t, s, "http://127.0.0.1:1/")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	w := call(r, "POST", hookAddress, `{"text":"x"}`)
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || strings.Contains(w.Body.String(), "\n") {
		t.Errorf("answered %d %q, Retry-After %q", w.Code, w.Body, w.Header().Get("Retry-After"))
	}
	w = webCall(r, postMessage, `{"channel":"general","text":"x"}`)
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), `"service_unavailable"`) {
		t.Errorf("the Web API answered %d %q, Retry-After %q", w.Code, w.Body, w.Header().Get("Retry-After"))
	}
}

func TestHookIdempotency(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		for range 2 {
			if w := call(r, "POST", hookAddress, `{"text":"once"}`, "Idempotency-Key", "k1"); w.Code != 200 {
				t.Fatalf("answered %d %s", w.Code, w.Body)
			}
			call(r, "POST", hookAddress, `{"text":"each"}`)
		}
		if w := call(r, "POST", hookAddress, `{"text":"another"}`, "Idempotency-Key", "k1"); w.Code != 400 {
			t.Errorf("the key for another message: %d %s", w.Code, w.Body)
		}
		stepFor(t, r, clock, 5*time.Second)
		if got := strings.Join(texts(sim.Messages(team, "#ventes")), " "); got != "once each each" {
			t.Errorf("Slack has %q", got)
		}
	})
}

// TestHookAsWritten: what reaches Slack is what was written, and the rest is
// left to Slack.
func TestHookAsWritten(t *testing.T) {
	const blocks = `[{"text":{"text":"*bloc* <!here>","type":"mrkdwn"},"type":"section"}]`
	for _, row := range []struct {
		name, payload string
		args          url.Values // what Slack was asked for besides channel and text
		text          string
	}{
		{"markup", `{"text":"<!channel> *a* &amp; <https://x.fr|b>"}`, url.Values{}, "<!channel> *a* &amp; <https://x.fr|b>"},
		{"blocks", `{"text":"x","blocks":` + blocks + `}`, url.Values{"blocks": {blocks}}, "x"},
		{"attachments with unknown fields", `{"attachments":[{"fallback":"x","novelty":1.50}]}`, url.Values{"attachments": {`[{"fallback":"x","novelty":1.50}]`}}, ""},
		{"markup off", `{"text":"*a*","mrkdwn":false}`, url.Values{"mrkdwn": {"false"}}, "*a*"},
		{"links shown", `{"text":"x","unfurl_links":true,"unfurl_media":false}`, url.Values{"unfurl_links": {"true"}, "unfurl_media": {"false"}}, "x"},
		{"names linked", `{"text":"@marie","link_names":1,"parse":"full"}`, url.Values{"link_names": {"true"}, "parse": {"full"}}, "@marie"},
		{"in a thread", `{"text":"x","thread_ts":"1700000000.000100","reply_broadcast":true}`,
			url.Values{"thread_ts": {"1700000000.000100"}, "reply_broadcast": {"true"}}, "x"},
		{"a name it may not have", `{"text":"x","username":"Alertmanager","icon_emoji":":fire:"}`, url.Values{}, "x"},
	} {
		t.Run(row.name, func(t *testing.T) {
			r, _, sim, _ := relayOn(t, sqliteStore(t))
			if w := call(r, "POST", hookAddress, row.payload); w.Body.String() != "ok" {
				t.Fatalf("answered %d %s", w.Code, w.Body)
			}
			step(t, r)
			calls := sim.Calls(postMessage)
			if len(calls) == 0 || calls[len(calls)-1].Error != "" {
				t.Fatalf("Slack was called %+v", calls)
			}
			args := calls[len(calls)-1].Args
			if got := args.Get("text"); got != row.text {
				t.Errorf("text %q, want %q", got, row.text)
			}
			args.Del("text")
			args.Del("channel")
			args.Del("metadata")     // ours, by which the message can be found again
			for name := range args { // one of two ways to write a sign in JSON
				args.Set(name, strings.ReplaceAll(strings.ReplaceAll(args.Get(name), `\u003c`, "<"), `\u003e`, ">"))
			}
			if got, want := args.Encode(), row.args.Encode(); got != want {
				t.Errorf("asked with %s, want %s", got, want)
			}
		})
	}
}

// TestHookIdentity: a name and a picture are kept where the app may have them,
// but never for the price of landing in Slackbot's conversation with a person.
func TestHookIdentity(t *testing.T) {
	for _, row := range []struct {
		name, scope, channel string
		shown                string
	}{
		{"in a channel", "im:write", "#ventes", "Alertmanager"},
		{"to a person", "im:write", "U0MARIE", "Alertmanager"},
		{"to a person, whose conversation cannot be opened", "channels:read", "U0MARIE", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			r, _, sim, _ := relayOn(t, sqliteStore(t))
			if err := sim.AddApp(slacksim.App{ID: "A9", Name: "Cocoom", BotName: "cocoom", ClientID: "1.9", ClientSecret: "s", SigningSecret: "s", Workspace: team,
				BotToken: "xoxb-bold", BotScopes: []string{"chat:write", "chat:write.customize", "channels:read", row.scope}, MessagesTab: true, Channels: []string{"C0VENTES"}}); err != nil {
				t.Fatal(err)
			}
			bold, err := New(Config{Routes: []Route{{Host: host, BotToken: "xoxb-bold", Settings: testRoutes()[0].Settings}}, APIURL: r.apps()[host].url, Store: r.store, Log: r.log})
			if err != nil {
				t.Fatal(err)
			}
			bold.now, bold.clock, bold.arrival = r.now, r.clock, r.arrival
			if w := call(bold, "POST", hookAddress, fmt.Sprintf(`{"text":"x","username":"Alertmanager","icon_emoji":":fire:","channel":%q}`, row.channel)); w.Body.String() != "ok" {
				t.Fatalf("answered %d %s", w.Code, w.Body)
			}
			step(t, bold)
			list := sim.Messages(team, row.channel)
			if len(list) != 1 || list[0].Username != row.shown || len(sim.Messages(team, "")) != 1 {
				t.Fatalf("Slack has %+v", list)
			}
			if to := sim.Calls(postMessage)[0].Args; row.shown != "" && strings.HasPrefix(to.Get("channel"), "U") {
				t.Errorf("posted to %s as %s, which Slack takes to Slackbot's conversation", to.Get("channel"), to.Get("username"))
			}
		})
	}
}

// TestHookRefusals: what Slack refuses of a message does not cost the message.
func TestHookRefusals(t *testing.T) {
	attached := `{"attachments":[{"fallback":"Disque plein","text":"x"},{"title":"B","text":"b"}]}`
	for _, row := range []struct {
		name, payload, refusal string
		text, sent             string // what arrives at last, and the note with it
		calls                  int
	}{
		{"attachments", attached, "attachment_payload_limit_exceeded", "Disque plein\nB\nb", "sent_as_plain_text: attachment_payload_limit_exceeded", 2},
		{"blocks", `{"text":"<!here> x","blocks":[{"type":"novelty"}]}`, "invalid_blocks", "<!here> x", "sent_as_plain_text: invalid_blocks", 2},
		{"thread", `{"text":"x","thread_ts":"1700000000.000100"}`, "cannot_reply_to_message", "x", "sent_otherwise_than_asked: cannot_reply_to_message", 2},
		{"name", `{"text":"x","username":"Alertmanager"}`, "missing_scope", "x", "sent_otherwise_than_asked: missing_scope", 2},
	} {
		t.Run(row.name, func(t *testing.T) {
			r, _, sim, _ := relayOn(t, sqliteStore(t))
			sim.Fault(slacksim.Fault{Method: postMessage, Times: 1, Error: row.refusal})
			if w := call(r, "POST", hookAddress, row.payload); w.Body.String() != "ok" {
				t.Fatalf("answered %d %s", w.Code, w.Body)
			}
			step(t, r)
			var state, note string
			if err := r.store.Read().QueryRow(`SELECT state, last_error FROM delivery`).Scan(&state, &note); err != nil {
				t.Fatal(err)
			}
			if last := sim.Calls(postMessage)[row.calls-1].Args; last.Has("attachments") || last.Has("blocks") || last.Has("thread_ts") || last.Has("username") {
				t.Errorf("the second time Slack was asked for %v", last)
			}
			got := texts(sim.Messages(team, "#ventes"))
			if len(got) != 1 || got[0] != row.text || state != "sent" || note != row.sent || len(sim.Calls(postMessage)) != row.calls {
				t.Errorf("%s, %q: %q after %d calls", state, note, got, len(sim.Calls(postMessage)))
			}
		})
	}
}

// stepFor works on while the clock goes.
func stepFor(t testing.TB, r *Relay, clock *fakeClock, d time.Duration) {
	t.Helper()
	for ; d > 0; d -= 500 * time.Millisecond {
		step(t, r)
		clock.advance(500 * time.Millisecond)
	}
	step(t, r)
}
