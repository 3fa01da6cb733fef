// Package slackfoe is a Slack that means ill, or whoever stands in its place: an
// emulator that is broken, a captive portal, a proxy with an error page, DNS that
// leads to a stranger. Tests put its answers where Slack's would be.
package slackfoe

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Far is how many bytes an endless answer has in the end, so that who reads on
// runs out of memory or time, but not the test's machine.
const Far = 64 << 20

// Terminal is what a terminal, a log and a page must not get to obey.
const Terminal = "\x1b[2J\x1b]0;owned\a\r\nlevel=ERROR msg=forged <script>alert(1)</script>\u202e\u0085"

// Answers are hostile answers, by name, that come at once and are over soon if
// nobody reads on. elsewhere is an address that nothing may be sent to: what
// comes there has followed a redirect.
func Answers(elsewhere string) map[string]http.HandlerFunc {
	all := map[string]http.HandlerFunc{
		"redirect to another host":    redirect(http.StatusTemporaryRedirect, elsewhere),
		"redirect by 303":             redirect(http.StatusSeeOther, elsewhere),
		"permanent redirect by 308":   redirect(http.StatusPermanentRedirect, elsewhere),
		"redirect to a file":          redirect(http.StatusFound, "file:///etc/passwd"),
		"redirect to the metadata":    redirect(http.StatusFound, "http://169.254.169.254/latest/meta-data/"),
		"redirect to itself":          func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) },
		"connection closed":           func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"100 MB declared":             declared,
		"endless":                     endless,
		"gzip bomb":                   gzipBomb(),
		"cut off in the middle":       cutOff,
		"half a megabyte of headers":  headers,
		"early hints without end":     hints,
		"page of HTML":                body("text/html", "<!DOCTYPE html><title>Sign in to the Wi-Fi</title>"+Terminal),
		"page that repeats what came": repeats(http.StatusBadGateway),
		"200 that repeats what came":  repeats(http.StatusOK),
		"204":                         func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
		"429 for ten years":           limited("315360000"),
		"429 for less than no time":   limited("-1"),
		"429 until a date":            limited("Wed, 21 Oct 2099 07:28:00 GMT"),
		"429 with a number too large": limited("99999999999999999999999999"),
		"429 that does not say":       limited(""),
		"503":                         status(http.StatusServiceUnavailable),
		"599":                         status(599),
		"error of a terminal's words": body("application/json", `{"ok":false,"error":`+strconv.Quote(Terminal)+`}`),
		"error of a megabyte":         body("application/json", `{"ok":false,"error":"`+strings.Repeat("e", 1<<20-100)+`"}`),
		"error that is an object":     body("application/json", `{"ok":false,"error":{"a":["b"]}}`),
		"error that says ok":          body("application/json", `{"ok":true,"error":"invalid_auth"}`),
		"depth of 100,000":            body("application/json", strings.Repeat(`{"a":[`, 50_000)),
		"depth under a name":          body("application/json", `{"ok":true,"x":`+strings.Repeat(`[`, 9_000)+strings.Repeat(`]`, 9_000)+`}`),
		"cookies":                     cookies,
		"bytes that are no UTF-8":     body("application/json", "{\"ok\":true,\"user\":{\"id\":\"\xff\xfe\"},\"keys\":[\"\xc3\x28\"]}"),
		"UTF-16":                      body("application/json; charset=utf-16", "\xff\xfe{\x00}\x00"),
	}
	for name, json := range map[string]string{
		"empty 200": "", "null": "null", "true": "true", "a number": "1e999", "NaN": `{"ok":NaN}`, "a list": "[]", "an empty object": "{}",
		"ok false alone": `{"ok":false}`, "ok true alone": `{"ok":true}`, "ok a string": `{"ok":"true"}`, "ok a number": `{"ok":1}`,
		"ok twice": `{"ok":true,"ok":false}`, "huge numbers": `{"ok":true,"ts":1e400,"channel":99999999999999999999,"expires_in":1e308,"keys":[{"kty":1}]}`,
		"other types": `{"ok":true,"user":[],"channel":{"id":[]},"ts":{},"usergroups":"x","access_token":{},"id_token":7,"keys":{}}`,
		"two answers": `{"ok":true}{"ok":false}`,
	} {
		all[name] = body("application/json; charset=utf-8", json)
	}
	return all
}

// Drip writes one byte a second, for as long as somebody reads.
func Drip(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	for _, c := range `{"ok":true,"padding":"` + strings.Repeat("x", 600) {
		if _, err := fmt.Fprintf(w, "%c", c); err != nil {
			return
		}
		_ = http.NewResponseController(w).Flush() // the next write says it
		select {
		case <-r.Context().Done():
			return
		case <-time.After(time.Second):
		}
	}
}

func redirect(status int, to string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", to)
		w.WriteHeader(status)
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func limited(after string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if after != "" {
			w.Header().Set("Retry-After", after)
		}
		w.WriteHeader(http.StatusTooManyRequests)
	}
}

func body(kind, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		_, _ = io.WriteString(w, text) // fails if the client had enough
	}
}

func declared(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Length", strconv.Itoa(100<<20))
	pour(w)
}

func endless(w http.ResponseWriter, _ *http.Request) { pour(w) }

// pour begins an answer that would be right, and does not end it.
func pour(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	flood(w)
}

func flood(w io.Writer) {
	_, err := io.WriteString(w, `{"ok":true,"padding":"`)
	chunk := []byte(strings.Repeat("x", 64<<10))
	for sent := 0; err == nil && sent < Far; sent += len(chunk) {
		_, err = w.Write(chunk)
	}
}

// gzipBomb is small on the wire: net/http asks for gzip by itself, and unpacks it.
func gzipBomb() http.HandlerFunc {
	bomb := sync.OnceValue(func() []byte {
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		flood(w)
		_ = w.Close() // to memory, it cannot fail
		return packed.Bytes()
	})
	return func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			pour(w)
			return
		}
		w.Header().Set("Content-Encoding", "gzip")
		body("application/json", string(bomb()))(w, r)
	}
}

func cutOff(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", "1000")
	_, _ = io.WriteString(w, `{"ok":true,"user":{"id":"U`)
	panic(http.ErrAbortHandler)
}

func headers(w http.ResponseWriter, _ *http.Request) {
	for i := range 64 {
		w.Header().Set("X-Padding-"+strconv.Itoa(i), strings.Repeat("x", 8<<10))
	}
	body("application/json", `{"ok":true}`)(w, nil)
}

func hints(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Link", "</"+strings.Repeat("x", 8<<10)+">")
	for range 200 {
		w.WriteHeader(http.StatusEarlyHints)
	}
	body("application/json", `{"ok":true}`)(w, nil)
}

func cookies(w http.ResponseWriter, _ *http.Request) {
	for i := range 50 {
		w.Header().Add("Set-Cookie", fmt.Sprintf("__Host-gw=%d; Path=/; Secure", i))
	}
	body("application/json", `{"ok":false,"error":"internal_error"}`)(w, nil)
}

// repeats sends the request back, as debugging proxies do: with the secrets in it.
func repeats(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		sent, _ := io.ReadAll(r.Body) // what has come is enough
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(code)
		fmt.Fprintf(w, "%s %s %s %s", r.Method, r.URL, r.Header, sent)
	}
}
