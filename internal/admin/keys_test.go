package admin_test

import (
	"slices"
	"strings"
	"testing"
)

func TestKeys(t *testing.T) {
	l := newListener(t)
	if status, body := l.ask("GET", "/keys", ""); status != 200 || !strings.Contains(body, `"k1": "-----BEGIN PUBLIC KEY-----"`) {
		t.Errorf("/keys answered %d %s", status, body)
	}
	if status, body := l.ask("POST", "/keys/rotate", `{"by":"lea"}`); status != 200 || body != "{}\n" || l.rotate != 1 {
		t.Errorf("/keys/rotate answered %d %s", status, body)
	}
	if got := l.audit(); !slices.Equal(got, []string{"lea keys.rotated"}) {
		t.Errorf("the audit says %q", got)
	}
	if err := l.store.Close(); err != nil {
		t.Fatal(err)
	}
	if status, body := l.ask("POST", "/keys/rotate", `{"by":"lea"}`); status != 503 || l.rotate != 1 {
		t.Errorf("what cannot be written down is done all the same: %d %s", status, body)
	}
}
