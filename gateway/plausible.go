package gateway

import (
	"strings"
	"unicode"
)

// plausible bounds a name that a stranger gives: at most maxLen letters, digits,
// "-", "_" and what stands in also, and at least one.
func plausible(s string, maxLen int, also string) bool {
	return s != "" && len(s) <= maxLen && !strings.ContainsFunc(s, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '_' || strings.ContainsRune(also, r))
	})
}

// plausibleID refuses what is no id of a person: it becomes part of revocations'
// names, of headers and of logs. Slack's are upper case and short; a provider
// without Slack's own claim may use its subject.
func plausibleID(s string) bool { return plausible(s, 128, ".:|@") }

// plausibleHandle refuses what is no handle of a usergroup: rules go by it, it
// becomes part of a header, and no database must choke on it. It may be in any
// language; Slack allows 21 characters.
func plausibleHandle(s string) bool {
	return s != "" && len(s) <= 200 && legible(s)
}

// legible reports whether a text, which Slack takes from anybody, has nothing but
// what people see: no control character, none that turns others round, no blank
// but the plain one, and none that stands for what could not be read.
func legible(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !unicode.IsGraphic(r) || r != ' ' && unicode.IsSpace(r) || r == unicode.ReplacementChar
	})
}
