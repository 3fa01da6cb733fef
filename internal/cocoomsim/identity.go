package cocoomsim

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
)

// assertionHeader carries the signed assertion.
const assertionHeader = "X-Gateway-Assertion"

// leeway forgives clocks that differ a little.
const leeway = 30 * time.Second

// maxAssertion bounds the assertion's length in bytes.
const maxAssertion = 8 << 10

// What the app thinks of the request's assertion. The words are the CSS class
// and the data-status attribute on the profile page.
const (
	assertionAbsent    = "absent"
	assertionUnchecked = "unchecked" // the tenant has no keys to check with
	assertionValid     = "valid"
	assertionInvalid   = "invalid"
)

// identity is who the app takes a visitor for, and why.
type identity struct {
	Person            // empty Email: nobody
	Known      bool   // Email is one of the tenant's accounts
	Assertion  string // one of the assertion constants
	Reason     string // why the assertion is invalid, in French
	Claims     string // the verified claims, as indented JSON
	GroupNames []string
}

// claims are those the app reads of an assertion.
type claims struct {
	jwt.RegisteredClaims
	TeamID string   `json:"team_id"`
	Email  string   `json:"email"`
	Name   string   `json:"name"`
	Groups []string `json:"groups"`
	SID    string   `json:"sid"`
}

// identify says who sent r. An assertion decides when there is one that the
// tenant can check, and a bad one makes nobody of the visitor, whatever the
// plain headers say. Without one those headers are believed, as legacy apps do.
func (a *App) identify(t *tenant, r *http.Request) identity {
	id := identity{Assertion: assertionAbsent}
	token := r.Header.Get(assertionHeader)
	if token == "" || t.JWKSURL == "" {
		if token != "" {
			id.Assertion = assertionUnchecked
		}
		id.Person = Person{header(r, "X-Forwarded-Email"), header(r, "X-Forwarded-Preferred-Username")}
		id.GroupNames = strings.FieldsFunc(header(r, "X-Forwarded-Groups"), func(c rune) bool { return c == ',' || c == ' ' })
	} else if c, raw, err := a.verify(t, r, token); err != nil {
		id.Assertion, id.Reason = assertionInvalid, explain(err)
		a.log.WarnContext(r.Context(), "assertion refused", "host", t.Host, "error", err)
	} else {
		id.Assertion, id.Claims = assertionValid, raw
		id.Person, id.GroupNames = Person{c.Email, c.Name}, c.Groups
	}
	account, known := t.colleague(id.Email)
	if id.Known = known; id.Name == "" {
		id.Name = account.Name
	}
	return id
}

// errTooLong and errAlgorithm are refusals that golang-jwt has no word for.
var (
	errTooLong   = errors.New("assertion too long")
	errAlgorithm = errors.New("algorithm is not ES256")
)

// verify checks an assertion's signature and claims, and returns the claims
// twice: as read and, for the profile page, as indented JSON.
func (a *App) verify(t *tenant, r *http.Request, token string) (*claims, string, error) {
	if len(token) > maxAssertion {
		return nil, "", errTooLong
	}
	parser := jwt.NewParser(
		jwt.WithValidMethods([]string{jwt.SigningMethodES256.Alg()}),
		jwt.WithIssuer(t.Issuer),
		jwt.WithAudience(t.Audience),
		jwt.WithExpirationRequired(),
		jwt.WithLeeway(leeway),
		jwt.WithTimeFunc(a.now),
	)
	var c claims
	parsed, err := parser.ParseWithClaims(token, &c, func(tok *jwt.Token) (any, error) {
		kid, _ := tok.Header["kid"].(string)
		return t.keys.find(r.Context(), kid, a.now())
	})
	if err != nil {
		if parsed != nil && parsed.Method != nil && parsed.Method.Alg() != jwt.SigningMethodES256.Alg() {
			err = errAlgorithm
		}
		return nil, "", fmt.Errorf("verify assertion: %w", err)
	}
	all := jwt.MapClaims{}
	if _, _, err := parser.ParseUnverified(token, all); err != nil {
		return nil, "", fmt.Errorf("read claims: %w", err)
	}
	raw, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return nil, "", fmt.Errorf("print claims: %w", err)
	}
	return &c, string(raw), nil
}

// explain puts a refusal into words for the profile page.
func explain(err error) string {
	for _, e := range []struct {
		is   error
		text string
	}{
		{errTooLong, "elle est trop longue"},
		{errAlgorithm, "son algorithme n’est pas ES256"},
		{errKeysUnreachable, "les clés publiques sont injoignables"},
		{errUnknownKey, "sa clé est inconnue"},
		{jwt.ErrTokenSignatureInvalid, "sa signature est fausse"},
		{jwt.ErrTokenExpired, "elle a expiré"},
		{jwt.ErrTokenNotValidYet, "elle n’est pas encore valable"},
		{jwt.ErrTokenInvalidIssuer, "son émetteur est un autre"},
		{jwt.ErrTokenInvalidAudience, "elle est destinée à une autre application"},
		{jwt.ErrTokenRequiredClaimMissing, "il lui manque une information obligatoire"},
		{jwt.ErrTokenMalformed, "elle est illisible"},
	} {
		if errors.Is(err, e.is) {
			return e.text
		}
	}
	return "elle n’a pas pu être vérifiée"
}

// header is a request header as text. Apps of this age may be sent
// ISO-8859-1; what is no UTF-8 is read as that.
func header(r *http.Request, name string) string {
	value := r.Header.Get(name)
	if utf8.ValidString(value) {
		return value
	}
	runes := make([]rune, len(value))
	for i := range len(value) {
		runes[i] = rune(value[i])
	}
	return string(runes)
}

// colleague finds one of the tenant's accounts by e-mail address.
func (t *tenant) colleague(email string) (Person, bool) {
	for _, p := range t.People {
		if email != "" && strings.EqualFold(p.Email, email) {
			return p, true
		}
	}
	return Person{}, false
}
