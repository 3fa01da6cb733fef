package secret_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/cocoom/cocoom-gateway/internal/secret"
)

func TestNothingPrintsASecret(t *testing.T) {
	s := secret.String("hunter2")
	type wrapped struct{ Token secret.String }
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "token", s, "in", wrapped{s})
	js, err := json.Marshal(wrapped{s})
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]string{
		"%v": fmt.Sprintf("%v", s), "%s": fmt.Sprintf("%s", s), "%q": fmt.Sprintf("%q", s),
		"%+v": fmt.Sprintf("%+v", wrapped{s}), "%#v": fmt.Sprintf("%#v", wrapped{s}), "%x": fmt.Sprintf("%x", s),
		"json": string(js), "slog": log.String(),
	} {
		if strings.Contains(got, "hunter2") || strings.Contains(got, fmt.Sprintf("%x", "hunter2")) {
			t.Errorf("%s printed the secret: %s", name, got)
		}
	}
	if s.Reveal() != "hunter2" || secret.String("").String() != "" {
		t.Error("Reveal must give the value, and an empty secret prints nothing")
	}
}
