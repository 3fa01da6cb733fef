package notifyhook

import (
	"bufio"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
)

const killState = "NOTIFYHOOK_KILL_TEST_STATE"

// TestKillChild is the process that TestAcceptedSurvivesKill kills; by itself it
// does nothing.
func TestKillChild(t *testing.T) {
	state := os.Getenv(killState)
	if state == "" {
		t.Skip("only as a child of TestAcceptedSurvivesKill")
	}
	s, err := store.Open(t.Context(), state, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	r, err := New(Config{Routes: testRoutes(), Store: s, APIURL: "http://127.0.0.1:1/", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = r.Run(t.Context()) }() // claims and records, too, while it is killed
	srv := httptest.NewServer(r.Handler(host))
	fmt.Println("LISTENING", srv.URL)
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n') // until the parent kills it or dies
}

// What was answered 202 is there after SIGKILL, whenever that comes; what was
// not answered may be, once at most.
func TestAcceptedSurvivesKill(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes, not under -short")
	}
	storetest.EachState(t, func(t *testing.T, state string) {
		var mu sync.Mutex
		seen := map[string]string{} // accepted key -> id
		n := 0
		for round := range 3 {
			child, url := startChild(t, state)
			var group sync.WaitGroup
			enough := make(chan struct{}, 1)
			for range 8 {
				group.Go(func() {
					for {
						mu.Lock()
						n++
						key := fmt.Sprintf("key-%d", n)
						mu.Unlock()
						id, ok := postKey(url, key)
						if !ok {
							return // killed
						}
						mu.Lock()
						seen[key] = id
						if len(seen) >= 60*(round+1) {
							select {
							case enough <- struct{}{}:
							default:
							}
						}
						mu.Unlock()
					}
				})
			}
			<-enough
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			group.Wait()
			_ = child.Wait() // "signal: killed"
		}
		s := storetest.Open(t, state)
		for key, id := range seen {
			var got string
			if err := s.Read().QueryRow(`SELECT n.id FROM notification n JOIN delivery d ON d.notification_id = n.id JOIN lane l ON l.lane = d.lane
				WHERE n.route = $1 AND n.idem_key = $2 AND l.due_at IS NOT NULL`, host, key).Scan(&got); err != nil || got != id {
				t.Fatalf("%s was answered 202 with %s, and is %q: %v", key, id, got, err)
			}
		}
		var rows, deliveries int
		if err := s.Read().QueryRow(`SELECT (SELECT COUNT(*) FROM notification), (SELECT COUNT(*) FROM delivery)`).Scan(&rows, &deliveries); err != nil {
			t.Fatal(err)
		}
		if rows != deliveries || rows < len(seen) || rows > n {
			t.Errorf("%d notifications, %d deliveries, %d accepted, %d asked", rows, deliveries, len(seen), n)
		}
	})
}

// startChild starts the process to kill, on state, and returns where it listens.
func startChild(t *testing.T, state string) (*exec.Cmd, string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKillChild$", "-test.count=1")
	cmd.Env = append(os.Environ(), killState+"="+state)
	if _, err := cmd.StdinPipe(); err != nil { // closes, and so ends the child, when we die
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if _, url, ok := strings.Cut(lines.Text(), "LISTENING "); ok {
			return cmd, url
		}
	}
	t.Fatalf("the child did not start: %v", cmd.Wait())
	return nil, ""
}

func postKey(url, key string) (id string, ok bool) {
	req, err := http.NewRequest("POST", url+"/v1/notifications", strings.NewReader(fmt.Sprintf(`{"key":%q,"to":["C0%s"],"text":"x"}`, key, strings.ToUpper(key))))
	if err != nil {
		return "", false
	}
	req.Header.Set("Authorization", "Bearer "+testToken)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", false
	}
	defer resp.Body.Close()
	line, err := bufio.NewReader(resp.Body).ReadString('\n')
	if err != nil || resp.StatusCode != http.StatusAccepted {
		return "", false
	}
	_, rest, _ := strings.Cut(line, `"id":"`)
	id, _, _ = strings.Cut(rest, `"`)
	return id, id != ""
}
