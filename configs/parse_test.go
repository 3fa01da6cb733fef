package configs

import (
	"reflect"
	"testing"
)

func TestColonsInBrackets(t *testing.T) {
	for content, want := range map[string]any{
		"[env:A]":                            []any{"env:A"},
		"{a: [env:B]}":                       map[string]any{"a": []any{"env:B"}},
		"{a: [env:B, file:/c]}":              map[string]any{"a": []any{"env:B", "file:/c"}},
		"{a: [x:y:z]}":                       map[string]any{"a": []any{"x:y:z"}},
		"{a: [2001:db8::/32, fd00::/8]}":     map[string]any{"a": []any{"2001:db8::/32", "fd00::/8"}},
		"{a: [127.0.0.1:80, 10:20]}":         map[string]any{"a": []any{"127.0.0.1:80", "10:20"}},
		"{a: env:B, c: d}":                   map[string]any{"a": "env:B", "c": "d"},
		"{a: [{b: env:C}, {d: http://e:1}]}": map[string]any{"a": []any{map[string]any{"b": "env:C"}, map[string]any{"d": "http://e:1"}}},
		`{"a":b, c: ["d": e]}`:               map[string]any{"a": "b", "c": []any{map[string]any{"d": "e"}}},
		"{a: [b: c]}":                        map[string]any{"a": []any{map[string]any{"b": "c"}}},
		"{a: [é:é]}":                         map[string]any{"a": []any{"é:é"}},
		"{a: [b:c # d:e\n, f:g]}":            map[string]any{"a": []any{"b:c", "f:g"}},
	} {
		root, m := parse([]byte(content))
		if m != nil {
			t.Errorf("%s: %s", content, m)
		} else if got := anyOf(root); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v, want %v", content, got, want)
		}
	}
}
