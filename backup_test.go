package main

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
)

// accepted posts a notification to Paul under a key, and gives the answer: 202, or 200
// if the key was there.
func (o *office) accepted(p *program, key string) int {
	o.t.Helper()
	req, err := http.NewRequest("POST", "http://"+p.public.addr()+"/.gateway/v1/notifications", strings.NewReader("to=U0PAUL&text="+key+"&key="+key))
	if err != nil {
		o.t.Fatal(err)
	}
	req.Host = customers[0].Host
	req.Header.Set("Authorization", "Bearer ck_0123456789abcdef")
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		o.t.Error(err)
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}

// TestBackup: a copy made while notifications are accepted is whole. Put back, it
// delivers what waited, but not what Slack has got since, and whoever was signed out
// since stays so.
func TestBackup(t *testing.T) {
	o := newOffice(t, t.TempDir())
	o.config += "    notify: {bearer_tokens: [ck_0123456789abcdef]}\n"
	before := o.config
	p, stop := o.start("0")
	marie := o.member(p, "U0MARIE")
	o.slack.Fault(slacksim.Fault{Method: "chat.postMessage", Kind: slacksim.ErrorCode, Error: "invalid_auth"}) // holds all
	if status := o.accepted(p, "waits"); status != 202 {
		t.Fatalf("answered %d", status)
	}
	var others sync.WaitGroup
	begun, done := make(chan struct{}), make(chan struct{})
	others.Go(func() {
		for i := 0; ; i++ {
			if status := o.accepted(p, fmt.Sprintf("meanwhile-%d", i)); status != 202 {
				t.Errorf("while a copy is made, answered %d", status)
			}
			if i == 20 {
				close(begun)
			}
			select {
			case <-done:
				return
			default:
			}
		}
	})
	<-begun
	dir := filepath.Join(t.TempDir(), "backup")
	said := command(t, "backup", "--admin", p.admin.addr(), dir)
	close(done)
	others.Wait()
	if info, err := os.Stat(filepath.Join(dir, "gateway.db")); err != nil || info.Mode().Perm() != 0o600 || !strings.Contains(said, fmt.Sprint(info.Size())) {
		t.Errorf("the file is %v (%v): %s", info, err, said)
	}
	if _, errs := exits(t, 1, "backup", "--admin", p.admin.addr(), dir); !strings.Contains(errs, "exists") {
		t.Errorf("a second time says %s", errs)
	}
	command(t, "sessions", "revoke", "--admin", p.admin.addr(), "--person", "U0MARIE")
	stop()

	o.config = strings.Replace(before, "state: ", "state: "+dir+" #", 1)
	o.slack.ClearFaults()
	q, stopAgain := o.start("0")
	if marie.at = q; marie.signedIn() {
		t.Error("who was signed out after the copy was made is in again")
	}
	o.awaits("U0PAUL", "waits")
	for i := range 20 {
		if status := o.accepted(q, fmt.Sprintf("meanwhile-%d", i)); status != 200 {
			t.Errorf("what was accepted before the copy was asked for is not in it: answered %d", status)
		}
	}
	paul := o.member(q, "U0PAUL")
	stopAgain()
	if paul.at, _ = o.start("0"); !paul.signedIn() {
		t.Error("at each start it is taken for a copy that was just put back")
	}
}

// TestBackupIsNotSentTwice: what Slack got after the copy was made is found there.
func TestBackupIsNotSentTwice(t *testing.T) {
	o := newOffice(t, t.TempDir())
	o.config += "    notify: {bearer_tokens: [ck_0123456789abcdef]}\n"
	before := o.config
	p, stop := o.start("0")
	o.slack.Fault(slacksim.Fault{Method: "chat.postMessage", Kind: slacksim.RateLimited, RetryAfter: 1e9})
	if status := o.accepted(p, "only-once"); status != 202 {
		t.Fatalf("answered %d", status)
	}
	dir := filepath.Join(t.TempDir(), "backup")
	command(t, "backup", "--admin", p.admin.addr(), dir)
	o.slack.ClearFaults()
	o.awaits("U0PAUL", "only-once")
	stop()

	o.config = strings.Replace(before, "state: ", "state: "+dir+" #", 1)
	q, _ := o.start("0")
	if status := o.accepted(q, "the-next"); status != 202 {
		t.Fatalf("answered %d", status)
	}
	o.awaits("U0PAUL", "the-next")
	n := 0
	for _, m := range o.slack.Messages(customers[0].Team, "U0PAUL") {
		if strings.Contains(m.Text, "only-once") {
			n++
		}
	}
	if n != 1 {
		t.Errorf("Slack has it %d times", n)
	}
}

// TestBackupOfPostgres is PostgreSQL's own: the command says so, and leaves nothing.
func TestBackupOfPostgres(t *testing.T) {
	p := startProgram(t, storetest.Postgres(t))
	dir := filepath.Join(t.TempDir(), "backup")
	if _, errs := exits(t, 1, "backup", "--admin", p.admin.addr(), dir); !strings.Contains(errs, "pg_dump") {
		t.Errorf("says %s", errs)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Error("the directory was made")
	}
}

// TestRestorePostgres: what pg_dump has of a running gateway starts another.
func TestRestorePostgres(t *testing.T) {
	from, to := storetest.Postgres(t), storetest.Postgres(t)
	dump := filepath.Join(t.TempDir(), "gateway.dump")
	tool := func(name string, args ...string) {
		t.Helper()
		if said, err := exec.CommandContext(t.Context(), need(t, name), args...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", name, err, said)
		}
	}
	const form = "to=U0PAUL&text=hello&key=k1"
	ask := func(p *program, want int) {
		t.Helper()
		conn, err := net.Dial("tcp", p.public.addr())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, _ = fmt.Fprint(conn, webhook(form))
		if resp, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil || resp.StatusCode != want {
			t.Errorf("answered %v (%v), want %d", resp, err, want)
		}
	}
	ask(startProgram(t, from), http.StatusAccepted)
	tool("pg_dump", "-Fc", "--no-owner", "-f", dump, from)
	tool("pg_restore", "--no-owner", "-d", to, dump)
	ask(startProgram(t, to), http.StatusOK)
}
