package main

import (
	"encoding/json"
	"strings"
	"testing"
)

// A name that would clear an operator's screen, or write itself backwards, is
// read as it is.
func TestControlCharactersInOutput(t *testing.T) {
	const name = "é\t\x1b[2J\u009b31m\u202Egnp.\u200b\r\x00\n"
	var out strings.Builder
	if n, err := (legible{&out}).Write([]byte(name + "\x9b")); err != nil || n != len(name)+1 {
		t.Errorf("wrote %d, %v", n, err)
	}
	if want := "é\t" + `\u001b[2J\u009b31m\u202egnp.` + "\u200b" + `\u000d\u0000` + "\n\uFFFD"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
	out.Reset()
	var back string
	if err := printJSON(legible{&out}, name); err != nil || json.Unmarshal([]byte(out.String()), &back) != nil || back != name {
		t.Errorf("JSON %s gives %q, %v", out.String(), back, err)
	}
	out.Reset()
	if code := run(t.Context(), []string{"health", "--\u009b31m"}, func(string) string { return "" }, &out, &out); code == 0 || strings.Contains(out.String(), "\u009b") {
		t.Errorf("a mistake of the command line is told as %q", out.String())
	}
}
