package policy_test

import (
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/cocoom/cocoom-gateway/policy"
)

func mistakes(rules ...policy.Rule) (found []string) {
	policy.Validate(rules, func(key, text string) { found = append(found, key+": "+text) })
	return found
}

func TestValidateNamesTheKeyAndTheRemedy(t *testing.T) {
	path := func(p string) policy.Rule { return policy.Rule{Path: p, Allow: members} }
	allow := func(a policy.Allow) policy.Rule { return policy.Rule{Path: "/x", Allow: a} }
	tests := []struct {
		name string
		rule policy.Rule
		want string // the beginning of the only report, and after … something in it
	}{
		{"no path", path(""), `[0].path: is missing…"/**"`},
		{"no slash", path("admin"), `[0].path: does not begin with /…write "/admin"`},
		{"URL", path("https://x/y"), `[0].path: is a whole URL…only its path`},
		{"query in path", path("/x?y=1"), `[0].path: contains a query…under query`},
		{"fragment", path("/x#y"), `[0].path: contains #…%23`},
		{"half a wildcard", path("/x/*.css"), `[0].path: has * in the segment "*.css"…whole segment`},
		{"literal star", path("/x/%2a"), `[0].path: contains %2A…cannot be matched`},
		{"bad escape", path("/100%"), `[0].path: could match no request…%25`},
		{"above the root", path("/../x"), `[0].path: could match no request…above the root`},
		{"lower-case method", policy.Rule{Path: "/", Methods: []string{"get"}, Allow: members}, `[0].methods[0]: is "get"…write "GET"`},
		{"unknown method", policy.Rule{Path: "/", Methods: []string{"GET", "GTE"}, Allow: members}, `[0].methods[1]: "GTE" is no HTTP method…`},
		{"CONNECT", policy.Rule{Path: "/", Methods: []string{"CONNECT"}, Allow: members}, `[0].methods[0]: is CONNECT…`},
		{"TRACE", policy.Rule{Path: "/", Methods: []string{"TRACE"}, Allow: members}, `[0].methods[0]: is TRACE…`},
		{"method twice", policy.Rule{Path: "/", Methods: []string{"GET", "GET"}, Allow: members}, `[0].methods[1]: repeats "GET"…`},
		{"no methods", policy.Rule{Path: "/", Methods: []string{}, Allow: members}, `[0].methods: is an empty list…`},
		{"empty query", policy.Rule{Path: "/", Query: map[string]string{}, Allow: members}, `[0].query: is empty…`},
		{"query without a name", policy.Rule{Path: "/", Query: map[string]string{" ": "x"}, Allow: members}, `[0].query: the key " "…`},
		{"public query", policy.Rule{Path: "/", Query: map[string]string{"a": "b"}, Allow: public}, `[0].allow: is public on a rule with query…`},
		{"no allow", allow(policy.Allow{}), `[0].allow: is empty…public, members, deny`},
		{"two words", allow(policy.Allow{Public: true, Deny: true}), `[0].allow: says two things…`},
		{"word and condition", allow(policy.Allow{Members: true, Admins: true}), `[0].allow: says two things…`},
		{"empty condition", allow(policy.Allow{Users: []string{}, Admins: true}), `[0].allow.users: is an empty list…`},
		{"user", allow(policy.Allow{Users: []string{"marie"}}), `[0].allow.users[0]: "marie" is no Slack user id…emails`},
		{"user twice", allow(policy.Allow{Users: []string{"U1", "U1"}}), `[0].allow.users[1]: repeats…`},
		{"email", allow(policy.Allow{Emails: []string{"a@b@c"}}), `[0].allow.emails[0]: "a@b@c" is no e-mail address…`},
		{"email with a blank", allow(policy.Allow{Emails: []string{"a@b.fr "}}), `[0].allow.emails[0]: …`},
		{"domain with @", allow(policy.Allow{EmailDomains: []string{"@x.fr"}}), `[0].allow.email_domains[0]: …write "x.fr"`},
		{"domain with *", allow(policy.Allow{EmailDomains: []string{"*.x.fr"}}), `[0].allow.email_domains[0]: …write "x.fr"`},
		{"domain is an address", allow(policy.Allow{EmailDomains: []string{"a@x.fr"}}), `[0].allow.email_domains[0]: …behind the @`},
		{"group with @", allow(policy.Allow{Usergroups: []string{"@admins"}}), `[0].allow.usergroups[0]: …write "admins"`},
		{"half an id of a group", allow(policy.Allow{Usergroups: []string{"S0123"}}), `[0].allow.usergroups[0]: …handle`},
		{"cidr", allow(policy.Allow{CIDRs: []netip.Prefix{{}}}), `[0].allow.cidrs[0]: is no network…`},
		{"cidr with host bits", allow(policy.Allow{CIDRs: []netip.Prefix{netip.MustParsePrefix("10.1.2.3/8")}}), `[0].allow.cidrs[0]: …write 10.0.0.0/8`},
		{"token", allow(policy.Allow{ServiceTokens: []string{""}}), `[0].allow.service_tokens[0]: …`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			start, inside, _ := strings.Cut(tt.want, "…")
			got := mistakes(tt.rule)
			if len(got) != 1 || !strings.HasPrefix(got[0], start) || !strings.Contains(got[0], inside) {
				t.Errorf("got %q, want one like %q", got, tt.want)
			}
			if _, err := policy.New([]policy.Rule{tt.rule}, false); err == nil {
				t.Error("New compiled it")
			}
		})
	}
	if got := mistakes(policy.Rule{}, policy.Rule{}); len(got) != 4 {
		t.Errorf("all mistakes must be reported at once, got %q", got)
	}
	if got := mistakes(rulesOf()...); got != nil {
		t.Errorf("sound rules: %q", got)
	}
}

func TestShadowedRules(t *testing.T) {
	rule := func(path string, methods ...string) policy.Rule {
		return policy.Rule{Path: path, Methods: methods, Allow: members}
	}
	query := func(path string, pairs ...string) policy.Rule {
		r := policy.Rule{Path: path, Query: map[string]string{}, Allow: members}
		for i := 0; i < len(pairs); i += 2 {
			r.Query[pairs[i]] = pairs[i+1]
		}
		return r
	}
	tests := []struct {
		name  string
		rules []policy.Rule
		by    string // named in the report about the last rule; empty: no report
	}{
		{"everything above", []policy.Rule{rule("/**"), rule("/admin/*")}, "[0]"},
		{"the same", []policy.Rule{rule("/a"), rule("/%61")}, "[0]"},
		{"beneath", []policy.Rule{rule("/x"), rule("/a/*"), rule("/a/b/**")}, "[1]"},
		{"the folder itself", []policy.Rule{rule("/a/*"), rule("/a")}, "[0]"},
		{"glob beneath", []policy.Rule{rule("/a/*"), rule("/a/*/c")}, "[0]"},
		{"same globs", []policy.Rule{rule("/*/c"), rule("/*/c")}, "[0]"},
		{"exact in glob", []policy.Rule{rule("/*/c"), rule("/b/c")}, "[0]"},
		{"same method", []policy.Rule{rule("/a", "GET", "POST"), rule("/a", "POST")}, "[0]"},
		{"HEAD is in GET", []policy.Rule{rule("/a", "GET"), rule("/a", "HEAD")}, "[0]"},
		{"several together", []policy.Rule{rule("/a", "GET"), rule("/a", "POST"), rule("/a", "GET", "POST")}, "[0] and [1]"},
		{"fewer parameters", []policy.Rule{query("/a", "x", "1"), query("/a", "x", "1", "y", "2")}, "[0]"},
		{"other order", []policy.Rule{rule("/admin/*"), rule("/**")}, ""},
		{"a sibling", []policy.Rule{rule("/a/*"), rule("/ab")}, ""},
		{"other method", []policy.Rule{rule("/a", "GET"), rule("/a", "POST")}, ""},
		{"more methods", []policy.Rule{rule("/a", "GET"), rule("/a", "GET", "POST")}, ""},
		{"every method", []policy.Rule{rule("/a", "GET"), rule("/a", "POST"), rule("/a")}, ""},
		{"other value", []policy.Rule{query("/a", "x", "1"), query("/a", "x", "2")}, ""},
		{"without the parameter", []policy.Rule{query("/a", "x", "1"), rule("/a")}, ""},
		{"glob and folder", []policy.Rule{rule("/*/c"), rule("/b/*")}, ""},
		{"trailing slash", []policy.Rule{rule("/a"), rule("/a/")}, ""},
		{"a rule with a mistake covers nothing", []policy.Rule{rule("**"), rule("/a")}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			last := fmt.Sprintf("[%d].path: can never match", len(tt.rules)-1)
			found := ""
			for _, m := range mistakes(tt.rules...) {
				if strings.HasPrefix(m, last) {
					found = m
				}
			}
			if (found != "") != (tt.by != "") || !strings.Contains(found, tt.by) {
				t.Errorf("got %q, want one naming %q", found, tt.by)
			}
		})
	}
}

func TestAllowInYAML(t *testing.T) {
	tests := []struct {
		yaml string
		want policy.Allow
		err  string
	}{
		{"public", public, ""},
		{"members", members, ""},
		{"deny", deny, ""},
		{`"public"`, public, ""},
		{"{usergroups: [cocoom-admins], emails: [a@b.fr], email_domains: [c.fr], users: [U1]}",
			policy.Allow{Usergroups: []string{"cocoom-admins"}, Emails: []string{"a@b.fr"}, EmailDomains: []string{"c.fr"}, Users: []string{"U1"}}, ""},
		{"{admins: true, guests: true, cidrs: [10.0.0.0/8, 'fe80::/10'], service_tokens: [n]}",
			policy.Allow{Admins: true, Guests: true, CIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fe80::/10")}, ServiceTokens: []string{"n"}}, ""},
		{"everybody", policy.Allow{}, `"everybody"`},
		{"[public]", policy.Allow{}, "public, members, deny or a map"},
		{"{cidrs: [10.0.0.0/33]}", policy.Allow{}, "a map of conditions"},
		{"{admins: maybe}", policy.Allow{}, "a map of conditions"},
	}
	for _, tt := range tests {
		var got policy.Rule
		err := yaml.Unmarshal([]byte("path: /x\nallow: "+tt.yaml), &got)
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%s: error %v, want one naming %s", tt.yaml, err, tt.err)
			}
			continue
		}
		if err != nil || !reflect.DeepEqual(got.Allow, tt.want) {
			t.Errorf("%s: got %+v, %v", tt.yaml, got.Allow, err)
		}
	}
}
