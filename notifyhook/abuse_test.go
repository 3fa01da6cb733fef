package notifyhook

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A form or a list with very many small parts costs what its size says, and its
// answer is not many times its size.
func TestManySmallMistakes(t *testing.T) {
	r, _, _ := newTestRelay(t, sqliteStore(t), "")
	repeat := func(n int, part func(i int) string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(part(i))
		}
		return b.String()
	}
	for _, tt := range []struct {
		name, path, contentType, body string
		status                        int
	}{
		{"to, thousands of times in a form", "/v1/notifications", formType, "text=x&" + repeat(12_000, func(int) string { return "to=&" }), 422},
		{"fields of data in a form", "/v1/notifications", formType, "text=x&to=C01&" + repeat(5_000, func(i int) string { return fmt.Sprintf("data[%d]=&", i) }), 422},
		{"fields of data in a form for a batch", "/v1/notifications/batch", formType, repeat(80_000, func(i int) string { return fmt.Sprintf("data[%d]=&", i) }), 422},
		{"recipients that are none", "/v1/notifications", "application/json", `{"text":"x","to":"` + strings.Repeat("x,", 30_000) + `"}`, 422},
		{"mentions that are none", "/v1/notifications", "application/json", `{"text":"x","to":"C01","mentions":"` + strings.Repeat("x,", 30_000) + `"}`, 422},
		{"one recipient again and again", "/v1/notifications", "application/json", `{"text":"x","to":"` + strings.Repeat("C01,", 15_000) + `"}`, 202},
	} {
		t.Run(tt.name, func(t *testing.T) {
			start := time.Now()
			w := postTo(r, tt.path, tt.body, "Content-Type", tt.contentType)
			took := time.Since(start)
			if w.Code != tt.status || w.Body.Len() > 16<<10 || took > 2*time.Second {
				t.Errorf("got %d with %d bytes after %s: %s", w.Code, w.Body.Len(), took, w.Body.Bytes()[:min(w.Body.Len(), 300)])
			}
		})
	}
}

// A sender that signs with both secrets while it changes over is let in as long
// as one of them is good, in whichever order they are configured and sent.
func TestSignedWithAnExpiredSecretToo(t *testing.T) {
	r, clock, _ := newTestRelay(t, sqliteStore(t), "")
	good, old := signed(t, testSecret, "both", clock.now(), minimalJSON), signed(t, oldSecret, "both", clock.now(), minimalJSON)
	for _, value := range []string{good[5] + " " + old[5], old[5] + " " + good[5]} {
		headers := append([]string{}, good...)
		headers[5] = value
		if w := call(r, "POST", "/v1/notifications", minimalJSON, headers...); w.Code != http.StatusAccepted && w.Code != http.StatusOK {
			t.Errorf("got %d %s", w.Code, w.Body)
		}
	}
	if w := call(r, "POST", "/v1/notifications", minimalJSON, old...); w.Code != http.StatusUnauthorized || !bytes.Contains(w.Body.Bytes(), []byte("secret_expired")) {
		t.Errorf("with the expired one alone: %d %s", w.Code, w.Body)
	}
}
