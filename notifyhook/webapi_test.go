package notifyhook

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
)

// webCall calls a method with the bearer token and JSON.
func webCall(r *Relay, method, body string, headers ...string) *httptest.ResponseRecorder {
	return call(r, "POST", webAPIPath+method, body, append([]string{"Authorization", "Bearer " + testToken, "Content-Type", "application/json; charset=utf-8"}, headers...)...)
}

// said is what the Web API answers, as far as tests look at it.
type said struct {
	OK               bool
	Error            string
	Channel          any
	TS               string
	Message          map[string]any
	User             any
	UserID           string `json:"user_id"`
	BotID            string `json:"bot_id"`
	Warning          string
	ResponseMetadata struct{ Messages, Warnings []string } `json:"response_metadata"`
}

func heard(t testing.TB, w *httptest.ResponseRecorder) said {
	t.Helper()
	var s said
	if err := json.Unmarshal(w.Body.Bytes(), &s); err != nil {
		t.Fatalf("answer %d is not JSON: %s", w.Code, w.Body)
	}
	return s
}

func TestWebAPIRefusals(t *testing.T) {
	r, _, _ := newTestRelay(t, sqliteStore(t), "http://127.0.0.1:1/")
	const form, js = "application/x-www-form-urlencoded", "application/json"
	token := "token=" + testToken + "&"
	for _, row := range []struct {
		name, request, authorization, contentType, body string
		status                                          int
		word                                            string
	}{
		{"no token", "POST chat.postMessage", "", js, `{"channel":"C1","text":"x"}`, 200, "not_authed"},
		{"token in JSON", "POST chat.postMessage", "", js, `{"token":"` + testToken + `","channel":"C1","text":"x"}`, 200, "not_authed"},
		{"token in the query", "GET chat.postMessage?channel=C1&text=x&token=" + testToken, "", "", "", 200, "not_authed"},
		{"wrong token", "POST chat.postMessage", "Bearer xoxb-1", js, `{"channel":"C1","text":"x"}`, 200, "invalid_auth"},
		{"another route's token", "POST chat.postMessage", "Bearer " + otherToken, js, `{"channel":"C1","text":"x"}`, 200, "invalid_auth"},
		{"wrong token in the form", "POST chat.postMessage", "", form, "token=xoxb-1&channel=C1&text=x", 200, "invalid_auth"},
		{"a hook's token", "POST chat.postMessage", "Bearer " + hookSecret, js, `{"channel":"C1","text":"x"}`, 200, "invalid_auth"},
		{"unknown method", "POST chat.unfurl", "Bearer " + testToken, js, "{}", 200, "unknown_method"},
		{"no method", "POST ", "Bearer " + testToken, js, "{}", 200, "unknown_method"},
		{"PUT", "PUT auth.test", "Bearer " + testToken, js, "{}", 405, "invalid_post_type"},
		{"no content type", "POST chat.postMessage", "Bearer " + testToken, "", "x", 200, "missing_post_type"},
		{"wrong content type", "POST chat.postMessage", "Bearer " + testToken, "text/plain", "x", 200, "invalid_post_type"},
		{"no JSON", "POST chat.postMessage", "Bearer " + testToken, js, "{", 200, "invalid_json"},
		{"a list", "POST chat.postMessage", "Bearer " + testToken, js, "[]", 200, "json_not_object"},
		{"bad form", "POST chat.postMessage", "", form, token + "text=%zz", 200, "invalid_form_data"},
		{"no channel", "POST chat.postMessage", "", form, token + "text=x", 200, "invalid_arguments"},
		{"a channel that is none", "POST chat.postMessage", "", form, token + "text=x&channel=a b", 200, "channel_not_found"},
		{"no text", "POST chat.postMessage", "", form, token + "channel=C1", 200, "no_text"},
		{"text and markdown", "POST chat.postMessage", "", form, token + "channel=C1&text=a&markdown_text=b", 200, "markdown_text_conflict"},
		{"too large", "POST chat.postMessage", "Bearer " + testToken, js, `{"channel":"C1","text":"` + strings.Repeat("x", maxBody) + `"}`, 413, "msg_too_long"},
		{"nothing wrong", "POST chat.postMessage", "", form, token + "channel=C1&text=x", 200, ""},
		{"no e-mail address", "GET users.lookupByEmail", "Bearer " + testToken, "", "", 200, "invalid_arguments"},
		{"not an e-mail address", "GET users.lookupByEmail?email=marie", "Bearer " + testToken, "", "", 200, "users_not_found"},
		{"nobody to talk to", "POST conversations.open", "", form, token, 200, "users_list_not_supplied"},
		{"not a person", "POST conversations.open", "", form, token + "users=C1", 200, "user_not_found"},
		{"only to look", "POST conversations.open", "", form, token + "users=U1&prevent_creation=true", 200, "invalid_arguments"},
		{"Slack is down", "POST users.lookupByEmail", "", form, token + "email=marie@agrafmania.fr", 503, "service_unavailable"},
		{"Slack is down for opening", "POST conversations.open", "", form, token + "users=U1", 503, "service_unavailable"},
		{"Slack is down and nothing is known", "POST auth.test", "Bearer " + testToken, "", "", 503, "service_unavailable"},
		{"test of the API", "POST api.test", "", form, "foo=bar&error=my_error", 200, "my_error"},
	} {
		t.Run(row.name, func(t *testing.T) {
			method, path, _ := strings.Cut(row.request, " ")
			w := call(r, method, webAPIPath+path, row.body, "Authorization", row.authorization, "Content-Type", row.contentType)
			got := heard(t, w)
			if w.Code != row.status || got.Error != row.word || got.OK != (row.word == "") {
				t.Errorf("answered %d %s, want %d %s", w.Code, w.Body, row.status, row.word)
			}
			if (w.Code == 503) != (w.Header().Get("Retry-After") != "") {
				t.Errorf("Retry-After %q with %d", w.Header().Get("Retry-After"), w.Code)
			}
			if strings.Contains(w.Body.String(), testToken) {
				t.Errorf("the token is in the answer: %s", w.Body)
			}
		})
	}
}

func TestWebAPIThreads(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		say := func(args string) said {
			t.Helper()
			w := webCall(r, postMessage, args)
			s := heard(t, w)
			if !s.OK || !regexp.MustCompile(`^\d{10}\.\d{6}$`).MatchString(s.TS) || s.Message["ts"] != s.TS {
				t.Fatalf("answered %d %s", w.Code, w.Body)
			}
			return s
		}
		parent := say(`{"channel":"ventes","text":"parent"}`)
		reply := say(`{"channel":"` + parent.Channel.(string) + `","text":"reply","thread_ts":"` + parent.TS + `"}`)
		if reply.TS <= parent.TS {
			t.Errorf("ts %s is not after %s", reply.TS, parent.TS)
		}
		stepFor(t, r, clock, 3*time.Second)
		first := sim.Messages(team, "#ventes")[0]
		// By now the conversation is known, and the parent's ts is Slack's, or ours.
		later := say(`{"channel":"#ventes","text":"later","thread_ts":"` + parent.TS + `"}`)
		say(`{"channel":"C0VENTES","text":"by Slack's ts","thread_ts":"` + first.TS + `"}`)
		say(`{"channel":"C0GENERAL","text":"elsewhere","thread_ts":"` + parent.TS + `"}`)
		if later.Channel != "C0VENTES" {
			t.Errorf("the channel of a later message is %v", later.Channel)
		}
		stepFor(t, r, clock, 3*time.Second)
		for _, m := range sim.Messages(team, "") {
			want := first.TS
			if m.TS == first.TS || m.Text == "elsewhere" {
				want = ""
			}
			if m.ThreadTS != want {
				t.Errorf("%q stands in thread %q, want %q", m.Text, m.ThreadTS, want)
			}
		}
		for _, c := range sim.Calls(postMessage) {
			if c.Args.Get("text") == "elsewhere" && c.Args.Has("thread_ts") {
				t.Error("a thread of one channel was asked for in another")
			}
		}
		if n := len(sim.Messages(team, "")); n != 5 {
			t.Errorf("Slack has %d messages", n)
		}
		// A parent that never reached Slack leaves its replies at the top.
		sim.Fault(slacksim.Fault{Method: postMessage, Times: 1, Error: "is_archived"})
		lost := say(`{"channel":"C0GENERAL","text":"lost"}`)
		say(`{"channel":"C0GENERAL","text":"orphan","thread_ts":"` + lost.TS + `"}`)
		stepFor(t, r, clock, 3*time.Second)
		if list := sim.Messages(team, "#general"); list[len(list)-1].Text != "orphan" || list[len(list)-1].ThreadTS != "" {
			t.Errorf("the reply to a lost message: %+v", list[len(list)-1])
		}
	})
}

// TestWebAPITS: no two messages of a route have the same ts, and who repeats a
// request hears the same one.
func TestWebAPITS(t *testing.T) {
	r, _, _ := newTestRelay(t, sqliteStore(t), "http://127.0.0.1:1/")
	seen := map[string]bool{}
	for range 200 {
		ts := heard(t, webCall(r, postMessage, `{"channel":"C1","text":"x"}`)).TS
		if seen[ts] {
			t.Fatalf("%s is given twice", ts)
		}
		seen[ts] = true
	}
	// Another process, whose clock and luck are the same, is refused by the store.
	for range 20 {
		r.stamps.last--
		ts := heard(t, webCall(r, postMessage, `{"channel":"C1","text":"x"}`)).TS
		if ts == "" || seen[ts] {
			t.Fatalf("%s is given twice", ts)
		}
		seen[ts] = true
	}
	one := heard(t, webCall(r, postMessage, `{"channel":"C1","text":"x"}`, "Idempotency-Key", "k1"))
	if two := heard(t, webCall(r, postMessage, `{"channel":"C1","text":"x"}`, "Idempotency-Key", "k1")); !two.OK || two.TS != one.TS {
		t.Errorf("repeated: %+v, before %+v", two, one)
	}
	if other := heard(t, webCall(r, postMessage, `{"channel":"C1","text":"y"}`, "Idempotency-Key", "k1")); other.Error != "invalid_arguments" {
		t.Errorf("the key for another message: %+v", other)
	}
}

// TestWebAPIWarnings: what does not happen as asked is said, as Slack says it.
func TestWebAPIWarnings(t *testing.T) {
	r, _, _ := newTestRelay(t, sqliteStore(t), "http://127.0.0.1:1/")
	long := heard(t, webCall(r, postMessage, `{"channel":"C1","text":"`+strings.Repeat("x", maxSlackText+1)+`"}`))
	if !long.OK || long.Warning != "message_truncated" || len(long.Message["text"].(string)) != maxSlackText {
		t.Errorf("a long text: %v %q", long.OK, long.Warning)
	}
	meta := heard(t, webCall(r, postMessage, `{"channel":"C1","text":"x","metadata":{"event_type":"x","event_payload":{}}}`))
	if !meta.OK || len(meta.ResponseMetadata.Warnings) != 1 || meta.ResponseMetadata.Warnings[0] != "metadata_not_sent" {
		t.Errorf("metadata: %+v", meta)
	}
}

func TestWebAPIAsksSlack(t *testing.T) {
	r, clock, sim, _ := relayOn(t, sqliteStore(t))
	form := func(method string, args url.Values) *httptest.ResponseRecorder {
		args.Set("token", testToken)
		return call(r, "POST", webAPIPath+method, args.Encode(), "Content-Type", "application/x-www-form-urlencoded")
	}
	marie := url.Values{"email": {"Marie@Agrafmania.fr"}}
	for range 2 { // the second from memory
		w := form(lookupByEmail, marie)
		if s := heard(t, w); !s.OK || s.User.(map[string]any)["id"] != "U0MARIE" || !strings.Contains(w.Body.String(), `"who_can_share_contact_card"`) {
			t.Errorf("lookupByEmail: %s", w.Body)
		}
		if s := heard(t, call(r, "GET", webAPIPath+lookupByEmail+"?email=marie@agrafmania.fr", "", "Authorization", "Bearer "+testToken)); !s.OK {
			t.Errorf("lookupByEmail by GET: %+v", s)
		}
		if s := heard(t, form(lookupByEmail, url.Values{"email": {"luc@agrafmania.fr"}})); s.Error != "users_not_found" {
			t.Errorf("somebody who left: %+v", s)
		}
		if s := heard(t, form(openConversation, url.Values{"users": {"U0MARIE"}})); !s.OK || !strings.HasPrefix(s.Channel.(map[string]any)["id"].(string), "D") {
			t.Errorf("conversations.open: %+v", s)
		}
		if s := heard(t, form(openConversation, url.Values{"users": {"U0NOBODY"}})); s.Error != "user_not_found" {
			t.Errorf("conversations.open with nobody: %+v", s)
		}
		w = form(authTest, url.Values{})
		if s := heard(t, w); !s.OK || s.UserID == "" || s.BotID == "" {
			t.Errorf("auth.test: %s", w.Body)
		}
	}
	if n := len(sim.Calls("")); n != 5 {
		t.Errorf("Slack was called %d times, want once for each question", n)
	}
	if s := heard(t, form(openConversation, url.Values{"users": {"U0MARIE,U0PAUL"}})); s.Error != "missing_scope" {
		t.Errorf("several people: %+v, want Slack's own refusal", s)
	}
	if w := webCall(r, openConversation, `{"users":["U0MARIE"],"return_im":true}`); !strings.Contains(w.Body.String(), `"is_im":true`) {
		t.Errorf("return_im: %s", w.Body)
	}
	posted := heard(t, webCall(r, postMessage, `{"channel":"U0MARIE","text":"x"}`))
	if !strings.HasPrefix(posted.Channel.(string), "D") || posted.Message["user"] == nil || posted.Message["bot_id"] == nil {
		t.Errorf("a message from an app that is known: %+v", posted)
	}

	clock.advance(10 * time.Minute)
	sim.Fault(slacksim.Fault{Kind: slacksim.ServerError})
	if s := heard(t, form(authTest, url.Values{})); !s.OK || s.BotID == "" {
		t.Errorf("auth.test while Slack is down: %+v", s)
	}
	if w := form(lookupByEmail, marie); w.Code != http.StatusServiceUnavailable {
		t.Errorf("lookupByEmail while Slack is down: %d %s", w.Code, w.Body)
	}
	sim.ClearFaults()
	sim.Fault(slacksim.Fault{Times: 1, Kind: slacksim.RateLimited, RetryAfter: 7 * time.Second})
	for range 2 { // Slack says so, then we know
		if w := form(lookupByEmail, marie); w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "7" || heard(t, w).Error != "ratelimited" {
			t.Errorf("limited: %d %s, Retry-After %s", w.Code, w.Body, w.Header().Get("Retry-After"))
		}
	}
	sim.Fault(slacksim.Fault{Times: 1, Error: "token_revoked"})
	clock.advance(time.Minute)
	if s := heard(t, form(authTest, url.Values{})); s.Error != "token_revoked" {
		t.Errorf("a revoked bot token: %+v", s)
	}
}

// What Slack's events say of somebody is not contradicted by what was remembered.
func TestPersonChangedIsForgottenByTheWebAPI(t *testing.T) {
	r, _, sim, _ := relayOn(t, sqliteStore(t))
	lookup := func() string {
		return webCall(r, lookupByEmail, "email=marie@agrafmania.fr", "Content-Type", formType).Body.String()
	}
	if got := lookup(); !strings.Contains(got, `"Marie"`) {
		t.Fatalf("answered %s", got)
	}
	if err := sim.UpdatePerson(team, "U0MARIE", func(p *slacksim.Person) { p.Name = "Marie-Anne" }); err != nil {
		t.Fatal(err)
	}
	if got := lookup(); strings.Contains(got, "Marie-Anne") {
		t.Fatalf("asked again within minutes: %s", got)
	}
	r.PersonChanged(host, "U0MARIE")
	if got := lookup(); !strings.Contains(got, "Marie-Anne") {
		t.Errorf("after the event: %s", got)
	}
}
