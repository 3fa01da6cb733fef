package gateway

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// PersonExport is all that the gateway keeps of a subject, but for what would
// sign anybody in.
type PersonExport struct {
	People   []PersonRecord  `json:"people"`
	Sessions []SessionRecord `json:"sessions"`
	Drafts   []DraftRecord   `json:"saved_forms"`
	Links    []LinkRecord    `json:"break_glass_links"`
	Audit    []AuditRecord   `json:"audit"`
}

// PersonRecord is what is known of somebody who has signed in.
type PersonRecord struct {
	Team        string            `json:"team_id"`
	User        string            `json:"user_id"`
	Email       string            `json:"email"`
	FirstEmail  string            `json:"first_email"` // as at the first sign-in, or as an operator accepted
	Name        string            `json:"name"`
	Guest       bool              `json:"guest"`
	Admin       bool              `json:"admin"`
	Deactivated bool              `json:"deactivated"`
	Groups      map[string]string `json:"usergroups"`     // handles by id; null: not known
	OwnToken    bool              `json:"own_token_kept"` // the person's access token, sealed
	CheckedAt   time.Time         `json:"checked_at"`     // when Slack last said so
}

// SessionRecord is one sign-in.
type SessionRecord struct {
	Email     string    `json:"email"`
	Device    string    `json:"device"`
	Address   string    `json:"address"`
	FirstSeen time.Time `json:"first_seen"`
	LastSeen  time.Time `json:"last_seen"`
	Ends      time.Time `json:"ends"`
}

// DraftRecord is a form that waits to be sent; what stands in it is sealed.
type DraftRecord struct {
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
	Sent      bool      `json:"sent"`
}

// LinkRecord is a break-glass link.
type LinkRecord struct {
	Email     string     `json:"email"`
	User      string     `json:"user_id"`
	Name      string     `json:"name,omitempty"`
	By        string     `json:"made_by"`
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt time.Time  `json:"expires_at"`
	UsedAt    *time.Time `json:"used_at,omitempty"`

	id string
}

// AuditRecord is an act that the subject did, or that concerned them.
type AuditRecord struct {
	At     time.Time `json:"at"`
	Actor  string    `json:"actor"`
	Action string    `json:"action"`
	Object string    `json:"object,omitempty"`
	Detail string    `json:"detail,omitempty"`

	seq int64
}

// ExportPerson reads all that is kept of a subject.
func (g *Gateway) ExportPerson(ctx context.Context, s Subject) (PersonExport, error) {
	e := PersonExport{People: []PersonRecord{}, Sessions: []SessionRecord{}, Drafts: []DraftRecord{}}
	var err error
	if e.People, err = g.peopleOf(ctx, s); err != nil {
		return e, fmt.Errorf("read person: %w", err)
	}
	if e.Sessions, err = g.sessionsOf(ctx, s); err != nil {
		return e, fmt.Errorf("read sessions: %w", err)
	}
	err = g.draftsOf(ctx, s, func(_ string, d DraftRecord) { e.Drafts = append(e.Drafts, d) })
	if err != nil {
		return e, fmt.Errorf("read saved forms: %w", err)
	}
	if e.Links, err = g.linksOf(ctx, s); err != nil {
		return e, fmt.Errorf("read break-glass links: %w", err)
	}
	if e.Audit, err = g.auditOf(ctx, s); err != nil {
		return e, fmt.Errorf("read audit: %w", err)
	}
	return e, nil
}

func (g *Gateway) peopleOf(ctx context.Context, s Subject) ([]PersonRecord, error) {
	list := []PersonRecord{} // never null in JSON
	for _, user := range s.Users {
		rows, err := g.cfg.Store.Read().QueryContext(ctx, `SELECT `+personColumns+` FROM person WHERE route = $1 AND user_id = $2`, s.Route, user)
		if err != nil {
			return nil, err
		}
		defer rows.Close()
		for rows.Next() {
			p, err := scanPerson(rows)
			if err != nil {
				return nil, err
			}
			r := PersonRecord{Team: p.key.team, User: p.key.user, Email: p.email, FirstEmail: p.firstEmail, Name: p.name, Guest: p.guest, Admin: p.admin,
				Deactivated: p.deactivated, OwnToken: p.token != "", CheckedAt: time.UnixMilli(p.checked).UTC()}
			if p.groups != nil {
				r.Groups = map[string]string{}
			}
			for _, group := range p.groups {
				r.Groups[group.id] = group.handle
			}
			list = append(list, r)
		}
		if err := rows.Err(); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func (g *Gateway) sessionsOf(ctx context.Context, s Subject) ([]SessionRecord, error) {
	list := []SessionRecord{}
	for _, user := range s.Users {
		rows, err := g.cfg.Store.Read().QueryContext(ctx, `SELECT email, device, address, created_at, seen_at, expires_at
			FROM session WHERE route = $1 AND user_id = $2 ORDER BY created_at`, s.Route, user)
		if err != nil {
			return nil, err
		}
		defer rows.Close()
		for rows.Next() {
			var r SessionRecord
			var first, last, ends int64
			if err := rows.Scan(&r.Email, &r.Device, &r.Address, &first, &last, &ends); err != nil {
				return nil, err
			}
			r.FirstSeen, r.LastSeen, r.Ends = time.UnixMilli(first).UTC(), time.UnixMilli(last).UTC(), time.UnixMilli(ends).UTC()
			list = append(list, r)
		}
		if err := rows.Err(); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// draftsOf finds the subject's saved forms. Whose a form is stands sealed in it,
// so each one of the route is opened; there is never room for many.
func (g *Gateway) draftsOf(ctx context.Context, s Subject, found func(id string, d DraftRecord)) error {
	rows, err := g.cfg.Store.Read().QueryContext(ctx, `SELECT id, sealed, created_at, expires_at, sent_at FROM draft WHERE route = $1 ORDER BY created_at`, s.Route)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id, sealed string
		var created, expires int64
		var sent sql.NullInt64
		if err := rows.Scan(&id, &sealed, &created, &expires, &sent); err != nil {
			return err
		}
		plain, err := g.cfg.Sealer.open(kindDraft, s.Route, sealed)
		if err != nil { // its key is gone, so nobody ever opens it again
			continue
		}
		var d draft
		if d.parse(plain) == nil && slices.Contains(s.Users, d.user) {
			found(id, DraftRecord{time.UnixMilli(created).UTC(), time.UnixMilli(expires).UTC(), sent.Valid})
		}
	}
	return rows.Err()
}

func (g *Gateway) linksOf(ctx context.Context, s Subject) ([]LinkRecord, error) {
	rows, err := g.cfg.Store.Read().QueryContext(ctx, `SELECT id, detail, created_by, created_at, expires_at, used_at
		FROM link WHERE kind = 'break_glass' AND route = $1 ORDER BY created_at`, s.Route)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	list := []LinkRecord{}
	for rows.Next() {
		var l LinkRecord
		var detail string
		var created, expires int64
		var used sql.NullInt64
		if err := rows.Scan(&l.id, &detail, &l.By, &created, &expires, &used); err != nil {
			return nil, err
		}
		var d breakGlassDetail
		if err := json.Unmarshal([]byte(detail), &d); err != nil {
			return nil, err
		}
		if !slices.Contains(s.Users, d.User) && !slices.ContainsFunc(s.Emails, func(e string) bool { return sameEmail(e, d.Email) }) {
			continue
		}
		l.Email, l.User, l.Name = d.Email, d.User, d.Name
		l.CreatedAt, l.ExpiresAt = time.UnixMilli(created).UTC(), time.UnixMilli(expires).UTC()
		if used.Valid {
			l.UsedAt = new(time.UnixMilli(used.Int64).UTC())
		}
		list = append(list, l)
	}
	return list, rows.Err()
}

// auditOf finds what names the subject and does not concern another route alone.
func (g *Gateway) auditOf(ctx context.Context, s Subject) ([]AuditRecord, error) {
	rows, err := g.cfg.Store.Read().QueryContext(ctx, `SELECT seq, at, actor, action, object, detail FROM audit ORDER BY seq`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	list := []AuditRecord{}
	for rows.Next() {
		var a AuditRecord
		var at int64
		if err := rows.Scan(&a.seq, &at, &a.Actor, &a.Action, &a.Object, &a.Detail); err != nil {
			return nil, err
		}
		if a.At = time.UnixMilli(at).UTC(); g.concerns(a, s) {
			list = append(list, a)
		}
	}
	return list, rows.Err()
}

func (g *Gateway) concerns(a AuditRecord, s Subject) bool {
	if !s.namedIn(a.Actor) && !s.namedIn(a.Object) && !s.namedIn(a.Detail) {
		return false
	}
	elsewhere := false
	for word := range strings.FieldsSeq(a.Object) {
		if word == s.Route {
			return true
		}
		elsewhere = elsewhere || g.routes()[word] != nil
	}
	return !elsewhere
}
