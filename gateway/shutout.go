package gateway

import (
	"context"
	"database/sql"
)

// endSessions ends a person's sessions: on every route of the workspace if they
// are deactivated there, else on this one.
func endSessions(ctx context.Context, tx *sql.Tx, p *personRow, now int64) error {
	where, args := `team = $1 AND user_id = $2`, []any{p.key.team, p.key.user}
	if !p.deactivated {
		where, args = where+` AND route = $3`, append(args, p.key.route)
	}
	// A session's revocation names it alone, so that it may hold for as long as
	// the session could, whichever clock began it.
	_, err := tx.ExecContext(ctx, `INSERT INTO revocation (kind, value, not_before, expires_at)
		SELECT 'session', id, expires_at, expires_at FROM session WHERE `+where+`
		ON CONFLICT (kind, value) DO UPDATE SET not_before = excluded.not_before, expires_at = excluded.expires_at`, args...)
	if err != nil {
		return err
	}
	if p.deactivated {
		// And those that are being begun elsewhere at this moment.
		_, err = tx.ExecContext(ctx, `INSERT INTO revocation (kind, value, not_before, expires_at) VALUES ('user', $1, $2, $3)
			ON CONFLICT (kind, value) DO UPDATE SET not_before = excluded.not_before, expires_at = excluded.expires_at`,
			p.key.team+"/"+p.key.user, now+1, now+maxLifetime.Milliseconds())
		if err != nil {
			return err
		}
	}
	_, err = tx.ExecContext(ctx, `DELETE FROM session WHERE `+where, args...)
	return err
}
