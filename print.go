package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// printJSON writes v for programs to read, and for people.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// plural says how many there are of what, a word that takes an s.
func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// minute is a moment by this machine's clock, for people.
func minute(t time.Time) string { return t.Local().Format("2006-01-02 15:04 MST") }
