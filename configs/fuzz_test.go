package configs_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cocoom/cocoom-gateway/configs"
)

// Whatever a file holds, Load ends without a panic, and neither its mistakes
// nor a printed Config show what came from the environment.
func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"*.yaml", "testdata/*.yaml", "testdata/bad/*.yaml", "routes.d/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			content, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(content)
		}
	}
	f.Add([]byte("? [a, {b: c}]\n: &x !!str *x\n<<: 1\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		if bytes.Contains(content, []byte("include")) {
			t.Skip("would read files of this machine")
		}
		const hidden = "0SECRET0-0SECRET0-0SECRET0"
		path := filepath.Join(t.TempDir(), "gateway.yaml")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, err := configs.Load(path, func(string) string { return hidden })
		if (cfg == nil) == (err == nil) {
			t.Fatalf("got %v and error %v", cfg, err)
		}
		printed := fmt.Sprint(err)
		if cfg != nil {
			printed = fmt.Sprintf("%+v", cfg)
			for _, r := range cfg.Routes {
				printed += fmt.Sprintf("%+v %#v %+v %+v", r, r, r.Login, r.Notify)
			}
		} else {
			lines := bytes.Count(content, []byte("\n")) + bytes.Count(content, []byte("\r")) + 1
			for _, m := range mistakes(t, err) {
				if m.Text == "" || m.Line < 0 || m.Line > lines+1 || strings.ContainsAny(m.Key, "\n\r") {
					t.Errorf("a mistake that helps nobody: %#v", m)
				}
			}
		}
		if strings.Contains(printed, "0SECRET0") && !bytes.Contains(content, []byte("SECRET")) {
			t.Errorf("prints a secret: %s", printed)
		}
	})
}
