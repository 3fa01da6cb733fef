package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"
)

const module = "github.com/cocoom/cocoom-gateway"

// imports is who imports whom. A package or an import that is not listed fails
// the test, and so does one that is listed but not there, so that the picture in
// the README stays whole and true.
var imports = map[string][]string{
	"":                             {"configs", "gateway", "proxy", "policy", "notifyhook", "internal/admin", "internal/certs", "internal/doctor", "internal/secret", "internal/store", "internal/manifest", "internal/tracing", "internal/throttle", "internal/slacksim", "internal/cocoomsim"},
	"configs":                      {"gateway", "policy", "proxy", "notifyhook", "internal/manifest", "internal/secret"},
	"gateway":                      {"policy", "proxy", "internal/store", "internal/slackapi", "internal/manifest", "internal/secret", "internal/problem", "internal/metrics", "internal/throttle"},
	"policy":                       {},
	"proxy":                        {"policy", "internal/secret"},
	"notifyhook":                   {"internal/store", "internal/secret", "internal/slackapi", "internal/problem", "internal/metrics", "internal/throttle"},
	"internal/admin":               {"configs", "gateway", "notifyhook", "internal/doctor", "internal/secret"},
	"internal/certs":               {"internal/store"},
	"internal/certs/certstest":     {},
	"internal/doctor":              {"configs", "gateway", "notifyhook", "proxy", "internal/slackapi", "internal/store"},
	"internal/throttle":            {},
	"internal/store":               {"internal/secret"},
	"internal/store/storetest":     {"internal/store"},
	"internal/secret":              {},
	"internal/problem":             {},
	"internal/manifest":            {},
	"internal/metrics":             {},
	"internal/metrics/metricstest": {},
	"internal/tracing":             {},
	"internal/slackapi":            {"internal/secret"},
	"internal/slackapi/slackfoe":   {},
	"internal/slacksim":            {},
	"internal/cocoomsim":           {},
}

func TestImportGraph(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}}|{{range .Imports}}{{.}} {{end}}`, "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	seen := map[string]bool{}
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		path, list, _ := strings.Cut(line, "|")
		pkg := strings.TrimPrefix(strings.TrimPrefix(path, module), "/")
		allowed, known := imports[pkg]
		if !known {
			t.Errorf("package %q has no place in the import graph", pkg)
		}
		seen[pkg] = true
		for _, ours := range allowed {
			if !slices.Contains(strings.Fields(list), module+"/"+ours) {
				t.Errorf("%q may import %q, but does not: take it from the list", pkg, ours)
			}
		}
		for _, imp := range strings.Fields(list) {
			if ours, ok := strings.CutPrefix(imp, module+"/"); ok && !slices.Contains(allowed, ours) {
				t.Errorf("%q imports %q, which it may not", pkg, ours)
			}
			if strings.HasPrefix(imp, "github.com/labstack/echo") && pkg != "gateway" {
				t.Errorf("%q imports Echo, which only the public front may", pkg)
			}
		}
	}
	for pkg := range imports {
		if !seen[pkg] {
			t.Errorf("package %q has a place in the import graph, but is not there", pkg)
		}
	}
}

// TestTestSupportStaysOutOfTheBinary: what only tests use must not be linked in.
func TestTestSupportStaysOutOfTheBinary(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for _, dep := range strings.Fields(string(out)) {
		if dep == "testing" || strings.HasSuffix(dep, "/storetest") || strings.HasSuffix(dep, "/certstest") || strings.HasSuffix(dep, "/slackfoe") || strings.Contains(dep, "chromedp") || strings.Contains(dep, "pebble") || strings.Contains(dep, "jsonschema") {
			t.Errorf("the binary links %s", dep)
		}
	}
}

// TestEverythingExportedIsDocumented holds the house rule: each package and each
// exported identifier says what it is.
func TestEverythingExportedIsDocumented(t *testing.T) {
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if strings.HasPrefix(d.Name(), ".") && path != "." || d.Name() == "testdata" || d.Name() == "node_modules" {
			return fs.SkipDir
		}
		checkDocs(t, path)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func checkDocs(t *testing.T, dir string) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	documented, source := false, false
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		source = true
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		documented = documented || file.Doc != nil
		for _, decl := range file.Decls {
			for _, id := range undocumented(decl) {
				t.Errorf("%s: %s has no doc comment", set.Position(id.Pos()), id.Name)
			}
		}
	}
	if source && !documented {
		t.Errorf("package in %s has no doc comment", dir)
	}
}

// undocumented lists the exported names of a declaration without a comment.
func undocumented(decl ast.Decl) []*ast.Ident {
	var out []*ast.Ident
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && d.Doc == nil && exportedReceiver(d) {
			out = append(out, d.Name)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				if s.Name.IsExported() && d.Doc == nil && s.Doc == nil {
					out = append(out, s.Name)
				}
			case *ast.ValueSpec:
				for _, name := range s.Names {
					if name.IsExported() && d.Doc == nil && s.Doc == nil && s.Comment == nil {
						out = append(out, name)
					}
				}
			}
		}
	}
	return out
}

func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	typ := d.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	id, ok := typ.(*ast.Ident)
	return ok && id.IsExported()
}

// TestMapsAreWhole: the packages with many files have a map of them in their
// comment, which names each.
func TestMapsAreWhole(t *testing.T) {
	for dir, in := range map[string]string{".": "main.go", "gateway": "gateway/doc.go", "notifyhook": "notifyhook/relay.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), in, nil, parser.ParseComments|parser.PackageClauseOnly)
		if err != nil {
			t.Fatal(err)
		}
		_, drawn, _ := strings.Cut(strings.ToLower(file.Doc.Text()), "where things are")
		named := strings.FieldsFunc(drawn, func(r rune) bool { return r != '_' && !unicode.IsLetter(r) })
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatal("no files", err)
		}
		for _, name := range files {
			name = strings.TrimSuffix(filepath.Base(name), ".go")
			if name != "doc" && !strings.HasSuffix(name, "_test") && !slices.Contains(named, name) {
				t.Errorf("the map in %s lacks %s", in, name)
			}
		}
	}
}

// TestFilesStayReadable: one concept a file, so none grows past 500 lines.
func TestFilesStayReadable(t *testing.T) {
	files, err := exec.Command("git", "ls-files", "--cached", "--others", "--exclude-standard", "*.go").Output()
	if err != nil {
		t.Skip("not a git checkout")
	}
	for _, name := range strings.Fields(string(files)) {
		raw, err := os.ReadFile(name)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(raw), "\n"); n > 500 {
			t.Errorf("%s has %d lines; split it by concept", name, n)
		}
	}
}
