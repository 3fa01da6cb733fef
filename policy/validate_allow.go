package policy

import (
	"fmt"
	"slices"
	"strings"
)

func validateAllow(a Allow, report func(key, text string)) {
	words := 0
	for _, w := range []bool{a.Public, a.Members, a.Deny} {
		if w {
			words++
		}
	}
	conditions := a.Admins || a.Guests
	for _, l := range a.lists() {
		conditions = conditions || l.length > 0
		if l.length == 0 && l.present {
			report("allow."+l.key, "is an empty list; write whom it lets pass, or leave it out")
		}
	}
	switch {
	case words == 0 && !conditions:
		report("allow", "is empty; write "+allowWords)
	case words > 1 || words == 1 && conditions:
		report("allow", "says two things; write one of "+allowWords)
	}
	validateValues("allow.users", a.Users, userMistake, report)
	validateValues("allow.emails", a.Emails, emailMistake, report)
	validateValues("allow.email_domains", a.EmailDomains, domainMistake, report)
	validateValues("allow.usergroups", a.Usergroups, groupMistake, report)
	validateValues("allow.service_tokens", a.ServiceTokens, tokenMistake, report)
	for i, c := range a.CIDRs {
		if !c.IsValid() {
			report(fmt.Sprintf("allow.cidrs[%d]", i), "is no network; write one such as 10.0.0.0/8, or 192.0.2.7/32 for one address")
		} else if c != c.Masked() {
			report(fmt.Sprintf("allow.cidrs[%d]", i), fmt.Sprintf("%s has bits behind its length; write %s", c, c.Masked()))
		}
	}
}

// list is one of the conditions that are lists, as validateAllow sees it.
type list struct {
	key     string
	length  int
	present bool
}

func (a *Allow) lists() []list {
	return []list{
		{"users", len(a.Users), a.Users != nil},
		{"emails", len(a.Emails), a.Emails != nil},
		{"email_domains", len(a.EmailDomains), a.EmailDomains != nil},
		{"usergroups", len(a.Usergroups), a.Usergroups != nil},
		{"cidrs", len(a.CIDRs), a.CIDRs != nil},
		{"service_tokens", len(a.ServiceTokens), a.ServiceTokens != nil},
	}
}

// validateValues reports what mistake says of each value, and repetitions.
func validateValues(key string, values []string, mistake func(string) string, report func(key, text string)) {
	for i, v := range values {
		text := mistake(v)
		if text == "" && slices.Index(values, v) < i {
			text = fmt.Sprintf("repeats %q; remove it", v)
		}
		if text != "" {
			report(fmt.Sprintf("%s[%d]", key, i), text)
		}
	}
}

func userMistake(v string) string {
	plain := strings.Trim(v, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == ""
	if len(v) < 2 || !plain || v[0] != 'U' && v[0] != 'W' {
		return fmt.Sprintf("%q is no Slack user id; write one such as U0123ABCD, or use emails", v)
	}
	return ""
}

func emailMistake(v string) string {
	local, domain, ok := strings.Cut(v, "@")
	if !ok || local == "" || domain == "" || strings.Contains(domain, "@") || hasBlank(v) {
		return fmt.Sprintf("%q is no e-mail address; write one such as marie@example.com", v)
	}
	return ""
}

func domainMistake(v string) string {
	if bare := strings.TrimLeft(v, "@*."); bare != v && bare != "" {
		return fmt.Sprintf("%q is no domain, and domains match exactly, without those beneath; write %q", v, bare)
	}
	if v == "" || strings.ContainsAny(v, "@*/:") || strings.HasSuffix(v, ".") || hasBlank(v) {
		return fmt.Sprintf("%q is no domain; write what stands behind the @, such as example.com", v)
	}
	return ""
}

func groupMistake(v string) string {
	if bare := strings.TrimLeft(v, "@"); bare != v && bare != "" {
		return fmt.Sprintf("%q begins with @; write %q", v, bare)
	}
	if strings.Trim(v, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == "" && len(v) > 5 && v[0] == 'S' {
		return "" // an id
	}
	if v == "" || v != strings.ToLower(v) || hasBlank(v) || strings.ContainsAny(v, "@,") {
		return fmt.Sprintf("%q is no usergroup's handle; write the one people mention, without @ and in lower case, such as cocoom-admins, or its id, such as S0123ABCD", v)
	}
	return ""
}

func tokenMistake(v string) string {
	if v == "" || hasBlank(v) {
		return fmt.Sprintf("%q is no service token's id; write the id, never the token", v)
	}
	return ""
}

func hasBlank(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f || r == 0xa0 })
}
