package gateway

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cocoom/cocoom-gateway/policy"
)

const (
	// sweepEvery is how soon a stream ends whose session is over by itself. One
	// whose session is revoked is ended at once.
	sweepEvery = time.Second
	// longAnswer is how long an answer must have been under way to be cut when
	// its session is over. Shorter ones may end: the next request is refused.
	longAnswer = time.Second

	liveShards = 16
)

// live are the exchanges that the app answers, under way, so that those which
// last can be ended with their session, or their route, or when the gateway
// stops. The list runs through the exchanges themselves: joining it costs a
// request two locks and no allocation.
type live [liveShards]liveShard

type liveShard struct {
	mu    sync.Mutex
	first *exchange
}

// shard is where an exchange is. Its id is random.
func (l *live) shard(x *exchange) *liveShard { return &l[(x.id[0]^x.id[1]<<2)%liveShards] }

// stream is an exchange's place in live, and what it takes to end it.
type stream struct {
	next, prev *exchange
	now        func() time.Time // nil: the exchange is not in live
	answering  atomic.Int64     // when the answer began, Unix ms; 0: it has not
	socket     atomic.Pointer[socket]
	hangUp     context.CancelFunc // lets go of the app; only for upgrades
	cut        bool               // the answer was broken off
	asked      *http.Request      // what it is the answer to
	judged     judgment           // by what it was last decided about
}

// judgment is what a decision about an exchange was made by, besides the request.
type judgment struct {
	of *facts // what was known of the person
	by *Route // as it was configured
}

// carry serves an exchange that is allowed, through serve, within live.
func (l *live) carry(x *exchange, r *http.Request, now func() time.Time, serve func(r *http.Request)) {
	if wantsWebSocket(r) {
		ctx, hangUp := context.WithCancel(r.Context())
		defer hangUp()
		x.stream.hangUp, r = hangUp, r.WithContext(ctx)
	}
	x.stream.asked, x.stream.judged.by = r, x.route
	l.enter(x, now)
	defer l.leave(x)
	serve(r)
}

func (l *live) enter(x *exchange, now func() time.Time) {
	shard := l.shard(x)
	x.stream.now = now
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if x.stream.next = shard.first; x.stream.next != nil {
		x.stream.next.stream.prev = x
	}
	shard.first = x
}

// leave breaks off an answer that was cut, so that nothing more is done on its
// connection.
func (l *live) leave(x *exchange) {
	shard := l.shard(x)
	shard.mu.Lock()
	if x.stream.next != nil {
		x.stream.next.stream.prev = x.stream.prev
	}
	if x.stream.prev != nil {
		x.stream.prev.stream.next = x.stream.next
	} else {
		shard.first = x.stream.next
	}
	cut := x.stream.cut
	shard.mu.Unlock()
	if cut {
		panic(http.ErrAbortHandler)
	}
}

// each calls f with every exchange in l. None can leave meanwhile, so f must be
// quick.
func (l *live) each(f func(*exchange)) {
	for i := range l {
		shard := &l[i]
		shard.mu.Lock()
		for x := shard.first; x != nil; x = x.stream.next {
			f(x)
		}
		shard.mu.Unlock()
	}
}

// lasts reports whether an exchange is a WebSocket, or an answer that takes its
// time: an event stream, a long download.
func (x *exchange) lasts(now time.Time) bool {
	begun := x.stream.answering.Load()
	return x.stream.socket.Load() != nil || begun != 0 && now.UnixMilli()-begun >= longAnswer.Milliseconds()
}

// answers notes that the answer has begun.
func (s *stream) answers() {
	if s.now != nil {
		s.answering.Store(s.now().UnixMilli())
	}
}

// end breaks off an exchange whose session is over, and reports whether it had not
// been yet; it must be in live, and is called by live.each alone. A WebSocket gets a close
// frame. For other answers there is no such word: with deadlines that have
// passed, reading and writing fail, and net/http gives the connection, or the
// stream of HTTP/2, up.
func (x *exchange) end() bool {
	if socket := x.stream.socket.Load(); socket != nil {
		return socket.end(sessionEnded, x.stream.hangUp)
	}
	first := !x.stream.cut
	x.stream.cut = true
	control, past := http.NewResponseController(x.ResponseWriter), time.Unix(1, 0)
	// An error means that the connection is gone, or that it is a test's.
	_ = control.SetWriteDeadline(past)
	_ = control.SetReadDeadline(past)
	return first
}

// endStreams ends what lasts and belongs to a session that is over, is no longer
// for its person, or would be refused as the route is configured now, and every
// WebSocket once the gateway stops. Who has no session is told the same as they
// would be if it had ended: to come back helps nobody.
func (g *Gateway) endStreams() {
	now, ended := g.cfg.Now(), 0
	g.live.each(func(x *exchange) {
		if x.lasts(now) && !g.mayGoOn(x, now) && x.end() {
			ended++
		}
		if g.stopping.Err() != nil {
			x.goAway()
		}
	})
	if ended > 0 {
		g.cfg.Log.Info("streams of ended sessions, or of routes that changed, are closed", "streams", ended)
	}
}

// mayGoOn reports whether an exchange may still have what it carries, by what is
// configured and known now: who leaves a usergroup would otherwise go on to see
// what is only for its members. x must be in live, and is looked at by live.each
// alone.
func (g *Gateway) mayGoOn(x *exchange, now time.Time) bool {
	rt, ss := g.routes()[x.route.Host], x.session
	if rt == nil {
		return false // what it belongs to is gone
	}
	by := judgment{by: rt}
	if ss != nil && rt.Login != nil {
		if g.sessions.over(rt, ss, now) {
			return false
		}
		o := g.sessions.opened(rt, ss)
		if o.keptOut(rt, now, rt.conf.times.MaxStale) != nil {
			return false
		}
		by.of = o.known()
	}
	if by == x.stream.judged {
		return true
	}
	x.stream.judged = by
	return g.allowsAnew(x, by, now)
}

// allowsAnew decides about the request again.
func (g *Gateway) allowsAnew(x *exchange, by judgment, now time.Time) bool {
	a := asker{addr: x.client, now: now}
	switch ss := x.session; {
	case x.token != nil:
		if a.token = by.by.tokens.sameAs(x.token, x.route.tokens); a.token == nil ||
			by.by.admit(a.token, x.stream.asked.URL.EscapedPath(), g.cfg.Prefix, now) != nil {
			return false
		}
	case by.of != nil:
		a.who = new(by.of.identity(ss.identity.Team, ss.identity.User))
	case by.by.Login != nil:
		a.who = ss.who()
	}
	d, _ := by.by.decide(x.stream.asked, a)
	return d.Verdict == policy.Allowed
}

// sweep ends streams with their sessions until ctx ends: at once when sessions
// are revoked, and every so often, since sessions end by themselves, too.
func (g *Gateway) sweep(ctx context.Context, _ *slog.Logger) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-g.sessions.revoked.changed:
		}
		g.endStreams()
	}
}
