// Package tracing sends traces to an OpenTelemetry collector, by OTLP over HTTP.
// Those who make spans know the API alone, not this package.
package tracing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

const (
	defaultShare = 0.01
	exportTime   = 10 * time.Second // for one batch, with all tries
	closeTime    = time.Second      // for what is left when the program stops: with what requests may take, less than the ten after which it is killed
)

// Config says where traces go.
type Config struct {
	// Endpoint is the collector's URL, such as http://127.0.0.1:4318; spans are
	// posted to v1/traces below it, as for OTEL_EXPORTER_OTLP_ENDPOINT
	// (https://opentelemetry.io/docs/specs/otel/protocol/exporter/).
	Endpoint string
	// Sample is the share of requests that are traced, over 0 to 1; 0 means 0.01.
	Sample float64
	// Version is the program's.
	Version string
	Log     *slog.Logger
}

// Tracing makes spans and sends those that are sampled in the background: a
// collector that is slow or away costs spans, never time.
type Tracing struct {
	provider *sdk.TracerProvider
}

// Open makes one. Nothing is sent before there is a span.
//
// Headers for the collector, such as a token, and its certificate are taken from
// OTEL_EXPORTER_OTLP_HEADERS and OTEL_EXPORTER_OTLP_CERTIFICATE, and further
// attributes from OTEL_RESOURCE_ATTRIBUTES, as every OpenTelemetry SDK does.
func Open(ctx context.Context, cfg Config) (*Tracing, error) {
	to, err := url.Parse(cfg.Endpoint)
	if err != nil {
		return nil, errors.New("open tracing: the endpoint is no URL")
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(to.JoinPath("v1/traces").String()), otlptracehttp.WithTimeout(exportTime),
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{Enabled: true, InitialInterval: time.Second, MaxInterval: 5 * time.Second, MaxElapsedTime: exportTime}))
	if err != nil {
		return nil, fmt.Errorf("open tracing: %w", err)
	}
	about, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithAttributes(
		attribute.String("service.name", "cocoom-gateway"), attribute.String("service.version", cfg.Version)), resource.WithFromEnv())
	if err != nil && !errors.Is(err, resource.ErrPartialResource) {
		return nil, fmt.Errorf("open tracing: %w", err)
	}
	share := cfg.Sample
	if share == 0 {
		share = defaultShare
	}
	return &Tracing{sdk.NewTracerProvider(
		sdk.WithResource(about), sdk.WithSampler(sampler{sdk.TraceIDRatioBased(share)}),
		sdk.WithBatcher(&quiet{SpanExporter: exporter, log: cfg.Log}, sdk.WithExportTimeout(exportTime)),
	)}, nil
}

// Tracer makes the program's spans; nil of a nil Tracing.
func (t *Tracing) Tracer() trace.Tracer {
	if t == nil {
		return nil
	}
	return t.provider.Tracer("github.com/cocoom/cocoom-gateway")
}

// Close sends what is left, for a few seconds, and ends. Of a nil Tracing it does
// nothing.
func (t *Tracing) Close() {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	_ = t.provider.Shutdown(ctx) // what could not be sent was said by quiet
}
