package gateway

import (
	"context"
	"database/sql"
	"fmt"
)

// AcceptEmail lets somebody back in whose address has changed where it is
// pinned: the address that Slack says now is pinned from here on. actor is who
// decided so, for the audit. ErrUnknownPerson is in the error's chain for who
// has never signed in there.
func (g *Gateway) AcceptEmail(ctx context.Context, host, emailOrID, actor string) error {
	rt, who, err := g.known(ctx, host, emailOrID)
	if err != nil {
		return fmt.Errorf("accept e-mail address: %w", err)
	}
	_, err = g.people.write(ctx, rt, report{key: who.key, asked: anyAge, partial: true, change: func(f *facts) { f.firstEmail = f.email }})
	if err != nil {
		return err
	}
	return g.cfg.Store.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		return audit(ctx, tx, g.cfg.Now(), auditEntry{actor, "people.email_accepted", rt.Host + " " + who.key.team + "/" + who.key.user, who.firstEmail + " → " + who.email})
	})
}
