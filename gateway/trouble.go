package gateway

import (
	"errors"
	"net/http"
	"time"

	"github.com/slack-go/slack"

	"github.com/cocoom/cocoom-gateway/internal/slackapi"
)

const (
	slackAgain = 30 * time.Second // after Slack could not be asked
	setupAgain = 5 * time.Minute  // after it refused our token: somebody has to mend that
)

// trouble is why Slack did not answer a question about people, and what that
// means for the next one.
type trouble struct {
	reason string        // one word for alarms
	wait   time.Duration // before the route asks anything again
	setup  bool          // the route's Slack app needs an operator
	gone   bool          // the person is no longer in the workspace
}

// troubleOf reads the error of a call of the Web API.
func troubleOf(err error) trouble {
	var limited *slack.RateLimitedError
	var status slack.StatusCodeError
	var said slack.SlackErrorResponse
	switch {
	case errors.As(err, &limited):
		return trouble{reason: "ratelimited", wait: min(max(limited.RetryAfter, time.Second), slackapi.MaxWait)}
	case errors.As(err, &status):
		return trouble{reason: http.StatusText(status.Code), wait: slackAgain}
	case errors.As(err, &said) && slackapi.Unavailable(said.Err):
		return trouble{reason: said.Err, wait: slackAgain}
	case errors.As(err, &said):
		return refusedBy(clip(said.Err, 80))
	case isNetwork(err):
		return trouble{reason: "unreachable", wait: slackAgain}
	}
	return trouble{reason: "unreadable", wait: slackAgain}
}

// refusedBy reads an error name of Slack's that does not pass by itself.
func refusedBy(name string) trouble {
	switch name {
	case "user_not_found", "user_not_visible", "users_not_found", "user_removed_from_team":
		return trouble{reason: name, gone: true}
	}
	return trouble{reason: name, wait: setupAgain, setup: true}
}
