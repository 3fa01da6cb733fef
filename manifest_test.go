package main

import (
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cocoom/cocoom-gateway/configs"
	"github.com/cocoom/cocoom-gateway/internal/slacksim"
)

// TestManifestsOfExamples: Slack would take the app of every route there is an
// example of.
func TestManifestsOfExamples(t *testing.T) {
	files, err := filepath.Glob("configs/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	slack, err := slacksim.New(slacksim.Config{BaseURL: "https://slack.test", NoMethodLimit: true})
	if err == nil {
		err = slack.AddWorkspace(slacksim.Workspace{ID: "T1", People: []slacksim.Person{{ID: "U1"}}})
	}
	if err != nil {
		t.Fatal(err)
	}
	token := slack.ConfigToken("T1", "U1")
	for _, file := range files {
		cfg, err := configs.Load(file, exampleEnvironment)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		for i := range cfg.Routes {
			m := cfg.Manifest(&cfg.Routes[i], true)
			if err := m.Validate(); err != nil {
				t.Errorf("%s: %s: %v", file, cfg.Routes[i].Host, err)
			}
			text, err := m.JSON()
			if err != nil {
				t.Fatal(err)
			}
			call := httptest.NewRequest("POST", "/api/apps.manifest.validate", strings.NewReader(url.Values{"token": {token}, "manifest": {string(text)}}.Encode()))
			call.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			answer := httptest.NewRecorder()
			if slack.ServeHTTP(answer, call); answer.Body.String() != `{"ok":true}` {
				t.Errorf("%s: %s: slack answers %s", file, cfg.Routes[i].Host, answer.Body)
			}
		}
	}
}

// TestManifestBeforeThereAreSecrets: the secrets come from the app that is made
// from the manifest, so it cannot take them.
func TestManifestBeforeThereAreSecrets(t *testing.T) {
	files, err := filepath.Glob("configs/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, file := range files {
		whole, err := configs.Load(file, exampleEnvironment)
		if err != nil {
			t.Fatal(err)
		}
		for i := range whole.Routes {
			r := &whole.Routes[i]
			want, err := whole.Manifest(r, false).YAML()
			if err != nil {
				t.Fatal(err)
			}
			var stdout, stderr strings.Builder
			code := run(t.Context(), []string{"manifest", "-c", file, r.Host}, func(string) string { return "" }, &stdout, &stderr)
			if code != 0 || stdout.String() != string(want) {
				t.Errorf("%s: %s: exit code %d, %s%s", file, r.Host, code, stderr.String(), stdout.String())
			}
		}
	}
}

// exampleEnvironment has every variable that the example files name.
func exampleEnvironment(name string) string {
	switch name {
	case "GATEWAY_MASTER_KEY":
		return strings.Repeat("A", 43) + "="
	case "DATABASE_URL":
		return "postgres://gateway:hunter2@10.0.0.5/gateway"
	}
	if strings.HasSuffix(name, "_HOOK_SECRET") {
		return "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" + strings.Repeat("A", len(name)/4*4)
	}
	return "xoxb-of-" + name + "-0123456789abcdef"
}
