package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	notificationDocs = "docs/notifications.md"
	docsHost         = "https://agrafmania.cocoom.com"
	docsHookToken    = "alertmanager-0123456789"
	docsSecret       = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
)

// documented is an office whose route has the settings that the page about
// notifications shows, and no others but what its calls need.
func documented(t *testing.T, upstream string) (o *office, p *program) {
	t.Helper()
	t.Setenv("AGRAFMANIA_HOOK_TOKEN", "ck_agrafmania_xxx")
	t.Setenv("ALERTMANAGER_TOKEN", docsHookToken)
	o = newOffice(t, t.TempDir())
	if upstream != "" {
		o.config = regexp.MustCompile(`upstream: .*`).ReplaceAllString(o.config, "upstream: http://"+upstream)
	}
	o.config += "    notify:\n      in_band: true\n      signing_secrets: [" + docsSecret + "]\n"
	blocks := snippets(t, notificationDocs, "yaml")
	if len(blocks) != 2 {
		t.Fatalf("%d YAML blocks, want 2", len(blocks))
	}
	for _, block := range blocks {
		settings, ok := strings.CutPrefix(block, "notify:\n")
		if !ok {
			t.Fatalf("no notify section:\n%s", block)
		}
		for line := range strings.Lines(settings) {
			o.config += "    " + line
		}
	}
	at, err := url.Parse(o.origin)
	if err != nil {
		t.Fatal(err)
	}
	p, _ = o.start(at.Port())
	return o, p
}

// awaits waits for a text in a conversation of the simulated Slack.
func (o *office) awaits(where, text string) {
	o.t.Helper()
	ctx, cancel := context.WithTimeout(o.t.Context(), 20*time.Second)
	defer cancel()
	for n := 1; ; n++ {
		list, err := o.slack.Await(ctx, customers[0].Team, where, n)
		for _, m := range list {
			if strings.Contains(m.Text, text) {
				return
			}
		}
		if err != nil {
			o.t.Fatalf("%q does not come to %s: %v, %+v", text, where, err, o.slack.Messages(customers[0].Team, where))
		}
	}
}

// TestDocsCalls runs the page's calls as they stand but for the address and the
// hook's token, and compares the answers with those that stand beside them.
func TestDocsCalls(t *testing.T) {
	need(t, "curl")
	o, _ := documented(t, "")
	blocks := snippets(t, notificationDocs, "sh")
	if len(blocks) == 0 {
		t.Fatal("no calls")
	}
	for _, block := range blocks {
		var want []string
		for _, m := range regexp.MustCompile(`(?m)^curl .*# ([0-9]{3})$`).FindAllStringSubmatch(block, -1) {
			want = append(want, m[1])
		}
		script := "curl() { command curl -sS -o /dev/null -w '%{http_code} ' \"$@\"; }\n" + strings.NewReplacer(docsHost, o.origin, "/TOKEN", "/"+docsHookToken).Replace(block)
		said, err := exec.CommandContext(t.Context(), "sh", "-euc", script).CombinedOutput()
		if got := strings.Fields(string(said)); err != nil || !slices.Equal(got, want) || len(got) != strings.Count(block, "curl ") {
			t.Errorf("answered %s (%v), want %s:\n%s", said, err, want, block)
		}
	}
	o.awaits("U0PAUL", "Bonjour")
	o.awaits("U0PAUL", "Facture 1042 validée : 99,50 €")
	o.awaits("#general", "Disk almost full")
}

// TestDocsFields: the webhook knows every field of the page's table. One that is
// null is as good as absent, but known.
func TestDocsFields(t *testing.T) {
	o, _ := documented(t, "")
	text, err := os.ReadFile(notificationDocs)
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "\n## Fields\n")
	table, _, _ = strings.Cut(table, "\n## ")
	asked := map[string]any{}
	for _, row := range regexp.MustCompile(`(?m)^\| (`+"`.*?`"+`) \|`).FindAllStringSubmatch(table, -1) {
		for name := range strings.SplitSeq(row[1], ", ") {
			asked[strings.Trim(name, "`")] = nil
		}
	}
	if len(asked) != 20 {
		t.Errorf("%d fields", len(asked))
	}
	for known, want := range map[string]int{"to": http.StatusOK, "of nobody": http.StatusUnprocessableEntity} {
		asked["to"], asked["text"], asked[known] = "#general", "x", "#general"
		body, err := json.Marshal(asked)
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(t.Context(), "POST", strings.Replace(o.origin, customers[0].Host, "127.0.0.1", 1)+"/.gateway/v1/notifications?dry_run=1", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Host = customers[0].Host
		req.Header = http.Header{"Content-Type": {"application/json"}, "Prefer": {"handling=strict"}, "Authorization": {"Bearer ck_agrafmania_xxx"}}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		answer, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("with %q: %d %s", known, resp.StatusCode, answer)
		}
		delete(asked, "of nobody")
	}
}

// TestDocsPHP runs the page's two snippets: the signed call, and the header on a
// page that the gateway carries.
func TestDocsPHP(t *testing.T) {
	php, blocks := need(t, "php"), snippets(t, notificationDocs, "php")
	if len(blocks) != 2 {
		t.Fatalf("%d PHP blocks, want 2", len(blocks))
	}
	app := servePHPWith(t, php, "", "<?php $id = 7; $email = 'paul@agrafmania.fr'; $msg = 'Tâche & note';\n"+blocks[1]+"echo 'the page';")
	o, p := documented(t, app.address)

	signed := strings.NewReplacer(docsHost, "http://"+p.public.ln.Addr().String(), `'header'=>"`, fmt.Sprintf(`'header'=>"Host: %s\r\n`, customers[0].Host)).Replace(blocks[0])
	out, said := runPHP(t, t.TempDir(), "$email = 'paul@agrafmania.fr'; $msg = 'Validé & signé'; $secret = '"+docsSecret+"';\n"+signed+"echo $http_response_header[0], $r;")
	if !strings.Contains(out, " 202 ") {
		t.Errorf("the signed call is answered %s %s", out, said)
	}
	o.awaits("U0PAUL", "Validé &amp; signé")

	marie := o.member(p, "U0MARIE")
	if resp := marie.ask("GET", o.origin+"/page", nil); resp.StatusCode != 200 || resp.Header["X-Notify"] != nil {
		t.Errorf("the page is %d with %v", resp.StatusCode, resp.Header)
	}
	o.awaits("U0PAUL", "Tâche &amp; note")
}

// TestDocsLinks: what the README and the pages under docs point to is there,
// sections too.
func TestDocsLinks(t *testing.T) {
	pages, err := filepath.Glob("docs/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatal("no pages", err)
	}
	for _, page := range append(pages, "README.md", "CHANGELOG.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\]\(([^)\s]+)\)`).FindAllSubmatch(text, -1) {
			target, section, _ := strings.Cut(string(m[1]), "#")
			if strings.Contains(target, "://") {
				continue
			}
			file := page
			if target != "" {
				file = filepath.Join(filepath.Dir(page), target)
			}
			there, err := os.ReadFile(file)
			if info, stat := os.Stat(file); stat == nil && info.IsDir() {
				err = nil
			}
			if err != nil || section != "" && !slices.Contains(sections(string(there)), section) {
				t.Errorf("%s points to %s: %v", page, m[1], err)
			}
		}
	}
}

// TestDocsAreFound: the README leads to every page and file under docs, by way of others or not.
func TestDocsAreFound(t *testing.T) {
	seen := map[string]bool{}
	var visit func(page string)
	visit = func(page string) {
		if seen[page] {
			return
		}
		seen[page] = true
		text, err := os.ReadFile(page)
		if err != nil || !strings.HasSuffix(page, ".md") {
			return
		}
		for _, m := range regexp.MustCompile(`\]\(([^)\s#]+)`).FindAllSubmatch(text, -1) {
			visit(filepath.Join(filepath.Dir(page), string(m[1])))
		}
	}
	visit("README.md")
	for _, pattern := range []string{"docs/*.md", "docs/running/*"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatal(pattern, err)
		}
		for _, file := range files {
			if !seen[file] {
				t.Errorf("nothing leads to %s", file)
			}
		}
	}
}

// sections are the headings of a page, as links name them.
func sections(page string) []string {
	var out []string
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(page, -1) {
		out = append(out, strings.ReplaceAll(regexp.MustCompile("[^a-z0-9 _-]").ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-"))
	}
	return out
}
