package proxy_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/cocoom/cocoom-gateway/proxy"
)

func TestWebSocketBothWays(t *testing.T) {
	app := newApp(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Set-Cookie", "gw=evil")
		w.Header().Set("X-Seen", r.Header.Get("X-Forwarded-User"))
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true, Subprotocols: []string{"chat"}})
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.CloseNow()
		conn.Write(r.Context(), websocket.MessageText, []byte("the app speaks first"))
		for {
			kind, message, err := conn.Read(r.Context())
			if err != nil {
				return
			}
			conn.Write(r.Context(), kind, message)
		}
	})
	f := newFront(t, app, &lea, nil)
	conn, res, err := websocket.Dial(t.Context(), f.URL+"/socket", &websocket.DialOptions{
		Subprotocols: []string{"chat"}, HTTPHeader: http.Header{"X-Forwarded-User": {"forged"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	if res.Header.Get("X-Seen") != lea.User || res.Header.Get("Set-Cookie") != "" || conn.Subprotocol() != "chat" {
		t.Errorf("answer %v", res.Header)
	}
	if _, message, err := conn.Read(t.Context()); err != nil || string(message) != "the app speaks first" {
		t.Fatalf("%q, %v", message, err)
	}
	for i := range 100 {
		sent := strings.Repeat(fmt.Sprint(i), 100)
		if err := conn.Write(t.Context(), websocket.MessageText, []byte(sent)); err != nil {
			t.Fatal(err)
		}
		if _, got, err := conn.Read(t.Context()); err != nil || string(got) != sent {
			t.Fatalf("%q, %v", got, err)
		}
	}
	if err := conn.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Errorf("close: %v", err)
	}
}

const upgradeRequest = "GET /socket HTTP/1.1\nHost: x\nConnection: Upgrade\nUpgrade: %s\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\nSec-WebSocket-Version: 13\n\n"

// O2P #1347: after a refused upgrade the client's frames must not be read as
// its next request.
func TestFailedUpgradeClosesTheConnection(t *testing.T) {
	paths := make(chan string, 4)
	app := newApp(t, func(w http.ResponseWriter, r *http.Request) {
		paths <- r.URL.Path
		w.WriteHeader(http.StatusForbidden)
	})
	for name, upstream := range map[string]string{"refused by the app": app, "no app": "http://127.0.0.1:1"} {
		f := newFront(t, upstream, nil, nil)
		// send reads until the connection is closed.
		answer := f.send(t, fmt.Sprintf(upgradeRequest, "websocket")+"GET /smuggled HTTP/1.1\nHost: x\n\n")
		if strings.Count(answer, "HTTP/1.1") != 1 || !strings.Contains(answer, "Connection: close") {
			t.Errorf("%s: %q", name, answer)
		}
	}
	if got := <-paths; got != "/socket" || len(paths) > 0 {
		t.Errorf("the app saw %s and %d more", got, len(paths))
	}
}

// An app that agrees to h2c would take requests that policy never sees.
func TestOnlyWebSocketIsUpgradedTo(t *testing.T) {
	for _, protocol := range []string{"h2c", "websocket, h2c", "h2c, websocket", "TLS/1.0", "websocket\nUpgrade: h2c", "caf\xe9"} {
		app, heads := newRawApp(t, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
		f := newFront(t, app, nil, nil)
		answer := f.send(t, fmt.Sprintf(upgradeRequest, protocol))
		if head := strings.ToLower(<-heads); strings.Contains(head, "upgrade:") || strings.Contains(head, "http2-settings") {
			t.Errorf("%s: the app was asked to: %q", protocol, head)
		}
		if !strings.HasPrefix(answer, "HTTP/1.1 502") {
			t.Errorf("%s: %q", protocol, answer)
		}
	}
	app := newApp(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			t.Error("a POST was upgraded")
		}
	})
	newFront(t, app, nil, nil).send(t, strings.Replace(fmt.Sprintf(upgradeRequest, "websocket"), "GET", "POST", 1))
}

func TestEventsArriveOneByOne(t *testing.T) {
	for _, header := range [][2]string{{"Content-Type", "text/event-stream"}, {"Content-Type", "text/plain"}} {
		next := make(chan struct{})
		app := newApp(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set(header[0], header[1])
			for i := range 5 {
				fmt.Fprintf(w, "data: %d\n", i)
				http.NewResponseController(w).Flush()
				select {
				case <-next:
				case <-r.Context().Done():
					return
				}
			}
		})
		f := newFront(t, app, &lea, nil)
		res, err := http.Get(f.URL)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(res.Body)
		for i := range 5 {
			// The app sends the next event only when this one has arrived.
			if !lines.Scan() || lines.Text() != fmt.Sprintf("data: %d", i) {
				t.Fatalf("%v: %q, %v", header, lines.Text(), lines.Err())
			}
			next <- struct{}{}
		}
		res.Body.Close()
	}
}

func TestUploadIsStreamed(t *testing.T) {
	const size, piece = 64 << 20, 1 << 20
	arrived := make(chan int64, 1)
	total := make(chan int64, 1)
	app := newApp(t, func(w http.ResponseWriter, r *http.Request) {
		var sum int64
		buf := make([]byte, piece)
		for {
			n, err := r.Body.Read(buf)
			sum += int64(n)
			select {
			case arrived <- sum:
			default:
			}
			if err != nil {
				break
			}
		}
		total <- sum
	})
	f := newFront(t, app, &lea, nil)
	body, client := io.Pipe()
	go func() {
		zeros := make([]byte, piece)
		client.Write(zeros)
		<-arrived // the app has the beginning before the rest is sent
		for range size/piece - 1 {
			client.Write(zeros)
		}
		client.Close()
	}()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	res, err := http.Post(f.URL, "application/octet-stream", body)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	runtime.ReadMemStats(&after)
	if got := <-total; got != size {
		t.Errorf("%d bytes arrived, want %d", got, size)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > size/4 {
		t.Errorf("%d bytes were allocated for a body of %d", used, size)
	}
}

// An app may answer while it still reads: both directions go on.
func TestAnswerBeginsBeforeTheUploadEnds(t *testing.T) {
	app := newApp(t, func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		rc.EnableFullDuplex()
		w.WriteHeader(http.StatusOK)
		lines := bufio.NewScanner(r.Body)
		for lines.Scan() {
			fmt.Fprintf(w, "got %s\n", lines.Text())
			rc.Flush()
		}
	})
	f := newFront(t, app, nil, nil)
	conn, err := net.Dial("tcp", f.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
	var answer *bufio.Scanner
	for i := range 2000 { // more than the server would read ahead
		line := strings.Repeat("x", 1<<10) + fmt.Sprint(i)
		fmt.Fprintf(conn, "%x\r\n%s\n\r\n", len(line)+1, line)
		if answer == nil {
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			answer = bufio.NewScanner(res.Body)
		}
		if !answer.Scan() || answer.Text() != "got "+line {
			t.Fatalf("line %d: %.20q, %v", i, answer.Text(), answer.Err())
		}
	}
}

func TestEarlyRefusal(t *testing.T) {
	app := newApp(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusForbidden) })
	f := newFront(t, app, nil, nil)
	res, err := http.Post(f.URL, "text/plain", strings.NewReader(strings.Repeat("x", 1<<20)))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusForbidden {
		t.Errorf("got %d", res.StatusCode)
	}
}

func TestExpectContinue(t *testing.T) {
	app := newApp(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/no" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		io.Copy(w, r.Body)
	})
	f := newFront(t, app, nil, nil)
	const request = "POST %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
	conn, err := net.Dial("tcp", f.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, request, "/yes")
	in := bufio.NewReader(conn)
	if line, err := in.ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 100") {
		t.Fatalf("%q, %v", line, err)
	}
	io.WriteString(conn, "hello")
	if rest, err := io.ReadAll(in); err != nil || !strings.Contains(string(rest), "200 OK") || !strings.Contains(string(rest), "hello") {
		t.Errorf("%q, %v", rest, err)
	}
	if answer := f.send(t, strings.ReplaceAll(fmt.Sprintf(request, "/no"), "\r\n", "\n")); !strings.HasPrefix(answer, "HTTP/1.1 403") {
		t.Errorf("refused before the body: %q", answer)
	}
}

func TestStreamEndsWithTheRequestsContext(t *testing.T) {
	gone := make(chan struct{})
	app := newApp(t, func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
		if err != nil {
			t.Error(err)
			return
		}
		defer close(gone)
		conn.Read(context.WithoutCancel(r.Context()))
	})
	p, err := proxy.New(proxy.Config{Origin: origin, Host: host, Upstream: proxy.Upstream{URL: app}, Keys: newKeys(t, "EdDSA")})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	revoked, revoke := context.WithCancel(t.Context())
	front := newApp(t, func(w http.ResponseWriter, r *http.Request) {
		ctx, stop := context.WithCancel(r.Context())
		defer stop()
		context.AfterFunc(revoked, stop)
		p.Serve(w, r.WithContext(ctx), proxy.Inbound{})
	})
	conn, _, err := websocket.Dial(t.Context(), front, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	revoke()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, _, err := conn.Read(ctx); err == nil || ctx.Err() != nil {
		t.Errorf("the client's connection is open: %v", err)
	}
	select {
	case <-gone:
	case <-ctx.Done():
		t.Error("the app's connection is open")
	}
}
