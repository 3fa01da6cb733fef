package gateway

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/throttle"
)

// ClientLimits bounds what one client may do that mostly strangers do in vain. A
// client is an IPv4 address or an IPv6 network of 64 bits, as trusted proxies
// name it, or a browser that has been signed in to the route before.
type ClientLimits struct {
	// Logins is how many sign-ins a client may begin on a route, a minute, and
	// twice as many at once; those that succeed do not count. Of 300 people behind
	// one address each may come with four tabs in the same moment. 0 means 600.
	Logins int `yaml:"logins"`
}

const defaultLogins = 600

// maxLogins is far above what one gateway could answer.
const maxLogins = 1_000_000

// Validate reports every mistake in l with its key.
func (l ClientLimits) Validate(report func(key, text string)) {
	if l.Logins < 0 || l.Logins > 0 && l.Logins < 10 || l.Logins > maxLogins {
		report("logins", fmt.Sprintf("must lie between 10 and %d sign-ins a minute; one person may need several", maxLogins))
	}
}

// logins is what a client may begin of them.
func (l ClientLimits) logins() throttle.Budget {
	if l.Logins == 0 {
		l.Logins = defaultLogins
	}
	return throttle.Budget{Burst: 2 * l.Logins, PerMinute: l.Logins}
}

// What is counted, by client and route. Credentials are looked at first and only
// failures are counted, so that what is good passes however many failed behind
// the same address.
const (
	countLogins     = "logins"         // begun; given back when they end in a session
	countCallbacks  = "callbacks"      // without a state of ours
	countExchanges  = "exchanges"      // of codes that Slack does not know
	countNetworks   = "networks"       // where such codes came from
	countTokens     = "service_tokens" // unknown ones
	countLinks      = "links"          // of set-up and break-glass that are none
	countSignatures = "signatures"     // of events that are not Slack's
	countLines      = "log_lines"      // of the access log, about strangers who got nowhere
)

var (
	failureBudget = throttle.Budget{Burst: 120, PerMinute: 60} // guesses: who mistypes has plenty
	linkBudget    = throttle.Budget{Burst: 30, PerMinute: 30}  // each costs a look at the store
	lineBudget    = throttle.Budget{Burst: 2000, PerMinute: 1000}
)

// maxSuspects is how many look at the store at once, of all routes, for links of
// clients who have guessed too often.
const maxSuspects = 4

// client is who signs in, as limits count them: the browser, if it holds a
// session cookie of the route, even of a session that is over, else the address.
// So whoever has been in before is not kept out by strangers behind the same
// address, were it a proxy's that stands for all the world.
func (g *Gateway) client(x *exchange, r *http.Request) (who throttle.Who, known bool) {
	if ss := g.sessions.read(x.route, r); ss != nil {
		return throttle.Who("session " + ss.sum.String()), true
	}
	return throttle.From(x.client), false
}

// heldBack gives the refusal with how long to wait.
func (r refusal) heldBack(what string, wait time.Duration) *refusal {
	r.retry = strconv.Itoa(int(wait / time.Second))
	return r.because(fmt.Errorf("%s of this client", what))
}

// failed counts a failure of a client, and gives err, or, to who has failed too
// often, that.
func (g *Gateway) failed(x *exchange, what string, budget throttle.Budget, err error) error {
	k := throttle.Key{What: what, Route: x.route.Host, Who: throttle.From(x.client)}
	if wait := g.cfg.Throttle.Take(k, budget); wait > 0 {
		return errTooManyFailures.heldBack(what, wait)
	}
	return err
}

// begins counts a sign-in that is about to begin; nil: it may.
func (g *Gateway) begins(x *exchange, r *http.Request) *refusal {
	who, _ := g.client(x, r)
	wait := g.cfg.Throttle.Take(throttle.Key{What: countLogins, Route: x.route.Host, Who: who}, x.conf.limits.logins())
	if wait > 0 {
		return errTooManySignIns.heldBack(countLogins, wait)
	}
	return nil
}

// succeeds gives a sign-in back that was not in vain. It is asked before the
// browser gets its new session.
func (g *Gateway) succeeds(x *exchange, r *http.Request) {
	who, _ := g.client(x, r)
	g.cfg.Throttle.GiveBack(throttle.Key{What: countLogins, Route: x.route.Host, Who: who}, x.conf.limits.logins())
}

// linkKey is how long the keys of links are: 32 bytes in base64url.
const linkKey = 43

// mayLookUp lets a client have the store looked at for a link, until leave is
// called; the refusal says why not. Who has guessed too often has to share with
// others like them, rather than be refused: their link may be good.
func (g *Gateway) mayLookUp(x *exchange) (leave func(), no *refusal) {
	k := throttle.Key{What: countLinks, Route: x.route.Host, Who: throttle.From(x.client)}
	if !g.cfg.Throttle.Spent(k, linkBudget) {
		return func() {}, nil
	}
	if leave = g.gate.Enter(countLinks, maxSuspects); leave == nil {
		return nil, errTooManyFailures.heldBack(countLinks, max(g.cfg.Throttle.Take(k, linkBudget), time.Second))
	}
	return leave, nil
}

// told reports whether an exchange gets its line in the access log: all do but
// those of strangers who got nowhere, of which one client has a bounded number
// however many it makes.
func (g *Gateway) told(x *exchange) bool {
	if x.session != nil || x.token != nil || !x.trip.Sent.IsZero() || x.status < 300 && x.status != 0 {
		return true
	}
	return g.cfg.Throttle.Take(throttle.Key{What: countLines, Who: throttle.From(x.client)}, lineBudget) == 0
}

// floods are the alarms of routes where many are being held back.
func (g *Gateway) floods(routes table) (list []Alarm) {
	for _, f := range g.cfg.Throttle.Floods() {
		if f.Route == "" || routes[f.Route] != nil {
			list = append(list, Alarm{Route: f.Route, Kind: alarmFlood, Reason: f.What, Since: f.Since})
		}
	}
	return list
}

// alarmFlood is the kind of those alarms.
const alarmFlood = "flood"
