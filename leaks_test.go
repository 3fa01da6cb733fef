package main

import (
	"bytes"
	"fmt"
	"html"
	"io"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cocoom/cocoom-gateway/configs"
	"github.com/cocoom/cocoom-gateway/internal/secret"
)

// overheard is all that the gateways of this package's tests say where a secret has
// no business, and every secret that they use; both are gathered by the harnesses,
// and compared when all tests are over.
var overheard = newEvidence()

// shortest is how long a secret must be to be looked for, in bytes: shorter ones, as
// tests have them, stand in other words.
const shortest = 16

// evidence is what was said, by where, and the secrets in use, by their values.
type evidence struct {
	mu      sync.Mutex
	said    map[string]*bytes.Buffer
	secrets map[string]string // to what they are
}

func newEvidence() *evidence {
	return &evidence{said: map[string]*bytes.Buffer{}, secrets: map[string]string{}}
}

// logger is for a gateway of a test: it writes down all, at its finest.
func (e *evidence) logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(e.at("the log"), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// at takes what is said at a place.
func (e *evidence) at(where string) io.Writer {
	return writerFunc(func(p []byte) (int, error) {
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.said[where] == nil {
			e.said[where] = new(bytes.Buffer)
		}
		e.said[where].Write(p)
		e.said[where].WriteByte('\n') // what is said at once is not read together with what comes next
		return len(p), nil
	})
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// keep adds a secret, in every spelling that a log, an address or a page may give it.
func (e *evidence) keep(what, value string) {
	if len(value) < shortest {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, spelt := range []string{value, url.QueryEscape(value), url.PathEscape(value), html.EscapeString(value)} {
		e.secrets[spelt] = what
	}
}

// configuration keeps every secret of one, but for the address of the store, which
// is mostly no more than a directory.
func (e *evidence) configuration(cfg *configs.Config) {
	var walk func(path string, v reflect.Value)
	walk = func(path string, v reflect.Value) {
		switch {
		case v.Type() == reflect.TypeFor[secret.String]():
			e.keep("configuration's "+path, v.String())
		case v.Kind() == reflect.Pointer && !v.IsNil():
			walk(path, v.Elem())
		case v.Kind() == reflect.Struct:
			for i := range v.NumField() {
				if name := v.Type().Field(i).Name; name != "State" {
					walk(path+"."+name, v.Field(i))
				}
			}
		case v.Kind() == reflect.Slice:
			for i := range v.Len() {
				walk(path, v.Index(i))
			}
		}
	}
	walk("", reflect.ValueOf(cfg))
}

// telltale are secrets that nobody has to name: Slack's tokens, tokens of our own,
// JSON Web Tokens, private keys, and a database's password.
var telltale = map[string]*regexp.Regexp{
	"xox":         regexp.MustCompile(`^xox[abepr](\.xox[bp])?-[0-9A-Za-z-]{16,}`),
	"eyJ":         regexp.MustCompile(`^eyJ[0-9A-Za-z_-]{16,}\.[0-9A-Za-z_-]{16,}`),
	"cgh_":        regexp.MustCompile(`^cgh_[0-9A-Za-z_-]{16,}`),
	"cgs_":        regexp.MustCompile(`^cgs_[0-9A-Za-z_-]{16,}`),
	"PRIVATE KEY": regexp.MustCompile(`^PRIVATE KEY-----`),
	"postgres":    regexp.MustCompile(`^postgres(ql)?://[^:/@\s]+:[^@\s]+@`),
}

// leaks tells where a secret was said.
func (e *evidence) leaks() (found []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	begins := map[[shortest]byte][]string{}
	first := make([]bool, 1<<16) // most places are told by two bytes
	for value := range e.secrets {
		begins[[shortest]byte([]byte(value))] = append(begins[[shortest]byte([]byte(value))], value)
		first[int(value[0])<<8|int(value[1])] = true
	}
	for _, where := range slices.Sorted(maps.Keys(e.said)) {
		text := e.said[where].Bytes()
		leak := func(what string, at, length int) {
			line := text[bytes.LastIndexByte(text[:at], '\n')+1 : at]
			found = append(found, fmt.Sprintf("%s has the %s (%d bytes) after …%s", where, what, length, line[max(0, len(line)-300):]))
		}
		for i := 0; i+shortest <= len(text); i++ {
			if !first[int(text[i])<<8|int(text[i+1])] {
				continue
			}
			for _, value := range begins[[shortest]byte(text[i:i+shortest])] {
				if bytes.HasPrefix(text[i:], []byte(value)) {
					leak(e.secrets[value], i, len(value))
				}
			}
		}
		for mark, form := range telltale {
			for at := 0; ; at++ {
				next := bytes.Index(text[at:], []byte(mark))
				if next < 0 {
					break
				}
				at += next
				if m := form.Find(text[at:min(len(text), at+4096)]); m != nil {
					leak("telltale "+mark, at, len(m))
				}
			}
		}
	}
	return found
}

// report says what was found after all tests, and how much was looked at.
func (e *evidence) report(w io.Writer) (clean bool) {
	found, total := e.leaks(), 0
	for _, said := range e.said {
		total += said.Len()
	}
	if len(found) == 0 {
		return true
	}
	fmt.Fprintf(w, "%d secrets were looked for in %d KiB of what the gateways of all tests have said:\n", len(e.secrets), total>>10)
	for _, one := range found[:min(len(found), 40)] {
		fmt.Fprintln(w, "LEAK:", one)
	}
	return false
}

// discreet is a run of tests that fails, too, if a secret was overheard.
type discreet struct{ *testing.M }

// Run implements testscript.TestingM.
func (d discreet) Run() int {
	code := d.M.Run()
	if !overheard.report(os.Stderr) {
		code = max(code, 1)
	}
	return code
}

// TestLeaksAreFound: secrets are found in every spelling, and nothing else is.
func TestLeaksAreFound(t *testing.T) {
	const value = "s3cr3t/with+signs & more"
	for name, row := range map[string]struct {
		says string
		want int
	}{
		"as it is":           {`{"msg":"x","cookie":"` + value + `"}`, 1},
		"in an address":      {"GET /callback?code=" + url.QueryEscape(value), 1},
		"in a path":          {"/services/" + url.PathEscape(value), 1},
		"in a page":          {"<p>" + html.EscapeString(value), 1},
		"half of it":         {value[:20], 0},
		"Slack's token":      {"token=xoxb-" + strings.Repeat("A1", 10), 1},
		"a JSON Web Token":   {"eyJhbGciOiJFZERTQSIsImtpZCI6.eyJpc3MiOiJodHRwOi8v.x", 1},
		"a private key":      {"-----BEGIN PRIVATE KEY-----", 1},
		"a store's password": {"open postgres://gateway:hunter2@db/gateway", 1},
		"a store":            {"open postgres://gateway@db/gateway", 0},
		"nothing":            {"", 0},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEvidence()
			e.keep("cookie", value)
			e.logger().Info("first")
			fmt.Fprint(e.at("the log"), row.says)
			if got := e.leaks(); (len(got) > 0) != (row.want > 0) {
				t.Errorf("found %q", got)
			}
		})
	}
	e := newEvidence()
	e.configuration(&configs.Config{MasterKey: secret.String(value), Routes: []configs.Route{{}}})
	if e.secrets[value] != "configuration's .MasterKey" {
		t.Errorf("of a configuration %v is kept", e.secrets)
	}
}
