package gateway

import (
	"context"
	"database/sql"
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
