package slackapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/slack-go/slack"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/oauth2"
)

// Calls counts, times and traces the calls that a package makes to Slack. A nil
// *Calls only makes them.
type Calls struct {
	total   *prometheus.CounterVec
	seconds *prometheus.HistogramVec
	tracer  trace.Tracer // nil: no traces
}

// NewCalls registers the metrics of those that caller makes, a constant word for
// what they are for. reg and tracer may be nil: then nothing is counted, or
// traced.
func NewCalls(reg prometheus.Registerer, tracer trace.Tracer, caller string) (*Calls, error) {
	by := prometheus.Labels{"caller": caller}
	c := &Calls{tracer: tracer,
		total: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cocoom_gateway_slack_calls_total", ConstLabels: by,
			Help: `Calls to Slack, by what they were for (caller: people or notifications), by method, and by result: "ok"; the name of Slack's error ("other" if it is not a known one); "http_4xx" or "http_5xx"; "timeout", "unreachable", "cancelled" or "no_answer".`,
		}, []string{"method", "result"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "cocoom_gateway_slack_call_seconds", ConstLabels: by, Buckets: []float64{.05, .1, .25, .5, 1, 2.5, 5, 10},
			Help: "How long Slack took for a call, by caller and method.",
		}, []string{"method"}),
	}
	if reg == nil {
		return c, nil
	}
	if err := errors.Join(reg.Register(c.total), reg.Register(c.seconds)); err != nil {
		return nil, fmt.Errorf("register metrics of calls to Slack: %w", err)
	}
	return c, nil
}

// Do makes one call of a method: call gets a context that knows of its span. The
// method must be a constant, such as "chat.postMessage".
func (c *Calls) Do(ctx context.Context, method string, call func(ctx context.Context) error) error {
	if c == nil {
		return call(ctx)
	}
	begun, span := time.Now(), trace.Span(nil)
	if c.tracer != nil {
		ctx, span = c.tracer.Start(ctx, method, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attribute.String("slack.method", method)))
		defer span.End()
	}
	err := call(ctx)
	result := Result(err)
	c.total.WithLabelValues(method, result).Inc()
	c.seconds.WithLabelValues(method).Observe(time.Since(begun).Seconds())
	if span != nil && err != nil {
		span.SetAttributes(attribute.String("error.type", result))
		span.SetStatus(codes.Error, "")
	}
	return err
}

// Result is one word for what a call came to: "ok", or of the error that it
// returned. There is a bounded number of them.
func Result(err error) string {
	if err == nil {
		return "ok"
	}
	if _, limited := errors.AsType[*slack.RateLimitedError](err); limited {
		return "ratelimited"
	}
	if said, ok := errors.AsType[slack.SlackErrorResponse](err); ok {
		return known(said.Err)
	}
	if status, ok := errors.AsType[slack.StatusCodeError](err); ok {
		return httpResult(status.Code)
	}
	if said, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		switch {
		case said.ErrorCode != "":
			return known(said.ErrorCode)
		case said.Response != nil:
			return httpResult(said.Response.StatusCode)
		}
		return "no_answer"
	}
	return networkResult(err)
}

func httpResult(status int) string { return "http_" + strconv.Itoa(min(max(status/100, 1), 5)) + "xx" }

func networkResult(err error) string {
	_, unsent := errors.AsType[*UnsentError](err)
	op, _ := errors.AsType[*net.OpError](err)
	network, _ := errors.AsType[net.Error](err)
	switch {
	case errors.Is(err, context.Canceled):
		return "cancelled"
	case errors.Is(err, context.DeadlineExceeded), network != nil && network.Timeout():
		return "timeout"
	case unsent, op != nil && op.Op == "dial":
		return "unreachable"
	case errors.Is(err, io.ErrUnexpectedEOF), network != nil:
		return "no_answer"
	}
	return "other" // an answer that means nothing
}
