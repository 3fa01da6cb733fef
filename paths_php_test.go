package main

import (
	"encoding/json"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestAttackPathsAsPHPServesThem: a real PHP behind the gateway says which of its
// scripts it ran, and with what in $_GET, for every spelling that peers fell for.
// None runs what its rule is not for; and the query arrives byte for byte.
func TestAttackPathsAsPHPServesThem(t *testing.T) {
	php, root := need(t, "php"), t.TempDir()
	const script = `<?php header('Content-Type: application/json'); echo json_encode([$_SERVER['SCRIPT_NAME'], base64_encode($_SERVER['QUERY_STRING'] ?? ''),
		($_GET['page'] ?? '') === 'admin', $_SERVER['HTTP_HOST'], array_keys($_SERVER)], JSON_INVALID_UTF8_SUBSTITUTE);`
	for _, name := range []string{"index.php", "admin/index.php", "admin/x.php", "admin.php", "public/index.php", "public/x.php"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, name), []byte(script), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	address := loopback(freePort(t))
	startServer(t, exec.Command(php, "-n", "-S", address, "-t", root), address)
	s := besiege(t, func(config string) string {
		config = upstreamLine.ReplaceAllString(config, "upstream: http://"+address)
		return strings.ReplaceAll(config, "      - {path: /admin/secret, allow: deny}\n",
			"      - {path: /admin/*, allow: deny}\n      - {path: /admin.php, allow: deny}\n      - {path: /index.php, query: {page: admin}, allow: deny}\n      - {path: /**, query: {page: admin}, allow: deny}\n")
	})
	member := "Cookie: " + s.cookie("U0MARIE") + "\r\nX-Original-URL: /admin/\r\nX-Rewrite-URL: /admin/\r\nX_Rewrite_Url: /admin/\r\nX-HTTP-Method-Override: DELETE\r\nProxy: http://evil.example\r\nX.Forwarded.Uri: /admin/\r\n"
	ran := 0
	for _, target := range strings.Fields(`/ /x /public/ /public/x.php /public/x.php?a=%zz&b;c=+&&d? /public/../admin/ /public/%2e%2e/admin/ /public/.%2e/admin/x.php /public/..;/admin/ /public/..%2fadmin/ /public/..%5cadmin/ /public/%252e%252e/admin/
		/public/%c0%ae%c0%ae/admin/ /admin /admin/ //admin/ /admin// /./admin /admin. /admin%20/ /admin%00/ /admin.php /admin.php/ /admin.php/public /admin.php%3Fx /admin.php%00 /admin.php%20 /%61dmin/ /%61dmin%2ephp /admin%2f /admin%2fx.php /admin;/x.php /admin#/public/
		/admin%23/../x /index.php?page=admin /?page=admin /?page=admin#x /index.php?page=admin# /?x#&page=admin /?page=x&page=admin /?page=admin&page=x /?page[]=admin /?page[]=x&page=admin /?+page=admin /?%20page=admin /?pa.ge=admin /?page%00=admin /?page%00x=admin
		/?%70age=%61dmin /?x;page=admin /?page=admin;x /?page=admin%00 /??page=admin /?&page=admin /index.php/x?page=admin /index.php/?page=admin /nowhere?page=admin /public?page=admin /index%2ephp?page=admin /?page=adm%69n&page%5Bx%5D=1 /?page=admin&` + strings.Repeat("a&", 1100)) {
		for _, more := range []string{"", member} {
			a := s.attack(get(s.host, target, more))
			var got struct {
				script, query, host string
				admin               bool
				names               []string
			}
			if a == nil || a.StatusCode != 200 || json.Unmarshal([]byte(a.body), &[]any{&got.script, &got.query, &got.admin, &got.host, &got.names}) != nil {
				continue
			}
			ran++
			_, query, _ := strings.Cut(target, "?")
			raw := new([]byte)
			if err := json.Unmarshal([]byte(`"`+got.query+`"`), raw); err != nil || strings.TrimLeft(string(*raw), "?") != strings.TrimLeft(query, "?") { // PHP's server drops some
				t.Errorf("%s: the query arrived as %q", target, *raw)
			}
			public := strings.HasPrefix(got.script, "/public/")
			if strings.HasPrefix(got.script, "/admin") || got.admin && !public || more == "" && !public {
				t.Errorf("%.100s, session %t: PHP ran %s, page=admin %t", target, more != "", got.script, got.admin)
			}
			for _, name := range got.names {
				if strings.Contains(name, "ORIGINAL") || strings.Contains(name, "REWRITE") || strings.Contains(name, "OVERRIDE") || name == "HTTP_PROXY" || name == "HTTP_X_FORWARDED_URI" {
					t.Errorf("%s: PHP got %s", target, name)
				}
			}
			if u, err := url.Parse(s.origin); err != nil || got.host != u.Host {
				t.Errorf("%s: PHP took %q for its host", target, got.host)
			}
		}
	}
	if ran < 12 {
		t.Errorf("only %d of the requests reached PHP: the test tries too little", ran)
	}
}
