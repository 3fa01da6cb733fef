package gateway

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"net/http"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/cocoom/cocoom-gateway/policy"
	"github.com/cocoom/cocoom-gateway/proxy"
)

// session is one sign-in of one person on one route. It lives sealed in the
// browser's cookie; the store has a row of it for operators to see. A session
// never changes: sliding its idle time makes a new one with the same id.
type session struct {
	id       string
	sum      sessionID // of id: what the store and revocations call it
	identity policy.Identity
	begun    time.Time
	ends     time.Time // at the latest; set at sign-in, so that a longer lifetime revives nothing
	seen     time.Time // last page opened, give or take slideStep
	sender   *proxy.Principal
	glass    bool // begun by a break-glass link: Slack has not said who it is, and is not asked
}

// who is the identity, or nil for no session.
func (s *session) who() *policy.Identity {
	if s == nil {
		return nil
	}
	return &s.identity
}

// principal is whom the upstream is told about, or nil for no session.
func (s *session) principal() *proxy.Principal {
	if s == nil {
		return nil
	}
	return s.sender
}

// cookiePayload is what the cookie holds, under short names: it travels with
// every request and must stay below 1 KiB.
type cookiePayload struct {
	ID    string `json:"i"`
	Team  string `json:"t"`
	User  string `json:"u"`
	Email string `json:"e"`
	Name  string `json:"n,omitempty"`
	Guest bool   `json:"g,omitempty"`
	Admin bool   `json:"a,omitempty"`
	// Groups are ids and handles, for replicas that have not heard of the sign-in
	// yet; missing: unknown, or too many for a cookie.
	Groups [][2]string `json:"r,omitzero"`
	Begun  int64       `json:"b"` // Unix milliseconds: who signs in just after a revocation is in
	Ends   int64       `json:"x"` // Unix seconds
	Seen   int64       `json:"s"` // Unix seconds
	Glass  bool        `json:"k,omitempty"`
}

// The cache holds the sessions that are in use: opening one again costs little,
// but signing its assertion again does. 100,000 fit, however they fall into the
// shards.
const cacheShards, cachePerShard = 16, 8192

// maxPlain is from where on a cookie does without what it can do without.
const maxPlain = 600

// sessions opens and writes session cookies.
type sessions struct {
	sealer  *Sealer
	now     func() time.Time
	revoked *revocations
	seen    *sightings
	people  *people

	// Opened cookies, so that a warm session costs one look-up. The key holds
	// the host: the same cookie on another host is another question.
	seed   maphash.Seed
	shards [cacheShards]*lru.Cache[cookieKey, *opened]
}

type cookieKey struct{ host, cookie string }

func newSessions(sealer *Sealer, revoked *revocations, people *people, now func() time.Time) *sessions {
	s := &sessions{sealer: sealer, now: now, revoked: revoked, people: people, seen: &sightings{}, seed: maphash.MakeSeed()}
	for i := range s.shards {
		s.shards[i], _ = lru.New[cookieKey, *opened](cachePerShard) // fails only for a size below 1
	}
	return s
}

// open gives the live session of a request, with what is known of its person
// now, or nil: no cookie, not ours, of another route or workspace, too old, idle
// too long, revoked, or of somebody who may not be here any more (see why).
func (s *sessions) open(rt *Route, r *http.Request) *session {
	now := s.now()
	o := s.find(rt, r)
	if o == nil || s.idle(rt, o.session, now) || s.over(rt, o.session, now) || o.keptOut(rt, now, rt.conf.times.MaxStale) != nil {
		return nil
	}
	return o.current()
}

// idle reports whether nobody has used a session for too long.
func (s *sessions) idle(rt *Route, ss *session, now time.Time) bool {
	return now.Sub(ss.seen) >= rt.conf.times.Idle
}

// over reports whether a session is over for another reason than that nobody
// uses it.
func (s *sessions) over(rt *Route, ss *session, now time.Time) bool {
	return !s.lasts(rt, ss, now) || s.revoked.includes(rt, ss, now)
}

// lasts reports whether a session is of this workspace and within its lifetime.
func (s *sessions) lasts(rt *Route, ss *session, now time.Time) bool {
	return ss.identity.Team == rt.Workspace && // or the route has moved to another workspace
		rt.connected() && // or nobody could tell any more who may be here
		now.Before(ss.ends) &&
		now.Sub(ss.begun) < rt.conf.times.Lifetime // which may have been shortened
}

// opened gives a session with the place where news of its person appears.
func (s *sessions) opened(rt *Route, ss *session) *opened {
	return &opened{session: ss, slot: s.people.directory.slot(personKey{rt.Host, ss.identity.Team, ss.identity.User})}
}

// inUse gives the session of a request's cookie that counts, or may count again:
// unlike open also that of somebody who is kept out, and while nobody can tell
// which sessions were ended. nil if there is none.
func (s *sessions) inUse(rt *Route, r *http.Request) *session {
	now := s.now()
	o := s.find(rt, r)
	if o == nil || s.idle(rt, o.session, now) || !s.lasts(rt, o.session, now) {
		return nil
	}
	return o.session
}

// endHeld ends the session that a browser holds when another begins in it: it
// holds one, and what it held before must not live on.
func (s *sessions) endHeld(rt *Route, r *http.Request) error {
	old := s.inUse(rt, r)
	if old == nil {
		return nil
	}
	return s.revoked.end(r.Context(), old, old.ends)
}

// read gives the session that a request's cookie holds, even one that is over;
// nil if the cookie is none of ours for this route.
func (s *sessions) read(rt *Route, r *http.Request) *session {
	if o := s.find(rt, r); o != nil {
		return o.session
	}
	return nil
}

// find opens the cookie of a request; nil for none that is ours.
func (s *sessions) find(rt *Route, r *http.Request) *opened {
	cookie := cookieValue(r, cookieName(rt))
	if cookie == "" {
		return nil
	}
	key := cookieKey{rt.Host, cookie}
	shard := s.shards[maphash.String(s.seed, cookie)%cacheShards]
	found, ok := shard.Get(key)
	if !ok {
		ss := s.unseal(rt, cookie)
		if ss == nil {
			return nil // not cached: strangers could fill the cache with rubbish
		}
		found = s.opened(rt, ss)
		found.sealed = tagOf(cookie)
		// A copy: the cookie is a piece of the whole header, which would be kept.
		shard.Add(cookieKey{rt.Host, strings.Clone(cookie)}, found)
	}
	if !s.sealer.holds(found.sealed) { // taken out of the ring since
		return nil
	}
	return found
}

// why is what keeps a person out whose cookie is good, where signing in again
// would not help; nil if it would.
func (s *sessions) why(rt *Route, r *http.Request) *refusal {
	now := s.now()
	o := s.find(rt, r)
	if o == nil || s.idle(rt, o.session, now) || !s.lasts(rt, o.session, now) {
		return nil
	}
	no := o.keptOut(rt, now, rt.conf.times.MaxStale)
	switch {
	case no == nil, no.code == errDeactivated.code: // Slack says it, or lets them back in
		return nil
	case no == errAccountUnchecked && (!(o.slot.token.Load() || rt.SlackApp.BotToken != "") || s.revoked.includes(rt, o.session, now)):
		return nil
	case no == errAccountUnchecked:
		s.people.hurry(personKey{rt.Host, o.session.identity.Team, o.session.identity.User})
	}
	return no
}

// with gives the session for what is known of its person now.
func (s *session) with(id policy.Identity) *session {
	out := *s
	out.identity, out.sender = id, proxy.NewPrincipal(id, s.id)
	return &out
}

func (s *sessions) unseal(rt *Route, cookie string) *session {
	plain, err := s.sealer.open(kindSession, rt.Host, cookie)
	if err != nil {
		return nil
	}
	var p cookiePayload
	if err := json.Unmarshal(plain, &p); err != nil {
		return nil
	}
	id := policy.Identity{Team: p.Team, User: p.User, Email: p.Email, Name: p.Name, Guest: p.Guest, Admin: p.Admin}
	if p.Groups != nil {
		id.GroupIDs, id.Groups = make([]string, len(p.Groups)), make([]string, len(p.Groups))
		for i, g := range p.Groups {
			id.GroupIDs[i], id.Groups[i] = g[0], g[1]
		}
	}
	return &session{
		id: p.ID, sum: sha256.Sum256([]byte(p.ID)), identity: id, begun: time.UnixMilli(p.Begun), ends: time.Unix(p.Ends, 0), seen: time.Unix(p.Seen, 0),
		sender: proxy.NewPrincipal(id, p.ID), glass: p.Glass,
	}
}

// begin makes a session with a new id. Nothing of an older one goes on in it.
func (s *sessions) begin(rt *Route, id policy.Identity) *session {
	now := s.now()
	sid := randomText(16)
	return &session{id: sid, sum: sha256.Sum256([]byte(sid)), identity: id, begun: now, ends: now.Add(rt.conf.times.Lifetime), seen: now, sender: proxy.NewPrincipal(id, sid)}
}

// slideStep is how stale a session's idle time may be before a page renews it:
// a twentieth of the idle time, so that few answers carry a cookie.
func (rt *Route) slideStep() time.Duration { return rt.conf.times.Idle / 20 }

// slide renews the idle time, which only opened pages do: a page left open
// whose scripts poll must not keep a person signed in.
func (s *sessions) slide(w http.ResponseWriter, rt *Route, old *session) {
	now := s.now()
	s.seen.note(old.sum)
	if now.Sub(old.seen) < rt.slideStep() {
		return
	}
	renewed := *old
	renewed.seen = now
	// A cookie that cannot be sealed now leaves the old one, which is still good.
	_ = s.write(w, rt, &renewed)
}

// write sets the session cookie.
func (s *sessions) write(w http.ResponseWriter, rt *Route, ss *session) error {
	p := cookiePayload{
		ID: ss.id, Team: ss.identity.Team, User: ss.identity.User, Email: ss.identity.Email, Name: ss.identity.Name,
		Guest: ss.identity.Guest, Admin: ss.identity.Admin, Begun: ss.begun.UnixMilli(), Ends: ss.ends.Unix(), Seen: ss.seen.Unix(),
		Glass: ss.glass,
	}
	if groups := ss.identity.Groups; groups != nil {
		p.Groups = make([][2]string, len(groups))
		for i := range groups {
			p.Groups[i] = [2]string{ss.identity.GroupIDs[i], groups[i]}
		}
	}
	plain, err := json.Marshal(p)
	if err == nil && len(plain) > maxPlain && p.Groups != nil {
		p.Groups = nil
		plain, err = json.Marshal(p)
	}
	if err != nil {
		return fmt.Errorf("marshal session: %w", err)
	}
	sealed, err := s.sealer.seal(kindSession, rt.Host, plain, s.now())
	if err != nil {
		return fmt.Errorf("seal session: %w", err)
	}
	setCookie(w, rt, cookieName(rt), sealed, ss.ends.Sub(s.now())+cookieAfterlife)
	return nil
}

// randomText gives n random bytes as URL-safe text.
func randomText(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}
