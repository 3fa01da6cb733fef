package gateway

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"
)

const (
	// botPace is between two questions of one route, of all its replicas
	// together: users.info may be called 100 times a minute.
	botPace = time.Second
	// asksAtOnce bounds the routes that ask Slack at the same time, so that a
	// Slack that hangs holds few connections.
	asksAtOnce = 16
	// uncheckedAlarm is for how long nobody may have been asked about before an
	// operator is told.
	uncheckedAlarm = time.Hour
	// reportsAtOnce bounds what is written in one transaction.
	reportsAtOnce = 100
)

// rechecks is the state of asking about everybody who has a session, every
// askEvery: whose turn it is lies in the store (person.ask_at), so that any
// replica may ask, and only one does.
type rechecks struct {
	mu       *sync.Mutex
	busy     map[string]bool     // routes that this process asks about now
	listings map[string]*listing // routes whose people are being listed instead
	listed   map[string]time.Time
	hurried  chan personKey // people whom a stale answer keeps out at this moment
	asking   *sync.WaitGroup

	listAbove int // 0: the constant; tests have fewer people
}

func newRechecks() rechecks {
	return rechecks{mu: new(sync.Mutex), busy: map[string]bool{}, listings: map[string]*listing{}, listed: map[string]time.Time{},
		hurried: make(chan personKey, 256), asking: new(sync.WaitGroup)}
}

// keep forgets other routes than these, but for those that are being asked now.
func (r *rechecks) keep(routes table) {
	r.mu.Lock()
	defer r.mu.Unlock()
	gone := func(host string) bool { return routes[host] == nil }
	maps.DeleteFunc(r.listings, func(host string, _ *listing) bool { return gone(host) })
	maps.DeleteFunc(r.listed, func(host string, _ time.Time) bool { return gone(host) })
}

// keepFresh asks about people until ctx ends.
func (p *people) keepFresh(ctx context.Context, log *slog.Logger) {
	failing := false
	every(ctx, time.Second, func() {
		err := p.recheckDue(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			log.Error("people cannot be checked", "error", err)
		}
		failing = err != nil
	})
	p.rechecks.asking.Wait()
}

// hurry puts somebody first in the line.
func (p *people) hurry(key personKey) {
	select {
	case p.rechecks.hurried <- key:
	default: // enough others are before them
	}
}

// recheckDue lets every route with somebody whose turn has come ask once. It does
// not wait for Slack.
func (p *people) recheckDue(ctx context.Context) error {
	if err := p.letForward(ctx); err != nil {
		return err
	}
	due, err := p.due(ctx)
	if err != nil {
		return err
	}
	for _, rt := range due {
		p.start(rt, func() { p.recheck(ctx, rt) })
	}
	for _, rt := range p.conf.routes() {
		if rt.Login != nil && rt.asksGroups() && p.groups.isOld(rt) {
			p.start(rt, func() {
				if err := p.groups.spread(ctx, rt); err != nil && ctx.Err() == nil {
					p.log.Error("usergroups cannot be written down", "route", rt.Host, "error", err)
				}
			})
		}
	}
	return nil
}

// start runs f unless the route is busy or too many are: then it is for the
// next time.
func (p *people) start(rt *Route, f func()) {
	p.rechecks.mu.Lock()
	defer p.rechecks.mu.Unlock()
	if p.rechecks.busy[rt.Host] || len(p.rechecks.busy) >= asksAtOnce {
		return
	}
	p.rechecks.busy[rt.Host] = true
	p.rechecks.asking.Go(func() {
		defer func() {
			p.rechecks.mu.Lock()
			defer p.rechecks.mu.Unlock()
			delete(p.rechecks.busy, rt.Host)
		}()
		f()
	})
}

// letForward makes it the turn of those who are kept out until Slack is asked:
// behind whose turn it is already, or one about whom no answer can be read would
// hold up the others for as long as they try again.
func (p *people) letForward(ctx context.Context) error {
	var keys []personKey
	for len(p.rechecks.hurried) > 0 {
		keys = append(keys, <-p.rechecks.hurried)
	}
	if len(keys) == 0 {
		return nil
	}
	now := p.now().UnixMilli()
	return p.store.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		for _, k := range keys {
			if _, err := tx.ExecContext(ctx, `UPDATE person SET ask_at = $4 WHERE route = $1 AND team = $2 AND user_id = $3 AND ask_at > $4`,
				k.route, k.team, k.user, now); err != nil {
				return err
			}
		}
		return nil
	})
}

// due lists the routes where it is somebody's turn, who has waited longest
// first, and those that are being listed.
func (p *people) due(ctx context.Context) ([]*Route, error) {
	ctx, cancel := context.WithTimeout(ctx, pollTime)
	defer cancel()
	rows, err := p.store.Read().QueryContext(ctx, `SELECT p.route FROM person p LEFT JOIN upkeep u ON u.route = p.route
		WHERE p.ask_at <= $1 AND (u.not_before IS NULL OR u.not_before <= $1) GROUP BY p.route ORDER BY min(p.ask_at)`, p.now().UnixMilli())
	if err != nil {
		return nil, fmt.Errorf("list whose turn it is: %w", err)
	}
	defer rows.Close()
	routes := p.conf.routes()
	var due []*Route
	for rows.Next() {
		var host string
		if err := rows.Scan(&host); err != nil {
			return nil, err
		}
		if rt := routes[host]; rt != nil && rt.Login != nil {
			due = append(due, rt)
		}
	}
	p.rechecks.mu.Lock()
	defer p.rechecks.mu.Unlock()
	for host := range p.rechecks.listings {
		if rt := routes[host]; rt != nil {
			due = append(due, rt)
		}
	}
	return due, rows.Err()
}

// turn is what one route asks now.
type turn struct {
	who  *personRow // nil: nobody, or everybody
	list int        // so many wait that all are listed; 0: they are not
}

// claim takes the route's turn, which no other replica then has, and the person
// who has waited longest. Who has no session left is not asked about any more.
func (p *people) claim(ctx context.Context, rt *Route) (t turn, err error) {
	pace := botPace
	if rt.SlackApp.BotToken == "" {
		pace = tokenPace
	}
	err = p.store.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		t = turn{}
		now := p.now().UnixMilli()
		took, err := tx.ExecContext(ctx, `INSERT INTO upkeep (route, not_before) VALUES ($1, $2)
			ON CONFLICT (route) DO UPDATE SET not_before = excluded.not_before WHERE upkeep.not_before <= $3`, rt.Host, now+pace.Milliseconds(), now)
		if err != nil {
			return err
		}
		if n, err := took.RowsAffected(); err != nil || n == 0 {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE person SET ask_at = NULL WHERE route = $1 AND ask_at <= $2 AND NOT EXISTS (
			SELECT 1 FROM session s WHERE s.route = person.route AND s.team = person.team AND s.user_id = person.user_id AND s.expires_at > $2)`, rt.Host, now)
		if err != nil {
			return err
		}
		var waiting int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM person WHERE route = $1 AND ask_at <= $2`, rt.Host, now).Scan(&waiting); err != nil || waiting == 0 {
			return err
		}
		if waiting > p.listAbove() && p.mayList(rt) {
			t.list = waiting
			return nil
		}
		if t.who, err = scanPerson(tx.QueryRowContext(ctx, `SELECT `+personColumns+` FROM person WHERE route = $1 AND ask_at <= $2 ORDER BY ask_at LIMIT 1`, rt.Host, now)); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE person SET ask_at = $4 WHERE route = $1 AND team = $2 AND user_id = $3`,
			t.who.key.route, t.who.key.team, t.who.key.user, now+askEvery.Milliseconds())
		return err
	})
	return t, err
}

// recheck takes the route's turn, if it is free.
func (p *people) recheck(ctx context.Context, rt *Route) {
	if p.goOnListing(ctx, rt) {
		return
	}
	t, err := p.claim(ctx, rt)
	switch {
	case err != nil:
	case t.list > 0:
		p.beginListing(ctx, rt, t.list)
	case t.who != nil:
		err = p.recheckOne(ctx, rt, t.who)
	}
	if err != nil && ctx.Err() == nil {
		p.log.Error("a person cannot be checked", "route", rt.Host, "error", err)
	}
}

// recheckOne asks about one person and writes the answer down. The error is one
// of the store; trouble with Slack raises an alarm and lets the route wait.
func (p *people) recheckOne(ctx context.Context, rt *Route, who *personRow) error {
	asked, err := p.store.Now(ctx)
	if err != nil {
		return err
	}
	r := report{key: who.key, asked: asked.UnixMilli()}
	if rt.SlackApp.BotToken == "" {
		if r, err = p.recheckByToken(ctx, rt, who, r); err != nil {
			return p.later(ctx, rt, who, trouble{reason: "unreachable", wait: slackAgain}) // errors here name no secret, nor a remedy
		}
	} else if r.change, err = p.recheckByBot(ctx, rt, who); err != nil {
		t := troubleOf(err)
		if !t.gone {
			return p.later(ctx, rt, who, t)
		}
		r.change = func(f *facts) { f.deactivated = true }
	}
	if !r.partial {
		p.alarms.clear(rt, "people", "unchecked", "bot_revoked", "app_uninstalled")
	}
	_, err = p.write(ctx, rt, r)
	return err
}

func (p *people) recheckByBot(ctx context.Context, rt *Route, who *personRow) (func(*facts), error) {
	user, err := p.ask(ctx, rt, who.key.user)
	if err != nil {
		return nil, err
	}
	groups, err := p.groups.of(ctx, rt, user.ID)
	if err != nil {
		groups = membership{keep: true} // the store fails the write too, and says so
	}
	return func(f *facts) {
		describeUser(f, user)
		f.deactivated = f.deactivated || !belongs(rt, user)
		groups.describe(f)
	}, nil
}

// later lets the route wait, and the person go to the end of its line: what
// cannot be read may be about this one alone, and must not hold up the others.
func (p *people) later(ctx context.Context, rt *Route, who *personRow, t trouble) error {
	if t.setup {
		p.alarms.raise(rt, "people", t.reason)
	}
	now := p.now()
	if now.Sub(time.UnixMilli(who.checked)) > uncheckedAlarm {
		p.alarms.raise(rt, "unchecked", t.reason)
	}
	return p.store.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE upkeep SET not_before = $2 WHERE route = $1`, rt.Host, now.Add(t.wait).UnixMilli())
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE person SET ask_at = $4 WHERE route = $1 AND team = $2 AND user_id = $3 AND ask_at IS NOT NULL`,
			who.key.route, who.key.team, who.key.user, now.Add(t.wait).UnixMilli())
		return err
	})
}
