package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cocoom/cocoom-gateway/configs"
)

func keysCommand() *cobra.Command {
	var file, admin string
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Export the public keys of a running gateway, or make new keys",
		Args:  cobra.NoArgs,
	}
	cmd.PersistentFlags().StringVarP(&file, "config", "c", "", "configuration `file` that says where the operators' listener is")
	cmd.PersistentFlags().StringVar(&admin, "admin", "127.0.0.1:9090", "`address` of the operators' listener, rather than the file's")
	ask := func(cmd *cobra.Command, method, path string) ([]byte, error) {
		if file != "" && !cmd.Flags().Changed("admin") {
			var err error
			if admin, err = configs.AdminAddress(file); err != nil {
				return nil, report(err, cmd.ErrOrStderr())
			}
		}
		return askAdmin(cmd.Context(), method, "http://"+admin+path)
	}

	var dir string
	export := &cobra.Command{
		Use:   "export",
		Short: "Write the public keys that verify assertions, for apps",
		Long: "export asks the operators' listener for the keys and writes each, in PEM, to a file named by its key id.\n" +
			"Keys that are gone are removed; so the directory is refused if it holds anything else. Run it daily:\n" +
			"a new key is published 48 hours before it is used.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			said, err := ask(cmd, http.MethodGet, "/keys")
			if err != nil {
				return err
			}
			keys := map[string]string{}
			if err := json.Unmarshal(said, &keys); err != nil {
				return fmt.Errorf("read the gateway's answer: %w", err)
			}
			if err := exportKeys(keys, dir); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s in %s\n", plural(len(keys), "key"), dir)
			return nil
		},
	}
	export.Flags().StringVar(&dir, "dir", "gateway-keys", "`directory` of its own for the keys; it is made if missing")
	rotate := &cobra.Command{
		Use:   "rotate",
		Short: "Make new keys for cookies and assertions now, before they are due",
		Long: "rotate makes new keys. They are published at once and used after 48 hours, when every replica and app has had\n" +
			"the time to learn them. Nobody is signed out: the old keys go on verifying.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := ask(cmd, http.MethodPost, "/keys/rotate"); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "new keys are announced; they are used in %s at the latest\n", keyAnnounce)
			return nil
		},
	}
	cmd.AddCommand(export, rotate)
	return cmd
}

// askAdmin sends an empty request to a running gateway's operators' listener.
func askAdmin(ctx context.Context, method, address string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, address, nil)
	if err != nil {
		return nil, fmt.Errorf("ask the gateway: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask the gateway (is it running?): %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	switch {
	case err != nil:
		return nil, fmt.Errorf("ask the gateway: %w", err)
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("the gateway answered %s: %s", resp.Status, bytes.TrimSpace(body))
	}
	return body, nil
}

// exportKeys makes dir hold the keys, PEM by their ids, one file each, and no
// others. Whoever reads it meanwhile sees each file whole, and new keys before
// the old ones go.
func exportKeys(keys map[string]string, dir string) error {
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
	if err := os.WriteFile(path+".new", []byte(content), 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
