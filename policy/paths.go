package policy

import "fmt"

// Paths is a compiled list of path patterns, for what is good on some paths of
// a route only. It is safe for concurrent use; a nil *Paths contains nothing.
type Paths struct {
	patterns []pattern
	foldCase bool
}

// NewPaths compiles patterns, which are written as Rule.Path is. With foldCase
// they match without regard to case. The error names the first mistake that
// ValidatePaths reports.
func NewPaths(patterns []string, foldCase bool) (*Paths, error) {
	var mistake error
	ValidatePaths(patterns, func(key, text string) {
		if mistake == nil {
			mistake = fmt.Errorf("compile paths: %s %s", key, text)
		}
	})
	if mistake != nil {
		return nil, mistake
	}
	p := &Paths{foldCase: foldCase}
	for i, path := range patterns {
		path, err := NormalizePath(path, true)
		if err != nil {
			return nil, fmt.Errorf("compile paths: [%d]: %w", i, err)
		}
		if foldCase {
			path = foldPath(path)
		}
		p.patterns = append(p.patterns, compilePattern(path, false))
	}
	return p, nil
}

// ValidatePaths reports every mistake in patterns: its key, such as "[2]", and
// a text that says what to write instead.
func ValidatePaths(patterns []string, report func(key, text string)) {
	for i, path := range patterns {
		validatePath(path, func(_, text string) { report(fmt.Sprintf("[%d]", i), text) })
	}
}

// Contains reports whether path, as NormalizePath returned it, matches one of
// the patterns in every reading that servers make of it: what could also be
// another path is not contained.
func (p *Paths) Contains(path string) bool {
	if p == nil || path == "" || path[0] != '/' {
		return false
	}
	path, others := readingsOf(path, p.foldCase)
	for i := range p.patterns {
		if p.patterns[i].inEvery(path, others) {
			return true
		}
	}
	return false
}

// inEvery reports whether the pattern certainly matches path and all others.
func (p *pattern) inEvery(path string, others []string) bool {
	if p.match(path) != yes {
		return false
	}
	for _, other := range others {
		if p.match(other) != yes {
			return false
		}
	}
	return true
}
