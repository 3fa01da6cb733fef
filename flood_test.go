package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestAttackFlood: one address makes requests of every kind that costs something,
// as fast as it can, at what stands for a whole program; 100,000 a minute are
// fewer. What it takes stays bounded, members and programs with a credential are
// served from the very address, and Slack hears of next to nothing. The numbers
// are those of docs/running.md.
func TestAttackFlood(t *testing.T) {
	const members, workers, each = 3, 16, 25
	s := besiege(t, nil)
	cookies := []string{s.cookie("U0MARIE"), s.cookie("U0MARIE"), s.cookie("U0MARIE")}
	before, goroutines := inUse(), runtime.NumGoroutine()
	exchanges := len(s.slack.Calls("openid.connect.token"))

	var flood, served sync.WaitGroup
	over := make(chan struct{})
	for i := range members {
		served.Go(func() { s.works(t, cookies[i], over) })
	}
	var most int64
	served.Go(func() {
		for ended := false; !ended; {
			select {
			case <-over:
				ended = true
			case <-time.After(300 * time.Millisecond):
			}
			most = max(most, inUse())
		}
	})
	answers := make(chan map[int]int, workers)
	for worker := range workers {
		flood.Go(func() {
			answers <- s.floods(t, worker, each)
		})
	}
	flood.Wait()
	close(over)
	served.Wait()
	total, refused := 0, 0
	for range workers {
		for status, n := range <-answers {
			total += n
			if status == http.StatusTooManyRequests {
				refused += n
			}
		}
	}
	t.Logf("%d requests, %d of them held back; %d MiB before, %d MiB at most", total, refused, before>>20, most>>20)
	if total < workers*each*8 || refused < total/4 {
		t.Errorf("%d of %d requests are held back", refused, total)
	}
	if !racing && most-before > 48<<20 {
		t.Errorf("memory grew from %d to %d MiB", before>>20, most>>20)
	}
	eventually(t, "goroutines are left", func() bool { return runtime.NumGoroutine() <= goroutines+workers })
	if n := len(s.slack.Calls("openid.connect.token")) - exchanges; n > 65 {
		t.Errorf("Slack was asked about %d codes", n)
	}
	kinds := map[string]bool{}
	for _, a := range s.p.gateway.Alarms() {
		kinds[a.Reason] = a.Kind == "flood" && a.Route == customers[0].Host
	}
	if want := `cocoom_gateway_alarm{kind="flood",route="` + customers[0].Host + `"} 1`; strings.Count(scrape(t, s.p), want) != 1 {
		t.Errorf("Prometheus does not read %s", want)
	}
	if _, err := s.p.registry.Gather(); err != nil { // five kinds of floods are one series
		t.Errorf("a scrape is broken: %v", err)
	}
	for _, what := range []string{"exchanges", "callbacks", "service_tokens", "links", "webhook_credentials"} {
		if !kinds[what] {
			t.Errorf("no alarm tells of %s: %v", what, kinds)
		}
	}
}

// works is what a member and a program do while the flood lasts.
func (s *siege) works(t *testing.T, cookie string, over <-chan struct{}) {
	rows := map[string]struct {
		request string
		want    int
	}{
		"a member":          {get(s.host, "/dossiers", "Cookie: "+cookie+"\r\n"), 200},
		"a member's page":   {get(s.host, "/.gateway/", "Cookie: "+cookie+"\r\n"), 200},
		"a service token":   {get(s.host, "/cron/x", "Authorization: Bearer "+s.cron+"\r\n"), 200},
		"another customer":  {get(s.rival, "/public/x", ""), 200},
		"the notifications": {"POST /.gateway/v1/ping HTTP/1.1\r\nHost: " + s.host + "\r\nAuthorization: Bearer " + customers[0].HookToken + "\r\nContent-Length: 0\r\n\r\n", 200},
	}
	for {
		for name, row := range rows {
			begun := time.Now()
			a := attackAll(t, s.p.public.addr(), nil, row.request, 1)
			if len(a) != 1 || a[0].StatusCode != row.want || time.Since(begun) > 4*time.Second {
				t.Errorf("%s is answered %v after %s", name, a, time.Since(begun))
				return
			}
		}
		select {
		case <-over:
			return
		default:
		}
	}
}

// floods sends each kind of attack so often over one connection, and counts the
// answers by status.
func (s *siege) floods(t *testing.T, worker, each int) map[int]int {
	got := map[int]int{}
	conn, err := net.Dial("tcp", s.p.public.addr())
	if err != nil {
		t.Error(err)
		return got
	}
	defer func() { conn.Close() }()
	r := bufio.NewReader(conn)
	ask := func(request string) *http.Response {
		if _, err := io.WriteString(conn, request); err != nil {
			t.Error(err)
			return nil
		}
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Errorf("%v: %.60q", err, request)
			return nil
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		got[resp.StatusCode]++
		if resp.Close {
			conn.Close()
			if conn, err = net.Dial("tcp", s.p.public.addr()); err != nil {
				t.Error(err)
				return nil
			}
			r.Reset(conn)
		}
		return resp
	}
	guessed := strings.Repeat("A", 43)
	for i := range each {
		n := fmt.Sprintf("%d-%d", worker, i)
		begun := ask(get(s.host, "/page-"+n, ""))
		if begun == nil {
			return got
		}
		if to, err := begun.Location(); err == nil {
			cookie, _, _ := strings.Cut(begun.Header.Get("Set-Cookie"), ";")
			ask(get(s.host, "/.gateway/callback?code=forged&state="+url.QueryEscape(to.Query().Get("state")), "Cookie: "+cookie+"\r\n"))
		}
		for _, request := range []string{
			get("unknown-"+n+".localhost", "/", ""),
			get(s.host, "/.gateway/none-"+n, ""),
			get(s.host, "/x", "Cookie: gw=s1."+strings.Repeat("A", 900)+"\r\n"),
			get(s.host, "/.gateway/callback?code=x&state="+n, ""),
			get(s.host, "/cron/x", "Authorization: Bearer cgs_"+n+"\r\n"),
			get(s.host, "/.gateway/break-glass?key="+guessed[len(n):]+n, ""),
			"POST /.gateway/v1/notifications HTTP/1.1\r\nHost: " + s.host + "\r\nAuthorization: Bearer " + n + "\r\nContent-Length: 0\r\n\r\n",
			"POST /.gateway/slack/events HTTP/1.1\r\nHost: " + s.host + "\r\nX-Slack-Signature: v0=" + n + "\r\nContent-Length: 2\r\n\r\n{}",
		} {
			if ask(request) == nil {
				return got
			}
		}
	}
	return got
}
