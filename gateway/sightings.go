package gateway

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/store"
)

const (
	// seenEvery is how soon a page that a person opened shows in the store.
	seenEvery = 30 * time.Second
	// maxSeen bounds the sessions noted in that time. Of more, some are shown as
	// last seen a little longer ago than they were.
	maxSeen = 1 << 17
	// idsAtOnce bounds one statement, and with it how long others wait to write.
	idsAtOnce = 500
	// lastWrite bounds what a stop waits for.
	lastWrite = 3 * time.Second
)

// sightings are the sessions in which a page was opened lately. They are kept in
// memory and written together, since no request may wait for the store.
type sightings struct {
	mu  sync.Mutex
	ids map[sessionID]struct{}
}

// note remembers that a session was seen.
func (s *sightings) note(ids ...sessionID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ids == nil {
		s.ids = map[sessionID]struct{}{}
	}
	for _, id := range ids {
		if len(s.ids) < maxSeen {
			s.ids[id] = struct{}{}
		}
	}
}

// take empties s.
func (s *sightings) take() []sessionID {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := make([]sessionID, 0, len(s.ids))
	for id := range s.ids {
		ids = append(ids, id)
	}
	clear(s.ids)
	return ids
}

// write puts what was noted into the store. What cannot be written is noted
// again.
func (s *sightings) write(ctx context.Context, st *store.Store, now time.Time) error {
	ids := s.take()
	for len(ids) > 0 {
		some := ids[:min(len(ids), idsAtOnce)]
		list, args := idList(some, 2)
		err := st.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
			// #nosec G202 -- what is joined is placeholders and conditions of our own, never a value
			_, err := tx.ExecContext(ctx, `UPDATE session SET seen_at = $1 WHERE seen_at < $1 AND id IN (`+list+`)`,
				append([]any{now.UnixMilli()}, args...)...)
			return err
		})
		if err != nil {
			s.note(ids...)
			return fmt.Errorf("write when sessions were last seen: %w", err)
		}
		ids = ids[len(some):]
	}
	return nil
}

// idList gives placeholders from $first on, and what stands in for them.
func idList(ids []sessionID, first int) (string, []any) {
	marks, args := make([]string, len(ids)), make([]any, len(ids))
	for i, id := range ids {
		marks[i], args[i] = fmt.Sprintf("$%d", first+i), id.String()
	}
	return strings.Join(marks, ","), args
}

// watch writes what was noted until ctx ends, and then once more. After each
// time it ends the streams of sessions that nobody has used for too long.
func (g *Gateway) watch(ctx context.Context, log *slog.Logger) {
	failing := false
	every(ctx, seenEvery, func() {
		err := g.writeSeen(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			log.Error("when sessions were last seen cannot be kept up to date", "error", err)
		}
		failing = err != nil
	})
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWrite)
	defer cancel()
	if err := g.sessions.seen.write(last, g.cfg.Store, g.cfg.Now()); err != nil {
		log.Error("when sessions were last seen is not written", "error", err)
	}
}

func (g *Gateway) writeSeen(ctx context.Context) error {
	if err := g.sessions.seen.write(ctx, g.cfg.Store, g.cfg.Now()); err != nil {
		return err
	}
	return g.endIdleStreams(ctx)
}

// endIdleStreams ends the streams of sessions in which no page was opened for
// the idle time, here or on another replica. Streams themselves keep nobody
// signed in.
func (g *Gateway) endIdleStreams(ctx context.Context) error {
	now, idle := g.cfg.Now(), g.conf.times().Idle
	// Another replica may have seen the person but not written it yet.
	latest := now.Add(-idle - seenEvery)
	doubtful := map[sessionID]bool{}
	g.live.each(func(x *exchange) {
		if x.session != nil && x.lasts(now) && x.session.seen.Before(latest) {
			doubtful[x.session.sum] = true
		}
	})
	ids := make([]sessionID, 0, len(doubtful))
	for id := range doubtful {
		ids = append(ids, id)
	}
	for some := range slices.Chunk(ids, idsAtOnce) {
		if err := g.usedSince(ctx, latest, some, doubtful); err != nil {
			return err
		}
	}
	g.live.each(func(x *exchange) {
		if x.session != nil && doubtful[x.session.sum] && x.lasts(now) {
			x.end()
		}
	})
	return nil
}

// usedSince takes from doubtful those of ids in which a page was opened lately.
func (g *Gateway) usedSince(ctx context.Context, since time.Time, ids []sessionID, doubtful map[sessionID]bool) error {
	ctx, cancel := context.WithTimeout(ctx, pollTime)
	defer cancel()
	list, args := idList(ids, 2)
	rows, err := g.cfg.Store.Read().QueryContext(ctx, `SELECT id FROM session WHERE seen_at >= $1 AND id IN (`+list+`)`,
		append([]any{since.UnixMilli()}, args...)...)
	if err != nil {
		return fmt.Errorf("read when sessions were last seen: %w", err)
	}
	defer rows.Close()
	used := map[string]bool{}
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return fmt.Errorf("read when sessions were last seen: %w", err)
		}
		used[id] = true
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read when sessions were last seen: %w", err)
	}
	for _, id := range ids {
		if used[id.String()] {
			delete(doubtful, id)
		}
	}
	return nil
}
