package gateway

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/cocoom/cocoom-gateway/internal/store"
)

// forgetApp removes what is kept for a host that has no route with a managed Slack
// app any more: the secrets with the token for notifications, and its links. None
// of it is opened, so the master key need not be the one that it was sealed under.
// The row stays, empty, since replicas that still have the route look for changed
// rows, not for missing ones. without is why there is no such route; it is returned
// if there is nothing to forget either.
func (g *Gateway) forgetApp(ctx context.Context, host, by string, without error) error {
	now, by := g.cfg.Now(), plainName(by)
	var app, team string
	var size int64
	err := g.cfg.Store.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		app, team, size = "", "", 0
		err := tx.QueryRowContext(ctx, `UPDATE slack_app SET route = route WHERE route = $1 RETURNING app_id, team, length(sealed)`, host).Scan(&app, &team, &size)
		switch {
		case errors.Is(err, sql.ErrNoRows), err == nil && size == 0:
			return nil
		case err != nil:
			return err
		}
		if err := (&managedRow{host: host}).save(ctx, tx, g); err != nil {
			return err
		}
		if err := endSetupLinks(ctx, tx, host, endRevoked, now); err != nil {
			return err
		}
		return audit(ctx, tx, now, auditEntry{by, "setup.reset", host, "app " + app + " of " + team + ", which has no route"})
	})
	switch {
	case err != nil:
		return fmt.Errorf("forget managed app: %w", err)
	case size == 0:
		return without
	}
	g.appChanged()
	g.cfg.Log.Warn("a Slack app without a route was forgotten", "route", clip(host, 255), "by", by)
	return nil
}

// AppHosts lists the hosts that secrets of managed Slack apps are kept for.
func AppHosts(ctx context.Context, st *store.Store) ([]string, error) {
	rows, err := st.Read().QueryContext(ctx, `SELECT route FROM slack_app WHERE length(sealed) > 0 ORDER BY route`)
	if err != nil {
		return nil, fmt.Errorf("list managed apps: %w", err)
	}
	defer rows.Close()
	var hosts []string
	for rows.Next() {
		var host string
		if err := rows.Scan(&host); err != nil {
			return nil, fmt.Errorf("list managed apps: %w", err)
		}
		hosts = append(hosts, host)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list managed apps: %w", err)
	}
	return hosts, nil
}
