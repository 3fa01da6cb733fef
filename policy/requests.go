package policy

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Requests is a set of requests that an operator has listed, such as those that
// sign out of an app. It is safe for concurrent use. A nil *Requests holds none.
type Requests struct {
	rules    []rule
	foldCase bool
}

// NewRequests compiles a list of paths like those of Rule.Path, each with or
// without a query behind it: "/logout.php", "/index.php?action=logout". The
// parameters of a query must all be there, as Rule.Query says. With foldCase,
// paths are matched without regard to case. The error names every mistake that
// ValidateRequests reports.
func NewRequests(list []string, foldCase bool) (*Requests, error) {
	var mistakes []error
	ValidateRequests(list, func(key, text string) { mistakes = append(mistakes, fmt.Errorf("%s: %s", key, text)) })
	if len(mistakes) > 0 {
		return nil, fmt.Errorf("compile requests: %w", errors.Join(mistakes...))
	}
	rules := make([]Rule, len(list))
	for i, item := range list {
		rules[i], _ = requestRule(item) // validated above
	}
	p, err := New(rules, foldCase)
	if err != nil {
		return nil, fmt.Errorf("compile requests: %w", err)
	}
	return &Requests{rules: p.rules, foldCase: foldCase}, nil
}

// ValidateRequests reports every mistake in a list for NewRequests: its key,
// such as "[2]", and a text that says what to write instead.
func ValidateRequests(list []string, report func(key, text string)) {
	rules, unreadable := make([]Rule, len(list)), map[string]bool{}
	for i, item := range list {
		var mistake string
		if rules[i], mistake = requestRule(item); mistake != "" {
			key := fmt.Sprintf("[%d]", i)
			report(key, mistake)
			rules[i], unreadable[key] = Rule{}, true
		}
	}
	Validate(rules, func(key, text string) {
		if key = key[:strings.IndexByte(key, ']')+1]; !unreadable[key] {
			report(key, text)
		}
	})
}

// requestRule reads "path?query", or says what is wrong with it. As a rule it
// lets nobody pass, which is what may stand beside a query.
func requestRule(item string) (r Rule, mistake string) {
	path, query, hasQuery := strings.Cut(item, "?")
	r = Rule{Path: path, Allow: Allow{Deny: true}}
	if !hasQuery {
		return r, ""
	}
	r.Query = map[string]string{}
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(name)
		if err == nil {
			value, err = url.QueryUnescape(value)
		}
		if _, twice := r.Query[name]; err != nil || twice {
			return r, "has a query that cannot be read; write it as it stands in the link, each parameter once"
		}
		r.Query[name] = value
	}
	return r, ""
}

// Include reports whether req is one of s, in any reading that servers commonly
// make of it: "/logout.php/" and "//logout.php" are "/logout.php" too. Of req
// it looks at path and query only.
func (s *Requests) Include(req Request) bool {
	if s == nil || !strings.HasPrefix(req.Path, "/") {
		return false
	}
	path, others := readingsOf(req.Path, s.foldCase)
	for i := range s.rules {
		if s.rules[i].match(&req, path, others) != no {
			return true
		}
	}
	return false
}
