package tracing

import (
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// sampler follows a parent. Without one, a delivery (the one kind of span that
// consumes) is sampled if the acceptance is that it has a link to, and all else
// by a share of the trace ids, which are then our own. Links of other spans do
// not count: they may be a stranger's word.
type sampler struct{ roots sdk.Sampler }

// Description names it for the SDK.
func (s sampler) Description() string { return "Cocoom{" + s.roots.Description() + "}" }

// ShouldSample implements sdk.Sampler.
func (s sampler) ShouldSample(p sdk.SamplingParameters) sdk.SamplingResult {
	parent := trace.SpanContextFromContext(p.ParentContext)
	decided := func(yes bool) sdk.SamplingResult {
		decision := sdk.Drop
		if yes {
			decision = sdk.RecordAndSample
		}
		return sdk.SamplingResult{Decision: decision, Tracestate: parent.TraceState()}
	}
	switch {
	case parent.IsValid():
		return decided(parent.IsSampled())
	case p.Kind == trace.SpanKindConsumer:
		for _, link := range p.Links {
			if link.SpanContext.IsSampled() {
				return decided(true)
			}
		}
		return decided(false)
	}
	return s.roots.ShouldSample(p)
}
