package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// advisoryID finds the names of advisories.
var advisoryID = regexp.MustCompile(`CVE-\d{4}-\d+|GHSA(?:-[a-z0-9]{4}){3}|GO-\d{4}-\d+|ALBeast`)

// TestAdvisoriesAreTested: every advisory of docs/advisories.md is named by a row of
// a test, or by a comment that says why it does not apply; and none that a test
// names is missing there. The tests that it names are there.
func TestAdvisoriesAreTested(t *testing.T) {
	files, err := filepath.Glob("advisory_*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	tested, without, functions := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				functions[n.Name.Name] = true
			case *ast.BasicLit:
				// A row's name begins with its ids; other texts do not count.
				if text, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING {
					for _, word := range strings.Fields(text) {
						if advisoryID.FindString(word) != word {
							break
						}
						tested[word] = true
					}
				}
			}
			return true
		})
		for _, group := range f.Comments {
			for paragraph := range strings.SplitSeq(group.Text(), "\n\n") {
				if rest, ok := strings.CutPrefix(paragraph, "does not apply: "); ok {
					for _, id := range advisoryID.FindAllString(rest, -1) {
						without[id] = true
					}
				}
			}
		}
	}
	page, err := os.ReadFile("docs/advisories.md")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, row := range regexp.MustCompile(`(?m)^\| (.*?) \|.*\| (.*?) \|$`).FindAllStringSubmatch(string(page), -1) {
		says := strings.HasPrefix(row[2], "does not apply")
		for _, id := range advisoryID.FindAllString(row[1], -1) {
			if listed[id] {
				t.Errorf("%s stands there twice", id)
			}
			listed[id] = true
			if says && !without[id] || !says && !tested[id] {
				t.Errorf("no row of a test is named after %s", id)
			}
		}
		for _, name := range regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(row[2], -1) {
			if !functions[name[1]] {
				t.Errorf("there is no %s", name[1])
			}
		}
	}
	if len(listed) < 60 {
		t.Errorf("only %d are listed", len(listed))
	}
	maps.Copy(tested, without)
	for _, id := range slices.Sorted(maps.Keys(tested)) {
		if !listed[id] {
			t.Errorf("docs/advisories.md does not list %s", id)
		}
	}
}
