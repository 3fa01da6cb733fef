package gateway

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/cocoom/cocoom-gateway/policy"
)

// Explainer says what a Gateway with the same routes would do with a request,
// by the same code, but without a store, Slack, or the app.
type Explainer struct {
	prefix string
	routes table
}

// NewExplainer takes what Config.Prefix and Config.Routes take; it fails as New
// does when a host stands twice.
func NewExplainer(prefix string, routes []Route) (*Explainer, error) {
	t, err := newTable(routes, prefix)
	if err != nil {
		return nil, err
	}
	return &Explainer{prefix, t}, nil
}

// Question is a request that may never have been made.
type Question struct {
	Host   string // as in a Host header: any case, with or without a port
	Method string
	Target string // path and query, as in a request line

	Who          *policy.Identity // nil: nobody is signed in; Team is set to the route's
	Refused      string           // what KnownPerson.Refused says of Who
	Addr         netip.Addr       // the client's; zero: in no network
	ServiceToken string           // id of the token it presents; empty: none
	Now          time.Time
}

// Explanation is what would happen, and why. Status is that of the answer to a
// page that a person opens, Background that to a program's request; 0 is the app's.
type Explanation struct {
	Route    *Route   // nil: no route has the host
	Path     string   // the one spelling that is matched and forwarded; empty: refused before
	Readings []string // what servers may make of it besides; policy heeds them all
	Decision policy.Decision
	Asked    bool   // whether policy was asked: there is a Decision
	Forward  string // path and query that the app would get; empty: it gets nothing

	Code               string // of the refusal, as in problems and logs; "own_page" and "callback" are no refusals; empty: it passes
	Cause              string // more about the refusal; may be empty
	Status, Background int
}

// Outcome is what a request comes to, in one of four.
type Outcome uint8

// The outcomes. The zero value refuses.
const (
	Refused Outcome = iota // by policy, maintenance, or because it makes no sense
	SignIn                 // somebody has to sign in first
	Own                    // the gateway answers itself
	Passes                 // to the app
)

// Outcome sums the explanation up.
func (e *Explanation) Outcome() Outcome {
	switch e.Code {
	case "":
		return Passes
	case codeOwnPage, codeCallback:
		return Own
	case errSignIn.code:
		return SignIn
	}
	return Refused
}

const (
	codeOwnPage  = "own_page"
	codeCallback = "callback"
)

// Explain answers q. The error says that q is no request at all.
func (ex *Explainer) Explain(q Question) (Explanation, error) {
	u, err := url.ParseRequestURI(q.Target)
	if err != nil || q.Target[0] != '/' {
		return Explanation{}, fmt.Errorf("%q is no path such as /admin/?page=1", q.Target)
	}
	r := &http.Request{Method: q.Method, URL: u, Host: q.Host, Header: http.Header{}}
	e := Explanation{Route: ex.routes.find(q.Host)}
	if !served(q.Method) {
		return e.refused(errUnserved), nil
	}
	if e.Route == nil {
		return e.refused(errUnknownHost), nil
	}
	if r, err = canonical(r, e.Route.EncodedSlash); err != nil {
		return e.refused(errPath.because(err)), nil
	}
	if e.Route.Login != nil && e.Route.Upstream == nil { // in forward auth
		if err := sameMeaning(u, r.URL); err != nil {
			return e.refused(errPath.because(err)), nil
		}
	}
	e.Path = r.URL.EscapedPath()
	e.Readings = policy.OtherReadings(e.Path)
	return ex.explain(e, r, q), nil
}

func (ex *Explainer) explain(e Explanation, r *http.Request, q Question) Explanation {
	rt, kept := e.Route, (*refusal)(nil)
	a := asker{addr: q.Addr, now: q.Now}
	if q.ServiceToken != "" {
		if a.token = rt.tokens.named(q.ServiceToken); a.token == nil {
			return e.refused(errToken)
		}
		if err := rt.admit(a.token, e.Path, ex.prefix, q.Now); err != nil {
			return e.refused(err)
		}
	}
	switch rt.place(ex.prefix, e.Path) {
	case atCallback:
		e.Code = codeCallback
		return e
	case atOwnPages:
		e.Code = codeOwnPage
		return e
	case atNothing:
		return e.refused(errNotFound)
	}
	if q.Who != nil && rt.Login != nil && a.token == nil {
		who := *q.Who
		who.Team = rt.Workspace
		if kept = rt.keepsOut(q); kept == nil {
			a.who = &who
		}
	}
	// As a page first; what a program gets besides may differ.
	r.Header = http.Header{"Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"document"}}
	decision, err := rt.decide(r, a)
	if kept != nil && err == errSignIn {
		return e.refused(kept) // at sign-in
	}
	e.Decision, e.Asked = decision, true
	if err == nil {
		e.Forward = r.URL.RequestURI()
		return e
	}
	e = e.refused(err)
	if err == errSignIn && classOf(r) == navigation {
		e.Status = http.StatusFound // to Slack: askToSignIn
	}
	r.Header = http.Header{}
	_, err = rt.decide(r, a)
	e.Background = asRefusal(err).status
	return e
}

// keepsOut is why the person does not get as far as a session; nil if they do.
func (rt *Route) keepsOut(q Question) *refusal {
	switch {
	case q.Refused == errDeactivated.code:
		return errDeactivated
	case q.Who.Guest && rt.Login.Guests != "allow":
		return errGuest
	case q.Refused == errEmailChanged.code:
		return errEmailChanged
	}
	return nil
}

func (e Explanation) refused(err error) Explanation {
	why := asRefusal(err)
	e.Code, e.Status, e.Background = why.code, why.status, why.status
	if why.cause != nil {
		e.Cause = why.cause.Error()
	}
	return e
}
