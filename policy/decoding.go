package policy

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// tooOften is how many more times than once a path is decoded.
const tooOften = 2

// decodeAgain reads path as an app does that decodes what its server has decoded
// already ("%252e%252e" is ".."), takes overlong UTF-8 for the character that it
// spells out ("%C0%AE" is "."), or full-width characters for those of ASCII
// ("%EF%BC%8E" is "."). A backslash among them is a slash.
func decodeAgain(path string) string {
	again := path
	for range tooOften {
		if !strings.Contains(again, "%25") {
			break
		}
		again = decodePercent(again)
	}
	again = foldWide(again)
	if again == path {
		return path
	}
	out := make([]byte, 0, len(again))
	for i := 0; i < len(again); {
		c, width, raw := again[i], 1, true
		if c == '%' {
			c, width = unhex(again[i+1])<<4|unhex(again[i+2]), 3
			raw = c != '/' && c != ';' && isPathChar(c)
		}
		if c == '\\' {
			c, raw = '/', true
		}
		out = appendPathByte(out, c, raw)
		i += width
	}
	return string(out)
}

// decodePercent makes "%XX" of "%25XX"; any other "%25" stays.
func decodePercent(path string) string {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(path, "%25")
		out.WriteString(before)
		switch {
		case !found:
			return out.String()
		case len(rest) >= 2 && isHex(rest[0]) && isHex(rest[1]):
			out.WriteByte('%')
			out.WriteString(strings.ToUpper(rest[:2]))
			rest = rest[2:]
		default:
			out.WriteString("%25")
		}
		path = rest
	}
}

// foldWide makes ASCII of its characters in overlong UTF-8 and in full width
// (U+FF01 to U+FF5E).
func foldWide(path string) string {
	if !strings.Contains(path, "%C") && !strings.Contains(path, "%E") && !strings.Contains(path, "%F") {
		return path
	}
	out := make([]byte, 0, len(path))
	for i := 0; i < len(path); {
		c, width := wide(path[i:])
		if width == 0 {
			out = append(out, path[i])
			i++
			continue
		}
		out = appendPathByte(out, c, false)
		i += width
	}
	return string(out)
}

// wide reads the ASCII character that s begins with in overlong UTF-8 or full
// width, and how much of s it takes; 0 if there is none.
func wide(s string) (c byte, width int) {
	var b [4]byte
	n := 0
	for n < len(b) && 3*n+3 <= len(s) && s[3*n] == '%' {
		b[n] = unhex(s[3*n+1])<<4 | unhex(s[3*n+2])
		n++
	}
	continued := func(k int) bool { return k < n && b[k]&0xC0 == 0x80 }
	switch {
	case n == 0:
		return 0, 0
	case b[0]&0xFE == 0xC0 && continued(1):
		return b[0]&1<<6 | b[1]&0x3F, 2 * 3
	case b[0] == 0xE0 && continued(1) && b[1]&0xFE == 0x80 && continued(2):
		return b[1]&1<<6 | b[2]&0x3F, 3 * 3
	case b[0] == 0xF0 && continued(1) && b[1] == 0x80 && continued(2) && b[2]&0xFE == 0x80 && continued(3):
		return b[2]&1<<6 | b[3]&0x3F, 4 * 3
	}
	if r, size := utf8.DecodeRune(b[:n]); size == 3 && '\uFF01' <= r && r <= '\uFF5E' {
		return byte(r - '\uFF01' + '!'), size * 3
	}
	return 0, 0
}

// foldPath lowers the letters of a normalised path, those in %XX included if
// they are UTF-8. Bytes that are not stay as they are, for what they mean
// depends on the app.
func foldPath(path string) string {
	if !hasUpper(path) {
		return path
	}
	out := make([]byte, 0, len(path))
	for i := 0; i < len(path); {
		if path[i] != '%' {
			out = append(out, byte(unicode.ToLower(rune(path[i]))))
			i++
			continue
		}
		r, width := decodeRune(path[i:])
		if r < utf8.RuneSelf {
			out = append(out, path[i:i+width]...)
		} else {
			for _, c := range []byte(string(unicode.ToLower(r))) {
				out = appendPathByte(out, c, c < utf8.RuneSelf)
			}
		}
		i += width
	}
	return string(out)
}

// hasUpper reports whether folding could change path.
func hasUpper(path string) bool {
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case 'A' <= c && c <= 'Z':
			return true
		case c == '%' && i+2 < len(path):
			if path[i+1] >= '8' {
				return true
			}
			i += 2
		}
	}
	return false
}

// decodeRune reads the %XX at the start of s as one rune and says how much of
// s it takes. What is no UTF-8 is taken as one escape and given as 0.
func decodeRune(s string) (r rune, width int) {
	var buf [utf8.UTFMax]byte
	n := 0
	for n < len(buf) && 3*n+2 < len(s) && s[3*n] == '%' && isHex(s[3*n+1]) && isHex(s[3*n+2]) {
		buf[n] = unhex(s[3*n+1])<<4 | unhex(s[3*n+2])
		n++
	}
	r, size := utf8.DecodeRune(buf[:n])
	if r == utf8.RuneError && size <= 1 {
		return 0, min(3, len(s))
	}
	return r, 3 * size
}
