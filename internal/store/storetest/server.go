package storetest

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// server is a private PostgreSQL, listening on loopback and on a socket in dir.
type server struct {
	dir  string
	port int
	life io.WriteCloser // the supervisor's standard input: open as long as this process lives
}

// theServer starts the one server of this test process when first asked.
var theServer = sync.OnceValues(startServer)

// startServer tries again because the free port it found may be taken before
// PostgreSQL listens on it.
func startServer() (s *server, err error) {
	for range 3 {
		if s, err = start(); err == nil {
			break
		}
	}
	return s, err
}

// supervise runs PostgreSQL until its standard input ends, which it does
// however the test process ends, kill -9 included; then it cleans up. A line
// stops the server as a crash does, the next starts it again.
const supervise = `
while :; do
	"$1/postgres" -D "$2/data" -p "$3" -k "$2" -c listen_addresses=127.0.0.1 -c max_connections=300 -c shared_buffers=32MB </dev/null >>"$2/log" 2>&1 &
	pid=$!
	how=QUIT
	read _ || how=INT
	kill -$how $pid
	wait $pid
	[ $how = QUIT ] && read _ || break
done
rm -rf "$2"
`

const hba = `local all all trust
host all postgres 127.0.0.1/32 trust
host all all 127.0.0.1/32 scram-sha-256
`

// start makes a cluster and starts its server.
func start() (*server, error) {
	out, err := exec.Command("pg_config", "--bindir").Output()
	if err != nil {
		return nil, fmt.Errorf("pg_config --bindir: %w", err)
	}
	bin := strings.TrimSpace(string(out))
	who, err := unprivileged()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "pg") // short: a socket's path has 107 bytes at most
	if err != nil {
		return nil, err
	}
	if who != nil {
		if err := os.Chown(dir, int(who.Uid), int(who.Gid)); err != nil {
			return nil, err
		}
	}
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", dir+"/data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	initdb.Dir, initdb.SysProcAttr = dir, &syscall.SysProcAttr{Credential: who}
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, errors.Join(fmt.Errorf("initdb: %w: %s", err, bytes.TrimSpace(out)), os.RemoveAll(dir))
	}
	if err := os.WriteFile(dir+"/data/pg_hba.conf", []byte(hba), 0o600); err != nil {
		return nil, err
	}
	return serve(bin, dir, who)
}

// unprivileged returns whom to run PostgreSQL as if we are root, which it
// refuses to serve.
func unprivileged() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		if u, err = user.Lookup("nobody"); err != nil {
			return nil, fmt.Errorf("PostgreSQL does not run as root, and there is nobody else: %w", err)
		}
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(err1, err2)
}

func serve(bin, dir string, who *syscall.Credential) (*server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	cmd := exec.Command("/bin/sh", "-c", supervise, "sh", bin, dir, strconv.Itoa(port))
	// Its own group: Ctrl-C on the terminal must not take it away from tests that are just ending.
	cmd.Dir, cmd.SysProcAttr = dir, &syscall.SysProcAttr{Credential: who, Setpgid: true}
	life, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &server{dir: dir, port: port, life: life}
	if err := s.ready(); err != nil {
		log, _ := os.ReadFile(dir + "/log") // before the supervisor cleans up
		return nil, errors.Join(fmt.Errorf("start PostgreSQL: %w: %s", err, bytes.TrimSpace(log)), life.Close(), cmd.Wait())
	}
	return s, nil
}

// stop stops the server as a crash does, and waits until nobody listens.
func (s *server) stop() error {
	if _, err := io.WriteString(s.life, "stop\n"); err != nil {
		return err
	}
	for deadline := time.Now().Add(30 * time.Second); ; {
		conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)))
		if err != nil {
			return nil
		}
		conn.Close()
		if time.Now().After(deadline) {
			return errors.New("PostgreSQL does not stop")
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// restart starts a stopped server and waits until it answers.
func (s *server) restart() error {
	if _, err := io.WriteString(s.life, "start\n"); err != nil {
		return err
	}
	return s.ready()
}

// address returns the address of a database, for store.Open.
func (s *server) address(database string) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/%s?sslmode=disable", s.port, database)
}

// ready waits until the server answers.
func (s *server) ready() error {
	db, err := sql.Open("pgx", s.address("postgres"))
	if err != nil {
		return err
	}
	defer db.Close()
	for deadline := time.Now().Add(30 * time.Second); ; {
		if err = db.Ping(); err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(20 * time.Millisecond) // another process's start has no event to wait for
	}
}
