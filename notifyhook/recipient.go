package notifyhook

import (
	"regexp"
	"strings"
	"unicode"
)

// recipientKind is what a recipient looks like. Identifiers beyond their first
// letter are opaque.
type recipientKind uint8

const (
	unknownRecipient recipientKind = iota
	emailRecipient                 // marie@example.com
	channelName                    // #ventes
	conversationID                 // C…, G… or D…
	userID                         // U… or W…
)

const maxAddress = 254 // of an e-mail address, as mail servers take it

// classify tells the kinds apart and returns the form under which two
// spellings of one recipient are the same.
func classify(to string) (recipientKind, string) {
	switch {
	case len(to) == 0 || len(to) > maxAddress || strings.ContainsFunc(to, func(r rune) bool { return !unicode.IsGraphic(r) }): // nor what nobody sees
		return unknownRecipient, ""
	case strings.HasPrefix(to, "#"):
		name := strings.ToLower(to[1:])
		if name == "" || len(name) > 80 || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || strings.ContainsRune("#@<>,&|\x7f", r) }) {
			return unknownRecipient, ""
		}
		return channelName, "#" + name
	case strings.Contains(to, "@"):
		if !email.MatchString(to) {
			return unknownRecipient, ""
		}
		return emailRecipient, strings.ToLower(to)
	case !slackID.MatchString(to):
		return unknownRecipient, ""
	case to[0] == 'U' || to[0] == 'W':
		return userID, to
	default:
		return conversationID, to
	}
}

var (
	email   = regexp.MustCompile(`^[^\s@<>,;:"()\\\x00-\x20\x7f]+@[^\s@<>,;:"()\\/\x00-\x20\x7f]+$`)
	slackID = regexp.MustCompile(`^[CGDUW][A-Z0-9_-]{1,63}$`)
)

// isDirect says whether a conversation is one with a person: D…, or the U… or W…
// of whom the app may not open one with.
func isDirect(conversation string) bool {
	return conversation != "" && strings.Contains("DUW", conversation[:1])
}
