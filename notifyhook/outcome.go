package notifyhook

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"regexp"
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
	badContent                 // will never work for this message
	suppressed                 // the recipient turned out to be the actor
	expired                    // its time is over
	interrupted                // begun by a process that did not live to say how it ended
)

func (c class) String() string {
	return [...]string{"unknown", "sent", "throttled", "held", "transient", "ambiguous", "route_down", "quota", "recipient_gone", "bad_content", "suppressed", "expired", "interrupted"}[c]
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
	method  string        // of the Web API; empty: nothing was called
	reason  string        // Slack's error name, or a constant word of ours
	wait    time.Duration // throttled and held only
	channel string        // done only
	ts      string        // done only
}

// outcomeOf classifies the error of a call. A nil error is done.
func outcomeOf(err error) outcome {
	if err == nil {
		return outcome{class: done}
	}
	if h, ok := errors.AsType[*heldError](err); ok {
		return outcome{class: held, reason: "rate_limited", wait: h.wait}
	}
	if limited, ok := errors.AsType[*slack.RateLimitedError](err); ok {
		return outcome{class: throttled, reason: "rate_limited", wait: min(max(limited.RetryAfter, time.Second), slackapi.MaxWait)}
	}
	if answer, ok := errors.AsType[slack.SlackErrorResponse](err); ok {
		return slackError(answer.Err)
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
func slackError(name string) outcome {
	o := outcome{reason: name}
	if !errorName.MatchString(name) { // not Slack's way to write; do not repeat it
		o.reason = "unrecognised_error"
		return o
	}
	switch name {
	case "ratelimited", "rate_limited":
		o.class, o.wait = throttled, slackapi.DefaultWait
	case "request_timeout", "service_unavailable", "team_added_to_org", "external_channel_migrating":
		o.class = transient
	case "internal_error", "fatal_error": // Slack: some aspect of the operation may have succeeded
		o.class = ambiguous
	case "invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "missing_scope", "no_permission", "org_login_required",
		"accesslimited", "access_denied", "not_allowed_token_type", "team_access_not_granted", "two_factor_setup_required", "enterprise_is_restricted":
		o.class = routeDown
	case "message_limit_exceeded":
		o.class = quota
	case "users_not_found", "user_disabled", "user_not_found", "user_not_visible", "messages_tab_disabled", "invalid_user_combination",
		"channel_not_found", "is_archived", "not_in_channel", "ekm_access_denied", "app_access_restricted", "method_not_supported_for_channel_type",
		"restricted_action", "restricted_action_read_only_channel", "restricted_action_thread_only_channel", "restricted_action_non_threadable_channel",
		"restricted_action_thread_locked", "slack_connect_file_link_sharing_blocked", "slack_connect_canvas_sharing_blocked":
		o.class = recipientGone
	case "no_text", "msg_too_long", "invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long", "too_many_attachments", "metadata_too_large",
		"attachment_payload_limit_exceeded", "invalid_attachments", "markdown_text_conflict":
		o.class = badContent
	}
	return o
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

// timedOut is the reason of a call that nobody answered in time.
const timedOut = "timeout"

// transportReason is one word for an error of the network or of the parser.
// Their own texts hold addresses.
func transportReason(err error) string {
	if errors.Is(err, errNoTimestamp) {
		return "no_timestamp"
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok && !dns.IsTimeout {
		return "dns"
	}
	if isTimeout(err) {
		return timedOut
	}
	if _, ok := errors.AsType[*x509.UnknownAuthorityError](err); ok {
		return "tls"
	}
	if _, ok := errors.AsType[*json.SyntaxError](err); ok {
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

// tried counts the earlier attempts of a delivery that ended in doubt.
type tried struct {
	ambiguous int
	unknown   int
}

// verdict is what becomes of a delivery and its lane.
type verdict struct {
	state     string // of the delivery
	reason    string
	counted   bool      // as an attempt
	duplicate bool      // Slack may get it twice from here on
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
			dead.reason = "outcome_unknown"
			return dead
		}
		// There is one repeat only: a moment's outage must not use it up.
		again.duplicate, again.notBefore = true, backoff(now, max(failures+1, 2), rnd)
		return again
	case recipientGone, badContent, expired:
		return dead
	case suppressed:
		return verdict{state: "suppressed", reason: o.reason, notBefore: now}
	}
	if before.unknown+1 >= maxUnknown {
		return dead
	}
	return again
}
