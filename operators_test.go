package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
)

// TestOperators: what an operator does about people while the gateway runs. The
// commands know who they are from it, and the audit who gave the commands.
func TestOperators(t *testing.T) {
	c := customers[0]
	o := newOffice(t, "./data")
	o.config = strings.Replace(o.config, "login: {}\n", `login: {pin_email: true}
    policy: [{path: /admin/*, allow: {usergroups: [cocoom-admins, S0AADMINS]}}, {path: "/**", allow: members}]
`, 1)
	if err := o.slack.SetScopes(c.BotToken, "users:read", "users:read.email", "usergroups:read"); err != nil {
		t.Fatal(err)
	}
	p, stop := o.start("0")
	file, at := o.file("0"), "--admin="+p.admin.addr()
	o.member(p, "U0MARIE")
	paul := o.member(p, "U0PAUL")
	explains := func(want int, flags ...string) func(words ...string) {
		said, _ := exits(t, want, append([]string{"explain", c.Host, "GET", "/admin/x", "-c", file, at}, flags...)...)
		return func(words ...string) {
			t.Helper()
			for _, w := range words {
				if !strings.Contains(said, w) {
					t.Errorf("explain %q does not say %q, but\n%s", flags, w, said)
				}
			}
		}
	}
	const known, alone = "says who this is\n", "only the command line says who this is: "
	explains(0, "--as", "Marie@agrafmania.fr")("marie@agrafmania.fr, U0MARIE, admin, usergroups [cocoom-admins]", known)
	explains(4, "--as", "U0MARIE", "--groups", "")("marie@agrafmania.fr, U0MARIE, admin, usergroups []", known)
	explains(4, "--as", "U0PAUL")("paul@agrafmania.fr, U0PAUL, usergroups []", "none of its conditions", known)
	explains(0, "--as", "paul@agrafmania.fr", "--groups", "cocoom-admins")("usergroups [cocoom-admins]")
	explains(4, "--as", "paul@agrafmania.fr", "--is-guest")("guest", "the route refuses guests")
	explains(4, "--as", "ines@agrafmania.fr")(alone, "nobody of that name has signed in there", "the usergroups are unknown")

	// Paul takes over somebody else's address, which the route pins.
	if err := o.slack.UpdatePerson(c.Team, "U0PAUL", func(p *slacksim.Person) { p.Email = "boss@agrafmania.fr" }); err != nil {
		t.Fatal(err)
	}
	if out := command(t, "sessions", "revoke", at, "--person", "paul@agrafmania.fr"); out != "1 session ended\n" {
		t.Errorf("revoke says %s", out)
	}
	if in := paul.signIn("U0PAUL"); in.StatusCode != http.StatusForbidden {
		t.Fatalf("with another's address signing in is answered %d", in.StatusCode)
	}
	explains(4, "--as", "U0PAUL")("the e-mail address has changed", "403 page (email_changed)")
	if _, errs := exits(t, 1, "break-glass", c.Host, at, "--as", "boss@agrafmania.fr"); !strings.Contains(errs, "is U0PAUL, who would be refused at sign-in (email_changed)") {
		t.Errorf("break-glass says %s", errs)
	}
	if out := command(t, "people", "accept-email", at, c.Host, "boss@agrafmania.fr"); out != "accepted\n" {
		t.Errorf("accept-email says %s", out)
	}
	if in := paul.signIn("U0PAUL"); in.Request.URL.String() != o.origin+"/" {
		t.Errorf("afterwards signing in ends at %s with %d", in.Request.URL, in.StatusCode)
	}
	if _, errs := exits(t, 1, "people", "accept-email", at, c.Host, "U0INES"); errs != "cocoom-gateway: nobody of that name has signed in there\n" {
		t.Errorf("accept-email of a stranger says %s", errs)
	}
	if out := command(t, "break-glass", at, c.Host, "--as", "boss@agrafmania.fr"); !strings.Contains(out, "For boss@agrafmania.fr (U0PAUL) alone") {
		t.Errorf("break-glass says %s", out)
	}
	if out := command(t, "sessions", "list", at); !strings.Contains(out, "boss@agrafmania.fr") || strings.Count(out, "\n") != 3 {
		t.Errorf("list says %s", out)
	}
	command(t, "keys", "rotate", at)
	want := []string{"lea sessions.revoked", "slack people.email_changed", "lea people.email_accepted", "lea break_glass.made", "lea keys.rotated"}
	if got := audited(t, p); !slices.Equal(got, want) {
		t.Errorf("the audit says %q, want %q", got, want)
	}

	stop()
	explains(4, "--as", "marie@agrafmania.fr")(alone, "no gateway answers", "the user id is unknown", "the usergroups are unknown")
	explains(0, "--as", "marie@agrafmania.fr", "--groups", "cocoom-admins", "--is-admin")("marie@agrafmania.fr, admin, usergroups [cocoom-admins]")
}

// audited gives who did what.
func audited(t *testing.T, p *program) (deeds []string) {
	t.Helper()
	rows, err := p.store.Read().Query(`SELECT actor, action FROM audit ORDER BY seq`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var actor, action string
		if err := rows.Scan(&actor, &action); err != nil {
			t.Fatal(err)
		}
		deeds = append(deeds, actor+" "+action)
	}
	return deeds
}

// TestNoGateway: something else answers where a gateway should, and every
// command that asks one says so.
func TestNoGateway(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"pages":          func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<h1>Prometheus</h1>")) },
		"none":           http.NotFound,
		"a redirect":     func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) },
		"other mistakes": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, `{"error":{}}`, http.StatusForbidden) },
		"without an end": func(w http.ResponseWriter, _ *http.Request) {
			for err := error(nil); err == nil; {
				_, err = io.WriteString(w, strings.Repeat("[", 1024))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Host != "localhost" {
					t.Errorf("asked by the name %s, to which no listener answers", r.Host)
				}
				answer(w, r)
			}))
			defer other.Close()
			at := "--admin=" + strings.TrimPrefix(other.URL, "http://")
			for _, args := range [][]string{
				{"sessions", "list"}, {"sessions", "revoke", "--all", "--yes"}, {"keys", "export", "--dir", t.TempDir()}, {"keys", "rotate"},
				{"people", "accept-email", "a.localhost", "U0PAUL"}, {"break-glass", "a.localhost", "--as", "paul@agrafmania.fr"},
			} {
				if _, errs := exits(t, 1, append(args, at)...); !strings.Contains(errs, "is no operators' listener of a gateway") {
					t.Errorf("%q says %s", args, errs)
				}
			}
		})
	}
}
