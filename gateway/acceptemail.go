package gateway

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// ErrUnknownPerson is that of who has never signed in to a route.
var ErrUnknownPerson = errors.New("nobody of that name has signed in there")

// AcceptEmail lets somebody back in whose address has changed where it is
// pinned: the address that Slack says now is pinned from here on. actor is who
// decided so, for the audit.
func (g *Gateway) AcceptEmail(ctx context.Context, host, emailOrID, actor string) error {
	rt := g.routes[host]
	if rt == nil || rt.Login == nil {
		return fmt.Errorf("accept e-mail address: %w", ErrUnknownPerson)
	}
	who, err := g.people.directory.find(ctx, rt, emailOrID)
	if err == nil && who == nil {
		err = ErrUnknownPerson
	}
	if err != nil {
		return fmt.Errorf("accept e-mail address: %w", err)
	}
	_, err = g.people.write(ctx, rt, report{key: who.key, asked: anyAge, partial: true, change: func(f *facts) { f.firstEmail = f.email }})
	if err != nil {
		return err
	}
	return g.cfg.Store.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO audit (at, actor, action, object, detail) VALUES ($1, $2, 'email_accepted', $3, $4)`,
			g.cfg.Now().UnixMilli(), actor, rt.Host+" "+who.key.team+"/"+who.key.user, who.firstEmail+" → "+who.email)
		return err
	})
}
