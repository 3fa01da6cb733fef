package notifyhook

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/cocoom/cocoom-gateway/internal/secret"
)

// webAPIPath is what the façade of Slack's Web API stands under, in the place
// of https://slack.com/api/.
const webAPIPath = "/slack/api/"

// slackAnswer is an answer as the Web API gives it: ok and what belongs to it,
// or ok false and an error name, mostly with status 200
// (https://docs.slack.dev/apis/web-api/#responses).
type slackAnswer struct {
	status int
	wait   int // Retry-After in seconds; 0: not sent
	body   any // marshals to a JSON object
}

func answered(body any) slackAnswer { return slackAnswer{status: http.StatusOK, body: body} }

// refused is {"ok":false,"error":…}, with Slack's kind of explanations.
func refused(word slackWord, why ...string) slackAnswer {
	body := map[string]any{"ok": false, "error": word}
	if len(why) > 0 {
		var messages []string
		for _, one := range why {
			messages = append(messages, "[ERROR] "+one)
		}
		body["response_metadata"] = map[string]any{"messages": messages}
	}
	return answered(body)
}

// limited is Slack's 429.
func limited(wait int) slackAnswer {
	return slackAnswer{status: http.StatusTooManyRequests, wait: max(wait, 1), body: map[string]any{"ok": false, "error": "ratelimited"}}
}

// unreachable is what Slack answers in an outage, which clients try again.
func unreachable(wait int) slackAnswer {
	return slackAnswer{status: http.StatusServiceUnavailable, wait: max(wait, 1), body: map[string]any{"ok": false, "error": "service_unavailable"}}
}

// apiRefusal says in Slack's words what a problem says in ours.
func apiRefusal(p *problem) slackAnswer {
	switch p.Status {
	case http.StatusServiceUnavailable:
		return unreachable(p.RetryAfter)
	case http.StatusTooManyRequests:
		return limited(p.RetryAfter)
	case http.StatusInternalServerError:
		return slackAnswer{status: p.Status, body: map[string]any{"ok": false, "error": "internal_error"}}
	case http.StatusRequestEntityTooLarge:
		return slackAnswer{status: p.Status, body: map[string]any{"ok": false, "error": "msg_too_long"}}
	}
	switch p.Code {
	case "body_unreadable":
		return refused("request_timeout")
	case "secret_expired":
		return refused("token_expired")
	case "token_mismatch", "route_mismatch":
		return refused("invalid_auth")
	}
	return refused("invalid_arguments", p.Detail)
}

// webAPI answers the methods of Slack's Web API that an app with a bot token
// calls to notify people. The token is one of the route's bearer tokens.
func (e endpoint) webAPI(v visit) *problem {
	a := e.callWebAPI(v.w, v.r)
	plainHeader(v.w, v.r, "application/json; charset=utf-8", a.wait)
	v.w.WriteHeader(a.status)
	_ = json.NewEncoder(v.w).Encode(a.body) // the caller is gone, nobody is left to tell
	return nil
}

func (e endpoint) callWebAPI(w http.ResponseWriter, r *http.Request) slackAnswer {
	name := strings.TrimPrefix(r.URL.Path, webAPIPath)
	method := e.webMethod(name)
	switch {
	case method == nil:
		return answered(map[string]any{"ok": false, "error": "unknown_method", "req_method": short(name, maxIdentity)})
	case r.Method != http.MethodPost && r.Method != http.MethodGet:
		w.Header().Set("Allow", "GET, POST")
		return slackAnswer{status: http.StatusMethodNotAllowed, body: map[string]any{"ok": false, "error": "invalid_post_type"}}
	}
	open := name == "api.test"
	value, inHeader := bearer(r.Header)
	var who caller
	var p *problem
	if inHeader && !open { // before the body is read
		if who, p = e.token(value); p != nil {
			p = e.turnAway(r, p)
			e.route.noteRefused(p.Code)
			return apiRefusal(p)
		}
	}
	var body []byte
	if who != (caller{}) {
		body, p = readBody(w, r, maxBody, nil)
	} else {
		var leave func()
		body, leave, p = e.readStranger(w, r, maxBody)
		defer leave()
	}
	if p != nil {
		return apiRefusal(p)
	}
	args, inForm, word := readArguments(r, body)
	switch {
	case word != "":
		return refused(word)
	case open || inHeader:
	case inForm == "":
		return refused("not_authed")
	default:
		if who, p = e.token(secret.String(inForm)); p != nil {
			p = e.turnAway(r, p)
			e.route.noteRefused(p.Code)
			return apiRefusal(p)
		}
	}
	return method(r, args, who)
}

// webMethod returns a method by name, or nil.
func (e endpoint) webMethod(name string) func(*http.Request, arguments, caller) slackAnswer {
	ask := func(f func(context.Context, arguments) slackAnswer) func(*http.Request, arguments, caller) slackAnswer {
		return func(r *http.Request, args arguments, _ caller) slackAnswer { return f(r.Context(), args) }
	}
	switch name {
	case postMessage:
		return e.postMessage
	case lookupByEmail:
		return ask(e.lookupByEmail)
	case openConversation:
		return ask(e.openConversation)
	case authTest:
		return ask(e.authTest)
	case "api.test":
		return ask(apiTest)
	}
	return nil
}

// apiTest gives back what it was given, as Slack's does.
func apiTest(_ context.Context, args arguments) slackAnswer {
	body := map[string]any{"ok": args["error"] == ""}
	if args["error"] != "" {
		body["error"] = args["error"]
	}
	if len(args) > 0 {
		body["args"] = args
	}
	return answered(body)
}

// postMessage is chat.postMessage. It answers once the message is on disk, with
// a ts of ours, which stands for the message as a later thread_ts.
func (e endpoint) postMessage(r *http.Request, args arguments, who caller) slackAnswer {
	if args["channel"] == "" {
		return refused("invalid_arguments", "missing required field: channel")
	}
	to, ok := destination(args["channel"])
	if !ok {
		e.route.noteRefused("channel_not_found")
		return refused("channel_not_found")
	}
	q, warning, word := args.message(to)
	if word != "" {
		e.route.noteRefused(string(word))
		return refused(word)
	}
	ts, p := e.keep(r, q, who)
	if p != nil {
		e.route.noteRefused(p.Code)
		return apiRefusal(p)
	}
	body := map[string]any{"ok": true, "channel": e.relay.recalled(e.route, to), "ts": ts, "message": e.relay.asPosted(e.route, q, ts)}
	var warnings []string
	if warning != "" {
		warnings = append(warnings, string(warning))
	}
	if !slices.Contains([]string{"", "{}", "null"}, args["metadata"]) {
		warnings = append(warnings, "metadata_not_sent") // its place is taken: by it we tell whether Slack has the message
	}
	if len(warnings) > 0 {
		body["warning"] = strings.Join(warnings, ",")
		body["response_metadata"] = map[string]any{"warnings": warnings}
	}
	return answered(body)
}

// asPosted is the message as Slack shows one, as far as it is known already.
func (r *Relay) asPosted(rt *route, q request, ts string) map[string]any {
	m := map[string]any{"type": "message", "text": q.Text, "ts": ts}
	for name, value := range r.self(rt.app) {
		m[name] = value
	}
	if q.Slack.Username != "" {
		m["subtype"], m["username"] = "bot_message", q.Slack.Username
	}
	if q.Slack.ThreadTS != "" {
		m["thread_ts"] = q.Slack.ThreadTS
	}
	if q.Blocks != nil {
		m["blocks"] = q.Blocks
	}
	if q.Slack.Attachments != nil {
		m["attachments"] = q.Slack.Attachments
	}
	return m
}

// recalled is the conversation of a recipient, if it is in memory, else the
// recipient: nobody waits for a look-up to have their message accepted.
func (r *Relay) recalled(rt *route, to string) string {
	key, a := "", rt.app
	switch kind, same := classify(to); kind {
	case emailRecipient:
		person, ok := r.recall(a.userKey(same))
		if !ok || person.value == "" {
			return to
		}
		key = a.directKey(person.value)
	case userID:
		key = a.directKey(same)
	case channelName:
		key = a.channelKey(same)
	}
	if one, ok := r.recall(key); ok && one.value != "" {
		return one.value
	}
	return to
}
