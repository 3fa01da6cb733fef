package configs

import (
	"fmt"
	"strings"
)

// SetupToken is the id of the token of the notification API that came with a
// managed app.
const SetupToken = "setup"

// managedApp looks for what stands beside slack_app.managed and would be laid over.
func (v *validator) managedApp(s spot) {
	if !s.SlackApp.Managed {
		return
	}
	for _, key := range []string{"client_id", "client_secret", "bot_token", "signing_secret"} {
		if s.wrote("slack_app." + key) {
			s.mistake("slack_app."+key, "stands beside managed: true, where the workspace's admin gives it through a setup link: remove "+key+", or remove managed")
		}
	}
	if s.Notify == nil {
		return
	}
	for i, c := range s.Notify.BearerTokens {
		if c.ID == SetupToken {
			s.mistake(fmt.Sprintf("notify.bearer_tokens[%d].id", i), SetupToken+" is the name of the token that the set-up of a managed app makes: choose another")
		}
	}
}

// onTheWay looks for keys of login that only work where the gateway itself
// carries requests to the app.
func (v *validator) onTheWay(s spot) {
	if s.Upstream != nil || s.mistaken("upstream") {
		return
	}
	for _, key := range []string{"login.app_cookies", "login.sign_out_paths", "login.saved_form_max", "login.upstream.form"} {
		if s.wrote(key) {
			s.mistake(key, "needs the gateway on the way to the app, but the route has no upstream and another proxy carries the requests: add upstream, or remove "+key[strings.LastIndexByte(key, '.')+1:])
		}
	}
}

// reserved reports whether a path, which may have a query, is the gateway's own,
// so that the app is never asked for it. An upstream that ignores case must not
// see it either.
func (v *validator) reserved(s spot, path string) bool {
	path, _, _ = strings.Cut(path, "?")
	prefix := v.cfg.ReservedPrefix
	return s.Login != nil && path == s.Login.CallbackPath(prefix) ||
		strings.EqualFold(path, prefix) || len(path) > len(prefix) && strings.EqualFold(path[:len(prefix)+1], prefix+"/")
}

// signOutPaths looks for those that are the gateway's own.
func (v *validator) signOutPaths(s spot) {
	for i, item := range s.Login.SignOutPaths {
		if v.reserved(s, item) {
			s.mistake(fmt.Sprintf("login.sign_out_paths[%d]", i), "is a page of the gateway's own, and the app is never asked for it: write the path of the app's own sign-out link, such as /logout.php")
		}
	}
}

// appForm looks for addresses of the app's login form that no browser reaches,
// and at its cookies beside app_cookies, as they are bound together.
func (v *validator) appForm(s spot) {
	f := s.Login.Upstream.Form
	if f == nil {
		return
	}
	for _, address := range []struct{ key, path string }{{"url", f.URL}, {"action", f.Action}, {"success.location", f.Success.Location}, {"expired.location", f.Expired.Location}} {
		if address.path != "" && v.reserved(s, address.path) {
			s.mistake("login.upstream.form."+address.key, "is a page of the gateway's own, and the app is never asked for it: write a path of the app, such as /login.php")
		}
	}
	alone := true // each list is good by itself
	s.Login.AppCookies.Validate(func(_, _ string) { alone = false })
	f.Cookies.Validate(func(_, _ string) { alone = false })
	if alone {
		s.Login.BoundCookies().Validate(func(_, text string) { s.mistake("login.upstream.form.cookies", "beside app_cookies: "+text) })
	}
}
