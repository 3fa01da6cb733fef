package main

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"
)

// logFlags say how much is logged, and how.
type logFlags struct {
	level  slog.Level
	format string
}

func (l *logFlags) add(cmd *cobra.Command) {
	cmd.Flags().TextVar(&l.level, "log-level", slog.LevelInfo, "least `level` of what is logged: debug, info, warn or error")
	cmd.Flags().StringVar(&l.format, "log-format", "json", "json, or text for people to read")
}

// logger writes to w.
func (l *logFlags) logger(w io.Writer) (*slog.Logger, error) {
	options := &slog.HandlerOptions{Level: l.level}
	switch l.format {
	case "json":
		return slog.New(slog.NewJSONHandler(w, options)), nil
	case "text":
		return slog.New(slog.NewTextHandler(w, options)), nil
	}
	return nil, fmt.Errorf("--log-format: %q is unknown; write json or text", l.format)
}
