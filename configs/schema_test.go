package configs_test

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/configs"
	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/internal/secret"
	"github.com/cocoom/cocoom-gateway/notifyhook"
	"github.com/cocoom/cocoom-gateway/policy"
	"github.com/cocoom/cocoom-gateway/proxy"
)

type object = map[string]any

// scalar is a type that is written as one word, as the decoder reads it.
type scalar struct {
	words  string // what the reference calls it
	schema object
}

// scalars are those of the schema's definitions, by Go type.
func scalars() map[reflect.Type]scalar {
	text := object{"type": []string{"string", "number", "boolean"}}
	size := `^[0-9]+ *(B|KB|MB|GB|KiB|MiB|GiB)?$`
	return map[reflect.Type]scalar{
		reflect.TypeFor[string]():            {"text", text},
		reflect.TypeFor[secret.String]():     {"secret", object{"type": []string{"string", "number", "boolean"}, "description": "env:NAME, file:PATH, or the value itself"}},
		reflect.TypeFor[bool]():              {"true or false", object{"type": "boolean"}},
		reflect.TypeFor[int]():               {"number", object{"type": "integer"}},
		reflect.TypeFor[float64]():           {"number", object{"type": "number"}},
		reflect.TypeFor[time.Duration]():     {"duration", object{"type": []string{"string", "integer"}, "pattern": `^([-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+$`, "maximum": 0, "minimum": 0, "description": "a number and a unit, such as 90s, 5m or 12h"}},
		reflect.TypeFor[time.Time]():         {"date", object{"type": "string", "pattern": `^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}([.,][0-9]+)?(Z|[-+][0-9]{2}:[0-9]{2}))?$`, "description": "such as 2027-01-31 or 2027-01-31T18:00:00Z"}},
		reflect.TypeFor[netip.Prefix]():      {"network", object{"type": "string", "pattern": `^[0-9a-fA-F:.]+/[0-9]{1,3}$`, "description": "such as 10.0.0.0/8 or fd00::/8"}},
		reflect.TypeFor[proxy.Size]():        {"size", object{"type": []string{"string", "integer"}, "minimum": 0, "pattern": size, "description": "such as 64MiB or 10MB"}},
		reflect.TypeFor[gateway.FormLimit](): {"size, or `off`", object{"type": []string{"string", "integer"}, "minimum": 0, "pattern": strings.Replace(size, "^", "^off$|^", 1), "description": "such as 1MiB, or off"}},
		reflect.TypeFor[configs.HSTS]():      {"duration, or `off`", object{"type": "string", "pattern": `^off$|^([0-9]+(\.[0-9]*)?(ns|us|µs|μs|ms|s|m|h))+$`, "description": "such as 720h, or off"}},
	}
}

// short is what a type may be written as instead of its map.
type short struct {
	words  string
	schema object
}

// shorts are the types that implement UnmarshalYAML, by Go type.
func shorts() map[reflect.Type]short {
	return map[reflect.Type]short{
		reflect.TypeFor[proxy.Upstream]():        {"URL", object{"type": "string"}},
		reflect.TypeFor[proxy.UpstreamLogin]():   {"`headers`", object{"const": "headers"}},
		reflect.TypeFor[notifyhook.Credential](): {"secret", ref("secret")},
		reflect.TypeFor[policy.Allow]():          {"`public`, `members`, `deny`", object{"enum": []string{"public", "members", "deny"}}},
		reflect.TypeFor[gateway.Maintenance]():   {"true or false", object{"type": "boolean"}},
	}
}

func ref(definition string) object { return object{"$ref": "#/definitions/" + definition} }

// schema makes the JSON Schema of a whole configuration. It is of draft 7, which
// is what editors know best.
func (g *generator) schema() object {
	definitions := object{}
	for t, s := range scalars() {
		if t.PkgPath() != "" || t.Kind() == reflect.String {
			definitions[definitionName(t)] = s.schema
		}
	}
	whole := g.mapSchema(reflect.TypeFor[configs.Config](), definitions)
	whole["$schema"], whole["title"] = "http://json-schema.org/draft-07/schema#", "The configuration of cocoom-gateway"
	whole["definitions"] = definitions
	return whole
}

// definitionName is how definitions call a type.
func definitionName(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[string]():
		return "text"
	case reflect.TypeFor[secret.String]():
		return "secret"
	case reflect.TypeFor[time.Time]():
		return "date"
	case reflect.TypeFor[netip.Prefix]():
		return "network"
	}
	return strings.ToLower(t.Name()[:1]) + t.Name()[1:]
}

func (g *generator) mapSchema(t reflect.Type, definitions object) object {
	properties, demanded := object{}, []string{}
	for _, k := range g.keys(t) {
		s := g.valueSchema(k.typ, definitions)
		if k.words != nil {
			s = object{"enum": k.words}
		}
		// Draft 7 ignores what stands beside a $ref.
		p := object{"description": k.meaning, "allOf": []any{s}}
		if strings.HasPrefix(k.byDefault, "`") {
			p["default"] = strings.Trim(k.byDefault, "`")
		} else if k.byDefault != "" {
			p["description"] = strings.TrimSpace(k.meaning + " Default: " + k.byDefault + ".")
		}
		properties[k.name] = p
		if k.required {
			demanded = append(demanded, k.name)
		}
	}
	s := object{"type": "object", "additionalProperties": false, "properties": properties}
	if len(demanded) > 0 {
		s["required"] = demanded
	}
	return s
}

func (g *generator) valueSchema(t reflect.Type, definitions object) object {
	if s, ok := scalars()[t]; ok {
		if _, defined := definitions[definitionName(t)]; defined {
			return ref(definitionName(t))
		}
		return s.schema
	}
	switch t.Kind() {
	case reflect.Pointer:
		return g.valueSchema(t.Elem(), definitions)
	case reflect.Slice:
		return object{"type": "array", "items": g.valueSchema(t.Elem(), definitions)}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": g.valueSchema(t.Elem(), definitions)}
	case reflect.Struct:
	default:
		g.t.Fatalf("%s: how is it written?", t)
	}
	name := definitionName(t)
	if _, done := definitions[name]; !done {
		definitions[name] = object{} // of what it may hold itself
		whole := g.mapSchema(t, definitions)
		if s, ok := shorts()[t]; ok {
			whole = object{"anyOf": []any{s.schema, whole}}
		} else if _, other := reflect.PointerTo(t).MethodByName("UnmarshalYAML"); other {
			g.t.Errorf("%s may be written in a short form, which is not known here", t)
		}
		definitions[name] = whole
	}
	return ref(name)
}

// TestSchema holds the schemas in step with the types: that of a whole file, and
// that of one that is included.
func TestSchema(t *testing.T) {
	whole := (&generator{t, readSource(t)}).schema()
	golden(t, "schema.json", indented(t, whole))
	golden(t, "schema.route.json", indented(t, object{
		"$schema": whole["$schema"], "title": "A route of cocoom-gateway, or a list of them, in a file that another includes",
		"anyOf": []any{object{"$ref": "schema.json#/definitions/route"}, object{"type": "array", "items": object{"$ref": "schema.json#/definitions/route"}}},
	}))
}

func indented(t *testing.T, v any) []byte {
	t.Helper()
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// golden compares a generated file with what is there, or writes it with -update.
func golden(t *testing.T, name string, want []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(name); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is not what the types and their comments say (%v): go test ./configs -update, and look at the diff", name, err)
	}
}
