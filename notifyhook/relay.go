// Package notifyhook takes notifications from the applications behind the
// gateway, keeps them, and delivers them to Slack: at least once, in order per
// conversation, and marked where Slack may have got one twice.
//
// A notification has one delivery per recipient. A delivery's states:
//
//	           ┌── 429, token refused, plan's limit: not counted ──┐
//	           │┌─ transient · ambiguous* ──────────────────────────┤
//	           ▼▼                                                  │
//	accept ─► queued ──── attempt begun (committed) ──► sending ───┴─► sent: posted; or in the entity's
//	│          │ ▲ ▲                                     │ │ │         message; or merged_into another's
//	│          │ │ └── lease ran out: crashed there* ────┘ │ └─► suppressed: it is its actor's
//	│          │ └──── batch refused: each goes alone ─────┤
//	│          │                                           ▼
//	│          ├──── expired, unreadable ──────────────► dead: recipient gone, content refused twice,
//	│          └──── taken back by the caller ─► cancelled     unknown 5 times, in doubt again
//	└─► suppressed                                         │
//	                                                       └─► if nobody can be reached there: a new
//	                                                           delivery, queued, instead_of this one
//
//	* Slack may have it. Before the repeat its history is asked, by the metadata of
//	  every message: there, it is sent; certainly not there, it is repeated like
//	  any; not to be known, it is marked possible_duplicate and repeated, once.
//
// An address that leads elsewhere by now takes its deliveries along to the other
// lane, still queued. A notification is finished with the last of its
// deliveries; one with a fallback counts by that. [Relay.Replay] makes a new
// notification; history stays as it was.
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
// Whose lanes are claimed is decided by deficit round robin between the Slack
// apps (see shares), so no app's queue delays another's.
//
// Each claim carries a random token, the fence: a holder whose lease ran out
// can write nothing any more.
//
// A finished notification goes, with its deliveries, when its retention is over.
// Whoever is erased takes theirs along before, in whatever state they are.
//
// Where things are, in the order of a notification's way:
//
//	who asks      handler auth address guesses uses problem · inband · hook webhook webapi webapi_ask arguments
//	for what      post batch ping dryrun replay cancel list tell · fields decode request recipient
//	in words      template harden wording format language · content mention split blockkit slackargs
//	kept          accept intake backlog place sql seam
//	whose turn    run survey choose shares · lane merge limits clock
//	with Slack    deliver thread ownts resolve reconcile · slackclient scopes
//	came to       outcome backoff record fallback · alarm alarm_sync held
//	configured    relay config route destination · exchanged: configured settle adopt
//	tidied        house prune · person person_export person_erase
//	told          status statuses reading listing · stats tally open metrics tracing heartbeat
//	              why waiting account advice looking · failures replay_many
package notifyhook

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"github.com/cocoom/cocoom-gateway/internal/secret"
	"github.com/cocoom/cocoom-gateway/internal/slackapi"
	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/throttle"
)

// Config is what a Relay is made of.
type Config struct {
	Routes       []Route
	APIURL       string // of Slack's Web API; empty means slack.com's
	PublicScheme string // how browsers reach the gateway; "http" admits http links to a route's own host
	Store        *store.Store
	Log          *slog.Logger
	Client       *http.Client          // its Transport carries the calls to Slack; nil means slackapi.Transport
	Metrics      prometheus.Registerer // takes what is counted; nil: nothing is
	Throttle     *throttle.Limits      // bounds what strangers try in vain; nil: a new one does
	Tracer       trace.Tracer          // takes spans of acceptances and deliveries; nil: there are none
}

// Relay accepts and delivers the notifications of all routes.
type Relay struct {
	store   *store.Store
	log     *slog.Logger
	client  *http.Client
	conf    atomic.Pointer[configured]
	cache   *lru.Cache[string, remembered]
	said    *lru.Cache[string, remembered] // whole answers of Slack's to callers of the Web API
	stamps  stamps
	uses    uses
	intake  intake
	inBand  chan struct{} // full: no more pages are waited for
	alarms  alarms
	shares  shares
	survey  survey
	pruned  pruning
	wake    chan struct{}
	now     func() time.Time                         // this process's clock: credentials, memory, alarms
	clock   func(context.Context) (time.Time, error) // the one that replicas share: everything in the store
	arrival func(context.Context) (time.Time, error) // the same, read a moment ago: when a request came

	adoption  adoption
	counters  *counters
	calls     *slackapi.Calls
	tracer    trace.Tracer // nil: there are no traces
	beat      heartbeat
	refusals  refusals
	throttle  *throttle.Limits
	large     chan struct{} // full: no more large bodies of strangers are read
	backlogs  backlogs
	lastClaim struct{ now, at time.Time } // when it was, by the store's clock and by this process's
	lastStats lastStats
	onPoint   func(point) // nil but in the test that kills the process
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
	if cfg.Client == nil {
		cfg.Client = &http.Client{Transport: slackapi.Transport()}
	}
	said, err := lru.New[string, remembered](saidSize)
	if err != nil {
		return nil, fmt.Errorf("make cache of answers: %w", err)
	}
	r := &Relay{store: cfg.Store, log: cfg.Log, client: cfg.Client, cache: cache, said: said, tracer: cfg.Tracer,
		intake: intake{turn: make(chan struct{}, 1)}, inBand: make(chan struct{}, maxInBandOpen), alarms: newAlarms(), shares: shares{apps: map[string]*share{}}, wake: make(chan struct{}, 1), adoption: adoption{wanted: make(chan struct{}, 1)}, now: time.Now, clock: cfg.Store.Now, arrival: cfg.Store.RecentNow,
		throttle: cfg.Throttle, large: make(chan struct{}, maxLarge)}
	if r.throttle == nil {
		r.throttle = throttle.New(cfg.Log, nil)
	}
	if r.calls, err = slackapi.NewCalls(cfg.Metrics, cfg.Tracer, "notifications"); err != nil {
		return nil, err
	}
	if r.counters, err = newCounters(r, cfg.Metrics); err != nil {
		return nil, err
	}
	first, err := r.configure(cfg.Routes, cfg.APIURL, cfg.PublicScheme)
	if err != nil {
		return nil, err
	}
	first.settled.Store(true) // Run adopts before it begins
	r.counters.follow(first.routes)
	r.conf.Store(first)
	r.beat.note(time.Now()) // Run is about to begin
	return r, nil
}

// Handler returns the notification API of a route, for paths such as
// /v1/notifications. It takes a request's RemoteAddr for the client's own,
// whatever proxies are before us. Each request is served by the route as it is
// configured when it comes; 404 if the host has no notifications then.
func (r *Relay) Handler(host string) http.Handler {
	all := actions()
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		rt := r.routes()[host]
		if rt == nil {
			(&problem{Status: http.StatusNotFound, Code: "unknown_route", Detail: "no route of this host has notifications"}).Write(w, req)
			return
		}
		endpoint{relay: r, route: rt, actions: all}.ServeHTTP(w, req)
	})
}

func (r *Relay) foreignToken(host string, value secret.String) bool {
	owner, ok := r.conf.Load().foreign[tokenSum(value)]
	return ok && owner != host
}
