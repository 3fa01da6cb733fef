package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// helpWidth is how many columns help may take: what a terminal has at least.
const helpWidth = 80

// fitHelp has the help of all commands fit a terminal.
func fitHelp(root *cobra.Command) {
	root.SetUsageTemplate(strings.NewReplacer(".FlagUsages", fmt.Sprintf(".FlagUsagesWrapped %d", helpWidth),
		"for more information about a command.", "for more.").Replace(root.UsageTemplate()))
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) {
		fmt.Fprintf(cmd.OutOrStdout(), "%s\n\n%s", wrap(cmp.Or(cmd.Long, cmd.Short), helpWidth, ""), cmd.UsageString())
	})
}

// columns is how wide the terminal is that w writes to; 0: it is none, and a
// program that reads lines gets them whole.
func columns(w io.Writer) int {
	if l, ok := w.(legible); ok {
		w = l.to
	}
	if file, ok := w.(*os.File); ok {
		if width, _, err := term.GetSize(int(file.Fd())); err == nil {
			return width
		}
	}
	return 0
}

// wrap breaks each paragraph of text into lines of at most width characters, where
// words allow it; all but the first begin with indent. A paragraph that has lines
// that begin with a space stays as it is.
func wrap(text string, width int, indent string) string {
	paragraphs := strings.Split(text, "\n\n")
	for i, p := range paragraphs {
		if !strings.Contains("\n"+p, "\n ") {
			paragraphs[i] = fill(strings.Fields(p), width, indent)
		}
	}
	return strings.Join(paragraphs, "\n\n")
}

func fill(words []string, width int, indent string) string {
	var out strings.Builder
	at := 0 // characters of the line so far
	for i, word := range words {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case at+1+n > width:
			out.WriteString("\n" + indent)
			at = utf8.RuneCountInString(indent)
		default:
			out.WriteString(" ")
			at++
		}
		out.WriteString(word)
		at += n
	}
	return out.String()
}
