package main

import (
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
)

// TestSecretsOfASetup: a customer is set up, signs in and is sent a message; no
// secret of all that can be read in the log at its finest, in what operators are
// shown, in a person's export, in an examination, or in a backup.
func TestSecretsOfASetup(t *testing.T) {
	storetest.EachState(t, func(t *testing.T, state string) {
		logged, err := os.Create(filepath.Join(t.TempDir(), "log"))
		if err != nil {
			t.Fatal(err)
		}
		defer logged.Close()
		n := startNewcomerOn(t, state, slog.New(slog.NewJSONHandler(logged, &slog.HandlerOptions{Level: slog.LevelDebug})))
		secrets := n.liveThrough()
		shown := n.shown()
		text, err := os.ReadFile(logged.Name())
		if err != nil {
			t.Fatal(err)
		}
		shown["the log"] = string(text)
		if strings.HasPrefix(state, "postgres") {
			shown["the database"] = n.dump()
		} else {
			dir := filepath.Join(t.TempDir(), "backup")
			command(t, "backup", dir, "--admin", n.program.admin.addr())
			copied, err := os.ReadFile(filepath.Join(dir, "gateway.db"))
			if err != nil {
				t.Fatal(err)
			}
			shown["a backup"] = string(copied)
		}
		for where, text := range shown {
			if text == "" {
				t.Errorf("%s has nothing", where)
			}
			for what, secret := range secrets {
				if i := strings.Index(text, secret); i >= 0 {
					t.Errorf("%s has the %s: …%.200q", where, what, text[max(0, i-100):i])
				}
			}
		}
	})
}

// liveThrough sets the customer up, and gives every secret that was used.
func (n *newcomer) liveThrough() map[string]string {
	n.t.Helper()
	c, said := customers[0], n.setup()
	link := regexp.MustCompile(`http://\S+`).FindString(said)
	token := regexp.MustCompile(`cgh_\S+`).FindString(said)
	_, key, _ := strings.Cut(link, "?key=")
	secrets := map[string]string{"client secret": strings.Repeat("c0", 16), "signing secret": strings.Repeat("5e", 16), "token for notifications": token, "key of the link": key}
	err := n.slack.AddApp(slacksim.App{ID: "A0NEW", Name: "Cocoom", ClientID: "111111.222222", ClientSecret: secrets["client secret"], SigningSecret: secrets["signing secret"],
		Workspace: c.Team, RedirectURLs: []string{n.origin + "/.gateway/callback", n.origin + "/.gateway/setup/installed"}, MessagesTab: true})
	if err != nil {
		n.t.Fatal(err)
	}
	b := newRawClient(n.t, n.origin)
	n.step(b, link, url.Values{}, "Create the app")
	n.step(b, n.origin+"/.gateway/setup/secrets", url.Values{"client_id": {"111111.222222"}, "client_secret": {secrets["client secret"]}, "signing_secret": {secrets["signing secret"]}}, "Install to Slack")
	n.pickAt(b, n.origin+"/.gateway/setup/install")
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(n.setup("--status"), "Slack app    A0NEW") || strings.Contains(n.setup("--status"), "In force"); {
		if time.Now().After(deadline) {
			n.t.Fatal(n.setup("--status"))
		}
	}
	n.pickAt(b, n.origin+"/")
	n.step(b, n.origin+"/.gateway/setup/message", url.Values{}, "Finish")
	if n.notify(token, "U0MARIE", "hello") != http.StatusAccepted {
		n.t.Error("no notification was taken")
	}
	n.notify("cgh_wrong", "U0MARIE", "hello")
	n.step(b, n.origin+"/.gateway/setup/finish", url.Values{}, "")
	apps, err := n.program.apps.Read(n.t.Context())
	if err != nil {
		n.t.Fatal(err)
	}
	secrets["bot token"] = apps[c.Host].App.BotToken.Reveal()
	at, _ := url.Parse(n.origin)
	for _, cookie := range b.client.Jar.Cookies(at) {
		secrets["cookie "+cookie.Name] = cookie.Value
	}
	for what, secret := range secrets {
		if len(secret) < 16 {
			n.t.Errorf("%s is %q", what, secret)
		}
	}
	return secrets
}

// step sends a form, and follows to a page that has the words.
func (n *newcomer) step(b *rawClient, to string, form url.Values, words string) string {
	n.t.Helper()
	req, err := http.NewRequest("POST", to, strings.NewReader(form.Encode()))
	if err != nil {
		n.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", n.origin)
	resp, page := b.do(req)
	if resp.StatusCode != http.StatusOK || !strings.Contains(page, words) {
		n.t.Fatalf("%s: %d %s", to, resp.StatusCode, page)
	}
	return page
}

// pickAt opens an address that leads to Slack, and goes on as Marie.
func (n *newcomer) pickAt(b *rawClient, address string) {
	n.t.Helper()
	req, err := http.NewRequest("GET", address, nil)
	if err != nil {
		n.t.Fatal(err)
	}
	slack, _ := b.do(req)
	n.step(b, slack.Request.URL.String(), url.Values{"person": {customers[0].Team + ":U0MARIE"}}, "")
}

// shown is what operators get to see, by its name.
func (n *newcomer) shown() map[string]string {
	n.t.Helper()
	host, out := customers[0].Host, map[string]string{}
	for _, path := range []string{"/metrics", "/status", "/routes", "/routes/" + host, "/alarms", "/audit", "/sessions", "/notifications", "/setup?host=" + host, "/people?host=" + host + "&person=U0MARIE",
		"/ui/", "/ui/routes/" + host, "/ui/audit", "/ui/sessions", "/ui/notifications", "/ui/people?host=" + host + "&person=U0MARIE"} {
		resp, err := http.Get("http://" + n.program.admin.addr() + path)
		if err != nil {
			n.t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			n.t.Fatalf("%s: %d %v", path, resp.StatusCode, err)
		}
		out[path] = string(text)
	}
	at := []string{"--admin", n.program.admin.addr()}
	out["people export"] = command(n.t, append([]string{"people", "export", host, "U0MARIE"}, at...)...)
	var found, errs strings.Builder
	run(n.t.Context(), append([]string{"doctor", "--json"}, at...), func(string) string { return "" }, &found, &errs)
	out["doctor"] = found.String() + errs.String()
	return out
}

// dump is all that PostgreSQL keeps.
func (n *newcomer) dump() string {
	n.t.Helper()
	var all strings.Builder
	lines := func(query string) (list []string) {
		rows, err := n.program.store.Read().Query(query)
		if err != nil {
			n.t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var line string
			if err := rows.Scan(&line); err != nil {
				n.t.Fatal(err)
			}
			list = append(list, line)
		}
		return list
	}
	for _, table := range lines(`SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'`) {
		all.WriteString(strings.Join(lines(`SELECT t::text FROM "`+table+`" AS t`), "\n"))
	}
	return all.String()
}
