package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/cocoom/cocoom-gateway/internal/admin"
)

func backupCommand(getenv func(string) string) *cobra.Command {
	var at listenerFlags
	cmd := &cobra.Command{
		Use:   "backup DIR",
		Short: "Copy the SQLite store of a running gateway",
		Long: "backup makes the directory and writes into it, as gateway.db, what the store holds at this moment, while the\n" +
			"gateway goes on. Back up the master key apart from it, once: without the key the copy says little of secrets,\n" +
			"and is of no use. Put back, everybody signs in again, and what waits is looked for in Slack before it is sent.\n" +
			"A PostgreSQL store is backed up by PostgreSQL's tools. It is written to the audit, and must run on the\n" +
			"gateway's machine.",
		Example: "  cocoom-gateway backup -c gateway.yaml /var/backups/gateway-2026-12-01",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			running, err := at.listener(cmd)
			if err != nil {
				return err
			}
			resp, err := running.open(cmd.Context(), http.MethodPost, "/backup", asker(getenv))
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				var failure admin.Failure
				if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&failure); err != nil || failure.Error == "" {
					return fmt.Errorf("the gateway at %s makes no backups (%d)", running, resp.StatusCode)
				}
				return errors.New(failure.Error)
			}
			n, err := keepBackup(args[0], resp.Body)
			if err != nil {
				return fmt.Errorf("write backup: %w", err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %d bytes; the master key is not in it\n", filepath.Join(args[0], "gateway.db"), n)
			return nil
		},
	}
	at.add(cmd)
	return cmd
}

// keepBackup writes a copy of the store into a directory of its own, which must not
// be there yet, to disk; or leaves nothing.
func keepBackup(dir string, from io.Reader) (n int64, err error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return 0, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	f, err := os.OpenFile(filepath.Join(dir, "gateway.db"), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	if n, err = io.Copy(f, from); err == nil {
		err = f.Sync()
	}
	return n, errors.Join(err, f.Close())
}
