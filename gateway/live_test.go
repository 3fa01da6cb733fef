package gateway_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/cocoom/cocoom-gateway/gateway"
)

// streamingApp has a WebSocket that echoes, a stream of events that says one
// thing and then nothing, a download without end, and a page that is answered
// when it is told to be. gone gets the path of each that was let go.
func streamingApp(gone chan<- string, answer <-chan struct{}) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/socket", func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
		if err != nil {
			return
		}
		defer conn.CloseNow()
		for {
			kind, msg, err := conn.Read(context.WithoutCancel(r.Context()))
			if err != nil || conn.Write(r.Context(), kind, msg) != nil {
				gone <- "/socket"
				return
			}
		}
	})
	mux.HandleFunc("/events", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "data: hello\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		gone <- "/events"
	})
	mux.HandleFunc("/download", func(w http.ResponseWriter, r *http.Request) {
		for piece := make([]byte, 64<<10); ; {
			if _, err := w.Write(piece); err != nil {
				gone <- "/download"
				return
			}
		}
	})
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		gone <- "/slow has begun"
		<-answer
		fmt.Fprint(w, "done")
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "app") })
	return mux
}

// streamer is a signed-in browser with everything open that lasts.
type streamer struct {
	*browser
	cookies  []*http.Cookie
	socket   *websocket.Conn
	events   *bufio.Reader
	download io.Reader
}

func (w *world) streamer(t *testing.T, user string) *streamer {
	t.Helper()
	s := &streamer{browser: w.browser()}
	origin := w.routes[0].Origin
	s.signIn(origin+"/", teams[0], user)
	u, err := url.Parse(origin)
	must(t, err)
	s.cookies = s.Jar.Cookies(u)
	s.socket = s.dial(t, origin)
	get := func(path string) *http.Response {
		req, err := http.NewRequestWithContext(t.Context(), "GET", origin+path, nil)
		must(t, err)
		resp, err := s.Do(req)
		must(t, err)
		t.Cleanup(func() { resp.Body.Close() })
		return resp
	}
	s.events = bufio.NewReader(get("/events").Body)
	if line, err := s.events.ReadString('\n'); err != nil || line != "data: hello\n" {
		t.Fatalf("the stream of events says %q, %v", line, err)
	}
	s.download = get("/download").Body
	_, err = io.CopyN(io.Discard, s.download, 1<<20)
	must(t, err)
	return s
}

func (s *streamer) dial(t *testing.T, origin string) *websocket.Conn {
	t.Helper()
	client := s.Client
	client.CheckRedirect = nil
	conn, _, err := websocket.Dial(t.Context(), strings.Replace(origin, "http", "ws", 1)+"/socket",
		&websocket.DialOptions{HTTPClient: &client, HTTPHeader: http.Header{"Origin": {origin}}})
	must(t, err)
	t.Cleanup(func() { conn.CloseNow() })
	return conn
}

// open reports whether everything goes on.
func (s *streamer) open(t *testing.T) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	must(t, s.socket.Write(ctx, websocket.MessageText, []byte("hello")))
	_, msg, err := s.socket.Read(ctx)
	_, downloadErr := io.CopyN(io.Discard, s.download, 1<<20)
	return err == nil && string(msg) == "hello" && downloadErr == nil
}

// ended waits until everything has ended, as it should.
func (s *streamer) ended(t *testing.T, gone <-chan string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var said websocket.CloseError
	if _, _, err := s.socket.Read(ctx); !errors.As(err, &said) || said.Code != websocket.StatusPolicyViolation || said.Reason != "session ended" {
		t.Errorf("the WebSocket ended with %v, want a close frame with 1008", err)
	}
	if _, err := io.ReadAll(s.events); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the stream of events ended with %v, want it cut", err)
	}
	if _, err := io.Copy(io.Discard, s.download); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the download ended with %v, want it cut", err)
	}
	for range 3 {
		select {
		case <-gone:
		case <-ctx.Done():
			t.Fatal("the app was not let go")
		}
	}
}

// TestStreamsEndWithTheirSession: however a session ends, its WebSockets, event
// streams and downloads do, too, and nobody else's.
func TestStreamsEndWithTheirSession(t *testing.T) {
	for name, row := range map[string]struct {
		end  func(*testing.T, *world, *streamer)
		both bool // the other person's end as well
	}{
		"one session": {func(t *testing.T, w *world, s *streamer) {
			list, _, err := w.gateway.Sessions(t.Context(), gateway.SessionQuery{Person: "U0PAUL"})
			must(t, err)
			revoke(t, w, gateway.Revocation{Session: list[0].ID[:12]}, 1)
		}, false},
		"a person by e-mail": {func(t *testing.T, w *world, s *streamer) {
			revoke(t, w, gateway.Revocation{Person: "Paul@Agrafmania.fr"}, 1)
		}, false},
		"a person by id on the route": {func(t *testing.T, w *world, s *streamer) {
			revoke(t, w, gateway.Revocation{Person: "U0PAUL", Route: host}, 1)
		}, false},
		"the route": {func(t *testing.T, w *world, s *streamer) { revoke(t, w, gateway.Revocation{Route: host}, 2) }, true},
		"all":       {func(t *testing.T, w *world, s *streamer) { revoke(t, w, gateway.Revocation{All: true}, 2) }, true},
		"signed out": {func(t *testing.T, w *world, s *streamer) {
			s.do("POST", w.routes[0].Origin+"/.gateway/sign-out", nil, "Origin", w.routes[0].Origin)
		}, false},
		"signed out everywhere": {func(t *testing.T, w *world, s *streamer) {
			s.do("POST", w.routes[0].Origin+"/.gateway/sign-out-everywhere", nil, "Origin", w.routes[0].Origin)
		}, false},
		"its lifetime":           {func(t *testing.T, w *world, s *streamer) { w.advance(12 * time.Hour) }, true},
		"a list that is too old": {func(t *testing.T, w *world, s *streamer) { w.lose(11 * time.Minute) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			gone := make(chan string, 100)
			w := withApp(t, streamingApp(gone, nil))
			paul, marie := w.streamer(t, "U0PAUL"), w.streamer(t, "U0MARIE")
			if n := w.gateway.Streams(); n != 2 {
				t.Errorf("%d exchanges last already, want the two WebSockets", n)
			}
			w.lose(gateway.LongAnswer)
			if n := w.gateway.Streams(); n != 6 {
				t.Errorf("%d exchanges last, want 6", n)
			}
			w.gateway.EndStreams()
			if !paul.open(t) || !marie.open(t) {
				t.Fatal("streams end although no session has")
			}
			row.end(t, w, paul)
			w.gateway.EndStreams()
			paul.ended(t, gone)
			if row.both {
				marie.ended(t, gone)
			} else if !marie.open(t) || marie.get(w.routes[0].Origin+"/").StatusCode != 200 {
				t.Error("the other person's streams have ended, too")
			}
			if got := w.browser().get(w.routes[0].Origin+"/", "Cookie", "gw="+paul.cookies[0].Value).StatusCode; got != 302 && name != "a list that is too old" {
				t.Errorf("a copy of the cookie answers %d", got)
			}
		})
	}
}

func revoke(t *testing.T, w *world, r gateway.Revocation, want int) {
	t.Helper()
	if n, err := w.gateway.Revoke(t.Context(), r); err != nil || n != want {
		t.Errorf("%+v ended %d (%v), want %d", r, n, err, want)
	}
}

// TestShortAnswersMayEnd: what was begun in good time and is over soon is not
// cut, nor is an upload whose answer has not begun; the next request is refused.
func TestShortAnswersMayEnd(t *testing.T) {
	begun, answer := make(chan string, 1), make(chan struct{})
	w := withApp(t, streamingApp(begun, answer))
	b := w.browser()
	page := w.routes[0].Origin + "/slow"
	b.signIn(w.routes[0].Origin+"/", teams[0], "U0PAUL")
	upload, client := io.Pipe()
	result := make(chan answerOrError, 1)
	go func() {
		resp, err := b.Post(page, "text/plain", upload)
		if err != nil {
			result <- answerOrError{err: err}
			return
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		result <- answerOrError{string(text), err}
	}()
	_, err := client.Write([]byte("a long"))
	must(t, err)
	<-begun
	w.advance(time.Hour)
	revoke(t, w, gateway.Revocation{All: true}, 1)
	w.gateway.EndStreams()
	_, err = client.Write([]byte(" upload"))
	must(t, err)
	must(t, client.Close())
	close(answer)
	if got := <-result; got.err != nil || got.text != "done" {
		t.Errorf("the upload was answered %q, %v", got.text, got.err)
	}
	if got := b.get(page); got.StatusCode != 302 {
		t.Errorf("the next request is answered %d", got.StatusCode)
	}
}

type answerOrError struct {
	text string
	err  error
}

// TestStreamsOverHTTP2End: there a stream is reset, and its neighbours go on.
func TestStreamsOverHTTP2End(t *testing.T) {
	gone := make(chan string, 10)
	w := withApp(t, streamingApp(gone, nil))
	front := httptest.NewUnstartedServer(w.gateway)
	front.EnableHTTP2 = true
	front.StartTLS()
	t.Cleanup(front.Close)
	client := &http.Client{Transport: &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	get := func(user string) *bufio.Reader {
		b := w.browser()
		b.signIn(w.routes[0].Origin+"/", teams[0], user)
		u, _ := url.Parse(w.routes[0].Origin)
		req, err := http.NewRequestWithContext(t.Context(), "GET", front.URL+"/events", nil)
		must(t, err)
		req.Host = host
		req.AddCookie(b.Jar.Cookies(u)[0])
		resp, err := client.Do(req)
		must(t, err)
		t.Cleanup(func() { resp.Body.Close() })
		if resp.ProtoMajor != 2 || resp.StatusCode != 200 {
			t.Fatalf("HTTP/%d answered %d", resp.ProtoMajor, resp.StatusCode)
		}
		lines := bufio.NewReader(resp.Body)
		if _, err := lines.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		return lines
	}
	paul, _ := get("U0PAUL"), get("U0MARIE")
	w.lose(gateway.LongAnswer)
	revoke(t, w, gateway.Revocation{Person: "U0PAUL"}, 1)
	w.gateway.EndStreams()
	if _, err := io.ReadAll(paul); err == nil {
		t.Error("the stream ended as if it were whole")
	}
	<-gone
	// The app is let go before the exchange is over.
	for deadline := time.Now().Add(5 * time.Second); w.gateway.Streams() != 1; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d streams are left, want the other person's", w.gateway.Streams())
		}
	}
}

// TestSocketOverTLSEnds: the close frame comes through there, too.
func TestSocketOverTLSEnds(t *testing.T) {
	gone := make(chan string, 1)
	w := withApp(t, streamingApp(gone, nil))
	front := httptest.NewTLSServer(w.gateway)
	t.Cleanup(front.Close)
	b := w.browser()
	b.signIn(w.routes[0].Origin+"/", teams[0], "U0PAUL")
	u, _ := url.Parse(w.routes[0].Origin)
	cookie := b.Jar.Cookies(u)[0]
	conn, _, err := websocket.Dial(t.Context(), strings.Replace(front.URL, "http", "ws", 1)+"/socket", &websocket.DialOptions{
		HTTPClient: front.Client(), Host: host, HTTPHeader: http.Header{"Origin": {w.routes[0].Origin}, "Cookie": {cookie.Name + "=" + cookie.Value}}})
	must(t, err)
	defer conn.CloseNow()
	must(t, conn.Write(t.Context(), websocket.MessageText, []byte("hello")))
	_, _, err = conn.Read(t.Context())
	must(t, err)
	revoke(t, w, gateway.Revocation{All: true}, 1)
	w.gateway.EndStreams()
	if _, _, err := conn.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
		t.Errorf("ended with %v", err)
	}
	<-gone
}

// TestStreamsOfIdleSessionsEnd: an open WebSocket keeps nobody signed in; pages
// opened in another tab, or through another replica, do.
func TestStreamsOfIdleSessionsEnd(t *testing.T) {
	gone := make(chan string, 10)
	w := withApp(t, streamingApp(gone, nil))
	paul, marie := w.streamer(t, "U0PAUL"), w.streamer(t, "U0MARIE")
	page := w.routes[0].Origin + "/"
	for range 3 {
		w.advance(time.Hour)
		if marie.get(page).StatusCode != 200 {
			t.Fatal("a session in use has ended")
		}
		must(t, w.gateway.WriteSeen(t.Context()))
	}
	paul.ended(t, gone)
	if !marie.open(t) {
		t.Error("the streams of a session in use have ended")
	}
}
