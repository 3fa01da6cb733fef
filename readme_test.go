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
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/cocoom/cocoom-gateway/configs"
	"github.com/cocoom/cocoom-gateway/proxy"
)

// snippets gives the README's blocks of a language.
func snippets(t *testing.T, language string) []string {
	t.Helper()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllSubmatch(readme, -1) {
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
	blocks := snippets(t, "yaml")
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

// TestREADMEAssertion runs the README's check of the assertion as it stands,
// with a good assertion and with what must not pass.
func TestREADMEAssertion(t *testing.T) {
	snippet := snippets(t, "php")[0]
	der, err := proxy.GenerateKey("ES256")
	if err != nil {
		t.Fatal(err)
	}
	key, err := proxy.ParseKey("k1", "ES256", der)
	if err != nil {
		t.Fatal(err)
	}
	keys := proxy.NewKeys()
	if err := keys.Set("ES256", []proxy.Key{key}); err != nil {
		t.Fatal(err)
	}
	verifier, err := os.ReadFile("testdata/php/verify_assertion.php")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, content := range map[string][]byte{"verify_assertion.php": verifier, "jwks.json": keys.JWKS()} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	token := func(audience string) string {
		tok := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{"iss": "https://agrafmania.cocoom.com", "aud": audience,
			"email": "marie@agrafmania.fr", "exp": time.Now().Add(time.Minute).Unix()})
		tok.Header["kid"] = "k1"
		signed, err := tok.SignedString(key.Private)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	const refused = "not through the gateway"
	for name, row := range map[string]struct{ header, want string }{
		"good":          {"$_SERVER['HTTP_X_GATEWAY_ASSERTION'] = '" + token("agrafmania.cocoom.com") + "';", "marie@agrafmania.fr"},
		"other route's": {"$_SERVER['HTTP_X_GATEWAY_ASSERTION'] = '" + token("editionsduport.cocoom.com") + "';", refused},
		"rubbish":       {"$_SERVER['HTTP_X_GATEWAY_ASSERTION'] = 'a.b.c';", refused},
		"none":          {"", refused},
	} {
		out, said := runPHP(t, dir, row.header+"\n"+snippet+"\necho $_SERVER['REMOTE_USER'];")
		if out != row.want || said != "" {
			t.Errorf("%s: PHP prints %q and logs %q, want %q", name, out, said, row.want)
		}
	}
}

// TestREADMEWebhook runs the README's five lines as they stand but for the
// address, against what answers as the webhook does.
func TestREADMEWebhook(t *testing.T) {
	snippet := snippets(t, "php")[1]
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
		if form := <-got; form.Get("to") != "paul@agrafmania.fr" || form.Get("text") != "Validé & signé" || form.Get("key") == "" {
			t.Errorf("the webhook got %v", form)
		}
		if strings.Contains(said, "notify failed") != logged {
			t.Errorf("after %d PHP logs %q", status, said)
		}
	}
}
