package notifyhook

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/cocoom/cocoom-gateway/internal/slackapi"
)

// class is what a call to Slack came to, as far as it decides what happens next.
type class uint8

const (
	unknown       class = iota // an answer nobody documented: tried a few times, then dead
	done                       // Slack has it
	throttled                  // asked to wait; costs no attempt
	held                       // not called, because of what Slack asked for before
	transient                  // certainly not done, may work later
	ambiguous                  // perhaps done
	routeDown                  // the token, not the message: the route is held
	quota                      // the workspace's plan: the route waits an hour
	recipientGone              // will never work for this recipient
	stale                      // the message to update cannot be changed any more: a new one can be posted
	staleThread                // the thread takes no reply any more: a message of its own can be posted
	badContent                 // will never work for this message
	suppressed                 // the recipient turned out to be the actor
	expired                    // its time is over
	interrupted                // begun by a process that did not live to say how it ended
	notPosted                  // was ambiguous or interrupted; Slack's history does not have it
)

func (c class) String() string {
	return [...]string{"unknown", "sent", "throttled", "held", "transient", "ambiguous", "route_down", "quota", "recipient_gone", "stale", "stale_thread", "bad_content", "suppressed", "expired", "interrupted", "not_posted"}[c]
}

const (
	quotaWait      = time.Hour
	pace           = time.Second // Slack: one message per second and conversation
	maxUnknown     = 5           // attempts
	maxInterrupted = 5           // attempts
)

// outcome is the result of a call to Slack. Its words are safe to show: never a
// token, an address or a text.
type outcome struct {
	class   class
	method  string        // of the Web API; empty: it was not called
	reason  string        // Slack's error name, or a constant word of ours
	wait    time.Duration // throttled and held only
	channel string        // done only
	ts      string        // done only
	parent  string        // done only: ts of the message that it is a reply to; empty: of none
}

// What a delivery that was sent has as its error, before the name of Slack's for
// which it did not go out as asked.
const (
	sentPlain     = "sent_as_plain_text: "
	sentOtherwise = "sent_otherwise_than_asked: "
)

// isRefusal says whether Slack refused the very message, or its recipient. For a
// batch that says nothing about each delivery in it.
func (o outcome) isRefusal() bool { return o.class == badContent || o.class == recipientGone }

// outcomeOf classifies the error of a call of that method. A nil error is done.
func outcomeOf(method string, err error) outcome {
	o := classOf(method, err)
	if o.class == ambiguous && method != postMessage { // to do any other twice comes to the same
		o.class = transient
	}
	if o.class != held {
		o.method = method
	}
	return o
}

func classOf(method string, err error) outcome {
	if err == nil {
		return outcome{class: done}
	}
	if errors.Is(err, errNotInstalled) {
		return outcome{class: routeDown, reason: notInstalled}
	}
	if h, ok := errors.AsType[*heldError](err); ok {
		return outcome{class: held, reason: "rate_limited", wait: h.wait}
	}
	if limited, ok := errors.AsType[*slack.RateLimitedError](err); ok {
		return outcome{class: throttled, reason: "rate_limited", wait: min(max(limited.RetryAfter, time.Second), slackapi.MaxWait)}
	}
	if answer, ok := errors.AsType[slack.SlackErrorResponse](err); ok {
		return slackError(method, answer.Err)
	}
	if status, ok := errors.AsType[slack.StatusCodeError](err); ok {
		return httpStatus(status.Code)
	}
	if unsent, ok := errors.AsType[*slackapi.UnsentError](err); ok {
		return outcome{class: transient, reason: transportReason(unsent.Err)}
	}
	return outcome{class: ambiguous, reason: transportReason(err)}
}

// slackError is the table of Slack's error names. What is not in it is unknown.
func slackError(method, name string) outcome {
	if !errorName.MatchString(name) { // not Slack's way to write; do not repeat it
		return outcome{reason: "unrecognised_error"}
	}
	o := outcome{class: classOfName(method, name), reason: name}
	if o.class == throttled {
		o.wait = slackapi.DefaultWait
	}
	return o
}

func classOfName(method, name string) class {
	switch method {
	case updateMessage:
		switch name {
		case "message_not_found", "cant_update_message", "edit_window_closed", "is_inactive", "block_mismatch", "streaming_state_conflict":
			return stale
		}
	case postMessage:
		switch name {
		case "cannot_reply_to_message", "restricted_action_thread_locked", "restricted_action_non_threadable_channel", "thread_not_found", "invalid_thread_ts":
			return staleThread
		}
	}
	switch name {
	case "ratelimited", "rate_limited":
		return throttled
	case "request_timeout", "service_unavailable", "team_added_to_org", "external_channel_migrating", "update_failed":
		return transient
	case "internal_error", "fatal_error": // Slack: some aspect of the operation may have succeeded
		return ambiguous
	case "invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "missing_scope", "no_permission", "org_login_required",
		"accesslimited", "access_denied", "not_allowed_token_type", "team_access_not_granted", "two_factor_setup_required", "enterprise_is_restricted",
		"deprecated_endpoint", "method_deprecated", "unknown_method":
		return routeDown
	case "message_limit_exceeded":
		return quota
	case "users_not_found", "user_disabled", "user_not_found", "user_not_visible", "messages_tab_disabled", "invalid_user_combination",
		"channel_not_found", "is_archived", "not_in_channel", "ekm_access_denied", "app_access_restricted", "method_not_supported_for_channel_type",
		"team_not_found", "no_such_subteam":
		return recipientGone
	case "no_text", "msg_too_long", "msg_blocks_too_long", "too_many_attachments", "attachment_payload_limit_exceeded", "invalid_attachments",
		"metadata_too_large", "metadata_must_be_sent_from_app", "invalid_metadata_format", "invalid_metadata_schema", "markdown_text_conflict",
		"invalid_arguments", "invalid_arg_name", "invalid_array_arg", "invalid_charset", "invalid_form_data", "invalid_post_type", "missing_post_type":
		return badContent
	}
	switch {
	case strings.HasPrefix(name, "restricted_action"), strings.HasPrefix(name, "slack_connect_") && strings.HasSuffix(name, "_blocked"):
		return recipientGone
	case strings.HasPrefix(name, "invalid_blocks"):
		return badContent
	}
	return unknown
}

var errorName = regexp.MustCompile(`^[a-z0-9_]{1,64}$`)

// httpStatus classifies an answer whose body was no use.
func httpStatus(code int) outcome {
	switch {
	case code == http.StatusTooManyRequests:
		return outcome{class: throttled, reason: "rate_limited", wait: slackapi.DefaultWait}
	case code >= 500:
		return outcome{class: ambiguous, reason: "http_5xx"}
	case code >= 300 && code < 400:
		return outcome{class: unknown, reason: "http_redirect"}
	}
	return outcome{class: unknown, reason: "http_4xx"}
}

// errNoTimestamp is an answer that names neither an error nor a message. The
// client library takes {"ok":false} for a success.
var errNoTimestamp = errors.New("answer without ts")

// outcomeUnknown is the reason of a delivery that was given up, or cancelled,
// while Slack may have it.
const outcomeUnknown = "outcome_unknown"

// timedOut is the reason of a call that nobody answered in time.
const timedOut = "timeout"

// transportReason is one word for an error of the network or of the parser.
// Their own texts hold addresses.
func transportReason(err error) string {
	if errors.Is(err, errNoTimestamp) || errors.Is(err, slackapi.ErrNeither) {
		return "no_timestamp"
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok && !dns.IsTimeout {
		return "dns"
	}
	if isTimeout(err) {
		return timedOut
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "tls"
	}
	if _, ok := errors.AsType[*json.SyntaxError](err); ok {
		return "answer_not_json"
	}
	if _, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return "answer_not_json"
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return "answer_cut_short"
	}
	return "connection"
}

func isTimeout(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	n, ok := errors.AsType[net.Error](err)
	return ok && n.Timeout()
}

// tried counts the earlier attempts of a delivery that bear on the next.
type tried struct {
	ambiguous   int
	interrupted int
	unknown     int
	refused     int       // for its recipient
	doubtSince  time.Time // when the first of the ambiguous and interrupted ones began, if there are any
}

// inDoubt says whether Slack may have the delivery already.
func (t tried) inDoubt() bool { return t.ambiguous+t.interrupted > 0 }

// verdict is what becomes of a delivery and its lane.
type verdict struct {
	state     string // of the delivery
	reason    string
	counted   bool      // as an attempt
	notBefore time.Time // of the lane
	failures  int       // of the lane, in a row
}

// judge decides. It is pure: rnd, from 0 to 1, is the jitter.
func judge(o outcome, before tried, failures int, now time.Time, rnd float64) verdict {
	again := verdict{state: "queued", reason: o.reason, counted: true, notBefore: backoff(now, failures+1, rnd), failures: failures + 1}
	dead := verdict{state: "dead", reason: o.reason, counted: true, notBefore: now}
	switch o.class {
	case done:
		return verdict{state: "sent", reason: o.reason, counted: true, notBefore: now.Add(pace)}
	case throttled, held:
		wait := o.wait + time.Duration(rnd*0.1*float64(o.wait)) // never earlier than asked
		return verdict{state: "queued", reason: o.reason, notBefore: now.Add(wait), failures: failures}
	case routeDown:
		// Not before the route is asked about: its other lanes go first then.
		return verdict{state: "queued", reason: o.reason, notBefore: now.Add(probeEvery), failures: failures}
	case quota:
		return verdict{state: "queued", reason: o.reason, notBefore: now.Add(quotaWait), failures: failures}
	case transient:
		return again
	case ambiguous:
		if before.ambiguous > 0 {
			dead.reason = outcomeUnknown
			return dead
		}
		// There is one repeat only: a moment's outage must not use it up.
		again.notBefore = backoff(now, max(failures+1, 2), rnd)
		return again
	case recipientGone, stale, staleThread, badContent, expired:
		return dead
	case suppressed:
		return verdict{state: "suppressed", reason: o.reason, notBefore: now}
	}
	if before.unknown+1 >= maxUnknown {
		return dead
	}
	return again
}
