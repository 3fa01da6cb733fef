package policy

import (
	"fmt"
	"slices"
	"strings"
)

// reportShadowed reports the rules that no request reaches, because rules
// before them match first. It reports only what is certain: a rule covered by
// the union of several paths, for one, goes unnoticed.
func reportShadowed(rules []Rule, report func(key, text string)) {
	patterns := make([]*pattern, len(rules)) // nil: has a mistake, covers nothing
	for i, r := range rules {
		valid := true
		validatePath(r.Path, func(string, string) { valid = false })
		if path, err := NormalizePath(r.Path, true); valid && err == nil {
			p := compilePattern(path, false)
			patterns[i] = &p
		}
	}
	for j := range rules {
		if by := shadows(rules, patterns, j); len(by) > 0 {
			report(fmt.Sprintf("[%d].path", j), fmt.Sprintf(
				"can never match, because what it is about is decided above by %s; move it up or remove it", strings.Join(by, " and ")))
		}
	}
}

// shadows names the rules before j that together leave nothing for j, or
// returns nil if something may be left.
func shadows(rules []Rule, patterns []*pattern, j int) []string {
	if patterns[j] == nil {
		return nil
	}
	methods := rules[j].Methods
	if len(methods) == 0 {
		methods = []string{""} // every method
	}
	var by []string
	for _, m := range methods {
		i := 0
		for i < j && !(patterns[i] != nil && rules[i].takesMethod(m) &&
			rules[i].takesQuery(rules[j].Query) && patterns[i].covers(patterns[j])) {
			i++
		}
		if i == j {
			return nil
		}
		if name := fmt.Sprintf("[%d]", i); !slices.Contains(by, name) {
			by = append(by, name)
		}
	}
	return by
}

// takesMethod reports whether r is about every request with method; "" stands
// for a method that no list names.
func (r *Rule) takesMethod(method string) bool {
	return len(r.Methods) == 0 || slices.Contains(r.Methods, method) ||
		method == "HEAD" && slices.Contains(r.Methods, "GET")
}

// takesQuery reports whether whatever a rule with query matches also has r's.
func (r *Rule) takesQuery(query map[string]string) bool {
	for key, value := range r.Query {
		if got, ok := query[key]; !ok || got != value {
			return false
		}
	}
	return true
}

// covers reports whether p certainly matches every path that q matches.
func (p *pattern) covers(q *pattern) bool {
	switch {
	case p.kind == everything:
		return true
	case q.kind == everything:
		return false
	case q.kind == exact:
		return p.match(q.text) == yes
	case p.kind == under && q.kind == under:
		return p.match(q.text) == yes
	case p.kind == under && q.kind == glob:
		first := slices.IndexFunc(q.segments, isWildcard)
		return first > 0 && p.match("/"+strings.Join(q.segments[:first], "/")) == yes
	case p.kind == glob && q.kind == glob:
		return slices.Equal(p.segments, q.segments)
	}
	return false
}
