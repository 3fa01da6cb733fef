package main

import "github.com/spf13/cobra"

// misuse is a command line that its command does not take; how it is written is
// said below the error.
type misuse struct {
	cmd *cobra.Command
	err error
}

// Error says what is wrong with it.
func (m *misuse) Error() string { return m.err.Error() }

// Unwrap gives the reason.
func (m *misuse) Unwrap() error { return m.err }

// sayUsage has every command's errors about its arguments and flags be misuse.
func sayUsage(cmd *cobra.Command) {
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return &misuse{cmd, err} })
	if valid := cmd.Args; valid != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if err := valid(cmd, args); err != nil {
				return &misuse{cmd, err}
			}
			return nil
		}
	}
	for _, below := range cmd.Commands() {
		sayUsage(below)
	}
}
