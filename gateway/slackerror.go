package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/cocoom/cocoom-gateway/internal/slackapi"
)

// tellAgain is how long the log stays silent about a mistake in a route's Slack
// app that it has named: everybody who tries to sign in meets it.
const tellAgain = time.Hour

// firstTime reports whether the log was not told of this yet, or long ago.
func (l *logins) firstTime(what string) bool {
	now := l.now()
	if at, ok := l.told.Get(what); ok && now.Sub(at) < tellAgain {
		return false
	}
	l.told.Add(what, now)
	return true
}

// redirectRefusal is what an error on Slack's redirect means. Whoever has a
// state can write such an address, so it decides about a page only.
func redirectRefusal(name string) *refusal {
	cause := fmt.Errorf("the redirect says %q", clip(name, 80))
	switch name {
	case "access_denied": // the person clicked "Cancel"
		return errCancelled.because(cause)
	case "server_error", "temporarily_unavailable": // RFC 6749 section 4.1.2.1
		return errSlackDown.because(cause)
	}
	heard := *slackRefusal(name, cause)
	heard.hearsay = true
	return &heard
}

// tokenRefusal is what a failed answer of the token endpoint means.
func tokenRefusal(resp *http.Response, name string) *refusal {
	status := 0
	if resp != nil {
		status = resp.StatusCode
	}
	cause := fmt.Errorf("token endpoint answered %d %s", status, clip(name, 80))
	switch {
	case status == http.StatusTooManyRequests:
		return errSlackBusy.because(cause).retrying(resp.Header.Get("Retry-After"))
	case status >= 500:
		return errSlackDown.because(cause)
	}
	return slackRefusal(name, cause)
}

// infoError tells apart whose fault a failed users.info is.
func infoError(err error) error {
	var limited *slack.RateLimitedError
	var status slack.StatusCodeError
	var said slack.SlackErrorResponse
	switch {
	case errors.As(err, &limited):
		return errSlackBusy.because(errors.New("users.info is rate limited")).retrying(strconv.Itoa(int(limited.RetryAfter.Seconds())))
	case errors.As(err, &status):
		return errSlackDown.because(fmt.Errorf("users.info answered %d", status.Code))
	case errors.As(err, &said) && slackapi.Unavailable(said.Err):
		return errSlackDown.because(fmt.Errorf("users.info answered %s", said.Err))
	case errors.As(err, &said):
		cause := fmt.Errorf("users.info answered %s", clip(said.Err, 80))
		switch said.Err {
		case "user_not_found", "user_not_visible", "users_not_found":
			return errWorkspace.because(cause)
		}
		return errSetup.because(cause).saying(said.Err).mending(mendBot(said.Err))
	case errors.Is(err, errOtherPerson):
		return errSlackAnswer.because(err)
	case isNetwork(err):
		return errSlackDown.because(errors.New("users.info cannot be reached"))
	}
	return errSlackAnswer.because(errors.New("users.info answer cannot be read"))
}

// isNetwork reports whether err comes from the way to Slack, not from what it said.
func isNetwork(err error) bool {
	var ne net.Error
	var ue *url.Error
	return errors.As(err, &ne) || errors.As(err, &ue) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// retrying gives the refusal with what Slack asks to wait, in seconds and
// within five minutes.
func (r refusal) retrying(after string) *refusal {
	if n, err := strconv.Atoi(after); err == nil && n > 0 {
		r.retry = strconv.Itoa(min(n, 300))
	}
	return &r
}

// slackRefusal sorts the error names of Sign in with Slack
// (https://docs.slack.dev/reference/methods/openid.connect.token and
// https://docs.slack.dev/authentication/installing-with-oauth#errors) by who
// has to do what. A name that is not known is a matter of the set-up: Slack
// adds names at any time.
func slackRefusal(name string, cause error) *refusal {
	switch name {
	case "invalid_team_for_non_distributed_app", "team_not_found", "invalid_team":
		return errWorkspace.because(cause)
	case "user_email_unverified":
		return errEmail.because(cause)
	case "account_inactive", "user_removed_from_team", "deleted_user":
		return errDeactivated.because(cause)
	case "user_is_restricted", "user_is_ultra_restricted":
		return errGuest.because(cause)
	case "two_factor_setup_required":
		return errTwoFactor.because(cause)
	case "access_denied", "accesslimited", "app_access_restricted", "ekm_access_denied", "enterprise_is_restricted", "no_permission",
		"scope_not_allowed_on_enterprise", "team_access_not_granted", "unapproved_scope":
		return errNotAdmitted.because(cause).saying(name)
	case "org_login_required", "team_added_to_org":
		return errMoving.because(cause)
	case "ratelimited", "rate_limited":
		return errSlackBusy.because(cause)
	case "invalid_code", "invalid_grant", "code_already_used", "code_expired":
		return errState.because(cause)
	}
	if slackapi.Unavailable(name) {
		return errSlackDown.because(cause)
	}
	return errSetup.because(cause).saying(name).mending(MendSignIn(name))
}

// MendSignIn says what the operator has to do about an error name of
// openid.connect.token or of Slack's redirect.
func MendSignIn(name string) string {
	switch name {
	case "bad_client_secret", "invalid_client":
		return "slack_app.client_secret is not the secret of this client_id; copy it from Basic Information of the Slack app (a regenerated secret makes the old one invalid after a day)"
	case "invalid_client_id", "unauthorized_client":
		return "slack_app.client_id belongs to no Slack app; copy it from Basic Information of the Slack app"
	case "bad_redirect_uri", "redirect_uri_mismatch", "invalid_redirect_uri":
		return "add redirect_url to the Redirect URLs of the Slack app, under OAuth & Permissions"
	case "invalid_scope", "missing_scope", "no_scopes":
		return "give the Slack app the user scopes openid, email and profile, under OAuth & Permissions"
	case "invalid_code_verifier", "pkce_not_allowed":
		return "the Slack app is set to PKCE, which Sign in with Slack does not support and which cannot be switched off; make a new Slack app"
	case "cannot_install_an_org_installed_app":
		return "the Slack app is installed for a whole organisation; make one in the workspace of this route"
	}
	return "look the error up in Slack's documentation of openid.connect.token; client_id, client_secret, redirect URL and user scopes of the Slack app are the first places to look"
}

// mendBot says what the operator has to do when Slack refuses the bot token.
func mendBot(name string) string {
	if name == "missing_scope" {
		return "give the Slack app the bot scope users:read, under OAuth & Permissions, and install it to the workspace again"
	}
	return "slack_app.bot_token is refused; install the Slack app to the workspace and copy its Bot User OAuth Token"
}

// saying gives the refusal with Slack's own word for it, for the page. What
// does not look like one is left out: the redirect's comes by the browser.
func (r refusal) saying(name string) *refusal {
	if len(name) <= 60 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz_") == "" {
		r.slack = name
	}
	return &r
}

// mending gives the refusal with what the operator has to do about it.
func (r refusal) mending(what string) *refusal { r.mend = what; return &r }
