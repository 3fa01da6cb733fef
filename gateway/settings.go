package gateway

import (
	"net/netip"
	"sync/atomic"
)

// Settings are what a configuration says and Prepare can exchange while the
// gateway serves.
type Settings struct {
	Routes         []Route
	TrustedProxies []netip.Prefix // peers whose X-Forwarded-For is believed; empty: nobody
	Slack          Slack
	Session        SessionTimes
	Limits         ClientLimits
}

// configured is a configuration made ready. It never changes: each exchange
// takes the one in force when it begins, and keeps it until it has ended, so
// that no request is decided by half of one and half of another.
type configured struct {
	routes   table
	peers    trust
	times    SessionTimes // with defaults
	limits   ClientLimits
	apiURL   string // of Slack's Web API
	provider *provider
}

// inForce is the configuration that holds now. What works beside the requests
// asks it anew each time.
type inForce struct{ atomic.Pointer[configured] }

func (f *inForce) routes() table       { return f.Load().routes }
func (f *inForce) times() SessionTimes { return f.Load().times }

// routes are those of the configuration in force, for what is asked outside an
// exchange.
func (g *Gateway) routes() table { return g.conf.routes() }

// configure makes settings ready. What was discovered about the OpenID provider
// is kept while that is the same one.
func (g *Gateway) configure(s Settings) (*configured, error) {
	at := s.Slack.WithDefaults()
	c := &configured{peers: trust(s.TrustedProxies), times: s.Session.withDefaults(), limits: s.Limits, apiURL: at.APIURL}
	if before := g.conf.Load(); before != nil && before.provider.issuer == at.Issuer {
		c.provider = before.provider
	} else {
		c.provider = newProvider(at.Issuer, g.cfg.Now)
		c.provider.calls = g.calls
	}
	var err error
	if c.routes, err = newTable(s.Routes, g.cfg.Prefix); err != nil {
		return nil, err
	}
	for _, rt := range c.routes {
		rt.conf = c
	}
	return c, nil
}

// Prepare makes other settings ready, and gives what puts them in force: from
// then on new requests see them, all of them at once. Those under way end by what
// they began with; of what lasts (WebSockets, event streams, downloads), that
// which the new settings would refuse, or whose route is gone, is ended.
//
// The error, for a host that stands twice or what New would refuse of a route,
// leaves everything as it is. What lasts beyond a configuration (sessions,
// revocations, what is known of people, forms, sign-ins under way) goes on.
// One at a time may be prepared and applied.
func (g *Gateway) Prepare(s Settings) (apply func(), err error) {
	next, err := g.configure(s)
	if err != nil {
		return nil, err
	}
	return func() {
		g.counters.follow(next.routes)
		g.conf.Store(next)
		g.people.settle(next.routes)
		g.endStreams()
	}, nil
}

// settle drops what is remembered of routes that are gone.
func (p *people) settle(routes table) {
	p.alarms.keep(routes)
	p.groups.keep(routes)
	p.rechecks.keep(routes)
}
