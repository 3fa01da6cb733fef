package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// recorder is an app that writes down what it gets. It reads strictly by RFC
// 9112, so that what is out of step shows as a broken request.
type recorder struct {
	ln  net.Listener
	mu  sync.Mutex
	got []recorded // in the order in which they came
	// answer writes what a request gets, as it stands on the wire, and is called with
	// the bytes that follow the request; false closes the connection. nil: "ok".
	answer func(req recorded, conn net.Conn, rest *bufio.Reader) bool
}

// recorded is a request as it came over the wire.
type recorded struct {
	line   string   // "GET / HTTP/1.1"
	header []string // the lines, in order
	body   string   // without its chunks
	broken error    // why it could not be read to its end
}

// record starts one; it ends with the test.
func record(t *testing.T) *recorder {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	rec := &recorder{ln: ln}
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go rec.serve(conn)
		}
	}()
	return rec
}

func (rec *recorder) url() string { return "http://" + rec.ln.Addr().String() }

// requests gives what came since it was last asked.
func (rec *recorder) requests() []recorded {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	got := rec.got
	rec.got = nil
	return got
}

func (rec *recorder) serve(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	for {
		req, err := readRecorded(r)
		if errors.Is(err, io.EOF) {
			return
		}
		req.broken = err
		rec.mu.Lock()
		rec.got = append(rec.got, req)
		n := len(rec.got)
		rec.mu.Unlock()
		if err != nil {
			return
		}
		if rec.answer != nil {
			if !rec.answer(req, conn, r) {
				return
			}
			continue
		}
		if _, err := fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Answer: %d\r\nContent-Length: 3\r\n\r\nok\n", n); err != nil {
			return
		}
	}
}

// readRecorded reads one request; io.EOF where none begins.
func readRecorded(r *bufio.Reader) (req recorded, err error) {
	if req.line, err = crlfLine(r); err != nil {
		return req, err
	}
	length, chunked := 0, false
	for {
		line, err := crlfLine(r)
		if err != nil {
			return req, fmt.Errorf("header: %v", err)
		}
		if line == "" {
			break
		}
		req.header = append(req.header, line)
		name, value, _ := strings.Cut(line, ":")
		switch value = strings.TrimSpace(value); strings.ToLower(name) {
		case "content-length":
			if length, err = strconv.Atoi(value); err != nil || length < 0 {
				return req, fmt.Errorf("length %q", value)
			}
		case "transfer-encoding":
			if chunked = value == "chunked"; !chunked {
				return req, fmt.Errorf("coding %q", value)
			}
		}
	}
	body := make([]byte, 0, length)
	for more := length > 0 || chunked; more; {
		n := length
		if chunked {
			line, err := crlfLine(r)
			size, bad := strconv.ParseInt(line, 16, 32)
			if err != nil || bad != nil {
				return req, fmt.Errorf("chunk %q: %v", line, err)
			}
			n = int(size)
		}
		part := make([]byte, n)
		if _, err := io.ReadFull(r, part); err != nil {
			return req, fmt.Errorf("body: %v", err)
		}
		body = append(body, part...)
		if !chunked {
			break
		}
		more = n > 0
		if line, err := crlfLine(r); err != nil || line != "" { // trailers show as broken, too
			return req, fmt.Errorf("after a chunk: %q %v", line, err)
		}
	}
	req.body = string(body)
	return req, nil
}

// crlfLine reads a line that ends with CR LF, and has neither within.
func crlfLine(r *bufio.Reader) (string, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return line, err
	}
	text, ok := strings.CutSuffix(line, "\r\n")
	if !ok || strings.ContainsAny(text, "\r\n") {
		return line, fmt.Errorf("line %q", line)
	}
	return text, nil
}

// value gives what a header holds, by its exact name in any case; several by a comma.
func (req recorded) value(name string) string {
	var all []string
	for _, line := range req.header {
		if key, value, _ := strings.Cut(line, ":"); strings.EqualFold(key, name) {
			all = append(all, strings.TrimSpace(value))
		}
	}
	return strings.Join(all, ",")
}
