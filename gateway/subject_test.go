package gateway_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/internal/slacksim"
)

// dump is every text that the gateway's tables hold of people.
func (o *office) dump() string {
	o.t.Helper()
	var all []string
	for _, query := range []string{
		`SELECT route || ' ' || user_id || ' ' || email || ' ' || first_email || ' ' || name FROM person`,
		`SELECT route || ' ' || user_id || ' ' || email FROM session`,
		`SELECT detail FROM link`, `SELECT actor || ' ' || action || ' ' || object || ' ' || detail FROM audit ORDER BY seq`,
	} {
		rows, err := o.store.Read().Query(query)
		if err != nil {
			o.t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var s string
			if err := rows.Scan(&s); err != nil {
				o.t.Fatal(err)
			}
			all = append(all, s)
		}
	}
	return strings.Join(all, "\n")
}

// TestPersonIsExportedAndErased: all that is kept of Paul comes out, and nothing
// of Marie; then nothing of him is left, and all of her.
func TestPersonIsExportedAndErased(t *testing.T) {
	eachOffice(t, func(t *testing.T, o *office) {
		marie, paul := o.arrives("U0MARIE"), o.arrives("U0PAUL")
		o.arrives("U0PAUL")
		o.link(gateway.BreakGlass{Email: "paul@agrafmania.fr", Name: "Paul Martin"})
		o.link(gateway.BreakGlass{Email: "marie@agrafmania.fr"})
		o.becomes("U0PAUL", func(p *slacksim.Person) { p.Email = "pm@agrafmania.fr" })
		o.hearsOf("U0PAUL")
		if err := o.gateway.Audit(t.Context(), "lea", "test.elsewhere", other+" U0PAUL"); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"PM@agrafmania.fr", "U0PAUL"} {
			s, err := o.gateway.Subject(t.Context(), host, name)
			if err != nil {
				t.Fatal(err)
			}
			e, err := o.gateway.ExportPerson(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			text, _ := json.Marshal(e)
			if len(e.People) != 1 || e.People[0].FirstEmail != "paul@agrafmania.fr" || e.People[0].Groups["S0ADMINS1"] != admins || len(e.Sessions) != 2 || e.Sessions[0].Device == "" ||
				len(e.Links) != 1 || e.Links[0].Name != "Paul Martin" || len(e.Audit) != 2 || strings.Contains(strings.ToLower(string(text)), "marie") || strings.Contains(string(text), "token_kept\":true") {
				t.Errorf("by %s: %s", name, text)
			}
		}

		s, err := o.gateway.Subject(t.Context(), host, "pm@agrafmania.fr")
		if err != nil {
			t.Fatal(err)
		}
		done, err := o.gateway.ErasePerson(t.Context(), s, "lea")
		if want := (gateway.Erased{People: 1, Sessions: 2, Links: 1, Audit: 2}); err != nil || done != want {
			t.Errorf("erased %+v (%v), want %+v", done, err, want)
		}
		o.reads()
		left := strings.ReplaceAll(o.dump(), "lea test.elsewhere "+other+" U0PAUL", "")
		for _, name := range []string{"paul", "pm@", "martin"} {
			if strings.Contains(strings.ToLower(left), name) {
				t.Errorf("%s is left in\n%s", name, left)
			}
		}
		if strings.Count(left, "lea people.erased "+host+" ") != 1 || !strings.Contains(left, "marie@agrafmania.fr") {
			t.Errorf("what is left is\n%s", left)
		}
		if got := paul.get(o.page); got.StatusCode == http.StatusOK {
			t.Error("he is still signed in")
		}
		if got := o.elsewhere(paul, o.page); got.Code == http.StatusOK {
			t.Error("he is still signed in on another replica")
		}
		o.wants(marie, o.page, http.StatusOK, "")
		if done, err = o.gateway.ErasePerson(t.Context(), s, "lea"); err != nil || done != (gateway.Erased{}) {
			t.Errorf("a second time erased %+v (%v)", done, err)
		}
		o.advance(time.Second)
		o.wants(o.arrives("U0PAUL"), o.page, http.StatusOK, "")
	})
}

// TestSubject: whom a name means, and when it is not clear.
func TestSubject(t *testing.T) {
	o := newOffice(t, nil)
	o.arrives("U0MARIE")
	o.arrives("U0PAUL")
	o.becomes("U0PAUL", func(p *slacksim.Person) { p.Email = "old@agrafmania.fr" })
	o.becomes("U0MARIE", func(p *slacksim.Person) { p.Email = "paul@agrafmania.fr" })
	o.hearsOf("U0PAUL")
	o.hearsOf("U0MARIE")
	for name, want := range map[string]string{
		"U0MARIE":                         "U0MARIE break-glass:paul@agrafmania.fr break-glass:marie@agrafmania.fr paul@agrafmania.fr marie@agrafmania.fr",
		"old@agrafmania.fr":               "U0PAUL",
		"paul@agrafmania.fr":              "several people have had this address",
		"zoe@example.com":                 "break-glass:zoe@example.com zoe@example.com",
		"break-glass:zoe@example.com":     "break-glass:zoe@example.com zoe@example.com",
		"U0NOBODY":                        "U0NOBODY",
		"":                                "neither",
		"Marie Dupont":                    "neither",
		"marie@agrafmania.fr@example.com": "marie@agrafmania.fr@example.com",
	} {
		s, err := o.gateway.Subject(t.Context(), host, name)
		got := strings.Join(s.Names(), " ")
		if err != nil {
			got = err.Error()
		}
		for word := range strings.FieldsSeq(want) {
			if !strings.Contains(got, word) {
				t.Errorf("%q is %s, want %s", name, got, want)
			}
		}
		if err != nil && !errors.Is(err, gateway.ErrSelection) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if s, err := o.gateway.Subject(t.Context(), host, "U0PAUL"); err != nil || slices.Contains(s.Emails, "paul@agrafmania.fr") {
		t.Errorf("an address that is Marie's now is still his: %v (%v)", s, err)
	}
	if s, err := o.gateway.Subject(t.Context(), "none.localhost", "U0MARIE"); !errors.Is(err, gateway.ErrSelection) {
		t.Errorf("on a route that is not there: %v, %v", s, err)
	}
}
