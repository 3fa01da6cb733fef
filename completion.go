package main

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/cocoom/cocoom-gateway/configs"
	"github.com/cocoom/cocoom-gateway/notifyhook"
)

// completeAll gives every command what a shell offers for its arguments and
// flags. What a word stands for is said once, in the command's usage line and,
// between backquotes, in its flags' help.
func completeAll(cmd *cobra.Command) {
	for _, below := range cmd.Commands() {
		completeAll(below)
	}
	if cmd.ValidArgsFunction == nil && !cmd.HasSubCommands() {
		words := strings.Fields(cmd.Use)[1:]
		cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) >= len(words) {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return offered(cmd, words[len(args)])
		}
	}
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if _, done := cmd.GetFlagCompletionFunc(f.Name); done || f.Value.Type() == "bool" {
			return
		}
		word, _ := pflag.UnquoteUsage(f)
		if f.Name == "status" {
			word = "status"
		}
		// It fails only for a flag that is not there.
		_ = cmd.RegisterFlagCompletionFunc(f.Name, func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			return offered(cmd, word)
		})
	})
}

// offered are the values that a word of the help stands for.
func offered(cmd *cobra.Command, word string) ([]string, cobra.ShellCompDirective) {
	switch word {
	case "HOST", "host":
		file := defaultFile
		if f := cmd.Flags().Lookup("config"); f != nil {
			file = f.Value.String()
		}
		return configs.Hosts(file), cobra.ShellCompDirectiveNoFileComp
	case "METHOD":
		return []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}, cobra.ShellCompDirectiveNoFileComp
	case "status":
		return notifyhook.Statuses(), cobra.ShellCompDirectiveNoFileComp
	case "file":
		return []string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt
	case "DIR", "directory":
		return nil, cobra.ShellCompDirectiveFilterDirs
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}
