package manifest_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/cocoom/cocoom-gateway/internal/manifest"
)

func TestSameInEveryForm(t *testing.T) {
	m := manifest.New(manifest.Spec{RedirectURLs: []string{"https://a.cocoom.com/.gateway/callback"}, BotScopes: []string{"chat:write"}})
	want, err := m.JSON()
	if err != nil {
		t.Fatal(err)
	}
	text, err := m.YAML()
	if err != nil {
		t.Fatal(err)
	}
	var again manifest.Manifest
	if err := yaml.Unmarshal(text, &again); err != nil {
		t.Fatal(err)
	}
	if got, _ := json.Marshal(again); string(got) != string(want) {
		t.Errorf("YAML says %s, JSON %s", got, want)
	}
	link, err := m.Link("https://api.slack.com")
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(link)
	if err != nil || !strings.HasPrefix(link, "https://api.slack.com/apps?new_app=1&") || u.Query().Get("manifest_json") != string(want) {
		t.Errorf("the link is %s", link)
	}
}
