package notifyhook

import (
	"context"
	"database/sql"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// An acceptance and its deliveries are spans of two traces: the second may come
// days later. A delivery's has a link to the first, by what is kept of that with
// the notification, and is sampled if that was. The names are those of
// OpenTelemetry's conventions for messaging, with the route as the destination
// (https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/).

// acceptSpan begins the span of acceptances. end is to be called with what came
// of them.
func (r *Relay) acceptSpan(ctx context.Context, rt *route, count int) (spanned context.Context, end func(error)) {
	if r.tracer == nil {
		return ctx, func(error) {}
	}
	ctx, span := r.tracer.Start(ctx, "send notification", trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(
		attribute.String("messaging.operation.type", "send"), attribute.String("messaging.destination.name", rt.host), attribute.Int("messaging.batch.message_count", count)))
	return ctx, func(err error) {
		if err != nil {
			span.SetStatus(codes.Error, "")
		}
		span.End()
	}
}

// traceOf is what is kept of ctx's span: a traceparent (W3C Trace Context section
// 3.2), empty if it is not sampled.
func traceOf(ctx context.Context) string {
	if !trace.SpanContextFromContext(ctx).IsSampled() {
		return ""
	}
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier["traceparent"]
}

// readTrace reads what is kept of the acceptance of c's notification.
func (r *Relay) readTrace(ctx context.Context, c claim) (kept trace.SpanContext) {
	var traceparent string
	err := r.store.Read().QueryRowContext(ctx, `SELECT trace FROM notification WHERE id = $1`, c.notification).Scan(&traceparent)
	if err != nil && err != sql.ErrNoRows {
		return kept // what is told of a delivery must not hold it up
	}
	carrier := propagation.MapCarrier{"traceparent": traceparent}
	return trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), carrier))
}

// deliverySpan begins the span of a claim's work. end is to be called when that
// is over.
func (r *Relay) deliverySpan(ctx context.Context, c claim) (spanned context.Context, end func()) {
	if r.tracer == nil {
		return ctx, func() {}
	}
	ctx, span := r.tracer.Start(ctx, "process notification", trace.WithNewRoot(), trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithLinks(trace.Link{SpanContext: r.readTrace(ctx, c)}), trace.WithAttributes(
			attribute.String("messaging.operation.type", "process"), attribute.String("messaging.destination.name", c.route.host),
			attribute.String("messaging.message.id", c.notification), attribute.String("cocoom.delivery", c.delivery)))
	return ctx, func() { span.End() }
}

// noteOutcome says in the delivery's span what came of it.
func noteOutcome(ctx context.Context, o outcome, v verdict) {
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return
	}
	span.SetAttributes(attribute.String("cocoom.outcome", o.class.String()), attribute.String("cocoom.state", v.state))
	if v.state == "dead" {
		span.SetAttributes(attribute.String("error.type", v.reason))
		span.SetStatus(codes.Error, "")
	}
}
