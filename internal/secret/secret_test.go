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
	printed := map[string]string{"json": string(js), "slog": log.String(), "struct": fmt.Sprintf("%+v %#v", wrapped{s}, wrapped{s})}
	for _, verb := range []string{"%v", "%s", "%q", "%#v", "%x"} {
		printed[verb] = fmt.Sprintf(verb, s)
	}
	for name, got := range printed {
		if strings.Contains(got, "hunter2") || strings.Contains(got, fmt.Sprintf("%x", "hunter2")) {
			t.Errorf("%s printed the secret: %s", name, got)
		}
	}
	if s.Reveal() != "hunter2" || secret.String("").String() != "" {
		t.Error("Reveal must give the value, and an empty secret prints nothing")
	}
}
