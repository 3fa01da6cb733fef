package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// watch has a program's answers overheard, before it runs: the secrets that it gives
// away or is given as it must, and what else it says of its own.
func (e *evidence) watch(p *program) {
	e.configuration(p.current.cfg)
	for where, s := range map[string]*server{"an answer on the public listener": p.public, "an answer on the private listener": p.private, "an answer on the operators' listener": p.admin} {
		if s != nil {
			s.http.Handler = watched{e, where, s == p.admin, s.http.Handler}
		}
	}
}

// watched is a listener's handler.
type watched struct {
	*evidence
	where     string
	operators bool // every answer is looked at, not only refusals
	next      http.Handler
}

// handsOut are the requests of operators that are answered by secrets, or by all
// that the store has.
var handsOut = []string{"/setup", "/setup/token", "/break-glass", "/backup"}

// ServeHTTP implements http.Handler.
func (h watched) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	out := &watchedWriter{ResponseWriter: w, of: h, request: r}
	if h.operators && r.Method == http.MethodPost && slices.Contains(handsOut, r.URL.Path) {
		out.mayHave = true
	}
	defer func() {
		said := out.body.Bytes()
		if state := r.URL.Query().Get("state"); state != "" { // who asks has brought it
			said = bytes.ReplaceAll(said, []byte(state), []byte("…"))
		}
		if len(said) > 0 {
			fmt.Fprintf(h.at(h.where), "%s: %s", r.Method, said)
		}
	}()
	h.next.ServeHTTP(out, r)
}

// watchedWriter notes an answer as it is written.
type watchedWriter struct {
	http.ResponseWriter
	of      watched
	request *http.Request
	mayHave bool // secrets are what was asked for
	begun   bool
	own     bool // it is the gateway's own, and such as has no secrets
	body    bytes.Buffer
}

// WriteHeader implements http.ResponseWriter.
func (w *watchedWriter) WriteHeader(status int) {
	if !w.begun && status >= 200 {
		w.begun = true
		w.notes(status)
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *watchedWriter) Write(p []byte) (int, error) {
	if !w.begun {
		w.WriteHeader(http.StatusOK)
	}
	if w.own && w.body.Len() < 1<<20 {
		w.body.Write(p)
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController flush, hijack and set deadlines.
func (w *watchedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// opaque is what codes and keys are made of, and markup that attacks send is not.
var opaque = regexp.MustCompile(`^[0-9A-Za-z._~-]+$`)

// notes keeps the secrets of the answer's headers, where they belong, and says the rest.
func (w *watchedWriter) notes(status int) {
	h, e := w.Header(), w.of
	for _, line := range h["Set-Cookie"] {
		if c, err := http.ParseSetCookie(line); err == nil {
			e.keep("cookie "+c.Name, c.Value)
		}
	}
	if to, err := url.Parse(h.Get("Location")); err == nil && to.RawQuery != "" {
		for _, name := range []string{"state", "nonce", "code_challenge", "key"} {
			e.keep(name+" of a redirect", to.Query().Get(name))
		}
	}
	if status/100 == 3 { // only then they were good
		asked, at := w.request.URL.Query(), w.request.URL.Path
		if code := asked.Get("code"); opaque.MatchString(code) {
			e.keep("code of a sign-in", code)
		}
		if key := asked.Get("key"); opaque.MatchString(key) && (strings.HasSuffix(at, "/setup") || strings.HasSuffix(at, "/break-glass")) {
			e.keep("key of a link", key)
		}
	}
	ours := h.Get("X-Frame-Options") == "DENY"
	if w.own = ours && !w.mayHave && (status >= 400 || w.of.operators); !w.own {
		return
	}
	for name, values := range h {
		if !slices.Contains([]string{"Set-Cookie", "Location", "Refresh"}, name) {
			fmt.Fprintf(e.at(w.of.where), "%s: %s", name, strings.Join(values, ", "))
		}
	}
}
