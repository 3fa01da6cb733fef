package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// stoppingApp has, for everybody, a WebSocket, an event stream, and a page that
// waits for answer.
func stoppingApp(answer <-chan struct{}) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/socket", func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
		if err != nil {
			return
		}
		defer conn.CloseNow()
		_ = conn.Write(r.Context(), websocket.MessageText, []byte("hello"))
		_, _, _ = conn.Read(context.WithoutCancel(r.Context()))
	})
	mux.HandleFunc("/events", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		fmt.Fprint(w, "data: hello\n\ndata: half an ev")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "begun ")
		_ = http.NewResponseController(w).Flush()
		<-answer
		fmt.Fprint(w, "and done")
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Header.Get("X-Forwarded-User")) })
	return mux
}

// halfSent sends the head of a request on a connection of its own, and waits until its
// body is asked for; end sends that, and gives the answer.
func halfSent(t *testing.T, address, head, body string) (end func() *http.Response) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := fmt.Fprintf(conn, "%sExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", head, len(body)); err != nil {
		t.Fatal(err)
	}
	answers := bufio.NewReader(conn)
	if resp, err := http.ReadResponse(answers, nil); err != nil || resp.StatusCode != http.StatusContinue {
		t.Fatalf("no body is asked for: %v, %v", resp, err)
	}
	return func() *http.Response {
		t.Helper()
		if _, err := io.WriteString(conn, body); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
}

// begun opens a page and reads the beginning of its answer.
func (m *member) begun(path, want string) io.Reader {
	m.t.Helper()
	resp, err := m.Get(m.origin + path)
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { resp.Body.Close() })
	got := make([]byte, len(want))
	if _, err := io.ReadFull(resp.Body, got); err != nil || string(got) != want {
		m.t.Fatalf("%s begins with %q (%v)", path, got, err)
	}
	return resp.Body
}

// TestStop: a gateway that is told to stop says so, hears nobody new, ends what
// would never end, lets the rest end, and loses nothing.
func TestStop(t *testing.T) {
	for name, path := range map[string]string{"signed in": "", "for everybody": "/public"} {
		t.Run(name, func(t *testing.T) { testStop(t, path) })
	}
}

func testStop(t *testing.T, path string) {
	answer := make(chan struct{})
	done := sync.OnceFunc(func() { close(answer) })
	app := httptest.NewServer(http.StripPrefix(path, stoppingApp(answer)))
	t.Cleanup(func() { done(); app.Close() })
	o := newOffice(t, t.TempDir())
	o.config = upstreamLine.ReplaceAllString(o.config, "upstream: "+app.URL) +
		"    notify: {bearer_tokens: [ck_0123456789abcdef]}\n    policy: [{path: /public/**, allow: public}, {path: /**, allow: members}]\n"
	p, stop := o.start("0")
	marie := o.browser(p)
	if path == "" {
		marie = o.member(p, "U0MARIE")
	}
	socket, events, slow := marie.socketAt(path+"/socket"), marie.begun(path+"/events", "data: hello\n\n"), marie.begun(path+"/slow", "begun ")
	webhook := halfSent(t, p.public.addr(), "POST /.gateway/v1/notifications HTTP/1.1\r\nHost: "+customers[0].Host+"\r\nAuthorization: Bearer ck_0123456789abcdef\r\n"+
		"Content-Type: application/x-www-form-urlencoded\r\n", "to=U0PAUL&text=just+in+time")

	stopped := make(chan struct{})
	go func() { defer close(stopped); stop() }()

	if _, _, err := socket.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Errorf("the WebSocket ended with %v, want a close frame with 1001", err)
	}
	if rest, err := io.ReadAll(events); err != nil || string(rest) != "data: half an ev" {
		t.Errorf("the event stream ended with %q and %v, want a clean end", rest, err)
	}
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) { // listeners close while streams end
		conn, err := net.Dial("tcp", p.public.addr())
		if err != nil {
			break
		}
		conn.Close()
		if time.Now().After(end) {
			t.Fatal("new connections are taken")
		}
	}
	resp, err := http.Get("http://" + p.admin.addr() + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	var ready map[string]string
	if err := json.NewDecoder(resp.Body).Decode(&ready); err != nil || resp.StatusCode != 503 || ready["stop"] == "" {
		t.Errorf("while it stops, it is ready: %d %v (%v)", resp.StatusCode, ready, err)
	}
	resp.Body.Close()
	if resp := webhook(); resp.StatusCode != 202 || !resp.Close {
		t.Errorf("a notification under way is answered %d, the connection is kept: %v", resp.StatusCode, !resp.Close)
	}
	select {
	case <-stopped:
		t.Error("it did not wait for a page under way")
	default:
	}
	done()
	if rest, err := io.ReadAll(slow); err != nil || string(rest) != "and done" {
		t.Errorf("a page under way ends with %q and %v", rest, err)
	}
	<-stopped

	marie.at, _ = o.start("0")
	if path == "" && !marie.signedIn() {
		t.Error("whoever was signed in is not any more")
	}
	o.awaits("U0PAUL", "just in time")
}

// TestStopOfAnIdleGateway: with nobody there it takes no time, kept-alive
// connections or not.
func TestStopOfAnIdleGateway(t *testing.T) {
	o := newOffice(t, t.TempDir())
	p, stop := o.start("0")
	if marie := o.member(p, "U0MARIE"); !marie.signedIn() { // her browser keeps its connections
		t.Fatal("not signed in")
	}
	begun := time.Now()
	stop()
	if took := time.Since(begun); took > 2*time.Second {
		t.Errorf("it took %s", took)
	} else {
		t.Logf("it took %s", took)
	}
}

// TestServiceManager: what systemd is told, and that nobody need listen.
func TestServiceManager(t *testing.T) {
	heard, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: t.TempDir() + "/notify"})
	if err != nil {
		t.Fatal(err)
	}
	defer heard.Close()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	done := make(chan int, 1)
	o := newOffice(t, t.TempDir())
	file := o.file("0")
	go func() {
		getenv := func(name string) string {
			return map[string]string{"NOTIFY_SOCKET": heard.LocalAddr().String()}[name]
		}
		done <- run(ctx, []string{"serve", "-c", file}, getenv, io.Discard, io.Discard)
	}()
	for _, want := range []string{"READY=1", "STOPPING=1"} {
		said := make([]byte, 100)
		if err := heard.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		n, err := heard.Read(said)
		if string(said[:n]) != want {
			t.Fatalf("systemd hears %q (%v), want %q", said[:n], err, want)
		}
		stop()
	}
	if code := <-done; code != 0 {
		t.Errorf("exited with %d", code)
	}
}

// socketAt opens a WebSocket at a path and waits for the app's word.
func (m *member) socketAt(path string) *websocket.Conn {
	m.t.Helper()
	conn, _, err := websocket.Dial(m.t.Context(), strings.Replace(m.origin, "http", "ws", 1)+path,
		&websocket.DialOptions{HTTPClient: &m.Client, HTTPHeader: http.Header{"Origin": {m.origin}}})
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { conn.CloseNow() })
	if _, msg, err := conn.Read(m.t.Context()); err != nil || string(msg) != "hello" {
		m.t.Fatalf("the app says %q, %v", msg, err)
	}
	return conn
}

// upstreamLine is an office's.
var upstreamLine = regexp.MustCompile(`upstream: .*`)
