package cocoomsim

import (
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// startSigned starts an app that checks assertions; clock may be moved.
func startSigned(t *testing.T, s *authority, clock *time.Time) *browser {
	t.Helper()
	srv := startApp(t, func(c *Config) {
		c.Tenants[0].JWKSURL, c.Tenants[0].Issuer = s.url, issuer
		if clock != nil {
			c.Now = func() time.Time { return *clock }
		}
	})
	return visitAs(t, srv, "agrafmania.localhost", Person{})
}

func TestAssertions(t *testing.T) {
	s := newAuthority(t)
	b := startSigned(t, s, nil)
	// The plain headers name somebody else throughout: they must never win.
	b.header.Set("X-Forwarded-Email", "paul@agrafmania.fr")
	cases := append(tokenCases(t, s), tokenCase{"longer than any", strings.Repeat("a", maxAssertion+1), "elle est trop longue"})
	for _, row := range cases {
		t.Run(row.name, func(t *testing.T) {
			b.header.Set(assertionHeader, row.token)
			got := b.get("/profil")
			status, who, claims := got.text("assertion-status"), got.text("whoami"), got.text("claims")
			if row.reason == "" {
				if status != "✔ assertion vérifiée" || who != "Marie Lefèvre <marie@agrafmania.fr>" || !strings.Contains(claims, `"team_id": "T0AGRAF001"`) {
					t.Errorf("status %q, who %q, claims %s", status, who, claims)
				}
				return
			}
			if status != "✘ assertion refusée : "+row.reason || !strings.HasPrefix(who, "Personne") || claims != "" {
				t.Errorf("status %q, want %q; who %q, claims %s", status, row.reason, who, claims)
			}
			if got := b.get("/").status; got != 403 {
				t.Errorf("a member's page: %d, want 403", got)
			}
		})
	}
}

func TestAssertionOrHeaders(t *testing.T) {
	s := newAuthority(t)
	b := startSigned(t, s, nil)
	b.header.Set("X-Forwarded-Email", "paul@agrafmania.fr")
	b.header.Set("X-Forwarded-Preferred-Username", "Paul Martin")
	b.header.Set("X-Forwarded-Groups", "ventes,achats")
	got := b.get("/profil")
	if got.text("assertion-status") != "aucune assertion reçue" || got.text("whoami") != "Paul Martin <paul@agrafmania.fr>" {
		t.Errorf("no assertion: %q, %q", got.text("assertion-status"), got.text("whoami"))
	}
	if !strings.Contains(got.body, `<span class="chip">achats</span>`) || !strings.Contains(got.body, `<td data-header="X-Gateway-Team"><i class="none">absent</i></td>`) {
		t.Error("the groups or the absent team are not shown")
	}

	b.header.Del("X-Forwarded-Preferred-Username")
	if got := b.get("/profil").text("signed-in-as"); got != "Paul Martin" {
		t.Errorf("without a name in the headers: %q, want that of the account", got)
	}

	plain := visitAs(t, startApp(t, nil), "agrafmania.localhost", Person{"nouveau@agrafmania.fr", "Nouveau"})
	plain.header.Set(assertionHeader, "whatever")
	got = plain.get("/profil")
	if !strings.Contains(got.body, `data-status="unchecked"`) || got.text("whoami") != "Nouveau <nouveau@agrafmania.fr> (sans compte dans l’annuaire)" {
		t.Errorf("no keys configured: %q, %q", got.text("assertion-status"), got.text("whoami"))
	}
}

func TestKeysAreCachedAndRotated(t *testing.T) {
	s := newAuthority(t)
	clock := now
	b := startSigned(t, s, &clock)
	status := func(kid string) string {
		t.Helper()
		c := claimsWith(map[string]any{"exp": clock.Add(time.Minute).Unix()})
		b.header.Set(assertionHeader, sign(t, jwt.SigningMethodES256, s.key, kid, c))
		return b.get("/profil").text("assertion-status")
	}
	const (
		valid   = "✔ assertion vérifiée"
		unknown = "✘ assertion refusée : sa clé est inconnue"
	)
	for _, step := range []struct {
		name    string
		after   time.Duration // since the last step
		up      bool
		kids    []string
		kid     string
		want    string
		newRead int32
	}{
		{"out of reach at first", 0, false, []string{"one"}, "one", "✘ assertion refusée : les clés publiques sont injoignables", 1},
		{"not asked again at once", 0, true, []string{"one"}, "one", "✘ assertion refusée : les clés publiques sont injoignables", 0},
		{"then read", keysAtLeast, true, []string{"one"}, "one", valid, 1},
		{"kept", time.Minute, true, []string{"one"}, "one", valid, 0},
		{"an unknown key asks", 0, true, []string{"one", "two"}, "two", valid, 1},
		{"unknown keys do not ask without end", 0, true, []string{"one", "two"}, "three", unknown, 0},
		{"nor stay refused for long", keysAtLeast, true, []string{"one", "two"}, "three", unknown, 1},
		{"old keys hold while out of reach", keysKept, false, nil, "one", valid, 1},
		{"withdrawn keys go", keysAtLeast, true, []string{"two"}, "one", unknown, 1},
	} {
		clock = clock.Add(step.after)
		s.up.Store(step.up)
		s.kids.Store(step.kids)
		before := s.reads.Load()
		if got := status(step.kid); got != step.want {
			t.Errorf("%s: %q, want %q", step.name, got, step.want)
		}
		if got := s.reads.Load() - before; got != step.newRead {
			t.Errorf("%s: the JWKS was read %d times, want %d", step.name, got, step.newRead)
		}
	}
}

func TestParseJWKSRefusesPointsOffTheCurve(t *testing.T) {
	for name, doc := range map[string]string{
		"no JSON":       "<html>",
		"off the curve": `{"keys":[{"kty":"EC","crv":"P-256","kid":"k","x":"AQ","y":"AQ"}]}`,
		"no base64":     `{"keys":[{"kty":"EC","crv":"P-256","kid":"k","x":"=","y":"é"}]}`,
	} {
		if keys, err := parseJWKS([]byte(doc)); err == nil {
			t.Errorf("%s: %v", name, keys)
		}
	}
}
