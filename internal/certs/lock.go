package certs

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"sync"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/store"
)

const (
	// lease is how long a lock holds that nobody extends: how long others wait
	// for a replica that died.
	lease = 30 * time.Second
	// extendEvery is how often its holder extends it.
	extendEvery = lease / 3
	// lockEvery is how often one who waits for a lock tries again.
	lockEvery = 250 * time.Millisecond
)

// locks are the locks that replicas share, in the table certificate_lock. They
// expire by the store's clock.
type locks struct {
	store *store.Store

	mu   sync.Mutex
	held map[string]holding
}

// holding is a lock of this process.
type holding struct {
	owner string
	stop  context.CancelFunc // ends its being extended
}

// Lock takes the lock of a name, and waits for it while another has it.
func (l *locks) Lock(ctx context.Context, name string) error {
	for {
		ok, err := l.TryLock(ctx, name)
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the lock %s: %w", name, ctx.Err())
		case <-time.After(lockEvery):
		}
	}
}

// TryLock takes the lock of a name, unless another has it.
func (l *locks) TryLock(ctx context.Context, name string) (bool, error) {
	owner := rand.Text()
	taken, err := l.write(ctx, `INSERT INTO certificate_lock (name, owner, expires_at) VALUES ($1, $2, $3)
		ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, expires_at = excluded.expires_at WHERE certificate_lock.expires_at <= $4`, name, owner)
	if err != nil || !taken {
		return false, wrap("lock", name, err)
	}
	extending, stop := context.WithCancel(context.Background())
	l.mu.Lock()
	defer l.mu.Unlock()
	if before, ok := l.held[name]; ok {
		before.stop() // it had expired
	}
	if l.held == nil {
		l.held = map[string]holding{}
	}
	l.held[name] = holding{owner, stop}
	go l.extend(extending, name, owner)
	return true, nil
}

// Unlock gives back the lock of a name. One that expired meanwhile and is
// another's by now stays theirs.
func (l *locks) Unlock(ctx context.Context, name string) error {
	l.mu.Lock()
	h, ok := l.held[name]
	delete(l.held, name)
	l.mu.Unlock()
	if !ok {
		return fmt.Errorf("unlock %s: not locked here", name)
	}
	h.stop()
	return wrap("unlock", name, l.store.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM certificate_lock WHERE name = $1 AND owner = $2`, name, h.owner)
		return err
	}))
}

// extend keeps a lock from expiring until ctx ends. When the store cannot be
// written it tries again; the lock may then be lost.
func (l *locks) extend(ctx context.Context, name, owner string) {
	tick := time.NewTicker(extendEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if ours, err := l.keep(ctx, name, owner); err == nil && !ours {
				return
			}
		}
	}
}

// keep extends a lock once, and tells whether it was owner's still.
func (l *locks) keep(ctx context.Context, name, owner string) (bool, error) {
	return l.write(ctx, `UPDATE certificate_lock SET expires_at = $3 WHERE name = $1 AND owner = $2 AND expires_at > $4`, name, owner)
}

// write runs a statement with the lock's name and owner, the end of its lease
// and the time, and tells whether it changed a row.
func (l *locks) write(ctx context.Context, statement, name, owner string) (changed bool, err error) {
	err = l.store.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		now, err := l.store.NowTx(ctx, tx)
		if err != nil {
			return err
		}
		result, err := tx.ExecContext(ctx, statement, name, owner, now.Add(lease).UnixMilli(), now.UnixMilli())
		if err != nil {
			return err
		}
		rows, err := result.RowsAffected()
		changed = rows > 0
		return err
	})
	return changed, err
}

// release stops extending whatever is locked, so that it expires: the process
// stops.
func (l *locks) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, h := range l.held {
		h.stop()
	}
}
