package tracing

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// failing is a collector that does not answer.
type failing struct{ sdk.SpanExporter }

func (failing) ExportSpans(context.Context, []sdk.ReadOnlySpan) error { return errors.New("gone") }

// TestCollectorThatFails is told of rarely, with what was lost meanwhile.
func TestCollectorThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		q := &quiet{SpanExporter: failing{}, log: slog.New(slog.NewTextHandler(&log, nil))}
		for range 25 {
			if err := q.ExportSpans(t.Context(), make([]sdk.ReadOnlySpan, 2)); err != nil {
				t.Errorf("the SDK would log %v", err)
			}
			time.Sleep(time.Minute)
		}
		if said := log.String(); strings.Count(said, "\n") != 3 || !strings.Contains(said, "spans_lost=20") {
			t.Errorf("the log says %s", said)
		}
	})
}
