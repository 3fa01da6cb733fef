package main

import (
	"bytes"
	"crypto/tls"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// TestAttackHTTP2Floods: frames that cost their sender nothing end the connection,
// and no connection has more than maxStreams requests with the app. (Of SETTINGS it
// may send as many as it likes: one acknowledgement is owed for all that wait.)
func TestAttackHTTP2Floods(t *testing.T) {
	if racing {
		t.Skip("under the race detector, no flood is one")
	}
	t.Parallel()
	var under, most atomic.Int64
	address := openOverTLS(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for n := under.Add(1); ; {
			if m := most.Load(); n <= m || most.CompareAndSwap(m, n) {
				break
			}
		}
		defer under.Add(-1)
		select {
		case <-r.Context().Done():
		case <-time.After(200 * time.Millisecond):
		}
	}))
	open := func(t *testing.T) *h2 {
		conn, err := tls.Dial("tcp", address, &tls.Config{ServerName: "localhost", InsecureSkipVerify: true, NextProtos: []string{"h2"}})
		if err != nil {
			t.Fatal(err)
		}
		c := speakH2(t, conn)
		if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		return c
	}
	request := []string{":method", "GET", ":scheme", "https", ":authority", "localhost", ":path", "/"}

	t.Run("streams beyond the bound", func(t *testing.T) {
		c := open(t)
		for range 2 * maxStreams {
			c.begin(true, request...)
		}
		if got := c.answer(2*(2*maxStreams) - 1); got != "REFUSED_STREAM" {
			t.Errorf("the last of them is answered %q", got)
		}
		if got := c.answer(1); !strings.HasPrefix(got, "200") {
			t.Errorf("the first of them is answered %q", got)
		}
		if got := most.Load(); got > maxStreams {
			t.Errorf("%d requests were with the app at once", got)
		}
	})
	for _, row := range []struct {
		name string
		send func(c *h2, round int) error
	}{
		{"rapid reset, CVE-2023-44487", func(c *h2, _ int) error {
			id := c.stream
			c.stream += 2
			if err := c.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: c.packed(request), EndHeaders: true, EndStream: true}); err != nil {
				return err
			}
			return c.WriteRSTStream(id, http2.ErrCodeCancel)
		}},
		{"CONTINUATION, CVE-2023-45288", func(c *h2, round int) error {
			piece := bytes.Repeat([]byte{0x40, 1, 'a', 1, 'b'}, 1000) // a: b
			if round == 0 {
				return c.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: piece})
			}
			return c.WriteContinuation(1, false, piece)
		}},
		{"PING, CVE-2019-9512", func(c *h2, _ int) error { return c.WritePing(false, [8]byte{}) }},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := open(t) // it reads nothing: what it is owed piles up, until the gateway hangs up
			for round := 0; ; round++ {
				err := row.send(c, round)
				if err != nil && strings.Contains(err.Error(), "timeout") {
					t.Fatalf("the connection is held after %d rounds", round)
				}
				if err != nil {
					t.Logf("it ended after %d rounds: %v", round, err)
					return
				}
			}
		})
	}
}
