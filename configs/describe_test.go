package configs_test

import (
	"go/ast"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// described is what the source says of a type or a field.
type described struct {
	doc    string
	fields map[string]string // of a type: its fields' docs
}

// readSource reads the doc comments of all types that the configuration is made
// of, by package and name, such as "gateway.Login".
func readSource(t *testing.T) map[string]described {
	t.Helper()
	all := map[string]described{}
	for _, dir := range []string{".", "../gateway", "../policy", "../proxy", "../notifyhook"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			for _, decl := range file.Decls {
				if d, ok := decl.(*ast.GenDecl); ok && d.Tok == token.TYPE {
					describe(all, file.Name.Name, d)
				}
			}
		}
	}
	return all
}

func describe(all map[string]described, pkg string, d *ast.GenDecl) {
	for _, spec := range d.Specs {
		typ := spec.(*ast.TypeSpec)
		one := described{doc: d.Doc.Text(), fields: map[string]string{}}
		if typ.Doc != nil {
			one.doc = typ.Doc.Text()
		}
		if s, ok := typ.Type.(*ast.StructType); ok {
			for _, f := range s.Fields.List {
				text := f.Doc.Text()
				if text == "" {
					text = f.Comment.Text()
				}
				for _, name := range f.Names {
					one.fields[name.Name] = text
				}
			}
		}
		all[pkg+"."+typ.Name.Name] = one
	}
}

// key is one that an operator may write.
type key struct {
	name, meaning string
	byDefault     string   // empty: nothing, or what the meaning says
	words         []string // the only ones that it may be; none: any
	typ           reflect.Type
	required      bool
}

// generator makes the schema and the reference.
type generator struct {
	t      *testing.T
	source map[string]described
}

func nameOf(t reflect.Type) string { return path.Base(t.PkgPath()) + "." + t.Name() }

// keys are those of a struct type. Each must be described.
func (g *generator) keys(t reflect.Type) []key {
	source, ok := g.source[nameOf(t)]
	if !ok {
		g.t.Errorf("%s is not in the source", nameOf(t))
	}
	var all []key
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if name == "" || name == "-" {
			continue
		}
		text, of := source.fields[f.Name], inner(f.Type)
		if text == "" && of.Kind() == reflect.Struct { // it is all that there is of its type
			text, _, _ = strings.Cut(g.source[nameOf(of)].doc, "\n\n")
			text = g.keyNames(of, "", strings.TrimPrefix(strings.TrimPrefix(text, of.Name()+" "), "is "))
		}
		if text == "" {
			g.t.Errorf("%s.%s has no comment", nameOf(t), f.Name)
		}
		k := key{name: name, typ: f.Type, required: required(nameOf(t) + "." + name)}
		k.meaning, k.byDefault, k.words = read(g.plain(t, f.Name, text))
		all = append(all, k)
	}
	return all
}

// required tells whether a key must stand in its map; TestSchemaDemands has the
// proof.
func required(key string) bool {
	switch key {
	case "configs.Route.host", "configs.ACME.email", "proxy.Upstream.url", "proxy.Form.url", "policy.Rule.path", "policy.Rule.allow",
		"gateway.ServiceToken.id", "gateway.ServiceToken.hash", "gateway.ServiceToken.not_after", "gateway.ServiceToken.paths",
		"notifyhook.Hook.id", "notifyhook.Hook.tokens", "notifyhook.Credential.value":
		return true
	}
	return false
}

// inner is the type that lists, maps and pointers are of.
func inner(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	return t
}

// plain makes of a comment, which names Go's fields, a text that names keys.
func (g *generator) plain(t reflect.Type, own, text string) string {
	text = strings.Join(strings.Fields(text), " ")
	for _, begin := range []string{own + " is ", own + " are ", own + ": ", own + " "} {
		if rest, ok := strings.CutPrefix(text, begin); ok {
			text = rest
			break
		}
	}
	if text == "" {
		return ""
	}
	first, size := utf8.DecodeRuneInString(text)
	return g.keyNames(t, own, string(unicode.ToUpper(first))+text[size:])
}

// keyNames puts keys in place of the names of a type's fields. A name that is a
// word like any other stays where a sentence begins.
func (g *generator) keyNames(t reflect.Type, own, text string) string {
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if name == "" || name == "-" || f.Name == own {
			continue
		}
		at := regexp.MustCompile(`(^|[^."“A-Za-z])` + f.Name + `\b([^/]|$)`)
		text = at.ReplaceAllStringFunc(text, func(found string) string { return strings.Replace(found, f.Name, "`"+name+"`", 1) })
	}
	return strings.TrimPrefix(text, "``")
}

var (
	defaultWord  = regexp.MustCompile(`("[^"]+") \(default\)`)
	quotedWord   = regexp.MustCompile(`"([^"]+)"`)
	defaultValue = regexp.MustCompile(`[;,] default ("[^"]*"|.+?)([;.]( |$)|$)`)
	zeroValue    = regexp.MustCompile(`(?:^|[;.] )(?:0|[Ee]mpty|[Nn]one|[Nn]il|zero)(?: means|:) ([^.;]+)`)
)

// read takes apart what stands in a comment by convention: the words that a key
// may be are quoted, with "(default)" behind one; "; default x", "; 0 means x"
// and "; empty: x" say what holds without the key.
func read(text string) (meaning, byDefault string, words []string) {
	if m := defaultWord.FindStringSubmatch(text); m != nil {
		byDefault = "`" + strings.Trim(m[1], `"`) + "`"
		for _, w := range quotedWord.FindAllStringSubmatch(text, -1) {
			words = append(words, w[1])
		}
	} else if m := defaultValue.FindStringSubmatchIndex(text); m != nil {
		byDefault = "`" + strings.Trim(text[m[2]:m[3]], `"`) + "`"
		text = text[:m[0]] + text[m[4]:]
	} else if m := zeroValue.FindStringSubmatchIndex(text); m != nil {
		byDefault = strings.TrimSpace(text[m[2]:m[3]])
		text = text[:m[0]] + text[m[1]:]
	}
	text = strings.TrimSpace(strings.NewReplacer(" (nil)", "", "nil:", "left out:", "nil means", "left out means").Replace(text))
	if text != "" && !strings.HasSuffix(text, ".") {
		text += "."
	}
	return strings.TrimPrefix(text, ". "), byDefault, words
}

// about is a type's own comment in Markdown.
func (g *generator) about(t reflect.Type) string {
	var p comment.Parser
	text := g.source[nameOf(t)].doc
	text = strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(text, t.Name()+" "), "is "), "are ")
	return strings.TrimSpace(string((&comment.Printer{}).Markdown(p.Parse(text))))
}
