package notifyhook

import (
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

func TestHookSettings(t *testing.T) {
	const good = "{id: alertmanager, tokens: [" + hookSecret + "], to: '#ops'}"
	for _, row := range []struct {
		name, yaml string
		want       []string // keys with a mistake
	}{
		{"good", good, nil},
		{"long form, two tokens, a person", "{id: a-1_b, tokens: [{id: new, value: 0123456789abcdef, not_after: 2099-01-31}, 0123456789abcdeF], to: marie@agrafmania.fr}", nil},
		{"same id", good + ", " + good, []string{"hooks[1].id"}},
		{"no id", "{tokens: [0123456789abcdef], to: C0GENERAL}", []string{"hooks[0].id"}},
		{"id with a slash", "{id: a/b, tokens: [0123456789abcdef], to: C0GENERAL}", []string{"hooks[0].id"}},
		{"no token", "{id: a, to: C0GENERAL}", []string{"hooks[0].tokens"}},
		{"short token", "{id: a, tokens: [hunter2], to: C0GENERAL}", []string{"hooks[0].tokens[0].value"}},
		{"token with a slash", "{id: a, tokens: [0123456789abcdef/x], to: C0GENERAL}", []string{"hooks[0].tokens[0].value"}},
		{"three tokens", "{id: a, tokens: [0123456789abcdef, 1123456789abcdef, 2123456789abcdef], to: C0GENERAL}", []string{"hooks[0].tokens"}},
		{"no recipient", "{id: a, tokens: [0123456789abcdef]}", []string{"hooks[0].to"}},
		{"a recipient without #", "{id: a, tokens: [0123456789abcdef], to: ops}", []string{"hooks[0].to"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			var s Settings
			if err := yaml.UnmarshalWithOptions([]byte("hooks: ["+row.yaml+"]"), &s, yaml.Strict()); err != nil {
				t.Fatal(err)
			}
			var got []string
			s.Validate(func(key, text string) {
				got = append(got, key)
				if strings.Contains(text, "0123456789abcdef") || strings.Contains(text, "hunter2") {
					t.Errorf("%s prints the token: %s", key, text)
				}
			})
			if !slices.Equal(got, row.want) {
				t.Errorf("mistakes at %q, want %q", got, row.want)
			}
		})
	}
}
