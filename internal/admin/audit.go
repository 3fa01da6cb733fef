package admin

import (
	"context"
	"net/url"
	"strconv"

	"github.com/cocoom/cocoom-gateway/gateway"
)

// AuditTrail is the answer of GET /audit.
type AuditTrail struct {
	Entries []gateway.AuditEntry `json:"entries"`        // the newest first; perhaps few, or none, although there is a Next
	Next    string               `json:"next,omitempty"` // the cursor of what follows; missing: nothing does
}

// listAudit is GET /audit?search=&cursor=&limit=.
func (cfg Config) listAudit(ctx context.Context, query url.Values) (AuditTrail, error) {
	q := gateway.AuditQuery{Search: query.Get("search")}
	err := onlyKnown(query, "search", "cursor", "limit")
	if err == nil {
		q.Limit, err = limitOf(query, 200)
	}
	if cursor := query.Get("cursor"); err == nil && cursor != "" {
		if q.Before, err = strconv.ParseInt(cursor, 10, 64); err != nil || q.Before < 1 {
			err = mistake("this is no cursor")
		}
	}
	if err != nil {
		return AuditTrail{}, err
	}
	list, next, err := cfg.Gateway.AuditTrail(ctx, q)
	trail := AuditTrail{Entries: list}
	if next > 0 {
		trail.Next = strconv.FormatInt(next, 10)
	}
	return trail, err
}
