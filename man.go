package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func manCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "man",
		Short: "Write the manual pages, for packages",
		Long: "man writes one page of section 1 for each command: what --help says, for man(1). A release has them already.\n" +
			"To read them from where they are: man -l FILE.",
		Example: "  cocoom-gateway man --dir /usr/local/share/man/man1",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			// #nosec G301 -- the directory is for others to read
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return fmt.Errorf("make the directory: %w", err)
			}
			return writeManual(cmd.Root(), dir)
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "man1", "`directory` for the pages; it is made if missing")
	return cmd
}

// writeManual writes the pages of a command and those below it.
func writeManual(cmd *cobra.Command, dir string) error {
	for _, below := range cmd.Commands() {
		if below.IsAvailableCommand() && below.Name() != "completion" && below.Name() != "help" {
			if err := writeManual(below, dir); err != nil {
				return err
			}
		}
	}
	// #nosec G306 -- it is for others to read, and holds nothing secret
	if err := os.WriteFile(filepath.Join(dir, manName(cmd)+".1"), []byte(manPage(cmd)), 0o644); err != nil {
		return fmt.Errorf("write manual page: %w", err)
	}
	return nil
}

func manName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// manPage is the page of a command in the language of man(7).
func manPage(cmd *cobra.Command) string {
	var b strings.Builder
	line := func(format string, texts ...any) {
		for i, text := range texts {
			texts[i] = roff(fmt.Sprint(text))
		}
		fmt.Fprintf(&b, format+"\n", texts...)
	}
	// A release has the date of its commit, so that the same sources make the same pages.
	date, _, _ := strings.Cut(thisBuild().Time, "T")
	line(".TH %s 1 \"%s\" \"cocoom-gateway %s\" \"User Commands\"", strings.ToUpper(manName(cmd)), date, thisBuild().Version)
	line(".SH NAME\n%s \\- %s", manName(cmd), strings.ToLower(cmd.Short[:1])+cmd.Short[1:])
	line(".SH SYNOPSIS\n.nf\n%s\n.fi", strings.TrimSpace(cmd.UseLine()))
	line(".SH DESCRIPTION")
	for i, paragraph := range strings.Split(description(cmd), "\n\n") {
		if i > 0 {
			line(".PP")
		}
		line("%s", paragraph)
	}
	for _, set := range []struct {
		title string
		flags *pflag.FlagSet
	}{{"OPTIONS", cmd.NonInheritedFlags()}, {"INHERITED OPTIONS", cmd.InheritedFlags()}} {
		if set.flags.HasAvailableFlags() {
			line(".SH " + set.title)
			set.flags.VisitAll(func(f *pflag.Flag) { manFlag(line, f) })
		}
	}
	line(".SH EXAMPLES\n.nf\n%s\n.fi", cmd.Example)
	line(".SH SEE ALSO")
	line("%s", strings.Join(relatives(cmd), ", "))
	return b.String()
}

// description is the long help without what is said elsewhere on the page.
func description(cmd *cobra.Command) string {
	if cmd.Long == "" {
		return cmd.Short + "."
	}
	return cmd.Long
}

func manFlag(line func(string, ...any), f *pflag.Flag) {
	value, usage := pflag.UnquoteUsage(f)
	name := "--" + f.Name
	if f.Shorthand != "" {
		name = "-" + f.Shorthand + ", " + name
	}
	if value != "" {
		name += " " + value
	}
	switch f.DefValue {
	case "", "false", "0", "0s", "[]":
	default:
		usage += " (default " + f.DefValue + ")"
	}
	line(".TP\n\\fB%s\\fR\n%s", name, usage)
}

// relatives are the commands directly above and below, as man pages.
func relatives(cmd *cobra.Command) (pages []string) {
	if cmd.HasParent() {
		pages = append(pages, manName(cmd.Parent())+"(1)")
	}
	for _, below := range cmd.Commands() {
		if below.IsAvailableCommand() && below.Name() != "completion" && below.Name() != "help" {
			pages = append(pages, manName(below)+"(1)")
		}
	}
	return pages
}

// roff makes text mean itself: no backslash, hyphen or dot at a line's beginning
// has a meaning of its own, and what is not ASCII is written by its code point
// (man(7), groff_char(7)).
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "`", `\(ga`, "~", `\(ti`, "^", `\(ha`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") || strings.HasPrefix(l, "'") {
			lines[i] = `\&` + l
		}
	}
	var b strings.Builder
	for _, r := range strings.Join(lines, "\n") {
		if r < utf8.RuneSelf {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, `\[u%04X]`, r)
		}
	}
	return b.String()
}
