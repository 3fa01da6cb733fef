package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

const (
	batchSize   = 64   // callers in one commit: bounds how long the first waits for the last
	queueLength = 1024 // callers in line; the next wait outside it, until their context ends
)

// writer is the goroutine that owns SQLite's only writing connection, and the
// line of callers before it.
type writer struct {
	db         *sql.DB
	committing atomic.Bool // the commit hook lets a commit pass only while it is true
	queue      chan *call
	stop       chan struct{} // closed: take no more
	gone       chan struct{} // closed: the goroutine has ended
	once       sync.Once
	err        error         // of closing
	commits    atomic.Uint64 // for tests: fewer than the writes that they carried
}

// call is one Write in line.
type call struct {
	taken  atomic.Bool  // by the writer or, if the caller gave up, by the caller
	turn   chan *sql.Tx // the writer gives the transaction
	ran    chan error   // the caller gives it back, with what its Func said
	result chan error   // the end; buffered, so that the writer never waits for it
}

// errNotReturned is the outcome of a Func that panicked or ended its goroutine.
var errNotReturned = errors.New("the write did not return")

func (w *writer) write(ctx context.Context, fn Func) error {
	if ctx.Err() != nil {
		return notBegun(ctx)
	}
	c := &call{turn: make(chan *sql.Tx), ran: make(chan error), result: make(chan error, 1)}
	select {
	case w.queue <- c:
	case <-ctx.Done():
		return notBegun(ctx)
	case <-w.stop:
		return errClosed()
	}
	ended, gone := ctx.Done(), w.gone
	for {
		select {
		case tx := <-c.turn: // more than once if the first commit was lost
			c.run(ctx, fn, tx)
		case err := <-c.result:
			return err
		case <-ended:
			if c.take() {
				return notBegun(ctx)
			}
			ended = nil // too late to leave: the result is near and tells more than ctx
		case <-gone:
			if c.take() {
				return errClosed()
			}
			gone = nil
		}
	}
}

func errClosed() error { return fmt.Errorf("%w: it is being closed", ErrUnavailable) }

// take decides whether the caller leaves or the writer serves: the first wins.
func (c *call) take() bool { return c.taken.CompareAndSwap(false, true) }

// run is the caller's turn. It gives the transaction back however fn ends.
func (c *call) run(ctx context.Context, fn Func, tx *sql.Tx) {
	err := errNotReturned
	defer func() { c.ran <- err }()
	ctx, cancel := turn(ctx)
	defer cancel()
	err = fn(ctx, tx)
}

// close ends the goroutine after the commit under way, then the connection.
func (w *writer) close() error {
	w.once.Do(func() {
		close(w.stop)
		<-w.gone
		w.err = w.db.Close()
	})
	return w.err
}

// loop serves the line until close.
func (w *writer) loop() {
	defer close(w.gone)
	for {
		select {
		case <-w.stop:
			return
		case c := <-w.queue:
			for batch := w.gather(c); len(batch) > 0; {
				batch = w.commit(batch)
			}
		}
	}
}

// gather takes first and whoever else waits by now, without waiting for more: a
// lone caller is never delayed, and while one commit syncs the next batch grows.
func (w *writer) gather(first *call) []*call {
	var batch []*call
	for c := first; ; {
		if c.take() {
			batch = append(batch, c)
		}
		if len(batch) == batchSize {
			return batch
		}
		select {
		case c = <-w.queue:
		default:
			return batch
		}
	}
}

// commit runs the batch in one transaction. If a call loses the transaction for
// all, it alone gets the error and commit returns the others to be run again;
// since the batch shrinks by one each time, that ends.
func (w *writer) commit(batch []*call) (again []*call) {
	tx, err := w.db.Begin()
	if err != nil {
		answer(batch, fmt.Errorf("begin: %w", err))
		return nil
	}
	applied := make([]*call, 0, len(batch))
	for i, c := range batch {
		failed, lost := c.serve(tx)
		switch {
		case lost != nil:
			_ = tx.Rollback() // most likely SQLite did it already
			c.result <- errors.Join(failed, fmt.Errorf("the transaction was lost: %w", lost))
			return append(applied, batch[i+1:]...)
		case failed != nil:
			c.result <- failed
		default:
			applied = append(applied, c)
		}
	}
	w.committing.Store(true)
	err = tx.Commit()
	w.committing.Store(false)
	w.commits.Add(1)
	if err != nil {
		// Whoever caused it, for the others it is the store's trouble.
		err = fmt.Errorf("%w: commit: %w", ErrUnavailable, err)
	}
	answer(applied, err)
	return nil
}

// serve gives c its turn within a savepoint. failed is c's own error, after
// which nothing of it remains; lost says that nothing of anybody remains.
func (c *call) serve(tx *sql.Tx) (failed, lost error) {
	if _, err := tx.Exec("SAVEPOINT turn"); err != nil {
		return nil, err
	}
	c.turn <- tx
	if failed = <-c.ran; failed != nil {
		_, lost = tx.Exec("ROLLBACK TO turn")
	}
	if lost == nil {
		_, lost = tx.Exec("RELEASE turn")
	}
	return failed, lost
}

func answer(calls []*call, err error) {
	for _, c := range calls {
		c.result <- err
	}
}
