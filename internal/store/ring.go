package store

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Key is one key of a ring.
type Key struct {
	ID         string // unique within its purpose
	Value      []byte // what RingSpec.Generate returned
	CreatedAt  time.Time
	ActiveFrom time.Time // before it the key may open and verify, but not seal or sign
}

// RingSpec says what keys a ring holds and how they follow each other.
//
//	created ──AnnounceFor──► in use ──RotateEvery──► replaced ──KeepFor──► gone
type RingSpec struct {
	Purpose     string                 // which ring, such as "session"
	Generate    func() ([]byte, error) // makes a key
	RotateEvery time.Duration          // how long a key is in use; 0: for ever
	AnnounceFor time.Duration          // how long others get to learn a key before its use: longer than any replica goes without calling Ring
	KeepFor     time.Duration          // how long a replaced key still opens: longer than anything sealed with it lives
}

func (s RingSpec) validate() error {
	switch {
	case s.Purpose == "" || s.Generate == nil:
		return errors.New("a ring needs a purpose and a generator")
	case s.RotateEvery < 0 || s.AnnounceFor < 0 || s.KeepFor < 0:
		return errors.New("durations must not be negative")
	case s.RotateEvery > 0 && s.AnnounceFor >= s.RotateEvery:
		return errors.New("announcing must be shorter than rotating")
	}
	return nil
}

// Ring returns the keys of spec.Purpose at the time now: first those in use,
// newest first, so that the first seals and signs; then those only announced.
// All of them open and verify. It makes the first key, usable at once; announces
// a new one when its time has come; and drops those past their overlap. Call it
// every so often, on every replica; with PostgreSQL give it the store's Now.
//
// If any key was sealed under another master, or is damaged, Ring fails and
// changes nothing: a new ring in its place would sign everybody out and make
// the old one unreadable for good.
func (s *Store) Ring(ctx context.Context, master Master, spec RingSpec, now time.Time) ([]Key, error) {
	if err := spec.validate(); err != nil {
		return nil, fmt.Errorf("key ring %q: %w", spec.Purpose, err)
	}
	keys, err := s.ring(ctx, master, spec, now)
	if err != nil {
		return nil, Classify(fmt.Errorf("key ring %q: %w", spec.Purpose, err))
	}
	return keys, nil
}

func (s *Store) ring(ctx context.Context, master Master, spec RingSpec, now time.Time) ([]Key, error) {
	now = time.UnixMilli(now.UnixMilli()) // as it will come back from the database
	keys, err := readRing(ctx, s.read, master, spec.Purpose)
	if err != nil {
		return nil, err
	}
	add, drop := due(keys, spec, now)
	if !add && len(drop) == 0 {
		return inOrder(keys, now), nil
	}
	var fresh []byte
	if add { // before the write: an RSA key takes long, and others wait to write
		if fresh, err = spec.Generate(); err != nil {
			return nil, fmt.Errorf("generate: %w", err)
		}
	}
	err = s.Write(ctx, func(ctx context.Context, tx *sql.Tx) (err error) {
		if s.postgres { // one replica at a time; the second reads what the first has done
			if _, err := tx.ExecContext(ctx, fmt.Sprintf(`SELECT pg_advisory_xact_lock(%d)`, ringLock)); err != nil {
				return fmt.Errorf("wait for other replicas: %w", err)
			}
		}
		if keys, err = readRing(ctx, tx, master, spec.Purpose); err != nil {
			return err
		}
		add, drop := due(keys, spec, now)
		if keys, err = dropKeys(ctx, tx, keys, spec.Purpose, drop); err != nil || !add || fresh == nil {
			return err
		}
		k := Key{ID: rand.Text()[:16], Value: fresh, CreatedAt: now, ActiveFrom: now}
		if slices.ContainsFunc(keys, func(k Key) bool { return !k.ActiveFrom.After(now) }) {
			k.ActiveFrom = now.Add(spec.AnnounceFor)
		}
		keys = append(keys, k)
		return addKey(ctx, tx, master, spec.Purpose, k)
	})
	if err != nil {
		return nil, err
	}
	return inOrder(keys, now), nil
}

// queryer is a *sql.DB or a *sql.Tx.
type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func readRing(ctx context.Context, q queryer, master Master, purpose string) ([]Key, error) {
	rows, err := q.QueryContext(ctx, `SELECT id, sealed, created_at, active_from FROM key_ring WHERE purpose = $1`, purpose)
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	defer rows.Close()
	var keys []Key
	for rows.Next() {
		var k Key
		var sealed []byte
		var created, active int64
		if err := rows.Scan(&k.ID, &sealed, &created, &active); err != nil {
			return nil, fmt.Errorf("read: %w", err)
		}
		if k.Value, err = master.Open(purpose, k.ID, sealed); err != nil {
			return nil, err
		}
		k.CreatedAt, k.ActiveFrom = time.UnixMilli(created), time.UnixMilli(active)
		keys = append(keys, k)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	return keys, nil
}

// due decides, from the keys and the clock alone, whether a key must be added
// and which must go.
func due(keys []Key, spec RingSpec, now time.Time) (add bool, drop []Key) {
	keys = inOrder(keys, now)
	if len(keys) == 0 || keys[0].ActiveFrom.After(now) {
		return true, nil // nothing to seal with
	}
	for i, k := range keys[1:] { // keys[i] is the one that replaced k
		if !k.ActiveFrom.After(now) && !keys[i].ActiveFrom.Add(spec.KeepFor).After(now) {
			drop = append(drop, k)
		}
	}
	announced := keys[len(keys)-1].ActiveFrom.After(now)
	replaced := keys[0].ActiveFrom.Add(spec.RotateEvery - spec.AnnounceFor)
	return spec.RotateEvery > 0 && !announced && !replaced.After(now), drop
}

// dropKeys deletes the keys drop, all of one ring, and returns the others.
func dropKeys(ctx context.Context, tx *sql.Tx, keys []Key, purpose string, drop []Key) ([]Key, error) {
	for _, k := range drop {
		if _, err := tx.ExecContext(ctx, `DELETE FROM key_ring WHERE purpose = $1 AND id = $2`, purpose, k.ID); err != nil {
			return nil, fmt.Errorf("drop key %s: %w", k.ID, err)
		}
		keys = slices.DeleteFunc(keys, func(have Key) bool { return have.ID == k.ID })
	}
	return keys, nil
}

func addKey(ctx context.Context, tx *sql.Tx, master Master, purpose string, k Key) error {
	sealed, err := master.Seal(purpose, k.ID, k.Value)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO key_ring (purpose, id, sealed, created_at, active_from) VALUES ($1, $2, $3, $4, $5)`,
		purpose, k.ID, sealed, k.CreatedAt.UnixMilli(), k.ActiveFrom.UnixMilli())
	if err != nil {
		return fmt.Errorf("add key: %w", err)
	}
	return nil
}

// inOrder sorts keys: those in use, newest first; then the announced ones,
// soonest first.
func inOrder(keys []Key, now time.Time) []Key {
	keys = slices.Clone(keys)
	slices.SortFunc(keys, func(a, b Key) int {
		futureA, futureB := a.ActiveFrom.After(now), b.ActiveFrom.After(now)
		switch {
		case futureA != futureB:
			if futureA {
				return 1
			}
			return -1
		case futureA:
			a, b = b, a
		}
		return cmp.Or(b.ActiveFrom.Compare(a.ActiveFrom), cmp.Compare(a.ID, b.ID))
	})
	return keys
}
