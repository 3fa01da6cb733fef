package store_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/cocoom/cocoom-gateway/internal/store"
)

// TestMain lets the test binary be its own second process: with STORE_CHILD set
// it does that and nothing else.
func TestMain(m *testing.M) {
	if task := os.Getenv("STORE_CHILD"); task != "" {
		os.Exit(child(task, os.Getenv("STORE_STATE")))
	}
	os.Exit(m.Run())
}

func child(task, state string) int {
	s, err := store.Open(context.Background(), state, slog.New(slog.DiscardHandler))
	if err != nil {
		fmt.Println(err)
		return 1
	}
	switch task {
	case "write": // lines by plain write(2), which a trace shows in order
		os.Stdout.WriteString("begin\n")
		if err := s.Write(context.Background(), put("traced", "")); err != nil {
			fmt.Println(err)
			return 1
		}
		os.Stdout.WriteString("ok\n")
	case "hold": // keep writing until killed, saying what is certain
		for i := 0; ; i++ {
			if err := s.Write(context.Background(), put(fmt.Sprintf("%06d", i), "")); err != nil {
				fmt.Println(err)
				return 1
			}
			fmt.Println(i)
		}
	}
	if err := s.Close(); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

func childCommand(t *testing.T, name string, args []string, task, state string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append(os.Environ(), "STORE_CHILD="+task, "STORE_STATE="+state)
	return cmd
}

func TestSecondProcessIsRefused(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	s, err := store.Open(t.Context(), dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	out, err := childCommand(t, os.Args[0], nil, "open", dir).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "another cocoom-gateway is using the state directory "+dir) {
		t.Errorf("the second process: %v, %s", err, out)
	}
	if _, err := store.Open(t.Context(), dir, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("the same process opened it twice")
	}
	if err := s.Write(t.Context(), put("a", "")); err != nil {
		t.Errorf("the first process afterwards: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if out, err := childCommand(t, os.Args[0], nil, "open", dir).CombinedOutput(); err != nil {
		t.Errorf("after the first has closed: %v, %s", err, out)
	}
}

// Killed in the middle of writing, a process frees the directory, and every
// write it had announced is there.
func TestKilledProcessLosesNothingItAnnounced(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	cmd := childCommand(t, os.Args[0], nil, "hold", dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines, announced := bufio.NewScanner(out), 0
	for announced < 50 && lines.Scan() {
		announced++
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() { // what it had said before the kill reached it
		announced++
	}
	_ = cmd.Wait() // "signal: killed"
	if announced < 50 {
		t.Fatalf("the child stopped after %d writes", announced)
	}
	s, err := store.Open(t.Context(), dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got := len(names(t, s)); got != announced && got != announced+1 { // one may have been committed and not yet said
		t.Errorf("%d rows, %d were announced", got, announced)
	}
}

// Durable means that the log was synced before the caller heard of it. The
// kernel is the witness.
func TestSyncComesBeforeTheAnswer(t *testing.T) {
	required := os.Getenv("CI") == "true"
	strace, err := exec.LookPath("strace")
	if err != nil {
		if required {
			t.Fatal("CI=true requires strace")
		}
		t.Skip("needs strace")
	}
	trace := filepath.Join(t.TempDir(), "trace")
	args := []string{"-f", "-y", "-o", trace, "-e", "trace=write,pwrite64,fsync,fdatasync", os.Args[0]}
	out, err := childCommand(t, strace, args, "write", filepath.Join(t.TempDir(), "state")).CombinedOutput()
	if err != nil {
		if !required && strings.Contains(string(out), "ptrace") {
			t.Skipf("strace may not trace here: %s", out)
		}
		t.Fatalf("%v: %s", err, out)
	}
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	order := regexp.MustCompile(`(?s)write\(1<[^\n]*"begin\\n".*?pwrite64\(\d+<[^\n]*gateway\.db-wal>.*?(fsync|fdatasync)\(\d+<[^\n]*gateway\.db-wal>\)[^\n]*= 0\n.*?write\(1<[^\n]*"ok\\n"`)
	if !order.Match(text) {
		t.Errorf("the trace does not show: begin, write to the log, sync of the log, ok:\n%s", text)
	}
}

// unprivileged returns the command to run as somebody who is not root, since
// root may write everywhere.
func unprivileged(t *testing.T, task, state string) *exec.Cmd {
	t.Helper()
	if os.Geteuid() != 0 {
		return childCommand(t, os.Args[0], nil, task, state)
	}
	open := openDir(t) // the binary lies in a directory of root's
	binary := filepath.Join(open, "store.test")
	in, err := os.Open(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(binary, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(out, in)
	if err := errors.Join(err, out.Close()); err != nil {
		t.Fatal(err)
	}
	cmd := childCommand(t, binary, nil, task, state)
	cmd.Dir, cmd.SysProcAttr = open, &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	return cmd
}

// openDir returns a temporary directory that others may enter, which t.TempDir
// is not.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "store")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestReadOnlyDirectory(t *testing.T) {
	state := filepath.Join(openDir(t), "state")
	if err := os.Mkdir(state, 0o500); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(state, 65534, 65534); err != nil {
			t.Fatal(err)
		}
	}
	out, err := unprivileged(t, "open", state).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "state directory "+state+" is not writable") {
		t.Errorf("%v: %s", err, out)
	}
}
