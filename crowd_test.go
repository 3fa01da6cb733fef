package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// crowded is a listener in front of nothing but h, with limits of a test's.
func crowded(t *testing.T, h http.HandlerFunc, change func(s *server)) *server {
	t.Helper()
	s, err := listen("listen", "127.0.0.1:0", h, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	change(s)
	go func() { _ = s.http.Serve(s.ln) }()
	t.Cleanup(func() { s.cut(); s.http.Close() })
	return s
}

// dials opens a connection and writes.
func dials(t *testing.T, address, request string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if errors.Is(err, syscall.EMFILE) {
		t.Skip("this needs more file descriptors than a process may have here")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(15 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, request); err != nil {
		t.Logf("write: %v", err)
	}
	return conn
}

// isCut waits for a connection to be closed, with whatever was said before.
func isCut(t *testing.T, conn net.Conn) bool {
	t.Helper()
	_, err := io.Copy(io.Discard, conn)
	var late net.Error
	return !(errors.As(err, &late) && late.Timeout())
}

// eventually polls until ok, for 10 seconds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(what)
		}
	}
}

const plainGet = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

// TestAttackManyIdleConnections: 10,000 connections of one address that do
// nothing have room for 4,096, in bounded memory; they make room for whoever
// comes, and a member is served meanwhile.
func TestAttackManyIdleConnections(t *testing.T) {
	s := besiege(t, nil)
	cookie := "Cookie: " + s.cookie("U0MARIE") + "\r\n"
	s.p.public.http.SetKeepAlivesEnabled(true)
	before := inUse()
	for range 10_000 {
		dials(t, s.p.public.addr(), "")
	}
	if a := s.attack(get(s.host, "/", cookie)); a == nil || a.StatusCode != 200 {
		t.Errorf("a member is answered %v", a)
	}
	eventually(t, "connections are missing", func() bool { return s.p.public.crowd.arrivals.Load() > 10_000 })
	if n := s.p.public.crowd.count(); n > maxFromOne {
		t.Errorf("%d connections", n)
	}
	if each := (inUse() - before) / maxFromOne; each > 24<<10 {
		t.Errorf("an idle connection takes %d bytes", each)
	}
}

// inUse is how much memory holds something: heap and stacks.
func inUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// TestCrowd: who makes room, and who is left alone.
func TestCrowd(t *testing.T) {
	release := make(chan struct{})
	handler := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wait" {
			w.WriteHeader(200)
			w.(http.Flusher).Flush()
			<-release
		}
	}
	s := crowded(t, handler, func(s *server) { s.crowd.most, s.crowd.fromOne = 100, 32 })
	busy := dials(t, s.addr(), strings.Replace(plainGet, "/", "/wait", 1))
	answer := bufio.NewReader(busy)
	if line, err := answer.ReadString('\n'); err != nil || !strings.Contains(line, "200") {
		t.Fatal(line, err)
	}
	first := dials(t, s.addr(), "")
	eventually(t, "not there", func() bool { return s.crowd.count() == 2 })
	for range 40 {
		dials(t, s.addr(), "")
	}
	if !isCut(t, first) {
		t.Error("who has done nothing for longest is left alone")
	}
	eventually(t, "not there", func() bool { return s.crowd.arrivals.Load() == 42 })
	if n := s.crowd.count(); n > 32 {
		t.Errorf("%d connections of one address", n)
	}
	if a := attackAll(t, s.addr(), nil, plainGet, 1); len(a) != 1 || a[0].StatusCode != 200 {
		t.Error("whoever comes finds no room")
	}
	close(release)
	if line, err := answer.ReadString('\n'); err != nil {
		t.Errorf("the answer that was under way breaks off: %q %v", line, err)
	}
}

// TestCrowdOfTheBusy: where all of an address are being served no more come in,
// until one has ended; a trusted proxy has all that there are.
func TestCrowdOfTheBusy(t *testing.T) {
	for name, row := range map[string]struct {
		exempt bool
		want   int
	}{"an address": {false, 8}, "a proxy": {true, 20}} {
		t.Run(name, func(t *testing.T) {
			release := make(chan struct{})
			handler := func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(200)
				w.(http.Flusher).Flush()
				<-release
			}
			s := crowded(t, handler, func(s *server) {
				s.crowd.most, s.crowd.fromOne = 20, 8
				s.crowd.trusts = func(addr netip.Addr) bool { return row.exempt && addr.IsLoopback() }
			})
			served := 0
			for range 24 {
				conn := dials(t, s.addr(), plainGet)
				if line, _ := bufio.NewReader(conn).ReadString('\n'); strings.Contains(line, "200") {
					served++
				}
			}
			if served != row.want {
				t.Errorf("%d are served, want %d", served, row.want)
			}
			close(release)
			eventually(t, "nobody is let in again", func() bool {
				a := attackAll(t, s.addr(), nil, plainGet, 1)
				return len(a) == 1 && a[0].StatusCode == 200
			})
		})
	}
}

// TestAttackHeaderFlood: a header of short lines takes fifteen times its bytes in
// memory. Of those that are not whole few are held, and none that is whole.
func TestAttackHeaderFlood(t *testing.T) {
	var short strings.Builder
	for i := 0; short.Len() < 30<<10; i++ {
		fmt.Fprintf(&short, "%x:\r\n", i)
	}
	head := strings.TrimSuffix(plainGet, "\r\n")
	s := crowded(t, func(http.ResponseWriter, *http.Request) {}, func(*server) {})
	before := inUse()
	for range 600 {
		dials(t, s.addr(), head+short.String())
	}
	large := func() int {
		s.crowd.mu.Lock()
		defer s.crowd.mu.Unlock()
		return len(s.crowd.large)
	}
	eventually(t, "they are not there", func() bool {
		return s.crowd.arrivals.Load() == 600 && large() == maxLarge && s.crowd.count() == maxLarge
	})
	grown := inUse() - before
	if grown > 160<<20 {
		t.Errorf("600 headers that are not whole take %d MiB", grown>>20)
	}
	for name, row := range map[string]struct {
		lines string
		want  int
	}{
		"short lines":    {short.String(), 431},
		"the same line":  {strings.Repeat("a:\r\n", 7000), 431},
		"a giant cookie": {"Cookie: " + strings.Repeat("x", 24<<10) + "\r\n", 200},
		"a browser's":    {strings.Repeat("Cookie: "+strings.Repeat("x", 200)+"\r\n", 40), 200},
		"too large":      {"Cookie: " + strings.Repeat("x", 64<<10) + "\r\n", 431},
	} {
		if a := attackAll(t, s.addr(), nil, head+row.lines+"\r\n", 1); len(a) != 1 || a[0].StatusCode != row.want {
			t.Errorf("%s: answered %v, want %d", name, a, row.want)
		}
	}
}
