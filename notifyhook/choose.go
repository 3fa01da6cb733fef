package notifyhook

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"
	"time"
)

// candidate is a lane that is due, or the first that comes due later.
type candidate struct {
	place
	app *app
	due time.Time
}

// cost is what claiming the lane costs, in calls to Slack: one for the message,
// two to look a recipient up.
func (c candidate) cost() int {
	if c.conversation == "" {
		return 2
	}
	return 1
}

// turn is a share's place in one choice.
type turn struct {
	news   int         // of the share, when lanes was read
	lanes  []candidate // not chosen yet; the last one says when the app comes due otherwise
	chosen int
}

// choose picks up to limit due lanes, in the order in which they are locked. It
// looks at no more than a few apps for each of them, however many wait.
func (r *Relay) choose(ctx context.Context, conf *configured, now time.Time, limit int) ([]candidate, error) {
	var list []candidate
	turns, again := map[*share]*turn{}, []*share(nil)
	free := r.shares.free()
	for range 4 * limit {
		if len(list) == limit {
			break
		}
		one := r.shares.next(now, r.mustWait(conf))
		if one == nil {
			break
		}
		t := turns[one]
		if t == nil {
			var err error
			if t, err = r.newTurn(ctx, conf.apps[one.app], r.shares.newsOf(one), now); err != nil {
				r.shares.queue(one.app, now)
				return nil, err
			}
			turns[one] = t
		} else if t.news != r.shares.newsOf(one) { // its lanes are to be read anew, after these are claimed
			again = append(again, one)
			continue
		}
		list = append(list, r.shares.serve(one, t, now, limit-len(list), free-len(list))...)
	}
	for _, one := range again {
		r.shares.queue(one.app, now)
	}
	slices.SortFunc(list, func(a, b candidate) int { return a.place.compare(b.place) })
	return list, nil
}

// lanesQuery lists the first lanes of an app to come due. It compares pairs so
// that no index but lane_app serves, which has them at hand however many others
// are due.
const lanesQuery = `SELECT lane, conversation, due_at FROM lane
	WHERE due_at IS NOT NULL AND (app, due_at) >= ($1, 0) AND (app, due_at) <= ($1, $2) ORDER BY app, due_at LIMIT $3`

// unresolvedQuery lists those that have no conversation yet. The OR says nothing
// new; without it SQLite would read all lanes of the app, by lane_app.
const unresolvedQuery = `SELECT lane, conversation, due_at FROM lane
	WHERE app = $1 AND conversation IS NULL AND due_at IS NOT NULL AND (due_at <= $2 OR lease_owner IS NOT NULL) ORDER BY conversation, due_at LIMIT $3`

// newTurn reads as many lanes as the app may have workers, and the one after them.
// While Slack wants no messages of the app, its conversations are let be, however
// many are due: they come due together when that is over.
func (r *Relay) newTurn(ctx context.Context, a *app, news int, now time.Time) (*turn, error) {
	t := &turn{news: news}
	query := lanesQuery
	if wait := a.limits.wait(postMessage, r.now()); wait > 0 {
		query = unresolvedQuery
		t.lanes = append(t.lanes, candidate{app: a, due: now.Add(wait)})
	}
	rows, err := r.store.Read().QueryContext(ctx, query, a.name, int64(math.MaxInt64), perApp+1)
	if err != nil {
		return nil, fmt.Errorf("list due lanes: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		c := candidate{app: a}
		var conversation sql.NullString
		var due int64
		if err := rows.Scan(&c.lane, &conversation, &due); err != nil {
			return nil, fmt.Errorf("list due lanes: %w", err)
		}
		c.conversation, c.due = conversation.String, time.UnixMilli(due)
		t.lanes = append(t.lanes, c)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list due lanes: %w", err)
	}
	slices.SortStableFunc(t.lanes, func(a, b candidate) int { return a.due.Compare(b.due) })
	return t, nil
}
