package gateway

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/cocoom/cocoom-gateway/internal/slackapi"
)

// What is checked of an OpenID provider's answers before go-oidc and x/oauth2
// work with them, and what these leave to us.

const (
	// maxJWT is the bytes of a signed token: Slack's have 2 KiB, those of providers
	// that list hundreds of groups 20.
	maxJWT = 32 << 10
	// maxSignature is that of an RSA key of 8192 bits, the largest that crypto/tls
	// takes too. A key that fills an answer keeps a processor busy for the better
	// part of an hour, and nothing can interrupt it.
	maxSignature = 8192 / 8
	// maxKeyPart is each number of a key, in base64 and with its quotes.
	maxKeyPart = (maxSignature+2)/3*4 + 2
)

// areModestKeys reports whether no number of a JWK is too large to reckon with. An
// answer that is no key set is go-oidc's to refuse.
func areModestKeys(raw []byte) bool {
	var set struct {
		Keys []map[string]json.RawMessage `json:"keys"` // by the very names: a JWK's are not folded
	}
	_ = json.Unmarshal(raw, &set) // what is of another type than expected leaves the others to look at
	for _, key := range set.Keys {
		for name, part := range key {
			if name != "x5c" && len(part) > maxKeyPart { // certificates are not reckoned with
				return false
			}
		}
	}
	return true
}

// isModestJWT reports whether a JWT can be verified in a moment, whatever the key.
// What has a brace is in the other form of JWS (RFC 7515 section 7.2), which no ID
// token has and go-jose would read.
func isModestJWT(raw string) bool {
	signature := raw[strings.LastIndexByte(raw, '.')+1:]
	return len(raw) <= maxJWT && !strings.Contains(raw, "{") && len(signature) <= base64.RawURLEncoding.EncodedLen(maxSignature)
}

// bounded cuts answers off.
type bounded struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.next.RoundTrip(r)
	if err == nil {
		resp.Body = slackapi.Bounded(resp.Body)
	}
	return resp, err
}

// documents carries what go-oidc asks for: the discovery document, keys and
// userInfo.
type documents struct{ next http.RoundTripper }

// RoundTrip takes the body from every answer but 200: go-oidc puts it into its
// errors, and error pages of proxies repeat the request, with the token in it. Keys,
// and a signed userInfo, must be such as one can reckon with.
func (d documents) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := d.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		resp.Body, resp.Status = http.NoBody, fmt.Sprintf("answered %d", resp.StatusCode)
		return resp, nil
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch {
	case err != nil:
	case kind == "application/jwt" && !isModestJWT(string(raw)):
		err = errors.New("signed answer is too large")
	case !areModestKeys(raw):
		err = errors.New("a key is too large")
	}
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(raw))
	return resp, nil
}

// metadata is what the discovery document says that go-oidc does not check
// (OpenID Connect Discovery 1.0 section 3).
type metadata struct {
	Authorization string   `json:"authorization_endpoint"`
	Token         string   `json:"token_endpoint"`
	UserInfo      string   `json:"userinfo_endpoint"` // may be missing
	Keys          string   `json:"jwks_uri"`
	AuthMethods   []string `json:"token_endpoint_auth_methods_supported"`
}

// check refuses endpoints that are none, and those that would take client secrets,
// tokens and signing keys out of TLS.
func (m metadata) check(issuer string) error {
	for _, one := range []struct{ name, address string }{
		{"authorization_endpoint", m.Authorization}, {"token_endpoint", m.Token}, {"jwks_uri", m.Keys}, {"userinfo_endpoint", m.UserInfo},
	} {
		if one.address == "" && one.name == "userinfo_endpoint" {
			continue
		}
		u, err := url.Parse(one.address)
		switch {
		case err != nil, u.Host == "", u.User != nil, u.Scheme != "https" && u.Scheme != "http":
			return fmt.Errorf("its %s is no address", one.name)
		case u.Scheme == "http" && strings.HasPrefix(issuer, "https:"):
			return fmt.Errorf("its %s is not https", one.name)
		}
	}
	return nil
}

// isFor reports whether an ID token is meant for this client: for nobody else
// besides, unless it says that we are who asked for it (OpenID Connect Core 1.0
// section 3.1.3.7, 3 to 5).
func (c *claims) isFor(client string, audience []string) bool {
	return c.Authorized == client || c.Authorized == "" && len(audience) == 1
}
