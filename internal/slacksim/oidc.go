package slacksim

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// idTokenLife is what Slack's sample token shows.
const idTokenLife = 300 * time.Second

// claimPrefix begins the claims that are Slack's own, whatever the issuer.
const claimPrefix = "https://slack.com/"

// userImages are the sizes Slack gives people's pictures in.
func userImages() []string { return []string{"24", "32", "48", "72", "192", "512"} }

// teamImages are the sizes Slack gives workspaces' pictures in.
func teamImages() []string { return []string{"34", "44", "68", "88", "102", "132", "230"} }

// serveDiscovery gives the keys of Slack's own document, no more. Slack's
// sources disagree on response_modes_supported; query is what is used.
func (s *Sim) serveDiscovery(w http.ResponseWriter, _ *http.Request) {
	base := s.cfg.BaseURL
	writeDocument(w, reply{
		"issuer":                                base,
		"authorization_endpoint":                base + "/openid/connect/authorize",
		"token_endpoint":                        base + "/api/openid.connect.token",
		"userinfo_endpoint":                     base + "/api/openid.connect.userInfo",
		"jwks_uri":                              base + "/openid/connect/keys",
		"scopes_supported":                      []string{"openid", "profile", "email"},
		"response_types_supported":              []string{"code"},
		"response_modes_supported":              []string{"query"},
		"grant_types_supported":                 []string{"authorization_code"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"claims_supported":                      []string{"sub", "auth_time", "iss"},
		"claims_parameter_supported":            false,
		"request_parameter_supported":           false,
		"request_uri_parameter_supported":       true,
		"token_endpoint_auth_methods_supported": []string{"client_secret_post", "client_secret_basic"},
	})
}

// writeDocument sends JSON that is no Web API answer.
func writeDocument(w http.ResponseWriter, doc reply) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_ = json.NewEncoder(w).Encode(doc) // fails only when the client is gone
}

// openIDToken is openid.connect.token. Errors come as HTTP 200.
func (s *Sim) openIDToken(c *call) (reply, *apiError) {
	switch c.args["grant_type"] {
	case "", "authorization_code":
	case "refresh_token": // token rotation is off
		return nil, fail("invalid_refresh_token")
	default:
		return nil, fail("unsupported_grant_type")
	}
	g, err := s.redeem(c, login)
	if err != nil {
		return nil, err
	}
	ws := s.workspaces[g.who.team]
	p := ws.people[g.who.user]
	if p == nil || p.Deactivated {
		return nil, fail("account_inactive")
	}
	tok := s.personToken(g.app, g.who, g.scopes)
	idToken, signErr := s.idToken(c, g, ws, p, tok.value)
	if signErr != nil {
		return nil, fail("internal_error")
	}
	out := reply{"access_token": tok.value, "token_type": "Bearer", "id_token": idToken}
	if g.state != "" {
		out["state"] = g.state
	}
	return out, nil
}

func (s *Sim) idToken(c *call, g *grant, ws *workspace, p *Person, access string) (string, error) {
	now := s.cfg.Now()
	sum := sha256.Sum256([]byte(access))
	claims := jwt.MapClaims{
		"iss": s.cfg.BaseURL, "sub": p.ID, "aud": g.app.ClientID,
		"iat": now.Unix(), "exp": now.Add(idTokenLife).Unix(), "auth_time": g.at.Unix(),
		"at_hash":               base64.RawURLEncoding.EncodeToString(sum[:16]),
		claimPrefix + "team_id": ws.ID, claimPrefix + "user_id": p.ID,
	}
	if g.nonce != "" {
		claims["nonce"] = g.nonce
	}
	for k, v := range s.identity(ws, p, g.scopes) {
		claims[k] = v
	}
	if c.forge != nil {
		if forged := c.forge.Forge(claims); forged != "" {
			return forged, nil
		}
	}
	return s.sign(claims)
}

// identity is what the scopes email and profile tell of a person.
func (s *Sim) identity(ws *workspace, p *Person, scopes []string) reply {
	out := reply{}
	for _, scope := range scopes {
		switch scope {
		case "email":
			out["email"] = p.Email
			out["email_verified"] = !p.EmailUnverified
			if !p.EmailUnverified {
				out["date_email_verified"] = 1700000000
			}
		case "profile":
			given, family, _ := strings.Cut(p.Name, " ")
			out["name"], out["given_name"], out["family_name"] = p.Name, given, family
			out["locale"] = p.locale()
			for _, size := range userImages() {
				out[claimPrefix+"user_image_"+size] = s.avatarURL(ws.ID, p.ID)
			}
			for _, size := range teamImages() {
				out[claimPrefix+"team_image_"+size] = s.avatarURL(ws.ID, ws.ID)
			}
			out[claimPrefix+"team_image_default"] = true
		}
	}
	return out
}

// openIDUserInfo is openid.connect.userInfo.
func (s *Sim) openIDUserInfo(c *call) (reply, *apiError) {
	p := c.ws.people[c.tok.user]
	out := s.identity(c.ws, p, c.tok.scopes)
	out["sub"] = p.ID
	out[claimPrefix+"user_id"] = p.ID
	out[claimPrefix+"team_id"] = c.ws.ID
	if c.tok.has("profile") {
		out["picture"] = s.avatarURL(c.ws.ID, p.ID)
		out[claimPrefix+"team_name"] = c.ws.Name
		out[claimPrefix+"team_domain"] = c.ws.Domain
	}
	return out, nil
}

// redeem spends an authorization code. What is wrong with the client is said
// before the code is touched; what is wrong with the code spends it.
func (s *Sim) redeem(c *call, want purpose) (*grant, *apiError) {
	a := s.appByClientID(c.args["client_id"])
	if a == nil {
		return nil, fail("invalid_client_id")
	}
	if subtle.ConstantTimeCompare([]byte(a.ClientSecret), []byte(c.args["client_secret"])) != 1 {
		return nil, fail("bad_client_secret")
	}
	g := s.grants[c.args["code"]]
	if g == nil || g.app != a {
		return nil, fail("invalid_code")
	}
	delete(s.grants, c.args["code"])
	switch {
	case s.cfg.Now().After(g.at.Add(codeLife)):
		return nil, fail("invalid_code")
	case g.purpose != want:
		return nil, fail("oauth_authorization_url_mismatch")
	case g.redirectURI != c.args["redirect_uri"] && (g.redirectURI != "" || g.target != c.args["redirect_uri"]):
		return nil, fail("bad_redirect_uri")
	case g.challenge != "" && !verifies(g.challenge, c.args["code_verifier"]):
		return nil, fail("invalid_code_verifier")
	}
	return g, nil
}

// verifies checks a PKCE verifier; Slack knows S256 only.
func verifies(challenge, verifier string) bool {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:]) == challenge
}
