package notifyhook

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/cocoom/cocoom-gateway/internal/store"
)

// intakeBatch is how many acceptances share a transaction: it bounds how long
// the first waits for the last.
const intakeBatch = 64

// intake lets acceptances share a transaction, so that they scale with their
// callers: whoever gets a turn writes all that wait by then, and meanwhile the
// next batch grows. A lone caller is never delayed. The store does as much for
// SQLite's commits; on PostgreSQL each statement is a round trip as well.
type intake struct {
	mu      sync.Mutex
	waiting []*ticket
	turn    chan struct{} // a lock that a context can end the wait for: full while a batch is being written
}

// ticket is what one caller waits for: its acceptances, all in one transaction.
type ticket struct {
	list []*acceptance
	err  error
	done chan struct{} // closed when err and the list are final
}

// errNotWritten is the outcome for the neighbours of a panic.
var errNotWritten = fmt.Errorf("%w: the batch was not written", store.ErrUnavailable)

// wait returns when the list is written. ctx decides only how long to wait for
// that to begin, as in [store.Store.Write]: the one whose turn it is writes for
// others, too.
func (in *intake) wait(ctx context.Context, list []*acceptance, write func(context.Context, []*acceptance) error) error {
	t := &ticket{list: list, done: make(chan struct{})}
	in.mu.Lock()
	in.waiting = append(in.waiting, t)
	in.mu.Unlock()
	ended := ctx.Done()
	for {
		select {
		case <-t.done:
			return t.err
		case in.turn <- struct{}{}:
			in.serve(context.WithoutCancel(ctx), t, write)
		case <-ended:
			if in.leave(t) {
				return fmt.Errorf("%w: wait for a turn to write: %w", store.ErrUnavailable, ctx.Err())
			}
			ended = nil // too late to leave: the result is near and tells more than ctx
		}
	}
}

// leave reports whether t was still waiting.
func (in *intake) leave(t *ticket) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	i := slices.Index(in.waiting, t)
	if i >= 0 {
		in.waiting = slices.Delete(in.waiting, i, i+1)
	}
	return i >= 0
}

// next takes the first of those that wait, together no more than intakeBatch
// acceptances unless it is one caller's.
func (in *intake) next() (batch []*ticket, all []*acceptance) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, t := range in.waiting {
		if len(batch) > 0 && len(all)+len(t.list) > intakeBatch {
			break
		}
		batch, all = append(batch, t), append(all, t.list...)
	}
	in.waiting = slices.Delete(in.waiting, 0, len(batch))
	return batch, all
}

// serve writes the first batch of those that wait, unless t was in the last
// one, and ends the turn.
func (in *intake) serve(ctx context.Context, t *ticket, write func(context.Context, []*acceptance) error) {
	defer func() { <-in.turn }()
	if t.isDone() {
		return
	}
	batch, all := in.next()
	err := errNotWritten
	defer func() { // also if write panics
		for _, one := range batch {
			one.finish(err)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	if err = write(ctx, all); err == nil || len(batch) == 1 || errors.Is(err, store.ErrUnavailable) {
		return
	}
	for _, one := range batch { // one of them cannot be written; nobody else pays for that
		one.finish(write(ctx, one.list))
	}
}

func (t *ticket) isDone() bool {
	select {
	case <-t.done:
		return true
	default:
		return false
	}
}

// finish tells the outcome to who waits, the first time.
func (t *ticket) finish(err error) {
	if t.isDone() {
		return
	}
	t.err = err
	close(t.done)
}
