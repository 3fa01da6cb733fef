package notifyhook

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/secret"
)

// configured is a configuration made ready. It never changes but for settled:
// a request, and a claim with all that comes of it, keeps to the one that it
// began with.
type configured struct {
	routes  map[string]*route   // by host
	apps    map[string]*app     // by name
	foreign map[[32]byte]string // which route a bearer token belongs to, by its hash

	// moved names the apps with routes that are new, or were another app's
	// before. What waits for those routes elsewhere is older than what is accepted
	// now: until it was brought over (settled), nothing of these apps is sent.
	moved   map[string]bool
	settled atomic.Bool
}

// routes are those in force.
func (r *Relay) routes() map[string]*route { return r.conf.Load().routes }

// apps are those in force.
func (r *Relay) apps() map[string]*app { return r.conf.Load().apps }

// hosts are those of an app, for the log and alarms; none if it is gone.
func (r *Relay) hosts(name string) []string {
	if a := r.apps()[name]; a != nil {
		return a.hosts
	}
	return nil
}

// isCurrent says whether the app has the bot token that is in force: what Slack
// says of another one is over.
func (r *Relay) isCurrent(a *app) bool {
	now := r.apps()[a.name]
	return now != nil && now.limits == a.limits
}

// configure makes routes ready. What Slack asked an app to wait for goes on for
// its bot token. An app is named by its first host, in every process alike:
// replicas share lanes by that name.
func (r *Relay) configure(routes []Route, apiURL, scheme string) (*configured, error) {
	before := map[secret.String]slackApp{}
	if old := r.conf.Load(); old != nil {
		for _, a := range old.apps {
			before[a.token] = a.slackApp
		}
	}
	c := &configured{routes: map[string]*route{}, apps: map[string]*app{}, foreign: map[[32]byte]string{}, moved: map[string]bool{}}
	byToken := map[secret.String]*app{}
	for _, one := range slices.SortedFunc(slices.Values(routes), func(a, b Route) int { return cmp.Compare(a.Host, b.Host) }) {
		rt, err := newRoute(one, scheme)
		if err != nil {
			return nil, fmt.Errorf("route %s: %w", one.Host, err)
		}
		if c.routes[one.Host] != nil {
			return nil, fmt.Errorf("host %s has two routes", one.Host)
		}
		if rt.app = byToken[one.BotToken]; rt.app == nil || one.BotToken == "" {
			fresh := newSlackApp(one.BotToken, apiURL, r.client, func() time.Time { return r.now() }).counted(r.calls)
			if known, ok := before[one.BotToken]; ok && one.BotToken != "" && known.url == fresh.url {
				fresh = known
			}
			rt.app = &app{slackApp: fresh, conf: c, name: one.Host, first: rt, since: r.now()}
			if old := r.conf.Load(); old != nil && old.apps[one.Host] != nil {
				rt.app.since = old.apps[one.Host].since
			}
			c.apps[one.Host], byToken[one.BotToken] = rt.app, rt.app
		}
		rt.app.hosts = append(rt.app.hosts, one.Host)
		c.routes[one.Host] = rt
		for _, t := range rt.creds.tokens {
			c.foreign[t.sum] = one.Host
		}
	}
	return c, nil
}

// Prepare makes other routes ready, as New did those before, and gives what puts
// them in force, all at once. Requests and deliveries under way end by what they
// began with. Everything that lasts goes on: what waits, the memory of requests
// that came, of recipients, of what Slack asked to wait for, and the alarms of
// routes that stay. What waits for a route that now has another Slack app follows
// it, before anything younger is sent. An error leaves everything as it is.
//
// One at a time may be prepared and applied.
func (r *Relay) Prepare(routes []Route, apiURL, scheme string) (apply func(), err error) {
	next, err := r.configure(routes, apiURL, scheme)
	if err != nil {
		return nil, err
	}
	return func() {
		before := r.conf.Load()
		next.follow(before)
		r.counters.follow(next.routes)
		r.conf.Store(next)
		r.dropChanged(before, next)
		r.alarms.follow(before, next, r.now())
		r.adoption.want()
		r.nudge()
	}, nil
}

// follow finds out what moves from the configuration before.
func (c *configured) follow(before *configured) {
	for host, rt := range c.routes {
		old := before.routes[host]
		if old == nil || old.app.name != rt.app.name || !before.settled.Load() && before.moved[old.app.name] {
			c.moved[rt.app.name] = true
		}
	}
	c.settled.Store(len(c.moved) == 0)
}

// changed reports whether an app of that name has another bot token, or other
// address of Slack, than before.
func (c *configured) changed(name string, before *configured) bool {
	old, now := before.apps[name], c.apps[name]
	return old != nil && (now == nil || now.limits != old.limits)
}

// mustWait says whether nothing of the app may be claimed: it has no token,
// or Slack refuses it, or what is older is still being brought over; or there is no such app.
func (r *Relay) mustWait(c *configured) func(app string) bool {
	return func(app string) bool {
		return c.apps[app] == nil || c.apps[app].absent() || !c.settled.Load() && c.moved[app] || r.alarms.isHeld(app)
	}
}

// dropChanged forgets what Slack told apps that have another token by now. Of
// recipients' names the first part is the app's, and no host has the sign that
// comes behind it.
func (r *Relay) dropChanged(before, next *configured) {
	for _, memory := range []interface {
		Keys() []string
		Remove(string) bool
	}{r.cache, r.said} {
		for _, key := range memory.Keys() {
			end := strings.IndexFunc(key, func(c rune) bool { return c != '.' && c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') })
			if end >= 0 && next.changed(key[:end], before) {
				memory.Remove(key)
			}
		}
	}
}
