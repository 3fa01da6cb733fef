package proxy_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/cocoom/cocoom-gateway/policy"
	"github.com/cocoom/cocoom-gateway/proxy"
)

// TestAdvisoryAbsentHeader (CVE-2026-30851): what another proxy is told to
// copy is always there, so that it takes the place of what a client forged.
func TestAdvisoryAbsentHeader(t *testing.T) {
	lea := policy.Identity{Team: "T1", User: "U1", Email: "lea@x.fr"}
	basic := func(c *proxy.Config) { c.Login.Basic = &proxy.Basic{User: "id", Password: "p"} }
	renamed := func(c *proxy.Config) { c.Headers.User = "REMOTE-USER" }
	for _, tt := range []struct {
		name   string
		change func(*proxy.Config)
		who    *policy.Identity
		cookie []string
		want   map[string]string
	}{
		{"nobody", nil, nil, nil, map[string]string{"X-Forwarded-User": "", "X-Gateway-Assertion": "", "Cookie": ""}},
		{"without a user", nil, &policy.Identity{Email: "lea@x.fr"}, nil, map[string]string{"X-Forwarded-User": "", "X-Forwarded-Email": "", "X-Gateway-Assertion": ""}},
		{"somebody", nil, &lea, []string{"a=1; gw=secret", "gw-x=secret; b=2"}, map[string]string{"X-Forwarded-User": "U1", "X-Forwarded-Email": "lea@x.fr",
			"X-Forwarded-Preferred-Username": "", "X-Forwarded-Groups": "", "X-Gateway-Team": "T1", "X-Gateway-Assertion": "eyJ", "Cookie": "a=1; b=2"}},
		{"own cookies alone", nil, &lea, []string{"__Host-gw=secret"}, map[string]string{"Cookie": ""}},
		{"other names", renamed, &lea, nil, map[string]string{"REMOTE-USER": "U1"}},
		{"basic", basic, &lea, nil, map[string]string{"Authorization": "Basic VTE6cA=="}},
		{"basic for nobody", basic, nil, nil, map[string]string{"Authorization": ""}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := proxy.Config{Origin: "https://a.example", Host: "a.example", Keys: newKeys(t, "ES256")}
			if tt.change != nil {
				tt.change(&cfg)
			}
			i, err := proxy.NewIdentifier(cfg)
			if err != nil {
				t.Fatal(err)
			}
			var who *proxy.Principal
			if tt.who != nil {
				who = proxy.NewPrincipal(*tt.who, "s")
			}
			request, answer := http.Header{"Cookie": tt.cookie}, http.Header{"X-Forwarded-User": {"forged"}}
			if err := i.Answer(answer, request, who); err != nil {
				t.Fatal(err)
			}
			for name, want := range tt.want {
				got := answer[name]
				if len(got) != 1 || got[0] != want && (want != "eyJ" || !strings.HasPrefix(got[0], want)) {
					t.Errorf("%s is %q, want %q", name, got, want)
				}
			}
			if strings.Join(request["Cookie"], "|") != strings.Join(tt.cookie, "|") {
				t.Errorf("the request's cookies were changed to %q", request["Cookie"])
			}
		})
	}
}

func TestIdentifierNeedsNoUpstream(t *testing.T) {
	cfg := proxy.Config{Origin: "https://a.example", Host: "a.example", Keys: newKeys(t, "ES256"), Headers: proxy.Headers{User: "Host"}}
	if _, err := proxy.NewIdentifier(cfg); err == nil || !strings.Contains(err.Error(), "headers.user") || strings.Contains(err.Error(), "upstream") {
		t.Errorf("got %v, want the mistake in headers.user alone", err)
	}
}
