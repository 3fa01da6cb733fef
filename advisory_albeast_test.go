package main

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// TestAdvisoryALBeast (Miggo, 2024; it has no CVE): applications believed a load
// balancer's identity token of anybody's load balancer, by a key server that all
// shared, without looking who it was for.
func TestAdvisoryALBeast(t *testing.T) {
	t.Parallel()
	s, stranger := besiege(t, nil), besiege(t, nil)
	assertion := func(of *siege, host, cookie string) string {
		of.app.requests()
		of.other.requests()
		if a := of.attack(get(host, "/x", "Cookie: "+cookie+"\r\n")); a == nil || a.StatusCode != 200 {
			t.Fatalf("answered %+v", a)
		}
		return append(of.app.requests(), of.other.requests()...)[0].value("X-Gateway-Assertion")
	}
	marie := s.cookie("U0MARIE")
	own := assertion(s, s.host, marie)
	twin := stranger.cookie("U0MARIE") // her session at another gateway, of the same host and master key
	rival, foreign := assertion(s, s.rival, s.rivalCookie("U0ANNE")), assertion(stranger, stranger.host, twin)
	var none = jwt.NewWithClaims(jwt.SigningMethodNone, jwt.MapClaims{"iss": s.origin, "aud": customers[0].Host, "sub": "U0MARIE"})
	unsigned, err := none.SignedString(jwt.UnsafeAllowNoneSignatureType)
	if err != nil {
		t.Fatal(err)
	}
	var set struct {
		Keys []struct{ Kid, X, Y string }
	}
	if err := json.Unmarshal([]byte(s.attack(get(s.host, "/.gateway/jwks.json", "")).body), &set); err != nil {
		t.Fatal(err)
	}
	believed := func(token string) bool {
		_, err := jwt.Parse(token, func(tok *jwt.Token) (any, error) {
			for _, k := range set.Keys {
				if k.Kid == tok.Header["kid"] {
					return publicKey(t, k.X, k.Y), nil
				}
			}
			return nil, fmt.Errorf("no key %v", tok.Header["kid"])
		}, jwt.WithValidMethods([]string{"ES256"}), jwt.WithAudience(customers[0].Host), jwt.WithIssuer(s.origin), jwt.WithExpirationRequired())
		return err == nil
	}
	tried := tries{}
	for name, token := range map[string]string{"own": own, "the other customer's": rival, "another gateway's": foreign, "unsigned": unsigned} {
		for where, line := range map[string]string{"X-Gateway-Assertion": token, "X_Gateway_Assertion": token, "Authorization": "Bearer " + token, "Cookie": "gw=" + token, "X-Amzn-Oidc-Data": token} {
			tried[name+" in "+where] = try{request: get(s.host, "/x", where+": "+line+"\r\n"), status: 302}
		}
		tried[name+" on a public page"] = try{request: get(s.host, "/public/x", headerLines(token, "X-Gateway-Assertion", "X.Gateway.Assertion", "x-gateway-assertion")), status: 200, arrives: "/public/x", also: s.knows("")}
		tried[name+" for the hook"] = try{request: "POST /.gateway/v1/ping HTTP/1.1\r\nHost: " + s.host + "\r\nContent-Length: 0\r\nAuthorization: Bearer " + token + "\r\n\r\n", status: 401}
	}
	tried["another gateway's session"] = try{request: get(s.host, "/x", "Cookie: "+twin+"\r\n"), status: 302}
	s.row(t, "ALBeast whose assertion it is, and for whom", advisory{
		refused: tried,
		honest: tries{"its own": {request: get(s.host, "/x", "Cookie: "+marie+"\r\nX-Gateway-Assertion: "+foreign+"\r\n"), status: 200, arrives: "/x", also: func(t *testing.T, _ *answer, got recorded) {
			if got.value("X-Gateway-Assertion") != own || !believed(own) {
				t.Error("the app does not believe its own gateway")
			}
		}}},
		forged: tries{"others'": {request: get(s.host, "/admin/secret", "Cookie: "+marie+"\r\nX-Gateway-Assertion: "+own+"\r\n"), status: 403, also: func(t *testing.T, _ *answer, _ recorded) {
			for name, token := range map[string]string{"the other customer's": rival, "another gateway's": foreign, "an unsigned one": unsigned, "a bent one": own[:len(own)-4] + "AAAA"} {
				if token == "" || believed(token) {
					t.Errorf("the app believes %s", name)
				}
			}
		}}},
	})
}
