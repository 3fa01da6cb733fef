package main

import (
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// TestAttackPausedStreams: over HTTP/2 a client can leave an answer unread while
// its connection lives on. Streams with nothing taken from them are closed, be the
// app in the midst of them or long gone; one that is only quiet is not.
func TestAttackPausedStreams(t *testing.T) {
	t.Parallel()
	over := make(chan bool)
	s := crowded(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/large":
			for err := error(nil); err == nil; _, err = w.Write(make([]byte, 8<<10)) {
			}
		case "/flushed":
			_, _ = io.WriteString(w, "x")
			_ = http.NewResponseController(w).Flush()
		case "/small":
			_, _ = io.WriteString(w, "x")
		case "/quiet":
			_ = http.NewResponseController(w).Flush()
			<-over
		}
	}, func(s *server) {
		s.crowd.patience = 300 * time.Millisecond
		s.http.Protocols = new(http.Protocols)
		s.http.Protocols.SetUnencryptedHTTP2(true)
	})
	conn, err := net.Dial("tcp", s.addr())
	if err != nil {
		t.Fatal(err)
	}
	c := speakH2(t, conn)
	ask := func(path string) uint32 {
		return c.begin(true, ":method", "GET", ":scheme", "http", ":authority", "a", ":path", path)
	}
	quiet := ask("/quiet")
	if err := c.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/large", "/flushed", "/small"} {
		ask(path)
	}
	for cut := 0; cut < 3; {
		frame, err := c.ReadFrame()
		if err != nil {
			t.Fatalf("an answer that nobody takes is held: %v", err)
		}
		if reset, ok := frame.(*http2.RSTStreamFrame); ok {
			if cut++; reset.StreamID == quiet {
				t.Fatal("an app that is quiet is hung up on")
			}
		}
	}
	close(over)
	if got := c.answer(quiet); got != "" {
		t.Errorf("a quiet answer ends with %q", got)
	}
}
