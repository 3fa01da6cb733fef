package certs

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
)

// TestMain lets the test binary be a second replica: a process of its own, since
// certmagic keeps what it is at in variables that all replicas of one process
// would share.
func TestMain(m *testing.M) {
	if settings := os.Getenv("CERTS_REPLICA"); settings != "" {
		if err := otherReplica(settings); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

type otherSettings struct{ State, Directory, CA string }

// otherReplica serves the two hosts on a port of its own, which it prints, until
// its standard input ends. The authority does not come to that port.
func otherReplica(settings string) error {
	var s otherSettings
	if err := json.Unmarshal([]byte(settings), &s); err != nil {
		return err
	}
	log := slog.New(slog.DiscardHandler)
	db, err := store.Open(context.Background(), s.State, log)
	if err != nil {
		return err
	}
	master, err := store.LoadMaster("", strings.Repeat("42", 32))
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	c, err := New(Config{Serves: hosts(agrafmania, port), Log: log, ACME: &ACME{
		Email: "ops@cocoom.com", Directory: s.Directory, CA: s.CA, Public: ln.Addr(), Store: db, Master: master}})
	if err != nil {
		return err
	}
	server := &http.Server{Handler: c.Guard(http.NotFoundHandler()), TLSConfig: c.TLS(), ErrorLog: slog.NewLogLogger(log.Handler(), 0)}
	go func() { _ = server.ServeTLS(ln, "", "") }() // ends with the process
	fmt.Println(ln.Addr())
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// TestReplicas: two processes on one PostgreSQL. The authority comes to one with
// the challenge that the other asked for, first visitors of both are one order,
// and what one has been given the other has.
func TestReplicas(t *testing.T) {
	state := storetest.Postgres(t)
	here := newReplica(t)
	a := here.authority(t)
	here.start(t, Config{Serves: hosts(agrafmania, port), ACME: here.acme(t, a, storetest.Open(t, state))})
	settings, err := json.Marshal(otherSettings{state, a.Directory, a.CA})
	must(t, err)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "CERTS_REPLICA="+string(settings))
	stdin, err := cmd.StdinPipe()
	must(t, err)
	stdout, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() {
		stdin.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the other replica: %v", err)
		}
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	must(t, err)
	there, err := net.ResolveTCPAddr("tcp", strings.TrimSpace(line))
	if err != nil {
		t.Fatalf("the other replica says %q", line)
	}

	theirs, err := a.Shake(there, agrafmania)
	must(t, err)
	ours, err := a.Shake(here.public.Addr(), agrafmania)
	must(t, err)
	if !theirs.Equal(ours) || a.Orders.Load() != 1 {
		t.Errorf("%d orders for a host that one replica has", a.Orders.Load())
	}

	var all sync.WaitGroup
	for i := range 10 {
		all.Go(func() {
			if _, err := a.Shake([]net.Addr{there, here.public.Addr()}[i%2], port); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := a.Orders.Load(); n != 2 {
		t.Errorf("%d orders for two hosts", n)
	}
}
