package main

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// legible writes text with every sign that a terminal would obey, or that
// changes the order in which others are read, spelt out as \u009b: names and
// texts of people, apps and Slack come to operators as they are. In JSON that
// spelling means the same sign.
type legible struct{ to io.Writer }

// Write takes whole characters: what is none is written as U+FFFD.
func (l legible) Write(p []byte) (int, error) {
	text := string(p)
	if !utf8.ValidString(text) || strings.ContainsFunc(text, isObeyed) {
		var b strings.Builder
		for _, r := range text {
			if isObeyed(r) {
				fmt.Fprintf(&b, `\u%04x`, r)
			} else {
				b.WriteRune(r)
			}
		}
		text = b.String()
	}
	if _, err := io.WriteString(l.to, text); err != nil {
		return 0, err
	}
	return len(p), nil
}

func isObeyed(r rune) bool {
	return r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r))
}
