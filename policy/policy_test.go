package policy_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/cocoom/cocoom-gateway/policy"
)

func build(t testing.TB, foldCase bool, rules ...policy.Rule) *policy.Policy {
	t.Helper()
	p, err := policy.New(rules, foldCase)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var (
	public  = policy.Allow{Public: true}
	members = policy.Allow{Members: true}
	deny    = policy.Allow{Deny: true}
	admins  = policy.Allow{Usergroups: []string{"cocoom-admins"}}
)

func TestVerdictOfEachCondition(t *testing.T) {
	lea := func(change func(*policy.Identity)) *policy.Identity {
		id := &policy.Identity{Team: "T1", User: "U1", Email: "lea@agrafmania.fr", Name: "Léa"}
		if change != nil {
			change(id)
		}
		return id
	}
	email := func(e string) *policy.Identity { return lea(func(id *policy.Identity) { id.Email = e }) }
	groups := func(g ...string) *policy.Identity { return lea(func(id *policy.Identity) { id.Groups = g }) }
	prefix := netip.MustParsePrefix
	tests := []struct {
		name  string
		allow policy.Allow
		req   policy.Request
		who   *policy.Identity
		want  policy.Verdict
		why   string
	}{
		{name: "public, nobody", allow: public, want: policy.Allowed, why: "public"},
		{name: "deny, nobody", allow: deny, want: policy.Deny, why: "denied"},
		{name: "deny, somebody", allow: deny, who: lea(nil), want: policy.Deny, why: "denied"},
		{name: "members, nobody", allow: members, want: policy.Login, why: "sign_in"},
		{name: "members, somebody", allow: members, who: lea(nil), want: policy.Allowed, why: "member"},
		{name: "members, zero identity", allow: members, who: &policy.Identity{}, want: policy.Login, why: "sign_in"},
		{name: "user", allow: policy.Allow{Users: []string{"U2", "U1"}}, who: lea(nil), want: policy.Allowed, why: "user"},
		{name: "user, nobody", allow: policy.Allow{Users: []string{"U1"}}, want: policy.Login, why: "sign_in"},
		{name: "user, other", allow: policy.Allow{Users: []string{"U2"}}, who: lea(nil), want: policy.Deny, why: "not_allowed"},
		{name: "email", allow: policy.Allow{Emails: []string{"Lea@Agrafmania.FR"}}, who: email("LEA@agrafmania.fr"), want: policy.Allowed, why: "email"},
		{name: "email, other", allow: policy.Allow{Emails: []string{"marie@agrafmania.fr"}}, who: lea(nil), want: policy.Deny, why: "not_allowed"},
		{name: "email, none", allow: policy.Allow{Emails: []string{"lea@agrafmania.fr"}}, who: email(""), want: policy.Deny, why: "not_allowed"},
		{name: "email, unicode folding", allow: policy.Allow{Emails: []string{"boss@x.fr"}}, who: email("boſs@x.fr"), want: policy.Deny, why: "not_allowed"},
		{name: "domain", allow: policy.Allow{EmailDomains: []string{"AGRAFMANIA.fr"}}, who: email("lea@Agrafmania.fr"), want: policy.Allowed, why: "email_domain"},
		{name: "domain, beneath", allow: policy.Allow{EmailDomains: []string{"agrafmania.fr"}}, who: email("lea@x.agrafmania.fr"), want: policy.Deny, why: "not_allowed"},
		{name: "domain, suffix", allow: policy.Allow{EmailDomains: []string{"agrafmania.fr"}}, who: email("lea@badagrafmania.fr"), want: policy.Deny, why: "not_allowed"},
		{name: "CVE-2026-40574: two @", allow: policy.Allow{EmailDomains: []string{"good.com"}}, who: email("a@evil@good.com"), want: policy.Deny, why: "not_allowed"},
		{name: "two @, first domain", allow: policy.Allow{EmailDomains: []string{"good.com"}}, who: email("a@good.com@evil"), want: policy.Deny, why: "not_allowed"},
		{name: "no local part", allow: policy.Allow{EmailDomains: []string{"good.com"}}, who: email("@good.com"), want: policy.Deny, why: "not_allowed"},
		{name: "group", allow: admins, who: groups("x", "cocoom-admins"), want: policy.Allowed, why: "usergroup"},
		{name: "group by id", allow: policy.Allow{Usergroups: []string{"S0ADMINS"}}, who: lea(func(id *policy.Identity) { id.GroupIDs = []string{"S0ADMINS"} }), want: policy.Allowed, why: "usergroup"},
		{name: "group by id, handle unknown", allow: admins, who: lea(func(id *policy.Identity) { id.GroupIDs = []string{"S0ADMINS"} }), want: policy.Deny, why: "not_allowed"},
		{name: "group, not in it", allow: admins, who: groups("x"), want: policy.Deny, why: "not_allowed"},
		{name: "group, unknown", allow: admins, who: groups(), want: policy.Deny, why: "not_allowed"},
		{name: "admin", allow: policy.Allow{Admins: true}, who: lea(func(id *policy.Identity) { id.Admin = true }), want: policy.Allowed, why: "admin"},
		{name: "admin, is none", allow: policy.Allow{Admins: true}, who: lea(nil), want: policy.Deny, why: "not_allowed"},
		{name: "guest", allow: policy.Allow{Guests: true}, who: lea(func(id *policy.Identity) { id.Guest = true }), want: policy.Allowed, why: "guest"},
		{name: "guest, is none", allow: policy.Allow{Guests: true}, who: lea(nil), want: policy.Deny, why: "not_allowed"},
		{name: "cidr, nobody", allow: policy.Allow{CIDRs: []netip.Prefix{prefix("10.0.0.0/8")}},
			req: policy.Request{Addr: netip.MustParseAddr("10.1.2.3")}, want: policy.Allowed, why: "cidr"},
		{name: "cidr, mapped address", allow: policy.Allow{CIDRs: []netip.Prefix{prefix("10.0.0.0/8")}},
			req: policy.Request{Addr: netip.MustParseAddr("::ffff:10.1.2.3")}, want: policy.Allowed, why: "cidr"},
		{name: "cidr, mapped network", allow: policy.Allow{CIDRs: []netip.Prefix{prefix("::ffff:10.0.0.0/104")}},
			req: policy.Request{Addr: netip.MustParseAddr("10.1.2.3")}, want: policy.Allowed, why: "cidr"},
		{name: "cidr, zone", allow: policy.Allow{CIDRs: []netip.Prefix{prefix("fe80::/10")}},
			req: policy.Request{Addr: netip.MustParseAddr("fe80::1%eth0")}, want: policy.Allowed, why: "cidr"},
		{name: "cidr, outside", allow: policy.Allow{CIDRs: []netip.Prefix{prefix("10.0.0.0/8")}},
			req: policy.Request{Addr: netip.MustParseAddr("11.1.2.3")}, want: policy.Deny, why: "not_allowed"},
		{name: "cidr, no address", allow: policy.Allow{CIDRs: []netip.Prefix{prefix("0.0.0.0/0"), prefix("::/0")}}, want: policy.Deny, why: "not_allowed"},
		{name: "cidr or user, outside, nobody", allow: policy.Allow{CIDRs: []netip.Prefix{prefix("10.0.0.0/8")}, Users: []string{"U1"}}, want: policy.Login, why: "sign_in"},
		{name: "token", allow: policy.Allow{ServiceTokens: []string{"nightly"}}, req: policy.Request{ServiceToken: "nightly"}, want: policy.Allowed, why: "service_token"},
		{name: "token, other", allow: policy.Allow{ServiceTokens: []string{"nightly"}}, req: policy.Request{ServiceToken: "other"}, want: policy.Deny, why: "not_allowed"},
		{name: "token, none", allow: policy.Allow{ServiceTokens: []string{"nightly"}}, want: policy.Deny, why: "not_allowed"},
		{name: "token, for a person", allow: policy.Allow{ServiceTokens: []string{"nightly"}}, who: lea(nil), want: policy.Deny, why: "not_allowed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := build(t, false, policy.Rule{Path: "/**", Allow: tt.allow})
			tt.req.Method, tt.req.Path = "GET", "/x"
			got := p.Decide(tt.req, tt.who)
			if want := (policy.Decision{Verdict: tt.want, Reason: tt.why}); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

func TestNothingIsAllowedByDefault(t *testing.T) {
	who := &policy.Identity{Team: "T1", User: "U1"}
	want := policy.Decision{Rule: -1, Reason: "no_rule"}
	for name, p := range map[string]*policy.Policy{"nil": nil, "zero": {}, "empty": build(t, false),
		"other path": build(t, false, policy.Rule{Path: "/a", Allow: public})} {
		for _, path := range []string{"/", "", "a", "/b"} {
			if got := p.Decide(policy.Request{Method: "GET", Path: path}, who); got != want {
				t.Errorf("%s, %q: got %+v", name, path, got)
			}
		}
	}
	if (policy.Decision{}).Verdict != policy.Deny || policy.Verdict(9).String() != "deny" {
		t.Error("the zero decision and an unknown verdict must deny")
	}
}

func TestPathPatterns(t *testing.T) {
	tests := []struct {
		pattern  string
		fold     bool
		match    string // paths, space separated
		mismatch string
	}{
		{pattern: "/", match: "/", mismatch: "/a /index.php"},
		{pattern: "/*", match: "/ /a /a/ /a/b /a//b"},
		{pattern: "/**", match: "/ /a /a/b"},
		{pattern: "/admin/*", match: "/admin /admin/ /admin/a /admin/a/b", mismatch: "/administrator /Admin /x/admin /"},
		{pattern: "/admin/**", match: "/admin /admin/ /admin/a/b", mismatch: "/administrator"},
		{pattern: "/admin", match: "/admin", mismatch: "/admin/ /admin/x /admi /adminx"},
		{pattern: "/u/*/edit", match: "/u/1/edit /u/%C3%A9/edit", mismatch: "/u/edit /u/1/2/edit /u//edit /u/1/edit/x"},
		{pattern: "/u/*/*", match: "/u/1 /u/1/2 /u/1/2/3 /u/1/", mismatch: "/u /u/"},
		{pattern: "/**/edit", match: "/edit /a/edit /a/b/edit /edit/edit", mismatch: "/edit/x /xedit"},
		{pattern: "/a/**/b/**/c", match: "/a/b/c /a/x/b/y/z/c /a/b/b/c/c", mismatch: "/a/c /a/b /a/c/b"},
		{pattern: "/café/*", match: "/caf%C3%A9 /caf%C3%A9/menu", mismatch: "/cafe /caf%C3%89"},
		{pattern: "/CAFÉ/*", fold: true, match: "/caf%C3%A9 /CAF%C3%89/Menu", mismatch: "/caf%E9 /cafe"},
		{pattern: "/caf%E9", fold: true, match: "/caf%E9 /CAF%E9", mismatch: "/caf%C9"},
		{pattern: "/a b/%7euser", match: "/a%20b/~user", mismatch: "/a+b/~user"},
		{pattern: "/a/../b", match: "/b", mismatch: "/a"},
	}
	for _, tt := range tests {
		p := build(t, tt.fold, policy.Rule{Path: tt.pattern, Allow: public})
		for path := range strings.FieldsSeq(tt.match) {
			if got := p.Decide(policy.Request{Method: "GET", Path: path}, nil); got.Verdict != policy.Allowed {
				t.Errorf("%s (fold %v) must match %s", tt.pattern, tt.fold, path)
			}
		}
		for path := range strings.FieldsSeq(tt.mismatch) {
			if got := p.Decide(policy.Request{Method: "GET", Path: path}, nil); got.Verdict != policy.Deny {
				t.Errorf("%s (fold %v) must not match %s", tt.pattern, tt.fold, path)
			}
		}
	}
}

// rulesOf is the policy most attacks below are aimed at: /admin and the admin
// page are for admins, the assets public, all else for members.
func rulesOf() []policy.Rule {
	return []policy.Rule{
		{Path: "/assets/*", Allow: public},
		{Path: "/admin/*", Allow: admins},
		{Path: "/tools/reset.php", Allow: admins},
		{Path: "/secret", Allow: admins},
		{Path: "/index.php", Query: map[string]string{"page": "admin"}, Allow: admins},
		{Path: "/form", Methods: []string{"POST"}, Allow: admins},
		{Path: "/read", Methods: []string{"GET"}, Allow: admins},
		{Path: "/**", Allow: members},
	}
}

func TestARuleIsNotDodgedByAnotherSpelling(t *testing.T) {
	member := &policy.Identity{Team: "T1", User: "U1", Groups: []string{}}
	admin := &policy.Identity{Team: "T1", User: "U2", Groups: []string{"cocoom-admins"}}
	p := build(t, false, rulesOf()...)
	tests := []struct{ name, method, target string }{
		{"honest", "GET", "/admin/x"},
		{"double slash", "GET", "//admin/x"},
		{"double slash inside", "GET", "/x/..//admin"},
		{"parameter", "GET", "/admin;x/y"},
		{"parameter before", "GET", "/;x/admin/y"},
		{"both", "GET", "/;x//;y/admin;z"},
		{"encoded slash", "GET", "/admin%2Fx"},
		{"path info", "GET", "/tools/reset.php/x"},
		{"path info, slash only", "GET", "/tools/reset.php/"},
		{"path info, double slash", "GET", "//tools//reset.php//x"},
		{"path info of a query rule", "GET", "/index.php/x?page=admin"},
		{"folder of a query rule", "GET", "/?page=admin"},
		{"trailing slash", "GET", "/secret/"},
		{"lower-case method", "post", "/form"},
		{"HEAD", "HEAD", "/read"},
		{"head", "head", "/read"},
		{"query", "GET", "/index.php?page=admin"},
		{"query, escaped", "GET", "/index.php?%70age=%61dmin"},
		{"query, array", "GET", "/index.php?page[]=admin"},
		{"query, escaped array", "GET", "/index.php?page%5B%5D=admin"},
		{"query, element", "GET", "/index.php?page[0][x]=admin"},
		{"query, leading space", "GET", "/index.php?+page=admin"},
		{"query, NUL", "GET", "/index.php?page%00x=admin"},
		{"query, first", "GET", "/index.php?page=admin&page=x"},
		{"query, last", "GET", "/index.php?page=x&page=admin"},
		{"query, semicolon", "GET", "/index.php?x=1;page=admin"},
		{"query, far behind", "GET", "/index.php?" + strings.Repeat("a&", 2000) + "page=admin"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path, query, _ := strings.Cut(tt.target, "?")
			path, err := policy.NormalizePath(path, true)
			if err != nil {
				t.Fatal(err)
			}
			req := policy.Request{Method: tt.method, Path: path, RawQuery: query}
			if got := p.Decide(req, member); got.Verdict != policy.Deny {
				t.Errorf("a member got %+v", got)
			}
			if got := p.Decide(req, nil); got.Verdict != policy.Login {
				t.Errorf("nobody got %+v", got)
			}
			if got := p.Decide(req, admin); got.Verdict != policy.Allowed {
				t.Errorf("an admin got %+v", got)
			}
		})
	}
}

func TestHonestRequestsAreNotCaughtByOtherReadings(t *testing.T) {
	member := &policy.Identity{Team: "T1", User: "U1"}
	p := build(t, false, rulesOf()...)
	for _, target := range []string{
		"/", "/x//y", "/page;jsessionid=1", "/index.php", "/index.php?page=help", "/index.php?Page=admin", "/index.php?page=Admin",
		"/index.php?page=admin%20", "/index.php?page=ad+min", "/other.php?page=admin", "/index.php?q=page=admin", "/index.php?xpage=admin",
		"/index.php?page", "/assets//x;y", "/administrator", "/secret.txt", "/index.php?[page]=admin", "/index.php?%2570age=admin",
	} {
		path, query, _ := strings.Cut(target, "?")
		if got := p.Decide(policy.Request{Method: "GET", Path: path, RawQuery: query}, member); got.Verdict != policy.Allowed {
			t.Errorf("%s: %+v", target, got)
		}
	}
	if got := p.Decide(policy.Request{Method: "GET", Path: "/assets/a;b"}, nil); got.Verdict != policy.Allowed {
		t.Errorf("a public path with a parameter: %+v", got)
	}
}

// A milder rule with query before a stricter one: the request must not get
// the milder by naming the parameter twice.
func TestQueryCannotWiden(t *testing.T) {
	member := &policy.Identity{Team: "T1", User: "U1"}
	p := build(t, false,
		policy.Rule{Path: "/index.php", Query: map[string]string{"page": "help"}, Allow: members},
		policy.Rule{Path: "/index.php", Query: map[string]string{"page": "admin"}, Allow: deny},
		policy.Rule{Path: "/index.php", Allow: members},
		policy.Rule{Path: "/**", Allow: deny},
	)
	for query, want := range map[string]policy.Verdict{
		"page=help": policy.Allowed, "page=help&page=help": policy.Allowed, "x=1": policy.Allowed,
		"page=admin": policy.Deny, "page=help&page=admin": policy.Deny, "page=admin&page=help": policy.Deny,
		"page=admin&page[]=help": policy.Deny, "page=help;page=admin": policy.Deny,
	} {
		if got := p.Decide(policy.Request{Method: "GET", Path: "/index.php", RawQuery: query}, member); got.Verdict != want {
			t.Errorf("%s: got %+v, want %v", query, got, want)
		}
	}
	for _, path := range []string{"/", "/index.php/x"} {
		if got := p.Decide(policy.Request{Method: "GET", Path: path, RawQuery: "page=help"}, member); got.Verdict != policy.Deny {
			t.Errorf("%s: a query rule's other paths must only narrow, got %+v", path, got)
		}
	}
}

func TestFirstMatchWins(t *testing.T) {
	p := build(t, false,
		policy.Rule{Path: "/a/b", Allow: public},
		policy.Rule{Path: "/a/*", Methods: []string{"GET", "PROPFIND"}, Allow: members},
		policy.Rule{Path: "/a/*", Allow: deny},
	)
	for req, want := range map[[2]string]policy.Decision{
		{"DELETE", "/a/b"}:  {Verdict: policy.Allowed, Rule: 0, Reason: "public"},
		{"HEAD", "/a/c"}:    {Verdict: policy.Login, Rule: 1, Reason: "sign_in"},
		{"PROPFIND", "/a"}:  {Verdict: policy.Login, Rule: 1, Reason: "sign_in"},
		{"DELETE", "/a/c"}:  {Verdict: policy.Deny, Rule: 2, Reason: "denied"},
		{"GET", "/b"}:       {Verdict: policy.Deny, Rule: -1, Reason: "no_rule"},
		{"GET", "/a/b//"}:   {Verdict: policy.Login, Rule: 1, Reason: "sign_in"},
		{"DELETE", "/a/b/"}: {Verdict: policy.Deny, Rule: 2, Reason: "denied"},
	} {
		if got := p.Decide(policy.Request{Method: req[0], Path: req[1]}, nil); got != want {
			t.Errorf("%v: got %+v, want %+v", req, got, want)
		}
	}
}

// Whatever is done to a request's spelling, a signed-out client never gets
// more than the strictest of the rules that guard what it may mean.
func FuzzDecide(f *testing.F) {
	f.Add("GET", "/admin;x//y", "page[]=admin")
	f.Add("post", "/form/", "a.b=c;d")
	f.Add("GET", "/%2e%2E/a//b%2F", "%00")
	rules := rulesOf()
	plain, folded := build(f, false, rules...), build(f, true, rules...)
	open := build(f, false, append(slices.Clone(rules[:len(rules)-1]), policy.Rule{Path: "/**", Allow: public})...)
	member := &policy.Identity{Team: "T1", User: "U1"}
	admin := &policy.Identity{Team: "T1", User: "U2", Groups: []string{"cocoom-admins"}}
	f.Fuzz(func(t *testing.T, method, path, query string) {
		plain.Decide(policy.Request{Method: method, Path: path, RawQuery: query}, member)
		path, err := policy.NormalizePath(path, true)
		if err != nil {
			return
		}
		req := policy.Request{Method: method, Path: path, RawQuery: query}
		for name, p := range map[string]*policy.Policy{"plain": plain, "folded": folded, "open": open} {
			nobody, somebody, best := p.Decide(req, nil), p.Decide(req, member), p.Decide(req, admin)
			if nobody.Verdict == policy.Allowed && best.Verdict != policy.Allowed {
				t.Errorf("%s: signing in took %q away: %+v, %+v", name, path, nobody, best)
			}
			if best.Verdict != policy.Allowed {
				t.Errorf("%s: an admin of this policy may do all, got %+v", name, best)
			}
			if somebody.Verdict == policy.Login {
				t.Errorf("%s: told a member to sign in: %+v", name, somebody)
			}
			if guarded(path) && (nobody.Verdict == policy.Allowed || somebody.Verdict == policy.Allowed) {
				t.Errorf("%s: %q means /admin to some server: %+v, %+v", name, path, nobody, somebody)
			}
			spelled := req
			spelled.Path = "/" + path // an empty segment before
			if got := p.Decide(spelled, member); got.Verdict > somebody.Verdict {
				t.Errorf("%s: //%q widened %v to %v", name, path, somebody, got)
			}
		}
	})
}

// guarded reads path as a merging, parameter-cutting server would.
func guarded(path string) bool {
	path = strings.ReplaceAll(path, "%2F", "/")
	var kept []string
	for segment := range strings.SplitSeq(path, "/") {
		if name, _, _ := strings.Cut(segment, ";"); name != "" {
			kept = append(kept, name)
		}
	}
	return len(kept) > 0 && kept[0] == "admin"
}

func TestDecideDoesNotAllocate(t *testing.T) {
	p := build(t, true, rulesOf()...)
	who := &policy.Identity{Team: "T1", User: "U1", Email: "lea@agrafmania.fr", Groups: []string{"x"}}
	for _, req := range []policy.Request{
		{Method: "GET", Path: "/documents/12/view"},
		{Method: "GET", Path: "/index.php", RawQuery: "id=12&page=h%65lp"},
	} {
		if n := testing.AllocsPerRun(100, func() { p.Decide(req, who) }); n != 0 {
			t.Errorf("%+v: %v allocations", req, n)
		}
	}
}

func BenchmarkDecide(b *testing.B) {
	p := build(b, false, rulesOf()...)
	who := &policy.Identity{Team: "T1", User: "U1", Email: "lea@agrafmania.fr"}
	for name, req := range map[string]policy.Request{
		"plain":    {Method: "GET", Path: "/documents/12/view"},
		"query":    {Method: "GET", Path: "/index.php", RawQuery: "id=12&page=help&x=y"},
		"readings": {Method: "GET", Path: "/documents;a=b//12"},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.Decide(req, who)
			}
		})
	}
}
