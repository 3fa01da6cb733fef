package notifyhook

import (
	"sync"
	"time"
)

const gateLanes = 3 // throttled at the same time: the limit is the workspace's

// limits are what Slack asked an app to wait for, by method of the Web API, as
// its limits are (https://docs.slack.dev/apis/web-api/rate-limits). They are
// this process's own: another one, or the next, is told by one answer.
type limits struct {
	mu      sync.Mutex
	methods map[string]time.Time // none is called before
	lanes   map[string]time.Time // throttled one by one
}

// wait is how long the method must not be called yet; 0 or less: it may be.
func (l *limits) wait(method string, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.methods[method].Sub(now)
}

// pause holds a method back.
func (l *limits) pause(method string, until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.methods == nil {
		l.methods = map[string]time.Time{}
	}
	if until.After(l.methods[method]) {
		l.methods[method] = until
	}
}

// lane notes that posting was throttled in a lane. When several are at once,
// Slack limits the workspace and not the conversation, and does not say so:
// then the method is paused.
func (l *limits) lane(method, lane string, now, until time.Time) {
	l.mu.Lock()
	for other, end := range l.lanes {
		if !now.Before(end) {
			delete(l.lanes, other)
		}
	}
	if l.lanes == nil {
		l.lanes = map[string]time.Time{}
	}
	l.lanes[lane] = until
	several := len(l.lanes) >= gateLanes
	l.mu.Unlock()
	if several {
		l.pause(method, until)
	}
}

// lookupWait is how long a claimed lane has to wait because Slack asked to wait
// with the method by which its recipient is looked up. A recipient that is
// remembered does not wait.
func (r *Relay) lookupWait(c *claim) time.Duration {
	a := c.route.app
	kind, same := classify(c.to)
	if kind == emailRecipient {
		user, ok := r.recall(a.userKey(same))
		if !ok {
			return a.limits.wait(lookupByEmail, r.now())
		}
		kind, same = userID, user.value
		if user.gone != "" {
			return 0
		}
	}
	key, method := a.directKey(same), openConversation
	if kind == channelName {
		key, method = a.channelKey(same), listConversations
	}
	if _, ok := r.recall(key); ok {
		return 0
	}
	return a.limits.wait(method, r.now())
}
