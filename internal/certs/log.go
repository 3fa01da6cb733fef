package certs

import (
	"context"
	"log/slog"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// zapLogger gives certmagic, which knows no other, a logger that ends in log, at
// debug level whatever it thinks: what an operator must know of it is said in
// this package's own words, and the rest is often strangers' doing.
func zapLogger(log *slog.Logger) *zap.Logger {
	return zap.New(core{log})
}

// core is a zapcore.Core.
type core struct{ log *slog.Logger }

// Enabled tells whether anything is logged.
func (c core) Enabled(zapcore.Level) bool {
	return c.log.Enabled(context.Background(), slog.LevelDebug)
}

// With gives a core that adds fields to all it logs.
func (c core) With(fields []zapcore.Field) zapcore.Core {
	return core{c.log.With(attributes(fields)...)}
}

// Check adds the core to those that write an entry.
func (c core) Check(entry zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(entry.Level) {
		return checked.AddCore(entry, c)
	}
	return checked
}

// Write logs an entry.
func (c core) Write(entry zapcore.Entry, fields []zapcore.Field) error {
	c.log.Debug("certmagic", append([]any{"part", entry.LoggerName, "what", entry.Message, "severity", entry.Level.String()}, attributes(fields)...)...)
	return nil
}

// Sync does nothing: nothing is buffered.
func (c core) Sync() error { return nil }

func attributes(fields []zapcore.Field) []any {
	encoder := zapcore.NewMapObjectEncoder()
	for _, field := range fields {
		field.AddTo(encoder)
	}
	attributes := make([]any, 0, 2*len(encoder.Fields))
	for key, value := range encoder.Fields {
		attributes = append(attributes, key, value)
	}
	return attributes
}
