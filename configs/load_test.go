package configs_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/configs"
)

var update = flag.Bool("update", false, "write the golden files anew")

// environment supplies every variable that the example files name.
func environment(name string) string {
	switch {
	case name == "GATEWAY_MASTER_KEY":
		return "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	case name == "DATABASE_URL":
		return "postgres://gateway:hunter2@10.0.0.5/gateway"
	case strings.HasSuffix(name, "_HOOK_SECRET"):
		return "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" + strings.Repeat("A", len(name)/4*4)
	}
	return "xoxb-of-" + name + "-0123456789abcdef"
}

func none(string) string { return "" }

func mistakes(t *testing.T, err error) []configs.Mistake {
	t.Helper()
	var e *configs.Error
	if !errors.As(err, &e) {
		t.Fatalf("got error %v, want a *configs.Error", err)
	}
	return e.Mistakes
}

// write puts files into a folder of their own and gives the path of the first.
func write(t *testing.T, nameAndContent ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(nameAndContent); i += 2 {
		path := filepath.Join(dir, nameAndContent[i])
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(nameAndContent[i+1]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, nameAndContent[0])
}

func TestExampleFilesLoad(t *testing.T) {
	files, err := filepath.Glob("*.yaml")
	if err != nil || len(files) != 11 {
		t.Fatalf("got the files %v, %v; want the eleven examples", files, err)
	}
	routes := map[string]int{"one-customer.yaml": 1, "many-customers.yaml": 3, "notifications-only.yaml": 1, "commented.yaml": 1, "complete.yaml": 4, "forward-auth.yaml": 1,
		"behind-nginx.yaml": 1, "behind-traefik.yaml": 1, "acme.yaml": 1, "postgresql.yaml": 3, "managed.yaml": 2}
	for _, file := range files {
		t.Run(file, func(t *testing.T) {
			cfg, err := configs.Load(file, environment)
			if err != nil {
				t.Fatal(err)
			}
			if len(cfg.Routes) != routes[file] {
				t.Errorf("got %d routes, want %d", len(cfg.Routes), routes[file])
			}
		})
	}
}

// The contract's own file is served as it is.
func TestContract(t *testing.T) {
	content, err := os.ReadFile("testdata/example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	authority, _ := certificate(t)
	path := write(t,
		"gateway.yaml", strings.NewReplacer("file:/run/secrets/", "file:", "file:/etc/ssl/", "file:").Replace(string(content)),
		"agrafmania-bot", "xoxb-1\n", "cocoom-ca.pem", authority)
	if err := os.Mkdir(filepath.Join(filepath.Dir(path), "routes.d"), 0o700); err != nil {
		t.Fatal(err)
	}
	cfg, err := configs.Load(path, environment)
	if err != nil {
		t.Fatal(err)
	}
	if managed := cfg.Routes[1].SlackApp.Managed; !managed {
		t.Error("the route that its customer sets up is not managed")
	}
}

func TestMistakes(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			_, err := configs.Load(file, none)
			if len(mistakes(t, err)) == 0 {
				t.Fatal("an error without a mistake")
			}
			got := err.Error() + "\n"
			if strings.Contains(got, "topsecret") {
				t.Errorf("prints a secret:\n%s", got)
			}
			golden := strings.TrimSuffix(file, ".yaml") + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestDefaultsAndValues(t *testing.T) {
	path := write(t, "gateway.yaml", `
state: store
include: [more/*.yaml]
routes:
  - host: A.Example.com.
    upstream: {url: http://10.0.0.12:8000, timeout: 90s}
    workspace: T1
    slack_app: {client_id: 1234567890.0987654321, client_secret: file:secret, bot_token: env:BOT}
    login: {}
    notify: {bearer_tokens: [{id: k1, value: 0123456789abcdef0123, not_after: 2027-01-31}]}
`, "secret", "hunter2\r\n", "more/b.yaml", `
- host: "[0:0::1]"
  upstream: http://10.0.0.12:8000
  workspace: T1
  slack_app: {client_id: c, client_secret: file:secret, bot_token: "xoxb: 1"}
  login: {guests: allow}
  policy: []
`, "more/secret", "hunter3")
	cfg, err := configs.Load(path, func(name string) string { return "value of " + name })
	if err != nil {
		t.Fatal(err)
	}
	a, b := cfg.Routes[0], cfg.Routes[1]
	for _, row := range []struct {
		name      string
		got, want any
	}{
		{"listen", cfg.Listen, ":8080"},
		{"admin", cfg.Admin, "127.0.0.1:9090"},
		{"scheme", cfg.PublicScheme, "https"},
		{"prefix", cfg.ReservedPrefix, "/.gateway"},
		{"state beside the file", cfg.State.Reveal(), filepath.Join(filepath.Dir(path), "store")},
		{"host is normalised", a.Host, "a.example.com"},
		{"host that is an address", b.Host, "[::1]"},
		{"short form", b.Upstream.URL, "http://10.0.0.12:8000"},
		{"long form", a.Upstream.URL, "http://10.0.0.12:8000"},
		{"duration", a.Upstream.Timeout, 90 * time.Second},
		{"digits stay as written", a.SlackApp.ClientID, "1234567890.0987654321"},
		{"secret from a file", a.SlackApp.ClientSecret.Reveal(), "hunter2"},
		{"secret beside the included file", b.SlackApp.ClientSecret.Reveal(), "hunter3"},
		{"secret from the environment", a.SlackApp.BotToken.Reveal(), "value of BOT"},
		{"secret as itself", b.SlackApp.BotToken.Reveal(), "xoxb: 1"},
		{"date", a.Notify.BearerTokens[0].NotAfter.UTC().Format(time.RFC3339), "2027-01-31T00:00:00Z"},
		{"policy by default", fmt.Sprintf("%d %s %t", len(a.Policy), a.Policy[0].Path, a.Policy[0].Allow.Members), "1 /** true"},
		{"policy that denies all", len(b.Policy), 0},
		{"printed", strings.Contains(fmt.Sprintf("%v %+v", cfg, a), "hunter"), false},
	} {
		if row.got != row.want {
			t.Errorf("%s: got %v, want %v", row.name, row.got, row.want)
		}
	}
}

// TestAdminToken: the token alone is resolved, whatever else is wrong.
func TestAdminToken(t *testing.T) {
	getenv := func(name string) string { return map[string]string{"TOKEN": "from-the-environment"}[name] }
	for _, row := range []struct{ content, want, mistake string }{
		{"admin_token: 0123456789abcdef\n", "0123456789abcdef", ""},
		{"{admin_token: env:TOKEN, lisen: x, master_key: env:NONE, include: [none.yaml], routes: [{host: 1}]}", "from-the-environment", ""},
		{"admin: 127.0.0.1:9191\n", "", ""},
		{"admin_token: env:NONE\n", "", ":1:14: admin_token: the environment variable NONE is unset or empty"},
		{"admin_token: [x]\n", "", ":1:14: admin_token: is a list"},
	} {
		got, err := configs.AdminToken(write(t, "gateway.yaml", row.content), getenv)
		if row.mistake == "" && err != nil || row.mistake != "" && (err == nil || !strings.Contains(err.Error(), row.mistake)) || got.Reveal() != row.want {
			t.Errorf("%s: %q, %v", row.content, got.Reveal(), err)
		}
	}
}

func TestAdminAddress(t *testing.T) {
	for _, row := range []struct{ content, want, mistake string }{
		{"admin: 127.0.0.1:9191\n", "127.0.0.1:9191", ""},
		{"{admin: ':9191', lisen: x, master_key: env:NONE, include: [none.yaml], routes: [{host: 1}]}", ":9191", ""},
		{"listen: ':9090'\n", "127.0.0.1:9090", ""},
		{"admin: 9191\n", "", ":1:8: admin: is no address"},
		{"admin: [x]\n", "", ":1:8: admin: is a list"},
		{"admin: {\n", "", "cannot be read as YAML"},
		{"", "", ":1:1: the file is empty"},
	} {
		got, err := configs.AdminAddress(write(t, "gateway.yaml", row.content))
		if got != row.want || (row.mistake == "") != (err == nil) || err != nil && !strings.Contains(mistakes(t, err)[0].String(), row.mistake) {
			t.Errorf("%q: got %q, %v", row.content, got, err)
		}
	}
}

func TestCertificate(t *testing.T) {
	cert, key := certificate(t)
	_, otherKey := certificate(t)
	const routes = "\nroutes: [{host: a.example.com, slack_app: {bot_token: xoxb-1}, notify: {bearer_tokens: [ck_0123456789abcdef]}}]\n"
	for _, row := range []struct{ name, tls, key, want string }{
		{"both", "{cert: c.pem, key: k.pem}", key, ""},
		{"with file:", "{cert: file:c.pem, key: file:k.pem}", key, ""},
		{"another's key", "{cert: c.pem, key: k.pem}", otherKey, "tls.cert: is no certificate in PEM, or not that of tls.key"},
		{"no PEM", "{cert: c.pem, key: k.pem}", "topsecret", "tls.cert: is no certificate in PEM, or not that of tls.key"},
		{"key alone", "{key: k.pem}", key, "tls.cert: is missing"},
	} {
		path := write(t, "gateway.yaml", "tls: "+row.tls+routes, "c.pem", cert, "k.pem", row.key)
		cfg, err := configs.Load(path, none)
		switch {
		case row.want == "" && err != nil:
			t.Errorf("%s: %v", row.name, err)
		case row.want == "" && cfg.TLS.Cert != filepath.Join(filepath.Dir(path), "c.pem"):
			t.Errorf("%s: got the path %s", row.name, cfg.TLS.Cert)
		case row.want != "" && !strings.Contains(fmt.Sprint(err), row.want):
			t.Errorf("%s: got %v, want %s", row.name, err, row.want)
		}
	}
}

// A pattern and a name may meet in one file, which is read once.
func TestIncludedOnce(t *testing.T) {
	const route = "{host: %s.example.com, slack_app: {bot_token: xoxb-1}, notify: {bearer_tokens: [ck_0123456789abcdef]}}"
	path := write(t, "gateway.yaml", "include: [d/*.yaml, d/a.yaml, d/none-*.yaml]",
		"d/b.yaml", fmt.Sprintf("\ufeff- "+route+"\r\n", "b"), "d/a.yaml", fmt.Sprintf(route, "a"))
	cfg, err := configs.Load(path, none)
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Routes) != 2 || cfg.Routes[0].Host != "a.example.com" || cfg.Routes[1].Host != "b.example.com" {
		t.Errorf("got %v", cfg.Routes)
	}
}

// TestTokenOfTheSetUp: one of the operator's with its name would be laid over.
func TestTokenOfTheSetUp(t *testing.T) {
	const text = "routes: [{host: a.example.com, slack_app: {%s}, notify: {bearer_tokens: [{id: setup, value: ck_0123456789abcdef}]}}]"
	if _, err := configs.Load(write(t, "gateway.yaml", fmt.Sprintf(text, "bot_token: xoxb-1")), none); err != nil {
		t.Error(err)
	}
	_, err := configs.Load(write(t, "gateway.yaml", fmt.Sprintf(text, "managed: true")), none)
	if got := mistakes(t, err); len(got) != 1 || got[0].Key != "routes[0].notify.bearer_tokens[0].id" {
		t.Errorf("got %v", err)
	}
}

// TestFolderThatCannotBeRead: it must not pass for one without customers, or a reload
// would drop them all.
func TestFolderThatCannotBeRead(t *testing.T) {
	const route = "{host: %s.example.com, slack_app: {bot_token: xoxb-1}, notify: {bearer_tokens: [ck_0123456789abcdef]}}"
	for _, row := range []struct{ pattern, want string }{
		{"d/*.yaml", ""},
		{"d/*/*.yaml", ""},
		{"none/*.yaml", ""}, // as in the examples, before there are customers
		{"none/*/*.yaml", ""},
		{"file/*.yaml", "cannot be read: "},
		{"loop/*.yaml", "cannot be read: "},
	} {
		path := write(t, "gateway.yaml", "include: ["+row.pattern+"]\nroutes: ["+fmt.Sprintf(route, "a")+"]\n", "d/other", "", "file", "")
		if err := os.Symlink("loop", filepath.Join(filepath.Dir(path), "loop")); err != nil {
			t.Fatal(err)
		}
		_, err := configs.Load(path, none)
		if row.want == "" && err == nil {
			continue
		}
		if got := mistakes(t, err); len(got) != 1 || got[0].Line != 1 || row.want == "" || !strings.Contains(got[0].Text, row.want) {
			t.Errorf("%s: got %v", row.pattern, err)
		}
	}
}

func TestFileThatCannotBeRead(t *testing.T) {
	for name, path := range map[string]string{"missing": filepath.Join(t.TempDir(), "none.yaml"), "folder": t.TempDir()} {
		_, err := configs.Load(path, none)
		got := mistakes(t, err)
		if len(got) != 1 || got[0].Line != 0 || !strings.HasPrefix(err.Error(), path+": cannot be read: ") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// Each of these would let the parser eat the machine.
func TestBounds(t *testing.T) {
	keys := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "k%d: v\n", i)
		}
		return b.String()
	}
	for name, content := range map[string]string{
		"brackets":      strings.Repeat("[", 1<<18),
		"braces":        strings.Repeat("{a: ", 1<<18),
		"dashes":        strings.Repeat("- ", 1<<18),
		"question":      strings.Repeat("? ", 1<<18),
		"keys":          keys(100_000),
		"empty keys":    strings.Repeat(": x\n", 100_000),
		"flow nulls":    "a: {" + strings.Repeat("b, ", 1<<18) + "}",
		"too large":     strings.Repeat("#", 17<<20),
		"anchors":       "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n",
		"long key":      strings.Repeat("k", 1<<18) + ": v\n",
		"many includes": "include: [" + strings.Repeat("x, ", 9_000) + "]",
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			_, err := configs.Load(write(t, "gateway.yaml", content), none)
			if len(mistakes(t, err)) == 0 {
				t.Error("no mistake found")
			}
			if name != "many includes" && len(err.Error()) > 2_000 {
				t.Errorf("the message is %d bytes long", len(err.Error()))
			}
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

func TestOrigin(t *testing.T) {
	for _, row := range []struct {
		scheme, listen, cert string
		port                 int
		host, want           string
	}{
		{"https", ":8080", "", 0, "a.example.com", "https://a.example.com"},
		{"https", ":8443", "x.pem", 0, "a.example.com", "https://a.example.com:8443"},
		{"https", ":443", "x.pem", 0, "a.example.com", "https://a.example.com"},
		{"https", ":8080", "", 8443, "a.example.com", "https://a.example.com:8443"},
		{"https", ":8443", "x.pem", 443, "a.example.com", "https://a.example.com"},
		{"http", ":8080", "", 0, "a.localhost", "http://a.localhost:8080"},
		{"http", ":80", "", 0, "a.localhost", "http://a.localhost"},
		{"http", "127.0.0.1:0", "", 0, "a.localhost", "http://a.localhost"},
		{"http", ":80", "", 443, "[::1]", "http://[::1]:443"},
	} {
		c := configs.Config{PublicScheme: row.scheme, Listen: row.listen, PublicPort: row.port, TLS: configs.TLS{Cert: row.cert}}
		if got := c.Origin(row.host); got != row.want {
			t.Errorf("%+v: got %s", row, got)
		}
	}
}
