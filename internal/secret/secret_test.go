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
	for verb := 'A'; verb <= 'z'; verb++ {
		if strings.ContainsRune("pw", verb) {
			continue // no method is asked
		}
		for _, flags := range []string{"", "+", "#", " ", "0", "-12", ".40", "#+"} {
			format := "%" + flags + string(verb)
			for kind, value := range map[string]any{
				"itself": s, "pointer": &s, "list": []secret.String{s}, "map": map[secret.String]secret.String{s: s},
				"struct": wrapped{s}, "pointer to struct": &wrapped{s},
			} {
				printed[format+" "+kind] = fmt.Sprintf(format, value)
			}
		}
	}
	verbless := strings.ToLower("NO VERB") // a constant would be refused
	printed[verbless] = fmt.Sprintf(verbless, s)
	for name, got := range printed {
		for _, shape := range []string{"%s", "%x", "%X", "% x", "%d", "%U", "%b", "%o"} {
			if strings.Contains(got, strings.Trim(fmt.Sprintf(shape, []byte("hunter2")), "[]")) {
				t.Errorf("%s printed the secret: %s", name, got)
			}
		}
	}
	if got := fmt.Sprintf("%d|%v|%s", s, s, secret.String("")); got != "<secret>|<secret>|" {
		t.Errorf("got %s", got)
	}
	if s.Reveal() != "hunter2" || secret.String("").String() != "" {
		t.Error("Reveal must give the value, and an empty secret prints nothing")
	}
}
