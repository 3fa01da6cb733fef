package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// TestAdvisoryPomeriumHTTP2: what made Envoy crash or spin over HTTP/2 leaves the
// gateway answering, others and over HTTP/1.1.
func TestAdvisoryPomeriumHTTP2(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	roots := selfSigned(t, dir, customers[0].Host)
	s := besiege(t, func(config string) string {
		return strings.Replace(config, "public_scheme: http\n", "tls: {cert: file:"+dir+"/c.pem, key: file:"+dir+"/k.pem}\n", 1)
	})
	served := func(t *testing.T) {
		t.Helper()
		c := s.connectHTTP2(t, roots)
		c.asks(1, "/public/x", false)
		if got := c.answered(1); got != "200" {
			t.Errorf("whoever asks next is answered %q", got)
		}
		if got := s.app.requests(); len(got) == 0 {
			t.Error("and the app is not asked")
		}
	}
	s.row(t, "CVE-2021-39162 SETTINGS after GOAWAY", advisory{more: map[string]func(*testing.T){
		"passes honestly": served,
		"refused without a session": func(t *testing.T) {
			c := s.connectHTTP2(t, roots)
			c.asks(1, "/x", false)
			if got := c.answered(1); got != "302" {
				t.Errorf("answered %q", got)
			}
		},
		"refused when forged": func(t *testing.T) {
			c := s.connectHTTP2(t, roots)
			for range 3 {
				c.sent(c.WriteGoAway(0, http2.ErrCodeNo, []byte("bye")), c.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}), c.WriteSettings())
			}
			c.asks(1, "/public/x", false)
			c.ends()
			served(t)
		},
	}})
	s.row(t, "CVE-2021-39204 streams that are reset as fast as they are opened", advisory{more: map[string]func(*testing.T){
		"passes honestly": served,
		"refused when forged": func(t *testing.T) {
			c := s.connectHTTP2(t, roots)
			for id := uint32(1); id < 4000 && c.broken == nil; id += 2 {
				c.asks(id, "/public/x", true)
			}
			served(t) // while it goes on
			c.ends()
			served(t)
		},
	}})
}

// http2Client writes HTTP/2 frame by frame.
type http2Client struct {
	*http2.Framer
	t      *testing.T
	s      *siege
	conn   net.Conn
	broken error // why nothing more can be written
}

// connectHTTP2 opens a connection and says hello on it.
func (s *siege) connectHTTP2(t *testing.T, roots *x509.CertPool) *http2Client {
	t.Helper()
	conn, err := tls.Dial("tcp", s.p.public.addr(), &tls.Config{RootCAs: roots, ServerName: customers[0].Host, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	_, err = io.WriteString(conn, http2.ClientPreface)
	c := &http2Client{http2.NewFramer(conn, conn), t, s, conn, err}
	c.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	c.sent(c.WriteSettings())
	return c
}

// sent notes that the connection is broken.
func (c *http2Client) sent(errs ...error) { c.broken = errors.Join(append(errs, c.broken)...) }

// asks opens a stream that navigates to a page of the first customer's, and resets
// it at once if told to.
func (c *http2Client) asks(id uint32, path string, reset bool) {
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	for _, f := range [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", customers[0].Host}, {":path", path}, {"sec-fetch-mode", "navigate"}, {"sec-fetch-dest", "document"}} {
		c.sent(enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}))
	}
	c.sent(c.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true}))
	if reset {
		c.sent(c.WriteRSTStream(id, http2.ErrCodeCancel))
	}
}

// answered gives the status of a stream; empty if the connection ends before.
func (c *http2Client) answered(id uint32) string {
	for {
		f, err := c.ReadFrame()
		if err != nil {
			c.t.Log(err)
			return ""
		}
		if h, ok := f.(*http2.MetaHeadersFrame); ok && h.StreamID == id {
			return h.PseudoValue("status")
		}
	}
}

// ends reads until the gateway says or does no more, and closes.
func (c *http2Client) ends() {
	_ = c.conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	_, _ = io.Copy(io.Discard, c.conn)
	c.conn.Close()
}
