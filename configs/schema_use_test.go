package configs_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/cocoom/cocoom-gateway/configs"
)

// compiled reads one of the schemas as an editor would.
func compiled(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	for _, file := range []string{"schema.json", "schema.route.json"} {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(content))
		if err == nil {
			err = c.AddResource("https://test/"+file, doc)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	s, err := c.Compile("https://test/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// tree reads YAML as an editor does, by another reader than the loader's.
func tree(t *testing.T, content []byte) (any, error) {
	t.Helper()
	var v any
	if err := yaml.Unmarshal(content, &v); err != nil {
		return nil, err
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return jsonschema.UnmarshalJSON(bytes.NewReader(raw))
}

// TestSchemaTakesExamples: what loads is good, and each example names its schema.
func TestSchemaTakesExamples(t *testing.T) {
	for pattern, schema := range map[string]string{"*.yaml": "schema.json", "routes.d/*.yaml": "schema.route.json", "testdata/example.yaml": "schema.json"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatal("no files", err)
		}
		s := compiled(t, schema)
		for _, file := range files {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			v, err := tree(t, content)
			if err == nil {
				err = s.Validate(v)
			}
			if err != nil {
				t.Errorf("%s: %v", file, err)
			}
			up, err := filepath.Rel(filepath.Dir(file), schema)
			if first := "# yaml-language-server: $schema=" + up + "\n"; err == nil && !strings.HasPrefix(file, "testdata") && !bytes.HasPrefix(content, []byte(first)) {
				t.Errorf("%s does not begin with %s", file, first)
			}
		}
	}
}

// TestSchemaRefuses what is mistaken by its form alone.
func TestSchemaRefuses(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	s, refused := compiled(t, "schema.json"), 0
	byForm := regexp.MustCompile(`:\d+:\d+: [^:]*: (unknown key|has no value|is no (duration|date|range)|is (a map|a list|a text|a number|true or false): )`)
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		said, err := os.ReadFile(strings.TrimSuffix(file, ".yaml") + ".txt")
		if err != nil {
			t.Fatal(err)
		}
		v, err := tree(t, content)
		about := regexp.MustCompile(`(?m)^`+regexp.QuoteMeta(file)+`.*`).FindAll(said, -1) // not about what it includes
		if err != nil || !byForm.Match(bytes.Join(about, []byte("\n"))) {
			continue
		}
		refused++
		if s.Validate(v) == nil {
			t.Errorf("%s is good to the schema, but\n%s", file, said)
		}
	}
	if refused < 8 {
		t.Errorf("only %d files", refused)
	}
}

// TestSchemaDemands: what the schema says is required, or one of a few words, is
// so to the loader. complete.yaml has an instance of everything.
func TestSchemaDemands(t *testing.T) {
	content, err := os.ReadFile("complete.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var root map[string]any
	if err := yaml.Unmarshal(content, &root); err != nil {
		t.Fatal(err)
	}
	delete(root, "include")
	d := demands{generator: &generator{t, readSource(t)}, root: root, schema: compiled(t, "schema.json"), tried: map[string]bool{}}
	if d.load(); len(d.found) > 0 {
		t.Fatal(d.found)
	}
	d.look(reflect.TypeFor[configs.Config](), root, "")
	if len(d.tried) < 20 {
		t.Errorf("only %d keys: %v", len(d.tried), d.tried)
	}
}

// demands changes one key of a good file at a time.
type demands struct {
	*generator
	root   map[string]any
	schema *jsonschema.Schema
	tried  map[string]bool

	found []configs.Mistake // by the loader, of the file as it is
	good  bool              // to the schema
}

func (d *demands) load() {
	d.t.Helper()
	content, err := yaml.Marshal(d.root)
	if err != nil {
		d.t.Fatal(err)
	}
	v, err := tree(d.t, content)
	if err != nil {
		d.t.Fatal(err)
	}
	d.good, d.found = d.schema.Validate(v) == nil, nil
	if _, err := configs.Load(write(d.t, "gateway.yaml", string(content)), environment); err != nil {
		d.found = mistakes(d.t, err)
	}
}

// unknown tells whether the loader did not know what stands at a key.
func (d *demands) unknown(key string) bool {
	for _, m := range d.found {
		if m.Key == key && (strings.Contains(m.Text, "is unknown") || strings.HasPrefix(m.Text, "must be ")) {
			return true
		}
	}
	return false
}

func (d *demands) look(t reflect.Type, v any, at string) {
	switch t.Kind() {
	case reflect.Pointer:
		d.look(t.Elem(), v, at)
	case reflect.Slice:
		items, _ := v.([]any)
		for i, item := range items {
			d.look(t.Elem(), item, fmt.Sprintf("%s[%d]", at, i))
		}
	case reflect.Map:
		entries, _ := v.(map[string]any)
		for name, entry := range entries {
			d.look(t.Elem(), entry, join(at, name))
		}
	case reflect.Struct:
		if entries, ok := v.(map[string]any); ok && isMap(t) {
			for _, k := range d.keys(t) {
				if value, there := entries[k.name]; there {
					d.try(t, k, entries, join(at, k.name))
					d.look(k.typ, value, join(at, k.name))
				}
			}
		}
	}
}

// try changes the key in its map, and puts it back.
func (d *demands) try(t reflect.Type, k key, in map[string]any, at string) {
	name, before := nameOf(t)+"."+k.name, maps.Clone(in)
	if d.tried[name] || !k.required && k.words == nil {
		return
	}
	d.tried[name] = true
	defer func() { in[k.name] = before[k.name] }()
	for _, word := range k.words {
		in[k.name] = word
		if d.load(); d.unknown(at) || !d.good {
			d.t.Errorf("%s: %s: found %v, good to the schema: %t", at, word, d.found, d.good)
		}
	}
	if k.words != nil {
		in[k.name] = "nonsense"
		if d.load(); !d.unknown(at) || d.good {
			d.t.Errorf("%s: nonsense: found %v, good to the schema: %t", at, d.found, d.good)
		}
	}
	if delete(in, k.name); k.required {
		if d.load(); len(d.found) == 0 || d.good {
			d.t.Errorf("without %s: found %v, good to the schema: %t", at, d.found, d.good)
		}
	}
}
