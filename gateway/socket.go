package gateway

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// frameTime is how long a WebSocket that is to end may take to reach the end
	// of the frame that the app is sending.
	frameTime = 500 * time.Millisecond
	// farewellTime is how long the client may take to close after our close
	// frame. Closing at once, with its bytes unread, could destroy that frame on
	// the way (RFC 9112 section 9.6 tells how).
	farewellTime = 500 * time.Millisecond
)

// farewell is the close frame that a client reads last: a status and a reason
// (RFC 6455 sections 5.5.1 and 7.4.1). A server masks nothing.
type farewell string

const (
	sessionEnded farewell = "\x88\x0f\x03\xf0session ended"    // 1008, policy violation
	goingAway    farewell = "\x88\x12\x03\xe9gateway restarts" // 1001: pages take it for a reason to connect again
)

var errParted = errors.New("the gateway has closed this WebSocket")

// socket is the client's side of a WebSocket. It follows the app's frames on
// their way to the client, so that a word of ours can come between two of them.
type socket struct {
	net.Conn
	ending  atomic.Pointer[farewell] // nil: it goes on
	used    atomic.Bool              // the handshake is over
	writing sync.Mutex               // guards frames and said
	frames  frames
	said    bool          // the close frame was sent
	parted  chan struct{} // closed: it was sent
	gone    chan struct{} // closed: the client sends nothing more
	left    sync.Once     // closes gone
	over    chan struct{} // closed: both sides are
}

func newSocket(conn net.Conn) *socket {
	return &socket{Conn: conn, parted: make(chan struct{}), gone: make(chan struct{}), over: make(chan struct{})}
}

// Write sends what the app says. Once it is to end that is the rest of a frame,
// at most.
func (s *socket) Write(p []byte) (int, error) {
	s.used.Store(true)
	n, err := s.write(p)
	if errors.Is(err, errParted) {
		<-s.over // the copying ends with the first error, and closes the connection
	}
	return n, err
}

func (s *socket) write(p []byte) (int, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.sayFarewell() {
		return 0, errParted
	}
	if s.ending.Load() != nil {
		rest := s.frames
		p = p[:rest.next(p)]
	}
	n, err := s.Conn.Write(p)
	for sent := p[:n]; len(sent) > 0; {
		sent = sent[s.frames.next(sent):]
	}
	if err == nil && s.sayFarewell() {
		err = errParted
	}
	return n, err
}

// sayFarewell sends the close frame if it is time for it, and reports whether it
// was sent. The caller holds writing.
func (s *socket) sayFarewell() bool {
	last := s.ending.Load()
	if s.said || last == nil || !s.frames.between() {
		return s.said
	}
	s.said = true
	_, _ = s.Conn.Write([]byte(*last)) // to a client that is gone it is no loss
	_ = s.CloseWrite()
	close(s.parted)
	return true
}

// Read gives what the client says, until the socket is to end.
func (s *socket) Read(p []byte) (int, error) {
	s.used.Store(true)
	for {
		n, err := s.Conn.Read(p)
		switch {
		case s.ending.Load() == nil:
			return n, err
		case err != nil:
			s.left.Do(func() { close(s.gone) })
			<-s.over
			return 0, errParted
		}
	}
}

// CloseWrite hands on that the app has said its last.
func (s *socket) CloseWrite() error {
	if c, ok := s.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return nil
}

// end closes both sides soon, without waiting for it, and reports whether that
// had not begun yet; last is what the client hears, hangUp lets go of the app.
func (s *socket) end(last farewell, hangUp context.CancelFunc) bool {
	if !s.ending.CompareAndSwap(nil, &last) {
		return false
	}
	go s.part(hangUp)
	return true
}

func (s *socket) part(hangUp context.CancelFunc) {
	defer func() {
		_ = s.Close()
		hangUp()
		close(s.over)
	}()
	if !s.used.Load() {
		return // a frame of ours would come before the handshake's answer
	}
	// Also for what is being written right now to a client that does not read.
	_ = s.SetWriteDeadline(time.Now().Add(frameTime))
	limit := time.NewTimer(frameTime)
	defer limit.Stop()
	s.writing.Lock()
	s.sayFarewell()
	s.writing.Unlock()
	select {
	case <-s.parted:
	case <-limit.C:
		return
	}
	_ = s.SetReadDeadline(time.Now().Add(farewellTime))
	select {
	case <-s.gone:
	case <-time.After(farewellTime):
	}
}

// frames is a place in a stream of WebSocket frames (RFC 6455 section 5.2). Its
// zero value is between two frames.
type frames struct {
	head [14]byte // of the frame under way, as far as it is known
	have int      // bytes of head
	left uint64   // bytes of the payload that are still to come
}

// between reports whether no frame is under way.
func (f *frames) between() bool { return f.have == 0 && f.left == 0 }

// next goes on by the frame under way, or the next one, as far as it stands in
// p, and gives the number of its bytes.
func (f *frames) next(p []byte) int {
	n := 0
	for f.left == 0 && n < len(p) {
		f.head[f.have] = p[n]
		f.have++
		n++
		if f.have == f.headSize() {
			f.left, f.have = f.payload(), 0
			if f.left == 0 {
				return n
			}
		}
	}
	step := min(f.left, uint64(len(p)-n))
	f.left -= step
	return n + int(step)
}

// headSize is as much as is known of it: it stands in the first two bytes.
func (f *frames) headSize() int {
	if f.have < 2 {
		return 2
	}
	size := 2
	switch f.head[1] & 0x7f {
	case 126:
		size += 2
	case 127:
		size += 8
	}
	if f.head[1]&0x80 != 0 { // masked, which a server should not do
		size += 4
	}
	return size
}

// payload is the length in a whole head.
func (f *frames) payload() uint64 {
	switch n := f.head[1] & 0x7f; n {
	case 126:
		return uint64(binary.BigEndian.Uint16(f.head[2:]))
	case 127:
		return binary.BigEndian.Uint64(f.head[2:])
	default:
		return uint64(n)
	}
}
