package admin

import (
	"context"
	"net/url"
	"time"
)

// Setup is the body of POST /setup and of what lies below it.
type Setup struct {
	Operator
	Host string `json:"host"` // of a route whose Slack app is managed
}

// SetupLink is the answer to POST /setup. Whoever has the URL can connect the route
// to a workspace of their choice, unless the configuration or an installation has
// named one.
type SetupLink struct {
	URL     string     `json:"url"`
	Expires time.Time  `json:"expires"`
	Hook    *HookToken `json:"hook,omitempty"` // missing: no token was made just now
}

// HookToken is the answer to POST /setup/token: a bearer token of a route's
// notification API, and its address.
type HookToken struct {
	Token string `json:"token"`
	URL   string `json:"url"`
}

// SetupStatus is the answer to GET /setup.
type SetupStatus struct {
	Host          string           `json:"host"`
	Installed     bool             `json:"installed"`
	InForce       bool             `json:"in_force"` // the gateway serves the route by it
	AppID         string           `json:"app_id,omitempty"`
	ClientID      string           `json:"client_id,omitempty"`
	Workspace     string           `json:"workspace,omitempty"` // Slack team id, pinned
	WorkspaceName string           `json:"workspace_name,omitempty"`
	InstalledBy   string           `json:"installed_by,omitempty"` // Slack user id
	InstalledAt   time.Time        `json:"installed_at,omitzero"`
	HookToken     bool             `json:"hook_token"` // one was made for the notification API
	Link          *SetupLinkStatus `json:"link,omitempty"`
}

// SetupLinkStatus is the link that was made last.
type SetupLinkStatus struct {
	State       string    `json:"state"` // open | finished | revoked | replaced | expired
	By          string    `json:"by"`
	Created     time.Time `json:"created"`
	Expires     time.Time `json:"expires"`
	Opened      bool      `json:"opened"`
	Credentials bool      `json:"credentials"`         // Slack has taken the client id and the secret
	SignedIn    string    `json:"signed_in,omitempty"` // e-mail address of who did since the installation
	Message     string    `json:"message,omitempty"`   // state of the test message
}

// makeSetup is POST /setup.
func (cfg Config) makeSetup(ctx context.Context, s Setup) (any, error) {
	link, err := cfg.Gateway.MakeSetup(ctx, s.Host, s.By)
	if err != nil {
		return nil, err
	}
	out := SetupLink{URL: link.URL.Reveal(), Expires: link.Expires}
	if link.Hook.Token != "" {
		out.Hook = &HookToken{link.Hook.Token.Reveal(), link.Hook.URL}
	}
	return out, nil
}

// revokeSetup is POST /setup/revoke.
func (cfg Config) revokeSetup(ctx context.Context, s Setup) (any, error) {
	return nil, cfg.Gateway.RevokeSetup(ctx, s.Host, s.By)
}

// resetSetup is POST /setup/reset.
func (cfg Config) resetSetup(ctx context.Context, s Setup) (any, error) {
	return nil, cfg.Gateway.ResetSetup(ctx, s.Host, s.By)
}

// newHookToken is POST /setup/token.
func (cfg Config) newHookToken(ctx context.Context, s Setup) (any, error) {
	made, err := cfg.Gateway.NewHookToken(ctx, s.Host, s.By)
	return HookToken{made.Token.Reveal(), made.URL}, err
}

// setupStatus is GET /setup.
func (cfg Config) setupStatus(ctx context.Context, query url.Values) (any, error) {
	s, err := cfg.Gateway.SetupStatus(ctx, query.Get("host"))
	if err != nil {
		return nil, err
	}
	out := SetupStatus{Host: s.Host, Installed: s.Installed, InForce: s.InForce, AppID: s.AppID, ClientID: s.ClientID, Workspace: s.Workspace,
		WorkspaceName: s.WorkspaceName, InstalledBy: s.InstalledBy, InstalledAt: s.InstalledAt, HookToken: s.HookToken}
	if l := s.Link; l != nil {
		out.Link = &SetupLinkStatus{l.State, l.By, l.Created, l.Expires, l.Opened, l.Credentials, l.SignedIn, l.Message}
	}
	return out, nil
}
