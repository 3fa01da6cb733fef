package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestOperatorsToken: where the listener asks for a token, commands show that of
// the configuration, the flag or the environment, and say which one was wrong.
func TestOperatorsToken(t *testing.T) {
	const token = "0123456789abcdef-right"
	o := newOffice(t, "./data")
	o.config = strings.Replace(o.config, "admin: 127.0.0.1:0\n", "admin: 127.0.0.1:0\nadmin_token: file:token\n", 1)
	file := o.file("0")
	holds := func(name, content string) string {
		t.Helper()
		name = filepath.Join(filepath.Dir(file), name)
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	right, wrong := holds("token", token+"\n"), holds("wrong", "0123456789abcdef-wrong")
	p, _ := o.startFile(file)
	at := "--admin=" + p.admin.addr()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	known := holds("known.yaml", strings.Replace(string(raw), "admin: 127.0.0.1:0", "admin: "+p.admin.addr(), 1))
	unset := holds("unset.yaml", "admin: "+p.admin.addr()+"\nadmin_token: env:NOT_SET\n")
	for name, row := range map[string]struct {
		args []string
		env  string
		code int
		says string
	}{
		"of the configuration":   {[]string{"-c", known}, "", 0, "nobody is signed in"},
		"of the flag":            {[]string{at, "--admin-token-file", right}, "", 0, "nobody is signed in"},
		"of the environment":     {[]string{at}, token, 0, "nobody is signed in"},
		"the flag comes first":   {[]string{at, "--admin-token-file", right}, "wrong", 0, "nobody is signed in"},
		"none":                   {[]string{at}, "", 1, "asks for its admin token: name its configuration with -c FILE, or give the token by --admin-token-file FILE or in GATEWAY_ADMIN_TOKEN"},
		"a wrong one":            {[]string{at, "--admin-token-file", wrong}, "", 1, "does not take the admin token from --admin-token-file " + wrong},
		"a wrong variable":       {[]string{"-c", known}, "0123456789abcdef-stale", 1, "does not take the admin token from the environment variable GATEWAY_ADMIN_TOKEN"},
		"no such file":           {[]string{at, "--admin-token-file", right + "x"}, "", 1, "--admin-token-file: open"},
		"an unset variable":      {[]string{"-c", unset}, "", 1, "NOT_SET is unset or empty"},
		"the environment before": {[]string{"-c", unset}, token, 0, "nobody is signed in"},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			getenv := func(name string) string {
				return map[string]string{"USER": "lea", "GATEWAY_ADMIN_TOKEN": row.env}[name]
			}
			code := run(t.Context(), append([]string{"sessions", "list"}, row.args...), getenv, &out, &out)
			if code != row.code || !strings.Contains(out.String(), row.says) || strings.Contains(out.String(), "0123456789abcdef") {
				t.Errorf("exited with %d: %s", code, &out)
			}
		})
	}
	if out := command(t, "health", "-c", unset); out != "ready\n" { // in a container, without any secret
		t.Errorf("health says %s", out)
	}
	o.member(p, "U0MARIE")
	if out := command(t, "explain", customers[0].Host, "GET", "/", "-c", file, at, "--admin-token-file", right, "--as", "U0MARIE"); !strings.Contains(out, "says who this is\n") {
		t.Errorf("explain says %s", out)
	}
	resp, err := http.Get("http://" + p.admin.addr() + "/status")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a token /status is answered %d", resp.StatusCode)
	}
}
