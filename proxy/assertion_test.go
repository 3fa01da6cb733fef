package proxy_test

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/golang-jwt/jwt/v5"

	"github.com/cocoom/cocoom-gateway/internal/secret"
	"github.com/cocoom/cocoom-gateway/policy"
	"github.com/cocoom/cocoom-gateway/proxy"
)

// route is a Proxy whose app hands out the assertions it gets.
type route struct {
	*proxy.Proxy
	t    testing.TB
	sent chan http.Header
}

func newRoute(t testing.TB, change func(*proxy.Config)) *route {
	r := &route{t: t, sent: make(chan http.Header, 1)}
	app := newApp(t, func(w http.ResponseWriter, req *http.Request) { r.sent <- req.Header.Clone() })
	cfg := proxy.Config{Origin: origin, Host: host, Upstream: proxy.Upstream{URL: app}}
	change(&cfg)
	var err error
	if r.Proxy, err = proxy.New(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

func (r *route) headers(who *proxy.Principal) http.Header {
	r.t.Helper()
	w := httptest.NewRecorder()
	r.Serve(w, httptest.NewRequest("GET", "/", nil), proxy.Inbound{Who: who})
	if w.Code != 200 {
		r.t.Fatalf("got %d", w.Code)
	}
	return <-r.sent
}

func (r *route) assertion(who *proxy.Principal) string {
	r.t.Helper()
	return r.headers(who).Get("X-Gateway-Assertion")
}

func claimsOf(t testing.TB, token string) map[string]any {
	t.Helper()
	claims := jwt.MapClaims{}
	if _, _, err := jwt.NewParser().ParseUnverified(token, claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

// An app with an OIDC library of its own verifies what we sign.
func TestAssertionVerifiesAgainstTheJWKS(t *testing.T) {
	for _, alg := range []string{"ES256", "EdDSA", "RS256"} {
		keys := newKeys(t, alg)
		jwks := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write(keys.JWKS()) }))
		defer jwks.Close()
		now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		r := newRoute(t, func(c *proxy.Config) {
			c.Keys, c.Assertion.Alg, c.Now = keys, alg, func() time.Time { return now }
		})
		token := r.assertion(proxy.NewPrincipal(lea, "sid-1"))
		verifier := oidc.NewVerifier(origin, oidc.NewRemoteKeySet(context.Background(), jwks.URL),
			&oidc.Config{ClientID: host, SupportedSigningAlgs: []string{alg}, Now: func() time.Time { return now }})
		if _, err := verifier.Verify(t.Context(), token); err != nil {
			t.Errorf("%s: %v", alg, err)
		}
		want := map[string]any{
			"iss": origin, "aud": host, "sub": lea.User, "team_id": lea.Team, "email": lea.Email, "name": lea.Name, "sid": "sid-1",
			"groups": []any{"cocoom-admins", "edito"}, "iat": float64(now.Unix()), "exp": float64(now.Add(5 * time.Minute).Unix()),
		}
		got, _ := json.Marshal(claimsOf(t, token))
		if wanted, _ := json.Marshal(want); string(got) != string(wanted) {
			t.Errorf("%s: claims %s, want %s", alg, got, wanted)
		}
		if parsed, _, _ := jwt.NewParser().ParseUnverified(token, jwt.MapClaims{}); parsed.Header["kid"] != "k1" || parsed.Header["alg"] != alg {
			t.Errorf("%s: header %v", alg, parsed.Header)
		}
	}
}

func TestAssertionWithTheRoutesSecret(t *testing.T) {
	shared := strings.Repeat("s", 32)
	r := newRoute(t, func(c *proxy.Config) {
		c.Assertion = proxy.Assertion{Alg: "HS256", Secret: secret.String(shared), Audience: "cocoom", TTL: time.Minute}
	})
	token, err := jwt.Parse(r.assertion(proxy.NewPrincipal(lea, "")), func(*jwt.Token) (any, error) { return []byte(shared), nil },
		jwt.WithValidMethods([]string{"HS256"}), jwt.WithAudience("cocoom"), jwt.WithIssuer(origin))
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := token.Header["kid"]; ok {
		t.Error("a secret has no id")
	}
}

func TestWhatIsUnknownIsNotAsserted(t *testing.T) {
	r := newRoute(t, func(c *proxy.Config) { c.Keys = newKeys(t, "ES256") })
	h := r.headers(proxy.NewPrincipal(policy.Identity{Team: "T1", User: "U1"}, "s"))
	if got := slices.Sorted(maps.Keys(claimsOf(t, h.Get("X-Gateway-Assertion")))); !slices.Equal(got, []string{"aud", "exp", "iat", "iss", "sid", "sub", "team_id"}) {
		t.Errorf("claims %v", got)
	}
	if h["X-Forwarded-Groups"] != nil || h["X-Forwarded-Email"] != nil {
		t.Errorf("headers %v", h)
	}
	h = r.headers(proxy.NewPrincipal(policy.Identity{Team: "T1", User: "U1", Groups: []string{}}, "s"))
	if got, ok := claimsOf(t, h.Get("X-Gateway-Assertion"))["groups"].([]any); !ok || len(got) != 0 {
		t.Errorf("no groups must be an empty list, got %v", got)
	}
	if got := h["X-Forwarded-Groups"]; len(got) != 1 || got[0] != "" {
		t.Errorf("no groups must be an empty header, got %q", got)
	}
}

func TestAssertionIsMintedOnceAndAgain(t *testing.T) {
	keys := proxy.NewKeys()
	old, next := newKey(t, "old", "ES256"), newKey(t, "next", "ES256")
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	now := start
	next.ActiveFrom = start.Add(time.Hour)
	if err := keys.Set("ES256", []proxy.Key{next, old}); err != nil {
		t.Fatal(err)
	}
	settings := func(c *proxy.Config) { c.Keys, c.Now = keys, func() time.Time { return now } }
	r := newRoute(t, settings)
	other := newRoute(t, func(c *proxy.Config) { settings(c); c.Host = "autre.cocoom.com" })
	who := proxy.NewPrincipal(lea, "s")

	first := r.assertion(who)
	now = start.Add(2*time.Minute + 29*time.Second)
	if r.assertion(who) != first {
		t.Error("half of its life was not over")
	}
	now = start.Add(2*time.Minute + 30*time.Second)
	second := r.assertion(who)
	if second == first {
		t.Error("half of its life was over")
	}
	now = start.Add(-time.Second)
	if r.assertion(who) == second {
		t.Error("the clock was set back, so it was minted in the future")
	}
	if got := claimsOf(t, other.assertion(who))["aud"]; got != "autre.cocoom.com" {
		t.Errorf("another route was given an assertion for %v", got)
	}
	if got := claimsOf(t, r.assertion(who))["aud"]; got != host {
		t.Errorf("the route was given an assertion for %v", got)
	}

	kid := func() any {
		token, _, err := jwt.NewParser().ParseUnverified(r.assertion(who), jwt.MapClaims{})
		if err != nil {
			t.Fatal(err)
		}
		return token.Header["kid"]
	}
	if now = next.ActiveFrom.Add(-time.Second); kid() != "old" {
		t.Error("a key that is only announced signed")
	}
	if now = next.ActiveFrom; kid() != "next" {
		t.Error("the key that became active did not sign")
	}
	if err := keys.Set("ES256", []proxy.Key{old}); err != nil {
		t.Fatal(err)
	}
	if kid() != "old" {
		t.Error("an assertion by a key that was withdrawn was sent")
	}
}

func TestConcurrentRequestsShareAnAssertion(t *testing.T) {
	r := newRoute(t, func(c *proxy.Config) { c.Keys = newKeys(t, "ES256") })
	r.sent = make(chan http.Header, 32)
	who := proxy.NewPrincipal(lea, "s")
	var all sync.WaitGroup
	for range cap(r.sent) {
		all.Go(func() {
			r.Serve(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil), proxy.Inbound{Who: who})
		})
	}
	all.Wait()
	first := (<-r.sent).Get("X-Gateway-Assertion")
	for range cap(r.sent) - 1 {
		if got := (<-r.sent).Get("X-Gateway-Assertion"); got != first || got == "" {
			t.Fatal("requests at once had different assertions")
		}
	}
}

func TestKeys(t *testing.T) {
	keys := proxy.NewKeys()
	if got := string(keys.JWKS()); got != `{"keys":[]}` {
		t.Errorf("no keys: %s", got)
	}
	announced := newKey(t, "e2", "ES256")
	announced.ActiveFrom = time.Now().Add(time.Hour)
	for alg, set := range map[string][]proxy.Key{
		"ES256": {newKey(t, "e1", "ES256"), announced}, "EdDSA": {newKey(t, "d1", "EdDSA")}, "RS256": {newKey(t, "r1", "RS256")},
	} {
		if err := keys.Set(alg, set); err != nil {
			t.Fatal(err)
		}
	}
	var published struct{ Keys []map[string]string }
	if err := json.Unmarshal(keys.JWKS(), &published); err != nil {
		t.Fatal(err)
	}
	members := map[string]string{}
	for _, k := range published.Keys {
		members[k["kid"]] = k["kty"] + " " + k["crv"] + " " + strings.Join(slices.Sorted(maps.Keys(k)), ",")
		if k["kty"] == "EC" && (len(k["x"]) != 43 || len(k["y"]) != 43) {
			t.Errorf("coordinates must have their full 32 bytes: %v", k)
		}
	}
	want := map[string]string{
		"e1": "EC P-256 alg,crv,kid,kty,use,x,y", "e2": "EC P-256 alg,crv,kid,kty,use,x,y",
		"d1": "OKP Ed25519 alg,crv,kid,kty,use,x", "r1": "RSA  alg,e,kid,kty,n,use",
	}
	if !maps.Equal(members, want) {
		t.Errorf("published %v, want %v", members, want)
	}

	before := string(keys.JWKS())
	for name, set := range map[string][]proxy.Key{"wrong kind": {newKey(t, "x", "EdDSA")}, "no id": {newKey(t, "", "ES256")}, "no key": {{ID: "x"}}} {
		if err := keys.Set("ES256", set); err == nil || string(keys.JWKS()) != before {
			t.Errorf("%s: error %v, and the keys must stay", name, err)
		}
	}
	if _, err := proxy.GenerateKey("HS256"); err == nil {
		t.Error("there are no key pairs for HS256")
	}
	der, err := proxy.GenerateKey("ES256")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := proxy.ParseKey("x", "RS256", der); err == nil {
		t.Error("an EC key was taken for RSA")
	}
	if _, err := proxy.ParseKey("x", "ES256", []byte("s3cret")); err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("got %v", err)
	}
}
