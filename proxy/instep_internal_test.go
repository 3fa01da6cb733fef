package proxy

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"testing"
	"time"
)

// TestSecondAnswerIsNotTheNextOnes: an app answers twice at once, by a forged
// answer behind its own or by a body where none may be. Whoever gets the
// connection the moment it is free, before anybody has looked what else came,
// does not get that for an answer.
func TestSecondAnswerIsNotTheNextOnes(t *testing.T) {
	const forged = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"
	for name, row := range map[string]struct{ method, answer string }{
		"behind an empty answer": {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" + forged},
		"behind an answer":       {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nown" + forged},
		"behind chunks":          {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nown\r\n0\r\n\r\n" + forged},
		"a body for HEAD":        {"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 44\r\n\r\n" + forged},
		"a body of 304":          {"GET", "HTTP/1.1 304 Not Modified\r\n\r\n" + forged},
		"a body of 204":          {"GET", "HTTP/1.1 204 No Content\r\n\r\n" + forged},
		"a part of an answer":    {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nX-Forged: "},
	} {
		t.Run(name, func(t *testing.T) {
			app := twiceAnswering(t, row.answer)
			keptAlive, err := NewTransport(Upstream{URL: app})
			if err != nil {
				t.Fatal(err)
			}
			tr := transport{keptAlive}
			t.Cleanup(tr.CloseIdleConnections)

			honest := make(chan string, 1)
			sent := make(chan struct{}, 2)
			follow := func(error) { // the connection is free, and nobody has looked
				go func() {
					answer, headers := ask(t, tr, "GET", app+"/honest", &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { sent <- struct{}{} }})
					if headers.Get("X-Forged") != "" {
						answer = "forged"
					}
					honest <- answer
				}()
				select {
				case <-sent: // out of step, as it turns out
				case <-time.After(50 * time.Millisecond):
				}
			}
			ask(t, tr, row.method, app+"/split", &httptrace.ClientTrace{PutIdleConn: follow})
			if got := <-honest; got != "honest" {
				t.Errorf("the next one was answered %q", got)
			}
		})
	}
}

// TestHeardBeforeAsked: what a kept connection brings once it is taken for the next
// request, before that is sent, is not read as its answer; what comes then is.
func TestHeardBeforeAsked(t *testing.T) {
	for name, asks := range map[string]bool{"before it is asked": false, "once it is asked": true} {
		t.Run(name, func(t *testing.T) {
			ours, app := net.Pipe()
			t.Cleanup(func() { ours.Close(); app.Close() })
			c := keep(ours)
			type heard struct {
				text string
				err  error
			}
			reads := make(chan heard, 1)
			go func() {
				buf := make([]byte, 64)
				n, err := c.Read(buf)
				reads <- heard{string(buf[:n]), err}
			}()
			c.awaitStep()
			if asks {
				go func() { _, _ = io.ReadFull(app, make([]byte, len("GET"))) }()
				if _, err := c.Write([]byte("GET")); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := app.Write([]byte("HTTP/1.1 200 OK")); err != nil {
				t.Fatal(err)
			}
			if got := <-reads; (got.err == nil) != asks || (got.text != "") != asks {
				t.Errorf("read %q, %v", got.text, got.err)
			}
		})
	}
}

// twiceAnswering is an app that writes answer for /split, and is honest besides.
func twiceAnswering(t *testing.T, answer string) string {
	t.Helper()
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
				for in := bufio.NewReader(conn); ; {
					req, err := http.ReadRequest(in)
					if err != nil {
						return
					}
					said := "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhonest"
					if req.URL.Path == "/split" {
						said = answer
					}
					if _, err := io.WriteString(conn, said); err != nil {
						return
					}
				}
			}()
		}
	}()
	return "http://" + ln.Addr().String()
}

func ask(t *testing.T, tr transport, method, address string, trace *httptrace.ClientTrace) (body string, headers http.Header) {
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), method, address, nil)
	if err != nil {
		t.Error(err)
		return "", nil
	}
	res, err := tr.RoundTrip(req)
	if err != nil {
		t.Error(err)
		return "", nil
	}
	defer res.Body.Close()
	all, err := io.ReadAll(res.Body)
	if err != nil {
		t.Error(err)
	}
	return string(all), res.Header
}
