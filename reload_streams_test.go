package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// TestReloadBreaksNothing: while configurations come and go, requests, an upload,
// a download, an event stream and a WebSocket go on as if nothing were.
func TestReloadBreaksNothing(t *testing.T) {
	more := make(chan struct{})
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/upload":
			n, err := io.Copy(io.Discard, r.Body)
			fmt.Fprint(w, n, err)
		case "/download", "/events":
			for i := range 3 {
				fmt.Fprintf(w, "data: %d\n\n", i)
				w.(http.Flusher).Flush()
				<-more
			}
		case "/socket":
			conn, err := websocket.Accept(w, r, nil)
			if err != nil {
				return
			}
			defer conn.CloseNow()
			for {
				kind, msg, err := conn.Read(r.Context())
				if err != nil || conn.Write(r.Context(), kind, msg) != nil {
					return
				}
			}
		}
	}))
	t.Cleanup(app.Close)
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	text := plain(t, app.URL, "a.localhost")
	write(t, file, text)
	r := reloads(t, file, time.Hour)

	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, r.public.addr())
	}}}
	t.Cleanup(client.CloseIdleConnections)
	body, feed := io.Pipe()
	uploaded := make(chan string, 1)
	go func() {
		resp, err := client.Post("http://a.localhost/upload", "application/octet-stream", body)
		if err != nil {
			uploaded <- err.Error()
			return
		}
		defer resp.Body.Close()
		said, _ := io.ReadAll(resp.Body)
		uploaded <- string(said)
	}()
	fmt.Fprint(feed, "12345")
	var streams []*bufio.Reader
	for _, path := range []string{"/download", "/events"} {
		resp, err := client.Get("http://a.localhost" + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		streams = append(streams, bufio.NewReader(resp.Body))
	}
	socket, _, err := websocket.Dial(t.Context(), "ws://a.localhost/socket", &websocket.DialOptions{HTTPClient: client, HTTPHeader: http.Header{"Origin": {"http://a.localhost"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.CloseNow()

	stop, served, asked := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		defer close(asked)
		defer close(served)
		for {
			resp, err := client.Get("http://a.localhost/")
			if err == nil && resp.StatusCode != http.StatusOK {
				err = errors.New(resp.Status)
			}
			if err != nil {
				asked <- err
				return
			}
			resp.Body.Close()
			select {
			case <-stop:
				return
			case served <- struct{}{}:
			default:
			}
		}
	}()
	for i := range 6 {
		next := text + publicRoute("  - ", app.URL, fmt.Sprintf("n%d.localhost", i))
		if i%2 == 0 { // also the route itself changes
			next = strings.Replace(next, "guests: allow", "guests: deny, callback: /back", 1)
			next = strings.Replace(next, "client_secret: s3cret}", "client_secret: s3cret, bot_token: xoxb-1}", 1)
		}
		write(t, file, next)
		r.hangups <- syscall.SIGHUP
		r.says(inForce)
		<-served
		if i < 3 {
			for _, s := range streams {
				if line, err := s.ReadString('\n'); err != nil || line != fmt.Sprintf("data: %d\n", i) {
					t.Fatalf("after reload %d a stream gives %q, %v", i, line, err)
				}
				_, _ = s.ReadString('\n')
				more <- struct{}{}
			}
		}
		if err := socket.Write(t.Context(), websocket.MessageText, []byte{byte('0' + i)}); err != nil {
			t.Fatal(err)
		}
		if _, msg, err := socket.Read(t.Context()); err != nil || string(msg) != string(byte('0'+i)) {
			t.Fatalf("after reload %d the WebSocket says %q, %v", i, msg, err)
		}
	}
	fmt.Fprint(feed, "67890")
	feed.Close()
	if said := <-uploaded; said != "10 <nil>" {
		t.Errorf("the upload came to %s", said)
	}
	for _, s := range streams {
		if rest, err := io.ReadAll(s); err != nil || len(rest) != 0 {
			t.Errorf("a stream ends with %q, %v", rest, err)
		}
	}
	close(stop)
	if err := <-asked; err != nil {
		t.Errorf("a request failed: %v", err)
	}
}

// TestReloadAndPeople: who is signed in stays so, sign-ins under way end well,
// and what a new configuration refuses ends, also what is open.
func TestReloadAndPeople(t *testing.T) {
	o := newOffice(t, "./data")
	file := o.file("0")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	r := reloads(t, file, time.Hour)
	change := func(old, with string) {
		t.Helper()
		write(t, file, strings.Replace(string(text), old, with, 1))
		r.hangups <- syscall.SIGHUP
		r.says(inForce)
	}
	marie := o.member(r.program, "U0MARIE")
	paul := o.browser(r.program)
	atSlack := paul.ask("GET", o.origin+"/", nil)

	change("login: {}", `login: {sign_out_paths: [/bye]}`)
	if !marie.signedIn() {
		t.Error("a reload signs people out")
	}
	if in := paul.ask("POST", atSlack.Request.URL.String(), map[string][]string{"person": {customers[0].Team + ":U0PAUL"}}); in.Request.URL.String() != o.origin+"/" {
		t.Errorf("a sign-in from before ends at %s with %d", in.Request.URL, in.StatusCode)
	}
	hers, his := marie.socket(), paul.socket()

	change("login: {}", "login: {}\n    policy: [{path: /socket, allow: {users: [U0MARIE]}}, {path: \"/**\", allow: members}]")
	if _, _, err := his.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
		t.Errorf("whom the new policy refuses reads %v", err)
	}
	if !paul.signedIn() {
		t.Error("he is signed out altogether")
	}
	command(t, "sessions", "revoke", "--admin", r.admin.addr(), "--person", "U0PAUL")
	if paul.signedIn() {
		t.Error("after reloads, revocations reach nobody")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, _, err := hers.Read(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("hers, which goes on, reads %v", err)
	}

	again := marie.socket()
	change("host: "+customers[0].Host, "host: elsewhere.localhost")
	if _, _, err := again.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
		t.Errorf("with its route gone, a WebSocket reads %v", err)
	}
	if got := r.status(customers[0].Host, "/"); got != http.StatusMisdirectedRequest {
		t.Errorf("a route that is gone is answered %d", got)
	}
	change("nothing", "")
	if !marie.signedIn() {
		t.Error("with her route back, she is signed out")
	}
}

// TestReloadMakesKeys: a route that begins to sign by another algorithm has keys
// for it at once.
func TestReloadMakesKeys(t *testing.T) {
	file, app := filepath.Join(t.TempDir(), "gateway.yaml"), echo(t)
	text := plain(t, app, "a.localhost")
	write(t, file, text)
	r := reloads(t, file, time.Hour)
	write(t, file, strings.Replace(text, "login: {guests: allow}", "login: {guests: allow}\n    assertion: {alg: EdDSA}", 1))
	r.hangups <- syscall.SIGHUP
	r.says(inForce)
	var set struct{ Keys []struct{ Alg string } }
	if err := json.Unmarshal(r.keys.signing.JWKS(), &set); err != nil {
		t.Fatal(err)
	}
	if len(set.Keys) != 2 {
		t.Errorf("the keys are %+v", set)
	}
}
