package gateway_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/gateway"
)

// frame is one WebSocket frame as a server sends it; masked, as a confused one
// might.
func frame(size int, masked bool) []byte {
	head := []byte{0x82}
	switch {
	case size < 126:
		head = append(head, byte(size))
	case size < 1<<16:
		head = binary.BigEndian.AppendUint16(append(head, 126), uint16(size))
	default:
		head = binary.BigEndian.AppendUint64(append(head, 127), uint64(size))
	}
	if masked {
		head[1] |= 0x80
		head = append(head, 1, 2, 3, 4)
	}
	return append(head, bytes.Repeat([]byte{0x82}, size)...) // the payload looks like frames
}

// TestFrames: wherever the bytes are cut, the frames' ends are found.
func TestFrames(t *testing.T) {
	var stream []byte
	var want []int
	for _, size := range []int{0, 1, 125, 126, 127, 65535, 65536, 0, 3} {
		for _, masked := range []bool{false, true} {
			f := frame(size, masked)
			stream, want = append(stream, f...), append(want, len(f))
		}
	}
	for _, n := range []int{1, 2, 3, 7, 1000, len(stream)} {
		if got := gateway.Frames(stream, n); !slices.Equal(got, want) {
			t.Errorf("read %d at a time: pieces %v, want %v", n, got, want)
		}
	}
}

// FuzzFrames: the pieces do not depend on how a stream is cut, whatever it holds.
func FuzzFrames(f *testing.F) {
	f.Add(append(frame(300, false), frame(2, true)...), uint8(3))
	f.Fuzz(func(t *testing.T, stream []byte, n uint8) {
		whole, cut := gateway.Frames(stream, len(stream)+1), gateway.Frames(stream, int(n)+1)
		if !slices.Equal(whole, cut) {
			t.Errorf("%d at a time: %v, at once: %v", int(n)+1, cut, whole)
		}
	})
}

// pair is a connection: ours to the client, and the client's own side.
func pair(t *testing.T) (ours, client net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer ln.Close()
	client, err = net.Dial("tcp", ln.Addr().String())
	must(t, err)
	ours, err = ln.Accept()
	must(t, err)
	t.Cleanup(func() { ours.Close(); client.Close() })
	must(t, client.SetDeadline(time.Now().Add(20*time.Second)))
	return ours, client
}

const goodbye = "\x88\x0f\x03\xf0session ended"

// TestSocketEnds: wherever in the app's stream the session ends, the client
// gets whole frames and then the close frame; only a frame that does not end
// within its time is cut.
func TestSocketEnds(t *testing.T) {
	whole := string(frame(300, false))
	for name, row := range map[string]struct{ before, after, want string }{
		"at the very beginning":       {"", "", goodbye},
		"between two frames":          {whole, "", whole + goodbye},
		"the app goes on":             {whole, whole, whole + goodbye},
		"in a head":                   {whole[:1], whole[1:], whole + goodbye},
		"in a payload":                {whole + whole[:100], whole[100:], whole + whole + goodbye},
		"the next frame comes along":  {whole[:100], whole[100:] + whole, whole + goodbye},
		"the frame never ends":        {whole[:100], "", whole[:100]},
		"a frame in three pieces":     {whole[:2], whole[2:200], whole[:200]},
		"an empty frame in the midst": {"\x82", "\x00\x82\x00", "\x82\x00" + goodbye},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ours, client := pair(t)
			ctx, hangUp := context.WithCancel(t.Context())
			s, end := gateway.Socket(ours, hangUp)
			fromClient := make(chan error, 1)
			go func() { // what the proxy does towards the app
				_, err := io.Copy(io.Discard, s)
				fromClient <- err
			}()
			_, err := s.Write([]byte(row.before))
			must(t, err)
			end()
			// Left unread, it would make the system reset the connection.
			_, err = client.Write([]byte("still there?"))
			must(t, err)
			if row.after != "" {
				go s.Write([]byte(row.after))
			}
			got, err := io.ReadAll(client)
			if err != nil || string(got) != row.want {
				t.Errorf("the client got %d bytes ending in %q (%v), want %d ending in %q", len(got), tail(got), err, len(row.want), tail([]byte(row.want)))
			}
			client.Close()
			if err := <-fromClient; err == nil {
				t.Error("the app would take the end for the client's own")
			}
			<-ctx.Done() // the app's side is let go
			if _, err := s.Write([]byte("x")); err == nil {
				t.Error("the app can write afterwards")
			}
		})
	}
}

func tail(b []byte) string { return string(b[max(0, len(b)-20):]) }

// TestSocketEndsForADeafClient: one that neither reads nor closes is not waited
// for.
func TestSocketEndsForADeafClient(t *testing.T) {
	ours, _ := pair(t)
	ctx, hangUp := context.WithCancel(t.Context())
	s, end := gateway.Socket(ours, hangUp)
	go io.Copy(io.Discard, s)
	blocked := make(chan struct{})
	go func() {
		defer close(blocked)
		big := frame(1<<20, false)
		for {
			if _, err := s.Write(big); err != nil {
				return
			}
		}
	}()
	begun := time.Now()
	end()
	<-ctx.Done()
	<-blocked
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
}
