package gateway_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/policy"
	"github.com/cocoom/cocoom-gateway/proxy"
)

// wiretap is an app that only notes the request lines that reach it.
type wiretap struct {
	ln    net.Listener
	lines chan string // of more than one, the test sees the first, and that there are more
}

func newWiretap(t testing.TB) *wiretap {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	tap := &wiretap{ln, make(chan string, 100)}
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go tap.serve(conn)
		}
	}()
	return tap
}

func (tap *wiretap) serve(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		tap.lines <- strings.TrimSuffix(line, "\r\n")
		for line != "\r\n" {
			if line, err = r.ReadString('\n'); err != nil {
				return
			}
		}
		if _, err := io.WriteString(conn, "HTTP/1.1 204 No Content\r\n\r\n"); err != nil {
			return
		}
	}
}

// received are the request lines since it was last asked.
func (tap *wiretap) received() (lines []string) {
	for {
		select {
		case line := <-tap.lines:
			lines = append(lines, line)
		default:
			return lines
		}
	}
}

// besieged is a gateway before a wiretap, with rules that a naive reader can
// check: see judge.
type besieged struct {
	*world
	tap     *wiretap
	explain *gateway.Explainer
	paul    string // his Cookie header
}

func newBesieged(t testing.TB) *besieged {
	t.Helper()
	b := &besieged{tap: newWiretap(t)}
	b.world = newWorld(t, func(c *gateway.Config) {
		rt := &c.Routes[0]
		var err error
		rt.Upstream, err = proxy.New(proxy.Config{Origin: rt.Origin, Host: host, Upstream: proxy.Upstream{URL: "http://" + b.tap.ln.Addr().String()},
			Assertion: proxy.Assertion{}, Keys: newSigningKeys(t), Error: gateway.WriteError})
		if err != nil {
			t.Fatal(err)
		}
		marie := policy.Allow{Emails: []string{"marie@agrafmania.fr"}}
		rt.Policy, err = policy.New([]policy.Rule{
			{Path: "/public/*", Allow: policy.Allow{Public: true}},
			{Path: "/**/logo.png", Allow: policy.Allow{Public: true}},
			{Path: "/admin/*", Allow: marie},
			{Path: "/admin.php", Allow: marie},
			{Path: "/index.php", Query: map[string]string{"page": "admin"}, Allow: marie},
			{Path: "/**", Allow: policy.Allow{Members: true}},
		}, false)
		if err != nil {
			t.Fatal(err)
		}
	})
	var err error
	if b.explain, err = gateway.NewExplainer("/.gateway", b.routes); err != nil {
		t.Fatal(err)
	}
	c := b.gateway.Cookie(host, policy.Identity{Team: teams[0], User: "U0PAUL", Email: "paul@agrafmania.fr"})
	b.paul = c.Name + "=" + c.Value
	return b
}

func newSigningKeys(t testing.TB) *proxy.Keys {
	t.Helper()
	der, err := proxy.GenerateKey("ES256")
	if err != nil {
		t.Fatal(err)
	}
	key, err := proxy.ParseKey("k1", "ES256", der)
	if err != nil {
		t.Fatal(err)
	}
	keys := proxy.NewKeys()
	if err := keys.Set("ES256", []proxy.Key{key}); err != nil {
		t.Fatal(err)
	}
	return keys
}

// ask sends one request with any bytes for a method and a target, and gives the
// status, 0 for none, and the request lines that the app got.
func (b *besieged) ask(t *testing.T, method, target, cookie string) (int, []string) {
	t.Helper()
	conn, err := net.Dial("tcp", b.front.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: %s\r\nCookie: %s\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\nConnection: close\r\n\r\n", method, target, host, cookie)
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		return 0, b.tap.received()
	}
	_, _ = io.Copy(io.Discard, resp.Body) // to its end: nothing reaches the app after that
	return resp.StatusCode, b.tap.received()
}

// judge reads what the app got as apps and servers do, knowing nothing of policy,
// and says what is wrong with letting it pass; "" for nothing.
func judge(line string, member bool) string {
	method, rest, _ := strings.Cut(line, " ")
	target, proto, _ := strings.Cut(rest, " ")
	if method == "" || proto != "HTTP/1.1" || !strings.HasPrefix(target, "/") || strings.ContainsFunc(target, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '#' }) {
		return "the request line has no one meaning"
	}
	path, query, _ := strings.Cut(target, "?")
	for _, p := range naiveReadings(path) {
		first, second := p, ""
		if i := strings.IndexByte(p[1:], '/'); i >= 0 {
			first, second = p[:i+1], p[i+1:]
		}
		switch {
		case first == "/.gateway":
			return "a page of the gateway's: " + p
		case first == "/public" || strings.HasSuffix(p, "/logo.png") && first != "/index.php":
			if !member || first == "/public" {
				continue
			}
		case !member:
			return "for members: " + p
		}
		if (first == "/admin" || first == "/admin.php") && !strings.HasSuffix(p, "/logo.png") {
			return "for Marie: " + p
		}
		if (p == "/" || first == "/index.php") && naiveGet(query, "page") == "admin" {
			return "for Marie: page=admin " + second
		}
	}
	return ""
}

// naiveReadings decodes a path as PHP does, and goes on as Apache, nginx, a
// servlet container, Windows and whoever decodes twice would.
func naiveReadings(path string) []string {
	once := urldecode(path, false)
	var all []string
	for _, p := range []string{once, urldecode(once, false), urldecode(urldecode(once, false), false)} {
		p = strings.NewReplacer("\xc0\xae", ".", "\xc0\xaf", "/", "．", ".", "／", "/").Replace(p)
		for _, marked := range []bool{false, true} {
			if marked {
				if i := strings.IndexAny(p, "?#\x00"); i > 0 {
					p = p[:i]
				}
			}
			all = append(all, walk(p, func(s string) string { return s }), walk(p, func(s string) string { s, _, _ = strings.Cut(s, ";"); return s }),
				walk(strings.ReplaceAll(p, `\`, "/"), func(s string) string {
					s, _, _ = strings.Cut(s, "::")
					if strings.Trim(s, ". ") == "" {
						return s
					}
					return strings.TrimRight(s, ". ")
				}))
		}
	}
	return all
}

// walk goes from folder to folder.
func walk(path string, named func(string) string) string {
	var at []string
	for _, s := range strings.Split(path, "/") {
		switch s = named(s); s {
		case "", ".":
		case "..":
			at = at[:max(0, len(at)-1)]
		default:
			at = append(at, s)
		}
	}
	return "/" + strings.Join(at, "/")
}

func urldecode(s string, plus bool) string {
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		var c int
		if n, _ := fmt.Sscanf(s[i:min(i+3, len(s))], "%%%2x", &c); n == 1 && i+3 <= len(s) && !strings.ContainsAny(s[i+1:i+3], " +-") {
			out.WriteByte(byte(c))
			i += 2
		} else if plus && s[i] == '+' {
			out.WriteByte(' ')
		} else {
			out.WriteByte(s[i])
		}
	}
	return out.String()
}

// naiveGet is PHP's $_GET[name], if that is text.
func naiveGet(query, name string) (value string) {
	for i, pair := range slices.DeleteFunc(strings.Split(query, "&"), func(s string) bool { return s == "" }) {
		key, v, _ := strings.Cut(pair, "=")
		key, _, _ = strings.Cut(strings.TrimLeft(urldecode(key, true), " "), "\x00")
		if i >= 1000 {
			break
		}
		if key = strings.NewReplacer(".", "_", " ", "_").Replace(key); key == name {
			value = urldecode(v, true)
		} else if i == 0 && strings.TrimLeft(key, "?") == name { // as PHP's own server has it
			return urldecode(v, true)
		} else if strings.HasPrefix(key, name+"[") && strings.Contains(key, "]") {
			value = ""
		}
	}
	return value
}

// hostileTargets are the seeds: every trick with a path or a query that peers
// fell for.
func hostileTargets() []string {
	targets := strings.Fields(`/ /public/x /public /public/x?a=b&%zz;+ /public/? /public/?? /public/???a?b /?= /x?q=50%&b=2 /public/x?%00%0d%0a /public/x?\\..\\ //public/x /public//x
		/public/../admin/x /public/%2e%2e/admin /public/%2e./admin /public/.%2e/admin /public/..;/admin /public/..;x=1/admin /public/;/../admin /public/%2e%2e;x/admin
		/public/..%2fadmin /public/..%5cadmin /public/..\\admin /public%2f..%2fadmin /public/%252e%252e/admin /public/%252e%252e%252fadmin /public/%25252e%25252e/admin
		/public/%c0%ae%c0%ae/admin /public/..%c0%afadmin /public/%e0%80%ae%e0%80%ae/admin /public/%uff0e%uff0e/admin /public/%EF%BC%8E%EF%BC%8E/admin /public/．．/admin
		/admin%23/logo.png /admin%23/../logo.png /admin#/logo.png /admin%3f/logo.png /admin%3F/../x/logo.png /admin;/logo.png /admin;x=/logo.png /admin%00/logo.png /admin%00.png /admin%0d%0a/logo.png
		/admin /admin/ /Admin/ //admin/ /./admin/ /admin/. /admin/.. /x/../admin /admin. /admin./ /admin%20 /admin%20/ /admin../ /admin.php /admin.php/ /admin.php/x /admin.php%3Fx.css /admin.php%20 /admin.php. /admin.php::$DATA
		/%61dmin /%2561dmin /ａdmin /admin%2f /admin%5c /admin\\ /admin%252f /admin//x /admin/x//../.. /../admin /..//admin /.//admin
		/.gateway/me /%2egateway/me /.gateway%2fme /.gateway;x/me //.gateway/me /;/.gateway/me /.GATEWAY/me /public/../.gateway/me /%252egateway/me /.gateway%3Fx /.gateway/%2e%2e/admin
		/index.php?page=admin /?page=admin /index.php?page=x&page=admin /index.php?page=admin&page=x /index.php?page[]=admin /index.php?page%00=admin /index.php?pa.ge=admin /index.php?+page=admin /index.php?%20page=admin
		/index.php?%70age=admin /index.php?page=%61dmin /index.php?x=1;page=admin /index.php?page=admin;x=1 /index.php?page=admin# /index.php?page=admin#x /index.php?x#&page=admin /index.php#?page=admin /index.php?page=admin%23
		/index.php?page=admin%00 /index.php??page=admin /index.php?&&page=admin /index.php?page==admin /index.php/x?page=admin /index.php/?page=admin /index.php;x?page=admin /index.php%3Fpage=admin /index.php%3F?page=admin //?page=admin
		/index.php?page=admin&page[x]=1 /index.php?page%5B=admin /index.php?amp;page=admin /INDEX.PHP?page=admin /?page=admin&x
		* http://evil.example/public/x http://evil.example/admin http:/public/x http:public http://` + host + `/admin http://` + host + `/public/../admin http://u:p@` + host + `/public/x http://` + host + `?page=admin https://` + host + `:1/public/x
		public/x ?page=admin .. # /# /public/# /%  /%4 /%zz /public/% /public/\xff /public/%ff /public/x?\xff /public/|"<>^{}[] /100%25 /caf%c3%a9`)
	many := strings.Repeat("a=1&", 1000)
	return append(targets, "/index.php?"+many+"page=admin", "/index.php?page=admin&"+many, "/index.php?page=admin&"+many+"page=x", "/public/"+strings.Repeat("a/", 3000)+"?"+strings.Repeat("%", 9000),
		"/public/a b", "/public/?a b", "/public/\t", "/public/x?a\tb", "/public/x\x0by", "/public/x?\x7f", "/public/x?a\x00b")
}

// FuzzTarget: whatever stands in a request's first line, what reaches the app is
// what explain says that it gets, byte for byte; read as apps and servers read
// it, it is nothing that nobody, or a member, may not have; and it is one request
// or none.
func FuzzTarget(f *testing.F) {
	for _, target := range hostileTargets() {
		f.Add("GET", target)
	}
	for _, method := range []string{"HEAD", "POST", "post", "OPTIONS", "CONNECT", "get", "PROPFIND", "G/ET", "", "GET\t", "PRI"} {
		f.Add(method, "/index.php?page=admin")
		f.Add(method, "*")
	}
	b := newBesieged(f)
	f.Fuzz(func(t *testing.T, method, target string) {
		if strings.ContainsAny(method+target, "\r\n") {
			return // more than the first line
		}
		for _, cookie := range []string{"", b.paul} {
			status, lines := b.ask(t, method, target, cookie)
			if len(lines) == 0 {
				continue
			}
			if wrong := judge(lines[0], cookie != ""); wrong != "" || len(lines) > 1 {
				t.Errorf("%s %q reached the app (%d) as %q: %s", method, target, status, lines, wrong)
			}
			if !strings.HasPrefix(target, "/") {
				continue // explain takes paths alone
			}
			q := gateway.Question{Host: host, Method: method, Target: target, Now: b.clock()}
			if cookie != "" {
				q.Who = &policy.Identity{User: "U0PAUL", Email: "paul@agrafmania.fr"}
			}
			e, err := b.explain.Explain(q)
			if want := method + " " + e.Forward + " HTTP/1.1"; err != nil || e.Outcome() != gateway.Passes || lines[0] != want {
				t.Errorf("%s %q reached the app as %q; explain: %v, %q, %v", method, target, lines[0], e.Outcome(), want, err)
			}
			if _, query, ok := strings.Cut(target, "?"); ok && !strings.HasSuffix(lines[0], "?"+query+" HTTP/1.1") {
				t.Errorf("the query of %q arrived as %q", target, lines[0])
			}
		}
	})
}

// TestHonestTargetsArrive is the other side of FuzzTarget: the naive reader would
// be content with a gateway that lets nothing through.
func TestHonestTargetsArrive(t *testing.T) {
	b := newBesieged(t)
	for target, want := range map[string]string{
		"/public/x?a=b&%zz;+": "/public/x?a=b&%zz;+", "/public/?": "/public/?", "/public/???a?b": "/public/???a?b", "/public/%61": "/public/a",
		"/public/x?" + strings.Repeat("%", 9000): "/public/x?" + strings.Repeat("%", 9000), "/public/x?\xff\\|\"<>^`{}": "/public/x?\xff\\|\"<>^`{}",
		"http://" + host + "/public/x?y": "/public/x?y", "/public/%25%3F": "/public/%25%3F", "/deep/logo.png": "/deep/logo.png",
	} {
		if status, lines := b.ask(t, "GET", target, ""); status != 204 || len(lines) != 1 || lines[0] != "GET "+want+" HTTP/1.1" {
			t.Errorf("%.100q: %d, arrived as %.100q", target, status, lines)
		}
	}
	for _, target := range []string{"/x", "/index.php?page=help", "/index.php?page[]=help", "/?q=50%&b=2", "/a;b//c%3F"} {
		if status, lines := b.ask(t, "GET", target, b.paul); status != 204 || len(lines) != 1 || lines[0] != "GET "+target+" HTTP/1.1" {
			t.Errorf("Paul: %q: %d, arrived as %q", target, status, lines)
		}
	}
}

// TestAttackTargetsOverHTTP2: what HTTP/1.1 cannot carry in a request line stands
// in :path all the same, and does not reach the app in a request line of ours.
func TestAttackTargetsOverHTTP2(t *testing.T) {
	b := newBesieged(t)
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	front := &http.Server{Handler: b.gateway, Protocols: protocols}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = front.Serve(ln) }()
	defer front.Close()
	client := &http.Transport{Protocols: protocols}
	defer client.CloseIdleConnections()
	for name, row := range map[string]struct {
		path, query string
		status      int
		arrives     string
	}{
		"honest":               {"/public/x", "a=%zz", 204, "/public/x?a=%zz"},
		"space in the query":   {"/public/x", "a b", 400, ""},
		"a protocol":           {"/public/x", "a HTTP/1.1", 400, ""},
		"a fragment":           {"/public/x", "a#b", 400, ""},
		"space in the path":    {"/public/a b", "", 400, ""},
		"fragment in the path": {"/admin#/logo.png", "", 400, ""},
	} {
		t.Run(name, func(t *testing.T) {
			req, err := http.NewRequest("GET", "http://"+ln.Addr().String(), nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Host = host
			// As it stands, in :path.
			req.URL = &url.URL{Scheme: "http", Host: ln.Addr().String(), Opaque: row.path, RawQuery: row.query}
			resp, err := client.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			want := "GET " + row.arrives + " HTTP/1.1"
			if lines := b.tap.received(); resp.StatusCode != row.status || row.arrives == "" && lines != nil || row.arrives != "" && !slices.Equal(lines, []string{want}) {
				t.Errorf("answered %d, arrived as %q", resp.StatusCode, lines)
			}
		})
	}
}
