package configs_test

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/cocoom/cocoom-gateway/configs"
)

const compared = `listen: ":8080"
routes:
  - host: a.cocoom.com
    upstream: http://10.0.0.12:8000
    workspace: T0AGRAF001
    slack_app: {client_id: "1", client_secret: hunter2hunter2, bot_token: xoxb-hunter2}
    login: {guests: deny}
    notify: {bearer_tokens: [hunter2hunter2hunter2], templates: {x: {fr: un}}}
    policy:
      - {path: /admin/*, allow: {emails: [marie@agrafmania.fr]}}
      - {path: "/**", allow: members}
  - host: b.cocoom.com
    upstream: http://10.0.0.12:8000
    workspace: T0AGRAF001
    slack_app: {client_id: "1", client_secret: hunter2hunter2, bot_token: xoxb-hunter2}
    login: {}
`

// TestCompare: what differs is named by its key; secrets are never shown.
func TestCompare(t *testing.T) {
	for name, row := range map[string]struct {
		change []string // old, new, …
		want   configs.Changes
	}{
		"nothing":             {nil, configs.Changes{}},
		"a comment above all": {[]string{"listen:", "# of the first\nlisten:"}, configs.Changes{}},
		"a key of the file":   {[]string{":8080", ":9099"}, configs.Changes{Keys: []configs.Change{{Key: "listen", From: ":8080", To: ":9099"}}}},
		"a route has another name": {[]string{"host: b.", "host: c."},
			configs.Changes{Added: []string{"c.cocoom.com"}, Removed: []string{"b.cocoom.com"}}},
		"a word": {[]string{"guests: deny", "guests: allow"}, inA("login.guests", "deny", "allow")},
		"a secret": {[]string{"bot_token: xoxb-hunter2}\n    login: {g", "bot_token: xoxb-hunter3}\n    login: {g"},
			inA("slack_app.bot_token", "<secret>", "<secret>")},
		"a secret in a list": {[]string{"[hunter2hunter2hunter2]", "[hunter2hunter2hunter3]"}, inA("notify.bearer_tokens[0].value", "<secret>", "<secret>")},
		"one more of them": {[]string{"[hunter2hunter2hunter2]", "[hunter2hunter2hunter2, hunter2hunter2hunter3]"},
			inA("notify.bearer_tokens", "[{value: <secret>}]", "[{value: <secret>}, {value: <secret>}]")},
		"a condition": {[]string{"[marie@agrafmania.fr]", "[marie@agrafmania.fr, paul@agrafmania.fr]"},
			inA("policy[0].allow.emails", "[marie@agrafmania.fr]", "[marie@agrafmania.fr, paul@agrafmania.fr]")},
		"a word for conditions": {[]string{"allow: {emails: [marie@agrafmania.fr]}", "allow: deny"}, inA("policy[0].allow", "{emails: [marie@agrafmania.fr]}", "deny")},
		"a rule less": {[]string{`      - {path: /admin/*, allow: {emails: [marie@agrafmania.fr]}}` + "\n", ""},
			inA("policy", "[{path: /admin/*, allow: {emails: [marie@agrafmania.fr]}}, {path: /**, allow: members}]", "[{path: /**, allow: members}]")},
		"a template": {[]string{"fr: un", "fr: deux"}, inA("notify.templates.x.fr", "un", "deux")},
		"a section":  {[]string{"    login: {guests: deny}\n", "    login: {guests: deny}\n    maintenance: {message: soon}\n"}, inA("maintenance", "", "{on, message: soon}")},
		"an upstream's own key": {[]string{"upstream: http://10.0.0.12:8000\n    workspace: T0AGRAF001\n    slack_app: {client_id: \"1\", client_secret: hunter2hunter2, bot_token: xoxb-hunter2}\n    login: {g",
			"upstream: {url: \"http://10.0.0.12:8000\", timeout: 5s}\n    workspace: T0AGRAF001\n    slack_app: {client_id: \"1\", client_secret: hunter2hunter2, bot_token: xoxb-hunter2}\n    login: {g"},
			inA("upstream.timeout", "", "5s")},
	} {
		t.Run(name, func(t *testing.T) {
			before, after := loadText(t, compared), loadText(t, strings.NewReplacer(row.change...).Replace(compared))
			got := configs.Compare(before, after)
			if !reflect.DeepEqual(got, row.want) || got.None() != (len(row.change) == 0 || name == "a comment above all") {
				t.Errorf("got  %+v\nwant %+v", got, row.want)
			}
		})
	}
}

func inA(key, from, to string) configs.Changes {
	return configs.Changes{Changed: []configs.RouteChange{{Host: "a.cocoom.com", Keys: []configs.Change{{Key: key, From: from, To: to}}}}}
}

func loadText(t *testing.T, text string) *configs.Config {
	t.Helper()
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := configs.Load(file, environment)
	if err != nil {
		t.Fatal(err)
	}
	return setState(cfg)
}

// setState takes the folder out, which is another one each time.
func setState(cfg *configs.Config) *configs.Config {
	cfg.State = "data"
	return cfg
}

// TestSources: all files that a configuration comes from are known, also those
// that are missing, and of a file that cannot be read.
func TestSources(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "gateway.yaml")
	for _, row := range []struct {
		name, text string
		want       []string
	}{
		{"half a file", "routes: [", []string{"gateway.yaml"}},
		{"secrets, one of them missing", "include: [r*.yaml]\nmaster_key: file:keys/master\nroutes:\n- host: a.cocoom.com\n  slack_app: {bot_token: file:token}\n  notify: {}\n",
			[]string{"gateway.yaml", "keys/master", "r1.yaml", "token"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			for name, text := range map[string]string{"gateway.yaml": row.text, "token": "xoxb-1", "r1.yaml": "[]"} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			_, from, err := configs.Read(file, environment)
			if err == nil {
				t.Error("that is no good configuration")
			}
			want := make([]string, len(row.want))
			for i, name := range row.want {
				want[i] = filepath.Join(dir, name)
			}
			if got := from.Current(); !slices.Equal(got, want) {
				t.Errorf("it comes from %q, want %q", got, want)
			}
			if err := os.WriteFile(filepath.Join(dir, "r2.yaml"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if got := slices.Contains(from.Current(), filepath.Join(dir, "r2.yaml")); got != (len(row.want) > 1) {
				t.Errorf("a new file that include names is seen: %v", got)
			}
			_ = os.Remove(filepath.Join(dir, "r2.yaml"))
		})
	}
}
