package policy

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// OtherReadings returns what servers may make of a path, as NormalizePath gave it, besides the
// path itself: encoded slashes decoded, parameters cut off, empty segments
// merged, and all combinations. It is nil for nearly every path. Decide heeds
// them all.
func OtherReadings(path string) []string {
	if !strings.Contains(path, "//") && !strings.Contains(path, ";") && !strings.Contains(path, "%2F") {
		return nil
	}
	readings := []string{path}
	for _, read := range []func(string) string{decodeSlashes, cutParameters, mergeSlashes} {
		for _, r := range readings { // those before this step
			if other := read(r); other != r {
				readings = append(readings, other)
			}
		}
	}
	return readings[1:]
}

func decodeSlashes(path string) string { return strings.ReplaceAll(path, "%2F", "/") }

// cutParameters removes ";x" from each segment, as servlet containers do.
func cutParameters(path string) string {
	if !strings.Contains(path, ";") {
		return path
	}
	var out strings.Builder
	for rest := path; rest != ""; {
		var segment string
		segment, rest = cutSegment(rest)
		name, _, _ := strings.Cut(segment, ";")
		out.WriteByte('/')
		out.WriteString(name)
	}
	return out.String()
}

// mergeSlashes makes one slash of several, as Apache and nginx do.
func mergeSlashes(path string) string {
	if !strings.Contains(path, "//") {
		return path
	}
	var out strings.Builder
	for i := range len(path) {
		if path[i] != '/' || i == 0 || path[i-1] != '/' {
			out.WriteByte(path[i])
		}
	}
	return out.String()
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
