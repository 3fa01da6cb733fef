package configs_test

import (
	"bytes"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/cocoom/cocoom-gateway/configs"
)

const referenceHead = `# The configuration file

Every key that the file takes, made from the source (` + "`go test ./configs -update`" + `). Files to start from stand in
[configs](../configs); [complete.yaml](../configs/complete.yaml) shows every key with a value.

- Write the least that works: what is left out takes its default. An unknown key is a mistake, and ` + "`cocoom-gateway check`" + `
  says every mistake with file, line and column.
- Editors that know the YAML language server check a file as it is written, and say what each key means, if its first
  line names the [schema](../configs/schema.json) ([another](../configs/schema.route.json) for files under ` + "`include`" + `):
  ` + "`# yaml-language-server: $schema=schema.json`" + `
- A **secret** is ` + "`env:NAME`" + `, ` + "`file:PATH`" + `, or the value itself; relative paths are relative to the file that names them.
  A **duration** has a unit: ` + "`90s`, `5m`, `12h`" + `. A **size** has one too: ` + "`64MiB`, `10MB`" + `. A **date** is ` + "`2027-01-31`" + ` or
  ` + "`2027-01-31T18:00:00Z`" + `. A **network** is ` + "`10.0.0.0/8`" + `; one address is ` + "`192.0.2.7/32`" + `.
- **Bold** keys must stand in their map.
`

// page is the reference as it is written.
type page struct {
	*generator
	bytes.Buffer
	at map[reflect.Type]string // the titles of the sections of maps
}

// TestReference holds the configuration reference in step with the types.
func TestReference(t *testing.T) {
	p := page{generator: &generator{t, readSource(t)}, at: map[reflect.Type]string{}}
	p.WriteString(referenceHead)
	p.section(reflect.TypeFor[configs.Config](), "")
	golden(t, "../docs/configuration.md", p.Bytes())
}

// section is a map's keys, followed by those of the maps in it.
func (p *page) section(t reflect.Type, at string) {
	title := at
	if at == "" {
		title = "top level"
	}
	fmt.Fprintf(p, "\n## %s\n\n", title)
	if at != "" {
		fmt.Fprintf(p, "%s\n\n", p.intro(t))
	}
	p.WriteString("| key | is | default | meaning |\n|---|---|---|---|\n")
	keys := p.keys(t)
	var below []key // whose sections stand here
	for _, k := range keys {
		if of := inner(k.typ); isMap(of) && p.at[of] == "" {
			p.at[of] = join(at, k.name) + marks(k.typ)
			below = append(below, k)
		}
	}
	for _, k := range keys {
		if k.typ.Kind() == reflect.Bool && k.byDefault == "" {
			k.byDefault = "`false`"
		}
		name := "`" + k.name + "`"
		if k.required {
			name = "**" + name + "**"
		}
		fmt.Fprintf(p, "| %s | %s | %s | %s |\n", name, cell(p.words(k)), cell(k.byDefault), cell(k.meaning))
	}
	for _, k := range below {
		p.section(inner(k.typ), p.at[inner(k.typ)])
	}
}

func join(at, key string) string {
	if at == "" {
		return key
	}
	return at + "." + key
}

// marks are what a section's title has behind a list or a map of maps.
func marks(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Slice:
		return "[]"
	case reflect.Map:
		return ".NAME"
	}
	return ""
}

// isMap tells whether a type is written as a map with keys of its own.
func isMap(t reflect.Type) bool {
	_, one := scalars()[t]
	return t.Kind() == reflect.Struct && !one
}

// words say what may be written for a key.
func (p *page) words(k key) string {
	if k.words != nil {
		return "`" + strings.Join(k.words, "`, `") + "`"
	}
	t := k.typ
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	of, lists := t, ""
	switch {
	case scalars()[t].words != "":
	case t.Kind() == reflect.Slice:
		of, lists = t.Elem(), "list: "
	case t.Kind() == reflect.Map:
		of, lists = t.Elem(), "map from a name to: "
	}
	if one, ok := scalars()[of]; ok {
		return lists + one.words
	}
	what := fmt.Sprintf("[map](#%s)", regexp.MustCompile(`[^a-z0-9_-]`).ReplaceAllString(strings.ToLower(p.at[of]), ""))
	if s, ok := shorts()[of]; ok {
		what = s.words + ", or a " + what
	}
	return lists + what
}

// intro is what stands above a section's table.
func (p *page) intro(t reflect.Type) string {
	text := regexp.MustCompile(`(?s)(^| )[^.]*\b(zero (value|Rule)|nil is)\b[^.]*\.`).ReplaceAllString(p.about(t), "")
	text = regexp.MustCompile(`\[([^]]+)\]\(([^)]+)\)`).ReplaceAllString(text, "<$2>")
	return strings.TrimSpace(p.keyNames(t, "", strings.ToUpper(text[:1])+text[1:]))
}

// cell keeps a text within its cell.
func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
