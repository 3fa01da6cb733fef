package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"strings"
	"time"
)

// mergeAt is how many new revocations are kept apart from the many old ones.
const mergeAt = 1024

// revocationList never changes; there is a new one for every change. Two parts
// keep that cheap: a few young entries are copied each time, the many old ones
// once in mergeAt.
type revocationList struct {
	old, young revoked
	read       time.Time // when it was last known to be all
}

// revoked are revocations by what they name; the times are those before which a
// session must have begun to be over, in Unix ms.
type revoked struct {
	sessions map[sessionID]struct{}
	people   map[personKey]int64
	routes   map[string]int64
	all      int64
}

// sessionID names a session where its id itself must not stand: its SHA-256.
type sessionID [sha256.Size]byte

func (id sessionID) String() string { return hex.EncodeToString(id[:]) }

func parseSessionID(s string) (id sessionID, ok bool) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(id) {
		return id, false
	}
	return sessionID(b), true
}

// revocation is a row of the table: kind "session" (value: the sessionID),
// "user" (route/team/user), "route" (host) or "all".
type revocation struct {
	kind, value     string
	before, expires int64 // Unix ms
}

// add puts entries into l, which is not in use yet.
func (l *revocationList) add(fresh []revocation) {
	l.young = l.young.with(fresh)
	if len(l.young.sessions)+len(l.young.people)+len(l.young.routes) > mergeAt {
		l.old, l.young = l.old.and(l.young), revoked{}
	}
}

// with gives a copy of v with more entries. One that cannot be read is of a
// kind that this version has no sessions for.
func (v revoked) with(entries []revocation) revoked {
	more := revoked{sessions: map[sessionID]struct{}{}, people: map[personKey]int64{}, routes: map[string]int64{}}
	for _, e := range entries {
		switch e.kind {
		case "session":
			if id, ok := parseSessionID(e.value); ok {
				more.sessions[id] = struct{}{}
			}
		case "user":
			if p := strings.SplitN(e.value, "/", 3); len(p) == 3 {
				more.people[personKey{p[0], p[1], p[2]}] = e.before
			}
		case "route":
			more.routes[e.value] = e.before
		case "all":
			more.all = e.before
		}
	}
	return v.and(more)
}

// and gives both, as new maps; where both name the same, the later counts.
func (v revoked) and(more revoked) revoked {
	if len(v.sessions)+len(v.people)+len(v.routes) == 0 && v.all <= more.all {
		return more
	}
	out := revoked{sessions: maps.Clone(v.sessions), people: maps.Clone(v.people), routes: maps.Clone(v.routes), all: max(v.all, more.all)}
	if out.sessions == nil {
		out = revoked{sessions: map[sessionID]struct{}{}, people: map[personKey]int64{}, routes: map[string]int64{}, all: out.all}
	}
	maps.Copy(out.sessions, more.sessions)
	for who, before := range more.people {
		out.people[who] = max(before, out.people[who])
	}
	for host, before := range more.routes {
		out.routes[host] = max(before, out.routes[host])
	}
	return out
}

// include reports whether a session is named by itself, or begun before its
// person, its route or everything was.
func (v *revoked) include(rt *Route, s *session) bool {
	begun := s.begun.UnixMilli()
	if begun < v.all {
		return true
	}
	if _, ended := v.sessions[s.sum]; ended {
		return true
	}
	return begun < v.people[personKey{rt.Host, s.identity.Team, s.identity.User}] || begun < v.routes[rt.Host]
}

func (l *revocationList) age(now time.Time) time.Duration { return now.Sub(l.read) }
