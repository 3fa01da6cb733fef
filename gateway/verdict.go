package gateway

import (
	"net/http"
	"net/netip"
	"time"

	"github.com/cocoom/cocoom-gateway/policy"
)

// place is what stands at a path of a route.
type place uint8

const (
	atNothing  place = iota // no page of ours, and no app may see the path
	atOwnPages              // the reserved prefix
	atCallback              // where Slack sends people back to
	atApp
)

// place says what stands at a canonical path.
func (rt *Route) place(prefix, path string) place {
	switch {
	case rt.Login != nil && path == rt.callback:
		return atCallback
	case under(prefix, path):
		return atOwnPages
	case rt.Login == nil && rt.Upstream == nil:
		return atNothing
	}
	return atApp
}

// asker is for whom a request is made, as far as that decides about it.
type asker struct {
	who   *policy.Identity // nil: nobody is signed in
	token *serviceToken    // nil: none was presented
	addr  netip.Addr
	now   time.Time
}

// decide is the policy's word on a request to the app, and what follows from
// it: nil to let it pass, errSignIn to ask who it is, or why it is refused.
//
// Maintenance comes last. Who is denied learns that, and nothing else; who
// could pass or sign in is told to come back, rather than sent to Slack for an
// app that is not there.
func (rt *Route) decide(r *http.Request, a asker) (policy.Decision, error) {
	d := rt.Policy.Decide(policy.Request{
		Method: r.Method, Path: r.URL.EscapedPath(), RawQuery: r.URL.RawQuery, Addr: a.addr, ServiceToken: a.token.name(),
	}, a.who)
	switch {
	case d.Verdict == policy.Deny && a.who == nil && a.token == nil && rt.asksForToken(r):
		return d, errTokenNeeded
	case d.Verdict != policy.Allowed && a.token != nil:
		return d, errTokenUse // a person may do more, but there is none to send to Slack
	case d.Verdict == policy.Deny:
		return d, errDenied
	case rt.holds(a):
		return d, rt.Maintenance.refusal(rt, r, a.now)
	case d.Verdict == policy.Login:
		return d, errSignIn
	}
	return d, nil
}
