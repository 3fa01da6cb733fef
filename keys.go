package main

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

func keysCommand(getenv func(string) string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Export public keys for apps, and make new keys",
		Example: "  cocoom-gateway keys export --dir /var/lib/cocoom/keys\n" +
			"  cocoom-gateway keys rotate",
	}
	var at listenerFlags
	at.add(cmd, getenv)
	return parent(cmd, keysExportCommand(&at), keysRotateCommand(&at, getenv))
}

func keysExportCommand(at *listenerFlags) *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write the public keys that verify assertions, for apps",
		Long: "export writes each key, in PEM, to a file named by its key id. Keys that are gone are removed; so the directory\n" +
			"is refused if it holds anything else. Run it daily: a new key is published 48 hours before it is used.",
		Example: "  cocoom-gateway keys export --dir /var/lib/cocoom/keys",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			running, err := at.listener(cmd)
			if err != nil {
				return err
			}
			keys := map[string]string{}
			if err := running.get(cmd.Context(), "/keys", &keys); err != nil {
				return err
			}
			if err := exportKeys(keys, dir); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s in %s\n", plural(len(keys), "key"), dir)
			return nil
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "gateway-keys", "`directory` of its own for the keys; it is made if missing")
	return cmd
}

func keysRotateCommand(at *listenerFlags, getenv func(string) string) *cobra.Command {
	return &cobra.Command{
		Use:   "rotate",
		Short: "Make new keys for cookies and assertions, before they are due",
		Long: "rotate makes new keys. They are published at once and used after 48 hours, when every replica and app has had\n" +
			"the time to learn them. Nobody is signed out: the old keys go on verifying. It is written to the audit.",
		Example: "  cocoom-gateway keys rotate",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			running, err := at.listener(cmd)
			if err != nil {
				return err
			}
			if err := running.post(cmd.Context(), "/keys/rotate", asker(getenv), new(struct{})); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "new keys are announced; they are used in %s at the latest\n", keyAnnounce)
			return nil
		},
	}
}

// exportKeys makes dir hold the keys, PEM by their ids, one file each, and no
// others. Whoever reads it meanwhile sees each file whole, and new keys before
// the old ones go.
func exportKeys(keys map[string]string, dir string) error {
	// #nosec G301 -- the directory is for others to read
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make the directory: %w", err)
	}
	old, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("read the directory: %w", err)
	}
	for _, f := range old {
		if !isPublicKey(filepath.Join(dir, f.Name())) {
			return fmt.Errorf("%s holds %s, which is no public key: name a directory that is for the keys alone", dir, f.Name())
		}
	}
	for id, content := range keys {
		if id == "" || id != filepath.Base(id) {
			return fmt.Errorf("the key id %q is no file name", id)
		}
		if err := replaceFile(filepath.Join(dir, id+".pem"), content); err != nil {
			return fmt.Errorf("write key: %w", err)
		}
	}
	for _, f := range old {
		if id, isKey := strings.CutSuffix(f.Name(), ".pem"); !isKey || keys[id] == "" {
			if err := os.Remove(filepath.Join(dir, f.Name())); err != nil && !os.IsNotExist(err) {
				return fmt.Errorf("remove old key: %w", err)
			}
		}
	}
	return nil
}

// isPublicKey reports whether a file is one that exportKeys may have written,
// or was about to.
func isPublicKey(path string) bool {
	if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() || info.Size() > 1<<14 {
		return false
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return false
	}
	block, rest := pem.Decode(content)
	return strings.HasSuffix(path, ".pem.new") || strings.HasSuffix(path, ".pem") && block != nil && block.Type == "PUBLIC KEY" && len(bytes.TrimSpace(rest)) == 0
}

// replaceFile writes a file that others read, in one step.
func replaceFile(path string, content string) error {
	// #nosec G306 -- it is for others to read, and holds nothing secret
	if err := os.WriteFile(path+".new", []byte(content), 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
