package main

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/cocoom/cocoom-gateway/configs"
)

// snippets gives the blocks of a language in a page of the documentation.
func snippets(t *testing.T, page, language string) []string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllSubmatch(text, -1) {
		out = append(out, string(m[1]))
	}
	return out
}

// runPHP runs a script in dir and gives what it prints and what it logs.
func runPHP(t *testing.T, dir, script string) (stdout, stderr string) {
	t.Helper()
	cmd := exec.Command(need(t, "php"), "-d", "display_errors=0", "-d", "log_errors=1", "-d", "error_log=")
	cmd.Dir, cmd.Stdin = dir, strings.NewReader("<?php\n"+script)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(out), said.String()
}

// TestREADMEConfiguration: the first real route is one that check accepts.
func TestREADMEConfiguration(t *testing.T) {
	blocks := snippets(t, "README.md", "yaml")
	if len(blocks) != 1 {
		t.Fatalf("%d YAML blocks, want 1", len(blocks))
	}
	file := filepath.Join(t.TempDir(), "cocoom-gateway.yaml")
	if err := os.WriteFile(file, []byte(blocks[0]), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := configs.Load(file, func(string) string { return "ck_a-secret-of-some-length" }); err != nil {
		t.Error(err)
	}
}

// TestREADMEAssertion runs PHP with the README's settings as they stand but for
// the two paths, with a good assertion and with what must not pass.
func TestREADMEAssertion(t *testing.T) {
	blocks := snippets(t, "README.md", "ini")
	if len(blocks) != 1 {
		t.Fatalf("%d blocks of settings, want 1", len(blocks))
	}
	verifier, err := filepath.Abs("docs/php/cocoom_gateway.php")
	if err != nil {
		t.Fatal(err)
	}
	m, dir := newJWTMaker(t, "ES256", "k1"), t.TempDir()
	if err := exportKeys(publish(t, m).PEM(), dir); err != nil {
		t.Fatal(err)
	}
	ini := strings.NewReplacer("/opt/cocoom/cocoom_gateway.php", verifier, "/var/lib/cocoom/keys", dir).Replace(blocks[0])
	s := servePHPWith(t, need(t, "php"), ini, `<?php echo json_encode(array('server' => $_SERVER));`)
	if got := s.get(m.token()); got.Server["REMOTE_USER"] != "marie@agrafmania.fr" {
		t.Errorf("a good assertion: %d %s (%s)", got.status, got.body, s.log)
	}
	for name, token := range map[string]string{"other route's": m.token("aud", "editionsduport.cocoom.com"), "rubbish": "a.b.c", "none": ""} {
		if got := s.get(token, "X-Forwarded-Email", "marie@agrafmania.fr"); got.status != http.StatusForbidden {
			t.Errorf("%s: answered %d %s", name, got.status, got.body)
		}
	}
}

// TestREADMEWebhook runs the README's five lines as they stand but for the
// address, against what answers as the webhook does.
func TestREADMEWebhook(t *testing.T) {
	snippet := snippets(t, "README.md", "php")[0]
	const address = "https://agrafmania.cocoom.com"
	if !strings.Contains(snippet, address) {
		t.Fatalf("the snippet does not call %s", address)
	}
	for status, logged := range map[int]bool{202: false, 200: false, 401: true, 503: true} {
		got := make(chan url.Values, 1)
		hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := r.ParseForm(); err != nil || r.URL.Path != "/.gateway/v1/notifications" || r.Header.Get("Authorization") != "Bearer ck_agrafmania_xxx" {
				t.Errorf("asked %s with %q (%v)", r.URL.Path, r.Header.Get("Authorization"), err)
			}
			got <- r.PostForm
			w.WriteHeader(status)
		}))
		_, said := runPHP(t, t.TempDir(), "$email = 'paul@agrafmania.fr'; $msg = 'Validé & signé';\n"+strings.Replace(snippet, address, hook.URL, 1))
		hook.Close()
		close(got) // nothing, if the snippet does not call at all
		if form := <-got; form.Get("to") != "paul@agrafmania.fr" || form.Get("text") != "Validé & signé" || form.Get("key") == "" {
			t.Errorf("the webhook got %v", form)
		}
		if strings.Contains(said, "notify failed") != logged {
			t.Errorf("after %d PHP logs %q", status, said)
		}
	}
}
