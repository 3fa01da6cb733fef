package main

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/cocoom/cocoom-gateway/internal/certs/certstest"
)

// TestCertificatesAreShown: the operators' pages and doctor say until when a
// route's certificate is good, and why the authority gives it none.
func TestCertificatesAreShown(t *testing.T) {
	dir := t.TempDir()
	public, redirect := freeAddress(t), freeAddress(t)
	a := certstest.New(t, redirect.Port, public.Port)
	if err := os.WriteFile(dir+"/acme.pem", []byte(a.CA), 0o600); err != nil {
		t.Fatal(err)
	}
	const host, second = "relais.cocoom.com", "second.cocoom.com"
	p := startTLS(t, dir, fmt.Sprintf("acme: {email: ops@cocoom.com, directory: %q, ca: file:acme.pem}", a.Directory), public.String(), redirect.String(), second)
	page := func(path string) string {
		t.Helper()
		_, text, err := (operators{address: p.admin.addr()}).call(t.Context(), http.MethodGet, path, nil)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	cert, err := a.Shake(p.public.ln.Addr(), host)
	if err != nil {
		t.Fatal(err)
	}
	if text := page("/ui/routes/" + host); !strings.Contains(text, cert.NotAfter.UTC().Format("2006-01-02 15:04")) {
		t.Errorf("with a certificate the page says %s", text)
	}
	if list := p.alarms(); len(list) != 0 {
		t.Errorf("with a certificate doctor has %+v", list)
	}
	a.Down.Store(true)
	if _, err := a.Shake(p.public.ln.Addr(), second); err == nil {
		t.Fatal("there is a certificate although the authority is down")
	}
	for _, path := range []string{"/ui/", "/ui/alarms", "/ui/routes/" + second, "/alarms"} {
		if text := page(path); !strings.Contains(text, "The authority gave none") || !strings.Contains(text, "503") {
			t.Errorf("%s does not say why there is no certificate: %s", path, text)
		}
	}
	if list := p.alarms(); len(list) != 1 || list[0].Route != second || list[0].Since.IsZero() || !strings.Contains(list[0].Reason, "503") {
		t.Errorf("doctor has %+v", list)
	}

}
