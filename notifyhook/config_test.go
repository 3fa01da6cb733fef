package notifyhook

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
)

func TestSettingsYAML(t *testing.T) {
	var s Settings
	err := yaml.UnmarshalWithOptions([]byte("signing_secrets:\n  - {id: k1, value: "+testSecret+", not_after: 2027-01-31}\nbearer_tokens: ["+testToken+"]\n"), &s, yaml.Strict())
	if err != nil {
		t.Fatal(err)
	}
	if s.SigningSecrets[0].ID != "k1" || s.SigningSecrets[0].Value != testSecret || s.BearerTokens[0].Value != testToken {
		t.Errorf("got %#v", s)
	}
	if got, want := s.SigningSecrets[0].end(), time.Date(2027, 2, 1, 0, 0, 0, 0, time.UTC); !got.Equal(want) {
		t.Errorf("a bare date ends %s, want %s", got, want)
	}
	if err := yaml.UnmarshalWithOptions([]byte("merge: off"), &s, yaml.Strict()); err != nil || s.Merge != mergeOff {
		t.Errorf("off, which is a boolean elsewhere: %q, %v", s.Merge, err)
	}
	if err := yaml.UnmarshalWithOptions([]byte("bearer_tokens: [{valeu: x}]"), &s, yaml.Strict()); err == nil {
		t.Error("an unknown key in a credential passed")
	}
}

func TestSettingsValidate(t *testing.T) {
	past := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	token := Credential{Value: testToken}
	tests := []struct {
		name string
		s    Settings
		want []string // keys
	}{
		{"empty", Settings{}, nil},
		{"good", Settings{SigningSecrets: []Credential{{Value: testSecret}, {Value: newSecret}}, BearerTokens: []Credential{token}}, nil},
		{"pasted with version", Settings{SigningSecrets: []Credential{{Value: "v1," + testSecret}}}, nil},
		{"third is expired", Settings{SigningSecrets: []Credential{{Value: testSecret}, {Value: newSecret}, {Value: oldSecret, NotAfter: past}}}, nil},
		{"three active", Settings{SigningSecrets: []Credential{{Value: testSecret}, {Value: newSecret}, {Value: oldSecret}}}, []string{"signing_secrets"}},
		{"no prefix", Settings{SigningSecrets: []Credential{{Value: "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}}}, []string{"signing_secrets[0].value"}},
		{"not base64", Settings{SigningSecrets: []Credential{{Value: "whsec_%%%"}}}, []string{"signing_secrets[0].value"}},
		{"23 bytes", Settings{SigningSecrets: []Credential{{Value: "whsec_QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="}}}, []string{"signing_secrets[0].value"}},
		{"short token", Settings{BearerTokens: []Credential{{Value: "hunter2"}}}, []string{"bearer_tokens[0].value"}},
		{"token with space", Settings{BearerTokens: []Credential{{Value: "hunter2 hunter2 hunter2"}}}, []string{"bearer_tokens[0].value"}},
		{"same id", Settings{BearerTokens: []Credential{{ID: "2", Value: testToken}, {Value: otherToken}}}, []string{"bearer_tokens[1].id"}},
		{"same value", Settings{BearerTokens: []Credential{token, token}}, []string{"bearer_tokens[1].value"}},
		{"no value", Settings{BearerTokens: []Credential{{ID: "a"}}}, []string{"bearer_tokens[0].value"}},
		{"merge", Settings{Merge: "off", Broadcast: true}, nil},
		{"merge misspelt", Settings{Merge: "of"}, []string{"merge"}},
		{"limits", Settings{Collapse: 10 * time.Second, Limits: Limits{Backlog: 5}}, nil},
		{"collapse back in time", Settings{Collapse: -time.Second}, []string{"collapse"}},
		{"collapse for days", Settings{Collapse: 25 * time.Hour}, []string{"collapse"}},
		{"backlog below zero", Settings{Limits: Limits{Backlog: -1}}, []string{"limits.backlog"}},
		{"link host", Settings{LinkHosts: []string{"https://x.fr"}}, []string{"link_hosts[0]"}},
		{"retention", Settings{Retention: 24 * time.Hour}, nil},
		{"too short a retention", Settings{Retention: 24*time.Hour - 1}, []string{"retention"}},
		{"retention before time", Settings{Retention: -48 * time.Hour}, []string{"retention"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			tt.s.Validate(func(key, text string) {
				got = append(got, key)
				for _, c := range append(tt.s.SigningSecrets, tt.s.BearerTokens...) {
					if v := c.Value.Reveal(); v != "" && strings.Contains(text, v) {
						t.Errorf("%s prints the secret: %s", key, text)
					}
				}
				if text == "" || strings.Contains(fmt.Sprint(text), "%!") {
					t.Errorf("%s: text %q", key, text)
				}
			})
			if !slices.Equal(got, tt.want) {
				t.Errorf("keys %q, want %q", got, tt.want)
			}
		})
	}
}
