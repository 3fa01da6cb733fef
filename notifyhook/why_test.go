package notifyhook

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

var nine = time.Date(2026, 11, 23, 9, 0, 0, 120e6, time.UTC)

func after(d time.Duration) *time.Time { return new(nine.Add(d)) }

// tried is an attempt that began and ended that long after nine.
func attempted(begun, ended time.Duration, method string, how class, reason string, again time.Duration) Attempt {
	a := Attempt{BegunAt: nine.Add(begun), EndedAt: after(ended), Method: method, Outcome: how.String(), Error: reason}
	if again > 0 {
		a.AgainAt = after(again)
	}
	return a
}

// TestTell: why a delivery was late, held, merged, suppressed, in fallback,
// cancelled, expired, perhaps twice, or given up; what one waits for.
func TestTell(t *testing.T) {
	const s = time.Second
	for name, row := range map[string]struct {
		d    Delivery
		wait *delay
		want []string
	}{
		"sent": {d: Delivery{State: "sent", ResolvedAt: after(200 * time.Millisecond), FinishedAt: after(450 * time.Millisecond), History: []Attempt{
			attempted(210*time.Millisecond, 450*time.Millisecond, postMessage, done, "", 0)}},
			want: []string{"Accepted 2026-11-23 09:00:00.120 UTC; conversation found 09:00:00.320; sent 09:00:00.570, 450 ms after it was accepted."}},
		"throttled": {d: Delivery{State: "sent", FinishedAt: after(31080 * time.Millisecond), History: []Attempt{
			attempted(100*time.Millisecond, 300*time.Millisecond, postMessage, throttled, "rate_limited", 30300*time.Millisecond),
			attempted(30310*time.Millisecond, 31080*time.Millisecond, postMessage, done, "", 0)}},
			want: []string{"Accepted 2026-11-23 09:00:00.120 UTC; at 09:00:00.220 Slack asked us to wait 30 s with chat.postMessage (429); " +
				"sent 09:00:31.200, 31 s after it was accepted, of which 30 s because Slack asked us to wait."}},
		"looked up late, then behind others": {d: Delivery{State: "sent", ResolvedAt: after(12 * s), FinishedAt: after(40 * s), History: []Attempt{
			attempted(s, 2*s, lookupByEmail, transient, "dns", 7*s), attempted(7*s, 8*s, lookupByEmail, transient, "dns", 11*s), attempted(40*s, 40*s, postMessage, done, "", 0)}},
			want: []string{"Accepted 2026-11-23 09:00:00.120 UTC; 2 times from 09:00:01.120 to 09:00:07.120 Slack could not take it with users.lookupByEmail (dns); " +
				"conversation found 09:00:12.120; sent 09:00:40.120, 40 s after it was accepted, of which 28 s waiting for its turn, 2 s looking up the recipient, 8 s between tries after errors."}},
		"scheduled, and sent the day after": {d: Delivery{State: "sent", DueAt: nine.Add(24 * time.Hour), FinishedAt: after(24*time.Hour + s), History: []Attempt{
			attempted(24*time.Hour+s, 24*time.Hour+s, postMessage, done, "", 0)}},
			want: []string{"Accepted 2026-11-23 09:00:00.120 UTC; to be sent at 2026-11-24 09:00:00, as asked; sent 2026-11-24 09:00:01, 1 s after it was due, of which 1 s waiting for its turn."}},
		"as plain text": {d: Delivery{State: "sent", Error: "sent_as_plain_text: invalid_blocks", FinishedAt: after(0)},
			want: []string{"sent 09:00:00.120", "Sent as plain text, without its blocks and markup: Slack refused them (invalid_blocks). Mend what the app sends, or its template: try them in Slack's Block Kit Builder"}},
		"without its name": {d: Delivery{State: "sent", Error: "sent_otherwise_than_asked: missing_scope", FinishedAt: after(0)},
			want: []string{"sent 09:00:00.120", "Sent under the app's own name and picture, since it lacks the scope for others: add chat:write.customize"}},
		"not as a reply": {d: Delivery{State: "sent", Error: "sent_otherwise_than_asked: cannot_reply_to_message", FinishedAt: after(0)},
			want: []string{"sent 09:00:00.120", "Sent by itself and not as the reply that was asked for: Slack refused that (cannot_reply_to_message)."}},
		"perhaps twice": {d: Delivery{State: "sent", PossibleDuplicate: true, FinishedAt: after(10 * s), History: []Attempt{
			attempted(0, s, postMessage, ambiguous, "timeout", 6*s), attempted(9*s, 10*s, postMessage, done, "", 0)}},
			want: []string{"at 09:00:00.120 chat.postMessage ended without an answer, so that Slack may or may not have it (timeout)", "Slack may have this message twice"}},
		"merged": {d: Delivery{State: "sent", MergedInto: "ntf_other", FinishedAt: after(s)},
			want: []string{"sent 09:00:01.120", "Its text went out within the message of ntf_other"}},
		"actor": {d: Delivery{State: "suppressed", Error: "actor", FinishedAt: after(0)},
			want: []string{"suppressed 09:00:00.120, 0 ms after it was accepted.", "Not sent because the recipient is its actor"}},
		"cancelled": {d: Delivery{State: "cancelled", FinishedAt: after(s)}, want: []string{"cancelled 09:00:01.120", "Cancelled before it was sent."}},
		"cancelled before its time": {d: Delivery{State: "cancelled", Error: "cancelled", DueAt: nine.Add(time.Hour), FinishedAt: after(0)},
			want: []string{"to be sent at 10:00:00.120, as asked; cancelled 09:00:00.120, 60 min before it was due.", "Cancelled before it was sent."}},
		"expired": {d: Delivery{State: "dead", Error: "expired", FinishedAt: after(time.Hour), History: []Attempt{
			attempted(0, s, postMessage, routeDown, "invalid_auth", 5*time.Minute)}},
			want: []string{"Slack refused the app's token with chat.postMessage (invalid_auth); given up 10:00:00.120, 60 min after it was accepted, of which 55 min waiting for its turn, 5 min because Slack refused the app's token.",
				"Its time was over at 10:00:00.120 before it could be sent"}},
		"gone": {d: Delivery{State: "dead", Error: "messages_tab_disabled", FinishedAt: after(0), History: []Attempt{
			attempted(0, 0, postMessage, recipientGone, "messages_tab_disabled", 0)}},
			want: []string{"cannot be reached (messages_tab_disabled)", "Given up (messages_tab_disabled): the Slack app takes no direct messages. In the Slack app, under App Home, switch the Messages tab on, then replay what was given up."}},
		"without a scope": {d: Delivery{State: "dead", Error: "missing_scope", FinishedAt: after(0), History: []Attempt{
			attempted(0, 0, openConversation, recipientGone, "missing_scope", 0)}},
			want: []string{"(missing_scope)", "lacks a scope for conversations.open. Add im:write to its bot scopes"}},
		"an error and an outcome of tomorrow": {d: Delivery{State: "dead", Error: "brand_new", FinishedAt: after(0), History: []Attempt{
			{BegunAt: nine, EndedAt: after(0), Method: postMessage, Outcome: "looked_for", Error: "brand_new"}}},
			want: []string{"an attempt ended as looked for (brand_new)", "look for its name on https://docs.slack.dev/reference/methods/chat.postMessage"[1:]}},
		"with a fallback": {d: Delivery{id: "d1", State: "dead", Error: "users_not_found", FinishedAt: after(0)},
			want: []string{"given up 09:00:00.120", "nobody in the workspace has this e-mail address", "It went to the fallback #ventes instead, where it is sent."}},
		"is a fallback": {d: Delivery{InsteadOf: "luc@agrafmania.fr", DueAt: nine.Add(s), State: "sent", FinishedAt: after(2 * s)},
			want: []string{"to go here instead of to luc@agrafmania.fr since 09:00:01.120; sent 09:00:02.120, 1 s after it was due"}},
		"waits until its time":   {d: Delivery{DueAt: nine.Add(time.Hour)}, wait: &delay{known: true}, want: []string{"as asked.", "It waits until 10:00:00.120, as the app asked (send_at): 59 min from now."}},
		"waits behind others":    {d: Delivery{}, wait: &delay{known: true, ahead: 3, oldest: "ntf_old"}, want: []string{"UTC.", "It waits behind 3 older messages for the same conversation, the oldest of ntf_old"}},
		"waits behind many":      {d: Delivery{}, wait: &delay{known: true, ahead: mostAhead, oldest: "ntf_old"}, want: []string{"UTC.", "behind 10000 or more older messages"}},
		"waits in backoff":       {d: Delivery{Error: "dns"}, wait: &delay{known: true, failures: 2, until: nine.Add(100 * s)}, want: []string{"UTC.", "Its conversation rests until 09:01:40.120, 40 s from now, after 2 failed attempts in a row (dns: Slack could not be reached"}},
		"waits for a method":     {d: Delivery{}, wait: &delay{known: true, paused: postMessage, resumes: nine.Add(90 * s)}, want: []string{"UTC.", "Slack asked us to wait with chat.postMessage: it may be called again at 09:01:30.120, in 30 s."}},
		"waits for the token":    {d: Delivery{}, wait: &delay{known: true, alarms: []Alarm{{Kind: "held", Reason: "token_revoked", Since: nine}}}, want: []string{"UTC.", "The route is held: nothing of it is sent since 09:00:00.120 (token_revoked): the bot token is not good any more"}},
		"waits for a scope":      {d: Delivery{To: "marie@agrafmania.fr"}, wait: &delay{known: true, looking: true, alarms: []Alarm{{Kind: "lookups", Reason: "missing_scope", Since: nine}}}, want: []string{"UTC.", "Add users:read and users:read.email"}},
		"is no look-up":          {d: Delivery{}, wait: &delay{known: true, alarms: []Alarm{{Kind: "lookups", Reason: "missing_scope", Since: nine}}}, want: []string{"UTC.", "It is next"}},
		"waits for a lost route": {d: Delivery{}, wait: &delay{}, want: []string{"UTC.", "No route of this gateway uses the Slack app"}},
		"is looked up":           {d: Delivery{}, wait: &delay{known: true, looking: true}, want: []string{"UTC.", "Its recipient is being looked up in Slack."}},
		"is being sent": {d: Delivery{State: "sending", History: []Attempt{{BegunAt: nine.Add(s)}}}, wait: &delay{known: true},
			want: []string{"being sent since 09:00:01.120.", "It is being sent right now."}},
	} {
		t.Run(name, func(t *testing.T) {
			if row.d.DueAt.IsZero() {
				row.d.DueAt = nine
			}
			n := Notification{AcceptedAt: nine, ExpiresAt: nine.Add(time.Hour), Recipients: []Delivery{row.d, {To: "#ventes", State: "sent", insteadOf: "d1"}}}
			waits := map[string]delay{}
			if row.wait != nil {
				n.Recipients[0].id, waits["open"] = "open", *row.wait
			}
			got := tell(n, waits, nine.Add(time.Minute))[0].Sentences
			if len(got) != len(row.want) {
				t.Fatalf("says %d sentences, want %d:\n%s", len(got), len(row.want), strings.Join(got, "\n"))
			}
			for i, want := range row.want {
				if !strings.Contains(got[i], want) || !strings.HasSuffix(got[i], ".") {
					t.Errorf("sentence %d is\n%s, want\n%s", i, got[i], want)
				}
			}
		})
	}
}

// TestAdvice: there are words for every name that outcomes are told apart by,
// and for those of this package.
func TestAdvice(t *testing.T) {
	source, err := os.ReadFile("outcome.go")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{"unknown_recipient_form": true, "channel_list_long": true, "outcome_unknown": true, "unreadable": true, "expired": true, "interrupted": true}
	for _, m := range regexp.MustCompile(`(?:case |, |\t"|return )"([a-z]+_[a-z0-9_]+[a-z0-9])"`).FindAllStringSubmatch(regexp.MustCompile(`(?s)func \(c class\) String.*?\n}`).ReplaceAllString(string(source), ""), -1) {
		names[m[1]] = true
	}
	if len(names) < 50 {
		t.Fatalf("only %d names were found", len(names))
	}
	unknown := adviceFor("no_such_name", "m")
	for name := range names {
		if name == "route_down" {
			continue
		}
		a := adviceFor(name, postMessage)
		if a.what == unknown.what || a.remedy == "" || strings.HasSuffix(a.what+a.remedy, ".") {
			t.Errorf("%s is %+v", name, a)
		}
	}
}
