package notifyhook

import (
	"fmt"
	"strings"
	"time"
)

// cause is what a delivery spent time on.
type cause uint8

const (
	itsTurn    cause = iota // behind older messages, or with no worker free
	lookingUp               // the recipient's conversation
	slackAsked              // Slack asked to wait
	afterError              // until the next try
	tokenHeld               // the app's token was refused
	planLimit               // the workspace's plan
	causes
)

var causeWords = [causes]string{
	itsTurn: "waiting for its turn", lookingUp: "looking up the recipient", slackAsked: "because Slack asked us to wait",
	afterError: "between tries after errors", tokenHeld: "because Slack refused the app's token", planLimit: "because of the limit of the workspace's plan",
}

// causeOf is what the time after an attempt goes on.
func causeOf(outcome string) cause {
	switch outcome {
	case throttled.String(), held.String():
		return slackAsked
	case routeDown.String():
		return tokenHeld
	case quota.String():
		return planLimit
	}
	return afterError
}

// account is the time that a delivery spent on each cause.
type account [causes]time.Duration

// account divides the time from when the delivery was due until it
// ended, which it has.
func (t teller) account() account {
	var spent account
	at := t.d.DueAt
	pause, until := itsTurn, at // what the time goes on until then, because of the attempt before
	wait := func(end time.Time) {
		if until.After(at) {
			upTo := earlier(until, end)
			spent[pause] += upTo.Sub(at)
			at = upTo
		}
		if r := t.d.ResolvedAt; r != nil && r.After(at) {
			upTo := earlier(*r, end)
			spent[lookingUp] += upTo.Sub(at)
			at = upTo
		}
		if end.After(at) {
			spent[itsTurn] += end.Sub(at)
			at = end
		}
	}
	for _, a := range t.d.History {
		wait(a.BegunAt)
		if a.EndedAt != nil && a.EndedAt.After(at) { // the call itself is nobody's fault
			at = *a.EndedAt
		}
		if a.AgainAt != nil {
			pause, until = causeOf(a.Outcome), *a.AgainAt
		}
	}
	wait(*t.d.FinishedAt)
	return spent
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// worthTelling is the least that is told: less nobody notices.
const worthTelling = 500 * time.Millisecond

// String lists the causes that took time worth telling.
func (a account) String() string {
	var parts []string
	for c, d := range a {
		if d >= worthTelling {
			parts = append(parts, fmt.Sprintf("%s %s", span(d), causeWords[c]))
		}
	}
	return strings.Join(parts, ", ")
}
