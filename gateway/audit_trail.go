package gateway

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
)

const (
	maxAuditPage = 200
	// maxAuditLooked bounds what one page of a search costs: it may stay short, and
	// the next one goes on from there.
	maxAuditLooked = 20_000
	maxSearch      = 200 // bytes
)

// AuditQuery says which acts to list; its zero value, all.
type AuditQuery struct {
	Search string // what stands in actor, action, object or detail, in any case
	Before int64  // Seq of the last one of the page before; 0: from the newest
	Limit  int    // 0: 50; at most 200
}

// AuditEntry is one act: who did what, to what.
type AuditEntry struct {
	Seq    int64     `json:"seq"`
	At     time.Time `json:"at"`
	Actor  string    `json:"actor"`
	Action string    `json:"action"`
	Object string    `json:"object,omitempty"`
	Detail string    `json:"detail,omitempty"`
}

// AuditTrail lists acts, the newest first, and gives the AuditQuery.Before of
// what follows; 0: nothing does. A page of a search may be short, or empty,
// although there is more.
func (g *Gateway) AuditTrail(ctx context.Context, q AuditQuery) (list []AuditEntry, next int64, err error) {
	if len(q.Search) > maxSearch {
		return nil, 0, fmt.Errorf("%w: nothing so long stands in the audit", ErrSelection)
	}
	limit := min(q.Limit, maxAuditPage)
	if limit <= 0 {
		limit = 50
	}
	if q.Before <= 0 {
		q.Before = 1 << 62
	}
	list, err = g.auditRows(ctx, q, limit+1)
	if err != nil {
		return nil, 0, fmt.Errorf("list audit: %w", err)
	}
	if len(list) > limit {
		return list[:limit], list[limit-1].Seq, nil
	}
	var last sql.NullInt64
	err = g.cfg.Store.Read().QueryRowContext(ctx, `SELECT seq FROM audit WHERE seq < $1 ORDER BY seq DESC LIMIT 1 OFFSET $2`, q.Before, maxAuditLooked-1).Scan(&last)
	if errors.Is(err, sql.ErrNoRows) {
		return list, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("list audit: %w", err)
	}
	return list, last.Int64, nil
}

func (g *Gateway) auditRows(ctx context.Context, q AuditQuery, limit int) ([]AuditEntry, error) {
	from, args := `audit WHERE seq < $1`, []any{q.Before, limit}
	if q.Search != "" {
		like := "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(strings.ToLower(strings.ToValidUTF8(strings.ReplaceAll(q.Search, "\x00", ""), ""))) + "%"
		from = `(SELECT * FROM audit WHERE seq < $1 ORDER BY seq DESC LIMIT $3) AS a
			WHERE lower(actor || ' ' || action || ' ' || object || ' ' || detail) LIKE $4 ESCAPE '\'`
		args = append(args, maxAuditLooked, like)
	}
	rows, err := g.cfg.Store.Read().QueryContext(ctx, `SELECT seq, at, actor, action, object, detail FROM `+from+` ORDER BY seq DESC LIMIT $2`, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	list := []AuditEntry{} // never null in JSON
	for rows.Next() {
		var e AuditEntry
		var at int64
		if err := rows.Scan(&e.Seq, &at, &e.Actor, &e.Action, &e.Object, &e.Detail); err != nil {
			return nil, err
		}
		e.At = time.UnixMilli(at).UTC()
		list = append(list, e)
	}
	return list, rows.Err()
}
