package tracing

import (
	"context"
	"testing"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// TestSampler: whose word counts on whether a span is sampled.
func TestSampler(t *testing.T) {
	of := func(flags trace.TraceFlags) trace.SpanContext {
		return trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}, TraceFlags: flags})
	}
	yes, no, none := of(trace.FlagsSampled), of(0), trace.SpanContext{}
	for _, row := range []struct {
		name   string
		roots  sdk.Sampler
		parent trace.SpanContext
		kind   trace.SpanKind
		link   trace.SpanContext
		want   bool
	}{
		{"a request", sdk.AlwaysSample(), none, trace.SpanKindServer, none, true},
		{"a request that is not in the share", sdk.NeverSample(), none, trace.SpanKindServer, none, false},
		{"a stranger's wish", sdk.NeverSample(), none, trace.SpanKindServer, yes, false},
		{"a stranger who does not wish", sdk.AlwaysSample(), none, trace.SpanKindServer, no, true},
		{"below a span that is", sdk.NeverSample(), yes, trace.SpanKindClient, none, true},
		{"below one that is not", sdk.AlwaysSample(), no, trace.SpanKindClient, none, false},
		{"a delivery of what was", sdk.NeverSample(), none, trace.SpanKindConsumer, yes, true},
		{"a delivery of what was not", sdk.AlwaysSample(), none, trace.SpanKindConsumer, none, false},
	} {
		p := sdk.SamplingParameters{ParentContext: trace.ContextWithSpanContext(context.Background(), row.parent), TraceID: trace.TraceID{2}, Kind: row.kind}
		if row.link.IsValid() {
			p.Links = []trace.Link{{SpanContext: row.link}}
		}
		if got := (sampler{row.roots}).ShouldSample(p).Decision == sdk.RecordAndSample; got != row.want {
			t.Errorf("%s: sampled %v, want %v", row.name, got, row.want)
		}
	}
}
