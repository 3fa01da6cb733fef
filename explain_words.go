package main

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/cocoom/cocoom-gateway/configs"
	"github.com/cocoom/cocoom-gateway/gateway"
)

// reasons are policy's words for an operator.
var reasons = map[string]string{
	"no_rule":       "no rule of the policy matches, and what no rule matches is denied",
	"denied":        "the rule denies everybody",
	"not_allowed":   "the rule matches, but none of its conditions is met",
	"sign_in":       "the rule asks who it is, and nobody is signed in",
	"public":        "the rule lets everybody pass",
	"member":        "the rule lets every member pass who is signed in",
	"user":          "the rule names the user id",
	"email":         "the rule names the e-mail address",
	"email_domain":  "the rule names the domain of the e-mail address",
	"usergroup":     "the rule names one of the person's usergroups",
	"admin":         "the rule lets admins of the workspace pass",
	"guest":         "the rule lets guests of the workspace pass",
	"cidr":          "the client's address is in a network that the rule names",
	"service_token": "the rule names the service token",
}

// refusals are words for what is decided outside the policy, by the code in
// problems and logs.
var refusals = map[string]string{
	"unknown_host":      "no route has this host",
	"method_not_served": "CONNECT, TRACE and TRACK, and what is no method, are served on no route",
	"ambiguous_path":    "the path can be understood in more than one way, so it is never passed on",
	"not_found":         "the route has no app",
	"maintenance":       "the route is in maintenance, and this is nobody who may pass all the same",
	"deactivated":       "Slack says that the account is deactivated, which is refused at sign-in already",
	"guest":             "the route refuses guests at sign-in already (login.guests)",
	"email_changed":     "the e-mail address has changed, which is refused at sign-in already (login.pin_email; see people accept-email)",
	"token_invalid":     "the service token is none of this route's, or it has expired",
	"token_not_allowed": "the service token is not good for this request, and nobody else is asked who they are",
	"own_page":          "the path is under the reserved prefix, where the gateway itself answers",
	"callback":          "this is where Slack sends people back to after they have signed in",
}

// sayAll puts an explanation into words.
func (a *asked) sayAll(cfg *configs.Config, q gateway.Question, e *gateway.Explanation) *explained {
	x := &explained{Request: q.Method + " " + q.Host + q.Target, Path: e.Path, Readings: e.Readings, Who: a.asker(e), Notes: a.notes(e)}
	route := routeOf(cfg, e.Route)
	if route != nil {
		x.Route = route.Host
		if route.Upstream != nil {
			x.Route += " → " + route.Upstream.URL
		} else if route.Login != nil {
			x.Route += ", which another proxy asks about"
		}
	}
	x.Why = refusals[e.Code]
	if e.Asked {
		x.Rule, x.Reason = &e.Decision.Rule, e.Decision.Reason
		if i := e.Decision.Rule; i >= 0 {
			x.RuleAt, x.RuleText = route.RuleAt(i), route.Policy[i].String()
		}
		x.Why = joinReasons(reasons[e.Decision.Reason], x.Why)
	}
	if e.Cause != "" {
		x.Why += " (" + e.Cause + ")"
	}
	switch e.Outcome() {
	case gateway.Passes:
		x.Verdict = "pass"
		x.Page = q.Method + " " + e.Forward + ", which the proxy that asks carries to the app"
		if route.Upstream != nil {
			x.Page = q.Method + " " + strings.TrimSuffix(route.Upstream.URL, "/") + e.Forward
		}
		x.Program = x.Page
	case gateway.Own:
		x.Verdict, x.Page, x.Program = "own_page", "a page of the gateway's", "a page of the gateway's, or a problem"
	case gateway.SignIn:
		x.Verdict = "sign_in"
		x.Page, x.Program = "302 to Slack", a.problem(e.Background)
		if e.Status != http.StatusFound {
			x.Page = fmt.Sprintf("%d page that asks to sign in and send the form again", e.Status)
		}
	default:
		x.Verdict = "refuse"
		x.Page, x.Program = fmt.Sprintf("%d page (%s)", e.Status, e.Code), a.problem(e.Background)
		if a.token != "" {
			x.Page = x.Program // whoever presents a token is a program
		}
	}
	return x
}

func (a *asked) problem(status int) string { return fmt.Sprintf("%d problem+json", status) }

// joinReasons says both what policy decided and what became of it.
func joinReasons(policy, more string) string {
	if more == "" {
		return policy
	}
	return policy + "; " + more
}

// routeOf finds the configuration of a route.
func routeOf(cfg *configs.Config, rt *gateway.Route) *configs.Route {
	for i := range cfg.Routes {
		if rt != nil && cfg.Routes[i].Host == rt.Host {
			return &cfg.Routes[i]
		}
	}
	return nil
}

// asker says for whom the request is made.
func (a *asked) asker(e *gateway.Explanation) string {
	var parts []string
	switch {
	case a.token != "":
		parts = append(parts, "service token "+a.token)
	case a.who == nil || e.Route != nil && e.Route.Login == nil:
		parts = append(parts, "nobody")
	default:
		for _, name := range []string{a.who.Email, a.who.User} {
			if name != "" && name != unknownUser {
				parts = append(parts, name)
			}
		}
		if a.who.Admin {
			parts = append(parts, "admin")
		}
		if a.who.Guest {
			parts = append(parts, "guest")
		}
		if a.who.Groups != nil {
			parts = append(parts, "usergroups ["+strings.Join(a.who.Groups, ", ")+"]")
		}
	}
	if a.from != "" {
		parts = append(parts, "from "+a.from)
	}
	return strings.Join(parts, ", ")
}

// notes say what the answer does not rest on, though it could.
func (a *asked) notes(e *gateway.Explanation) (notes []string) {
	if len(e.Readings) > 0 {
		notes = append(notes, "servers read this path in several ways, so the strictest verdict among them counts")
	}
	if e.Route == nil || a.who == nil {
		return notes
	}
	switch {
	case a.token != "":
		return append(notes, "a request with a service token is the token's: --as changes nothing")
	case e.Route.Login == nil:
		return append(notes, "the route has no login: --as changes nothing")
	}
	notes = append(notes, a.source)
	switch {
	case a.who.User == unknownUser:
		notes = append(notes, "the user id is unknown, so no rule for users matches; say it with --user")
	case a.who.Email == "":
		notes = append(notes, "the e-mail address is unknown, so no rule for it matches; say it with --as EMAIL --user ID")
	}
	if a.who.Groups == nil {
		notes = append(notes, "the usergroups are unknown, so no rule for them matches; say them with --groups")
	}
	return notes
}
