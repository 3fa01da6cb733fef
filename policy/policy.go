package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Policy is a compiled list of rules, safe for concurrent use. A nil *Policy
// and the zero Policy deny everything.
type Policy struct {
	rules    []rule
	foldCase bool
}

// rule is a Rule made ready for Decide.
type rule struct {
	pattern pattern
	methods []string
	query   []parameter
	allow   allow
}

// New compiles rules. With foldCase, paths are matched without regard to case,
// for apps on servers that serve them so. The error joins every mistake that
// Validate reports.
func New(rules []Rule, foldCase bool) (*Policy, error) {
	var mistakes []error
	Validate(rules, func(key, text string) {
		mistakes = append(mistakes, fmt.Errorf("%s: %s", key, text))
	})
	if len(mistakes) > 0 {
		return nil, fmt.Errorf("compile policy: %w", errors.Join(mistakes...))
	}
	p := &Policy{rules: make([]rule, len(rules)), foldCase: foldCase}
	for i, r := range rules {
		path, err := NormalizePath(r.Path, true)
		if err != nil {
			return nil, fmt.Errorf("compile policy: [%d].path: %w", i, err)
		}
		if foldCase {
			path = foldPath(path)
		}
		p.rules[i] = rule{
			pattern: compilePattern(path, len(r.Query) > 0),
			methods: slices.Clone(r.Methods),
			query:   compileQuery(r.Query),
			allow:   compileAllow(r.Allow),
		}
	}
	return p, nil
}

// Decide says what is to happen to req made by who; nil is nobody. The
// package comment says how a request is treated that servers read in more
// than one way.
func (p *Policy) Decide(req Request, who *Identity) Decision {
	none := Decision{Verdict: Deny, Rule: -1, Reason: "no_rule"}
	if p == nil || !strings.HasPrefix(req.Path, "/") {
		return none
	}
	if who != nil && who.User == "" {
		who = nil
	}
	path, others := readingsOf(req.Path, p.foldCase)
	strictest := Decision{Verdict: Allowed}
	for i := range p.rules {
		r := &p.rules[i]
		m := r.match(&req, path, others)
		if m == no {
			continue
		}
		// On a tie the later rule is named: it is the one that ended the search.
		if verdict, reason := r.allow.judge(&req, who); verdict <= strictest.Verdict {
			strictest = Decision{Verdict: verdict, Rule: i, Reason: reason}
		}
		if m == yes {
			return strictest
		}
	}
	return none
}

// AsksUsergroups reports whether a rule names a usergroup, so that it is worth
// asking Slack who is in which.
func (p *Policy) AsksUsergroups() bool {
	return p != nil && slices.ContainsFunc(p.rules, func(r rule) bool { return len(r.allow.groups) > 0 })
}

// match is whether a rule is about a request: in no reading of it, in some, or in all.
type match uint8

const (
	no match = iota
	maybe
	yes
)

// and is the weaker of two matches, both of which are needed.
func (m match) and(n match) match { return min(m, n) }

func (r *rule) match(req *Request, path string, others []string) match {
	m := r.matchMethod(req.Method)
	if m == no {
		return no
	}
	p := r.pattern.match(path)
	for _, other := range others {
		if r.pattern.match(other) != p {
			p = maybe
		}
	}
	if m = m.and(p); m == no || len(r.query) == 0 {
		return m
	}
	for i := range r.query {
		if m = m.and(r.query[i].match(req.RawQuery)); m == no {
			return no
		}
	}
	return m
}

// matchMethod treats HEAD as GET. Methods are case-sensitive, but many
// frameworks fold them, so "post" may be a POST.
func (r *rule) matchMethod(method string) match {
	if len(r.methods) == 0 {
		return yes
	}
	m := no
	for _, want := range r.methods {
		if want == method || want == "GET" && method == "HEAD" {
			return yes
		}
		if strings.EqualFold(want, method) || want == "GET" && strings.EqualFold(method, "HEAD") {
			m = maybe
		}
	}
	return m
}
