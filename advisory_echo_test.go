package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestAdvisoryEcho is about the library that routes the gateway's own pages.
//
// does not apply: CVE-2022-40083, CVE-2026-25766: both are of Echo's handler for
// static files, and the gateway serves none (the next test holds that). The
// addresses that led it astray are tried all the same.
func TestAdvisoryEcho(t *testing.T) {
	t.Parallel()
	s := besiege(t, nil)
	marie := "Cookie: " + s.cookie("U0MARIE") + "\r\n"
	files := []string{"/.gateway/..%5c..%5cgo.mod", "/.gateway/%2e%2e%5cgo.mod", "/.gateway/..%2f..%2fgo.mod", "/.gateway/..;/go.mod", `/.gateway/..\go.mod`, "/public/..%5c..%5cgo.mod", "/.gateway/C:%5cgo.mod", "/.gateway/%00/go.mod"}
	led := []string{"//evil.example", "//evil.example/", "//evil.example/%2e%2e", "///evil.example/..", "//evil.example/x/../", "//evil.example%2e/x"}
	at := func(cookie string, status int) tries {
		return each(files, func(target string) try {
			code := 400
			if strings.Contains(target, "C:") {
				code = 400
			}
			return try{request: get(s.host, target, cookie), status: code}
		}).and(each(led, func(target string) try {
			one := try{request: get(s.host, target, cookie), status: status}
			if status == 200 {
				one.arrives = map[string]string{"//evil.example/%2e%2e": "//", "///evil.example/..": "///", "//evil.example/x/../": "//evil.example/", "//evil.example%2e/x": "//evil.example./x"}[target]
				if one.arrives == "" {
					one.arrives = target
				}
			}
			return one
		}), tries{
			"a folder of ours":     {request: get(s.host, "/.gateway//evil.example/", cookie), status: 404},
			"a folder without end": {request: get(s.host, "/.gateway//evil.example", cookie), status: 404},
		})
	}
	s.row(t, "CVE-2022-40083 CVE-2026-25766 the addresses of a static handler", advisory{
		refused: at("", 302),
		honest:  tries{"a folder without its slash": {request: get(s.host, "/dossiers", marie), status: 200, arrives: "/dossiers"}},
		forged:  at(marie, 200),
	})
}

// TestAdvisoryEchoVersion: the library is newer than what was found in it, and its
// handlers for files are not used.
func TestAdvisoryEchoVersion(t *testing.T) {
	t.Run("CVE-2022-40083 CVE-2026-25766 no static handler, and a version past both", func(t *testing.T) {
		mod, err := os.ReadFile("go.mod")
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile(`labstack/echo/v(\d+) v\d+\.(\d+)\.`).FindAllSubmatch(mod, -1)
		if len(found) == 0 {
			t.Fatal("go.mod has no Echo")
		}
		for _, version := range found {
			// 4.16.0 has the security fixes that its changelog lists; 5.0.0 to 5.0.2 are the second's.
			if minor, _ := strconv.Atoi(string(version[2])); string(version[1]) != "4" || minor < 16 {
				t.Errorf("%s is not known to be past both", version[0])
			}
		}
		for _, pattern := range []string{"*.go", "*/*.go", "internal/*/*.go"} {
			files, err := filepath.Glob(pattern)
			if err != nil || len(files) == 0 {
				t.Fatalf("%s: %v", pattern, err)
			}
			for _, file := range files {
				text, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				for _, handler := range []string{".Static(", ".StaticFS(", "middleware.Static", "StaticDirectoryHandler"} {
					if !strings.HasSuffix(file, "_test.go") && strings.Contains(string(text), "labstack/echo") && strings.Contains(string(text), handler) {
						t.Errorf("%s uses %s", file, handler)
					}
				}
			}
		}
	})
}
