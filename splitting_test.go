package main

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
)

// TestAttackSplitting: an app that answers too much or too early spoils its own
// answer at most. Members ask meanwhile, on the connections that it leaves behind,
// and each gets their own answer.
func TestAttackSplitting(t *testing.T) {
	s := besiege(t, nil)
	const forged = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"
	answers := map[string]string{
		"/public/empty":  "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" + forged,
		"/public/twice":  "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nown" + forged,
		"/public/chunks": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nown\r\n0\r\n\r\n" + forged,
		"/public/both":   "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + forged,
		"/public/none":   "HTTP/1.1 204 No Content\r\n\r\n" + forged,
		"/public/same":   "HTTP/1.1 304 Not Modified\r\nContent-Length: 44\r\n\r\n" + forged,
		"/public/length": "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nown" + forged,
		"/public/switch": "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n" + forged,
		"/public/junk":   "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nown\r\n\r\n\x00\xff",
	}
	s.app.answer = func(req recorded, conn net.Conn, rest *bufio.Reader) bool {
		for path, answer := range answers {
			if strings.Contains(req.line, path+" ") {
				_, err := conn.Write([]byte(answer))
				return err == nil
			}
		}
		return echoing(req, conn, rest)
	}
	cookie := s.cookie("U0MARIE")
	s.app.requests()
	var all sync.WaitGroup
	over := make(chan struct{})
	for i := range 3 {
		all.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-over:
					return
				default:
				}
				line := fmt.Sprintf("/member/%d/%d", i, n)
				if a := s.attack(get(s.host, line, "Connection: close\r\nCookie: "+cookie+"\r\n")); a == nil || a.body != "GET "+line+" HTTP/1.1" {
					t.Errorf("%s is answered %v", line, a)
					return
				}
			}
		})
	}
	for path := range answers {
		for range 20 {
			a := s.attack(get(s.host, path, "Connection: close\r\n"))
			if a == nil || strings.Contains(a.body, "forged") {
				t.Errorf("%s is answered %v", path, a)
			}
		}
	}
	head := strings.Replace(get(s.host, "/public/twice", "Connection: close\r\n"), "GET", "HEAD", 1)
	for range 20 {
		if a := s.attack(head); a == nil || a.StatusCode != 200 {
			t.Errorf("HEAD is answered %v", a)
		}
	}
	close(over)
	all.Wait()
	for _, req := range s.app.requests() {
		if req.broken != nil {
			t.Errorf("arrived broken: %+v", req)
		}
	}
}

// TestAttackEarlyAnswer: an app answers while the body is still under way, so that
// its rest reaches neither the app nor the gateway as a request.
func TestAttackEarlyAnswer(t *testing.T) {
	app, arrived := answersEarly(t)
	s := besiege(t, func(config string) string { return upstreamLine.ReplaceAllString(config, "upstream: "+app) })
	smuggled := get(s.host, "/public/smuggled", "")
	body := strings.Repeat("x", 1<<20) + smuggled
	for name, row := range map[string]string{
		"of a length": fmt.Sprintf("POST /public/ HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n%s", s.host, len(body), body),
		"in chunks":   fmt.Sprintf("POST /public/ HTTP/1.1\r\nHost: %s\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", s.host, len(body), body),
	} {
		t.Run(name, func(t *testing.T) {
			for range 5 {
				for i, a := range attackAll(t, s.p.public.addr(), nil, row+get(s.host, "/public/behind", "Connection: close\r\n"), 3) {
					if want := []string{"POST /public/ HTTP/1.1", "GET /public/behind HTTP/1.1", ""}[i]; (a.StatusCode != 200 || a.body != want) && (i > 0 || a.StatusCode != 502) { // 502: its closing came before its answer
						t.Errorf("answered %d %q, want %q", a.StatusCode, a.body, want)
					}
				}
			}
		})
	}
	for _, line := range arrived() {
		if line != "POST /public/ HTTP/1.1" && line != "GET /public/behind HTTP/1.1" {
			t.Errorf("arrived %q", line)
		}
	}
}

// answersEarly is an app that answers as soon as it has a request's headers, reads no
// body, and closes.
func answersEarly(t *testing.T) (address string, arrived func() []string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	var mu sync.Mutex
	var lines []string
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				in := bufio.NewReader(conn)
				req := recorded{}
				for {
					line, err := crlfLine(in)
					if err != nil {
						return
					}
					if req.line == "" {
						req.line = line
					}
					if line == "" {
						break
					}
				}
				mu.Lock()
				lines = append(lines, req.line)
				mu.Unlock()
				echoing(req, conn, in)
			}()
		}
	}()
	return "http://" + ln.Addr().String(), func() []string { mu.Lock(); defer mu.Unlock(); return lines }
}
