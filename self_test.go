package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

// TestCompletion asks as shells do: hosts come from the file that the command line
// names, other words from the help, and files are offered only for files.
func TestCompletion(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for name, text := range map[string]string{
		"cocoom-gateway.yaml": "routes: [{host: agrafmania.cocoom.com}, {host: relais.cocoom.com}]",
		"other.yaml":          "routes: [{host: other.cocoom.com}]",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const hosts, none = "agrafmania.cocoom.com relais.cocoom.com", ""
	for line, want := range map[string]string{
		"people erase ":                                   hosts + " :4",
		"people export -c other.yaml ":                    "other.cocoom.com :4",
		"people export -c nothing.yaml ":                  none + ":4",
		"people export agrafmania.cocoom.com ":            none + ":4",
		"tokens new --id x --path /x ":                    hosts + " :4",
		"explain agrafmania.cocoom.com ":                  "GET HEAD POST PUT PATCH DELETE OPTIONS :4",
		"sessions list --route ":                          hosts + " :4",
		"notifications list --status ":                    "scheduled queued sent partial failed cancelled suppressed :4",
		"notifications list --config other.yaml --route ": "other.cocoom.com :4",
		"serve -c ":            "yaml yml :8",
		"serve ":               none + ":4",
		"keys export --dir ":   none + ":16",
		"sessions ":            "list\tList who is signed in, the latest sign-in first revoke\tEnd sessions at once, with their open streams :4",
		"notifications show n": none + ":4",
	} {
		out, _ := exits(t, 0, append([]string{"__complete"}, strings.Split(line, " ")...)...)
		if got := strings.ReplaceAll(strings.TrimSpace(out), "\n", " "); got != strings.TrimSpace(want) {
			t.Errorf("%q<TAB> offers %q, want %q", line, got, want)
		}
	}
}

// TestCompletionScripts: the shells read them.
func TestCompletionScripts(t *testing.T) {
	out, _ := exits(t, 0, "completion", "bash")
	cmd := exec.Command(need(t, "bash"), "-n")
	cmd.Stdin = strings.NewReader(out)
	if said, err := cmd.CombinedOutput(); err != nil || len(out) < 1000 {
		t.Errorf("bash says %s (%v)", said, err)
	}
	for _, shell := range []string{"zsh", "fish"} {
		if out, _ := exits(t, 0, "completion", shell); !strings.Contains(out, "__complete") || strings.Contains(out, `\u00`) {
			t.Errorf("the script for %s is %.200q", shell, out)
		}
	}
}

// TestVersion: one line for people and the log, the same for programs.
func TestVersion(t *testing.T) {
	out, _ := exits(t, 0, "version")
	if !regexp.MustCompile(`^cocoom-gateway \S.*, go1\S+ ` + runtime.GOOS + `/` + runtime.GOARCH + `\n$`).MatchString(out) {
		t.Errorf("version says %q", out)
	}
	out, _ = exits(t, 0, "version", "--json")
	var b build
	if err := json.Unmarshal([]byte(out), &b); err != nil || b != thisBuild() {
		t.Errorf("version --json says %s (%v)", out, err)
	}
	full := build{Version: "v1.2.3", Revision: "0123456789abcdef", Time: "2026-12-01T06:00:00Z", Modified: true, Go: "go1.26.8", Platform: "linux/arm64"}
	if got, want := full.String(), "cocoom-gateway v1.2.3, revision 0123456789ab of 2026-12-01T06:00:00Z (modified), go1.26.8 linux/arm64"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestManual: each command has a page, and the man program has no complaint.
func TestManual(t *testing.T) {
	groff, dir := need(t, "groff"), t.TempDir()
	exits(t, 0, "man", "--dir", dir)
	pages, err := filepath.Glob(filepath.Join(dir, "*.1"))
	if err != nil || len(pages) < 20 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	for _, page := range pages {
		cmd := exec.Command(groff, "-man", "-Tutf8", "-ww", "-P-cbou", page)
		var complaints strings.Builder
		cmd.Stderr = &complaints
		text, err := cmd.Output()
		if err != nil || complaints.Len() > 0 {
			t.Errorf("%s: %v: %s", filepath.Base(page), err, &complaints)
		}
		for _, section := range []string{"NAME", "SYNOPSIS", "DESCRIPTION", "EXAMPLES", "SEE ALSO"} {
			if !strings.Contains(string(text), "\n"+section+"\n") {
				t.Errorf("%s has no section %s", filepath.Base(page), section)
			}
		}
	}
	page, err := os.ReadFile(filepath.Join(dir, "cocoom-gateway-explain.1"))
	if err != nil || !strings.Contains(string(page), `\-\-as`) {
		t.Errorf("explain's page does not tell of --as: %v", err)
	}
}
