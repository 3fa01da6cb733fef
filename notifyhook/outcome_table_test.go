package notifyhook

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slack-go/slack"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
)

// The names of Slack's, by what is to follow when posting is answered with them.
func postingErrors() map[class][]string {
	return map[class][]string{
		throttled: {"ratelimited", "rate_limited"},
		transient: {"request_timeout", "service_unavailable", "team_added_to_org", "external_channel_migrating", "update_failed"},
		ambiguous: {"internal_error", "fatal_error"},
		routeDown: {"invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "missing_scope", "no_permission", "org_login_required",
			"accesslimited", "access_denied", "not_allowed_token_type", "team_access_not_granted", "two_factor_setup_required", "enterprise_is_restricted",
			"deprecated_endpoint", "method_deprecated", "unknown_method"},
		quota: {"message_limit_exceeded"},
		recipientGone: {"users_not_found", "user_disabled", "user_not_found", "user_not_visible", "messages_tab_disabled", "channel_not_found", "is_archived",
			"not_in_channel", "restricted_action", "restricted_action_read_only_channel", "restricted_action_thread_only_channel", "ekm_access_denied",
			"app_access_restricted", "invalid_user_combination", "method_not_supported_for_channel_type", "slack_connect_file_link_sharing_blocked",
			"slack_connect_canvas_sharing_blocked", "team_not_found", "no_such_subteam"},
		staleThread: {"cannot_reply_to_message", "restricted_action_thread_locked", "restricted_action_non_threadable_channel"},
		badContent: {"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long", "msg_too_long", "too_many_attachments", "metadata_too_large",
			"attachment_payload_limit_exceeded", "invalid_attachments", "no_text", "markdown_text_conflict", "invalid_metadata_format", "invalid_metadata_schema",
			"metadata_must_be_sent_from_app", "invalid_arguments", "invalid_arg_name", "invalid_array_arg", "invalid_charset", "invalid_form_data",
			"invalid_post_type", "missing_post_type"},
		unknown: {"something_new", "as_user_not_supported"},
	}
}

// Each name has its class, which for some is another one if a message was to be
// updated or only looked for.
func TestClassOfName(t *testing.T) {
	tables := map[string]map[class][]string{
		postMessage: postingErrors(),
		updateMessage: {
			stale:         {"message_not_found", "cant_update_message", "edit_window_closed", "is_inactive", "block_mismatch", "streaming_state_conflict"},
			transient:     {"internal_error", "fatal_error", "request_timeout", "update_failed"},
			recipientGone: {"channel_not_found", "restricted_action_thread_locked"},
			badContent:    {"msg_too_long"},
		},
		lookupByEmail: {transient: {"internal_error", "fatal_error"}, unknown: {"message_not_found", "cannot_reply_to_message"}, recipientGone: {"users_not_found"}},
	}
	tables[postMessage][unknown] = append(tables[postMessage][unknown], "", "Not Slack's", "xoxb-1-2", "message_not_found")
	for method, table := range tables {
		for want, names := range table {
			for _, name := range names {
				if got := outcomeOf(method, slack.SlackErrorResponse{Err: name}); got.class != want || got.method != method {
					t.Errorf("%s of %s: %+v, want %s", name, method, got, want)
				}
			}
		}
	}
	for _, name := range []string{"no_text", "invalid_arguments"} {
		if got := lookupOutcome(lookupByEmail, slack.SlackErrorResponse{Err: name}); got.class != recipientGone {
			t.Errorf("%s of a look-up: %+v", name, got)
		}
	}
}

// follows is what a class does to a message to C0GENERAL with the fallback
// C0VENTES, after Slack answered so once.
type follows struct {
	outcome   string        // of the first attempt, as it is written down
	state     string        // right after it
	attempts  int           // counted
	wait      time.Duration // until the next, jitter aside
	alarm     string
	end       string // state when Slack has answered well
	duplicate bool
	posts     int // calls of chat.postMessage in all
	elsewhere int // messages that the fallback got
}

func whatFollows() map[class]follows {
	return map[class]follows{
		throttled:     {outcome: "throttled", state: "queued", wait: 30 * time.Second, end: "sent", posts: 2},
		transient:     {outcome: "transient", state: "queued", attempts: 1, wait: time.Second, end: "sent", posts: 2},
		ambiguous:     {outcome: "ambiguous", state: "queued", attempts: 1, wait: 5 * time.Second, end: "sent", duplicate: true, posts: 2},
		routeDown:     {outcome: "route_down", state: "queued", wait: probeEvery, alarm: "held", end: "sent", posts: 2},
		quota:         {outcome: "quota", state: "queued", wait: time.Hour, alarm: "quota", end: "sent", posts: 2},
		recipientGone: {outcome: "recipient_gone", state: "dead", attempts: 1, end: "dead", posts: 2, elsewhere: 1},
		staleThread:   {outcome: "recipient_gone", state: "dead", attempts: 1, end: "dead", posts: 2, elsewhere: 1}, // of what is no reply
		badContent:    {outcome: "sent", state: "sent", attempts: 1, end: "sent", posts: 2},
		unknown:       {outcome: "unknown", state: "queued", attempts: 1, wait: time.Second, end: "sent", posts: 2},
	}
}

// The table of what follows: each error name of Slack's, and each other way to
// answer badly, once.
func TestOutcomes(t *testing.T) {
	type row struct {
		fault  slacksim.Fault
		class  class
		reason string
		posted bool // all the same
	}
	answer := func(status int, contentType, body string) slacksim.Fault {
		return slacksim.Fault{Kind: slacksim.Custom, Answer: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}}
	}
	rows := map[string]row{
		"429 without Retry-After":     {answer(429, "text/plain", "slow"), throttled, "rate_limited", false},
		"500":                         {slacksim.Fault{Kind: slacksim.ServerError}, ambiguous, "http_5xx", false},
		"reset":                       {slacksim.Fault{Kind: slacksim.Reset}, ambiguous, "answer_cut_short", false},
		"reset after posting":         {slacksim.Fault{Kind: slacksim.Reset, After: true}, ambiguous, "answer_cut_short", true},
		"truncated JSON":              {slacksim.Fault{Kind: slacksim.Truncated}, ambiguous, "answer_cut_short", true},
		"HTML under 200":              {answer(200, "text/html", "<!doctype html>"), ambiguous, "answer_not_json", false},
		"JSON of another kind":        {answer(200, "application/json", `{"ok":"yes"}`), ambiguous, "answer_not_json", false},
		"ok:false without error":      {answer(200, "application/json", `{"ok":false}`), ambiguous, "no_timestamp", false},
		"answer without end":          {slacksim.Fault{Kind: slacksim.Oversize, Bytes: 2 << 20}, ambiguous, "answer_cut_short", false},
		"error under 403":             {answer(403, "application/json", `{"ok":false,"error":"user_disabled"}`), recipientGone, "user_disabled", false},
		"hostile error name":          {slacksim.Fault{Error: "<!channel> xoxb-1"}, unknown, "unrecognised_error", false},
		"404 page":                    {answer(404, "text/html", "no"), unknown, "http_4xx", false},
		"redirect":                    {answer(302, "text/html", "no"), unknown, "http_redirect", false},
		"ratelimited under 200 again": {slacksim.Fault{Error: "ratelimited"}, throttled, "ratelimited", false},
	}
	for class, names := range postingErrors() {
		for _, name := range names {
			rows[name] = row{slacksim.Fault{Error: name}, class, name, false}
		}
	}
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		for name, tt := range rows {
			t.Run(name, func(t *testing.T) {
				want, text := whatFollows()[tt.class], "message for "+name
				tt.fault.Method, tt.fault.Times = postMessage, 1
				if tt.class == routeDown { // the token, whatever it is for
					tt.fault.Method, tt.fault.Times = "", 0
				}
				sim.Fault(tt.fault)
				before, elsewhere := len(sim.Calls(postMessage)), len(sim.Messages(team, "C0VENTES"))
				id := mustPost(t, r, `{"to":["C0GENERAL"],"format":"mrkdwn","fallback":["C0VENTES"],"text":"`+text+`"}`)
				step(t, r)
				d := show(t, r, id).Recipients[0]
				if d.State != want.state || d.Attempts != want.attempts || len(d.History) != 1 || d.History[0].Outcome != want.outcome || d.PossibleDuplicate {
					t.Errorf("after the first answer %+v", d)
				}
				if reason := strings.TrimPrefix(d.History[0].Error, "sent_as_plain_text: "); reason != tt.reason && !isAboutMetadata(tt.reason) {
					t.Errorf("reason %q, want %q", reason, tt.reason)
				}
				if want.wait > 0 {
					checkWait(t, clock.now(), d.NextAt, want.wait)
				}
				checkAlarm(t, r, want.alarm)
				sim.ClearFaults()
				clock.advance(want.wait*12/10 + holdAgain)
				r.probe(t.Context())
				step(t, r)
				clock.advance(time.Minute)
				d = show(t, r, id).Recipients[0]
				if d.State != want.end || d.PossibleDuplicate != want.duplicate {
					t.Errorf("in the end %+v", d)
				}
				checkAlarm(t, r, "")
				messages := 0
				for _, m := range sim.Messages(team, "C0GENERAL") {
					if m.Text == text {
						messages++
					}
				}
				wanted := 1 - want.elsewhere
				if tt.posted {
					wanted++
				}
				if posts := len(sim.Calls(postMessage)) - before; messages != wanted || posts != want.posts || len(sim.Messages(team, "C0VENTES"))-elsewhere != want.elsewhere {
					t.Errorf("%d messages after %d calls, %d to the fallback", messages, posts, len(sim.Messages(team, "C0VENTES"))-elsewhere)
				}
			})
		}
	})
}

func checkWait(t *testing.T, now time.Time, next *time.Time, want time.Duration) {
	t.Helper()
	if next == nil || next.Sub(now) < want*8/10 || next.Sub(now) > want*12/10 {
		t.Errorf("next try at %v, want in about %s from %s", next, want, now)
	}
}

func checkAlarm(t *testing.T, r *Relay, kind string) {
	t.Helper()
	kinds := []string{}
	for _, a := range r.Alarms() {
		kinds = append(kinds, a.Kind)
	}
	if strings.Join(kinds, " ") != kind {
		t.Errorf("alarms %q, want %q", kinds, kind)
	}
}

// What the second call changes of the first, for content that Slack refuses; a
// second refusal is final, and no fallback is told what nobody can read.
func TestRefusedContent(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		for _, name := range postingErrors()[badContent] {
			ends := []string{"sent", "dead"} // after one refusal, after two
			if isAboutMetadata(name) {
				ends = []string{"sent", "sent", "sent", "dead"} // each content is tried without the mark, too
			}
			for i, state := range ends {
				times := i + 1
				before := len(sim.Calls(postMessage))
				sim.Fault(slacksim.Fault{Method: postMessage, Error: name, Times: times})
				id := mustPost(t, r, `{"to":["C0GENERAL"],"fallback":["C0VENTES"],"text":"*a*","blocks":[{"type":"divider"}]}`)
				step(t, r)
				sim.ClearFaults()
				calls := sim.Calls(postMessage)[before:]
				second := calls[1].Args
				if isAboutMetadata(name) {
					if second.Has("metadata") || !second.Has("blocks") {
						t.Errorf("%s: second call with %v", name, second)
					}
				} else if second.Has("blocks") || second.Get("mrkdwn") != "false" || !second.Has("metadata") {
					t.Errorf("%s: second call with %v", name, second)
				}
				if d := show(t, r, id).Recipients; d[0].State != state || d[0].Attempts != 1 || len(d) != 1 {
					t.Errorf("%s %d times: %+v", name, times, d)
				}
				clock.advance(time.Minute)
			}
		}
	})
}

// What never reached Slack is sent again, unmarked, as long as it lives.
func TestUnsentIsTransient(t *testing.T) {
	tls := httptest.NewUnstartedServer(http.NotFoundHandler())
	tls.Config.ErrorLog = log.New(io.Discard, "", 0)
	tls.StartTLS()
	defer tls.Close()
	nowhere := &net.DNSError{Err: "no such host", Name: "slack.invalid", IsNotFound: true}
	for name, row := range map[string]struct {
		api    string
		client *http.Client
		reason string
	}{
		"refused": {"http://127.0.0.1:1/api/", nil, "connection"},
		"dns": {"http://slack.invalid/api/", &http.Client{Transport: &http.Transport{
			DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, nowhere }}}, "dns"},
		"tls": {tls.URL, nil, "tls"},
	} {
		t.Run(name, func(t *testing.T) {
			clock := newFakeClock()
			r := relayOf(t, sqliteStore(t), clock, Config{Routes: testRoutes(), APIURL: row.api, Client: row.client})
			id := mustPost(t, r, to("C0GENERAL", "x"))
			for i, want := range []time.Duration{time.Second, 5 * time.Second, 30 * time.Second} {
				step(t, r)
				d := show(t, r, id).Recipients[0]
				if d.State != "queued" || d.Attempts != i+1 || d.PossibleDuplicate || d.Error != row.reason || d.History[i].Outcome != "transient" {
					t.Errorf("got %+v", d)
				}
				checkWait(t, clock.now(), d.NextAt, want)
				clock.advance(time.Minute)
			}
			clock.advance(24 * time.Hour)
			step(t, r)
			if v := show(t, r, id); v.Status != "failed" || v.Recipients[0].Error != "expired" || v.FinishedAt == nil {
				t.Errorf("after its time: %+v", v)
			}
		})
	}
}

// A bot that is no member of a public channel joins it and posts at once, if it
// may; if not, it is asked once, and the fallback is told.
func TestNotInChannel(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		for _, id := range []string{"C0NEW", "C0NEXT"} {
			if err := sim.SetChannel(team, slacksim.Channel{ID: id, Name: strings.ToLower(id)}); err != nil {
				t.Fatal(err)
			}
		}
		scopes := slices.DeleteFunc(botScopes(), func(s string) bool { return s == "chat:write.public" })
		if err := sim.SetScopes(botToken, scopes...); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			id := mustPost(t, r, `{"to":["C0NEW"],"fallback":["C0VENTES"],"text":"x"}`)
			step(t, r)
			d := show(t, r, id).Recipients
			if len(d) != 2 || d[0].State != "dead" || d[0].Error != "not_in_channel" || d[1].State != "sent" {
				t.Errorf("without the scope %+v", d)
			}
			clock.advance(time.Minute)
		}
		if n := len(sim.Calls(joinConversation)); n != 1 {
			t.Errorf("asked %d times", n)
		}
		if err := sim.SetScopes(botToken, append(scopes, "channels:join")...); err != nil {
			t.Fatal(err)
		}
		sim.Fault(slacksim.Fault{Method: joinConversation, Kind: slacksim.RateLimited, RetryAfter: 9 * time.Second, Times: 1})
		id := mustPost(t, r, to("C0NEXT", "x"))
		step(t, r)
		if d := show(t, r, id).Recipients[0]; d.State != "queued" || d.Attempts != 0 {
			t.Errorf("while joining has to wait %+v", d)
		}
		clock.advance(10 * time.Second)
		step(t, r)
		if d := show(t, r, id).Recipients[0]; d.State != "sent" || d.Attempts != 1 || len(sim.Messages(team, "C0NEXT")) != 1 {
			t.Errorf("with the scope %+v", d)
		}
	})
}
