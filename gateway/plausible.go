package gateway

import "strings"

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
