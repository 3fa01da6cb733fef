package proxy_test

import (
	"bufio"
	"bytes"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/cocoom/cocoom-gateway/policy"
	"github.com/cocoom/cocoom-gateway/proxy"
)

const (
	origin = "https://agrafmania.cocoom.com"
	host   = "agrafmania.cocoom.com"
)

var lea = policy.Identity{Team: "T0AGRAF001", User: "U0LEA", Email: "lea@agrafmania.fr", Name: "Léa Roux", Groups: []string{"cocoom-admins", "edito"}}

// front is a gateway reduced to what stands around a Proxy: it normalises the
// path and says who is signed in.
type front struct {
	*httptest.Server
	proxy *proxy.Proxy
	keys  *proxy.Keys
	logs  *lockedBuffer
	// errors are the statuses that the proxy asked an error page for.
	errors chan int
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newKeys(t testing.TB, alg string) *proxy.Keys {
	t.Helper()
	keys := proxy.NewKeys()
	if err := keys.Set(alg, []proxy.Key{newKey(t, "k1", alg)}); err != nil {
		t.Fatal(err)
	}
	return keys
}

func newKey(t testing.TB, id, alg string) proxy.Key {
	t.Helper()
	der, err := proxy.GenerateKey(alg)
	if err != nil {
		t.Fatal(err)
	}
	key, err := proxy.ParseKey(id, alg, der)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// newFront serves an app at upstream; who is signed in on every request, nil
// for nobody. change may alter the configuration.
func newFront(t testing.TB, upstream string, who *policy.Identity, change func(*proxy.Config)) *front {
	t.Helper()
	f := &front{keys: newKeys(t, "ES256"), logs: &lockedBuffer{}, errors: make(chan int, 16)}
	cfg := proxy.Config{
		Origin: origin, Host: host, Upstream: proxy.Upstream{URL: upstream}, Keys: f.keys,
		Log: slog.New(slog.NewJSONHandler(f.logs, nil)),
		Error: func(w http.ResponseWriter, r *http.Request, status int) {
			select {
			case f.errors <- status:
			default:
			}
			http.Error(w, "page for "+http.StatusText(status), status)
		},
	}
	if change != nil {
		change(&cfg)
	}
	var err error
	if f.proxy, err = proxy.New(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.proxy.Close)
	in := proxy.Inbound{ForwardedFor: "203.0.113.7", RequestID: "req-1"}
	if who != nil {
		in.Who = proxy.NewPrincipal(*who, "sid-1")
	}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			path, err := policy.NormalizePath(r.URL.EscapedPath(), false)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			r.URL.Path, _ = url.PathUnescape(path)
			r.URL.RawPath = path
		}
		w.Header().Set("X-Request-Id", "req-1")
		f.proxy.Serve(w, r, in)
	}))
	t.Cleanup(f.Close)
	return f
}

// newApp starts an app.
func newApp(t testing.TB, handler http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s.URL
}

// newRawApp starts an app that hands out each request's head as it came, and
// writes answer to each before it closes the connection.
func newRawApp(t testing.TB, answer string) (address string, heads <-chan string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	got := make(chan string, 16)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				in := bufio.NewReader(conn)
				var head strings.Builder
				for {
					line, err := in.ReadString('\n')
					if err != nil {
						return
					}
					if head.WriteString(line); line == "\r\n" {
						break
					}
				}
				got <- head.String()
				io.WriteString(conn, answer)
			}()
		}
	}()
	return "http://" + l.Addr().String(), got
}

const emptyAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

// send writes text, with "\n" for CR LF, to the front on a connection of its
// own, and returns all that comes until it is closed.
func (f *front) send(t testing.TB, text string) string {
	t.Helper()
	conn, err := net.Dial("tcp", f.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, strings.ReplaceAll(text, "\n", "\r\n")); err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// get sends a GET with the headers to target and returns the answer, read.
func (f *front) get(t testing.TB, target string, headers ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest("GET", f.URL+target, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header[headers[i]] = append(req.Header[headers[i]], headers[i+1])
	}
	res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}
