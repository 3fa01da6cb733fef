package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// What a release says of itself, set by the linker (see .ci/release and the
// Dockerfile). A build from a clone needs none of them: there the Go toolchain
// notes the same. They are never written.
var (
	releaseVersion  string // such as v1.2.3
	releaseRevision string // the commit
	releaseTime     string // of the commit, RFC 3339
)

// build is what is known of this binary.
type build struct {
	Version  string `json:"version"`            // of the release; "(devel)" if it is none
	Revision string `json:"revision,omitempty"` // the commit
	Time     string `json:"time,omitempty"`     // of the commit, RFC 3339
	Modified bool   `json:"modified"`           // the sources differ from that commit
	Go       string `json:"go"`
	Platform string `json:"platform"` // such as linux/amd64
}

// thisBuild prefers what the release says of itself to what the toolchain noted.
func thisBuild() build {
	b := build{Version: "(devel)", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		if info.Main.Version != "" {
			b.Version = info.Main.Version
		}
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				b.Revision = s.Value
			case "vcs.time":
				b.Time = s.Value
			case "vcs.modified":
				b.Modified = s.Value == "true"
			}
		}
	}
	if releaseVersion != "" {
		b.Version, b.Revision, b.Time, b.Modified = releaseVersion, releaseRevision, releaseTime, false
	}
	return b
}

// String is one line.
func (b build) String() string {
	var said strings.Builder
	fmt.Fprintf(&said, "cocoom-gateway %s", b.Version)
	if b.Revision != "" {
		fmt.Fprintf(&said, ", revision %.12s", b.Revision)
	}
	if b.Time != "" {
		fmt.Fprintf(&said, " of %s", b.Time)
	}
	if b.Modified {
		said.WriteString(" (modified)")
	}
	fmt.Fprintf(&said, ", %s %s", b.Go, b.Platform)
	return said.String()
}

// version names the build, for the log.
func version() string { return thisBuild().String() }

func versionCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Say which build this is",
		Long: "version says which release this is, of which commit, whether the sources were changed after that commit, and\n" +
			"the Go toolchain and platform it was built with and for.",
		Example: "  cocoom-gateway version\n  cocoom-gateway version --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if asJSON {
				return printJSON(cmd.OutOrStdout(), thisBuild())
			}
			fmt.Fprintln(cmd.OutOrStdout(), thisBuild())
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print it as JSON")
	return cmd
}
