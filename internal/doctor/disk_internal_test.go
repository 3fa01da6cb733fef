package doctor

import (
	"errors"
	"strings"
	"testing"
)

// TestDisk: what a file system may have left, from nothing to plenty.
func TestDisk(t *testing.T) {
	healthy := volume{bytes: 20 << 30, inodes: 1 << 20, counted: true, mode: 0o700}
	for name, row := range map[string]struct {
		change func(v *volume)
		want   Result
		says   string
	}{
		"healthy":             {func(*volume) {}, OK, "20.0 GiB are free"},
		"full":                {func(v *volume) { v.bytes = 0 }, Wrong, "is full: 0 bytes are free"},
		"nearly full":         {func(v *volume) { v.bytes = 300 << 20 }, Warning, "nearly full: 300.0 MiB"},
		"no inodes":           {func(v *volume) { v.inodes = 0 }, Wrong, "takes no more files: 0 are left"},
		"few inodes":          {func(v *volume) { v.inodes = 5000 }, Warning, "few more files"},
		"inodes not counted":  {func(v *volume) { v.inodes, v.counted = 0, false }, OK, ""},
		"mounted read-only":   {func(v *volume) { v.writable = errors.New("read-only file system") }, Wrong, "read-only file system"},
		"no space left to us": {func(v *volume) { v.writable = errors.New("no space left on device") }, Wrong, "no space left"},
		"open to the group":   {func(v *volume) { v.mode = 0o750 }, Wrong, "mode 0750"},
	} {
		v, n := healthy, notes{}
		row.change(&v)
		v.judge("/state", &n)
		if len(n.list) != 1 || n.list[0].Result != row.want || !strings.Contains(n.list[0].Text, row.says) {
			t.Errorf("%s: found %+v, want %s %q", name, n.list, row.want, row.says)
		}
	}
}

// TestSearch: the limit is found wherever it lies, with few tries.
func TestSearch(t *testing.T) {
	for limit := range 70 {
		tries := 0
		got := search(64, func(kib int) (bool, string) {
			tries++
			return kib <= limit, "metadata_too_large"
		})
		if got.KiB != min(limit, 64) || got.More != (limit >= 64) || got.More != (got.Error == "") || tries > 8 {
			t.Errorf("limit %d: found %+v after %d tries", limit, got, tries)
		}
	}
}
