package policy

import (
	"bytes"
	"strings"
)

// PathError says why a path has no single meaning. Such a request is refused
// with 400 rather than guessed at.
type PathError struct {
	Reason string // constant words, such as "encoded slash"
}

// Error returns the reason with what it is about.
func (e *PathError) Error() string { return "ambiguous path: " + e.Reason }

// NormalizePath returns the one spelling of a request's path that is both
// matched and forwarded. escaped is the path as it stands in the request
// line, or url.URL.EscapedPath of it, without the query.
//
// Characters that RFC 3986 section 3.3 lets stand in a segment are written as
// themselves, all other bytes as %XX in upper case; bytes that are no UTF-8
// pass so too. Dot segments are removed however they are spelled. Empty
// segments and ";" stand as they are. "%3B" is not ";".
//
// The error is a *PathError when the path does not begin with "/" or readers
// could differ on it: "\", "%5C", a control character, a bad escape, ".."
// above the root or with parameters ("..;x"), and "%2F", unless
// allowEncodedSlash is set; "%2F" is then kept, but not beside a dot segment. So
// it is when a path of more than 2,048 bytes has OtherReadings.
//
// A path that is already normal is returned as it is, without allocation.
func NormalizePath(escaped string, allowEncodedSlash bool) (string, error) {
	if !strings.HasPrefix(escaped, "/") {
		return "", &PathError{"it does not begin with /"}
	}
	spelled, err := respell(escaped, allowEncodedSlash)
	if err != nil {
		return "", err
	}
	normal, err := removeDotSegments(spelled)
	if err == nil && len(normal) > maxStrange && strange(normal) {
		return "", &PathError{"too long for what can be read in several ways"}
	}
	return normal, err
}

// respell writes every character in its one form. It allocates from the first
// character on that is written differently.
func respell(s string, allowEncodedSlash bool) (string, error) {
	var out []byte // nil as long as all is in its form already
	for i := 0; i < len(s); {
		c, width := s[i], 1
		if c == '%' {
			if i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2]) {
				return "", &PathError{"bad escape"}
			}
			c, width = unhex(s[i+1])<<4|unhex(s[i+2]), 3
		}
		switch {
		case c < 0x20 || c == 0x7f:
			return "", &PathError{"control character"}
		case c == '\\':
			return "", &PathError{"backslash"}
		case c == '/' && width == 3 && !allowEncodedSlash:
			return "", &PathError{"encoded slash"}
		}
		// "%2F" and "%3B" are not the delimiters "/" and ";".
		raw := c == '/' && width == 1 || c == ';' && width == 1 || c != ';' && isPathChar(c)
		same := raw && width == 1 || !raw && width == 3 && !isLowerHex(s[i+1]) && !isLowerHex(s[i+2])
		if !same && out == nil {
			out = append(make([]byte, 0, len(s)+16), s[:i]...)
		}
		if out != nil {
			out = appendPathByte(out, c, raw)
		}
		i += width
	}
	if out == nil {
		return s, nil
	}
	return string(out), nil
}

// removeDotSegments is RFC 3986 section 5.2.4, except that ".." above the root
// is an error.
func removeDotSegments(s string) (string, error) {
	if !strings.Contains(s, "/.") && !strings.Contains(s, "%2F.") {
		return s, nil // the usual case
	}
	found := false
	for segment, rest := cutSegment(s); ; segment, rest = cutSegment(rest) {
		if err := checkDots(segment); err != nil {
			return "", err
		}
		found = found || isDots(segment)
		if rest == "" {
			break
		}
	}
	if !found {
		return s, nil
	}
	out := make([]byte, 0, len(s))
	for rest := s; rest != ""; {
		var segment string
		segment, rest = cutSegment(rest)
		if segment == ".." {
			if len(out) == 0 {
				return "", &PathError{".. above the root"}
			}
			out = out[:bytes.LastIndexByte(out, '/')]
		}
		switch {
		case !isDots(segment):
			out = append(append(out, '/'), segment...)
		case rest == "":
			out = append(out, '/')
		}
	}
	return string(out), nil
}

// checkDots refuses a dot segment that some servers see and others do not:
// "..;x" is ".." where parameters are cut off, and "..%2Fx" where an encoded
// slash is a slash.
func checkDots(segment string) error {
	name, _, hasParameter := strings.Cut(segment, ";")
	if hasParameter && isDots(name) {
		return &PathError{"dot segment with parameters"}
	}
	for rest, found := segment, strings.Contains(segment, "%2F"); found; {
		name, rest, found = strings.Cut(rest, "%2F")
		name, _, _ = strings.Cut(name, ";")
		if isDots(name) {
			return &PathError{"dot segment beside an encoded slash"}
		}
	}
	return nil
}

func isDots(s string) bool { return s == "." || s == ".." }

// cutSegment splits "/a/b" into "a" and "/b"; the rest of the last segment is empty.
func cutSegment(path string) (segment, rest string) {
	if i := strings.IndexByte(path[1:], '/'); i >= 0 {
		return path[1 : 1+i], path[1+i:]
	}
	return path[1:], ""
}

// isPathChar reports whether c stands for itself in a segment: RFC 3986
// unreserved, sub-delims, ":" and "@".
func isPathChar(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return c < 0x80 && strings.IndexByte("-._~!$&'()*+,;=:@", c) >= 0
}

func appendPathByte(out []byte, c byte, raw bool) []byte {
	if raw {
		return append(out, c)
	}
	const digits = "0123456789ABCDEF"
	return append(out, '%', digits[c>>4], digits[c&15])
}

func isLowerHex(c byte) bool { return 'a' <= c && c <= 'f' }

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func unhex(c byte) byte {
	switch {
	case c >= 'a':
		return c - 'a' + 10
	case c >= 'A':
		return c - 'A' + 10
	}
	return c - '0'
}
