package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/cocoom/cocoom-gateway/configs"
)

// TestManifestOnALaptop: who prepares a customer's app need not have any secret,
// of that route or of others, nor the server's files.
func TestManifestOnALaptop(t *testing.T) {
	file := writeFile(t, "gateway.yaml", []byte(`listen: ":443"
state: env:DATABASE
master_key: file:/run/secrets/master.key
admin_token: env:ADMIN_TOKEN
tls: {cert: /etc/ssl/gateway.pem, key: /etc/ssl/gateway.key}
routes:
  - host: a.cocoom.com
    upstream: {url: "https://10.0.0.1", tls: {ca: file:/etc/ssl/app.pem}}
    workspace: T1
    slack_app: {client_id: "1", client_secret: env:A_SECRET, bot_token: env:A_BOT, signing_secret: file:a.signing}
    login: {}
    notify: {bearer_tokens: [env:A_TOKEN]}
  - host: b.cocoom.com
    workspace: T2
    slack_app: {bot_token: file:/run/secrets/b.bot}
    notify: {signing_secrets: [env:B_SIGNING]}
`))
	out := command(t, "manifest", "-c", file, "a.cocoom.com")
	for _, want := range []string{"https://a.cocoom.com/.gateway/callback", "chat:write", "users:read"} {
		if !strings.Contains(out, want) {
			t.Errorf("the manifest lacks %s:\n%s", want, out)
		}
	}
	if strings.Contains(out, "env:") || strings.Contains(out, "file:") {
		t.Errorf("the manifest holds what stands for secrets:\n%s", out)
	}
	for _, name := range []string{"complete", "many-customers", "one-customer", "postgresql", "acme", "managed"} {
		command(t, "manifest", "-c", filepath.Join("configs", name+".yaml"), firstHost(t, filepath.Join("configs", name+".yaml")))
	}
	wrong := writeFile(t, "wrong.yaml", []byte("routes: [{host: a.cocoom.com, workspace: T1, slack_app: {bot_token: env:A}, notify: {bearer_tokens: [env:B], nothing: 1}}]"))
	if _, errs := exits(t, 1, "manifest", "-c", wrong, "a.cocoom.com"); !strings.Contains(errs, "nothing") || strings.Count(errs, "wrong.yaml:") != 1 {
		t.Errorf("of a mistake that is none of a secret it says %s", errs)
	}
}

func firstHost(t *testing.T, file string) string {
	t.Helper()
	hosts := configs.Hosts(file)
	if len(hosts) == 0 {
		t.Fatalf("%s names no host", file)
	}
	return hosts[0]
}
