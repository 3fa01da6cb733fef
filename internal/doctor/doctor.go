package doctor

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cocoom/cocoom-gateway/configs"
	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/internal/slackapi"
	"github.com/cocoom/cocoom-gateway/internal/store"
)

const (
	routesAtOnce = 32
	askTime      = 10 * time.Second // one question to anybody
)

// Config is what an examination needs. What is nil is not looked at, or said to
// be unknown.
type Config struct {
	// Config is the configuration in force, with what managed Slack apps add to it.
	Config *configs.Config
	// Store is open, for reading at least; nil: it could not be opened, and
	// StoreError says why.
	Store      *store.Store
	StoreError error
	// Rings reads the key rings from the store.
	Rings func(ctx context.Context) ([]Ring, error)
	// Answered is Sealer.Answered of these rings.
	Answered func(host, challenge, answer string) bool
	// Running says that the gateway itself asks.
	Running bool
	// Alarms are those of the running gateway.
	Alarms func() []Alarm
	// Pending says which mistakes keep the configuration file from being in force,
	// a line each, and which keys wait for a restart.
	Pending func() (mistakes string, restart []string)
	// Witness is Gateway.Witness.
	Witness func(host string) (told <-chan gateway.Witnessed, stop func(), err error)

	// LookupHost resolves a public host; nil: as this machine does, and names under
	// .localhost to itself, as browsers do (RFC 6761 section 6.3).
	LookupHost func(ctx context.Context, host string) ([]string, error)
	Roots      *x509.CertPool   // that public certificates are checked against; nil: the system's
	Now        func() time.Time // nil: time.Now
}

// Ring is the state of a key ring.
type Ring struct {
	Purpose string
	Since   time.Time // when the key in use came into it
	Next    time.Time // when the next one does, at the latest
}

// Alarm is something that needs an operator.
type Alarm struct {
	Route  string // host; empty: of no route
	Kind   string
	Reason string
	Since  time.Time // zero: not known
}

// Doctor examines. It serves one examination: what it has learnt of a Slack app
// it does not ask again.
type Doctor struct {
	cfg   Config
	plain *http.Client // to Slack, and to the OpenID provider; follows no redirects
	pace  pace
	apps  memo[string, *bot]
	keys  memo[string, *client]
	op    memo[string, *provider]
}

// New makes a Doctor.
func New(cfg Config) *Doctor {
	if cfg.LookupHost == nil {
		cfg.LookupHost = lookupHost
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Doctor{cfg: cfg, plain: &http.Client{
		Timeout:       askTime,
		Transport:     slackapi.Transport(),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func lookupHost(ctx context.Context, host string) ([]string, error) {
	host = strings.Trim(host, "[]")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return []string{"127.0.0.1"}, nil
	}
	return net.DefaultResolver.LookupHost(ctx, host)
}

// Run examines the gateway and the routes of these hosts, or all. It tells what
// it finds through say, one call at a time, the findings about a route one after
// the other. The error is an unknown host, or that ctx has ended.
func (d *Doctor) Run(ctx context.Context, hosts []string, say func(Event)) error {
	routes, err := d.choose(hosts)
	if err != nil {
		return err
	}
	sum := Summary{Routes: len(routes)}
	var mu sync.Mutex
	looked := 0
	tell := func(list []Finding, ofRoute bool) {
		mu.Lock()
		defer mu.Unlock()
		for _, f := range list {
			sum.Add(f)
			say(Event{Finding: &f})
		}
		if ofRoute {
			looked++
			say(Event{Looked: looked, Routes: len(routes)})
		}
	}
	say(Event{Routes: len(routes)})
	tell(d.gateway(ctx, routes), false)
	var group errgroup.Group
	group.SetLimit(routesAtOnce)
	for _, rt := range routes {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error {
			tell(d.route(ctx, rt), true)
			return nil
		})
	}
	_ = group.Wait() // none fails
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("examine: %w", err)
	}
	say(Event{Summary: &sum})
	return nil
}

func (d *Doctor) choose(hosts []string) ([]*configs.Route, error) {
	var routes []*configs.Route
	for i := range d.cfg.Config.Routes {
		rt := &d.cfg.Config.Routes[i]
		if len(hosts) == 0 || slices.Contains(hosts, rt.Host) {
			routes = append(routes, rt)
		}
	}
	for _, host := range hosts {
		if !slices.ContainsFunc(routes, func(rt *configs.Route) bool { return rt.Host == host }) {
			return nil, fmt.Errorf("%w %s", ErrNoRoute, host)
		}
	}
	return routes, nil
}

// route looks at one route: how browsers reach it, its Slack app, and its app.
func (d *Doctor) route(ctx context.Context, rt *configs.Route) []Finding {
	parts := []func(context.Context, *configs.Route, *notes){d.public, d.slackApp, d.upstream}
	found := make([]notes, len(parts))
	var work sync.WaitGroup
	for i, look := range parts {
		found[i].route = rt.Host
		work.Go(func() { look(ctx, rt, &found[i]) })
	}
	work.Wait()
	var all []Finding
	for _, n := range found {
		all = append(all, n.list...)
	}
	return all
}

// gateway looks at what the routes share.
func (d *Doctor) gateway(ctx context.Context, routes []*configs.Route) []Finding {
	var n notes
	d.configuration(&n)
	d.proxies(&n)
	d.disk(&n)
	d.database(ctx, &n)
	d.keyRings(ctx, &n)
	d.leftovers(ctx, &n)
	d.queue(ctx, routes, &n)
	d.alarms(routes, &n)
	d.signIn(ctx, routes, &n)
	return n.list
}

// memo asks once for each key, whoever comes first.
type memo[K comparable, V any] struct {
	mu    sync.Mutex
	known map[K]func() V
}

func (m *memo[K, V]) get(key K, ask func() V) V {
	m.mu.Lock()
	if m.known == nil {
		m.known = map[K]func() V{}
	}
	if m.known[key] == nil {
		m.known[key] = sync.OnceValue(ask)
	}
	answer := m.known[key]
	m.mu.Unlock()
	return answer()
}
