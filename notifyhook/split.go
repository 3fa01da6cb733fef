package notifyhook

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// size is the length of a text as Slack may count it: in UTF-16 units, which
// are never fewer than the characters, so that either way of counting fits.
func size(text string) int {
	n := 0
	for _, r := range text {
		n++
		if r > 0xFFFF {
			n++
		}
	}
	return n
}

// split cuts a text, escaped or in Slack's markup, into pieces of at most limit
// units (see size). It cuts at line ends or white space, which is dropped there;
// a word that is longer than a whole piece is cut between characters as people
// see them. An entity, a <…> sequence or a code span that fits into a piece is
// never cut.
func split(text string, limit int) []string {
	var pieces []string
	for text != "" {
		n := cut(text, limit)
		piece := text[:n]
		if text = text[n:]; text != "" {
			piece, text = strings.TrimRightFunc(piece, isBreak), strings.TrimLeftFunc(text, isBreak)
		}
		if piece != "" { // Slack refuses an empty section
			pieces = append(pieces, piece)
		}
	}
	return pieces
}

// shorten cuts a text that is longer than limit units, and says so by "…".
func shorten(text string, limit int) string {
	if size(text) <= limit {
		return text
	}
	const mark = "…"
	for _, piece := range split(text, limit-size(mark)) {
		return piece + mark
	}
	return mark
}

// maxShownName is how many characters of a name are shown that a caller chose.
const maxShownName = 64

// clip is shorten for what is no message: it cuts anywhere, after so many
// characters.
func clip(text string, most int) string {
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	return string([]rune(text)[:most]) + "…"
}

// cut gives the length in bytes of the first piece.
func cut(text string, limit int) int {
	used, word, line := 0, 0, 0
	for i := 0; i < len(text); {
		n := unit(text[i:], limit)
		if first, _ := utf8.DecodeRuneInString(text[i:]); isBreak(first) {
			word = i
			if first == '\n' {
				line = i
			}
		}
		if used += size(text[i : i+n]); used > limit {
			switch {
			case i == 0: // a unit of a piece's size at least
				return n
			case line > i/2:
				return line
			case word > 0 && wordFits(text[word:], limit):
				return word
			}
			return i
		}
		i += n
	}
	return len(text)
}

// wordFits says whether the word after the white space that text begins with
// fits into a piece; one that does not is cut anyway.
func wordFits(text string, limit int) bool {
	text = strings.TrimLeftFunc(text, isBreak)
	for i, used := 0, 0; i < len(text); {
		n := unit(text[i:], limit)
		if first, _ := utf8.DecodeRuneInString(text[i:]); isBreak(first) {
			break
		}
		if used += size(text[i : i+n]); used > limit {
			return false
		}
		i += n
	}
	return true
}

// isBreak tells the white space at which a line may end. Between the digits of
// 12 000 € or before a French colon it may not.
func isBreak(r rune) bool { return unicode.IsSpace(r) && r != '\u00a0' && r != '\u202f' }

// unit gives the length in bytes of what stands at the beginning of text and
// must not be cut, unless it is longer than limit.
func unit(text string, limit int) int {
	n := 0
	switch text[0] {
	case '&':
		n = entity(text)
	case '<':
		n = sequence(text)
	case '`':
		n = codeSpan(text)
	}
	if n > 0 && size(text[:n]) <= limit {
		return n
	}
	if n = cluster(text); size(text[:n]) <= limit {
		return n
	}
	_, n = utf8.DecodeRuneInString(text)
	return n
}

func entity(text string) int {
	for _, e := range [...]string{"&amp;", "&lt;", "&gt;"} {
		if strings.HasPrefix(text, e) {
			return len(e)
		}
	}
	return 0
}

// sequence gives the length of the <…> that text begins with; 0: it is not
// closed.
func sequence(text string) int {
	if end := strings.IndexAny(text[1:], "<>\n"); end >= 0 && text[1+end] == '>' {
		return 1 + end + 1
	}
	return 0
}

// codeSpan gives the length of the `…` or ```…``` that text begins with.
func codeSpan(text string) int {
	const fence = "```"
	if rest, ok := strings.CutPrefix(text, fence); ok {
		if end := strings.Index(rest, fence); end > 0 {
			return len(fence) + end + len(fence)
		}
		return 0
	}
	if end := strings.IndexAny(text[1:], "`\n"); end > 0 && text[1+end] == '`' {
		return 1 + end + 1
	}
	return 0
}

// cluster gives the length of the first character as people see it: with its
// accents, skin tone, or the pictures that are joined to it, and both letters of
// a flag. It is a simplification of Unicode's annex 29 that never cuts what that
// joins in the scripts of Europe or among emoji.
func cluster(text string) int {
	first, n := utf8.DecodeRuneInString(text)
	if isBreak(first) {
		return n
	}
	flag, joined := isFlagLetter(first), false
	const most = 128 // bytes; who piles up more accents than that has them cut
	for n < min(len(text), most) {
		r, w := utf8.DecodeRuneInString(text[n:])
		switch {
		case joined, unicode.Is(unicode.M, r), r >= 0x1F3FB && r <= 0x1F3FF, r >= 0xE0020 && r <= 0xE007F:
			joined = false
		case r == '\u200d':
			joined = true
		case flag && isFlagLetter(r):
			flag = false
		default:
			return n
		}
		n += w
	}
	return n
}

func isFlagLetter(r rune) bool { return r >= 0x1F1E6 && r <= 0x1F1FF }
