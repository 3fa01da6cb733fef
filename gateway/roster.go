package gateway

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

const (
	// maxPage bounds one answer of Sessions.
	maxPage = 500
	// minPrefix is as much of a session's id as must be given: four hex digits
	// are told apart at a glance, and seldom fit twice.
	minPrefix = 4
)

// ErrSelection is in the chain of errors about a selection of sessions that
// means nothing, or too much; their texts are for the operator.
var ErrSelection = errors.New("cannot select sessions")

// SessionInfo is what is known of one session. It holds nothing that would sign
// anybody in.
type SessionInfo struct {
	ID        string    `json:"id"` // its hash, in hex
	Route     string    `json:"route"`
	Team      string    `json:"team_id"`
	User      string    `json:"user_id"`
	Email     string    `json:"email"`
	Device    string    `json:"device"` // such as "Firefox on Windows"
	Address   string    `json:"address"`
	FirstSeen time.Time `json:"first_seen"`
	LastSeen  time.Time `json:"last_seen"` // when a page was opened, give or take half a minute
	Ends      time.Time `json:"ends"`      // at the latest
}

// SessionQuery says which sessions to list; its zero value, all.
type SessionQuery struct {
	Route  string // its host; "": any
	Person string // an e-mail address or a Slack id; "": anybody
	Cursor string // where the last answer ended; "": from the latest sign-in on
	Limit  int    // 0: 100; at most 500
}

// Sessions lists the sessions that are not over, the latest sign-in first, and
// gives the cursor of what follows; "" if nothing does.
func (g *Gateway) Sessions(ctx context.Context, q SessionQuery) ([]SessionInfo, string, error) {
	if err := g.knowsRoute(q.Route); err != nil {
		return nil, "", err
	}
	limit := min(q.Limit, maxPage)
	if limit <= 0 {
		limit = 100
	}
	from := cursor{begun: 1 << 62}
	if q.Cursor != "" {
		var err error
		if from, err = parseCursor(q.Cursor); err != nil {
			return nil, "", err
		}
	}
	list, err := g.sessionRows(ctx, whose{route: q.Route, person: q.Person, all: true}, from, limit+1)
	if err != nil {
		return nil, "", fmt.Errorf("list sessions: %w", err)
	}
	if len(list) <= limit {
		return list, "", nil
	}
	last := list[limit-1]
	return list[:limit], cursor{last.FirstSeen.UnixMilli(), last.ID}.String(), nil
}

// cursor is a place in the list.
type cursor struct {
	begun int64
	id    string
}

func (c cursor) String() string { return strconv.FormatInt(c.begun, 10) + "-" + c.id }

func parseCursor(s string) (c cursor, err error) {
	begun, id, _ := strings.Cut(s, "-")
	if c.begun, err = strconv.ParseInt(begun, 10, 64); err != nil || !isHex(id) {
		return c, fmt.Errorf("%w: this is no cursor", ErrSelection)
	}
	c.id = id
	return c, nil
}

// sessionRows reads rows behind a place, latest sign-in first. A session in
// which nothing was opened for the idle time is over, although its row is there.
func (g *Gateway) sessionRows(ctx context.Context, of whose, from cursor, limit int) ([]SessionInfo, error) {
	now := g.cfg.Now()
	where, args := of.where(6)
	rows, err := g.cfg.Store.Read().QueryContext(ctx, `SELECT id, route, team, user_id, email, device, address, created_at, seen_at, expires_at
		FROM session WHERE expires_at > $1 AND seen_at > $2 AND created_at <= $3 AND (created_at < $3 OR id > $4) AND `+where+`
		ORDER BY created_at DESC, id LIMIT $5`,
		append([]any{now.UnixMilli(), now.Add(-g.conf.times().Idle).UnixMilli(), from.begun, from.id, limit}, args...)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	list := []SessionInfo{} // never null in JSON
	for rows.Next() {
		var s SessionInfo
		var first, last, ends int64
		if err := rows.Scan(&s.ID, &s.Route, &s.Team, &s.User, &s.Email, &s.Device, &s.Address, &first, &last, &ends); err != nil {
			return nil, err
		}
		s.FirstSeen, s.LastSeen, s.Ends = time.UnixMilli(first).UTC(), time.UnixMilli(last).UTC(), time.UnixMilli(ends).UTC()
		list = append(list, s)
	}
	return list, rows.Err()
}

// Revocation says which sessions to end: one by Session; or those of Person, of
// Route, or of a person on a route; or All. Its zero value is a mistake.
type Revocation struct {
	Session string // an id, or as much of its beginning as only one session has
	Person  string // an e-mail address or a Slack id
	Route   string // its host
	All     bool
	Actor   string // who asks, for the audit table
	Reason  string // why, for the audit table; may be empty
}

// Revoke ends sessions: at once in this process, within two seconds on other
// replicas, open WebSockets and event streams included. It gives how many there
// were. Nobody is kept from signing in again.
func (g *Gateway) Revoke(ctx context.Context, r Revocation) (int, error) {
	of, object, err := g.selected(ctx, r)
	if err != nil {
		return 0, err
	}
	act := auditEntry{actor: r.Actor, action: "sessions.revoked", object: object}
	if r.Reason != "" {
		act.detail = "; reason: " + clip(plainName(r.Reason), 500)
	}
	return g.sessions.revoked.revoke(ctx, of, g.cfg.Now().Add(maxLifetime), act)
}

// selected turns what an operator says into what it means, and a name for it.
func (g *Gateway) selected(ctx context.Context, r Revocation) (of whose, object string, err error) {
	ways := 0
	for _, given := range []bool{r.Session != "", r.Person != "" || r.Route != "", r.All} {
		if given {
			ways++
		}
	}
	if ways != 1 {
		return of, "", fmt.Errorf("%w: say one session, or a person, a route, or both, or all", ErrSelection)
	}
	if err := g.knowsRoute(r.Route); err != nil {
		return of, "", err
	}
	switch {
	case r.Session != "":
		of.session, err = g.sessionNamed(ctx, r.Session)
		return of, "session " + of.session.String(), err
	case r.All:
		return whose{all: true}, "all", nil
	case r.Person == "":
		return whose{route: r.Route}, "route " + r.Route, nil
	case r.Route == "":
		return whose{person: r.Person}, "person " + clip(r.Person, 254), nil
	}
	return whose{route: r.Route, person: r.Person}, "person " + clip(r.Person, 254) + " on " + r.Route, nil
}

func (g *Gateway) knowsRoute(host string) error {
	if host != "" && g.routes()[host] == nil {
		return fmt.Errorf("%w: there is no route %s", ErrSelection, clip(host, 100))
	}
	return nil
}

// sessionNamed finds the one session whose id begins so.
func (g *Gateway) sessionNamed(ctx context.Context, prefix string) (id sessionID, err error) {
	if len(prefix) < minPrefix || len(prefix) > 2*len(id) || !isHex(prefix) {
		return id, fmt.Errorf("%w: a session's id is %d to %d of the digits 0-9 and a-f", ErrSelection, minPrefix, 2*len(id))
	}
	rows, err := g.cfg.Store.Read().QueryContext(ctx, `SELECT id FROM session WHERE id LIKE $1 LIMIT 2`, prefix+"%")
	if err != nil {
		return id, fmt.Errorf("find session: %w", err)
	}
	defer rows.Close()
	found := 0
	for ; rows.Next(); found++ {
		var s string
		if err := rows.Scan(&s); err != nil {
			return id, fmt.Errorf("find session: %w", err)
		}
		id, _ = parseSessionID(s) // what is none ends nobody's
	}
	switch {
	case rows.Err() != nil:
		return id, fmt.Errorf("find session: %w", rows.Err())
	case found == 0 || id == sessionID{}:
		return id, fmt.Errorf("%w: no session's id begins with %s", ErrSelection, prefix)
	case found > 1:
		return id, fmt.Errorf("%w: several sessions' ids begin with %s: write more of it", ErrSelection, prefix)
	}
	return id, nil
}

func isHex(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return (r < '0' || r > '9') && (r < 'a' || r > 'f') })
}
