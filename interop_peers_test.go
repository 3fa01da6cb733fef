package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	interopTeam  = "T000000001"    // the emulator's only workspace
	clientSecret = "s/e+c&r=e%t:~" // must survive both ways of sending it
	botToken     = "xoxb-interop"
	auditToken   = "xoxb-audit" // the same bot's, with the scopes to read what was posted
)

// needModules skips a test where what testdata/interop needs is missing, and
// gives that directory; CI must have it.
func needModules(t *testing.T) (dir string) {
	t.Helper()
	dir = "testdata/interop"
	need(t, "node")
	for _, name := range []string{"emulate", "oidc-provider", "php-parser", "@slack/web-api"} {
		if _, err := os.Stat(filepath.Join(dir, "node_modules", name)); err != nil && os.Getenv("CI") == "true" {
			t.Fatalf("CI must have run npm ci in %s", dir)
		} else if err != nil {
			t.Skipf("skipped: run npm ci in %s first", dir)
		}
	}
	return dir
}

// startPeer runs a script of testdata/interop with its settings while the test
// runs, and returns the URL it serves.
func startPeer(t *testing.T, script string, settings any) string {
	t.Helper()
	dir := needModules(t)
	argument, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	ctx, kill := context.WithTimeout(context.Background(), 5*time.Minute)
	cmd := exec.CommandContext(ctx, "node", script, string(argument))
	cmd.Dir, cmd.Env = dir, []string{"PATH=" + os.Getenv("PATH")}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdin, inErr := cmd.StdinPipe() // open as long as this process lives: the peer ends with it
	stdout, outErr := cmd.StdoutPipe()
	if err := errors.Join(inErr, outErr, cmd.Start()); err != nil {
		kill()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		kill()
		stdin.Close()
		_ = cmd.Wait() // it was killed
		if t.Failed() {
			t.Logf("%s said:\n%s", script, stderr.String())
		}
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("%s did not start: %v", script, err)
	}
	return strings.TrimSpace(line)
}

// openIDProvider is the settings of provider.mjs.
type openIDProvider struct {
	Alg          string                    `json:"alg"`
	AuthMethod   string                    `json:"auth_method"`
	Conform      bool                      `json:"conform"`
	SlackScope   string                    `json:"slack_scope"`
	ClientID     string                    `json:"client_id"`
	ClientSecret string                    `json:"client_secret"`
	RedirectURI  string                    `json:"redirect_uri"`
	Accounts     map[string]map[string]any `json:"accounts"`
}

// newOpenIDProvider knows members of the workspace by their user ids.
func newOpenIDProvider(members ...string) openIDProvider {
	p := openIDProvider{Alg: "RS256", AuthMethod: "client_secret_post", SlackScope: "openid", ClientID: "1.2", ClientSecret: clientSecret,
		RedirectURI: interopOrigin + "/.gateway/callback", Accounts: map[string]map[string]any{}}
	for _, id := range members {
		p.Accounts[id] = map[string]any{"https://slack.com/team_id": interopTeam, "https://slack.com/user_id": id,
			"name": "Prénom " + id, "email": strings.ToLower(id) + "@interop.example", "email_verified": true}
	}
	return p
}

func (p openIDProvider) start(t *testing.T) (issuer string) {
	t.Helper()
	return startPeer(t, "provider.mjs", p)
}

// emulator is the Slack Web API emulator, as the test itself looks into it.
type emulator struct {
	t   *testing.T
	url string
}

// startEmulator starts it with two people, more channels than one page of a
// listing holds, and an app that has the scopes which the README asks for.
func startEmulator(t *testing.T) *emulator {
	t.Helper()
	type object map[string]any
	var channels []object
	for i := range 250 {
		channels = append(channels, object{"name": fmt.Sprintf("dossier-%d", i)})
	}
	scopes := []string{"chat:write", "chat:write.public", "im:write", "users:read", "users:read.email", "channels:read"}
	return &emulator{t, startPeer(t, "slack.mjs", object{"slack": object{
		"strict_scopes": true,
		"users": []object{
			{"name": "marie", "email": "marie@interop.example", "is_admin": true},
			{"name": "paul", "email": "paul@interop.example"},
		},
		"channels":   append(channels, object{"name": "ventes"}),
		"oauth_apps": []object{{"client_id": "1.2", "client_secret": clientSecret, "name": "Cocoom", "redirect_uris": []string{}, "bot_name": "cocoom"}},
		"tokens": []object{
			{"token": botToken, "type": "bot", "user": "cocoom", "scopes": scopes},
			{"token": auditToken, "type": "bot", "user": "cocoom"},
		},
	}})}
}

// call makes one call of the Web API and reads its answer into v.
func (e *emulator) call(method string, args url.Values, v any) {
	e.t.Helper()
	r, err := http.NewRequest(http.MethodPost, e.url+method, strings.NewReader(args.Encode()))
	if err != nil {
		e.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Authorization", "Bearer "+auditToken)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		e.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil {
		err = json.Unmarshal(body, v)
	}
	if err != nil || !bytes.Contains(body, []byte(`"ok":true`)) {
		e.t.Fatalf("%s answered %s %v", method, body, err)
	}
}

// user returns the id that the emulator has given a person.
func (e *emulator) user(email string) string {
	e.t.Helper()
	var answer struct{ User struct{ ID string } }
	e.call("users.lookupByEmail", url.Values{"email": {email}}, &answer)
	return answer.User.ID
}

// channel returns the id of a channel.
func (e *emulator) channel(name string) string {
	e.t.Helper()
	var answer struct{ Channels []struct{ ID, Name string } }
	e.call("conversations.list", url.Values{"limit": {"1000"}}, &answer)
	for _, c := range answer.Channels {
		if c.Name == name {
			return c.ID
		}
	}
	e.t.Fatalf("no channel %s", name)
	return ""
}

// conversation returns the bot's conversation with a person.
func (e *emulator) conversation(user string) string {
	e.t.Helper()
	var answer struct{ Channel struct{ ID string } }
	e.call("conversations.open", url.Values{"users": {user}}, &answer)
	return answer.Channel.ID
}

// posted is a message as the emulator has it.
type posted struct{ Text, Blocks string }

// message returns the message of a conversation at ts.
func (e *emulator) message(channel, ts string) posted {
	e.t.Helper()
	var answer struct {
		Messages []struct {
			TS, Text string
			Blocks   any
		}
	}
	e.call("conversations.history", url.Values{"channel": {channel}, "limit": {"1000"}}, &answer)
	for _, m := range answer.Messages {
		if m.TS == ts {
			found := posted{Text: m.Text}
			if m.Blocks != nil {
				blocks, _ := json.Marshal(m.Blocks) // came as JSON; now its keys are in order
				found.Blocks = string(blocks)
			}
			return found
		}
	}
	return posted{Text: fmt.Sprintf("nothing at ts %q among %d messages", ts, len(answer.Messages))}
}
