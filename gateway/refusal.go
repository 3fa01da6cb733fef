package gateway

import (
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/cocoom/cocoom-gateway/proxy"
)

// refusal is an answer of the gateway's own instead of what was asked for: the
// status, a code for programs, and by the code the texts of a page for people.
// It is an error so that handlers return it and one place writes it.
type refusal struct {
	status int
	code   string // stable; the key into texts
	retry  string // Retry-After in seconds, if trying again may help
	link   string // the one next step on the page; texts hold its label
	newTab bool   // the next step leaves the page where it is
	cause  error  // for the log alone
	slack  string // Slack's own name of the error, for the page; empty: not shown
	mend   string // what the operator has to do about it, for the log; empty: nothing
	last   bool   // the person has tried often enough
	detail string // stands for {detail} in the texts

	hearsay bool // the browser says that Slack says so
}

// Error names the refusal and its cause, for the log.
func (r *refusal) Error() string {
	if r.cause == nil {
		return r.code
	}
	return r.code + ": " + r.cause.Error()
}

// Unwrap gives the cause.
func (r *refusal) Unwrap() error { return r.cause }

// because gives the refusal with its cause.
func (r refusal) because(cause error) *refusal { r.cause = cause; return &r }

// linking gives the refusal with the address of the next step.
func (r refusal) linking(to string) *refusal { r.link = to; return &r }

// finally gives the refusal of the last of several tries.
func (r refusal) finally() *refusal { r.last = true; return &r }

// about gives the refusal with what its texts are to name.
func (r refusal) about(detail string) *refusal { r.detail = detail; return &r }

// Every refusal there is. They are never changed: because and linking copy.
var (
	errUnknownHost = &refusal{status: http.StatusMisdirectedRequest, code: "unknown_host"}
	errPath        = &refusal{status: http.StatusBadRequest, code: "ambiguous_path", link: "/"}
	errUnserved    = &refusal{status: http.StatusNotImplemented, code: "method_not_served"}
	errMethod      = &refusal{status: http.StatusMethodNotAllowed, code: "method_not_allowed"}
	errNotFound    = &refusal{status: http.StatusNotFound, code: "not_found"}
	errOrigin      = &refusal{status: http.StatusForbidden, code: "foreign_origin", link: "/"}
	errInternal    = &refusal{status: http.StatusInternalServerError, code: "internal"}
	errAsker       = &refusal{status: http.StatusForbidden, code: "proxy_not_trusted"}
	errQuestion    = &refusal{status: http.StatusBadRequest, code: "proxy_unclear"}
	errStore       = &refusal{status: http.StatusServiceUnavailable, code: "store_unavailable", retry: "10"}
	errUnchecked   = &refusal{status: http.StatusServiceUnavailable, code: "sessions_unchecked", retry: "10"}
	errNotEnded    = &refusal{status: http.StatusServiceUnavailable, code: "sessions_not_ended", retry: "10"}

	errSignIn     = &refusal{status: http.StatusUnauthorized, code: "sign_in_required"}
	errSubmission = &refusal{status: http.StatusUnauthorized, code: "form_not_sent", newTab: true}
	errDenied     = &refusal{status: http.StatusForbidden, code: "not_allowed", link: "/"}

	errFormTooLarge  = &refusal{status: http.StatusRequestEntityTooLarge, code: "form_too_large", newTab: true}
	errFormKept      = &refusal{status: http.StatusUnauthorized, code: "form_kept"}
	errFormGone      = &refusal{status: http.StatusGone, code: "form_gone", link: "/"}
	errFormForeign   = &refusal{status: http.StatusForbidden, code: "form_foreign", link: "/"}
	errFormSent      = &refusal{status: http.StatusConflict, code: "form_sent"}
	errFormStore     = &refusal{status: http.StatusServiceUnavailable, code: "form_unavailable", retry: "10"}
	errFormUnreached = &refusal{status: http.StatusBadGateway, code: "form_unreached"}
	errFormUncertain = &refusal{status: http.StatusBadGateway, code: "form_uncertain"}

	errToken       = &refusal{status: http.StatusUnauthorized, code: "token_invalid"}
	errTokenNeeded = &refusal{status: http.StatusUnauthorized, code: "token_required"}
	errTokenUse    = &refusal{status: http.StatusForbidden, code: "token_not_allowed"}
	errMaintenance = &refusal{status: http.StatusServiceUnavailable, code: "maintenance"}
	errLinkSpent   = &refusal{status: http.StatusGone, code: "link_spent", link: "/"}

	errSetupUnknown  = &refusal{status: http.StatusNotFound, code: "setup_unknown"}
	errSetupNoLink   = &refusal{status: http.StatusForbidden, code: "setup_no_link"}
	errSetupTaken    = &refusal{status: http.StatusConflict, code: "setup_taken"}
	errSetupFinished = &refusal{status: http.StatusGone, code: "setup_finished"}
	errSetupRevoked  = &refusal{status: http.StatusGone, code: "setup_revoked"}
	errSetupReplaced = &refusal{status: http.StatusGone, code: "setup_replaced"}
	errSetupExpired  = &refusal{status: http.StatusGone, code: "setup_expired"}
	errNotConnected  = &refusal{status: http.StatusServiceUnavailable, code: "not_connected", retry: "60", link: "/"}

	errState       = &refusal{status: http.StatusBadRequest, code: "sign_in_stale"}
	errCookies     = &refusal{status: http.StatusBadRequest, code: "cookies_missing"}
	errCancelled   = &refusal{status: http.StatusForbidden, code: "sign_in_cancelled"}
	errWorkspace   = &refusal{status: http.StatusForbidden, code: "wrong_workspace"}
	errEmail       = &refusal{status: http.StatusForbidden, code: "email_unverified"}
	errDeactivated = &refusal{status: http.StatusForbidden, code: "deactivated"}
	errGuest       = &refusal{status: http.StatusForbidden, code: "guest"}
	errTwoFactor   = &refusal{status: http.StatusForbidden, code: "two_factor_missing"}
	errNotAdmitted = &refusal{status: http.StatusForbidden, code: "app_not_admitted"}
	errMoving      = &refusal{status: http.StatusServiceUnavailable, code: "workspace_moving", retry: "300"}
	errSignature   = &refusal{status: http.StatusUnauthorized, code: "signature"}
	// The two that keep out somebody whose session was good.
	errEmailChanged     = &refusal{status: http.StatusForbidden, code: "email_changed"}
	errAccountUnchecked = &refusal{status: http.StatusServiceUnavailable, code: "account_unchecked", retry: "10", link: "/"}

	errTooManySignIns  = &refusal{status: http.StatusTooManyRequests, code: "too_many_sign_ins"}
	errTooManyFailures = &refusal{status: http.StatusTooManyRequests, code: "too_many_failures", link: "/"}

	errSetup       = &refusal{status: http.StatusBadGateway, code: "slack_setup"}
	errSlackAnswer = &refusal{status: http.StatusBadGateway, code: "slack_answer"}
	errSlackDown   = &refusal{status: http.StatusServiceUnavailable, code: "slack_unavailable", retry: "15"}
	errSlackBusy   = &refusal{status: http.StatusServiceUnavailable, code: "slack_busy", retry: "30"}

	errUpstream        = &refusal{status: http.StatusBadGateway, code: "upstream_unavailable"}
	errUpstreamTimeout = &refusal{status: http.StatusGatewayTimeout, code: "upstream_timeout"}
	errClientGone      = &refusal{status: proxy.StatusClientGone, code: "client_gone"}
	errBody            = &refusal{status: http.StatusBadRequest, code: "body_malformed"}
	errBodySilent      = &refusal{status: http.StatusRequestTimeout, code: "body_silent"}
	errAppAccount      = &refusal{status: http.StatusForbidden, code: "app_account_refused"}
	errAppSignIn       = &refusal{status: http.StatusServiceUnavailable, code: "app_sign_in_failed", retry: "10"}
	errTooLarge        = &refusal{status: http.StatusRequestEntityTooLarge, code: "too_large"}
)

// writeError is Echo's error handler: a refusal becomes a page or a problem,
// Echo's own errors the refusal of their status, and anything else a 500 that
// says nothing but the request id.
func (g *Gateway) writeError(err error, c echo.Context) {
	x := exchangeOf(c.Response())
	if c.Response().Committed {
		x.failure = err
		return
	}
	x.refuse(c.Request(), err)
}

// asRefusal finds what to answer for an error.
func asRefusal(err error) *refusal {
	var r *refusal
	var he *echo.HTTPError
	switch {
	case errors.As(err, &r):
		return r
	case errors.As(err, &he) && he.Code == http.StatusMethodNotAllowed:
		return errMethod
	case errors.As(err, &he) && he.Code == http.StatusNotFound:
		return errNotFound
	}
	return errInternal.because(err)
}

// WriteError answers with the gateway's page or problem instead of the app;
// proxy is given it, and calls it with the statuses of its errors. w must come
// from a Gateway.
func WriteError(w http.ResponseWriter, r *http.Request, status int) {
	x := exchangeOf(w)
	if x == nil {
		w.WriteHeader(status)
		return
	}
	if why := x.sending.failed(r, status); why != nil {
		x.refuse(r, why)
		return
	}
	switch status {
	case http.StatusBadRequest:
		x.refuse(r, errBody)
	case http.StatusForbidden:
		x.refuse(r, errAppAccount)
	case http.StatusMethodNotAllowed:
		x.refuse(r, errMethod)
	case http.StatusRequestTimeout:
		x.refuse(r, errBodySilent)
	case http.StatusRequestEntityTooLarge:
		x.refuse(r, errTooLarge)
	case proxy.StatusClientGone:
		x.refuse(r, errClientGone)
	case http.StatusInternalServerError:
		x.refuse(r, errInternal)
	case http.StatusServiceUnavailable:
		x.refuse(r, errAppSignIn)
	case http.StatusGatewayTimeout:
		x.refuse(r, errUpstreamTimeout)
	default:
		x.refuse(r, errUpstream)
	}
}
