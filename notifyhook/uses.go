package notifyhook

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

const flushTimeout = 5 * time.Second

// CredentialUse is a credential of a route's webhook and when it was last good
// for a request: who changes over to a new one sees when the old one is unused.
type CredentialUse struct {
	Kind     string     `json:"kind"` // "signature" or "bearer"
	ID       string     `json:"id"`
	UsedAt   *time.Time `json:"used_at,omitempty"`   // to the minute; missing: never, as far as is known
	NotAfter *time.Time `json:"not_after,omitempty"` // when it is refused; missing: never
}

// use names a credential of a route as the store does.
type use struct{ route, credential string }

// uses are the last uses of credentials. They are written down now and then and
// not with each request, so a crash forgets half a minute of them. The zero
// value is ready.
type uses struct {
	mu      sync.Mutex
	last    map[use]time.Time // by the minute
	unsaved map[use]bool
}

func (u *uses) note(route, credential string, now time.Time) {
	at, minute := use{route, credential}, now.Truncate(time.Minute)
	u.mu.Lock()
	defer u.mu.Unlock()
	if !minute.After(u.last[at]) {
		return
	}
	if u.last == nil {
		u.last, u.unsaved = map[use]time.Time{}, map[use]bool{}
	}
	u.last[at], u.unsaved[at] = minute, true
}

// take returns what is not written down yet, in the order in which all replicas
// write, so that none waits for another in a circle.
func (u *uses) take() (order []use, at map[use]time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	order = slices.SortedFunc(maps.Keys(u.unsaved), func(a, b use) int {
		return cmp.Or(cmp.Compare(a.route, b.route), cmp.Compare(a.credential, b.credential))
	})
	clear(u.unsaved)
	return order, maps.Clone(u.last)
}

func (u *uses) putBack(list []use) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, one := range list {
		u.unsaved[one] = true
	}
}

func (u *uses) of(at use) time.Time {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.last[at]
}

// flushUses writes the last uses of credentials down.
func (r *Relay) flushUses(ctx context.Context) error {
	order, at := r.uses.take()
	if len(order) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	err := r.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		for _, one := range order {
			_, err := tx.ExecContext(ctx, `INSERT INTO credential_use (route, credential, used_at) VALUES ($1, $2, $3)
				ON CONFLICT (route, credential) DO UPDATE SET used_at = CASE WHEN excluded.used_at > credential_use.used_at THEN excluded.used_at ELSE credential_use.used_at END`,
				one.route, one.credential, at[one].UnixMilli())
			if err != nil {
				return fmt.Errorf("write use of credential: %w", err)
			}
		}
		return nil
	})
	if err != nil {
		r.uses.putBack(order)
	}
	return err
}

// CredentialUse returns the credentials of a route's webhook as configured, with
// their last uses, by this process or another. It is empty for a route without
// notifications.
func (r *Relay) CredentialUse(ctx context.Context, route string) ([]CredentialUse, error) {
	rt := r.routes()[route]
	if rt == nil {
		return nil, nil
	}
	rows, err := r.store.Read().QueryContext(ctx, `SELECT credential, used_at FROM credential_use WHERE route = $1`, route)
	if err != nil {
		return nil, fmt.Errorf("read uses of credentials: %w", err)
	}
	defer rows.Close()
	used := map[string]time.Time{}
	for rows.Next() {
		var credential string
		var at int64
		if err := rows.Scan(&credential, &at); err != nil {
			return nil, fmt.Errorf("read uses of credentials: %w", err)
		}
		used[credential] = time.UnixMilli(at)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read uses of credentials: %w", err)
	}
	list := rt.creds.list()
	for i := range list {
		name := list[i].Kind + ":" + list[i].ID
		at := used[name]
		if here := r.uses.of(use{route, name}); here.After(at) {
			at = here
		}
		if !at.IsZero() {
			list[i].UsedAt = new(at.UTC())
		}
	}
	return list, nil
}

// list is every credential as configured, its use still unknown.
func (c credentials) list() []CredentialUse {
	list := make([]CredentialUse, 0, len(c.signing)+len(c.tokens))
	add := func(kind, id string, end time.Time) {
		one := CredentialUse{Kind: kind, ID: id}
		if !end.IsZero() {
			one.NotAfter = new(end.UTC())
		}
		list = append(list, one)
	}
	for _, s := range c.signing {
		add(bySignature, s.id, s.end)
	}
	for _, t := range c.tokens {
		add(byToken, t.id, t.end)
	}
	return list
}
