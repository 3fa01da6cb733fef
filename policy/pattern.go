package policy

import "strings"

// pattern is a rule's path, compiled from its normalised form.
type pattern struct {
	kind kind
	// text is the path itself (exact) or the folder without "/*" (under).
	text string
	// segments are those of a glob; a "*" at the end has become "**".
	segments []string
	// script is the last segment with a "/" on both sides, if that names a file
	// which servers also run with more path behind it ("/admin.php/x").
	script string
	// folder is what a query rule's ".../index.php" is also reached as.
	folder string
}

type kind uint8

const (
	exact      kind = iota
	under           // "/admin/*"
	everything      // "/*" and "/**"
	glob            // any other with "*"
)

func compilePattern(path string, hasQuery bool) pattern {
	segments := strings.Split(path[1:], "/")
	last := len(segments) - 1
	if segments[last] == "*" {
		segments[last] = "**"
	}
	folder := strings.Join(segments[:last], "/")
	switch {
	case segments[last] == "**" && last == 0:
		return pattern{kind: everything}
	case segments[last] == "**" && !strings.Contains("/"+folder+"/", "/*"):
		return pattern{kind: under, text: "/" + folder}
	}
	p := pattern{kind: exact, text: path, segments: segments}
	for _, s := range segments {
		if isWildcard(s) {
			p.kind = glob
		}
	}
	if isScript(segments[last]) {
		p.script = "/" + segments[last] + "/"
	}
	if hasQuery && p.kind == exact && strings.EqualFold(segments[last], "index.php") {
		p.folder = strings.TrimSuffix(path, segments[last])
	}
	return p
}

func isWildcard(segment string) bool { return segment == "*" || segment == "**" }

// isScript reports whether a segment ends in something like ".php": a dot and
// a letter. "v1.0" does not.
func isScript(segment string) bool {
	i := strings.LastIndexByte(segment, '.')
	if i <= 0 || i+1 == len(segment) {
		return false
	}
	c := segment[i+1] | 0x20
	return 'a' <= c && c <= 'z'
}

// match matches one reading of a path. Maybe is a path that is not the
// pattern's, but that servers commonly answer with the same page.
func (p *pattern) match(path string) match {
	switch p.kind {
	case everything:
		return yes
	case under:
		if strings.HasPrefix(path, p.text) && (len(path) == len(p.text) || path[len(p.text)] == '/') {
			return yes
		}
		return no
	}
	if p.is(path) {
		return yes
	}
	if p.folder != "" && path == p.folder {
		return maybe
	}
	if bare, ok := strings.CutSuffix(path, "/"); ok && bare != "" && p.is(bare) {
		return maybe
	}
	if strings.HasSuffix(p.text, "/") && !strings.HasSuffix(path, "/") && p.text == path+"/" {
		return maybe
	}
	if p.script != "" && p.isBeneath(path) {
		return maybe
	}
	return no
}

func (p *pattern) is(path string) bool {
	if p.kind == exact {
		return path == p.text
	}
	return matchSegments(p.segments, path)
}

// isBeneath reports whether path is the script with more path behind it. A
// path that names the script again and again counts too, as trying each place
// would take a time that grows with the square of the path's length.
func (p *pattern) isBeneath(path string) bool {
	const enough = 32
	for from, tries := 0, 0; ; tries++ {
		i := strings.Index(path[from:], p.script)
		if i < 0 {
			return false
		}
		from += i + len(p.script) - 1
		if p.is(path[:from]) || tries == enough {
			return true
		}
	}
}

// matchSegments matches path against segments. Going back only to the last
// "**" is enough, as what stands before it has matched already; so the time is
// bounded by the product of the two lengths.
func matchSegments(segments []string, path string) bool {
	star, back := -1, ""
	i := 0
	for path != "" {
		segment, rest := cutSegment(path)
		switch {
		case i < len(segments) && segments[i] == "**":
			star, back = i, path
			i++
		case i < len(segments) && (segments[i] == segment || segments[i] == "*" && segment != ""):
			path = rest
			i++
		case star >= 0:
			_, back = cutSegment(back)
			path, i = back, star+1
		default:
			return false
		}
	}
	for i < len(segments) && segments[i] == "**" {
		i++
	}
	return i == len(segments)
}
