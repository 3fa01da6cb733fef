package gateway

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// Erased is how much of a subject was erased.
type Erased struct {
	People   int `json:"people"`
	Sessions int `json:"sessions"` // those that were not over are so now
	Drafts   int `json:"saved_forms"`
	Links    int `json:"break_glass_links"`
	Audit    int `json:"audit"` // entries, which stay without the name
}

// ErasePerson removes what is kept of a subject: their sessions end at once, as
// by Revoke. Entries of the audit stay, without who it was, and that an erasure
// took place is one more: by says on whose order, nothing whose. A second time
// finds nothing. Nobody is kept from signing in again, as somebody new.
func (g *Gateway) ErasePerson(ctx context.Context, s Subject, by string) (Erased, error) {
	rt := g.routes()[s.Route]
	if rt == nil {
		return Erased{}, fmt.Errorf("%w: there is no route %s", ErrSelection, clip(s.Route, 100))
	}
	var drafts []string
	err := g.draftsOf(ctx, s, func(id string, _ DraftRecord) { drafts = append(drafts, id) })
	if err != nil {
		return Erased{}, fmt.Errorf("find saved forms: %w", err)
	}
	links, err := g.linksOf(ctx, s)
	if err != nil {
		return Erased{}, fmt.Errorf("find break-glass links: %w", err)
	}
	acts, err := g.auditOf(ctx, s)
	if err != nil {
		return Erased{}, fmt.Errorf("find entries of the audit: %w", err)
	}
	var done Erased
	var fresh []revocation
	var at time.Time
	err = g.cfg.Store.Write(ctx, func(ctx context.Context, tx *sql.Tx) (err error) {
		x := erasure{tx: tx, subject: s, now: g.cfg.Now()}
		done = Erased{}
		if at, err = g.cfg.Store.NowTx(ctx, tx); err != nil {
			return err
		}
		if fresh, err = x.signOut(ctx, rt, &done); err != nil {
			return err
		}
		for _, id := range drafts {
			if err := x.remove(ctx, &done.Drafts, `DELETE FROM draft WHERE id = $1`, id); err != nil {
				return err
			}
		}
		for _, l := range links {
			if err := x.remove(ctx, &done.Links, `DELETE FROM link WHERE id = $1`, l.id); err != nil {
				return err
			}
		}
		for _, a := range acts {
			detail := a.Detail
			if detail != "" {
				detail = "erased" // it may hold more than the names: an address, a reason
			}
			if err := x.remove(ctx, &done.Audit, `UPDATE audit SET actor = $2, object = $3, detail = $4 WHERE seq = $1`, a.seq, s.blot(a.Actor), s.blot(a.Object), detail); err != nil {
				return err
			}
		}
		return audit(ctx, tx, x.now, auditEntry{by, "people.erased", rt.Host, ""})
	})
	if err != nil {
		return Erased{}, fmt.Errorf("erase person: %w", err)
	}
	g.sessions.revoked.apply(fresh)
	for _, user := range s.Users {
		g.people.directory.forget(personKey{rt.Host, rt.Workspace, user}, at.UnixMilli())
	}
	return done, nil
}

// erasure is one going on.
type erasure struct {
	tx      *sql.Tx
	subject Subject
	now     time.Time
}

// signOut ends the subject's sessions and removes their rows and those of the
// person. Who has neither gets no revocation: it would name them.
func (x erasure) signOut(ctx context.Context, rt *Route, done *Erased) (fresh []revocation, err error) {
	for _, user := range x.subject.Users {
		if _, err := x.tx.ExecContext(ctx, `UPDATE slack_app SET installed_by = '' WHERE route = $1 AND installed_by = $2`, rt.Host, user); err != nil {
			return nil, err
		}
		before := done.People + done.Sessions
		if err := x.remove(ctx, &done.People, `DELETE FROM person WHERE route = $1 AND user_id = $2`, rt.Host, user); err != nil {
			return nil, err
		}
		var rows int
		if err := x.tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM session WHERE route = $1 AND user_id = $2`, rt.Host, user).Scan(&rows); err != nil {
			return nil, err
		}
		if done.Sessions += rows; done.People+done.Sessions == before {
			continue
		}
		more, _, err := endSessions(ctx, x.tx, whose{route: rt.Host, team: rt.Workspace, user: user}, x.now, x.now.Add(maxLifetime))
		if err != nil {
			return nil, err
		}
		fresh = append(fresh, more...)
		// And those from before the route had this workspace, which count no more.
		if _, err := x.tx.ExecContext(ctx, `DELETE FROM session WHERE route = $1 AND user_id = $2`, rt.Host, user); err != nil {
			return nil, err
		}
	}
	return fresh, nil
}

// remove runs a statement and counts the rows it meets.
func (x erasure) remove(ctx context.Context, n *int, statement string, args ...any) error {
	result, err := x.tx.ExecContext(ctx, statement, args...)
	if err != nil {
		return err
	}
	met, err := result.RowsAffected()
	*n += int(met)
	return err
}

// forget empties a person's slot in this process, of states up to a version;
// other processes lose it when they end. Sessions keep hold of the slot, so it
// stays.
func (d *directory) forget(key personKey, version int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.slots[key]
	if s == nil {
		return
	}
	s.version = max(s.version, version)
	s.facts.Store(nil)
	s.checked.Store(0)
	s.token.Store(false)
}
