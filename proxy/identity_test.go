package proxy_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/cocoom/cocoom-gateway/internal/secret"
	"github.com/cocoom/cocoom-gateway/policy"
	"github.com/cocoom/cocoom-gateway/proxy"
)

func TestHeaderValues(t *testing.T) {
	const absent = "(absent)"
	tests := []struct {
		name, charset                string
		id                           policy.Identity
		user, email, display, groups string
	}{
		{"UTF-8", "", policy.Identity{User: "U1", Email: "zoé@x.fr", Name: "Zoé Ł", Groups: []string{"é", "b"}}, "U1", "zoé@x.fr", "Zoé Ł", "é,b"},
		{"Latin 1", "iso-8859-1", policy.Identity{User: "U1", Email: "zoé@x.fr", Name: "Zoé Ł 日", Groups: []string{"é", "日", "b"}}, "U1", "zo\xe9@x.fr", "Zo\xe9 ? ?", "\xe9,b"},
		{"an address that cannot be written", "iso-8859-1", policy.Identity{User: "U1", Email: "日@x.fr"}, "U1", absent, absent, absent},
		{"line breaks", "", policy.Identity{User: "U1", Email: "a@x.fr\r\nX-Forwarded-User: U2", Name: "a\r\nX: y\x00\x7f\u0085", Groups: []string{"a\nb", "c,d", "", "e"}}, "U1", absent, "a??X: y??", "e"},
		{"user with a control character", "", policy.Identity{User: "U1\x01", Name: "x"}, absent, absent, "x", absent},
		{"no UTF-8", "", policy.Identity{User: "U1", Email: "\xe9@x.fr", Name: "\xe9"}, "U1", absent, "?", absent},
		{"blanks", "", policy.Identity{User: "U1", Email: " a@x.fr", Name: " a b\t"}, "U1", absent, "a b", absent},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRoute(t, func(c *proxy.Config) { c.Keys, c.Headers.Charset = newKeys(t, "ES256"), tt.charset })
			h := r.headers(proxy.NewPrincipal(tt.id, "s"))
			for name, want := range map[string]string{
				"X-Forwarded-User": tt.user, "X-Forwarded-Email": tt.email, "X-Forwarded-Preferred-Username": tt.display, "X-Forwarded-Groups": tt.groups,
			} {
				if got := h[name]; want == absent && got != nil || want != absent && (len(got) != 1 || got[0] != want) {
					t.Errorf("%s is %q, want %q", name, got, want)
				}
			}
		})
	}
}

func TestBasic(t *testing.T) {
	fixed := func(user string) *proxy.Basic { return &proxy.Basic{User: user, Password: "hunter:2"} }
	derived := &proxy.Basic{User: "id", DeriveFrom: secret.String(strings.Repeat("d", 32))}
	with := func(change func(*policy.Identity)) *policy.Identity {
		id := lea
		change(&id)
		return &id
	}
	authorization := func(basic *proxy.Basic, who *policy.Identity) string {
		t.Helper()
		r := newRoute(t, func(c *proxy.Config) { c.Keys, c.Login.Basic = newKeys(t, "ES256"), basic })
		var p *proxy.Principal
		if who != nil {
			p = proxy.NewPrincipal(*who, "s")
		}
		w, req := newRecorded("GET", "/")
		req.Header.Set("Authorization", "Basic Zm9yZ2VkOng=")
		r.Serve(w, req, proxy.Inbound{Who: p})
		sent := <-r.sent
		user, password, ok := (&http.Request{Header: sent}).BasicAuth()
		if !ok {
			return sent.Get("Authorization")
		}
		return user + " " + password
	}
	for _, tt := range []struct {
		name  string
		basic *proxy.Basic
		who   *policy.Identity
		want  string
	}{
		{"none, so the app's own login passes", nil, &lea, "forged x"},
		{"nobody", fixed(""), nil, ""},
		{"e-mail", fixed(""), &lea, "lea@agrafmania.fr hunter:2"},
		{"id", fixed("id"), &lea, "U0LEA hunter:2"},
		{"no e-mail", fixed("email"), with(func(id *policy.Identity) { id.Email = "" }), ""},
		{"a colon would end the name", fixed("email"), with(func(id *policy.Identity) { id.Email = "a:b@x.fr" }), ""},
		{"derived", derived, &lea, "U0LEA 3DQlai6Xs8CFWW8hVLK5QPxlgyln5pnb4TAgkRjWfFk"},
	} {
		if got := authorization(tt.basic, tt.who); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
	seen := map[string]bool{}
	for _, id := range []policy.Identity{{Team: "T1", User: "U1"}, {Team: "T1U", User: "1"}, {Team: "T", User: "1U1"}, {Team: "T2", User: "U1"}} {
		_, password, _ := strings.Cut(authorization(derived, &id), " ")
		if seen[password] || len(password) != 43 {
			t.Errorf("%+v has the password %q, like another", id, password)
		}
		seen[password] = true
	}
}
