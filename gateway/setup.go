package gateway

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/secret"
)

const (
	// setupLife is how long a setup link can be used.
	setupLife = 24 * time.Hour
	// setupAfterlife is how much longer a link says what became of it, rather than
	// that nobody knows it.
	setupAfterlife = 30 * 24 * time.Hour
)

// ErrSetup is wrapped by what an operator has to mend before a Slack app can be
// set up, as opposed to a store that fails; its text is for them.
var ErrSetup = errors.New("no set-up")

// SetupLink is what MakeSetup gives.
type SetupLink struct {
	URL     secret.String // for the workspace's admin alone
	Expires time.Time
	// Hook is empty unless its token was just made.
	Hook HookToken
}

// HookToken is a bearer token of a route's notification API. It is shown to nobody
// again.
type HookToken struct {
	Token secret.String
	URL   string // where notifications are sent with it
}

// SetupStatus says how far a route's set-up is.
type SetupStatus struct {
	Host          string
	Installed     bool
	InForce       bool // this process serves the route by it
	AppID         string
	ClientID      string
	Workspace     string
	WorkspaceName string
	InstalledBy   string // Slack user id
	InstalledAt   time.Time
	HookToken     bool // one was made for the notification API
	Link          *SetupLinkStatus
}

// SetupLinkStatus is the last link that was made for a route.
type SetupLinkStatus struct {
	State       string // open | finished | revoked | replaced | expired
	By          string
	Created     time.Time
	Expires     time.Time
	Opened      bool   // somebody has pressed the button on its first page
	Credentials bool   // Slack has taken the client id and the secret
	SignedIn    string // who has signed in since the app was installed: an e-mail address
	Message     string // state of the test message's delivery; empty: none was sent
}

// setupRoute finds a route whose app can be set up through a link.
func (g *Gateway) setupRoute(host string) (*Route, error) {
	rt := g.route(host)
	switch {
	case rt == nil:
		return nil, fmt.Errorf("%w: no route has the host %q", ErrSetup, clip(host, 100))
	case !rt.SlackApp.Managed:
		return nil, fmt.Errorf("%w: the Slack app of %s stands in the configuration; to have an admin of the workspace set it up instead, write slack_app: {managed: true} there and nothing else below slack_app", ErrSetup, rt.Host)
	}
	return rt, nil
}

// MakeSetup makes the link by which an admin of a workspace sets up the Slack app
// of a route. Only the hash of its key is kept; links made before for the same
// route end. by is who asks, for the audit.
func (g *Gateway) MakeSetup(ctx context.Context, host, by string) (SetupLink, error) {
	rt, err := g.setupRoute(host)
	if err != nil {
		return SetupLink{}, err
	}
	key, now, by := randomText(32), g.cfg.Now(), plainName(by)
	out := SetupLink{URL: secret.String(g.setupURL(rt) + "?key=" + key), Expires: now.Add(setupLife)}
	err = g.cfg.Store.Write(ctx, func(ctx context.Context, tx *sql.Tx) (err error) {
		out.Hook = HookToken{}
		if err := endSetupLinks(ctx, tx, rt.Host, endReplaced, now); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO link (id, kind, route, detail, created_by, created_at, expires_at) VALUES ($1, 'setup', $2, '{}', $3, $4, $5)`,
			linkID(key), rt.Host, by, now.UnixMilli(), out.Expires.UnixMilli())
		if err != nil {
			return err
		}
		if rt.WantsHookToken {
			if out.Hook, err = g.firstHookToken(ctx, tx, rt); err != nil {
				return err
			}
		}
		return audit(ctx, tx, now, auditEntry{by, "setup.made", rt.Host, ""})
	})
	if err != nil {
		return SetupLink{}, fmt.Errorf("keep setup link: %w", err)
	}
	if out.Hook.Token != "" {
		g.appChanged()
	}
	g.cfg.Log.Warn("setup link made", "route", rt.Host, "by", by)
	return out, nil
}

// RevokeSetup makes the route's link useless. What was installed by it stays.
func (g *Gateway) RevokeSetup(ctx context.Context, host, by string) error {
	rt, err := g.setupRoute(host)
	if err != nil {
		return err
	}
	now, by := g.cfg.Now(), plainName(by)
	open := 0
	err = g.cfg.Store.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM link WHERE kind = 'setup' AND route = $1 AND used_at IS NULL AND expires_at > $2`, rt.Host, now.UnixMilli()).Scan(&open)
		if err != nil || open == 0 {
			return err
		}
		if err := endSetupLinks(ctx, tx, rt.Host, endRevoked, now); err != nil {
			return err
		}
		return audit(ctx, tx, now, auditEntry{by, "setup.revoked", rt.Host, ""})
	})
	switch {
	case err != nil:
		return fmt.Errorf("revoke setup link: %w", err)
	case open == 0:
		return fmt.Errorf("%w: %s has no link that could be used", ErrSetup, rt.Host)
	}
	return nil
}

// ResetSetup forgets the installed app of a route, with the workspace that it is
// pinned to, and signs everybody out: another app, of another workspace, can then
// be set up. A token that was made for the notification API stays good, and what
// is accepted waits. Of a host that has no such route any more, all is removed that
// was kept for it.
func (g *Gateway) ResetSetup(ctx context.Context, host, by string) error {
	rt, err := g.setupRoute(host)
	if err != nil {
		return g.forgetApp(ctx, host, by, err)
	}
	now, by := g.cfg.Now(), plainName(by)
	nothing := false
	err = g.cfg.Store.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		row, err := g.lockManaged(ctx, tx, rt.Host)
		if err != nil {
			return err
		}
		if nothing = !row.installed(); nothing {
			return nil
		}
		detail := "app " + row.appID + " of " + row.team
		*row = managedRow{host: row.host, secrets: managedSecrets{HookToken: row.secrets.HookToken}}
		if err := row.save(ctx, tx, g); err != nil {
			return err
		}
		if err := endSetupLinks(ctx, tx, rt.Host, endRevoked, now); err != nil {
			return err
		}
		return audit(ctx, tx, now, auditEntry{by, "setup.reset", rt.Host, detail})
	})
	switch {
	case err != nil:
		return fmt.Errorf("reset managed app: %w", err)
	case nothing:
		return fmt.Errorf("%w: no app is installed for %s", ErrSetup, rt.Host)
	}
	g.appChanged()
	g.cfg.Log.Warn("a managed Slack app was forgotten", "route", rt.Host, "by", by)
	if _, err := g.sessions.revoked.revoke(ctx, whose{route: rt.Host}, now.Add(maxLifetime), auditEntry{}); err != nil {
		return fmt.Errorf("sign everybody out of %s: %w", rt.Host, err)
	}
	return nil
}

// NewHookToken replaces the bearer token that was made for the route's
// notification API. The old one ends at once.
func (g *Gateway) NewHookToken(ctx context.Context, host, by string) (HookToken, error) {
	rt, err := g.setupRoute(host)
	switch {
	case err != nil:
		return HookToken{}, err
	case !rt.WantsHookToken:
		return HookToken{}, fmt.Errorf("%w: %s takes no notifications, or by the credentials in its configuration", ErrSetup, rt.Host)
	}
	now, made := g.cfg.Now(), g.newHookToken(rt)
	err = g.cfg.Store.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		row, err := g.lockManaged(ctx, tx, rt.Host)
		if err != nil {
			return err
		}
		row.secrets.HookToken = made.Token.Reveal()
		if err := row.save(ctx, tx, g); err != nil {
			return err
		}
		return audit(ctx, tx, now, auditEntry{plainName(by), "setup.token", rt.Host, ""})
	})
	if err != nil {
		return HookToken{}, fmt.Errorf("keep token: %w", err)
	}
	g.appChanged()
	return made, nil
}

// firstHookToken makes the token, unless there is one.
func (g *Gateway) firstHookToken(ctx context.Context, tx *sql.Tx, rt *Route) (HookToken, error) {
	row, err := g.lockManaged(ctx, tx, rt.Host)
	if err != nil || row.secrets.HookToken != "" {
		return HookToken{}, err
	}
	made := g.newHookToken(rt)
	row.secrets.HookToken = made.Token.Reveal()
	return made, row.save(ctx, tx, g)
}

// newHookToken has a prefix by which leaked ones are found.
func (g *Gateway) newHookToken(rt *Route) HookToken {
	return HookToken{secret.String("cgh_" + randomText(32)), rt.Origin + g.cfg.Prefix + "/v1/notifications"}
}

// appChanged tells the program that routes are to be built anew.
func (g *Gateway) appChanged() {
	if g.cfg.AppChanged != nil {
		g.cfg.AppChanged()
	}
}

// setupURL is where setup links lead.
func (g *Gateway) setupURL(rt *Route) string { return rt.Origin + g.cfg.Prefix + "/setup" }

// SetupStatus says how far the set-up of a route is.
func (g *Gateway) SetupStatus(ctx context.Context, host string) (SetupStatus, error) {
	rt, err := g.setupRoute(host)
	if err != nil {
		return SetupStatus{}, err
	}
	row, err := g.managed(ctx, rt.Host)
	if err != nil {
		return SetupStatus{}, err
	}
	out := SetupStatus{
		Host: rt.Host, Installed: row.installed(), InForce: row.inForce(rt), AppID: row.appID, Workspace: row.team, WorkspaceName: row.teamName,
		InstalledBy: row.installedBy, InstalledAt: row.installedAt, HookToken: row.secrets.HookToken != "",
	}
	if row.installed() {
		out.ClientID = row.secrets.ClientID
	}
	l, err := g.lastSetupLink(ctx, rt.Host)
	if err != nil || l == nil {
		return out, err
	}
	out.Link = &SetupLinkStatus{State: l.state(g.cfg.Now()), By: l.by, Created: l.created, Expires: l.expires,
		Opened: l.detail.Bound != "", Credentials: l.detail.Checked}
	if l.detail.Message != "" {
		told, err := g.cfg.Messenger.Told(ctx, rt.Host, l.detail.Message)
		if err != nil {
			return out, err
		}
		out.Link.Message = told.State
	}
	if row.installed() {
		err = g.cfg.Store.Read().QueryRowContext(ctx, `SELECT email FROM session WHERE route = $1 AND team = $2 AND created_at >= $3 ORDER BY created_at LIMIT 1`,
			rt.Host, row.team, row.installedAt.UnixMilli()).Scan(&out.Link.SignedIn)
		if errors.Is(err, sql.ErrNoRows) {
			err = nil
		}
	}
	return out, err
}
