package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestUnaskedAnswersAreNotLogged: an app that answers HEAD with a body makes
// net/http log the body's bytes; here they are the request's own secrets.
func TestUnaskedAnswersAreNotLogged(t *testing.T) {
	out := &syncBuffer{wrote: make(chan struct{}, 16)}
	defer log.SetOutput(log.Writer())
	defer log.SetFlags(log.Flags())
	quietLibraries(slog.New(slog.NewJSONHandler(out, nil)))

	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		req, err := http.ReadRequest(bufio.NewReader(conn))
		if err != nil {
			return
		}
		fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n%s", req.Header.Get("Authorization"))
		_, _ = io.Copy(io.Discard, conn)
	}()
	req, err := http.NewRequest("HEAD", "http://"+ln.Addr().String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer hunter2hunter2")
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	select {
	case <-out.wrote:
	case <-time.After(10 * time.Second):
		t.Fatal("nothing was logged: this test no longer provokes what it is about")
	}
	if got := out.String(); strings.Contains(got, "hunter2") || !strings.Contains(got, `"level":"WARN"`) {
		t.Errorf("logged %s", got)
	}
}

type syncBuffer struct {
	mu    sync.Mutex
	b     bytes.Buffer
	wrote chan struct{}
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() { s.wrote <- struct{}{} }()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
