package gateway_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/internal/slacksim"
)

// post sends what is not Slack's own doing, and gives what was answered.
func (o *office) post(body string, header http.Header) answer {
	o.t.Helper()
	req, err := http.NewRequest("POST", o.events, strings.NewReader(body))
	if err != nil {
		o.t.Fatal(err)
	}
	req.Header = header.Clone()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		o.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		o.t.Fatal(err)
	}
	return answer{resp, string(text)}
}

func deletion(team string) string {
	return fmt.Sprintf(`{"type":"event_callback","team_id":%q,"event_id":"Ev1","event_time":%d,"event":{"type":"user_change","user":{"id":"U0PAUL","team_id":%q,"deleted":true}}}`,
		team, time.Now().Unix(), teams[0])
}

// TestAdvisoryForgedEvent: an event that is not signed by the route's own Slack
// app, or was signed long ago, or for something else, shuts nobody out.
func TestAdvisoryForgedEvent(t *testing.T) {
	now := time.Now().Unix()
	body := deletion(teams[0])
	sign := func(secret string, unix int64, body string) http.Header {
		return slacksim.Sign(secret, unix, []byte(body))
	}
	without := func(name string) http.Header {
		h := sign("signing-secret-0", now, body)
		h.Del(name)
		return h
	}
	restamped := sign("signing-secret-0", now-3600, body)
	restamped.Set("X-Slack-Request-Timestamp", fmt.Sprint(now))
	for name, row := range map[string]struct {
		body   string
		header http.Header
		status int
		out    bool // Paul is shut out
	}{
		"baseline":            {body, sign("signing-secret-0", now, body), 200, true},
		"unsigned":            {body, http.Header{}, 401, false},
		"another secret":      {body, sign("signing-secret-1", now, body), 401, false},
		"empty secret":        {body, sign("", now, body), 401, false},
		"no timestamp":        {body, without("X-Slack-Request-Timestamp"), 401, false},
		"no signature":        {body, without("X-Slack-Signature"), 401, false},
		"replayed":            {body, sign("signing-secret-0", now-301, body), 401, false},
		"of the future":       {body, sign("signing-secret-0", now+3600, body), 401, false},
		"replayed, restamped": {body, restamped, 401, false},
		"changed":             {strings.Replace(body, "U0PAUL", "U0MARY", 1), sign("signing-secret-0", now, body), 401, false},
		"of another team":     {deletion("T0OTHER"), sign("signing-secret-0", now, deletion("T0OTHER")), 200, false},
		"no JSON":             {"payload=1", sign("signing-secret-0", now, "payload=1"), 400, false},
		"too large":           {strings.Repeat(" ", 1<<20) + body, sign("signing-secret-0", now, strings.Repeat(" ", 1<<20)+body), 413, false},
		"challenge, unsigned": {`{"type":"url_verification","challenge":"not-hex-xyz"}`, http.Header{}, 401, false},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t, nil)
			paul := o.arrives("U0PAUL")
			if got := o.post(row.body, row.header); got.StatusCode != row.status || strings.Contains(got.text, "not-hex-xyz") {
				t.Errorf("answered %d %s, want %d", got.StatusCode, got.text, row.status)
			}
			want := 200
			if row.out {
				want = 302
			}
			o.wants(paul, o.page, want, "")
		})
	}
}

// TestBeforeTheSigningSecret: Slack shows the secret once the address answers
// its challenge; until then it answers nothing else.
func TestBeforeTheSigningSecret(t *testing.T) {
	o := newOffice(t, nil, func(c *gateway.Config) { c.Routes[0].SlackApp.SigningSecret = "" })
	paul := o.arrives("U0PAUL")
	status, body, err := o.slack.SendChallenge(context.Background(), "A0", o.events, "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P")
	if err != nil || status != 200 || body != "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P" {
		t.Fatalf("the challenge was answered %d %q, %v", status, body, err)
	}
	for name, row := range map[string]struct {
		body   string
		status int
	}{
		"challenge":       {`{"type":"url_verification","challenge":"abc"}`, 200},
		"an event":        {deletion(teams[0]), 404},
		"mark-up":         {`{"type":"url_verification","challenge":"<script>alert(1)</script>"}`, 404},
		"long":            {`{"type":"url_verification","challenge":"` + strings.Repeat("a", 300) + `"}`, 404},
		"empty challenge": {`{"type":"url_verification","challenge":""}`, 404},
		"rubbish":         {`{`, 400},
	} {
		// Signed with nothing, which is what the route's secret is.
		got := o.post(row.body, slacksim.Sign("", time.Now().Unix(), []byte(row.body)))
		if got.StatusCode != row.status || row.status == 200 && !strings.HasPrefix(got.Header.Get("Content-Type"), "text/plain") || strings.Contains(got.text, "<script>") {
			t.Errorf("%s: answered %d %s %q, want %d", name, got.StatusCode, got.Header.Get("Content-Type"), got.text, row.status)
		}
	}
	o.wants(paul, o.page, 200, "app")
	if got := paul.get(o.routes[0].Origin + "/.gateway/slack/events"); got.StatusCode != 405 {
		t.Errorf("GET answered %d, want 405", got.StatusCode)
	}
}

// TestOfficialSignature is the example of
// https://docs.slack.dev/authentication/verifying-requests-from-slack.
func TestOfficialSignature(t *testing.T) {
	body := "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
	h := http.Header{}
	h.Set("X-Slack-Request-Timestamp", "1531420618")
	h.Set("X-Slack-Signature", "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503")
	if err := gateway.VerifySlack(h, []byte(body), "8f742231b10e8888abcd99yyyzzz85a5", time.Unix(1531420618, 0)); err != nil {
		t.Error(err)
	}
	if err := gateway.VerifySlack(h, []byte(body), "8f742231b10e8888abcd99yyyzzz85a5", time.Unix(1531420618+301, 0)); err == nil {
		t.Error("good for longer than five minutes")
	}
}

// TestRepeatedAndLateEvents: Slack sends again what it got no answer for, up to
// an hour later, when other things have been said.
func TestRepeatedAndLateEvents(t *testing.T) {
	o := newOffice(t, nil)
	paul := o.arrives("U0PAUL")
	guest := map[string]any{"user": map[string]any{"id": "U0PAUL", "team_id": teams[0], "is_restricted": true}}

	o.advance(10 * time.Minute)
	o.becomes("U0PAUL", func(p *slacksim.Person) { p.Guest = true })
	o.hearsEvent(slacksim.Event{Type: "user_change", Fields: guest, ID: "Ev1"})
	o.wants(paul, o.page, 403, "Guests")
	o.becomes("U0PAUL", func(p *slacksim.Person) { p.Guest = false })
	paul = o.arrives("U0PAUL")
	o.hearsEvent(slacksim.Event{Type: "user_change", Fields: guest, ID: "Ev1", Retry: 1})
	o.wants(paul, o.page, 200, "app")

	// An event that this replica has not seen, from before the sign-in.
	body := strings.Replace(deletion(teams[0]), "Ev1", "Ev2", 1) // of when the test began, ten minutes ago
	if got := o.post(body, slacksim.Sign("signing-secret-0", o.clock().Unix(), []byte(body))); got.StatusCode != 200 {
		t.Fatalf("answered %d", got.StatusCode)
	}
	o.wants(paul, o.page, 200, "app")
}

// TestEventIsNotLost: 200 means that it holds; without the store there is none,
// and Slack sends it again.
func TestEventIsNotLost(t *testing.T) {
	o := newOffice(t, nil)
	o.arrives("U0PAUL")
	must(t, o.store.Close())
	body := deletion(teams[0])
	for range 2 { // the second is no repetition of one that was taken
		if got := o.post(body, slacksim.Sign("signing-secret-0", time.Now().Unix(), []byte(body))); got.StatusCode != 503 {
			t.Errorf("answered %d without a store, want 503", got.StatusCode)
		}
	}
}

// TestTokensRevoked: of users' tokens and the bot's, which must not be mixed up.
func TestTokensRevoked(t *testing.T) {
	o := newOffice(t, nil)
	paul := o.arrives("U0PAUL")
	asked := len(o.slack.Calls("users.info"))
	o.hears("tokens_revoked", map[string]any{"tokens": map[string]any{"oauth": []string{"U0PAUL"}, "bot": []string{}}})
	o.wants(paul, o.page, 200, "app") // the bot tells of him
	o.pass(time.Second)
	if n := len(o.slack.Calls("users.info")) - asked; n != 1 {
		t.Errorf("asked %d times afterwards, want once", n)
	}
	o.hears("tokens_revoked", map[string]any{"tokens": map[string]any{"oauth": []string{}, "bot": []string{"U0BOT"}}})
	o.hears("app_uninstalled", nil)
	o.wants(paul, o.page, 200, "app")
	if got := o.alarms(); got != "app_uninstalled app_uninstalled, bot_revoked tokens_revoked" {
		t.Errorf("alarms: %s", got)
	}
}

func TestChangesAreHandedOn(t *testing.T) {
	var heard []string
	o := newOffice(t, nil, func(c *gateway.Config) { c.PersonChanged = func(h, user string) { heard = append(heard, h+" "+user) } })
	o.hearsOf("U0MARIE")
	o.hears("team_join", map[string]any{"user": map[string]any{"id": "U0NEW", "team_id": teams[0]}})
	if got := strings.Join(heard, ", "); got != host+" U0MARIE, "+host+" U0NEW" {
		t.Errorf("handed on: %s", got)
	}
}

// TestAdvisoryEventFlood: anybody can send large bodies, which are read before
// it is known whose they are. They do not fill the memory, and Slack's own
// events pass beside them.
func TestAdvisoryEventFlood(t *testing.T) {
	o := newOffice(t, nil)
	paul := o.arrives("U0PAUL")
	statuses := make(chan string, 30)
	for range cap(statuses) {
		conn, err := net.Dial("tcp", o.front.Listener.Addr().String())
		must(t, err)
		t.Cleanup(func() { conn.Close() })
		must(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
		fmt.Fprintf(conn, "POST /.gateway/slack/events HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n%s", host, 1<<20, strings.Repeat(" ", 70_000))
		go func() {
			line, _ := bufio.NewReader(conn).ReadString('\n')
			statuses <- strings.TrimSpace(line)
		}()
	}
	for range cap(statuses) - 8 {
		if got := <-statuses; got != "HTTP/1.1 503 Service Unavailable" {
			t.Fatalf("a large body was answered %q", got)
		}
	}
	o.becomes("U0PAUL", deactivate)
	o.hearsOf("U0PAUL")
	o.wants(paul, o.page, 302, "")
	for range 8 {
		if got := <-statuses; got != "HTTP/1.1 408 Request Timeout" {
			t.Errorf("a large body that does not go on was answered %q", got)
		}
	}
	big := strings.Repeat(" ", 500_000) + deletion(teams[0])
	if got := o.post(big, slacksim.Sign("signing-secret-0", time.Now().Unix(), []byte(big))); got.StatusCode != 200 {
		t.Errorf("afterwards a large event was answered %d", got.StatusCode)
	}
}
