package main

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestAttackSlowness: whoever is slow on purpose is hung up on, at the first
// bytes, in the midst of a header or of a handshake, and with an answer that they
// leave unread. The times are a test's; that there are some is a test's matter,
// too, below.
func TestAttackSlowness(t *testing.T) {
	t.Parallel()
	huge := strings.Repeat("x", 32<<20)
	handler := func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, huge) }
	short := func(s *server) {
		s.http.ReadHeaderTimeout, s.http.IdleTimeout = 300*time.Millisecond, 300*time.Millisecond
		s.crowd.patience = 300 * time.Millisecond
	}
	s := crowded(t, handler, short)
	secure := crowded(t, handler, func(s *server) {
		short(s)
		dir := t.TempDir()
		selfSigned(t, dir, "a.localhost")
		cert, err := tls.LoadX509KeyPair(filepath.Join(dir, "c.pem"), filepath.Join(dir, "k.pem"))
		if err != nil {
			t.Fatal(err)
		}
		s.ln = tls.NewListener(s.ln, &tls.Config{Certificates: []tls.Certificate{cert}})
	})
	for name, row := range map[string]struct{ address, request string }{
		"nothing":                   {s.addr(), ""},
		"half a request line":       {s.addr(), "GET / HT"},
		"half a header":             {s.addr(), "GET / HTTP/1.1\r\nHost: a\r\nX-"},
		"a second header":           {s.addr(), "HEAD / HTTP/1.1\r\nHost: a\r\n\r\nGET"},
		"an answer unread":          {s.addr(), plainGet},
		"no handshake":              {secure.addr(), ""},
		"a handshake without end":   {secure.addr(), "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"},
		"a handshake that is plain": {secure.addr(), "GET / HT"},
	} {
		conn := dials(t, row.address, row.request)
		c := s
		if row.address != s.addr() {
			c = secure
		}
		eventually(t, name+" is held", func() bool { return c.crowd.count() == 0 })
		conn.Close()
	}
}

// TestListenersHaveTimes: every listener of the program bounds what a client can
// wait with.
func TestListenersHaveTimes(t *testing.T) {
	s := besiege(t, nil)
	for name, l := range map[string]*server{"public": s.p.public, "private": s.p.private, "admin": s.p.admin} {
		if h := &l.http; h.ReadHeaderTimeout <= 0 || h.ReadHeaderTimeout > 10*time.Second || h.IdleTimeout <= 0 || h.IdleTimeout > 2*time.Minute || h.MaxHeaderBytes != headerBytes {
			t.Errorf("%s: header %s, idle %s, %d bytes", name, h.ReadHeaderTimeout, h.IdleTimeout, h.MaxHeaderBytes)
		}
		if c := l.crowd; c.most <= 0 || c.fromOne <= 0 || c.fromOne > c.most || c.patience != takesNothing {
			t.Errorf("%s: %d, %d of one, %s", name, c.most, c.fromOne, c.patience)
		}
	}
}

// TestAttackBodyBehindTheAnswer: an app may answer before it has read what is
// sent. The rest is not awaited for ever, on whichever listener it comes.
func TestAttackBodyBehindTheAnswer(t *testing.T) {
	t.Parallel()
	app := hasty(t)
	s := besiege(t, func(config string) string { return strings.Replace(config, "upstream: ", "upstream: "+app+" #", 1) })
	post := func(host, path string) string {
		return "POST " + path + " HTTP/1.1\r\nHost: " + host + "\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\nx"
	}
	conns := map[string]net.Conn{}
	for name, row := range map[string]struct {
		at      *server
		request string
	}{
		"the app answers":       {s.p.public, post(s.host, "/public/x")},
		"nobody may":            {s.p.public, post(s.host, "/dossiers")},
		"no such host":          {s.p.public, post("nobody.localhost", "/")},
		"no credential":         {s.p.public, post(s.host, "/.gateway/v1/notifications")},
		"inside, no credential": {s.p.private, post("127.0.0.1", "/routes/"+customers[0].Host+"/v1/notifications")},
		"inside, no such page":  {s.p.private, post("127.0.0.1", "/none")},
		"inside, who may":       {s.p.private, post("127.0.0.1", "/.gateway/auth")},
	} {
		conns[name] = dials(t, row.at.addr(), row.request)
	}
	whole := strings.Replace(post(s.host, "/public/x"), "1000", "1", 1)
	if a := attackAll(t, s.p.public.addr(), nil, whole+get(s.host, "/", ""), 2); len(a) != 2 {
		t.Errorf("behind a body that came whole the connection ends: %v", a)
	}
	held := make(chan string)
	for name, conn := range conns {
		go func() {
			if isCut(t, conn) {
				name = ""
			}
			held <- name
		}()
	}
	for range conns {
		if name := <-held; name != "" {
			t.Errorf("%s: the connection is held", name)
		}
	}
}

// hasty is an app that answers without reading what is sent.
func hasty(t *testing.T) (url string) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = conn.Read(make([]byte, 4096))
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
				_, _ = io.Copy(io.Discard, conn)
			}()
		}
	}()
	return "http://" + ln.Addr().String()
}
