package gateway

import (
	"net/http"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/cocoom/cocoom-gateway/proxy"
)

// traced begins the span of a request, if there are traces, and gives r with it
// in its context.
//
// What a trusted proxy sends as W3C Trace Context is gone on with, and decides
// whether the request is sampled. A stranger's is not: who could choose the trace
// id could have each request sampled, or write into other people's traces. It
// gets a trace of ours, with a link to theirs.
func (g *Gateway) traced(x *exchange, r *http.Request) *http.Request {
	if g.cfg.Tracer == nil {
		return r
	}
	ctx := r.Context()
	options := []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindServer)}
	sent := trace.SpanContextFromContext(propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(r.Header)))
	switch {
	case !sent.IsValid():
	case x.conf.peers.includes(socketPeer(r)):
		ctx = trace.ContextWithRemoteSpanContext(ctx, sent)
	default:
		options = append(options, trace.WithNewRoot(), trace.WithLinks(trace.Link{SpanContext: sent}))
	}
	name, _ := spanMethod(r.Method)
	ctx, x.span = g.cfg.Tracer.Start(ctx, name, options...)
	return r.WithContext(ctx)
}

// traceID is the request's, for the log; empty: it is not traced.
func (x *exchange) traceID() string {
	if x.span == nil || !x.span.SpanContext().IsSampled() {
		return ""
	}
	return x.span.SpanContext().TraceID().String()
}

// toApp begins the span of what the app does, and has it go on with the trace.
func (g *Gateway) toApp(x *exchange, r *http.Request, in *proxy.Inbound) {
	if x.span == nil {
		return
	}
	name, method := spanMethod(r.Method)
	ctx, span := g.cfg.Tracer.Start(r.Context(), name, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(method, attribute.String("server.address", x.route.Host)))
	x.appSpan = span
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	in.TraceParent, in.TraceState = carrier["traceparent"], carrier["tracestate"]
}

// endSpans ends what traced and toApp have begun. path is as the log may have it.
// The attributes are those of OpenTelemetry's semantic conventions for HTTP
// (https://opentelemetry.io/docs/specs/semconv/http/http-spans/): no query, no
// header, nobody's name.
func (x *exchange) endSpans(r *http.Request, path string) {
	if x.span == nil {
		return
	}
	if x.appSpan != nil {
		if x.trip.Answered.IsZero() {
			x.appSpan.End()
		} else {
			if x.failure != nil {
				x.appSpan.SetAttributes(attribute.String("error.type", asRefusal(x.failure).code))
				x.appSpan.SetStatus(codes.Error, "")
			} else {
				x.appSpan.SetAttributes(attribute.Int("http.response.status_code", x.status))
			}
			x.appSpan.End(trace.WithTimestamp(x.trip.Answered))
		}
	}
	defer x.span.End()
	if !x.span.IsRecording() {
		return
	}
	_, method := spanMethod(r.Method)
	x.span.SetAttributes(method, attribute.String("url.path", clip(path, 512)), attribute.Int("http.response.status_code", x.status),
		attribute.String("client.address", x.client.String()), attribute.String("network.protocol.version", strings.TrimPrefix(r.Proto, "HTTP/")),
		attribute.String("cocoom.request_id", x.id))
	if x.route != nil {
		scheme, _, _ := strings.Cut(x.route.Origin, ":")
		x.span.SetAttributes(attribute.String("server.address", x.route.Host), attribute.String("url.scheme", scheme))
	}
	if x.decision.Reason != "" {
		x.span.SetAttributes(attribute.String("cocoom.decision", x.decision.Verdict.String()), attribute.String("cocoom.reason", x.decision.Reason))
	}
	if x.failure != nil {
		x.span.SetAttributes(attribute.String("error.type", asRefusal(x.failure).code))
	}
	if x.status >= 500 {
		x.span.SetStatus(codes.Error, "")
	}
}

// spanMethod gives a span's name, and the method as an attribute: strangers make
// up methods, so only the known ones are said.
func spanMethod(method string) (name string, kv attribute.KeyValue) {
	switch method {
	case "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY":
		return method, attribute.String("http.request.method", method)
	}
	return "HTTP", attribute.String("http.request.method", "_OTHER")
}
