package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// phpSession is what PHP says of its own session, and of who asks.
type phpSession struct {
	User, Session, Note string
	RemoteUser          string `json:"remote_user"`
}

// TestE2EAppSession: two people, one browser, and real PHP with its PHPSESSID.
// One signs out, by our button or by the app's own link, the next signs in, and
// PHP never shows the first one's data, not even when the cookie is brought back
// by hand.
func TestE2EAppSession(t *testing.T) {
	newTab := chromium(t)
	_, origin := startPHPDemo(t)

	tb := newTab(t, 1000, 700)
	ask := func(path string) phpSession {
		t.Helper()
		tb.open(origin + path)
		return readPHPSession(t, tb.sees("body"))
	}
	signIn := func(user string) phpSession {
		t.Helper()
		tb.open(origin + "/whoami")
		tb.follow(fmt.Sprintf("button[data-user=%q]", user))
		who := readPHPSession(t, tb.sees("body"))
		if who.User != user || who.Session == "" || !strings.Contains(who.RemoteUser, "@") {
			t.Fatalf("signed in as %s, PHP sees %+v", user, who)
		}
		return who
	}
	cookie := func() string {
		t.Helper()
		return value(tb, chromedp.EvaluateAsDevTools[string](`(document.cookie.match(/PHPSESSID=([^;]*)/) || ["", ""])[1]`))
	}

	marie := signIn("U0MARIE")
	ask("/note?text=Marie+only")
	if got := ask("/whoami"); got.Note != "Marie only" || got.Session != marie.Session {
		t.Fatalf("PHP's own session does not work: %+v after %+v", got, marie)
	}
	maries := cookie()
	if !strings.HasPrefix(maries, marie.Session+".") || len(maries) != len(marie.Session)+25 {
		t.Fatalf("the browser holds PHPSESSID=%s for the session %s", maries, marie.Session)
	}

	// Our button.
	tb.open(origin + "/.gateway/")
	tb.follow("#confirm")
	if left := cookie(); left != "" {
		t.Errorf("after signing out the browser still holds PHPSESSID=%s", left)
	}
	paul := signIn("U0PAUL")
	if paul.Session == marie.Session || paul.Note != "" {
		t.Errorf("after Marie, PHP shows Paul %+v", paul)
	}
	for _, stolen := range []string{maries, marie.Session} {
		tb.run(chromedp.EvaluateAsDevTools[chromedp.Void](fmt.Sprintf(`document.cookie = %q`, "PHPSESSID="+stolen+"; path=/")))
		if got := ask("/whoami"); got.Session == marie.Session || got.Note != "" || got.User != "U0PAUL" {
			t.Errorf("with PHPSESSID=%s PHP shows Paul %+v", stolen, got)
		}
	}

	// The app's own link.
	ask("/note?text=Paul+only")
	paul = ask("/whoami")
	tb.open(origin + "/")
	tb.shot("app-session-1-link")
	tb.follow("#logout")
	if got := tb.sees("h1"); got != "You are signed out" {
		t.Errorf("the app's sign-out ends on %q", got)
	}
	tb.shot("app-session-2-signed-out")
	again := signIn("U0MARIE")
	if again.Session == paul.Session || again.Note != "" {
		t.Errorf("after Paul, PHP shows Marie %+v", again)
	}

	// Somebody else, with a session of their own, brings Marie's cookie by hand.
	ask("/note?text=Marie+again")
	maries = cookie()
	thief := newRawClient(t, origin)
	thief.signIn("U0PAUL")
	marie = ask("/whoami")
	for name, header := range map[string]string{
		"with the tag":     "PHPSESSID=" + maries,
		"without it":       "PHPSESSID=" + marie.Session,
		"after a space":    "x=1;  PHPSESSID=" + marie.Session,
		"as an array":      "PHPSESSID[]=" + marie.Session,
		"escaped":          "%50HPSESSID=" + marie.Session,
		"twice":            "PHPSESSID=" + maries + "; PHPSESSID=" + marie.Session,
		"in another case":  "phpsessid=" + marie.Session,
		"behind a comma":   "x=1, PHPSESSID=" + marie.Session,
		"between quotes":   `PHPSESSID="` + marie.Session + `"`,
		"of nobody's kind": "PHPSESSID=" + marie.Session + "." + strings.Repeat("A", 24),
	} {
		if got := thief.ask("/whoami", header); got.Session == marie.Session || got.Note != "" || got.User != "U0PAUL" {
			t.Errorf("%s PHP shows Paul %+v", name, got)
		}
	}
	if got := ask("/whoami"); got.Note != "Marie again" {
		t.Errorf("Marie's own session is lost: %+v", got)
	}
}

func readPHPSession(t *testing.T, body string) phpSession {
	t.Helper()
	var s phpSession
	if err := json.Unmarshal([]byte(body), &s); err != nil {
		t.Fatalf("PHP says %s: %v", body, err)
	}
	return s
}

// rawClient sends what no browser would.
type rawClient struct {
	t      *testing.T
	client *http.Client
	origin string
	own    string // our cookie of who is signed in
}

func newRawClient(t *testing.T, origin string) *rawClient {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		if host, port, err := net.SplitHostPort(address); err == nil && strings.HasSuffix(host, ".localhost") {
			address = net.JoinHostPort("127.0.0.1", port)
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &rawClient{t: t, origin: origin, client: &http.Client{Jar: jar, Transport: transport, Timeout: 30 * time.Second}}
}

func (c *rawClient) do(req *http.Request) (*http.Response, string) {
	c.t.Helper()
	req.Header.Set("Sec-Fetch-Mode", "navigate") // as the pages of a browser
	req.Header.Set("Sec-Fetch-Dest", "document")
	resp, err := c.client.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp, string(body)
}

// signIn answers Slack's page.
func (c *rawClient) signIn(user string) {
	c.t.Helper()
	req, err := http.NewRequest("GET", c.origin+"/whoami", nil)
	if err != nil {
		c.t.Fatal(err)
	}
	page, _ := c.do(req)
	form := url.Values{"person": {customers[0].Team + ":" + user}}
	if req, err = http.NewRequest("POST", page.Request.URL.String(), strings.NewReader(form.Encode())); err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if back, body := c.do(req); readPHPSession(c.t, body).User != user {
		c.t.Fatalf("%s answers %s", back.Request.URL, body)
	}
	at, err := url.Parse(c.origin)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, cookie := range c.client.Jar.Cookies(at) {
		if cookie.Name == "gw" {
			c.own = "gw=" + cookie.Value
		}
	}
	c.client.Jar = nil
}

// ask sends our cookie and a Cookie header's worth of others.
func (c *rawClient) ask(path, cookies string) phpSession {
	c.t.Helper()
	req, err := http.NewRequest("GET", c.origin+path, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header["Cookie"] = []string{c.own + "; " + cookies}
	_, body := c.do(req)
	return readPHPSession(c.t, body)
}
