package policy

import (
	"fmt"
	"slices"
	"strings"
)

// Validate reports every mistake in rules: its key relative to the list, such
// as "[2].path", and a text that says what to write instead. It reports
// nothing for rules that New compiles.
func Validate(rules []Rule, report func(key, text string)) {
	for i, r := range rules {
		at := func(key, text string) { report(fmt.Sprintf("[%d].%s", i, key), text) }
		validatePath(r.Path, at)
		validateMethods(r.Methods, at)
		validateQuery(r, at)
		validateAllow(r.Allow, at)
	}
	reportShadowed(rules, report)
}

func validatePath(path string, report func(key, text string)) {
	mistake := ""
	switch {
	case path == "":
		mistake = `is missing; write a path such as "/admin/*", or "/**" for everything`
	case strings.Contains(path, "://"):
		mistake = "is a whole URL; write only its path"
	case path[0] != '/':
		mistake = fmt.Sprintf("does not begin with /; write %q", "/"+path)
	case strings.Contains(path, "?"):
		mistake = "contains a query; write it under query, such as query: {page: admin}"
	case strings.Contains(path, "#"):
		mistake = "contains #, which is never sent; write %23 if the character is meant"
	case strings.Contains(strings.ToLower(path), "%2a"):
		mistake = "contains %2A; a literal * cannot be matched, write * for the whole segment"
	}
	if mistake == "" {
		if _, err := NormalizePath(path, true); err != nil {
			mistake = fmt.Sprintf("could match no request: %v; write %% itself as %%25", err)
		}
	}
	if mistake == "" {
		for segment := range strings.SplitSeq(path, "/") {
			if strings.Contains(segment, "*") && !isWildcard(segment) {
				mistake = fmt.Sprintf("has * in the segment %q; write * or ** for a whole segment", segment)
				break
			}
		}
	}
	if mistake != "" {
		report("path", mistake)
	}
}

// knownMethods returns the IANA registry of HTTP methods without CONNECT, TRACE
// and PRI, which never reach a route, and with PURGE, which caches use.
func knownMethods() []string {
	return strings.Fields(`GET HEAD POST PUT PATCH DELETE OPTIONS QUERY PURGE
		ACL BASELINE-CONTROL BIND CHECKIN CHECKOUT COPY LABEL LINK LOCK MERGE MKACTIVITY
		MKCALENDAR MKCOL MKREDIRECTREF MKWORKSPACE MOVE ORDERPATCH PROPFIND PROPPATCH REBIND
		REPORT SEARCH UNBIND UNCHECKOUT UNLINK UNLOCK UPDATE UPDATEREDIRECTREF VERSION-CONTROL`)
}

func validateMethods(methods []string, report func(key, text string)) {
	if methods != nil && len(methods) == 0 {
		report("methods", "is an empty list; leave it out for every method")
	}
	known := knownMethods()
	for i, m := range methods {
		key, upper := fmt.Sprintf("methods[%d]", i), strings.ToUpper(m)
		switch {
		case slices.Index(methods, m) < i:
			report(key, fmt.Sprintf("repeats %q; remove it", m))
		case slices.Contains(known, m):
		case slices.Contains(known, upper):
			report(key, fmt.Sprintf("is %q, and methods are case-sensitive; write %q", m, upper))
		case upper == "CONNECT", upper == "TRACE", upper == "TRACK":
			report(key, "is "+upper+", which is refused on every route; remove it")
		default:
			report(key, fmt.Sprintf("%q is no HTTP method; write one such as GET or POST", m))
		}
	}
}

func validateQuery(r Rule, report func(key, text string)) {
	if r.Query != nil && len(r.Query) == 0 {
		report("query", "is empty; write the parameters, such as {page: admin}, or leave it out")
	}
	for key := range r.Query {
		if base, _ := phpName([]byte(key)); len(base) == 0 {
			report("query", fmt.Sprintf("the key %q is no parameter's name; write one such as page", key))
		}
	}
	if len(r.Query) > 0 && r.Allow.Public {
		report("allow", "is public on a rule with query, but anybody can add a parameter; write members or conditions, or leave out query")
	}
}
