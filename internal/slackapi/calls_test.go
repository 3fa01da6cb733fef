package slackapi_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/slack-go/slack"
	"golang.org/x/oauth2"

	"github.com/cocoom/cocoom-gateway/internal/metrics/metricstest"
	"github.com/cocoom/cocoom-gateway/internal/slackapi"
)

// TestResult: whatever Slack, or who stands in for it, answers is one of a few
// words.
func TestResult(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: errors.New("refused")}
	for _, row := range []struct {
		err  error
		want string
	}{
		{nil, "ok"},
		{&slack.RateLimitedError{RetryAfter: time.Second}, "ratelimited"},
		{slack.SlackErrorResponse{Err: "rate_limited"}, "ratelimited"},
		{fmt.Errorf("post: %w", slack.SlackErrorResponse{Err: "channel_not_found"}), "channel_not_found"},
		{slack.SlackErrorResponse{Err: "made_up_by_whoever_answers"}, "other"},
		{slack.StatusCodeError{Code: 503}, "http_5xx"},
		{slack.StatusCodeError{Code: 999999}, "http_5xx"},
		{&oauth2.RetrieveError{ErrorCode: "invalid_code"}, "invalid_code"},
		{&oauth2.RetrieveError{ErrorCode: "made up"}, "other"},
		{&slackapi.UnsentError{Err: refused}, "unreachable"},
		{refused, "unreachable"},
		{context.DeadlineExceeded, "timeout"},
		{context.Canceled, "cancelled"},
		{errors.New("answer without ts"), "other"},
	} {
		if got := slackapi.Result(row.err); got != row.want {
			t.Errorf("%v is %q, want %q", row.err, got, row.want)
		}
	}
}

// TestCalls: two callers count under one name, and a nil one only calls.
func TestCalls(t *testing.T) {
	reg, gone := prometheus.NewRegistry(), errors.New("gone")
	for _, caller := range []string{"people", "notifications"} {
		calls, err := slackapi.NewCalls(reg, nil, caller)
		if err != nil {
			t.Fatal(err)
		}
		if err := calls.Do(t.Context(), "auth.test", func(context.Context) error { return gone }); err != gone {
			t.Errorf("the call's error became %v", err)
		}
	}
	metricstest.Want(t, reg, map[string]float64{
		`slack_calls_total{caller="people",method="auth.test",result="other"}`: 1, `slack_call_seconds_count{caller="notifications",method="auth.test"}`: 1})
	var none *slackapi.Calls
	if err := none.Do(t.Context(), "auth.test", func(context.Context) error { return gone }); err != gone {
		t.Errorf("without metrics the call's error became %v", err)
	}
}
