package proxy

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Identifier writes the headers by which the app of one route knows who is
// signed in. It is safe for concurrent use.
type Identifier struct {
	names   Headers
	charset charset
	signer  *signer
	basic   *Basic
}

// NewIdentifier returns the Identifier of a route. Of cfg it reads all but
// Upstream, Log and Error; the error names every mistake in what it reads.
func NewIdentifier(cfg Config) (*Identifier, error) {
	if err := cfg.validate(false); err != nil {
		return nil, err
	}
	i, err := newIdentifier(cfg)
	if err != nil {
		return nil, fmt.Errorf("build identity headers: %w", err)
	}
	return i, nil
}

func newIdentifier(cfg Config) (*Identifier, error) {
	signer, err := newSigner(cfg)
	if err != nil {
		return nil, err
	}
	i := &Identifier{names: cfg.Headers.withDefaults(), signer: signer, basic: cfg.Login.Basic}
	i.charset.latin1 = i.names.Charset == "iso-8859-1"
	return i, nil
}

// identify says in h who is signed in. What is unknown is left out, as is an
// id or address that cannot be written exactly, since another person's could
// come out the same.
func (i *Identifier) identify(h http.Header, who *Principal, assertion string) {
	id := &who.identity
	h[i.names.Assertion] = []string{assertion}
	exactly := func(name, value string) {
		if value, exact := i.charset.encode(value); exact && value != "" {
			h[name] = []string{value}
		}
	}
	exactly(i.names.User, id.User)
	exactly(i.names.Email, id.Email)
	exactly(i.names.Team, id.Team)
	if name, _ := i.charset.encode(id.Name); name != "" {
		h[i.names.Name] = []string{name}
	}
	if id.Groups != nil {
		h[i.names.Groups] = []string{i.charset.join(id.Groups)}
	}
	if i.basic != nil {
		if user, ok := i.basic.userOf(id, i.charset); ok {
			pair := user + ":" + i.basic.passwordOf(id)
			h["Authorization"] = []string{"Basic " + base64.StdEncoding.EncodeToString([]byte(pair))}
		}
	}
}

// Answer tells another proxy, which carries a request to the app itself, what
// the app is to receive: in answer it sets, under the names of request headers,
// those of the identity, Cookie without the gateway's own, and Authorization.
// request holds the headers that the client sent, without what the gateway has
// taken for itself, such as a service token; a nil who is nobody.
//
// Every header is set, to the empty string where there is nothing to say: what
// the proxy copies must take the place of what the client sent under that name.
// So, unlike behind Serve, unknown groups look like none; the assertion tells.
func (i *Identifier) Answer(answer, request http.Header, who *Principal) error {
	for _, n := range i.names.names() {
		answer[n.name] = []string{""}
	}
	answer["Authorization"] = []string{""}
	if given := request["Authorization"]; len(given) == 1 && i.basic == nil {
		answer["Authorization"] = []string{given[0]}
	}
	cookies := http.Header{"Cookie": slices.Clone(request["Cookie"])}
	stripOwnCookies(cookies)
	answer["Cookie"] = []string{strings.Join(cookies["Cookie"], "; ")}
	if who.isNobody() {
		return nil
	}
	assertion, err := who.assertionFor(i.signer)
	if err != nil {
		return err
	}
	i.identify(answer, who, assertion)
	return nil
}
