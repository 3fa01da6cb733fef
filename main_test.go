package main

import (
	"bytes"
	"io"
	"log"
	"net"
	"os"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(unquotedRun{discreet{m}}, map[string]func(){
		"cocoom-gateway": func() { os.Exit(asStarted()) },
	})
}

// unquotedRun runs the tests without the one line that apps which say more than
// their answer make net/http log, hundreds of times (TestUnaskedAnswersAreNotLogged
// looks after what becomes of it); all else is printed.
type unquotedRun struct{ testscript.TestingM }

// Run implements testscript.TestingM.
func (r unquotedRun) Run() int {
	log.SetOutput(unquotedWriter{os.Stderr})
	return r.TestingM.Run()
}

type unquotedWriter struct{ io.Writer }

func (w unquotedWriter) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("Unsolicited response received on idle HTTP channel")) {
		return len(p), nil
	}
	return w.Writer.Write(p)
}

// TestCommands runs what a person types, as testdata/script/*.txtar tell.
func TestCommands(t *testing.T) {
	need(t, "sh")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { taken.Close() }) // the scripts run in parallel, after this function
	testscript.Run(t, testscript.Params{
		Dir:      "testdata/script",
		Deadline: time.Now().Add(2 * time.Minute),
		Setup: func(env *testscript.Env) error {
			_, port, err := net.SplitHostPort(taken.Addr().String())
			env.Setenv("TAKEN", port) // a port that is not free
			_, free, err2 := net.SplitHostPort(loopback(freePort(t)))
			env.Setenv("FREE", free)
			if err == nil {
				err = err2
			}
			return err
		},
		RequireExplicitExec: true,
	})
}
