package gateway_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
)

// refusalPage is what somebody sees whom Slack refuses.
type refusalPage struct {
	status            int
	titleEN, titleFR  string
	whomEN, whomFR    string // what else it must say: whom to ask, what to do
	named, saysSlacks bool   // the page names the workspace; Slack's own word stands on it
	mended            bool   // the log says what the operator has to mend
}

var (
	pageCancelled = refusalPage{403, "The sign-in was cancelled", "La connexion a été annulée", "begin again", "recommencer", false, false, false}
	pageWorkspace = refusalPage{403, "This is not the right Slack workspace", "Ce n’est pas le bon espace de travail Slack", "menu at the top right", "menu en haut à droite", true, false, false}
	pageEmail     = refusalPage{403, "Your e-mail address is not confirmed", "Votre adresse e-mail n’est pas confirmée", "Confirm it in Slack", "Confirmez-la dans Slack", false, false, false}
	pageGone      = refusalPage{403, "Your Slack account is deactivated", "Votre compte Slack est désactivé", "Ask its administrator", "Adressez-vous à son administrateur", true, false, false}
	pageGuest     = refusalPage{403, "Guests have no access", "Les invités n’ont pas accès", "Ask its administrator", "Adressez-vous à son administrateur", true, false, false}
	pageTwoFactor = refusalPage{403, "Slack asks for two-factor authentication first", "Slack demande d’abord l’authentification à deux facteurs", "Set it up in Slack", "Activez-la dans Slack", true, false, false}
	pageAdmission = refusalPage{403, "Your workspace does not allow this sign-in", "Votre espace de travail n’autorise pas cette connexion", "An administrator of", "Un administrateur de", true, true, false}
	pageMoving    = refusalPage{503, "Slack is moving your workspace", "Slack déplace votre espace de travail", "try again later", "Réessayez plus tard", true, false, false}
	pageBusy      = refusalPage{503, "Many people are signing in right now", "Beaucoup de monde se connecte en ce moment", "in a moment", "dans un instant", false, false, false}
	pageDown      = refusalPage{503, "Slack cannot be reached right now", "Slack est injoignable pour le moment", "in a moment", "dans un instant", false, false, false}
	pageStale     = refusalPage{400, "This sign-in cannot be finished", "Cette connexion ne peut pas aboutir", "begin again", "recommencer", false, false, false}
	pageSetup     = refusalPage{502, "The connection to Slack is not set up right", "La liaison avec Slack est mal configurée", "tell whoever looks after " + host, "Prévenez la personne qui s’occupe de " + host, true, true, true}
)

// slackNames is every error name that Slack documents for the authorize
// redirect and for openid.connect.token, the common ones of the Web API
// included.
var slackNames = map[string]refusalPage{
	"invalid_team_for_non_distributed_app": pageWorkspace, "invalid_team": pageWorkspace, "team_not_found": pageWorkspace,
	"user_email_unverified": pageEmail,
	"account_inactive":      pageGone, "user_removed_from_team": pageGone, "deleted_user": pageGone,
	"user_is_restricted": pageGuest, "user_is_ultra_restricted": pageGuest,
	"two_factor_setup_required": pageTwoFactor,
	"accesslimited":             pageAdmission, "team_access_not_granted": pageAdmission, "enterprise_is_restricted": pageAdmission, "no_permission": pageAdmission,
	"unapproved_scope": pageAdmission, "scope_not_allowed_on_enterprise": pageAdmission, "app_access_restricted": pageAdmission, "ekm_access_denied": pageAdmission,
	"org_login_required": pageMoving, "team_added_to_org": pageMoving,
	"ratelimited": pageBusy, "rate_limited": pageBusy,
	"internal_error": pageDown, "fatal_error": pageDown, "service_unavailable": pageDown, "request_timeout": pageDown,
	"invalid_code": pageStale, "invalid_grant": pageStale, "code_already_used": pageStale, "code_expired": pageStale,

	"bad_client_secret": pageSetup, "bad_redirect_uri": pageSetup, "cannot_install_an_org_installed_app": pageSetup, "invalid_client": pageSetup,
	"invalid_client_id": pageSetup, "invalid_grant_type": pageSetup, "invalid_refresh_token": pageSetup, "invalid_request": pageSetup,
	"oauth_authorization_url_mismatch": pageSetup, "preview_feature_not_available": pageSetup, "unsupported_grant_type": pageSetup,
	"unsupported_response_type": pageSetup, "unauthorized_client": pageSetup, "invalid_code_verifier": pageSetup, "pkce_not_allowed": pageSetup,
	"invalid_scope": pageSetup, "no_scopes": pageSetup, "missing_scope": pageSetup,
	"invalid_auth": pageSetup, "not_authed": pageSetup, "token_revoked": pageSetup, "token_expired": pageSetup, "not_allowed_token_type": pageSetup,
	"invalid_arguments": pageSetup, "invalid_arg_name": pageSetup, "invalid_array_arg": pageSetup, "invalid_charset": pageSetup, "invalid_form_data": pageSetup,
	"invalid_post_type": pageSetup, "missing_post_type": pageSetup, "deprecated_endpoint": pageSetup, "method_deprecated": pageSetup, "unknown_method": pageSetup,
	"a_name_of_tomorrow": pageSetup,
}

// TestSlackErrors: each name, from the redirect and from the token endpoint,
// with every HTTP status that may come along, in both languages.
func TestSlackErrors(t *testing.T) {
	redirect := map[string]refusalPage{"access_denied": pageCancelled, "server_error": pageDown, "temporarily_unavailable": pageDown}
	token := map[string]refusalPage{"access_denied": pageAdmission}
	for name, want := range slackNames {
		redirect[name], token[name] = want, want
	}
	w := newWorld(t)
	for name, want := range redirect {
		t.Run("redirect says "+name, func(t *testing.T) {
			w := newWorld(t) // what it says is logged by what there is to mend
			w.checkRefusal(t, name, want, func(b *browser, lang string) answer {
				slack, _ := url.Parse(b.get(w.routes[0].Origin + deepLink).Header.Get("Location"))
				return b.get(w.routes[0].Origin+"/.gateway/callback?error="+name+"&state="+slack.Query().Get("state"), "Accept-Language", lang)
			})
		})
	}
	for name, want := range token {
		for _, status := range []int{200, 400, 401} { // which it is is not documented
			t.Run(fmt.Sprintf("token endpoint says %d %s", status, name), func(t *testing.T) {
				w.checkRefusal(t, name, want, func(b *browser, lang string) answer {
					w.slack.Fault(slacksim.Fault{Method: "openid.connect.token", Times: 1, Kind: slacksim.Custom, Answer: func(rw http.ResponseWriter, _ *http.Request) {
						rw.Header().Set("Content-Type", "application/json; charset=utf-8")
						rw.WriteHeader(status)
						fmt.Fprintf(rw, `{"ok":false,"error":%q}`, name)
					}})
					back := b.pick(b.get(w.routes[0].Origin+deepLink).Header.Get("Location"), teams[0], "U0PAUL")
					return b.get(back.Header.Get("Location"), "Accept-Language", lang)
				})
			})
		}
	}
}

// checkRefusal meets a refusal in both languages.
func (w *world) checkRefusal(t *testing.T, name string, want refusalPage, meet func(b *browser, lang string) answer) {
	for lang, words := range map[string][2]string{"en": {want.titleEN, want.whomEN}, "fr": {want.titleFR, want.whomFR}} {
		b := w.browser()
		got := meet(b, lang)
		if got.StatusCode != want.status || title(got.text) != words[0] || !strings.Contains(got.text, words[1]) || !strings.Contains(got.text, `<html lang="`+lang+`">`) {
			t.Errorf("%s: %d %s, want %d %s with %q: %s", lang, got.StatusCode, title(got.text), want.status, words[0], words[1], got.text)
		}
		if strings.Contains(got.text, "Workspace "+teams[0]) != want.named || strings.Contains(got.text, name) != want.saysSlacks {
			t.Errorf("%s: names the workspace: want %t; says %s: want %t: %s", lang, want.named, name, want.saysSlacks, got.text)
		}
		if (got.Header.Get("Retry-After") != "") != (want.status == 503) {
			t.Errorf("%s: %d with Retry-After %q", lang, got.StatusCode, got.Header.Get("Retry-After"))
		}
		to, advised := got.next()
		if slack := b.get(to).Header.Get("Location"); !advised || !strings.HasPrefix(slack, w.slack.URL()) || strings.Count(got.text, `id="next"`) != 1 {
			t.Errorf("%s: the next step leads to %q, advised %t", lang, slack, advised)
		}
	}
	lines := w.logged(name)
	if (len(lines) > 0) != want.mended || len(lines) > 1 {
		t.Errorf("the log says what to mend: %q, want %t", lines, want.mended)
	}
}

// logged gives the log's lines that say what to mend about an error name.
func (w *world) logged(name string) (lines []string) {
	for line := range strings.Lines(w.log.String()) {
		if strings.Contains(line, `"mend":"`) && strings.Contains(line, `"slack_error":"`+name+`"`) {
			lines = append(lines, line)
		}
	}
	return lines
}

// TestSetupMistakeIsLoggedOnce: an operator finds one line that says what to
// mend, however many people meet the mistake, and another one after an hour.
func TestSetupMistakeIsLoggedOnce(t *testing.T) {
	for name, row := range map[string]struct {
		method string
		mend   string
	}{
		"bad_client_secret": {"openid.connect.token", "slack_app.client_secret"},
		"bad_redirect_uri":  {"openid.connect.token", "Redirect URLs"},
		"invalid_client_id": {"openid.connect.token", "slack_app.client_id"},
		"invalid_scope":     {"openid.connect.token", "user scopes openid, email and profile"},
		"pkce_not_allowed":  {"openid.connect.token", "PKCE"},
		"missing_scope":     {"users.info", "bot scope users:read"},
		"token_revoked":     {"users.info", "slack_app.bot_token"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.slack.Fault(slacksim.Fault{Method: row.method, Kind: slacksim.ErrorCode, Error: name})
			for range 5 {
				if got := w.browser().signIn(w.routes[0].Origin+"/", teams[0], "U0PAUL"); got.StatusCode != 502 {
					t.Fatalf("answered %d", got.StatusCode)
				}
			}
			lines := w.logged(name)
			if len(lines) != 1 || !strings.Contains(lines[0], row.mend) || !strings.Contains(lines[0], w.routes[0].Origin+"/.gateway/callback") ||
				!strings.Contains(lines[0], `"route":"`+host+`"`) || strings.Contains(lines[0], "secret-0") {
				t.Errorf("the log says what to mend: %q", lines)
			}
			w.advance(61 * time.Minute)
			w.browser().signIn(w.routes[0].Origin+"/", teams[0], "U0PAUL")
			if lines := w.logged(name); len(lines) != 2 {
				t.Errorf("after an hour: %q", lines)
			}
		})
	}
}

// TestRetryAfterOfSlack: a page hands on what Slack asks to wait, within reason.
func TestRetryAfterOfSlack(t *testing.T) {
	for wait, want := range map[time.Duration]string{7 * time.Second: "7", time.Hour: "300"} {
		w := newWorld(t)
		w.slack.Fault(slacksim.Fault{Method: "openid.connect.token", Kind: slacksim.RateLimited, RetryAfter: wait})
		if got := w.browser().signIn(w.routes[0].Origin+"/", teams[0], "U0PAUL"); got.Header.Get("Retry-After") != want {
			t.Errorf("Retry-After %q, want %q", got.Header.Get("Retry-After"), want)
		}
	}
}

// TestRubbishOnTheRedirect: the error's name comes by the browser. What looks
// like no name is not shown.
func TestRubbishOnTheRedirect(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	slack, _ := url.Parse(b.get(w.routes[0].Origin + "/").Header.Get("Location"))
	for _, rubbish := range []string{"<script>alert(1)</script>", "Call 0800-EVIL", strings.Repeat("a", 61)} {
		got := b.get(w.routes[0].Origin + "/.gateway/callback?error=" + url.QueryEscape(rubbish) + "&state=" + slack.Query().Get("state"))
		if got.StatusCode != 502 || strings.Contains(got.text, rubbish[:10]) {
			t.Errorf("%q: answered %d %s", rubbish, got.StatusCode, got.text)
		}
	}
}

// TestForgedErrorsDoNotFloodTheLog: whoever has begun a sign-in can make up what
// Slack says, any number of times.
func TestForgedErrorsDoNotFloodTheLog(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	first := b.get(w.routes[0].Origin + "/")
	slack, _ := url.Parse(first.Header.Get("Location"))
	for i := range 50 {
		b.get(w.routes[0].Origin + "/.gateway/callback?error=" + strings.Repeat("x", i+1) + "&state=" + url.QueryEscape(slack.Query().Get("state")))
	}
	if n := strings.Count(w.log.String(), `"level":"ERROR"`); n > 1 {
		t.Errorf("%d errors", n)
	}
}
