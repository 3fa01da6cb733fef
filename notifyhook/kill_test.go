package notifyhook

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
)

const (
	killState = "NOTIFYHOOK_KILL_STATE"
	killSlack = "NOTIFYHOOK_KILL_SLACK"
	killAt    = "NOTIFYHOOK_KILL_AT" // a point and how often it is reached before: answered:3

	flightStep = 5 * time.Millisecond
)

// TestKillChild is the process that TestKill kills, or that kills itself at a
// point of its way; by itself it does nothing.
func TestKillChild(t *testing.T) {
	state := os.Getenv(killState)
	if state == "" {
		t.Skip("only as a child of TestKill")
	}
	s, err := store.Open(t.Context(), state, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	r := killRelay(t, s, os.Getenv(killSlack))
	name, count, _ := strings.Cut(os.Getenv(killAt), ":")
	before, _ := strconv.Atoi(count)
	var reached atomic.Int64
	r.onPoint = func(p point) {
		if string(p) == name && int(reached.Add(1)) > before {
			_, _ = os.Stdout.WriteString("DYING " + name + "\n")
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {} // not a step further
		}
	}
	go runFast(t.Context(), r)
	srv := httptest.NewServer(r.Handler(host))
	_, _ = os.Stdout.WriteString("LISTENING " + srv.URL + "\n")
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n') // until the parent kills it or dies
}

func killRelay(t *testing.T, s *store.Store, slackURL string) *Relay {
	t.Helper()
	routes := testRoutes()
	routes[0].Settings.Fallback = []string{"C0VENTES"}
	r, err := New(Config{Routes: routes, Store: s, APIURL: slackURL, PublicScheme: "https", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// runFast runs the relay in a world where time flies for lanes that nobody
// holds: neither pace nor backoff is waited for, nor the leases of the dead; and
// what waits has waited for long, so that it is merged.
func runFast(ctx context.Context, r *Relay) {
	lift := func(condition string) {
		_ = r.store.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, `UPDATE lane SET lease_owner = NULL, due_at = 1, not_before = 0 WHERE due_at > 1 AND `+condition)
			if err == nil {
				_, err = tx.ExecContext(ctx, `UPDATE delivery SET due_at = 1 WHERE state = 'queued' AND due_at > 1`)
			}
			return err
		})
	}
	lift(`lease_owner IS NOT NULL`)
	go func() {
		for ctx.Err() == nil {
			wait(ctx, nil, flightStep)
			lift(`lease_owner IS NULL`)
			r.nudge()
		}
	}()
	_ = r.Run(ctx)
}

// Whenever the process is killed, what it accepted reaches one end, what is
// delivered was posted, in order, and what was posted twice is marked; if Slack
// lets its history be read, nothing is.
func TestKill(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes, not under -short")
	}
	t.Parallel()
	rounds := 12 // a pair of points and any time, for each pair
	if os.Getenv("CI") == "true" && !racing {
		rounds = 50 // for each of the four: 200
	}
	var mu sync.Mutex
	died := map[point]int{}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	t.Cleanup(func() {
		for _, p := range killPoints() {
			if died[p] == 0 {
				t.Errorf("nobody died at %s", p)
			}
		}
	})
	for _, scopes := range []struct {
		name  string
		extra []string
	}{{"with history", []string{"channels:history", "im:history"}}, {"without", nil}} {
		t.Run(scopes.name, func(t *testing.T) {
			t.Parallel() // they wait more than they compute
			storetest.EachState(t, func(t *testing.T, state string) {
				k := newKilling(t, state, scopes.extra, rand.New(rand.NewPCG(seed, uint64(len(scopes.extra)))))
				for round := range rounds {
					k.round(t, round)
				}
				k.check(t, k.drain(t), len(scopes.extra) > 0)
				t.Logf("%d accepted; died %v", len(k.accepted), k.died)
				mu.Lock()
				defer mu.Unlock()
				for p, n := range k.died {
					died[p] += n
				}
			})
		})
	}
}

// killPoints come in pairs, of which the first may leave behind what the second
// needs.
func killPoints() []point {
	return []point{atAnswered, atRepeating, atClaimed, atSearched, atRecorded, atAccepted, atMoving, atMoved}
}

// killing is a series of processes killed on one state, and a Slack that
// survives them.
type killing struct {
	state string
	sim   *slacksim.Sim
	slack *httptest.Server
	conns connCount
	rnd   *rand.Rand
	died  map[point]int

	mu       sync.Mutex
	asked    int
	unsure   []string          // bodies that were not answered: to be sent again
	accepted map[string]string // id by key
}

func newKilling(t *testing.T, state string, extra []string, rnd *rand.Rand) *killing {
	sim, err := slacksim.New(slacksim.Config{BaseURL: "http://slack.test", NoChannelLimit: true, NoMethodLimit: true})
	if err != nil {
		t.Fatal(err)
	}
	w := slacksim.Workspace{ID: team, Name: "Agrafmania", Domain: "agrafmania",
		People: []slacksim.Person{{ID: "U0MARIE", Email: "marie@agrafmania.fr"}, {ID: "U0PAUL", Email: "paul@agrafmania.fr"}, {ID: "U0ANNE", Email: "anne@agrafmania.fr"}}}
	var ids []string
	for _, name := range []string{"general", "ventes", "achats", "paie"} {
		ids = append(ids, "C0"+strings.ToUpper(name))
		w.Channels = append(w.Channels, slacksim.Channel{ID: "C0" + strings.ToUpper(name), Name: name})
	}
	if err := sim.AddWorkspace(w); err != nil {
		t.Fatal(err)
	}
	if err := sim.AddApp(slacksim.App{ID: "A0", Name: "Cocoom", Workspace: team, BotToken: botToken, BotScopes: append(botScopes(), extra...), MessagesTab: true, Channels: ids}); err != nil {
		t.Fatal(err)
	}
	k := &killing{state: state, sim: sim, rnd: rnd, died: map[point]int{}, accepted: map[string]string{}}
	k.slack = httptest.NewUnstartedServer(sim)
	k.slack.Config.ConnState = k.conns.follow
	k.slack.Start()
	t.Cleanup(k.slack.Close)
	return k
}

// connCount follows the connections of a server, so that somebody can wait until
// a dead client's last request is dealt with.
type connCount struct {
	mu   sync.Mutex
	open int
	none chan struct{} // closed when none is open
}

func (c *connCount) follow(_ net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew:
		c.open++
	case http.StateClosed, http.StateHijacked:
		if c.open--; c.open == 0 && c.none != nil {
			close(c.none)
			c.none = nil
		}
	}
}

func (c *connCount) awaitNone() {
	c.mu.Lock()
	none := c.none
	if c.open > 0 && none == nil {
		none = make(chan struct{})
		c.none = none
	}
	if c.open == 0 {
		none = nil
	}
	c.mu.Unlock()
	if none != nil {
		<-none
	}
}

// round starts a process, sends it notifications while it delivers, and sees it
// die: at a point, or any time.
func (k *killing) round(t *testing.T, round int) {
	t.Helper()
	points := killPoints()
	at := ""
	if round%3 != 2 { // else at any time
		p := points[(round-round/3)%len(points)]
		at = string(p)
		if p != atSearched && p != atRepeating { // those are rare
			at += ":" + strconv.Itoa(k.rnd.IntN(4))
		}
	}
	child, url, dying := k.start(t, at)
	limit := 3 * time.Second // for a point that is not reached
	if at == "" {
		limit = time.Duration(k.rnd.IntN(60)) * time.Millisecond
	}
	killer := time.AfterFunc(limit, func() { _ = child.Process.Kill() })
	defer killer.Stop()
	var group sync.WaitGroup
	client := &http.Client{Transport: &http.Transport{}, Timeout: 10 * time.Second}
	for range 4 {
		group.Go(func() {
			for range 10 {
				if !k.ask(client, url) {
					return
				}
			}
		})
	}
	if name, ok := <-dying; ok {
		k.died[point(name)]++
	}
	_ = child.Wait() // "signal: killed"
	group.Wait()
	client.CloseIdleConnections()
	k.conns.awaitNone()
}

// start starts the process to kill. The channel gives the point at which it
// kills itself, and is closed when it is dead.
func (k *killing) start(t *testing.T, at string) (child *exec.Cmd, url string, dying <-chan string) {
	t.Helper()
	child = exec.Command(os.Args[0], "-test.run=^TestKillChild$", "-test.count=1")
	child.Env = append(os.Environ(), killState+"="+k.state, killSlack+"="+k.slack.URL+"/api/", killAt+"="+at)
	if _, err := child.StdinPipe(); err != nil { // closes, and so ends the child, when we die
		t.Fatal(err)
	}
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	died := make(chan string, 1)
	var output strings.Builder
	for lines.Scan() {
		fmt.Fprintln(&output, lines.Text())
		if name, ok := strings.CutPrefix(lines.Text(), "DYING "); ok { // before it listened
			died <- name
			break
		}
		if address, ok := strings.CutPrefix(lines.Text(), "LISTENING "); ok {
			url = address
			break
		}
	}
	if url == "" && len(died) == 0 {
		t.Fatalf("the child did not start: %v\n%s", child.Wait(), output.String())
	}
	go func() {
		defer close(died)
		for lines.Scan() {
			if name, ok := strings.CutPrefix(lines.Text(), "DYING "); ok {
				died <- name
			}
		}
	}()
	return child, url, died
}

// ask sends one notification, first those again that got no answer before. It
// reports whether it was answered.
func (k *killing) ask(client *http.Client, url string) bool {
	if url == "" {
		return false
	}
	k.mu.Lock()
	var body string
	if n := len(k.unsure); n > 0 {
		body, k.unsure = k.unsure[n-1], k.unsure[:n-1]
	} else {
		k.asked++
		recipients := []string{`"C0GENERAL"`, `"C0ACHATS"`, `"#achats"`, `"#paie"`, `"marie@agrafmania.fr"`, `"U0MARIE"`, `"paul@agrafmania.fr"`, `"anne@agrafmania.fr"`,
			`"U0PAUL","C0PAIE"`, `"nobody@agrafmania.fr"`}
		body = fmt.Sprintf(`{"key":"key-%d","text":"key-%d","to":[%s]}`, k.asked, k.asked, recipients[k.rnd.IntN(len(recipients))])
	}
	k.mu.Unlock()
	id := send(client, url, body)
	k.mu.Lock()
	defer k.mu.Unlock()
	if id == "" {
		k.unsure = append(k.unsure, body)
		return false
	}
	key, _, _ := strings.Cut(strings.TrimPrefix(body, `{"key":"`), `"`)
	k.accepted[key] = id
	return true
}

// send returns the id that was answered, or nothing.
func send(client *http.Client, url, body string) string {
	req, err := http.NewRequest("POST", url+"/v1/notifications", strings.NewReader(body))
	if err != nil {
		return ""
	}
	req.Header.Set("Authorization", "Bearer "+testToken)
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	var a struct{ ID string }
	if err != nil || resp.StatusCode >= 300 || json.Unmarshal(data, &a) != nil {
		return ""
	}
	return a.ID
}

// drain lets what is left run dry, in this process, and returns its store.
func (k *killing) drain(t *testing.T) *store.Store {
	t.Helper()
	s := storetest.Open(t, k.state)
	r := killRelay(t, s, k.slack.URL+"/api/")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	progress := make(chan struct{}, 1)
	r.onPoint = func(p point) {
		if p == atRecorded {
			select {
			case progress <- struct{}{}:
			default:
			}
		}
	}
	ended := make(chan struct{})
	go func() { defer close(ended); runFast(ctx, r) }()
	for left := 1; left > 0; wait(ctx, progress, 100*time.Millisecond) {
		if err := r.store.Read().QueryRowContext(ctx, `SELECT COUNT(*) FROM notification WHERE finished_at IS NULL`).Scan(&left); err != nil {
			t.Fatalf("%d notifications do not end: %v", left, err)
		}
	}
	cancel()
	<-ended
	return s
}
