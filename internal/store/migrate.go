package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"strings"
	"time"
)

//go:embed migrations/*.sql
var migrations embed.FS // read-only; embed needs a package variable

// Keys of PostgreSQL advisory locks, held to the end of a transaction. Their
// numbers are arbitrary and must stay: replicas of two releases share them.
const (
	migrateLock = 0x636f636f01
	ringLock    = 0x636f636f02
)

// migrate brings the tables up to date, all steps in one transaction or none.
// Two processes may do it at once: on SQLite the transaction is immediate, on
// PostgreSQL the second waits for the advisory lock and then finds nothing to do.
func migrate(ctx context.Context, db *sql.DB, postgres bool) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin migrations: %w", err)
	}
	defer tx.Rollback() // after the commit it does nothing
	if postgres {
		// The pool's statement timeout is for requests; a migration takes as long as it takes, ctx ends it.
		for _, q := range []string{`SET LOCAL statement_timeout = 0`, fmt.Sprintf(`SELECT pg_advisory_xact_lock(%d)`, migrateLock)} {
			if _, err := tx.ExecContext(ctx, q); err != nil {
				return fmt.Errorf("wait for other migrations: %w", err)
			}
		}
	}
	if err := applyMigrations(ctx, tx, postgres); err != nil {
		return err
	}
	if !postgres {
		if err := restored(ctx, tx); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO meta (name, value) VALUES ('epoch', $1) ON CONFLICT (name) DO NOTHING`, rand.Text()); err != nil {
		return fmt.Errorf("record the store's epoch: %w", err)
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit migrations: %w", err)
	}
	return nil
}

func applyMigrations(ctx context.Context, tx *sql.Tx, postgres bool) error {
	const table = `CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY, applied_at BIGINT NOT NULL)`
	if _, err := tx.ExecContext(ctx, table); err != nil {
		return fmt.Errorf("create schema_version: %w", err)
	}
	var have int
	if err := tx.QueryRowContext(ctx, `SELECT coalesce(max(version), 0) FROM schema_version`).Scan(&have); err != nil {
		return fmt.Errorf("read schema_version: %w", err)
	}
	steps, err := fs.Glob(migrations, "migrations/*.sql") // sorted: 001_…, 002_…
	if err != nil {
		return fmt.Errorf("list migrations: %w", err)
	}
	if have > len(steps) {
		return fmt.Errorf("the store was written by a newer cocoom-gateway (schema %d, this one knows %d): run that release or a later one", have, len(steps))
	}
	for i := have; i < len(steps); i++ {
		text, err := migrations.ReadFile(steps[i])
		if err != nil {
			return fmt.Errorf("read %s: %w", steps[i], err)
		}
		if _, err := tx.ExecContext(ctx, inDialect(string(text), postgres)); err != nil {
			return fmt.Errorf("apply %s: %w", steps[i], err)
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO schema_version (version, applied_at) VALUES ($1, $2)`, i+1, time.Now().UnixMilli()); err != nil {
			return fmt.Errorf("record %s: %w", steps[i], err)
		}
	}
	return nil
}

// inDialect puts in the two words that the engines spell differently.
func inDialect(text string, postgres bool) string {
	if postgres {
		return strings.NewReplacer("IDENTITY", "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY", "BINARY", "BYTEA").Replace(text)
	}
	return strings.NewReplacer("IDENTITY", "INTEGER PRIMARY KEY AUTOINCREMENT", "BINARY", "BLOB").Replace(text)
}
