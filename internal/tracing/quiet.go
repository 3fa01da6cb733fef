package tracing

import (
	"context"
	"log/slog"
	"sync"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// tellAgain is how long the log stays silent about a collector that fails, having
// told of it.
const tellAgain = 10 * time.Minute

// quiet keeps a collector's failures from the SDK, which would write each to the
// standard library's log.
type quiet struct {
	sdk.SpanExporter
	log *slog.Logger

	mu   sync.Mutex
	told time.Time
	lost int // spans, since then
}

// ExportSpans sends spans, or counts them as lost.
func (q *quiet) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	err := q.SpanExporter.ExportSpans(ctx, spans)
	q.mu.Lock()
	defer q.mu.Unlock()
	if err == nil {
		return nil
	}
	q.lost += len(spans)
	if time.Since(q.told) >= tellAgain {
		q.log.Warn("traces cannot be sent", "error", err, "spans_lost", q.lost)
		q.told, q.lost = time.Now(), 0
	}
	return nil
}
