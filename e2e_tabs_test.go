package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"golang.org/x/sync/errgroup"

	"github.com/cocoom/cocoom-gateway/proxy"
)

// cookieWatch is a forward proxy that sees which cookies of ours the browser
// has to send to a host.
type cookieWatch struct {
	host string

	mu    sync.Mutex
	most  int      // bytes at most, with the longer names of https
	last  []string // names, in the latest request
	pages int      // requests seen
}

// watchCookies starts the proxy, and gives the flags that make Chromium use it
// for loopback too.
func watchCookies(t *testing.T, host string) (*cookieWatch, []chromedp.ExecAllocatorOption) {
	t.Helper()
	watch := &cookieWatch{host: host}
	transport := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		_, port, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
	}}
	t.Cleanup(transport.CloseIdleConnections)
	forward := httptest.NewServer(&httputil.ReverseProxy{Transport: transport, Rewrite: func(pr *httputil.ProxyRequest) {
		pr.Out.Host = pr.In.Host
		watch.see(pr.In)
	}})
	t.Cleanup(forward.Close)
	return watch, []chromedp.ExecAllocatorOption{chromedp.Flag("proxy-server", forward.URL), chromedp.Flag("proxy-bypass-list", "<-loopback>")}
}

func (c *cookieWatch) see(r *http.Request) {
	if !strings.HasPrefix(r.Host, c.host) || strings.HasSuffix(r.URL.Path, "favicon.ico") {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	size := 0
	c.last, c.pages = nil, c.pages+1
	for _, cookie := range r.Cookies() {
		if proxy.OwnCookie(cookie.Name) {
			size += len("__Host-") + len(cookie.Name) + len("=") + len(cookie.Value) + len("; ")
			c.last = append(c.last, cookie.Name)
		}
	}
	c.most = max(c.most, size)
}

// tabsOf opens n tabs of one browser, with one cookie jar.
func tabsOf(t *testing.T, n int, flags []chromedp.ExecAllocatorOption) []*tab {
	t.Helper()
	first := chromium(t, flags...)(t, 1000, 700)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(first.ctx), 150*time.Second)
	t.Cleanup(cancel)
	tabs := []*tab{{t, ctx}}
	for len(tabs) < n {
		ctx, cancel := chromedp.NewContext(ctx)
		t.Cleanup(cancel)
		tb := &tab{t, ctx}
		tb.open("about:blank")
		tabs = append(tabs, tb)
	}
	return tabs
}

// TestE2EManyTabs: twenty tabs opened at once without a session, as a browser
// does that is started again. One sign-in, and each ends on its own page.
func TestE2EManyTabs(t *testing.T) {
	t.Parallel()
	need(t, "chromium")
	const count = 20
	c := customers[0]
	click := fmt.Sprintf(`button[data-user=%q]`, c.people[0].ID)
	for name, first := range map[string]int{"the person clicks in each, in the last one first": count - 1, "Slack says yes by itself": -1} {
		t.Run(name, func(t *testing.T) {
			d := newDemo(t)
			startDemo(t, d)
			origin := fmt.Sprintf("http://%s:%d", c.Host, d.Port)
			page := func(i int) string { return fmt.Sprintf("%s/dossiers/%d?onglet=notes&tab=%d", origin, 11+i%3, i) }
			watch, flags := watchCookies(t, c.Host)
			if first < 0 {
				d.slack.SignInAs(c.Team, c.people[0].ID)
			}
			tabs := tabsOf(t, count, flags)
			openAll(t, tabs, page)
			if first >= 0 {
				tabs[first].follow(click)
			}
			for i, tb := range tabs {
				if first >= 0 && i != first {
					tb.follow(click) // Slack asks each tab; we do not
				}
				tb.until(fmt.Sprintf(`location.href === %q && document.querySelector("#signed-in-as") !== null`, page(i)))
				if got := tb.sees("#signed-in-as"); got != c.people[0].Name {
					t.Errorf("tab %d shows %s", i, got)
				}
			}
			tabs[0].open(origin + "/.gateway/me")
			watch.mu.Lock()
			defer watch.mu.Unlock()
			if len(watch.last) != 1 || watch.last[0] != "gw" {
				t.Errorf("cookies left: %v", watch.last)
			}
			if watch.most == 0 || watch.most > 4<<10 || watch.pages < 3*count {
				t.Errorf("up to %d bytes of cookies in %d requests", watch.most, watch.pages)
			}
			t.Logf("up to %d bytes of cookies in %d requests", watch.most, watch.pages)
		})
	}
}

// openAll opens each tab's page at the same time.
func openAll(t *testing.T, tabs []*tab, page func(i int) string) {
	t.Helper()
	var group errgroup.Group
	for i, tb := range tabs {
		group.Go(func() error { return chromedp.Do(tb.ctx, chromedp.Navigate(page(i))) })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
}
