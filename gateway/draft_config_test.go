package gateway

import "testing"

func TestFormLimit(t *testing.T) {
	for word, want := range map[string]int64{"1MiB": 1 << 20, "64KiB": 64 << 10, "5000": 5000, "off": 0, "0": 0} {
		var f FormLimit
		if err := f.UnmarshalYAML(func(into any) error { *into.(*string) = word; return nil }); err != nil || f.bytes() != want {
			t.Errorf("%s: %d bytes, %v; want %d", word, f.bytes(), err, want)
		}
	}
	for _, word := range []string{"", "on", "-1", "1 Mo", "false"} {
		var f FormLimit
		if err := f.UnmarshalYAML(func(into any) error { *into.(*string) = word; return nil }); err == nil {
			t.Errorf("%q is read as %d", word, f.bytes())
		}
	}
	if got := (FormLimit(0)).bytes(); got != 1<<20 {
		t.Errorf("the default is %d bytes", got)
	}
}
