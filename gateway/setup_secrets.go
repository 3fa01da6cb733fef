package gateway

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"unicode"

	"github.com/labstack/echo/v4"
	"golang.org/x/oauth2"
)

// maxSetupForm bounds the form with the secrets.
const maxSetupForm = 16 << 10

// What the three look like under Basic Information of a Slack app. Slack documents
// no forms, so these are what it has always given: two numbers with a dot, and 32
// hexadecimal digits twice; longer ones are taken too.
var (
	clientIDForm = regexp.MustCompile(`^[0-9]{3,30}\.[0-9]{3,30}$`)
	secretForm   = regexp.MustCompile(`^[0-9a-f]{32,128}$`)
)

// setupSecrets is POST /setup/secrets: what the admin has copied from Slack. What
// looks right is kept, sealed, so that nothing has to be pasted twice; what is left
// empty is what was kept before.
func (g *Gateway) setupSecrets(x *exchange, c echo.Context) error {
	v, err := g.visitSetup(x, c)
	if err != nil {
		return err
	}
	form, err := g.setupForm(v)
	if err != nil {
		return err
	}
	typed, wrong := v.typed, map[string]string{}
	for _, field := range []struct {
		name string
		form *regexp.Regexp
		into *string
	}{{"client_id", clientIDForm, &typed.ClientID}, {"client_secret", secretForm, &typed.ClientSecret}, {"signing_secret", secretForm, &typed.SigningSecret}} {
		given := pasted(form.Get(field.name))
		switch {
		case given == "" && *field.into == "":
			wrong[field.name] = "empty"
		case given == "":
		case field.form.MatchString(given):
			*field.into = given
		default:
			wrong[field.name] = "shape_" + field.name
		}
	}
	if typed.ClientSecret != "" && typed.ClientSecret == typed.SigningSecret {
		wrong["signing_secret"], typed.SigningSecret = "same_secret", ""
	}
	var trouble error
	if len(wrong) > 0 {
		trouble = &setupTrouble{status: http.StatusUnprocessableEntity, code: "fields", fields: wrong}
	} else {
		trouble = g.checkCredentials(v.r.Context(), x, &typed)
	}
	err = g.change(v, func(_ context.Context, _ *sql.Tx, l *setupLink) error {
		l.detail.Checked = trouble == nil
		return g.sealTyped(l, typed)
	})
	if err != nil {
		return err
	}
	if trouble != nil {
		v.typed = typed
		return g.showSetup(v, stepSecrets, trouble)
	}
	if !x.route.needsBot() {
		if err := g.keepWithoutBot(v, typed); err != nil {
			return err
		}
	}
	return g.backToSetup(x, c)
}

// setupForm reads a form of ours.
func (g *Gateway) setupForm(v *setupVisit) (url.Values, error) {
	body, err := v.x.readBody(v.r, maxSetupForm, bodyPatience)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil || !isMedia(v.r, "application/x-www-form-urlencoded") {
		return nil, errBody.because(errors.New("not a form of this page"))
	}
	return form, nil
}

// pasted is what a person meant to paste: without the spaces, line breaks and
// invisible marks that come along.
func pasted(s string) string {
	return strings.TrimFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) })
}

// noCode is a code that Slack cannot have given.
const noCode = "cocoom-gateway-checks-the-credentials"

// checkCredentials asks Slack whether client id and secret belong together, by a
// code that cannot be right: whoever gets as far as the code has passed. What Slack
// says is wrong is taken out of typed.
func (g *Gateway) checkCredentials(ctx context.Context, x *exchange, typed *managedSecrets) error {
	_, err := g.installer(x, *typed).Exchange(g.installContext(ctx), noCode)
	var answer *oauth2.RetrieveError
	switch {
	case err == nil:
		return &setupTrouble{status: http.StatusBadGateway, code: "answer", cause: errors.New("a code that was never given was taken")}
	case !errors.As(err, &answer) || answer.ErrorCode == "":
		return installTrouble(err)
	}
	switch answer.ErrorCode {
	case "invalid_code", "invalid_grant", "code_already_used", "code_expired":
		return nil
	case "invalid_client_id", "unauthorized_client":
		typed.ClientID = ""
		return &setupTrouble{status: http.StatusUnprocessableEntity, code: "fields", fields: map[string]string{"client_id": "client_id"}, cause: errors.New(answer.ErrorCode)}
	case "bad_client_secret", "invalid_client":
		typed.ClientSecret = ""
		return &setupTrouble{status: http.StatusUnprocessableEntity, code: "fields", fields: map[string]string{"client_secret": "client_secret"}, cause: errors.New(answer.ErrorCode)}
	}
	return installTrouble(err)
}

// keepWithoutBot puts an app in force that people only sign in by: nothing of it
// has to be installed, and the configuration says which workspace it is for.
func (g *Gateway) keepWithoutBot(v *setupVisit, typed managedSecrets) error {
	rt := v.x.route
	err := g.change(v, func(ctx context.Context, tx *sql.Tx, l *setupLink) error {
		row, err := g.lockManaged(ctx, tx, rt.Host)
		if err != nil {
			return err
		}
		typed.HookToken = row.secrets.HookToken
		*row = managedRow{host: rt.Host, secrets: typed, team: rt.Workspace, installedAt: g.cfg.Now()}
		if err := row.save(ctx, tx, g); err != nil {
			return err
		}
		l.detail.Typed, l.detail.Checked = "", true
		return audit(ctx, tx, g.cfg.Now(), auditEntry{"setup link of " + l.by, "setup.installed", rt.Host, fmt.Sprintf("client %s for %s, without a bot", typed.ClientID, rt.Workspace)})
	})
	if err != nil {
		return err
	}
	g.appChanged()
	return nil
}
