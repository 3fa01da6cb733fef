package main

import (
	"io"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// TestHelp: every command says in one line what it does, and shows a command
// line that works.
func TestHelp(t *testing.T) {
	var visit func(cmd *cobra.Command)
	visit = func(cmd *cobra.Command) {
		for _, below := range cmd.Commands() {
			visit(below)
		}
		if s := cmd.Short; s == "" || len(s) > 76 || strings.HasSuffix(s, ".") || strings.Contains(s, "\n") || s[:1] != strings.ToUpper(s[:1]) {
			t.Errorf("%s: the short help is %q", cmd.CommandPath(), s)
		}
		if cmd.Example == "" {
			t.Errorf("%s: no example", cmd.CommandPath())
		}
		for line := range strings.Lines(cmd.Example) {
			line = strings.TrimSuffix(line, "\n")
			words, ok := strings.CutPrefix(line, "  cocoom-gateway ")
			// Nothing runs: only what the line means is looked at.
			meant, args, err := rootCommand(os.Getenv, nil).Find(strings.Fields(words))
			if err == nil {
				if err = meant.ParseFlags(args); err == nil {
					err = meant.ValidateRequiredFlags()
				}
			}
			if !ok || err != nil || !strings.HasPrefix(meant.CommandPath(), cmd.CommandPath()) {
				t.Errorf("%s: the example %q means %s (%v)", cmd.CommandPath(), line, meant.CommandPath(), err)
			}
		}
		var help strings.Builder
		cmd.SetOut(&help)
		if err := cmd.Help(); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(help.String()) {
			if line = strings.TrimSuffix(line, "\n"); utf8.RuneCountInString(line) > helpWidth && !strings.HasPrefix(line, "  cocoom-gateway ") {
				t.Errorf("%s: a line of the help does not fit a terminal: %s", cmd.CommandPath(), line)
			}
		}
	}
	visit(rootCommand(os.Getenv, nil))
}

// TestHelpOfAMisusedCommand: who leaves something out is told how to write it.
func TestHelpOfAMisusedCommand(t *testing.T) {
	for line, want := range map[string]string{
		"setup":         "Usage: cocoom-gateway setup HOST [flags]\nMore: cocoom-gateway setup --help\n",
		"serve --foo":   "Usage: cocoom-gateway serve [flags]\nMore: cocoom-gateway serve --help\n",
		"sessions lits": "Usage: cocoom-gateway sessions\nMore: cocoom-gateway sessions --help\n",
	} {
		var said strings.Builder
		if code := run(t.Context(), strings.Fields(line), os.Getenv, io.Discard, &said); code != 1 || !strings.HasSuffix(said.String(), want) {
			t.Errorf("%s: exit code %d, %q", line, code, said.String())
		}
	}
	var said strings.Builder
	if code := run(t.Context(), []string{"--version"}, os.Getenv, &said, io.Discard); code != 0 || said.String() != version()+"\n" {
		t.Errorf("--version: exit code %d, %q", code, said.String())
	}
}

// TestWrap: lines end where words do, by characters and not bytes; what is laid
// out by hand stays as it is.
func TestWrap(t *testing.T) {
	for text, want := range map[string]string{
		"":                            "",
		"one two three":               "one two\nthree",
		"one\ntwo three\n\nfour":      "one two\nthree\n\nfour",
		"✓ é à ü ö":                   "✓ é à ü ö",
		"thisislongerthanaline x":     "thisislongerthanaline\nx",
		"a table:\n  one   two three": "a table:\n  one   two three",
	} {
		if got := wrap(text, 9, ""); got != want {
			t.Errorf("%q is wrapped as %q, want %q", text, got, want)
		}
	}
	if got := fill(strings.Fields("✓ host dns: well"), 9, "  "); got != "✓ host\n  dns:\n  well" {
		t.Errorf("with an indent: %q", got)
	}
}
