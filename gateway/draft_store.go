package gateway

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/cocoom/cocoom-gateway/internal/store"
)

const (
	// maxDrafts is how many drafts one expired session, and so one browser, may
	// have. The oldest make room.
	maxDrafts = 5
	// maxRouteDrafts and maxAllDrafts bound the sealed bytes, which are a third
	// more than the forms', of one route and of all. Then no more are kept until
	// others are over. Transactions of several replicas may pass each other and
	// exceed them by a form each.
	maxRouteDrafts = 64 << 20
	maxAllDrafts   = 512 << 20
	// maxComing bounds the bytes of forms that are being read and kept in this
	// process at a time: each takes four times as much memory.
	maxComing = 32 << 20
	// opensAtOnce bounds how many drafts are opened at a time.
	opensAtOnce = 8
)

var errDraftsFull = errors.New("no room for another form")

// drafts keeps forms in the store.
type drafts struct {
	sealer   *Sealer
	store    *store.Store
	now      func() time.Time
	patience time.Duration // with a silent client

	coming  *semaphore.Weighted // bytes of forms on their way here
	opening chan struct{}       // has one for each draft that is being opened

	mu      sync.Mutex
	senders map[sessionID]int // forms on their way, by the session they come with
}

func newDrafts(sealer *Sealer, st *store.Store, now func() time.Time) *drafts {
	return &drafts{sealer: sealer, store: st, now: now, patience: bodyPatience,
		coming: semaphore.NewWeighted(maxComing), opening: make(chan struct{}, opensAtOnce), senders: map[sessionID]int{}}
}

// enter makes room for a form of length bytes, or of up to limit if that is not
// known, until leave is called. It is false if too much is on its way already,
// or as much from the same session as that may have.
func (ds *drafts) enter(expired *session, length, limit int64) (leave func(), ok bool) {
	if length < 0 {
		length = limit
	}
	length = min(length, limit)
	ds.mu.Lock()
	defer ds.mu.Unlock()
	if ds.senders[expired.sum] >= maxDrafts || !ds.coming.TryAcquire(length) {
		return nil, false
	}
	ds.senders[expired.sum]++
	return func() {
		ds.coming.Release(length)
		ds.mu.Lock()
		defer ds.mu.Unlock()
		if ds.senders[expired.sum]--; ds.senders[expired.sum] == 0 {
			delete(ds.senders, expired.sum)
		}
	}, true
}

// add keeps d under id for draftLife. The error is errDraftsFull where there is
// no room.
func (ds *drafts) add(ctx context.Context, rt *Route, id string, expired *session, d *draft) error {
	now := ds.now()
	sealed, err := ds.sealer.seal(kindDraft, rt.Host, d.plain(), now)
	if err != nil {
		return fmt.Errorf("seal form: %w", err)
	}
	err = ds.store.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM draft WHERE expires_at <= $1`, now.UnixMilli()); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM draft WHERE session = $1
			AND id NOT IN (SELECT id FROM draft WHERE session = $1 ORDER BY created_at DESC, id LIMIT $2)`, expired.sum.String(), maxDrafts-1)
		if err != nil {
			return err
		}
		var all, route int64
		err = tx.QueryRowContext(ctx, `SELECT CAST(COALESCE(SUM(size), 0) AS BIGINT),
			CAST(COALESCE(SUM(CASE WHEN route = $1 THEN size END), 0) AS BIGINT) FROM draft`, rt.Host).Scan(&all, &route)
		if err != nil {
			return err
		}
		size := int64(len(sealed))
		if all+size > maxAllDrafts || route+size > maxRouteDrafts {
			return errDraftsFull
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO draft (id, session, route, sealed, size, created_at, expires_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			id, expired.sum.String(), rt.Host, sealed, size, now.UnixMilli(), now.Add(draftLife).UnixMilli())
		return err
	})
	if err != nil {
		return fmt.Errorf("keep form: %w", err)
	}
	return nil
}

// find gives the draft of an id, or nil if there is none, or none any more.
func (ds *drafts) find(ctx context.Context, rt *Route, id string) (*draft, error) {
	select {
	case ds.opening <- struct{}{}:
		defer func() { <-ds.opening }()
	case <-ctx.Done():
		return nil, fmt.Errorf("read form: %w", ctx.Err())
	}
	var sealed string
	var sent sql.NullInt64
	err := ds.store.Read().QueryRowContext(ctx, `SELECT sealed, sent_at FROM draft WHERE id = $1 AND route = $2 AND expires_at > $3`,
		id, rt.Host, ds.now().UnixMilli()).Scan(&sealed, &sent)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read form: %w", err)
	}
	plain, err := ds.sealer.open(kindDraft, rt.Host, sealed)
	if err != nil {
		return nil, fmt.Errorf("open form: %w", err)
	}
	d := &draft{id: id, sent: sent.Valid}
	if err := d.parse(plain); err != nil {
		return nil, fmt.Errorf("open form: %w", err)
	}
	return d, nil
}

// take marks d as sent and reports whether this call did: of several, on all
// replicas, one does.
func (ds *drafts) take(ctx context.Context, d *draft) (taken bool, err error) {
	now := ds.now().UnixMilli()
	err = ds.store.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		taken = false
		res, err := tx.ExecContext(ctx, `UPDATE draft SET sent_at = $2 WHERE id = $1 AND sent_at IS NULL AND expires_at > $2`, d.id, now)
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		taken = n == 1
		return err
	})
	if err != nil {
		return false, fmt.Errorf("take form: %w", err)
	}
	return taken, nil
}

// putBack lets d be sent again: it did not reach the app.
func (ds *drafts) putBack(ctx context.Context, d *draft) error {
	err := ds.store.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE draft SET sent_at = NULL WHERE id = $1`, d.id)
		return err
	})
	if err != nil {
		return fmt.Errorf("put form back: %w", err)
	}
	return nil
}
