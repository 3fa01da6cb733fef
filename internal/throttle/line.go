package throttle

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
)

// Network gives the network that an address most likely shares with others of
// the same owner: 24 bits of an IPv4 address, 48 of an IPv6 one, of which a
// hosting customer gets as many networks of 64 bits as they like.
func Network(addr netip.Addr) Who {
	addr = addr.Unmap().WithZone("")
	switch {
	case addr.Is4():
		return Who(netip.PrefixFrom(addr, 24).Masked().String())
	case addr.Is6():
		return Who(netip.PrefixFrom(addr, 48).Masked().String())
	}
	return Who(addr.String())
}

// ErrFull is that of Enter where too many wait already.
var ErrFull = errors.New("too many wait")

// Room is where only so many may be at once.
type Room struct {
	Name   string
	Inside int // at once
	Queue  int // how many of one client may wait for that
}

// Lines let so many do the same at once, and the others wait for it. Clients take
// turns, however many each sends: who comes alone does not stand behind a crowd
// that somebody else has sent. The zero value is ready.
type Lines struct {
	mu    sync.Mutex
	rooms map[string]*room
}

type room struct {
	inside int
	turn   []Who // who has somebody waiting; the first is next
	queues map[Who][]chan struct{}
}

// maxTurns bounds how many clients may have somebody waiting for a room.
const maxTurns = 1024

// Enter lets one of a client in, if need be after a while. leave must be called
// then, once. The error is ErrFull, or the context's, which ends the wait.
func (l *Lines) Enter(ctx context.Context, into Room, who Who) (leave func(), err error) {
	l.mu.Lock()
	r := l.rooms[into.Name]
	if r == nil {
		if l.rooms == nil {
			l.rooms = map[string]*room{}
		}
		r = &room{queues: map[Who][]chan struct{}{}}
		l.rooms[into.Name] = r
	}
	leave = func() { l.leave(into.Name, r) }
	if r.inside < into.Inside {
		r.inside++
		l.mu.Unlock()
		return leave, nil
	}
	queue := r.queues[who]
	if len(queue) >= into.Queue || len(queue) == 0 && len(r.turn) >= maxTurns {
		l.mu.Unlock()
		return nil, ErrFull
	}
	called := make(chan struct{})
	if len(queue) == 0 {
		r.turn = append(r.turn, who)
	}
	r.queues[who] = append(queue, called)
	l.mu.Unlock()

	select {
	case <-called:
		return leave, nil
	case <-ctx.Done():
		if !l.giveUp(r, who, called) {
			leave() // was called in that very moment
		}
		return nil, ctx.Err()
	}
}

// leave hands a place on to whose turn it is.
func (l *Lines) leave(name string, r *room) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(r.turn) == 0 {
		if r.inside--; r.inside == 0 && l.rooms[name] == r {
			delete(l.rooms, name)
		}
		return
	}
	who := r.turn[0]
	r.turn = r.turn[1:]
	queue := r.queues[who]
	close(queue[0])
	if queue = queue[1:]; len(queue) == 0 {
		delete(r.queues, who)
		return
	}
	r.queues[who] = queue
	r.turn = append(r.turn, who)
}

// giveUp takes one out of the line, and reports whether they were still in it.
func (l *Lines) giveUp(r *room, who Who, called chan struct{}) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	queue := r.queues[who]
	i := slices.Index(queue, called)
	if i < 0 {
		return false
	}
	if queue = slices.Delete(queue, i, i+1); len(queue) > 0 {
		r.queues[who] = queue
		return true
	}
	delete(r.queues, who)
	r.turn = slices.DeleteFunc(r.turn, func(other Who) bool { return other == who })
	return true
}
