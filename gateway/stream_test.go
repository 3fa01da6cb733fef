package gateway_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/proxy"
)

// withApp puts another app behind the first route.
func withApp(t testing.TB, app http.Handler, change ...func(*gateway.Config)) *world {
	t.Helper()
	srv := httptest.NewServer(app)
	t.Cleanup(srv.Close)
	w := newWorld(t, append(change, func(c *gateway.Config) {
		keys := proxy.NewKeys()
		der, err := proxy.GenerateKey("ES256")
		must(t, err)
		key, err := proxy.ParseKey("k1", "ES256", der)
		must(t, err)
		must(t, keys.Set("ES256", []proxy.Key{key}))
		rt := &c.Routes[0]
		rt.Upstream, err = proxy.New(proxy.Config{Origin: rt.Origin, Host: rt.Host, Upstream: proxy.Upstream{URL: srv.URL}, Keys: keys, Log: c.Log, Error: gateway.WriteError})
		must(t, err)
	})...)
	return w
}

// TestWebSocket: both directions through every layer, with the identity, only
// from pages of the route itself; it ends when the gateway's base context does.
func TestWebSocket(t *testing.T) {
	w := withApp(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(rw, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
		if err != nil {
			return
		}
		defer conn.CloseNow()
		for {
			kind, msg, err := conn.Read(r.Context())
			if err != nil {
				return
			}
			if err := conn.Write(r.Context(), kind, append([]byte(r.Header.Get("X-Forwarded-User")+": "), msg...)); err != nil {
				return
			}
		}
	}))
	b := w.browser()
	origin := w.routes[0].Origin
	b.signIn(origin+"/", teams[0], "U0PAUL")
	u, _ := url.Parse(origin)
	cookie := b.Jar.Cookies(u)[0]
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	dial := func(origin string) (*websocket.Conn, *http.Response, error) {
		client := b.Client
		client.Jar, client.CheckRedirect = nil, nil
		return websocket.Dial(ctx, strings.Replace(w.routes[0].Origin, "http", "ws", 1)+"/live", &websocket.DialOptions{HTTPClient: &client,
			HTTPHeader: http.Header{"Origin": {origin}, "Cookie": {cookie.Name + "=" + cookie.Value}}})
	}
	for name, foreign := range map[string]string{"sister subdomain": w.routes[1].Origin, "null": "null", "none": ""} {
		if _, resp, err := dial(foreign); err == nil || resp == nil || resp.StatusCode != 403 {
			t.Errorf("%s: a WebSocket was opened (%v)", name, err)
		}
	}
	conn, _, err := dial(origin)
	must(t, err)
	defer conn.CloseNow()
	for i := range 3 {
		must(t, conn.Write(ctx, websocket.MessageText, fmt.Appendf(nil, "hello %d", i)))
		if _, got, err := conn.Read(ctx); err != nil || string(got) != fmt.Sprintf("U0PAUL: hello %d", i) {
			t.Fatalf("read %q, %v", got, err)
		}
	}
	conn.Close(websocket.StatusNormalClosure, "")
	for !strings.Contains(w.log.String(), `"status":101`) {
		if ctx.Err() != nil {
			t.Fatal("no access line with status 101")
		}
		time.Sleep(5 * time.Millisecond) // the line is written when both sides have closed
	}
}

// TestEventStream: each event arrives when it is sent, not when the stream ends.
func TestEventStream(t *testing.T) {
	next := make(chan struct{})
	w := withApp(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "text/event-stream")
		for i := 0; ; i++ {
			fmt.Fprintf(rw, "data: %d\n\n", i)
			_ = http.NewResponseController(rw).Flush()
			select {
			case <-next:
			case <-r.Context().Done():
				return
			}
		}
	}))
	req, err := http.NewRequest("GET", w.routes[0].Origin+"/public/feed", nil)
	must(t, err)
	resp, err := w.browser().Do(req)
	must(t, err)
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for i := range 3 {
		lines.Scan()
		if got := lines.Text(); got != fmt.Sprintf("data: %d", i) {
			t.Fatalf("event %d: %q", i, got)
		}
		lines.Scan()
		next <- struct{}{}
	}
}

// TestStreamedBodies: an upload reaches the app while it is still being sent,
// and the answer comes back before it ends.
func TestStreamedBodies(t *testing.T) {
	w := withApp(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(rw).EnableFullDuplex()
		in := bufio.NewScanner(r.Body)
		for in.Scan() {
			fmt.Fprintln(rw, "got "+in.Text())
			_ = http.NewResponseController(rw).Flush()
		}
	}))
	body, upload := io.Pipe()
	req, err := http.NewRequest("POST", w.routes[0].Origin+"/public/up", body)
	must(t, err)
	answered := make(chan *http.Response, 1)
	go func() {
		resp, err := w.browser().Do(req)
		if err != nil {
			t.Error(err)
			close(answered)
			return
		}
		answered <- resp
	}()
	fmt.Fprintln(upload, "one")
	resp := <-answered
	if resp == nil {
		return
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for _, want := range []string{"one", "two", "three"} {
		if want != "one" {
			fmt.Fprintln(upload, want)
		}
		if !lines.Scan() || lines.Text() != "got "+want {
			t.Fatalf("got %q, want %q", lines.Text(), want)
		}
	}
	upload.Close()
}

func TestUpstreamDown(t *testing.T) {
	w := withApp(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	got := w.browser().get(w.routes[0].Origin+"/public/x", "Accept-Language", "fr")
	id := got.Header.Get("X-Request-Id")
	if got.StatusCode != 502 || id == "" || !strings.Contains(got.text, id) || !strings.Contains(got.text, "L’application ne répond pas") {
		t.Errorf("answered %d %s", got.StatusCode, got.text)
	}
	if !strings.Contains(w.log.String(), id) {
		t.Error("the request id is not in the log")
	}
}
