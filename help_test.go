package main

import (
	"io"
	"os"
	"strings"
	"testing"

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
		for line := range strings.Lines(cmd.Long) {
			if len(line) > 121 {
				t.Errorf("%s: a line of the help has %d characters", cmd.CommandPath(), len(line)-1)
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
