package main

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/gateway"
)

// siege is a whole gateway under attack: two customers on one Slack, each with an
// app that writes down byte for byte what reaches it. What attacks it writes raw
// bytes to the listeners.
//
// Its routes have a page for everybody (/public/**), one for service tokens
// (/cron/**), one for nobody (/admin/secret), and are for members besides.
type siege struct {
	*office
	p     *program
	app   *recorder // behind the first customer's host
	other *recorder // behind the second's
	host  string    // the first customer's, as browsers write it: with the port
	rival string    // the second's
	cron  string    // the service token of both
}

// besiege starts one. change edits the configuration, route by route after a line
// "  - host:"; nil leaves it.
func besiege(t *testing.T, change func(config string) string) *siege {
	t.Helper()
	return besiegeOffice(newOffice(t, t.TempDir()), change)
}

// besiegeOffice is besiege in an office that is there.
func besiegeOffice(o *office, change func(config string) string) *siege {
	t := o.t
	t.Helper()
	_, port, _ := strings.Cut(strings.TrimPrefix(o.origin, "http://"), ":")
	s := &siege{office: o, app: record(t), other: record(t), host: customers[0].Host + ":" + port, rival: customers[1].Host + ":" + port}
	token, hash := gateway.NewServiceToken()
	s.cron = token.Reveal()
	c := customers[1]
	if err := errors.Join(o.slack.AddWorkspace(c.workspace()), o.slack.AddApp(c.app("http://"+s.rival))); err != nil {
		t.Fatal(err)
	}
	more := fmt.Sprintf(`    notify: {bearer_tokens: [%%s]}
    service_tokens: [{id: cron, hash: "%s", not_after: %s, paths: [/cron/**]}]
    policy:
      - {path: /public/**, allow: public}
      - {path: /cron/**, allow: {service_tokens: [cron]}}
      - {path: /admin/secret, allow: deny}
      - {path: /**, allow: members}
`, hash, time.Now().AddDate(0, 1, 0).Format(time.DateOnly))
	o.config = upstreamLine.ReplaceAllString(o.config, "upstream: "+s.app.url()) + fmt.Sprintf(more, customers[0].HookToken) +
		fmt.Sprintf("  - host: %s\n    upstream: %s\n    workspace: %s\n    slack_app: {client_id: %q, client_secret: %s, bot_token: %s}\n    login: {}\n",
			c.Host, s.other.url(), c.Team, c.ClientID, c.ClientSecret, c.BotToken) + fmt.Sprintf(more, c.HookToken)
	o.config = strings.Replace(o.config, "public_scheme:", "private: 127.0.0.1:0\npublic_scheme:", 1)
	if change != nil {
		o.config = change(o.config)
	}
	s.p, _ = o.start("0")
	return s
}

// cookie signs one of the first customer's people in and gives the Cookie header
// that the browser then sends.
func (s *siege) cookie(user string) string {
	s.t.Helper()
	m := s.member(s.p, user)
	at, err := url.Parse(s.origin)
	if err != nil {
		s.t.Fatal(err)
	}
	var pairs []string
	for _, c := range m.Jar.Cookies(at) {
		pairs = append(pairs, c.Name+"="+c.Value)
	}
	return strings.Join(pairs, "; ")
}

// get is a page navigation as a browser writes it; more are header lines, each
// with its line end.
func get(host, target, more string) string {
	return "GET " + target + " HTTP/1.1\r\nHost: " + host + "\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\nAccept: text/html\r\n" + more + "\r\n"
}

// attack writes raw bytes to the public listener and gives the first answer; nil
// if the connection is closed without one.
func (s *siege) attack(request string) *answer {
	s.t.Helper()
	if all := attackAll(s.t, s.p.public.addr(), nil, request, 1); len(all) > 0 {
		return all[0]
	}
	return nil
}

// answer is an HTTP answer with its whole body.
type answer struct {
	*http.Response
	body string
}

// attackAll writes raw bytes to a listener, through TLS if client is not nil, and
// gives up to max answers, or those that come before the connection is closed or
// silent for five seconds.
func attackAll(t *testing.T, address string, client *tls.Config, request string, max int) (all []*answer) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if client != nil {
		conn = tls.Client(conn, client)
	}
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.WriteString(conn, request) }() // a refusal may come before all is written
	r := bufio.NewReader(conn)
	for len(all) < max {
		resp, err := http.ReadResponse(r, &http.Request{Method: methodOf(request)})
		if err != nil {
			return all
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Logf("an answer breaks off: %v", err)
		}
		all = append(all, &answer{resp, string(body)})
	}
	return all
}

func methodOf(request string) string {
	method, _, _ := strings.Cut(request, " ")
	return method
}
