package proxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// TestUpstreamThatTakesNothing: an app's HTTP/2 can stop what listens on its
// connection, by asking for more signs of life than it takes. A request on that
// connection must still end when its client leaves.
func TestUpstreamThatTakesNothing(t *testing.T) {
	t.Parallel()
	certified := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(certified.Close)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	stuck := make(chan struct{})
	go func() {
		tcp, err := ln.Accept()
		if err != nil {
			return
		}
		defer tcp.Close()
		_ = tcp.(*net.TCPConn).SetReadBuffer(4096)
		conn := tls.Server(tcp, &tls.Config{Certificates: certified.TLS.Certificates, NextProtos: []string{"h2"}})
		_, _ = io.ReadFull(conn, make([]byte, len(http2.ClientPreface)))
		var said bytes.Buffer
		f := http2.NewFramer(&said, conn)
		_ = f.WriteSettings()
		for asked := false; !asked; {
			frame, err := f.ReadFrame()
			if err != nil {
				return
			}
			_, asked = frame.(*http2.HeadersFrame)
		}
		_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x88}, EndHeaders: true, EndStream: true}) // 200
		_, _ = conn.Write(said.Bytes())
		said.Reset()
		for range 1000 {
			_ = f.WritePing(false, [8]byte{})
		}
		for {
			_ = conn.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
			if _, err := conn.Write(said.Bytes()); err != nil {
				close(stuck)
				<-t.Context().Done()
				return
			}
		}
	}()
	carrier, err := NewTransport(Upstream{})
	if err != nil {
		t.Fatal(err)
	}
	carrier.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
	ask := func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+ln.Addr().String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := transport{carrier}.RoundTrip(req)
		if err == nil {
			resp.Body.Close()
		}
		return err
	}
	if err := ask(t.Context()); err != nil {
		t.Fatal(err)
	}
	select {
	case <-stuck:
	case <-time.After(10 * time.Second):
		t.Fatal("the connection goes on")
	}
	ctx, leave := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer leave()
	over := make(chan error, 1)
	go func() { over <- ask(ctx) }()
	select {
	case err := <-over:
		if err == nil {
			t.Error("it was answered")
		}
	case <-time.After(5 * time.Second):
		t.Fatal("the request goes on although its client has left")
	}
}
