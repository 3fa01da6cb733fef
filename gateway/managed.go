package gateway

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/secret"
	"github.com/cocoom/cocoom-gateway/internal/store"
)

// managedPurpose is what rows of the table slack_app are sealed for, each for its
// route.
const managedPurpose = "slack-app"

// ManagedApp is what a route's configuration leaves to the admin of a workspace
// (SlackApp.Managed), as far as it is there.
type ManagedApp struct {
	// App is the installed Slack app, with Managed set; its other fields are empty
	// until it is installed.
	App SlackApp
	// Workspace is the Slack team id that was pinned when the app was installed.
	Workspace     string
	WorkspaceName string
	// HookToken is the bearer token for the route's notification API; empty: none
	// was made.
	HookToken secret.String
}

// ManagedApps reads the apps that were set up, and notices when others, perhaps
// on another replica, set up one. It is safe for concurrent use.
type ManagedApps struct {
	store  *store.Store
	master store.Master
	log    *slog.Logger

	mu    sync.Mutex
	known map[string]int64 // changed_at by route, as read last
}

// NewManagedApps reads nothing yet. master opens what lies sealed in st.
func NewManagedApps(st *store.Store, master store.Master, log *slog.Logger) *ManagedApps {
	return &ManagedApps{store: st, master: master, log: log}
}

// Read gives all apps by the hosts of their routes. One that cannot be opened is
// left out and logged, as if it were not set up: the other routes go on.
func (m *ManagedApps) Read(ctx context.Context) (map[string]ManagedApp, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	rows, err := m.store.Read().QueryContext(ctx, `SELECT `+managedColumns+` FROM slack_app`)
	if err != nil {
		return nil, fmt.Errorf("read managed apps: %w", err)
	}
	defer rows.Close()
	apps, known := map[string]ManagedApp{}, map[string]int64{}
	for rows.Next() {
		row, sealed, err := scanManaged(rows)
		if err != nil {
			return nil, fmt.Errorf("read managed apps: %w", err)
		}
		known[row.host] = row.changed
		if err := row.open(m.master, sealed); err != nil {
			m.log.Error("a managed Slack app cannot be opened; its route counts as not connected", "route", row.host, "error", err)
			continue
		}
		apps[row.host] = row.app()
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read managed apps: %w", err)
	}
	m.known = known
	return apps, nil
}

// Changed reports whether Read would give something else than it did.
func (m *ManagedApps) Changed(ctx context.Context) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	newest := int64(0)
	for _, at := range m.known {
		newest = max(newest, at)
	}
	// Again what is a little older: a write may take as long to commit as the store
	// allows, and then shows a time of before.
	rows, err := m.store.Read().QueryContext(ctx, `SELECT route, changed_at FROM slack_app WHERE changed_at > $1`, newest-directoryOverlap.Milliseconds())
	if err != nil {
		return false, fmt.Errorf("look for changed apps: %w", err)
	}
	defer rows.Close()
	changed := false
	for rows.Next() {
		var host string
		var at int64
		if err := rows.Scan(&host, &at); err != nil {
			return false, fmt.Errorf("look for changed apps: %w", err)
		}
		changed = changed || m.known[host] != at
	}
	return changed, rows.Err()
}

// managedSecrets is what is sealed of a row.
type managedSecrets struct {
	ClientID      string `json:"client_id,omitempty"`
	ClientSecret  string `json:"client_secret,omitempty"`
	SigningSecret string `json:"signing_secret,omitempty"`
	BotToken      string `json:"bot_token,omitempty"`
	HookToken     string `json:"hook_token,omitempty"`
}

// credentials reports whether all is there that an admin copies from Slack.
func (s managedSecrets) credentials() bool {
	return s.ClientID != "" && s.ClientSecret != "" && s.SigningSecret != ""
}

// managedRow is a row of the table slack_app.
type managedRow struct {
	host        string
	secrets     managedSecrets
	appID       string
	team        string // pinned; empty: the app is not installed
	teamName    string
	botUser     string
	installedBy string    // Slack user id; empty: the app needed no installation
	installedAt time.Time // zero: the app is not installed
	changed     int64
}

// installed reports whether the app can be used.
func (r *managedRow) installed() bool { return r.team != "" }

// app is the row as routes are built with it.
func (r *managedRow) app() ManagedApp {
	out := ManagedApp{App: SlackApp{Managed: true}, HookToken: secret.String(r.secrets.HookToken)}
	if r.installed() {
		out.App = SlackApp{
			ClientID: r.secrets.ClientID, ClientSecret: secret.String(r.secrets.ClientSecret), BotToken: secret.String(r.secrets.BotToken),
			SigningSecret: secret.String(r.secrets.SigningSecret), Managed: true,
		}
		out.Workspace, out.WorkspaceName = r.team, r.teamName
	}
	return out
}

// inForce reports whether a route is served by the row as it stands.
func (r *managedRow) inForce(rt *Route) bool {
	return r.installed() && rt.SlackApp == r.app().App && rt.Workspace == r.team
}

const managedColumns = `route, sealed, app_id, team, team_name, bot_user, installed_by, installed_at, changed_at`

// scanManaged reads a row whose secrets are still to be opened.
func scanManaged(row interface{ Scan(...any) error }) (*managedRow, []byte, error) {
	var r managedRow
	var sealed []byte
	var installed sql.NullInt64
	err := row.Scan(&r.host, &sealed, &r.appID, &r.team, &r.teamName, &r.botUser, &r.installedBy, &installed, &r.changed)
	if installed.Valid {
		r.installedAt = time.UnixMilli(installed.Int64)
	}
	return &r, sealed, err
}

// open reads the secrets; a row that has just been made has none.
func (r *managedRow) open(master store.Master, sealed []byte) error {
	if len(sealed) == 0 {
		return nil
	}
	plain, err := master.Open(managedPurpose, r.host, sealed)
	if err != nil {
		return err
	}
	return json.Unmarshal(plain, &r.secrets)
}

// managed reads the row of a route; an empty one if there is none.
func (g *Gateway) managed(ctx context.Context, host string) (*managedRow, error) {
	row, sealed, err := scanManaged(g.cfg.Store.Read().QueryRowContext(ctx, `SELECT `+managedColumns+` FROM slack_app WHERE route = $1`, host))
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return &managedRow{host: host}, nil
	case err != nil:
		return nil, fmt.Errorf("read managed app: %w", err)
	}
	return row, row.open(g.cfg.Master, sealed)
}

// lockManaged reads the row of a route, and makes it where there is none; others
// cannot change it until the transaction ends.
func (g *Gateway) lockManaged(ctx context.Context, tx *sql.Tx, host string) (*managedRow, error) {
	_, err := tx.ExecContext(ctx, `INSERT INTO slack_app (route, sealed, changed_at) VALUES ($1, $2, 0) ON CONFLICT (route) DO NOTHING`, host, []byte{})
	if err != nil {
		return nil, err
	}
	row, sealed, err := scanManaged(tx.QueryRowContext(ctx, `UPDATE slack_app SET route = route WHERE route = $1 RETURNING `+managedColumns, host))
	if err != nil {
		return nil, err
	}
	return row, row.open(g.cfg.Master, sealed)
}

// save writes the row, in a transaction that has locked it.
func (r *managedRow) save(ctx context.Context, tx *sql.Tx, g *Gateway) error {
	sealed := []byte{} // nothing at all, for who looks which rows have secrets
	if r.secrets != (managedSecrets{}) {
		// #nosec G117 -- sealed before it is kept
		plain, err := json.Marshal(r.secrets)
		if err != nil {
			return err
		}
		if sealed, err = g.cfg.Master.Seal(managedPurpose, r.host, plain); err != nil {
			return err
		}
	}
	now, err := g.cfg.Store.NowTx(ctx, tx)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `UPDATE slack_app SET sealed = $2, app_id = $3, team = $4, team_name = $5, bot_user = $6, installed_by = $7, installed_at = $8,
		changed_at = (SELECT CASE WHEN MAX(changed_at) >= $9 THEN MAX(changed_at) + 1 ELSE $9 END FROM slack_app) WHERE route = $1`,
		r.host, sealed, r.appID, r.team, r.teamName, r.botUser, r.installedBy,
		sql.NullInt64{Int64: r.installedAt.UnixMilli(), Valid: !r.installedAt.IsZero()}, now.UnixMilli())
	return err
}

// connected reports whether people can sign in by the route's Slack app. A managed
// one may not be installed yet, or without the bot that the route needs by now.
func (rt *Route) connected() bool {
	a := rt.SlackApp
	return !a.Managed || a.ClientID != "" && rt.Workspace != "" && (a.BotToken != "" || !rt.needsBot())
}

// needsBot reports whether the app has to be installed to the workspace, and not
// just made: only then there is a bot token.
func (rt *Route) needsBot() bool { return rt.Manifest == nil || len(rt.Manifest.OAuth.Scopes.Bot) > 0 }
