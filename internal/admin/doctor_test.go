package admin_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/cocoom/cocoom-gateway/internal/doctor"
)

// TestDoctor: an examination is told line by line, and what is asked wrongly is
// refused before anything is examined.
func TestDoctor(t *testing.T) {
	l := newListener(t)
	status, said := l.ask("POST", "/doctor", `{"by":"lea"}`)
	if status != 200 {
		t.Fatalf("answered %d %s", status, said)
	}
	var last doctor.Event
	findings := 0
	for line := range strings.Lines(said) {
		last = doctor.Event{}
		if err := json.Unmarshal([]byte(line), &last); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if last.Finding != nil {
			findings++
		}
	}
	if last.Summary == nil || last.Summary.Routes != 1 || findings == 0 {
		t.Errorf("told %s", said)
	}
	for body, want := range map[string]int{
		`{}`:                         400,
		`{"by":"lea","hosts":["x"]}`: 400,
		`{"by":"lea","route":"x"}`:   400,
	} {
		if status, said := l.ask("POST", "/doctor", body); status != want {
			t.Errorf("%s: answered %d %s, want %d", body, status, said, want)
		}
	}
	second := 0
	l.resolving = func() { second, _ = l.ask("POST", "/doctor", `{"by":"lea"}`) }
	if l.ask("POST", "/doctor", `{"by":"lea"}`); second != 409 {
		t.Errorf("a second one at once is answered %d", second)
	}
	if status, said := l.ask("POST", "/doctor/live", `{"by":"lea","host":"x"}`); status != 400 || !strings.Contains(said, "no route has the host x") {
		t.Errorf("live answered %d %s", status, said)
	}
	status, said = l.ask("POST", "/doctor/live", `{"by":"lea","host":"a.localhost"}`)
	if status != 200 || !strings.Contains(said, `{"report":{`) {
		t.Errorf("live answered %d %s", status, said)
	}
}
