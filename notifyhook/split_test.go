package notifyhook

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/slack-go/slack/slackutilsx"
)

func TestSplit(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		limit      int
		want       []string
	}{
		{"fits", "abc", 3, []string{"abc"}},
		{"at a space", "abc de fgh", 6, []string{"abc de", "fgh"}},
		{"just before a space", "abc de", 3, []string{"abc", "de"}},
		{"at a line end rather", "ab cd\nd ef gh", 9, []string{"ab cd", "d ef gh"}},
		{"but not far back", "a\nbc def ghi", 10, []string{"a\nbc def", "ghi"}},
		{"a long word", "abcdefgh", 3, []string{"abc", "def", "gh"}},
		{"a long word after a short one", "a bcdefgh", 3, []string{"a b", "cde", "fgh"}},
		{"entities", "a&amp;&lt;b", 5, []string{"a", "&amp;", "&lt;b"}},
		{"an entity that is none", "a&b;cd", 3, []string{"a&b", ";cd"}},
		{"a link", "see <https://x|a b> it", 17, []string{"see", "<https://x|a b>", "it"}},
		{"a link that does not fit", "<https://x|a b>", 5, []string{"<http", "s://x", "|a b>"}},
		{"code", "run `a b c` now", 10, []string{"run", "`a b c`", "now"}},
		{"a fence", "x ```a\nb c``` y", 12, []string{"x", "```a\nb c```", "y"}},
		{"accents", "e\u0301e\u0301e\u0301", 5, []string{"e\u0301e\u0301", "e\u0301"}},
		{"a family", "👩‍👧👩‍👧", 9, []string{"👩‍👧", "👩‍👧"}},
		{"skin and flags", "👍🏽🇫🇷🇫🇷", 5, []string{"👍🏽", "🇫🇷", "🇫🇷"}},
		{"unbroken spaces", "a 12\u202f000\u00a0€", 8, []string{"a", "12\u202f000\u00a0€"}},
		{"only accents", strings.Repeat("\u0301", 5), 2, []string{"\u0301\u0301", "\u0301", "\u0301\u0301"}},
		{"spaces first", "        ab cd", 4, []string{"ab", "cd"}},
		{"spaces last", "ab          ", 4, []string{"ab"}},
		{"nothing", "", 4, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := split(tt.text, tt.limit); !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// The pieces are the text, but for the white space at the cuts; none is too
// long, and what fits into a piece is whole in one.
func FuzzSplit(f *testing.F) {
	f.Add("a &amp; <https://x|b c> `d e` \U0001F469\u200d\U0001F467 e\u0301", 20, true)
	f.Add(strings.Repeat("& ", 100), 7, false)
	f.Fuzz(func(t *testing.T, text string, limit int, escape bool) {
		if limit < 5 || limit > 4000 || len(text) > 20000 || !utf8.ValidString(text) {
			t.Skip()
		}
		if escape {
			text = slackutilsx.EscapeMessage(text)
		}
		pieces := split(text, limit)
		squeeze := func(s string) string { return strings.Join(strings.FieldsFunc(s, isBreak), "") }
		if squeeze(strings.Join(pieces, "")) != squeeze(text) {
			t.Fatalf("%q became %q", text, pieces)
		}
		at := 0
		for i, piece := range pieces {
			if size(piece) > limit || piece == "" {
				t.Fatalf("piece %q of %q", piece, text)
			}
			n := strings.Index(text[at:], piece)
			if n < 0 || strings.TrimFunc(text[at:at+n], isBreak) != "" {
				t.Fatalf("piece %q is not where it was in %q", piece, text)
			}
			at += n + len(piece)
			if escape && (cutsEntity(piece) || i > 0 && strings.HasPrefix(text[max(0, at-len(piece)-1):], "&")) {
				t.Fatalf("an entity is cut: %q", pieces)
			}
			if escape && i+1 < len(pieces) && !strings.ContainsAny(text, "`<") {
				if rest := text[at:]; rest != "" && !isBreak([]rune(rest)[0]) { // within a word
					word := strings.FieldsFunc(piece, isBreak)
					next, _, _ := strings.Cut(strings.Join(strings.FieldsFunc(rest, isBreak), " "), " ")
					if size(word[len(word)-1]+next) <= limit {
						t.Fatalf("a word is cut: %q", pieces)
					}
				}
			}
		}
	})
}

// cutsEntity says whether an escaped text ends within an entity.
func cutsEntity(piece string) bool {
	i := strings.LastIndexByte(piece, '&')
	return i >= 0 && !strings.Contains(piece[i:], ";")
}
