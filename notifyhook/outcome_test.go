package notifyhook

import (
	"net"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/slackapi"
)

// The whole table: each class, without and with a doubtful past.
func TestJudge(t *testing.T) {
	now := newFakeClock().now()
	sec := func(n int) time.Time { return now.Add(time.Duration(n) * time.Second) }
	tests := []struct {
		class     class
		before    tried
		failures  int
		state     string
		counted   bool
		duplicate bool
		notBefore time.Time
		after     int // failures
	}{
		{done, tried{}, 3, "sent", true, false, sec(1), 0},
		{throttled, tried{}, 2, "queued", false, false, sec(10), 2},
		{routeDown, tried{}, 2, "queued", false, false, now.Add(probeEvery), 2},
		{quota, tried{}, 2, "queued", false, false, sec(3600), 2},
		{transient, tried{}, 0, "queued", true, false, now.Add(800 * time.Millisecond), 1},
		{transient, tried{ambiguous: 1, unknown: 9}, 1, "queued", true, false, sec(4), 2},
		{ambiguous, tried{}, 0, "queued", true, true, now.Add(4 * time.Second), 1},
		{ambiguous, tried{ambiguous: 1}, 0, "dead", true, false, now, 0},
		{unknown, tried{unknown: 3}, 3, "queued", true, false, sec(96), 4},
		{unknown, tried{unknown: 4}, 4, "dead", true, false, now, 0},
		{recipientGone, tried{}, 5, "dead", true, false, now, 0},
		{badContent, tried{}, 5, "dead", true, false, now, 0},
		{expired, tried{}, 5, "dead", true, false, now, 0},
		{suppressed, tried{}, 5, "suppressed", false, false, now, 0},
	}
	for _, tt := range tests {
		got := judge(outcome{class: tt.class, wait: 10 * time.Second}, tt.before, tt.failures, now, 0)
		want := verdict{state: tt.state, reason: got.reason, counted: tt.counted, duplicate: tt.duplicate, notBefore: tt.notBefore, failures: tt.after}
		if got != want {
			t.Errorf("%s after %+v:\n got %+v\nwant %+v", tt.class, tt.before, got, want)
		}
	}
}

func TestBackoff(t *testing.T) {
	now := newFakeClock().now()
	for failures, want := range map[int]time.Duration{0: time.Second, 1: time.Second, 2: 5 * time.Second, 3: 30 * time.Second, 4: 2 * time.Minute, 5: 10 * time.Minute, 6: 30 * time.Minute, 7: time.Hour, 1000: time.Hour} {
		for rnd, share := range map[float64]float64{0: 0.8, 0.5: 1, 1: 1.2} {
			got := backoff(now, failures, rnd).Sub(now)
			if diff := got - time.Duration(float64(want)*share); diff > time.Millisecond || diff < -time.Millisecond {
				t.Errorf("%d failures, rnd %v: %s", failures, rnd, got)
			}
		}
	}
}

// Each of Slack's documented names has the class that the design gives it.
func TestSlackErrors(t *testing.T) {
	for want, names := range map[class][]string{
		throttled: {"ratelimited", "rate_limited"},
		transient: {"request_timeout", "service_unavailable", "team_added_to_org"},
		ambiguous: {"internal_error", "fatal_error"},
		routeDown: {"invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "missing_scope", "no_permission", "org_login_required", "accesslimited"},
		quota:     {"message_limit_exceeded"},
		recipientGone: {"users_not_found", "user_disabled", "user_not_found", "user_not_visible", "messages_tab_disabled", "channel_not_found", "is_archived",
			"not_in_channel", "restricted_action", "restricted_action_read_only_channel", "ekm_access_denied"},
		badContent: {"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long", "msg_too_long", "too_many_attachments", "metadata_too_large", "attachment_payload_limit_exceeded"},
		unknown:    {"", "something_new", "Not Slack's", "xoxb-1-2"},
	} {
		for _, name := range names {
			if got := slackError(postMessage, name); got.class != want {
				t.Errorf("%s: %s, want %s", name, got.class, want)
			}
		}
	}
	if o := outcomeOf(postMessage, &slackapi.UnsentError{Err: &net.DNSError{Name: "secret.host"}}); o.class != transient || o.reason != "dns" {
		t.Errorf("unsent: %+v", o)
	}
}

func TestClassify(t *testing.T) {
	for to, want := range map[string]recipientKind{
		"marie@agrafmania.fr": emailRecipient, "#ventes": channelName, "#Ventes-2": channelName, "#équipe": channelName, "C0123": conversationID, "G0123": conversationID, "D0123": conversationID,
		"U0123": userID, "W0123": userID, "": unknownRecipient, "C": unknownRecipient, "Claude": unknownRecipient, "@marie": unknownRecipient, "#": unknownRecipient, "#a b": unknownRecipient,
		"a@": unknownRecipient, "a@b c": unknownRecipient, "S0123": unknownRecipient, "<!channel>": unknownRecipient, "a@b/c": unknownRecipient, "u0123": unknownRecipient, "C01\n": unknownRecipient} {
		if got, _ := classify(to); got != want {
			t.Errorf("%q: %d, want %d", to, got, want)
		}
	}
}
