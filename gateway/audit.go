package gateway

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// auditEntry is one act that operators can look up later: who did what, to
// what.
type auditEntry struct{ actor, action, object, detail string }

// audit writes e in the transaction of the act itself, so that neither is there
// without the other.
func audit(ctx context.Context, tx *sql.Tx, now time.Time, e auditEntry) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO audit (at, actor, action, object, detail) VALUES ($1, $2, $3, $4, $5)`,
		now.UnixMilli(), e.actor, e.action, e.object, e.detail)
	return err
}

// Audit writes down an operator's act that another part carries out: who does
// what, to what.
func (g *Gateway) Audit(ctx context.Context, actor, action, object string) error {
	err := g.cfg.Store.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		return audit(ctx, tx, g.cfg.Now(), auditEntry{actor: actor, action: action, object: object})
	})
	if err != nil {
		return fmt.Errorf("write %s to the audit: %w", action, err)
	}
	return nil
}
