package slacksim

import "time"

// The limits of https://docs.slack.dev/apis/web-api/rate-limits: per method,
// workspace and app, calls a minute. Slack gives each tier as "N or more";
// here it is exactly N in the minute that the first call opens. special
// stands for Slack's "several hundred".
const (
	tier1   = 1
	tier2   = 20
	tier3   = 50
	tier4   = 100
	special = 600
)

// messageEvery is the pace of posting: one message a second per conversation,
// with a burst of one, which means that the second message within a second is
// refused. Slack tolerates short bursts but promises none.
const messageEvery = time.Second

// maxLimits bounds the memory of each limiter; what has run out is forgotten
// when it is reached.
const maxLimits = 10_000

type limits struct {
	next    map[string]time.Time // by app and conversation: when a message may pass
	windows map[string]window    // by method, workspace and app
}

type window struct {
	ends  time.Time
	calls int
}

// message takes a conversation's turn; a positive wait means refused.
func (l *limits) message(key string, now time.Time) (wait time.Duration) {
	if wait := l.next[key].Sub(now); wait > 0 {
		return wait
	}
	if len(l.next) >= maxLimits {
		for k, t := range l.next {
			if !t.After(now) {
				delete(l.next, k)
			}
		}
	}
	l.next[key] = now.Add(messageEvery)
	return 0
}

// call counts a call against its minute; a positive wait means refused.
func (l *limits) call(key string, perMinute int, now time.Time) (wait time.Duration) {
	w, ok := l.windows[key]
	if !ok || !now.Before(w.ends) {
		if len(l.windows) >= maxLimits {
			for k, w := range l.windows {
				if !now.Before(w.ends) {
					delete(l.windows, k)
				}
			}
		}
		w = window{ends: now.Add(time.Minute)}
	}
	if w.calls >= perMinute {
		return w.ends.Sub(now)
	}
	w.calls++
	l.windows[key] = w
	return 0
}

// seconds rounds a wait up for Retry-After.
func seconds(wait time.Duration) int {
	return max(1, int((wait+time.Second-1)/time.Second))
}
