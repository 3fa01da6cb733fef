package main

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
)

// field is a header field as HTTP/2 carries it: with whatever name.
type field struct{ name, value string }

// h2Request is a request with fields that no library would send.
type h2Request struct {
	fields, trailers []field
	body             string
	crumbs           int // the field block comes in so many frames
}

// over2 sends a request on a connection of its own, and gives the status of the
// answer, 0 if the stream or the connection was ended instead, and its body.
func over2(t *testing.T, address string, client *tls.Config, r h2Request) (status int, body string) {
	t.Helper()
	client = client.Clone()
	client.NextProtos = []string{"h2"}
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second}, "tcp", address, client)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	request := r.frames(t)
	go func() { _, _ = conn.Write(request) }() // what is refused early may be taken only in part

	in := http2.NewFramer(io.Discard, conn)
	in.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	for {
		frame, err := in.ReadFrame()
		if err != nil {
			return 0, ""
		}
		ended := false
		switch frame := frame.(type) {
		case *http2.MetaHeadersFrame:
			status, _ = strconv.Atoi(frame.PseudoValue("status"))
			ended = frame.StreamEnded()
		case *http2.DataFrame:
			body += string(frame.Data())
			ended = frame.StreamEnded()
		case *http2.RSTStreamFrame:
			return status, body
		case *http2.GoAwayFrame:
			if frame.ErrCode != http2.ErrCodeNo {
				return 0, ""
			}
		}
		if ended {
			return status, body
		}
	}
}

// frames is all that a client sends with the request.
func (r h2Request) frames(t *testing.T) []byte {
	t.Helper()
	var all bytes.Buffer
	all.WriteString(http2.ClientPreface)
	f := http2.NewFramer(&all, nil)
	f.AllowIllegalWrites = true
	block := func(fields []field) []byte {
		var out bytes.Buffer
		enc := hpack.NewEncoder(&out)
		for _, h := range fields {
			_ = enc.WriteField(hpack.HeaderField{Name: h.name, Value: h.value}) // a buffer's
		}
		return out.Bytes()
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(f.WriteSettings())
	must(f.WriteSettingsAck())
	head := block(r.fields)
	size := len(head)/max(r.crumbs, 1) + 1
	if len(head) > 16<<10 {
		size = 16 << 10
	}
	part := head[:min(size, len(head))]
	rest := head[len(part):]
	must(f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: part, EndHeaders: len(rest) == 0, EndStream: r.body == "" && r.trailers == nil}))
	for len(rest) > 0 {
		part, rest = rest[:min(size, len(rest))], rest[min(size, len(rest)):]
		must(f.WriteContinuation(1, len(rest) == 0, part))
	}
	if r.body != "" || r.trailers != nil {
		must(f.WriteData(1, r.trailers == nil, []byte(r.body)))
	}
	if r.trailers != nil {
		must(f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block(r.trailers), EndHeaders: true, EndStream: true}))
	}
	return all.Bytes()
}

// TestAttackForgedHeadersHTTP2: what HTTP/2 adds to the ways of hiding a header.
func TestAttackForgedHeadersHTTP2(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	roots := selfSigned(t, dir, customers[0].Host)
	people := map[string]string{"HTTP_X_FORWARDED_USER": "U0MARIE", "HTTP_X_FORWARDED_EMAIL": "marie@agrafmania.fr", "HTTP_X_FORWARDED_PREFERRED_USERNAME": "Marie Dupont",
		"HTTP_X_FORWARDED_GROUPS": "cocoom-admins", "HTTP_X_GATEWAY_TEAM": "T0AGRAF001", "HTTP_X_GATEWAY_ASSERTION": ""}
	s := besiegePHP(t, people, func(config string) string {
		return strings.Replace(config, "public_scheme: http\n", fmt.Sprintf("tls: {cert: %q, key: %q}\n", "file:"+filepath.Join(dir, "c.pem"), "file:"+filepath.Join(dir, "k.pem")), 1)
	})
	s.tls = &tls.Config{RootCAs: roots, ServerName: customers[0].Host}
	s.origin = "https://" + s.host
	if err := s.slack.UpdateApp(customers[0].AppID, func(a *slacksim.App) { a.RedirectURLs = []string{s.origin + "/.gateway/callback"} }); err != nil {
		t.Fatal(err)
	}
	s.signIn()
	t.Run("spellings", s.spellingsOver2)
	t.Run("tricks", s.tricksOver2)
}

// page are the fields of a page navigation.
func (s *phpSiege) page(v visit) (fields []field) {
	fields = []field{{":method", "GET"}, {":scheme", "https"}, {":authority", s.host}, {":path", v.path}, {"sec-fetch-mode", "navigate"}, {"sec-fetch-dest", "document"}, {"accept", "text/html"}}
	if name, value, ok := strings.Cut(strings.TrimSpace(v.header), ": "); ok {
		fields = append(fields, field{strings.ToLower(name), value})
	}
	return fields
}

// spellingsOver2 is spellings, in lower case.
func (s *phpSiege) spellingsOver2(t *testing.T) {
	for _, v := range s.visits() {
		n, size, fields := 0, 0, s.page(v)
		sent := map[string]bool{}
		send := func() {
			n++
			status, body := over2(t, s.p.public.addr(), s.tls, h2Request{fields: fields, crumbs: n})
			if status != 200 {
				t.Fatalf("%s was answered %d", v.who, status)
			}
			s.check(t, v, saw(t, body))
			size, fields = 0, s.page(v)
		}
		for _, line := range s.forgedLines(v) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
			if name = strings.ToLower(name); sent[name] || name == "http2-settings" {
				continue
			}
			sent[name] = true
			fields = append(fields, field{name, value})
			if size += len(name) + len(value) + 32; size > headerBytes-4<<10 || len(fields) > maxLines-16 { // RFC 9113 section 10.5.1 counts 32
				send()
			}
		}
		if send(); n < 3 {
			t.Errorf("%d requests were sent", n)
		}
	}
}

// tricksOver2 are those that only HTTP/2 knows.
func (s *phpSiege) tricksOver2(t *testing.T) {
	forge := func(name string) []field { return []field{{name, forged}} }
	for trick, row := range map[string]struct {
		fields   []field
		trailers []field
		first    bool // before the pseudo-header fields
		passes   bool
		carriers []string
	}{
		"nothing":                      {passes: true},
		"upper case":                   {fields: forge("X-Forwarded-User")},
		"one capital":                  {fields: forge("x-forwarded-User")},
		"a pseudo-header of one's own": {fields: forge(":x-forwarded-user")},
		"an answer's pseudo-header":    {fields: []field{{":status", "200"}}},
		"extended CONNECT's":           {fields: []field{{":protocol", "websocket"}}},
		"a second path":                {fields: []field{{":path", "/public/" + forged}}},
		"a second method":              {fields: []field{{":method", "DELETE"}}},
		"a second authority":           {fields: []field{{":authority", "evil.example"}}},
		"fields before the pseudo":     {fields: forge("x-other"), first: true},
		"blank at the end":             {fields: forge("x-forwarded-user ")},
		"blank at the start":           {fields: forge(" x-forwarded-user")},
		"colon in the name":            {fields: forge("x-forwarded-user:")},
		"line end in the name":         {fields: forge("x-other: a\r\nx-forwarded-user")},
		"line end in a value":          {fields: []field{{"x-other", "a\r\nx-forwarded-user: " + forged}}},
		"LF in a value":                {fields: []field{{"x-other", "a\nx-forwarded-user: " + forged}}},
		"CR in a value":                {fields: []field{{"x-other", "a\rx-forwarded-user: " + forged}}},
		"NUL in a value":               {fields: []field{{"x-other", "a\x00x-forwarded-user: " + forged}}},
		"NUL in the name":              {fields: forge("x-forwarded\x00user")},
		"bracket in the name":          {fields: forge("x[forwarded-user")},
		"no name":                      {fields: forge("")},
		"Latin-1 in the name":          {fields: forge("x\xadforwarded\xaduser")},
		"connection":                   {fields: []field{{"connection", "x-forwarded-user, x-gateway-assertion"}}},
		"connection: close":            {fields: []field{{"connection", "close"}}},
		"proxy-connection":             {fields: []field{{"proxy-connection", "x-forwarded-user"}}},
		"keep-alive":                   {fields: []field{{"keep-alive", "x-forwarded-user"}}},
		"transfer-encoding":            {fields: []field{{"transfer-encoding", "chunked"}}},
		"upgrade":                      {fields: []field{{"upgrade", "websocket"}}},
		"te":                           {fields: []field{{"te", "x-forwarded-user"}}},
		"te: trailers":                 {fields: []field{{"te", "trailers"}}, passes: true},
		"a host beside the authority":  {fields: []field{{"host", "evil.example"}}, passes: true},
		"a wrong length":               {fields: []field{{"content-length", "5"}}, passes: true},
		"two lengths":                  {fields: []field{{"content-length", "0"}, {"content-length", "5"}}, passes: true},
		"the length by another name":   {fields: []field{{"content_length", forged}, {"content.type", forged}}, passes: true},
		"twice":                        {fields: append(forge("x-forwarded-user"), forge("x_forwarded_user")...), passes: true},
		"empty":                        {fields: []field{{"x-forwarded-user", ""}, {"x-gateway-assertion", " "}}, passes: true},
		"cookie crumbs":                {fields: []field{{"cookie", "a=" + forged}, {"cookie", "gw=" + forged}, {"cookie", "b=2"}}, passes: true, carriers: []string{"Cookie"}},
		"trailers":                     {trailers: append(forge("x-forwarded-user"), forge("x_gateway_team")...), passes: true},
		"announced trailers":           {fields: []field{{"trailer", "x-forwarded-user, x_gateway_team"}}, trailers: append(forge("x-forwarded-user"), forge("x_gateway_team")...), passes: true},
		"a pseudo-header in trailers":  {trailers: []field{{":path", "/public/" + forged}}},
		"upper case in trailers":       {trailers: forge("X-Forwarded-User")},
	} {
		for _, v := range s.visits() {
			t.Run(trick+"/"+v.who, func(t *testing.T) {
				r := h2Request{fields: append(s.page(v), row.fields...), trailers: row.trailers}
				if row.first {
					r.fields = append(row.fields, s.page(v)...)
				}
				if row.trailers != nil {
					r.fields[0].value, r.body = "POST", "hello"
					r.fields = append(r.fields, field{"origin", s.origin})
				}
				status, body := over2(t, s.p.public.addr(), s.tls, r)
				switch {
				case row.passes && status != 200, !row.passes && status == 200:
					t.Fatalf("answered %d, want it to pass: %t", status, row.passes)
				case row.passes:
					s.check(t, v, saw(t, body), row.carriers...)
				}
			})
		}
	}
}
