package main

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/cocoom/cocoom-gateway/configs"
)

// TestDocsQuickStart: the configuration is one that check accepts, the same in both
// languages but for what is said of it.
func TestDocsQuickStart(t *testing.T) {
	said := regexp.MustCompile(`(?m) +#.*$`)
	var first string
	for _, page := range []string{"docs/quickstart.md", "docs/quickstart.fr.md"} {
		blocks := snippets(t, page, "yaml")
		if len(blocks) != 1 {
			t.Fatalf("%s: %d YAML blocks, want 1", page, len(blocks))
		}
		file := filepath.Join(t.TempDir(), "cocoom-gateway.yaml")
		if err := os.WriteFile(file, []byte(blocks[0]), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := configs.Load(file, func(string) string { return "ck_a-secret-of-some-length" }); err != nil {
			t.Errorf("%s: %v", page, err)
		}
		all := said.ReplaceAllString(strings.Join(append(blocks, snippets(t, page, "sh")...), "\n"), "")
		if first != "" && all != first {
			t.Errorf("%s says to do something else:\n%s\n%s", page, all, first)
		}
		first = all
	}
}

// TestDocsCommands: the command lines of the pages are ones that the program takes.
func TestDocsCommands(t *testing.T) {
	pages, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, page := range append(pages, "README.md") {
		for _, block := range snippets(t, page, "sh") {
			for _, m := range regexp.MustCompile(`(?m)^cocoom-gateway ([^|>#\n]*)`).FindAllStringSubmatch(block, -1) {
				args := strings.Fields(m[1])
				if args[0] == "completion" { // cobra adds it when it runs
					continue
				}
				cmd, rest, err := rootCommand(os.Getenv, nil).Find(args)
				if err == nil {
					if err = cmd.ParseFlags(rest); err == nil {
						err = cmd.ValidateArgs(cmd.Flags().Args())
					}
				}
				if n++; err != nil || !cmd.HasParent() {
					t.Errorf("%s: %q: %v", page, m[0], err)
				}
			}
		}
	}
	if n < 5 {
		t.Errorf("only %d command lines", n)
	}
}

// TestDocsOAuth2Proxy: with the page's settings an app gets what oauth2-proxy gave it,
// and from nobody else.
func TestDocsOAuth2Proxy(t *testing.T) {
	blocks := snippets(t, "docs/migrate-oauth2-proxy.md", "yaml")
	if len(blocks) != 1 {
		t.Fatalf("%d YAML blocks, want 1", len(blocks))
	}
	got := make(chan http.Header, 10)
	app := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got <- r.Header }))
	t.Cleanup(app.Close)
	o := newOffice(t, t.TempDir())
	o.config = upstreamLine.ReplaceAllString(o.config, "upstream: "+app.URL)
	for line := range strings.Lines(blocks[0]) {
		o.config += "    " + line
	}
	p, _ := o.start("0")
	o.member(p, "U0MARIE") // opens the app's first page
	h := <-got
	for name, want := range map[string]string{
		"X-Auth-Request-User": "U0MARIE", "X-Auth-Request-Email": "marie@agrafmania.fr", "X-Auth-Request-Preferred-Username": "Marie Dupont",
	} {
		if h.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, h.Get(name), want)
		}
	}
	if h["X-Forwarded-User"] != nil || h["X-Auth-Request-Groups"] == nil && h["X-Forwarded-Groups"] != nil {
		t.Errorf("the app gets %v", h)
	}
}

// TestDocsTests: the tests that the pages name as proofs exist.
func TestDocsTests(t *testing.T) {
	have := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)\w+)\(`)
	err := filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range declared.FindAllSubmatch(text, -1) {
			have[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range []string{"docs/threat-model.md", "SECURITY.md"} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range regexp.MustCompile("`((?:Test|Fuzz|Benchmark)[A-Z]\\w+)`").FindAllStringSubmatch(string(text), -1) {
			if !have[name[1]] {
				t.Errorf("%s names %s, which does not exist", page, name[1])
			}
		}
	}
}
