package configs_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/cocoom/cocoom-gateway/configs"
)

// TestHosts: those of included files too, whatever else is wrong and without any
// secret.
func TestHosts(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"gateway.yaml": "include: [more/*.yaml]\nunknown: 1\nroutes:\n  - {host: b.example.com, slack_app: {bot_token: env:NOT_THERE}}\n  - {upstream: x}\n  - host: \"a.example.com\"\n",
		"more/1.yaml":  "host: c.example.com\nslack_app: {bot_token: file:/nowhere}\n",
		"more/2.yaml":  "- host: a.example.com\n- host: d.example.com\n",
		"more/3.yaml":  "host: [\n",
		"broken.yaml":  "routes: {",
		"list.yaml":    "- 1",
		"one.yaml":     "routes: {host: a.example.com}",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string][]string{
		"gateway.yaml": {"a.example.com", "b.example.com", "c.example.com", "d.example.com"},
		"broken.yaml":  nil, "list.yaml": nil, "nothing.yaml": nil,
		"one.yaml": {"a.example.com"},
	} {
		if got := configs.Hosts(filepath.Join(dir, name)); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
