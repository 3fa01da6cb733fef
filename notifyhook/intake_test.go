package notifyhook

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
)

// holdIntake lets nobody write until as many wait as release is told.
func holdIntake(r *Relay) (release func(waiting int)) {
	r.intake.turn <- struct{}{}
	return func(waiting int) {
		for have := 0; have < waiting; {
			r.intake.mu.Lock()
			have = len(r.intake.waiting)
			r.intake.mu.Unlock()
		}
		<-r.intake.turn
	}
}

// acceptTogether accepts all in one batch and returns their ids and errors.
func acceptTogether(t *testing.T, r *Relay, list ...request) (ids []string, duplicates []bool, errs []error) {
	t.Helper()
	ids, duplicates, errs = make([]string, len(list)), make([]bool, len(list)), make([]error, len(list))
	release := holdIntake(r)
	var group sync.WaitGroup
	for i, q := range list {
		group.Go(func() { ids[i], duplicates[i], errs[i] = r.accept(t.Context(), r.routes()[host], q, r.now()) })
	}
	release(len(list))
	group.Wait()
	return ids, duplicates, errs
}

// Within one batch a key is accepted once, whoever is first, and other content
// under it is refused to that caller alone.
func TestOneKeyTwiceInABatch(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r, _, _ := newTestRelay(t, s, "")
		q := request{Key: "k", To: []string{"C01", "C02"}, Text: "x"}
		other := request{Key: "k2", To: []string{"C01"}, Text: "y"}
		ids, duplicates, errs := acceptTogether(t, r, q, other, q, q)
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		if ids[0] != ids[2] || ids[0] != ids[3] || ids[0] == ids[1] || duplicates[1] {
			t.Errorf("ids %q, duplicates %v", ids, duplicates)
		}
		if n := len(slices.DeleteFunc(duplicates, func(d bool) bool { return !d })); n != 2 {
			t.Errorf("%d duplicates, want 2", n)
		}
		changed := request{Key: "k", To: []string{"C01"}, Text: "changed"}
		_, duplicates, errs = acceptTogether(t, r, changed, request{To: []string{"C01"}, Text: "no key"}, q)
		if !errors.Is(errs[0], errKeyReused) || errs[1] != nil || errs[2] != nil || duplicates[1] || !duplicates[2] {
			t.Errorf("duplicates %v, errors %v", duplicates, errs)
		}
		if st, err := r.Stats(t.Context()); err != nil || st.Queued != 4 {
			t.Errorf("%+v, %v; want 4 queued", st, err)
		}
	})
}

// What cannot be written is refused by itself; the others of its batch are
// accepted. A NUL is what PostgreSQL does not take; a request has none.
func TestNeighboursOfARequestThatCannotBeWritten(t *testing.T) {
	s := storetest.Open(t, storetest.Postgres(t))
	r, _, _ := newTestRelay(t, s, "")
	_, _, errs := acceptTogether(t, r, request{To: []string{"C01"}, Text: "first"}, request{Type: "a\x00b", To: []string{"C01"}, Text: "bad"}, request{To: []string{"C01"}, Text: "last"})
	if errs[0] != nil || errs[1] == nil || errs[2] != nil {
		t.Errorf("got %v", errs)
	}
	if st, err := r.Stats(t.Context()); err != nil || st.Queued != 2 {
		t.Errorf("%+v, %v; want 2 queued", st, err)
	}
}

// Hundreds of recipients are more than one statement takes.
func TestManyRecipientsInABatch(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r, _, _ := newTestRelay(t, s, "")
		var list []request
		for i := range intakeBatch + 3 {
			q := request{Key: fmt.Sprint("k", i), Text: "x"}
			for j := range maxRecipients {
				q.To = append(q.To, fmt.Sprintf("C%d", (i*7+j*3)%200))
			}
			list = append(list, q)
		}
		if _, _, errs := acceptTogether(t, r, list...); errors.Join(errs...) != nil {
			t.Fatal(errs)
		}
		if st, err := r.Stats(t.Context()); err != nil || st.Queued != len(list)*maxRecipients {
			t.Errorf("%+v, %v; want %d queued", st, err, len(list)*maxRecipients)
		}
	})
}

// A caller that gives up before its turn has accepted nothing; one whose batch
// has begun gets the outcome.
func TestACallerMayLeaveTheIntake(t *testing.T) {
	r, _, _ := newTestRelay(t, sqliteStore(t), "")
	release := holdIntake(r)
	ctx, cancel := context.WithCancel(t.Context())
	left, stayed := make(chan error), make(chan error)
	for _, one := range []struct {
		ctx context.Context
		end chan error
	}{{ctx, left}, {t.Context(), stayed}} {
		go func() {
			_, _, err := r.accept(one.ctx, r.routes()[host], request{To: []string{"C01"}, Text: "x"}, r.now())
			one.end <- err
		}()
	}
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) || !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	release(1)
	if err := <-stayed; err != nil {
		t.Error(err)
	}
	if st, err := r.Stats(t.Context()); err != nil || st.Queued != 1 {
		t.Errorf("%+v, %v; want 1 queued", st, err)
	}
}

// A panic while a batch is written is its caller's; nobody takes it for
// accepted, and the next has its turn.
func TestPanicInABatch(t *testing.T) {
	in := intake{turn: make(chan struct{}, 1)}
	neighbour := &ticket{list: []*acceptance{{}}, done: make(chan struct{})}
	in.waiting = []*ticket{neighbour}
	func() {
		defer func() {
			if p := recover(); p != "boom" {
				t.Errorf("recovered %v", p)
			}
		}()
		_ = in.wait(t.Context(), []*acceptance{{}}, func(context.Context, []*acceptance) error { panic("boom") })
	}()
	if <-neighbour.done; !errors.Is(neighbour.err, store.ErrUnavailable) || !strings.Contains(neighbour.err.Error(), "not written") {
		t.Errorf("got %v", neighbour.err)
	}
	if err := in.wait(t.Context(), []*acceptance{{}}, func(context.Context, []*acceptance) error { return nil }); err != nil {
		t.Error(err)
	}
}

// Two of one batch that say the same are one, however long the second waited for
// the first, and whatever had the key before.
func TestSpentKeyWithinABatch(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r, clock, _ := newTestRelay(t, s, "")
		own := ownKey{name: ownMark + "same:x", window: time.Second}
		for round := range 3 {
			var list []*acceptance
			for i := range 3 {
				a, err := r.routes()[host].acceptance(request{To: []string{"C01"}, Text: "x", own: own}, clock.now().Add(time.Duration(i)*time.Minute))
				if err != nil {
					t.Fatal(err)
				}
				list = append(list, a)
			}
			if err := r.keepAll(t.Context(), list); err != nil {
				t.Fatal(err)
			}
			if !list[0].isNew() || list[1].isNew() || list[2].isNew() || list[1].id != list[0].id || list[2].id != list[0].id {
				t.Errorf("round %d: %+v, %+v, %+v", round, list[0], list[1], list[2])
			}
			clock.advance(time.Hour)
		}
		if n := column(t, s, `SELECT id FROM notification`); len(n) != 3 {
			t.Errorf("%d notifications", len(n))
		}
	})
}
