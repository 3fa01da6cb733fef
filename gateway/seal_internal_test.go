package gateway

import (
	"net/http"
	"strings"
	"testing"
)

// FuzzSealed: what is sealed opens in the one spelling that it was given in, for
// its own purpose and host alone.
func FuzzSealed(f *testing.F) {
	var s Sealer
	if err := s.Set([]SealKey{{ID: "new", Value: []byte("0123456789abcdef0123456789abcdef")}, {ID: "old", Value: []byte("fedcba9876543210fedcba9876543210")}}); err != nil {
		f.Fatal(err)
	}
	// Sealed once with the first key: what workers of a fuzz run seal each for
	// themselves would differ.
	const sealed = "EVB6DrJ33xfTA7lhN6R8Cu8hDLPmyvRI2JDol9LadPFhKSWNKgh5IkQ"
	for _, last := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_" {
		f.Add(sealed[:len(sealed)-1] + string(last)) // of which the last bits mean nothing
	}
	for _, seed := range []string{sealed, sealed + "=", sealed + "\n", sealed[:len(sealed)-1], sealed[1:], "", "A", "AAAA", "AAAAAA", strings.ReplaceAll(sealed, "-", "+"), sealed + sealed, sealed[:6]} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		plain, err := s.open(kindSession, "a.cocoom.com", text)
		if (err == nil) != (text == sealed) || err == nil && string(plain) != `{"i":"x"}` || err != nil && err != errSeal {
			t.Errorf("%q opens as %q, %v", text, plain, err)
		}
		for _, k := range []kind{kindLogin, kindToken, kindDraft, kindSetup, kindInstall, ""} {
			if _, err := s.open(k, "a.cocoom.com", text); err == nil {
				t.Errorf("%q opens as a %q", text, k)
			}
		}
		if _, err := s.open(kindSession, "b.cocoom.com", text); err == nil {
			t.Errorf("%q opens at another host", text)
		}
		tagOf(text)
	})
}

// FuzzCookieValue: a cookie is found where it stands under its exact name, first
// one first, and nowhere else.
func FuzzCookieValue(f *testing.F) {
	for _, seed := range []string{"__Host-gw=a", "a=b; __Host-gw=c", "__host-gw=a", "__Host_gw=a", " \t__Host-gw=a \t", "__Host-gw =a", "\u2000__Host-gw=a", "=__Host-gw=a", "__Host-gw", "__Host-gw=", "__Host-gw=a;__Host-gw=b",
		"__Host-gw-tab-00=a", `"__Host-gw=a"`, "a=b,__Host-gw=c", ";;;__Host-gw=a=b", "x__Host-gw=a"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		got, want := cookieValue(&http.Request{Header: http.Header{"Cookie": {line}}}, "__Host-gw"), ""
		for _, pair := range strings.Split(line, ";") {
			if name, value, ok := strings.Cut(strings.TrimLeft(pair, " \t"), "="); ok && name == "__Host-gw" {
				want = strings.TrimRight(value, " \t")
				break
			}
		}
		if got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	})
}
