package main

import (
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/throttle"
)

const (
	// takesNothing is how long a client may take nothing of an answer, and
	// writeChunk what it has that time for: less than 1 KiB/s would be slower than
	// any telephone.
	takesNothing = time.Minute
	writeChunk   = 64 << 10
)

// guest is one connection.
type guest struct {
	net.Conn
	crowd   *crowd
	who     throttle.Who
	trusted bool          // the peer is a trusted proxy
	busy    atomic.Bool   // a request of it is being served, or it is HTTP no more
	since   atomic.Uint64 // how many had come when it began to do nothing
	head    atomic.Int64  // bytes since then
	left    sync.Once

	writing sync.Mutex
	until   time.Time // deadline that somebody has set for writing
}

// guestOf finds the guest below TLS; nil for a connection of another listener.
func guestOf(conn net.Conn) *guest {
	if tls, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = tls.NetConn()
	}
	g, _ := conn.(*guest)
	return g
}

// Read implements net.Conn. What is read while nothing is being served is a
// header that is not whole.
func (g *guest) Read(p []byte) (int, error) {
	n, err := g.Conn.Read(p)
	if !g.busy.Load() {
		if all := g.head.Add(int64(n)); all > smallHeader && all-int64(n) <= smallHeader {
			g.crowd.enterLarge(g)
		}
	}
	return n, err
}

// Write implements net.Conn. It gives up on a client that takes nothing.
func (g *guest) Write(p []byte) (n int, err error) {
	for {
		if err := g.wait(); err != nil {
			return n, err
		}
		done, err := g.Conn.Write(p[n:min(len(p), n+writeChunk)])
		if n += done; err != nil || n == len(p) {
			return n, err
		}
	}
}

// wait gives the client its time anew, unless somebody has set a sooner end.
func (g *guest) wait() error {
	g.writing.Lock()
	defer g.writing.Unlock()
	deadline := time.Now().Add(g.crowd.patience)
	if !g.until.IsZero() && g.until.Before(deadline) {
		deadline = g.until
	}
	return g.Conn.SetWriteDeadline(deadline)
}

// SetWriteDeadline implements net.Conn.
func (g *guest) SetWriteDeadline(t time.Time) error {
	g.writing.Lock()
	defer g.writing.Unlock()
	g.until = t
	return g.Conn.SetWriteDeadline(t)
}

// SetDeadline implements net.Conn.
func (g *guest) SetDeadline(t time.Time) error {
	if err := g.SetReadDeadline(t); err != nil {
		return err
	}
	return g.SetWriteDeadline(t)
}

// CloseWrite lets net/http end an answer to a client that is still sending, so
// that the answer is not destroyed on the way.
func (g *guest) CloseWrite() error {
	if tcp, ok := g.Conn.(interface{ CloseWrite() error }); ok {
		return tcp.CloseWrite()
	}
	return nil
}

// Close implements net.Conn.
func (g *guest) Close() error {
	g.left.Do(func() {
		c := g.crowd
		if g.head.Load() > smallHeader {
			c.leaveLarge(g)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.guests, g)
		if c.from[g.who]--; c.from[g.who] == 0 {
			delete(c.from, g.who)
		}
	})
	return g.Conn.Close()
}
