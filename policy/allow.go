package policy

import (
	"net/netip"
	"strings"
)

// allow is an Allow made ready for Decide.
type allow struct {
	public, members, deny bool

	users, emails, domains, groups, tokens map[string]struct{}
	admins, guests                         bool
	cidrs                                  []netip.Prefix
	personal                               bool // a person can fulfil one of the conditions
}

func compileAllow(a Allow) allow {
	return allow{
		public:  a.Public,
		members: a.Members,
		deny:    a.Deny,
		users:   set(a.Users, nil),
		emails:  set(a.Emails, LowerASCII),
		domains: set(a.EmailDomains, LowerASCII),
		groups:  set(a.Usergroups, nil),
		tokens:  set(a.ServiceTokens, nil),
		admins:  a.Admins,
		guests:  a.Guests,
		cidrs:   unmapped(a.CIDRs),
		personal: len(a.Users)+len(a.Emails)+len(a.EmailDomains)+len(a.Usergroups) > 0 ||
			a.Admins || a.Guests,
	}
}

// judge gives the verdict of a rule that matches, and the word for why.
func (a *allow) judge(req *Request, who *Identity) (Verdict, string) {
	switch {
	case a.deny:
		return Deny, "denied"
	case a.public:
		return Allowed, "public"
	case a.members && who != nil:
		return Allowed, "member"
	case a.members:
		return Login, "sign_in"
	case a.inNetwork(req.Addr):
		return Allowed, "cidr"
	case req.ServiceToken != "" && has(a.tokens, req.ServiceToken):
		return Allowed, "service_token"
	case who == nil && a.personal:
		return Login, "sign_in"
	case who == nil:
		return Deny, "not_allowed"
	}
	return a.judgePerson(who)
}

func (a *allow) judgePerson(who *Identity) (Verdict, string) {
	if has(a.users, who.User) {
		return Allowed, "user"
	}
	if a.admins && who.Admin {
		return Allowed, "admin"
	}
	if a.guests && who.Guest {
		return Allowed, "guest"
	}
	// No handle is taken for an id: handles are lower case, ids upper case.
	for _, groups := range [...][]string{who.Groups, who.GroupIDs} {
		for _, group := range groups {
			if has(a.groups, group) {
				return Allowed, "usergroup"
			}
		}
	}
	// With a second @ in the address, two readers may take different domains.
	if local, domain, ok := strings.Cut(who.Email, "@"); ok && local != "" && domain != "" && !strings.Contains(domain, "@") {
		if len(a.emails) > 0 && has(a.emails, LowerASCII(who.Email)) {
			return Allowed, "email"
		}
		if len(a.domains) > 0 && has(a.domains, LowerASCII(domain)) {
			return Allowed, "email_domain"
		}
	}
	return Deny, "not_allowed"
}

func (a *allow) inNetwork(addr netip.Addr) bool {
	if len(a.cidrs) == 0 || !addr.IsValid() {
		return false
	}
	addr = addr.Unmap().WithZone("")
	for _, network := range a.cidrs {
		if network.Contains(addr) {
			return true
		}
	}
	return false
}

// unmapped writes networks of IPv4-mapped addresses as IPv4 networks, as
// clients' addresses are compared in that form.
func unmapped(networks []netip.Prefix) []netip.Prefix {
	var out []netip.Prefix
	for _, n := range networks {
		if n.Addr().Is4In6() && n.Bits() >= 96 {
			n = netip.PrefixFrom(n.Addr().Unmap(), n.Bits()-96)
		}
		out = append(out, n.Masked())
	}
	return out
}

func set(values []string, fold func(string) string) map[string]struct{} {
	if len(values) == 0 {
		return nil
	}
	out := make(map[string]struct{}, len(values))
	for _, v := range values {
		if fold != nil {
			v = fold(v)
		}
		out[v] = struct{}{}
	}
	return out
}

func has(set map[string]struct{}, value string) bool {
	_, ok := set[value]
	return ok
}

// LowerASCII lowers A to Z only. Unicode folding would make one address of
// two: "ſ" folds to "s", and the Kelvin sign to "k".
func LowerASCII(s string) string {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			return strings.Map(func(r rune) rune {
				if 'A' <= r && r <= 'Z' {
					return r + 'a' - 'A'
				}
				return r
			}, s)
		}
	}
	return s
}
