package store_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/store"
)

// same reports whether two masters are the same key, by sealing with one and
// opening with the other.
func same(t *testing.T, a, b store.Master) bool {
	t.Helper()
	s, now := openSQLite(t), time.Now()
	if _, err := s.Ring(t.Context(), a, numbered("x"), now); err != nil {
		t.Fatal(err)
	}
	_, err := s.Ring(t.Context(), b, numbered("x"), now)
	return err == nil
}

func TestConfiguredMaster(t *testing.T) {
	key := bytes.Repeat([]byte{0xfb, 0xff}, 16) // + and / in base64
	want, err := store.LoadMaster("", hex.EncodeToString(key))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		strings.ToUpper(hex.EncodeToString(key)), base64.StdEncoding.EncodeToString(key), "\n " + hex.EncodeToString(key) + "\n",
	} {
		if got, err := store.LoadMaster("postgres://x/y", text); err != nil || !same(t, want, got) {
			t.Errorf("%q: %v, or another key", text, err)
		}
	}
	const short = "correct horse battery staple"
	_, err = store.LoadMaster(t.TempDir(), short)
	if err == nil || !strings.Contains(err.Error(), "master_key: must be 32 bytes") || strings.Contains(err.Error(), short) {
		t.Errorf("got %v", err)
	}
}

func TestMasterIsRequiredWithPostgres(t *testing.T) {
	_, err := store.LoadMaster("postgres://gw:hunter2@db/gw", "")
	if err == nil || !strings.Contains(err.Error(), "master_key") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
}

func TestMasterFile(t *testing.T) {
	dir := t.TempDir()
	masters := make([]store.Master, 8)
	var wg sync.WaitGroup
	for i := range masters { // all find no file
		wg.Go(func() {
			var err error
			if masters[i], err = store.LoadMaster(dir, ""); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, m := range masters {
		if !same(t, masters[0], m) {
			t.Error("two loads at once gave two keys")
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != "master.key" {
		t.Errorf("the directory has %v, %v", entries, err)
	}
	file := filepath.Join(dir, "master.key")
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	other, err := store.LoadMaster(t.TempDir(), "")
	if err != nil || same(t, masters[0], other) {
		t.Errorf("another directory has the same key, %v", err)
	}
}

func TestBadMasterFile(t *testing.T) {
	good := hex.EncodeToString(bytes.Repeat([]byte{7}, 32))
	for _, row := range []struct {
		name, text string
		mode       os.FileMode
		want       string
	}{
		{"readable by all", good, 0o604, "chmod 600"},
		{"readable by the group", good, 0o640, "chmod 600"},
		{"empty", "", 0o600, "damaged"},
		{"cut", good[:40], 0o600, "damaged"},
	} {
		dir := t.TempDir()
		file := filepath.Join(dir, "master.key")
		if err := os.WriteFile(file, []byte(row.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, row.mode); err != nil {
			t.Fatal(err)
		}
		_, err := store.LoadMaster(dir, "")
		if err == nil || !strings.Contains(err.Error(), row.want) || !strings.Contains(err.Error(), file) || strings.Contains(err.Error(), good[:40]) {
			t.Errorf("%s: %v", row.name, err)
		}
		if text, err := os.ReadFile(file); err != nil || string(text) != row.text {
			t.Errorf("%s: the file was changed to %q, %v", row.name, text, err)
		}
	}
	if _, err := store.LoadMaster(filepath.Join(t.TempDir(), "missing"), ""); err == nil {
		t.Error("a missing directory is no error")
	}
}

func TestNothingPrintsAMaster(t *testing.T) {
	key := bytes.Repeat([]byte{0xab}, 32)
	m, err := store.LoadMaster("", hex.EncodeToString(key))
	if err != nil {
		t.Fatal(err)
	}
	nested := struct{ m store.Master }{m} // unexported: no method of Master is asked
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "m", m, "n", nested)
	//lint:ignore SA9005 that nothing is marshalled is what is tested
	js, _ := json.Marshal(m)
	all := log.String() + string(js)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x"} {
		all += fmt.Sprintf(verb, m) + fmt.Sprintf(verb, nested)
	}
	for _, secret := range []string{"171 171", "abab", "0xab", base64.StdEncoding.EncodeToString(key)[:8]} {
		if strings.Contains(all, secret) {
			t.Errorf("%q in %s", secret, all)
		}
	}
}
