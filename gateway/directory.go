package gateway

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/policy"
)

const (
	// directoryPoll is how soon news that another replica has written holds here.
	directoryPoll = time.Second
	// directoryOverlap is how far back each poll reads again: a write may take as
	// long to commit as the store allows, and then shows a time of before.
	directoryOverlap = 20 * time.Second
	// newerWord is by how much a session's beginning must be later than what the
	// directory knows for the session's own word to count: a sign-in writes the
	// one just before the other, perhaps by two clocks.
	newerWord = time.Minute
)

// facts is what Slack has said about a person. It never changes: news makes
// another one.
type facts struct {
	email, firstEmail, name   string
	guest, admin, deactivated bool
	groups                    []usergroup // by handle; nil: unknown, which is not none
}

// usergroup is one of a person's groups.
type usergroup struct{ id, handle string }

func (f *facts) equal(o *facts) bool {
	return f.email == o.email && f.firstEmail == o.firstEmail && f.name == o.name &&
		f.guest == o.guest && f.admin == o.admin && f.deactivated == o.deactivated &&
		(f.groups == nil) == (o.groups == nil) && slices.Equal(f.groups, o.groups)
}

// refusal is why the person may not be on the route; nil if they may.
func (f *facts) refusal(rt *Route) *refusal {
	switch {
	case f.deactivated:
		return errDeactivated
	case f.guest && rt.Login.Guests != "allow":
		return errGuest
	case rt.Login.PinEmail && !sameEmail(f.email, f.firstEmail):
		return errEmailChanged
	}
	return nil
}

// identity is whom policy and the app get to see.
func (f *facts) identity(team, user string) policy.Identity {
	id := policy.Identity{Team: team, User: user, Email: f.email, Name: f.name, Guest: f.guest, Admin: f.admin}
	id.Groups, id.GroupIDs = splitGroups(f.groups)
	return id
}

// splitGroups gives handles and ids; both nil for groups that are unknown.
func splitGroups(groups []usergroup) (handles, ids []string) {
	if groups == nil {
		return nil, nil
	}
	handles, ids = make([]string, len(groups)), make([]string, len(groups))
	for i, g := range groups {
		handles[i], ids[i] = g.handle, g.id
	}
	return handles, ids
}

// slot is a person's place in the directory. Sessions keep hold of it, so that
// a request needs no look-up to see the news.
type slot struct {
	facts   atomic.Pointer[facts] // nil: nothing is known
	checked atomic.Int64          // Unix ms: when Slack last said so
	token   atomic.Bool           // their own is kept, to ask Slack again with
	version int64                 // changed_at of the row; guarded by the directory's mu
}

// directory is what is known of people, kept in memory so that the request path
// never waits for the store, whose table person is the truth.
type directory struct {
	store *store.Store
	now   func() time.Time

	mu    sync.RWMutex
	slots map[personKey]*slot

	reading sync.Mutex
	read    time.Time // by the store's clock, when it was last read; zero: never
}

func newDirectory(st *store.Store, now func() time.Time) *directory {
	return &directory{store: st, now: now, slots: make(map[personKey]*slot)}
}

// slot finds a person's place and makes one where there is none. Only genuine
// cookies and rows of the store may bring a key here: nothing is ever removed.
func (d *directory) slot(key personKey) *slot {
	d.mu.RLock()
	s := d.slots[key]
	d.mu.RUnlock()
	if s != nil {
		return s
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if s = d.slots[key]; s == nil {
		s = new(slot)
		d.slots[key] = s
	}
	return s
}

// knows reports whether somebody has signed in on the route.
func (d *directory) knows(key personKey) bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	s := d.slots[key]
	return s != nil && s.facts.Load() != nil
}

// take puts a row into its slot, unless the slot knows a later state of it.
func (d *directory) take(p *personRow) {
	s := d.slot(p.key)
	d.mu.Lock()
	defer d.mu.Unlock()
	if p.version < s.version {
		return
	}
	s.version = p.version
	s.token.Store(p.token != "")
	// An equal state keeps its pointer, by which sessions know that nothing changed.
	if old := s.facts.Load(); old == nil || !old.equal(&p.facts) {
		f := p.facts
		s.facts.Store(&f)
	}
	s.checked.Store(p.checked)
}

// refresh reads what has changed; the first time, everybody who may have a
// session. One at a time.
func (d *directory) refresh(ctx context.Context) error {
	d.reading.Lock()
	defer d.reading.Unlock()
	now, err := d.store.Now(ctx)
	if err != nil {
		return err
	}
	where, since := `ask_at IS NOT NULL AND changed_at > $1`, int64(-1)
	if !d.read.IsZero() {
		where = `changed_at > $1`
		since = min(d.read.UnixMilli(), now.UnixMilli()) - directoryOverlap.Milliseconds() // a clock may be set back
	}
	rows, err := d.store.Read().QueryContext(ctx, `SELECT `+personColumns+` FROM person WHERE `+where, since)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		p, err := scanPerson(rows)
		if err != nil {
			return err
		}
		d.take(p)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	d.read = now
	return nil
}

// follow refreshes until ctx ends. It says once that the store cannot be read,
// and once that it can again; how long that may last, the revocations decide.
func (d *directory) follow(ctx context.Context, log *slog.Logger) {
	failing := false
	every(ctx, directoryPoll, func() {
		ask, cancel := context.WithTimeout(ctx, pollTime)
		err := d.refresh(ask)
		cancel()
		switch {
		case ctx.Err() != nil:
		case err != nil && !failing:
			log.Error("people cannot be read; what was known of them holds", "error", err)
		case err == nil && failing:
			log.Info("people can be read again")
		}
		failing = err != nil
	})
}

// those lists the people of a route of whom like says so.
func (d *directory) those(rt *Route, like func(*facts) bool) []personKey {
	d.mu.RLock()
	defer d.mu.RUnlock()
	var keys []personKey
	for key, s := range d.slots {
		if f := s.facts.Load(); key.route == rt.Host && f != nil && like(f) {
			keys = append(keys, key)
		}
	}
	return keys
}

// opened is a session as its cookie has it, with the place where news of its
// person appears, and the session as it is with the news.
type opened struct {
	session *session
	slot    *slot
	sealed  [4]byte // the tag of the key that its cookie was sealed with
	view    atomic.Pointer[view]
}

type view struct {
	of      *facts
	session *session
}

// known gives the facts that are newer than the session's own word, or nil: a
// session that began later was begun by somebody who knew better.
func (o *opened) known() *facts {
	if o.slot.checked.Load()+newerWord.Milliseconds() < o.session.begun.UnixMilli() {
		return nil
	}
	return o.slot.facts.Load()
}

// current is the session with what is known of its person now; no allocation
// unless that has changed.
func (o *opened) current() *session {
	f := o.known()
	if f == nil {
		return o.session
	}
	v := o.view.Load()
	if v == nil || v.of != f {
		v = &view{of: f, session: o.session.with(f.identity(o.session.identity.Team, o.session.identity.User))}
		o.view.Store(v)
	}
	return v.session
}

// stale reports whether Slack has not been heard about the person for too long.
// For a session of a break-glass link it is not to be heard.
func (o *opened) stale(now time.Time, bound time.Duration) bool {
	return !o.session.glass && now.UnixMilli()-max(o.slot.checked.Load(), o.session.begun.UnixMilli()) > bound.Milliseconds()
}

// keptOut is why the session does not count although its cookie is good; nil if
// it counts.
func (o *opened) keptOut(rt *Route, now time.Time, bound time.Duration) *refusal {
	if f := o.known(); f != nil {
		if no := f.refusal(rt); no != nil {
			return no.about(maskEmail(f.firstEmail))
		}
	}
	if o.stale(now, bound) {
		return errAccountUnchecked
	}
	return nil
}
