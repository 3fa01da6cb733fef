package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// String gives the rule in one line as a file could hold it, such as
// "{path: /admin/*, allow: {emails: [marie@example.com]}}".
func (r Rule) String() string {
	parts := []string{"path: " + plain(r.Path)}
	if len(r.Methods) > 0 {
		parts = append(parts, "methods: "+plainList(r.Methods))
	}
	if len(r.Query) > 0 {
		var query []string
		for key, value := range r.Query {
			query = append(query, plain(key)+": "+plain(value))
		}
		slices.Sort(query)
		parts = append(parts, "query: {"+strings.Join(query, ", ")+"}")
	}
	return "{" + strings.Join(append(parts, "allow: "+r.Allow.String()), ", ") + "}"
}

// String gives the word or the conditions, as a file could hold them.
func (a Allow) String() string {
	switch {
	case a.Public:
		return "public"
	case a.Members:
		return "members"
	case a.Deny:
		return "deny"
	}
	var parts []string
	for _, l := range []struct {
		key    string
		values []string
	}{{"users", a.Users}, {"emails", a.Emails}, {"email_domains", a.EmailDomains}, {"usergroups", a.Usergroups}, {"service_tokens", a.ServiceTokens}} {
		if len(l.values) > 0 {
			parts = append(parts, l.key+": "+plainList(l.values))
		}
	}
	if a.Admins {
		parts = append(parts, "admins: true")
	}
	if a.Guests {
		parts = append(parts, "guests: true")
	}
	if len(a.CIDRs) > 0 {
		parts = append(parts, fmt.Sprintf("cidrs: [%s]", strings.Trim(strings.Join(strings.Fields(fmt.Sprint(a.CIDRs)), ", "), "[]")))
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

func plainList(values []string) string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = plain(v)
	}
	return "[" + strings.Join(out, ", ") + "]"
}

// plain quotes what YAML could take for something else than a text.
func plain(s string) string {
	const safe = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._-*@+"
	if s == "" || strings.Trim(s, safe) != "" || strings.ContainsAny(s[:1], "*@-+") || strings.Trim(s, "0123456789._-+") == "" {
		return strconv.Quote(s)
	}
	return s
}
