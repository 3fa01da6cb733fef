// Package notifyhook takes notifications from the applications behind the
// gateway, keeps them, and delivers them to Slack: at least once, in order per
// conversation, and marked where Slack may have got one twice.
//
// A notification has one delivery per recipient. A delivery's states:
//
//	           ┌──── 429, token refused, plan's limit: not counted ─────┐
//	           │┌─── transient; ambiguous for the first time* ─────────┐│
//	           ▼▼                                                      ││
//	accept ─► queued ──── attempt begun (committed) ──► sending ───────┴┴─► sent
//	           │ ▲                                        │ │ │
//	           │ └── lease ran out: crashed meanwhile* ───┘ │ └─► suppressed (to its actor)
//	           └──── expired, unreadable ────► dead ◄───────┘
//	                                            permanent; unknown 5 times; ambiguous again
//
//	* marked possible_duplicate
//
// What is leased is the lane, the ordered stream of one Slack app to one
// conversation, and only the delivery at its head is sent. A lane whose
// recipient is an e-mail address, a user or a #channel has no conversation yet:
//
//	APP@delivery ──┐ send_at has come
//	APP>marie@… ───┼── claimed, looked up ──► all its deliveries move, in one
//	APP>U02ABC ────┤                          transaction and with their seq, to
//	APP>#ventes ───┘                          APP/D0123, where heads are sent
//
// So an address and the user id behind it meet in one lane, where seq, given
// at the accept under the lane's lock, is the order. While an older delivery of
// the app is looked up for the first time, younger ones of any conversation
// wait for it; a look-up that fails or is throttled holds nobody. A crash at
// any point leaves every delivery in exactly one lane, and that lane due.
//
// Each claim carries a random token, the fence: a holder whose lease ran out
// can write nothing any more.
package notifyhook

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/cocoom/cocoom-gateway/internal/secret"
	"github.com/cocoom/cocoom-gateway/internal/store"
)

const (
	workers   = 16
	pollAlone = time.Second            // besides being woken, and when a lane comes due: for leases that ran out
	pollShare = 250 * time.Millisecond // as well for what other replicas accepted
	pollSoon  = 5 * time.Millisecond
	retryPoll = time.Second // the store is in trouble
	sweep     = 30 * time.Second
	grace     = workLimit // of calls under way when the relay stops
)

// Route is a host with notifications.
type Route struct {
	Host      string // as the gateway routes by: lower case, no port
	Workspace string // Slack team id; may be empty
	BotToken  secret.String
	Settings  Settings
}

// Config is what a Relay is made of.
type Config struct {
	Routes       []Route
	APIURL       string // of Slack's Web API; empty means slack.com's
	PublicScheme string // how browsers reach the gateway; "http" admits http links to a route's own host
	Store        *store.Store
	Log          *slog.Logger
	Client       *http.Client // its Transport carries the calls to Slack; nil means http.DefaultTransport
}

// Relay accepts and delivers the notifications of all routes.
type Relay struct {
	store   *store.Store
	log     *slog.Logger
	routes  map[string]*route
	apps    map[string]*app
	foreign map[[32]byte]string // which route a bearer token belongs to, by its hash
	cache   *lru.Cache[string, remembered]
	intake  intake
	alarms  alarms
	flight  flight
	wake    chan struct{}
	now     func() time.Time                         // this process's clock: credentials, memory, alarms
	clock   func(context.Context) (time.Time, error) // the one that replicas share: everything in the store
	arrival func(context.Context) (time.Time, error) // the same, read a moment ago: when a request came
}

// route is a Route ready to serve.
type route struct {
	host      string
	scheme    string
	linkHosts []string
	creds     credentials
	app       *app
}

// app is a Slack app. Routes with one bot token share it: its lanes, its limits
// and its troubles.
type app struct {
	slackApp
	name  string // the first host of those routes: it outlives a change of the token
	first *route // stands in for routes that are not configured any more
}

// New checks the credentials and makes a relay. It neither connects nor sends
// before Run.
func New(cfg Config) (*Relay, error) {
	// Entries carry their own end; the library's expirable cache would keep a
	// goroutine that nothing stops.
	cache, err := lru.New[string, remembered](cacheSize)
	if err != nil {
		return nil, fmt.Errorf("make recipient cache: %w", err)
	}
	r := &Relay{store: cfg.Store, log: cfg.Log, routes: map[string]*route{}, apps: map[string]*app{}, foreign: map[[32]byte]string{}, cache: cache, intake: intake{turn: make(chan struct{}, 1)},
		alarms: alarms{raised: map[[2]string]Alarm{}, probe: map[string]time.Time{}}, flight: flight{lanes: map[string]int{}},
		wake: make(chan struct{}, 1), now: time.Now, clock: cfg.Store.Now, arrival: cfg.Store.RecentNow}
	byToken := map[secret.String]*app{}
	for _, one := range slices.SortedFunc(slices.Values(cfg.Routes), func(a, b Route) int { return cmp.Compare(a.Host, b.Host) }) {
		creds, err := newCredentials(one.Host, one.Settings)
		if err != nil {
			return nil, fmt.Errorf("route %s: %w", one.Host, err)
		}
		rt := &route{host: one.Host, scheme: cfg.PublicScheme, linkHosts: one.Settings.LinkHosts, creds: creds, app: byToken[one.BotToken]}
		if rt.app == nil || one.BotToken == "" {
			rt.app = &app{slackApp: newSlackApp(one.BotToken, cfg.APIURL, cfg.Client, func() time.Time { return r.now() }), name: one.Host, first: rt}
			r.apps[one.Host], byToken[one.BotToken] = rt.app, rt.app
		}
		r.routes[one.Host] = rt
		for _, t := range creds.tokens {
			r.foreign[t.sum] = one.Host
		}
	}
	return r, nil
}

// Handler returns the notification API of a route, for paths such as
// /v1/notifications, or nil if the host has no notifications.
func (r *Relay) Handler(host string) http.Handler {
	rt := r.routes[host]
	if rt == nil {
		return nil
	}
	return endpoint{relay: r, route: rt}
}

func (r *Relay) foreignToken(host string, value secret.String) bool {
	owner, ok := r.foreign[tokenSum(value)]
	return ok && owner != host
}

// Alarms returns what needs a person, ordered by route.
func (r *Relay) Alarms() []Alarm { return r.alarms.list() }

// Stats are the deliveries of all routes by state.
type Stats struct {
	Queued     int `json:"queued"`
	Sending    int `json:"sending"`
	Sent       int `json:"sent"`
	Dead       int `json:"dead"`
	Cancelled  int `json:"cancelled"`
	Suppressed int `json:"suppressed"`
}

// Stats counts the deliveries. It reads them all, so not for every request.
func (r *Relay) Stats(ctx context.Context) (Stats, error) {
	var s Stats
	rows, err := r.store.Read().QueryContext(ctx, `SELECT state, COUNT(*) FROM delivery GROUP BY state`)
	if err != nil {
		return s, fmt.Errorf("count deliveries: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var state string
		var n int
		if err := rows.Scan(&state, &n); err != nil {
			return s, fmt.Errorf("count deliveries: %w", err)
		}
		switch state {
		case "queued":
			s.Queued = n
		case "sending":
			s.Sending = n
		case "sent":
			s.Sent = n
		case "dead":
			s.Dead = n
		case "cancelled":
			s.Cancelled = n
		case "suppressed":
			s.Suppressed = n
		}
	}
	if err := rows.Err(); err != nil {
		return s, fmt.Errorf("count deliveries: %w", err)
	}
	return s, nil
}

// Run delivers until ctx ends, then gives the calls under way some seconds to
// end, and returns nil when no goroutine of its own is left. An error means
// that it could not begin.
func (r *Relay) Run(ctx context.Context) error {
	if err := r.takeOver(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	calls, abort := context.WithCancel(context.WithoutCancel(ctx))
	defer abort()
	var group sync.WaitGroup
	slots := make(chan struct{}, workers)
	group.Go(func() {
		for ctx.Err() == nil {
			r.keepHouse(ctx)
			wait(ctx, nil, sweep)
		}
	})
	for looked := time.Now(); ctx.Err() == nil; {
		now := time.Now()
		if err := r.followClock(calls, clockStep(looked, now)); err != nil {
			r.log.Error("follow clock failed", "error", err)
		} else {
			looked = now
		}
		wait(ctx, r.wake, r.round(calls, &group, slots))
	}
	ended := make(chan struct{})
	go func() { group.Wait(); close(ended) }()
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C:
		abort()
		<-ended
	}
	return nil
}

// wait returns when ctx ends, when woken, or after the pause.
func wait(ctx context.Context, wake <-chan struct{}, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-wake:
	case <-timer.C:
	}
}

// round claims for all free workers and returns how long to wait for the next.
func (r *Relay) round(ctx context.Context, group *sync.WaitGroup, slots chan struct{}) time.Duration {
	free := cap(slots) - len(slots)
	if free == 0 {
		return pollAlone // a worker that ends wakes us
	}
	claims, err := r.claim(ctx, free)
	if err != nil {
		r.log.Error("claim lanes failed", "error", err)
		return retryPoll
	}
	for _, c := range claims {
		slots <- struct{}{} // never waits: only this goroutine fills it
		r.flight.add(c.app.name, 1)
		group.Go(func() {
			defer func() {
				r.flight.add(c.app.name, -1)
				<-slots
				r.nudge()
			}()
			r.work(ctx, c)
		})
	}
	return r.nextDue(ctx)
}

// nextDue is how long until the next lane comes due by itself.
func (r *Relay) nextDue(ctx context.Context) time.Duration {
	now, err := r.clock(ctx)
	if err != nil {
		return retryPoll
	}
	var due int64
	err = r.store.Read().QueryRowContext(ctx, `SELECT due_at FROM lane WHERE due_at > $1 ORDER BY due_at LIMIT 1`, now.UnixMilli()).Scan(&due)
	longest := pollAlone
	if r.store.Postgres() {
		longest = pollShare
	}
	if err != nil { // none, or a store in trouble, which the next claim tells
		return longest
	}
	return min(max(time.UnixMilli(due).Sub(now), pollSoon), longest)
}

// keepHouse ends what has expired and asks Slack about held routes.
func (r *Relay) keepHouse(ctx context.Context) {
	for {
		n, err := r.expire(ctx)
		if err != nil && ctx.Err() == nil {
			r.log.Error("expire deliveries failed", "error", err)
		}
		if err != nil || n == 0 {
			break
		}
		r.log.Warn("deliveries expired", "count", n)
	}
	r.probe(ctx)
}

// nudge wakes Run; it never waits.
func (r *Relay) nudge() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}
