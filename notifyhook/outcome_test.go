package notifyhook

import (
	"testing"
	"time"
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
		notBefore time.Time
		after     int // failures
	}{
		{done, tried{}, 3, "sent", true, sec(1), 0},
		{throttled, tried{}, 2, "queued", false, sec(10), 2},
		{routeDown, tried{}, 2, "queued", false, now.Add(probeEvery), 2},
		{quota, tried{}, 2, "queued", false, sec(3600), 2},
		{transient, tried{}, 0, "queued", true, now.Add(800 * time.Millisecond), 1},
		{transient, tried{ambiguous: 1, unknown: 9}, 1, "queued", true, sec(4), 2},
		{ambiguous, tried{}, 0, "queued", true, now.Add(4 * time.Second), 1},
		{ambiguous, tried{ambiguous: 1}, 0, "dead", true, now, 0},
		{unknown, tried{unknown: 3}, 3, "queued", true, sec(96), 4},
		{unknown, tried{unknown: 4}, 4, "dead", true, now, 0},
		{recipientGone, tried{}, 5, "dead", true, now, 0},
		{badContent, tried{}, 5, "dead", true, now, 0},
		{expired, tried{}, 5, "dead", true, now, 0},
		{suppressed, tried{}, 5, "suppressed", false, now, 0},
	}
	for _, tt := range tests {
		got := judge(outcome{class: tt.class, wait: 10 * time.Second}, tt.before, tt.failures, now, 0)
		want := verdict{state: tt.state, reason: got.reason, counted: tt.counted, notBefore: tt.notBefore, failures: tt.after}
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

func TestClassify(t *testing.T) {
	for to, want := range map[string]recipientKind{
		"marie@agrafmania.fr": emailRecipient, "#ventes": channelName, "#Ventes-2": channelName, "#équipe": channelName, "C0123": conversationID, "G0123": conversationID, "D0123": conversationID,
		"U0123": userID, "W0123": userID, "": unknownRecipient, "C": unknownRecipient, "Claude": unknownRecipient, "@marie": unknownRecipient, "#": unknownRecipient, "#a b": unknownRecipient,
		"a@": unknownRecipient, "a@b c": unknownRecipient, "S0123": unknownRecipient, "<!channel>": unknownRecipient, "a@b/c": unknownRecipient, "u0123": unknownRecipient, "C01\n": unknownRecipient,
		"#ven\u009bJtes": unknownRecipient, "#\u202esetnev": unknownRecipient, "m\u200brie@agrafmania.fr": unknownRecipient} {
		if got, _ := classify(to); got != want {
			t.Errorf("%q: %d, want %d", to, got, want)
		}
	}
}
