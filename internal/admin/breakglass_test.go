package admin_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/admin"
)

func TestBreakGlass(t *testing.T) {
	l := newListener(t)
	l.addPeople()
	for body, user := range map[string]string{
		`{"by":"lea","host":"a.localhost","email":"marie@example.com","seconds":60}`:                      "U0MARIE",
		`{"by":"lea","host":"a.localhost","email":"zoe@example.com","seconds":60}`:                        "break-glass:zoe@example.com",
		`{"by":"lea","host":"a.localhost","email":"boss@example.com","user_id":"U0BOSS","seconds":14400}`: "U0BOSS",
	} {
		status, said := l.ask("POST", "/break-glass", body)
		var link admin.BreakGlassLink
		if err := json.Unmarshal([]byte(said), &link); err != nil || status != 200 || link.User != user ||
			!strings.HasPrefix(link.URL, "http://a.localhost/.gateway/break-glass?key=") || time.Until(link.Expires) < 50*time.Minute {
			t.Errorf("%s: answered %d %s, want %s", body, status, said, user)
		}
	}
	for body, want := range map[string]string{
		`{"by":"lea","host":"a.localhost","email":"boss@example.com","seconds":60}`:    "U0PAUL, who would be refused",
		`{"by":"lea","host":"a.localhost","email":"marie","seconds":60}`:               "is no e-mail address",
		`{"by":"lea","host":"c.localhost","email":"marie@example.com","seconds":60}`:   "no route",
		`{"by":"lea","host":"a.localhost","email":"marie@example.com"}`:                "must last between",
		`{"by":"lea","host":"a.localhost","email":"marie@example.com","seconds":9e18}`: "the body is not what was expected",
	} {
		if status, said := l.ask("POST", "/break-glass", body); status != 400 || !strings.Contains(said, want) {
			t.Errorf("%s: answered %d %s, want %q", body, status, said, want)
		}
	}
	if got := l.audit(); len(slices.Compact(got)) != 1 || got[0] != "lea break_glass.made a.localhost" {
		t.Errorf("the audit says %q", got)
	}
}
