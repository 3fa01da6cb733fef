package configs

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Mistake is one thing that is wrong in a configuration.
type Mistake struct {
	File   string // as it was named on the command line, or found by an include
	Line   int    // from 1; 0 where the mistake is about the file as a whole
	Column int    // from 1, in characters
	Key    string // such as "routes[2].login.guests"; empty for the file as a whole
	Text   string // what is wrong, and what to write instead
}

// String gives "file:line:column: key: text", without what it does not have.
func (m Mistake) String() string {
	var b strings.Builder
	b.WriteString(m.File)
	if m.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", m.Line, m.Column)
	}
	if m.Key != "" {
		b.WriteString(": " + m.Key)
	}
	b.WriteString(": " + m.Text)
	return b.String()
}

// Error is every mistake of a configuration: those of the file itself first,
// then those of the included files by name, each in the order of the lines.
type Error struct {
	Mistakes []Mistake
}

// Error gives one line a mistake.
func (e *Error) Error() string {
	lines := make([]string, len(e.Mistakes))
	for i, m := range e.Mistakes {
		lines[i] = m.String()
	}
	return strings.Join(lines, "\n")
}

// failure sorts mistakes and makes an error of them; nil if there are none.
func failure(mistakes []Mistake, mainFile string) error {
	if len(mistakes) == 0 {
		return nil
	}
	slices.SortStableFunc(mistakes, func(a, b Mistake) int {
		if a.File != b.File {
			switch mainFile {
			case a.File:
				return -1
			case b.File:
				return 1
			}
		}
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Key, b.Key))
	})
	return &Error{Mistakes: slices.Compact(mistakes)}
}
