package main

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cocoom/cocoom-gateway/proxy"
)

// TestKeysOfARunningGateway rotates and exports as an operator does.
func TestKeysOfARunningGateway(t *testing.T) {
	p := startProgram(t, "./data")
	dir := filepath.Join(t.TempDir(), "keys")
	export := []string{"keys", "export", "--dir", dir, "--admin", p.admin.addr()}
	exported := func(want string) []string {
		t.Helper()
		if out := command(t, export...); !strings.HasPrefix(out, want+" in ") {
			t.Fatalf("export says %s", out)
		}
		files, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil {
			t.Fatal(err)
		}
		jwks := string(p.keys.signing.JWKS())
		for _, file := range files {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			block, _ := pem.Decode(content)
			if block == nil {
				t.Fatalf("%s holds %s", file, content)
			}
			if _, err := x509.ParsePKIXPublicKey(block.Bytes); err != nil || !strings.Contains(jwks, `"`+strings.TrimSuffix(filepath.Base(file), ".pem")+`"`) {
				t.Errorf("%s is none of %s (%v)", file, jwks, err)
			}
		}
		return files
	}
	first := exported("1 key")
	for range 2 { // the second finds the new key announced already
		if out := command(t, "keys", "rotate", "--admin", p.admin.addr()); !strings.Contains(out, "48h") {
			t.Fatalf("rotate says %s", out)
		}
	}
	if files := exported("2 keys"); len(files) != 2 || !slices.Contains(files, first[0]) {
		t.Errorf("after a rotation there are %q, before %q", files, first)
	}

	// What nobody publishes any more goes, and what a crash has left.
	gone, left := filepath.Join(dir, "GONE.pem"), filepath.Join(dir, "HALF.pem.new")
	content, err := os.ReadFile(first[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{gone, left} {
		if err := os.WriteFile(name, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if files := exported("2 keys"); len(files) != 2 {
		t.Errorf("there are %q", files)
	}

	// A directory with anything else in it is left alone.
	private, err := proxy.GenerateKey("ES256")
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		"README": nil, "tls.pem": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
		"both.pem": append(slices.Clone(content), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE"})...),
	} {
		file := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(file, content, 0o600), os.WriteFile(gone, content, 0o600)); err != nil {
			t.Fatal(err)
		}
		_, errs := exits(t, 1, export...)
		if _, err := os.Stat(file); err != nil || !strings.Contains(errs, "no public key") {
			t.Errorf("with %s export says %s (%v)", name, errs, err)
		}
		os.Remove(file)
		os.Remove(gone)
	}
}
