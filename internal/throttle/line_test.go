package throttle

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestClientsTakeTurns: who comes alone does not stand behind a crowd that
// somebody else has sent.
func TestClientsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Lines
		door := Room{Name: "a", Inside: 1, Queue: 3}
		leave, err := l.Enter(t.Context(), door, "crowd")
		if err != nil {
			t.Fatal(err)
		}
		order := make(chan string, 10)
		comes := func(who Who, name string) {
			go func() {
				leave, err := l.Enter(t.Context(), door, who)
				if err != nil {
					order <- name + " " + err.Error()
					return
				}
				order <- name
				leave()
			}()
			synctest.Wait()
		}
		for _, name := range []string{"crowd 1", "crowd 2", "crowd 3", "crowd 4"} {
			comes("crowd", name)
		}
		comes("alone", "alone")
		if got := <-order; got != "crowd 4 "+ErrFull.Error() {
			t.Errorf("first comes %q", got)
		}
		leave()
		synctest.Wait()
		close(order)
		if got, want := slices.Collect(channel(order)), []string{"crowd 1", "alone", "crowd 2", "crowd 3"}; !slices.Equal(got, want) {
			t.Errorf("they go in as %q, want %q", got, want)
		}
		if len(l.rooms) != 0 {
			t.Errorf("%d rooms are kept", len(l.rooms))
		}
	})
}

func channel[T any](c <-chan T) func(func(T) bool) {
	return func(yield func(T) bool) {
		for one := range c {
			if !yield(one) {
				return
			}
		}
	}
}

// TestWhoGivesUpLeavesTheLine: nobody's place is lost, and nobody waits for them.
func TestWhoGivesUpLeavesTheLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Lines
		door := Room{Name: "a", Inside: 1, Queue: 3}
		leave, _ := l.Enter(t.Context(), door, "first")
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if _, err := l.Enter(ctx, door, "impatient"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the wait ends with %v", err)
		}
		if r := l.rooms["a"]; len(r.turn) != 0 || len(r.queues) != 0 {
			t.Errorf("still in the line: %+v", r)
		}
		leave()
		if leave, err := l.Enter(t.Context(), door, "next"); err != nil {
			t.Error("the place is lost")
		} else {
			leave()
		}
	})
}

// TestNetworks: of whom it is likely that they are one.
func TestNetworks(t *testing.T) {
	for addr, want := range map[string]Who{
		"203.0.113.7": "203.0.113.0/24", "::ffff:203.0.113.9": "203.0.113.0/24",
		"2001:db8:1:2::3": "2001:db8:1::/48", "fe80::1%eth0": "fe80::/48",
	} {
		if got := Network(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s is of %s, want %s", addr, got, want)
		}
	}
	if got := Network(netip.Addr{}); got != From(netip.Addr{}) {
		t.Errorf("what could not be read is %s", got)
	}
}
