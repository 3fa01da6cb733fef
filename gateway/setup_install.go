package gateway

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/slack-go/slack"
	"golang.org/x/oauth2"

	"github.com/cocoom/cocoom-gateway/internal/secret"
	"github.com/cocoom/cocoom-gateway/internal/slackapi"
)

// installState travels sealed as the OAuth state of an installation. It is of a
// kind of its own: that of a sign-in is worthless here, and this one there.
type installState struct {
	Link  string `json:"l"`
	Bound string `json:"b"` // hash of the browser's secret
	Begun int64  `json:"t"` // Unix seconds
	Salt  string `json:"n"` // each is used once
}

// installer is the OAuth client that installs the app
// (https://docs.slack.dev/authentication/installing-with-oauth). The style is
// explicit, as Slack recommends it: with auto-detection x/oauth2 would send the
// one-time code twice.
func (g *Gateway) installer(x *exchange, s managedSecrets) *oauth2.Config {
	at := g.slackAt(x)
	return &oauth2.Config{
		ClientID: s.ClientID, ClientSecret: s.ClientSecret, RedirectURL: g.setupURL(x.route) + "/installed",
		Endpoint: oauth2.Endpoint{AuthURL: at.Issuer + "/oauth/v2/authorize", TokenURL: at.APIURL + "oauth.v2.access", AuthStyle: oauth2.AuthStyleInHeader},
	}
}

// installContext makes x/oauth2 use the bounded client.
func (g *Gateway) installContext(ctx context.Context) context.Context {
	return context.WithValue(ctx, oauth2.HTTPClient, g.installClient)
}

// setupInstall is GET /setup/install: it sends the admin to Slack. Nothing changes
// here. It is a link and not a form, since form-action holds for redirects too.
func (g *Gateway) setupInstall(x *exchange, c echo.Context) error {
	v, err := g.visitSetup(x, c)
	if err != nil {
		return err
	}
	rt, app := x.route, v.candidate()
	if !app.credentials() || !rt.needsBot() {
		return g.backToSetup(x, c)
	}
	state, err := g.sealInstall(rt, installState{v.link.id, v.link.detail.Bound, g.cfg.Now().Unix(), randomText(9)})
	if err != nil {
		return err
	}
	with := []oauth2.AuthCodeOption{oauth2.SetAuthURLParam("scope", strings.Join(rt.Manifest.OAuth.Scopes.Bot, ","))}
	if team := v.pinned(); team != "" {
		with = append(with, oauth2.SetAuthURLParam("team", team))
	}
	x.forNobodyElse()
	return c.Redirect(http.StatusFound, g.installer(x, app).AuthCodeURL(state, with...))
}

func (g *Gateway) sealInstall(rt *Route, s installState) (string, error) {
	plain, err := json.Marshal(s)
	if err != nil {
		return "", fmt.Errorf("marshal install state: %w", err)
	}
	return g.cfg.Sealer.seal(kindInstall, rt.Host, plain, g.cfg.Now())
}

// pinned is the workspace that the app has to be installed to; empty: whichever
// its admin chooses, once.
func (v *setupVisit) pinned() string {
	if v.row.installed() {
		return v.row.team
	}
	return v.x.route.Workspace
}

// pinnedName is what pages call it.
func (v *setupVisit) pinnedName() string {
	if v.row.installed() && v.row.teamName != "" {
		return v.row.teamName
	}
	return v.x.route.workspace()
}

// setupInstalled is where Slack sends the admin back to. Everything that can be
// checked without Slack is checked before the one-time code is spent.
func (g *Gateway) setupInstalled(x *exchange, c echo.Context) error {
	v, err := g.visitSetup(x, c)
	if err != nil {
		return err
	}
	if err := g.finishInstall(v); err != nil {
		return g.showSetup(v, min(stepInstall, v.furthest()), err)
	}
	return g.backToSetup(x, c)
}

func (g *Gateway) finishInstall(v *setupVisit) error {
	q, rt := v.r.URL.Query(), v.x.route
	var s installState
	plain, err := g.cfg.Sealer.open(kindInstall, rt.Host, q.Get("state"))
	if err == nil {
		err = json.Unmarshal(plain, &s)
	}
	stale := &setupTrouble{status: http.StatusBadRequest, code: "stale"}
	switch {
	case err != nil:
		stale.cause = err
		return stale
	case s.Link != v.link.id || s.Bound != v.link.detail.Bound:
		stale.cause = errors.New("the state is another link's, or another browser's")
		return stale
	case g.cfg.Now().Sub(time.Unix(s.Begun, 0)) > pendingLife:
		stale.cause = errors.New("the installation took too long")
		return stale
	case q.Get("error") != "":
		return redirectTrouble(q.Get("error"))
	case q.Get("code") == "" || !g.logins.useOnce(q.Get("state")) || !v.candidate().credentials():
		stale.cause = errors.New("no code, or the state was used before")
		return stale
	}
	app := v.candidate()
	token, err := g.installer(v.x, app).Exchange(g.installContext(v.r.Context()), q.Get("code"))
	if err != nil {
		return installTrouble(err)
	}
	got, err := readInstallation(token)
	if err != nil {
		return &setupTrouble{status: http.StatusBadGateway, code: "answer", cause: err}
	}
	if err := g.judge(v, app, got); err != nil {
		// The token is dropped and not revoked: an app that serves several routes has
		// one token for all of them in a workspace.
		return err
	}
	return g.keepInstalled(v, app, got)
}

// oauthInstallation is the answer of oauth.v2.access
// (https://docs.slack.dev/reference/methods/oauth.v2.access).
type oauthInstallation struct {
	token   string
	expires bool   // the token does: "token rotation" is on
	AppID   string `json:"app_id"`
	Scope   string `json:"scope"`
	BotUser string `json:"bot_user_id"`
	Team    struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	} `json:"team"` // null where an organisation installs
	Enterprise bool `json:"is_enterprise_install"`
	Installer  struct {
		ID string `json:"id"`
	} `json:"authed_user"`
}

func readInstallation(token *oauth2.Token) (*oauthInstallation, error) {
	fields := map[string]any{}
	for _, name := range []string{"app_id", "scope", "bot_user_id", "team", "is_enterprise_install", "authed_user"} {
		fields[name] = token.Extra(name)
	}
	raw, err := json.Marshal(fields)
	if err != nil {
		return nil, err
	}
	got := oauthInstallation{token: token.AccessToken, expires: !token.Expiry.IsZero() || token.RefreshToken != ""}
	if err := json.Unmarshal(raw, &got); err != nil {
		return nil, errors.New("the answer's fields are of other types than Slack's")
	}
	got.Team.Name = plainName(got.Team.Name)
	switch {
	case got.Enterprise:
		return &got, nil
	case !isToken(got.token):
		return nil, errors.New("the answer's token is none")
	case !plausible(got.Team.ID, 40, ""), !plausible(got.AppID, 40, ""), !plausibleID(got.Installer.ID), !plausibleID(got.BotUser):
		return nil, errors.New("the answer lacks the team, the app, the bot or the installer")
	}
	return &got, nil
}

// isToken reports whether a text can be sent as a bearer token, and is not far longer
// than any of Slack's.
func isToken(s string) bool {
	return s != "" && len(s) <= 1000 && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// judge says whether an installation is the one that was wanted: this workspace,
// this app, all scopes, by somebody who may.
func (g *Gateway) judge(v *setupVisit, app managedSecrets, got *oauthInstallation) error {
	switch pin := v.pinned(); {
	case got.Enterprise:
		return refusedSetup("enterprise", "", errors.New("installed for a whole organisation"))
	case pin != "" && got.Team.ID != pin:
		return refusedSetup("wrong_workspace", got.named(), fmt.Errorf("installed to team %s, pinned is %s", got.Team.ID, pin))
	case got.expires:
		return refusedSetup("rotation", "", errors.New("the app has token rotation on"))
	case v.row.installed() && app.ClientID == v.row.secrets.ClientID && v.row.appID != "" && got.AppID != v.row.appID:
		return refusedSetup("other_app", "", fmt.Errorf("app %s has the client id of app %s", got.AppID, v.row.appID))
	}
	var missing []string
	for _, scope := range v.x.route.Manifest.OAuth.Scopes.Bot {
		if !slices.Contains(strings.Split(got.Scope, ","), scope) {
			missing = append(missing, scope)
		}
	}
	if len(missing) > 0 {
		return refusedSetup("scopes", strings.Join(missing, ", "), errors.New("scopes are missing"))
	}
	return g.judgeInstaller(v, got)
}

// named is what a page calls the workspace that an installation went to.
func (o *oauthInstallation) named() string {
	if o.Team.Name != "" {
		return o.Team.Name
	}
	return o.Team.ID
}

// judgeInstaller asks Slack about the token and who installed it. Whoever has the
// link first would bind the route to a workspace of their choice, so where none is
// pinned it takes one of its admins; where one is, Slack's own approval of apps has
// decided, and only a guest is too little.
func (g *Gateway) judgeInstaller(v *setupVisit, got *oauthInstallation) error {
	ctx, cancel := context.WithTimeout(v.r.Context(), slackTimeout)
	defer cancel()
	api := slackapi.New(secret.String(got.token), g.slackAt(v.x).APIURL, g.installClient.Transport)
	bot, err := api.AuthTestContext(ctx)
	switch {
	case err != nil:
		return askTrouble(err)
	case bot.TeamID != got.Team.ID || bot.UserID != got.BotUser:
		return &setupTrouble{status: http.StatusBadGateway, code: "answer", cause: errors.New("the token is another bot's than the answer says")}
	}
	who, err := api.GetUserInfoContext(ctx, got.Installer.ID)
	var said slack.SlackErrorResponse
	switch {
	case errors.As(err, &said) && said.Err == "missing_scope":
		if v.pinned() == "" {
			return refusedSetup("unasked", "", errors.New("without users:read nobody can tell who installs"))
		}
		return nil
	case err != nil:
		return askTrouble(err)
	case who.ID != got.Installer.ID || who.Deleted:
		return &setupTrouble{status: http.StatusBadGateway, code: "answer", cause: errors.New("users.info is about somebody else, or nobody any more")}
	case who.IsRestricted || who.IsUltraRestricted:
		return refusedSetup("guest", plainName(who.RealName), errors.New("a guest installed the app"))
	case v.pinned() == "" && !who.IsAdmin && !who.IsOwner && !who.IsPrimaryOwner:
		return refusedSetup("admin", plainName(who.RealName), errors.New("who installed the app is no admin"))
	}
	return nil
}

// keepInstalled puts the app in force, and pins the workspace. That another link
// was quicker, with another workspace, is found out here at the latest.
func (g *Gateway) keepInstalled(v *setupVisit, app managedSecrets, got *oauthInstallation) error {
	rt := v.x.route
	if _, err := g.setupRoute(rt.Host); err != nil {
		return errNotFound.because(err) // the configuration has changed while Slack was asked
	}
	err := g.change(v, func(ctx context.Context, tx *sql.Tx, l *setupLink) error {
		row, err := g.lockManaged(ctx, tx, rt.Host)
		if err != nil {
			return err
		}
		if row.installed() && row.team != got.Team.ID {
			return refusedSetup("wrong_workspace", got.named(), errors.New("another workspace was pinned meanwhile"))
		}
		app.BotToken, app.HookToken = got.token, row.secrets.HookToken
		*row = managedRow{host: rt.Host, secrets: app, appID: got.AppID, team: got.Team.ID, teamName: got.Team.Name,
			botUser: got.BotUser, installedBy: got.Installer.ID, installedAt: g.cfg.Now()}
		if err := row.save(ctx, tx, g); err != nil {
			return err
		}
		l.detail.Typed, l.detail.Message, l.detail.Checked = "", "", true
		return audit(ctx, tx, g.cfg.Now(), auditEntry{got.Installer.ID, "setup.installed", rt.Host, "app " + got.AppID + " to " + got.Team.ID + " by the setup link of " + l.by})
	})
	if err != nil {
		return err
	}
	g.appChanged()
	g.cfg.Log.Info("a Slack app was set up", "route", rt.Host, "team", got.Team.ID, "app", got.AppID, "installer", got.Installer.ID)
	return nil
}

// redirectTrouble is what an error on Slack's redirect means.
func redirectTrouble(name string) *setupTrouble {
	cause := fmt.Errorf("the redirect says %q", clip(name, 80))
	switch name {
	case "access_denied":
		return refusedSetup("cancelled", "", cause)
	case "unapproved_scope", "scope_not_allowed_on_enterprise", "app_approval_request_pending":
		return refusedSetup("approval", "", cause).saying(name)
	case "invalid_scope":
		return refusedSetup("settings", "", cause).saying(name)
	case "server_error", "temporarily_unavailable":
		return &setupTrouble{status: http.StatusServiceUnavailable, code: "slack_down", cause: cause, retry: errSlackDown.retry}
	}
	return refusedSetup("refused", "", cause).saying(name)
}

// saying adds Slack's own word, if it looks like one.
func (t *setupTrouble) saying(name string) *setupTrouble {
	t.slack = (refusal{}).saying(name).slack
	return t
}

// installTrouble tells apart whose fault a failed oauth.v2.access is.
func installTrouble(err error) *setupTrouble {
	no := asRefusal(exchangeError(err))
	out := &setupTrouble{status: no.status, retry: no.retry, cause: no}
	var answer *oauth2.RetrieveError
	if errors.As(err, &answer) {
		out.saying(answer.ErrorCode)
	}
	switch no.code {
	case errSlackDown.code:
		out.code = "slack_down"
	case errSlackBusy.code:
		out.code = "slack_busy"
	case errState.code:
		out.code, out.slack = "stale", ""
	case errSlackAnswer.code:
		out.code = "answer"
	case errNotAdmitted.code:
		out.code = "approval"
	default:
		out.code = "refused"
		if answer != nil && answer.ErrorCode == "bad_redirect_uri" {
			out.code = "settings"
		}
	}
	return out
}

// askTrouble tells apart whose fault a failed question about the new token is.
func askTrouble(err error) *setupTrouble {
	what := troubleOf(err)
	var limited *slack.RateLimitedError
	switch {
	case errors.As(err, &limited):
		return &setupTrouble{status: http.StatusServiceUnavailable, code: "slack_busy", retry: strconv.Itoa(int(what.wait.Seconds())), cause: errors.New(what.reason)}
	case what.setup || what.gone:
		return refusedSetup("refused", "", errors.New(what.reason)).saying(what.reason)
	}
	return &setupTrouble{status: http.StatusServiceUnavailable, code: "slack_down", retry: errSlackDown.retry, cause: errors.New(what.reason)}
}
