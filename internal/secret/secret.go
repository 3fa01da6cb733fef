// Package secret holds the one type that configuration and code use for a
// value that must never be printed, and reads the text form of keys.
package secret

import (
	"fmt"
	"io"
	"log/slog"
)

// String is a secret: a password, a token, a key. Whatever prints, logs or
// marshals it gets Redacted; only Reveal gives the value.
type String string

// Redacted stands wherever a non-empty secret would have been printed.
const Redacted = "<secret>"

// Reveal returns the value itself. Call it where the secret is used, never
// where something is printed.
func (s String) Reveal() string { return string(s) }

// String returns Redacted, or nothing for an empty secret.
func (s String) String() string {
	if s == "" {
		return ""
	}
	return Redacted
}

// Format is String, for every verb that asks a value how to print itself; beside
// one that is not for texts, such as %d, fmt would else complain with the value.
// %p and %w do not ask: never write them for a String.
func (s String) Format(f fmt.State, _ rune) { io.WriteString(f, s.String()) }

// MarshalText is String, for JSON, YAML and XML.
func (s String) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue is String, for slog.
func (s String) LogValue() slog.Value { return slog.StringValue(s.String()) }
