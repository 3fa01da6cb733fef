package configs_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cocoom/cocoom-gateway/configs"
)

// BenchmarkLoad loads 10,000 routes, from one file and from a file each.
func BenchmarkLoad(b *testing.B) {
	const routes = 10_000
	const route = `host: c%d.cocoom.com
upstream: http://10.0.0.12:8000
workspace: T0AGRAF001
slack_app:
  client_id: "1234567890.0987654321"
  client_secret: env:CLIENT_SECRET
  bot_token: env:BOT_TOKEN
login: {}
notify:
  bearer_tokens: [env:HOOK_TOKEN]
policy:
  - {path: /assets/*, allow: public}
  - {path: "/**", allow: members}
`
	dir := b.TempDir()
	var one strings.Builder
	one.WriteString("routes:\n")
	for i := range routes {
		text := fmt.Sprintf(route, i)
		one.WriteString("- " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n  ") + "\n")
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("r%d.yaml", i)), []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	files := map[string]string{"one file": one.String(), "a file each": "include: [r*.yaml]\n"}
	for name, content := range files {
		path := filepath.Join(dir, "gateway.yaml")
		b.Run(name, func(b *testing.B) {
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				cfg, err := configs.Load(path, environment)
				if err != nil {
					b.Fatal(err)
				}
				if len(cfg.Routes) != routes {
					b.Fatalf("got %d routes", len(cfg.Routes))
				}
			}
		})
	}
}
