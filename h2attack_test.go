package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// h2 is a connection that speaks HTTP/2 frame by frame, right or wrong.
type h2 struct {
	t *testing.T
	net.Conn
	*http2.Framer
	head     bytes.Buffer
	packer   *hpack.Encoder
	stream   uint32
	settings map[http2.SettingID]uint32
}

// speakH2 begins one, on a connection that speaks nothing yet.
func speakH2(t *testing.T, conn net.Conn) *h2 {
	t.Helper()
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	c := &h2{t: t, Conn: conn, Framer: http2.NewFramer(conn, conn), stream: 1, settings: map[http2.SettingID]uint32{}}
	c.packer = hpack.NewEncoder(&c.head)
	c.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	if err := c.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	return c
}

// begin sends the fields of a request on a new stream.
func (c *h2) begin(end bool, fields ...string) uint32 {
	c.t.Helper()
	id := c.stream
	c.stream += 2
	if err := c.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: c.packed(fields), EndHeaders: true, EndStream: end}); err != nil {
		c.t.Fatal(err)
	}
	return id
}

// packed are fields as HPACK writes them.
func (c *h2) packed(fields []string) []byte {
	c.head.Reset()
	for i := 0; i < len(fields); i += 2 {
		if err := c.packer.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}); err != nil {
			c.t.Fatal(err)
		}
	}
	return c.head.Bytes()
}

// answer reads until a stream is over: its status and body, or what ended it.
func (c *h2) answer(id uint32) (said string) {
	for {
		frame, err := c.ReadFrame()
		if err != nil {
			return "closed"
		}
		switch f := frame.(type) {
		case *http2.SettingsFrame:
			_ = f.ForeachSetting(func(s http2.Setting) error { c.settings[s.ID] = s.Val; return nil })
		case *http2.GoAwayFrame:
			if f.ErrCode != http2.ErrCodeNo {
				return f.ErrCode.String()
			}
		case *http2.RSTStreamFrame:
			if f.StreamID == id && said == "" {
				return f.ErrCode.String()
			}
			if f.StreamID == id {
				return said
			}
		case *http2.MetaHeadersFrame:
			if f.StreamID == id {
				said = f.PseudoValue("status")
			}
			if f.StreamID == id && f.StreamEnded() {
				return said
			}
		case *http2.DataFrame:
			if f.StreamID == id && len(f.Data()) > 0 { // a last one may be empty
				said += " " + string(f.Data())
			}
			if f.StreamID == id && f.StreamEnded() {
				return said
			}
		}
	}
}

// besiegeBehind is besiege with a trusted proxy: whoever asks from here.
func besiegeBehind(t *testing.T) *siege {
	return besiege(t, func(config string) string {
		return strings.Replace(config, "public_scheme:", "trusted_proxies: [127.0.0.1/32]\npublic_scheme:", 1)
	})
}

func (s *siege) dialH2(t *testing.T) *h2 {
	t.Helper()
	conn, err := net.Dial("tcp", s.p.public.addr())
	if err != nil {
		t.Fatal(err)
	}
	return speakH2(t, conn)
}

// fields are those of a request to the first customer's, some changed, and more.
func (s *siege) fields(change ...string) []string {
	all := []string{":method", "GET", ":scheme", "http", ":authority", s.host, ":path", "/public/a"}
	for i := 0; i < len(change); i += 2 {
		if at := slices.Index(all[:8], change[i]); at >= 0 {
			all[at+1] = change[i+1]
		} else {
			all = append(all, change[i], change[i+1])
		}
	}
	return all
}

// TestAttackDowngrade: what HTTP/2 can say and HTTP/1.1 cannot is refused, or
// reaches the app in one form; so the app's connections, and other requests on the
// client's, stay in step. Over TLS it is the same code.
func TestAttackDowngrade(t *testing.T) {
	s := besiegeBehind(t)
	s.app.answer = echoing
	post := func(more ...string) []string { return s.fields(append([]string{":method", "POST"}, more...)...) }
	const getA, postA, malformed = "GET /public/a HTTP/1.1", "POST /public/a HTTP/1.1", "PROTOCOL_ERROR"
	const hidden = "GET /public/smuggled HTTP/1.1\r\n\r\n"
	lingers := false // what the row before sent may arrive late, since it was cut
	for _, row := range []struct {
		name, body string
		fields     []string
		want       string // the beginning of the answer
		// arrives is what the app gets. What is malformed by its body may have got
		// there, and have been answered, before the body came: it is cut, not read on.
		arrives string
	}{
		{"plain", "", s.fields(), "200", getA},
		{"a body", "hi", post(), "200", postA},
		{"a body of its length", "hi", post("content-length", "2"), "200", postA},
		{"length too small", "hi" + hidden, post("content-length", "2"), malformed, postA},
		{"length of none", hidden, post("content-length", "0"), malformed, postA},
		{"length too large", "hi", post("content-length", "9"), "400", ""},
		{"length without a body", "", post("content-length", "9"), "200", postA},
		{"length with a sign", "hi", post("content-length", "+2"), malformed, postA},
		{"lengths in a list", "hi", post("content-length", "2, 2"), malformed, postA},
		{"length as CGI reads it", "hi", post("content_length", "0"), "200", postA},
		{"chunks", "0\r\n\r\n" + hidden, post("transfer-encoding", "chunked"), "400", ""},
		{"chunks as CGI reads it", "hi", post("transfer_encoding", "chunked"), "200", postA},
		{"connection", "", s.fields("connection", "close"), "400", ""},
		{"upgrade", "", s.fields("upgrade", "websocket"), "400", ""},
		{"CR LF in a value", "", s.fields("x-a", "b\r\nx-forwarded-user: U0MARIE"), malformed, ""},
		{"LF in a value", "", s.fields("x-a", "b\nc"), malformed, ""},
		{"CR in a value", "", s.fields("x-a", "b\rc"), malformed, ""},
		{"zero byte in a value", "", s.fields("x-a", "b\x00c"), malformed, ""},
		{"CR LF in a name", "", s.fields("x-a: b\r\nx-c", "d"), malformed, ""},
		{"colon in a name", "", s.fields("x-a:b", "d"), malformed, ""},
		{"capitals in a name", "", s.fields("X-A", "b"), malformed, ""},
		{"name of nothing", "", s.fields("", "b"), malformed, ""},
		{"space in the path", "", s.fields(":path", "/public/a b"), "400", ""},
		{"space in the query", "", s.fields(":path", "/public/a?b HTTP/1.0"), "400", ""},
		{"CR LF in the path", "", s.fields(":path", "/public/a HTTP/1.1\r\nX: y"), malformed, ""},
		{"CR LF in the query", "", s.fields(":path", "/public/a?b HTTP/1.1\r\nX: y"), malformed, ""},
		{"tab in the query", "", s.fields(":path", "/public/a?\tb"), malformed, ""},
		{"whole address as the path", "", s.fields(":path", "http://evil.example/public/a"), "200", getA},
		{"path without a slash", "", s.fields(":path", "public/a"), malformed, ""},
		{"path of nothing", "", s.fields(":path", ""), malformed, ""},
		{"asterisk", "", s.fields(":path", "*"), "400", ""},
		{"two paths", "", append(s.fields(), ":path", "/admin/secret"), malformed, ""},
		{"path behind a header", "", []string{":method", "GET", ":scheme", "http", ":authority", s.host, "x-a", "b", ":path", "/public/a"}, malformed, ""},
		{"space in the method", "", s.fields(":method", "GET /admin/secret HTTP/1.1"), "501", ""},
		{"CR LF in the method", "", s.fields(":method", "GET / HTTP/1.1\r\nX: y\r\n\r\nGET"), malformed, ""},
		{"CR LF in the scheme", "", s.fields(":scheme", "http\r\nX: y"), malformed, ""},
		{"CR LF in the host", "", s.fields(":authority", s.host+"\r\nX: y"), malformed, ""},
		{"user before the host", "", s.fields(":authority", "a@"+s.host), malformed, ""},
		{"path behind the host", "", s.fields(":authority", s.host+"/admin"), "421", ""},
		{"two hosts", "", s.fields("host", s.rival), "200", getA},
		{"unknown pseudo header", "", s.fields(":x", "y"), malformed, ""},
		{"extended CONNECT", "", s.fields(":method", "CONNECT", ":protocol", "websocket"), malformed, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := s.dialH2(t)
			id := c.begin(row.body == "", row.fields...)
			if row.body != "" {
				if err := c.WriteData(id, true, []byte(row.body)); err != nil {
					t.Fatal(err)
				}
			}
			late := row.want == malformed && row.arrives != ""
			if got := c.answer(id); !strings.HasPrefix(got, row.want) && !(late && got == "200 "+row.arrives) || row.want == "200" && got != "200 "+row.arrives {
				t.Errorf("answered %q, want %s", got, row.want)
			}
			const next = "GET /public/next HTTP/1.1"
			if got := c.answer(c.begin(true, s.fields(":path", "/public/next")...)); got != "200 "+next {
				t.Errorf("the next one is answered %q", got)
			}
			var whole []string
			for _, req := range s.app.requests() {
				if req.broken == nil {
					whole = append(whole, req.line)
				}
				if all := strings.ToLower(fmt.Sprint(req.header)); strings.Contains(req.body, "smuggled") || strings.Contains(all, "_") {
					t.Errorf("arrived %v", req)
				}
			}
			if lingers && len(whole) > 1 && whole[0] == postA && (row.arrives != postA || len(whole) > 2) {
				whole = whole[1:]
			}
			lingers = late
			if want := strings.TrimPrefix(row.arrives+"|"+next, "|"); strings.Join(whole, "|") != want && !(late && strings.Join(whole, "|") == next) {
				t.Errorf("arrived %q, want %q", whole, want)
			}
		})
	}
}

// TestTunnelOverHTTP2: WebSocket stays with HTTP/1.1, where browsers open a
// connection of its own for it unless HTTP/2 announces extended CONNECT (RFC 8441).
func TestTunnelOverHTTP2(t *testing.T) {
	s := besiegeBehind(t)
	c := s.dialH2(t)
	if got := c.answer(c.begin(true, ":method", "CONNECT", ":authority", s.host)); !strings.HasPrefix(got, "501") {
		t.Errorf("CONNECT is answered %q", got)
	}
	if _, announced := c.settings[http2.SettingEnableConnectProtocol]; announced || c.settings[http2.SettingMaxConcurrentStreams] != maxStreams {
		t.Errorf("announced %v", c.settings)
	}
	if got := s.app.requests(); len(got) > 0 {
		t.Errorf("arrived %v", got)
	}
}

// TestH2CForTrustedProxies: without TLS, HTTP/2 is for who is trusted as the
// configuration is now, and whoever is trusted may speak HTTP/1.1 as well.
func TestH2CForTrustedProxies(t *testing.T) {
	for name, row := range map[string]struct{ trusted, want string }{
		"nobody":      {"", "closed"},
		"others":      {"trusted_proxies: [192.0.2.0/24]\n", "closed"},
		"the proxy":   {"trusted_proxies: [127.0.0.1/32]\n", "200 GET /public/a HTTP/1.1"},
		"the network": {"trusted_proxies: [127.0.0.0/8]\n", "200 GET /public/a HTTP/1.1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := besiege(t, func(config string) string {
				return strings.Replace(config, "public_scheme:", row.trusted+"public_scheme:", 1)
			})
			s.app.answer = echoing
			c := s.dialH2(t)
			if got := c.answer(c.begin(true, s.fields()...)); got != row.want {
				t.Errorf("HTTP/2 is answered %q, want %q", got, row.want)
			}
			if a := s.attack(get(s.host, "/public/a", "")); a == nil || a.body != "GET /public/a HTTP/1.1" {
				t.Errorf("HTTP/1.1 is answered %v", a)
			}
		})
	}
}
