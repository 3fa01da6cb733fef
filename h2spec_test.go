package main

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cocoom/cocoom-gateway/configs"
)

// TestH2Spec: the TLS listener fails no case of h2spec that a bare net/http server
// passes. What both fail is Go's: at this version five of 145.
func TestH2Spec(t *testing.T) {
	if racing {
		t.Skip("h2spec waits for seconds; what it does to the listener, other tests do under the race detector")
	}
	t.Parallel()
	need(t, "go")
	tool := filepath.Join(t.TempDir(), "h2spec")
	if out, err := exec.Command("go", "build", "-o", tool, "github.com/summerwind/h2spec/cmd/h2spec").CombinedOutput(); err != nil {
		t.Fatalf("build h2spec: %v\n%s", err, out)
	}
	app := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "page")
	})
	bare := httptest.NewUnstartedServer(app)
	bare.EnableHTTP2, bare.Config.ErrorLog = true, log.New(io.Discard, "", 0)
	bare.StartTLS()
	t.Cleanup(bare.Close)
	gateway := openOverTLS(t, app)

	ofBare := make(chan map[string]string, 1)
	go func() { ofBare <- allFailing(t, tool, bare.Listener.Addr().String()) }()
	worse, theirs := allFailing(t, tool, gateway), <-ofBare
	t.Logf("a bare server fails %d cases, the gateway %d", len(theirs), len(worse))
	maps.DeleteFunc(worse, func(id, _ string) bool { return theirs[id] != "" })
	// Some cases are a race between two frames: what is the gateway's fault fails each time.
	for range 4 {
		if len(worse) > 0 {
			worse, _ = failing(t, tool, gateway, slices.Collect(maps.Keys(worse))...)
		}
	}
	for id, name := range worse {
		t.Errorf("fails: %s: %s", id, name)
	}
}

// allFailing runs h2spec in parts side by side, since it waits most of its time.
func allFailing(t *testing.T, tool, address string) map[string]string {
	var (
		parts sync.WaitGroup
		mu    sync.Mutex
		all   = map[string]string{}
		cases int
	)
	for _, sections := range [][]string{{"generic", "hpack"}, {"http2/3", "http2/4"}, {"http2/5"}, {"http2/6"}, {"http2/7", "http2/8"}} {
		parts.Go(func() {
			failed, run := failing(t, tool, address, sections...)
			mu.Lock()
			defer mu.Unlock()
			maps.Copy(all, failed)
			cases += run
		})
	}
	parts.Wait()
	if cases != 145 {
		t.Errorf("h2spec ran %d cases, want 145", cases)
	}
	return all
}

// openOverTLS runs a gateway with one route, localhost, that is open to all, and
// gives the address of its TLS listener.
func openOverTLS(t *testing.T, app http.Handler) string {
	t.Helper()
	behind := httptest.NewServer(app)
	t.Cleanup(behind.Close)
	dir := t.TempDir()
	selfSigned(t, dir, "localhost")
	file := filepath.Join(dir, "gateway.yaml")
	write(t, file, strings.Replace(plain(t, behind.URL, "localhost"), "public_scheme: http\n", "tls: {cert: file:c.pem, key: file:k.pem}\n", 1))
	cfg, err := configs.Load(file, os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	p, err := start(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	runs(t, p)
	return p.public.addr()
}

// failing runs sections of h2spec, or single cases, and gives the names of those
// that fail by their ids, and how many were run.
func failing(t *testing.T, tool, address string, ids ...string) (failed map[string]string, run int) {
	_, port, _ := net.SplitHostPort(address)
	report := filepath.Join(t.TempDir(), "report.xml")
	out, err := exec.Command(tool, append([]string{"-t", "-k", "-h", "localhost", "-p", port, "-o", "1", "-j", report}, ids...)...).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Errorf("run h2spec: %v", err)
		return nil, 0
	}
	written, err := os.ReadFile(report)
	if err != nil {
		t.Errorf("h2spec: %v\n%s", err, out)
		return nil, 0
	}
	var suites struct {
		Suites []struct {
			Section string `xml:"package,attr"`
			Cases   []struct {
				Name   string     `xml:"classname,attr"`
				Errors []struct{} `xml:"error"` // what h2spec calls a failure elsewhere
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(written, &suites); err != nil {
		t.Errorf("h2spec's report: %v\n%s", err, written)
	}
	failed = map[string]string{}
	for _, suite := range suites.Suites {
		run += len(suite.Cases)
		for i, one := range suite.Cases {
			if len(one.Errors) > 0 {
				failed[fmt.Sprintf("%s/%d", suite.Section, i+1)] = one.Name
			}
		}
	}
	return failed, run
}
