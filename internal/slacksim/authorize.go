package slacksim

import (
	"cmp"
	"crypto/rand"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"
)

// codeLife is how long an authorization code can be traded.
const codeLife = 10 * time.Minute

// purpose tells the two flows apart; a code of one is refused by the other.
type purpose uint8

const (
	login      purpose = iota // Sign in with Slack
	installing                // OAuth v2
)

// personRef is a person of a workspace.
type personRef struct{ team, user string }

// grant is what an authorization code stands for.
type grant struct {
	purpose     purpose
	app         *app
	who         personRef
	scopes      []string // of the bot, or of the sign-in
	userScopes  []string // of an installation
	redirectURI string   // as the request gave it, maybe empty
	target      string   // where the code was sent
	state       string
	nonce       string
	challenge   string // PKCE
	at          time.Time
}

// refusal is an authorize request that cannot go on. Without a target the
// person sees a page at Slack; with one they are sent back with the error.
type refusal struct {
	code, detail, target string
}

// SignInAs makes authorize pages answer at once as that person, as if they had
// clicked; with an empty user the pages show again.
func (s *Sim) SignInAs(team, user string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.signedInAs = nil
	if user != "" {
		s.signedInAs = &personRef{team, user}
	}
}

func (s *Sim) showAuthorize(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	g, no := s.readAuthorize(r)
	auto := s.signedInAs
	s.mu.Unlock()
	switch {
	case no != nil:
		s.refuse(w, r, no, g.state)
	case auto != nil:
		s.issue(w, r, g, *auto)
	default:
		s.showPicker(w, r, g)
	}
}

// decideAuthorize takes the click of the authorize page: a person or cancel.
func (s *Sim) decideAuthorize(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	s.mu.Lock()
	g, no := s.readAuthorize(r)
	s.mu.Unlock()
	if no == nil && r.PostFormValue("person") == "" {
		no = &refusal{code: "access_denied", target: g.target}
	}
	if no != nil {
		s.refuse(w, r, no, g.state)
		return
	}
	team, user, _ := strings.Cut(r.PostFormValue("person"), ":")
	s.issue(w, r, g, personRef{team, user})
}

// readAuthorize checks an authorize request. The grant's state is set even
// when it is refused. The caller holds mu.
func (s *Sim) readAuthorize(r *http.Request) (*grant, *refusal) {
	q := r.URL.Query()
	g := &grant{app: s.appByClientID(q.Get("client_id")), state: q.Get("state"), nonce: q.Get("nonce"),
		redirectURI: q.Get("redirect_uri"), target: q.Get("redirect_uri")}
	if r.URL.Path == "/oauth/v2/authorize" {
		g.purpose = installing
	}
	if g.app == nil {
		return g, &refusal{code: "invalid_client_id", detail: "client_id: " + q.Get("client_id")}
	}
	if g.target == "" && len(g.app.RedirectURLs) > 0 {
		g.target = g.app.RedirectURLs[0]
	}
	if !slices.ContainsFunc(g.app.RedirectURLs, func(registered string) bool { return covers(registered, g.target) }) {
		return g, &refusal{code: "bad_redirect_uri",
			detail: "redirect_uri did not match any configured URIs. Passed URI: " + g.target}
	}
	if g.purpose == login && q.Get("response_type") != "code" {
		return g, &refusal{code: "unsupported_response_type", target: g.target}
	}
	if g.challenge = q.Get("code_challenge"); g.challenge != "" && q.Get("code_challenge_method") != "S256" {
		return g, &refusal{code: "invalid_request", target: g.target}
	}
	g.scopes, g.userScopes = splitScopes(q.Get("scope")), splitScopes(q.Get("user_scope"))
	if !g.scopesFit() {
		return g, &refusal{code: "invalid_scope", target: g.target}
	}
	return g, nil
}

// scopesFit says whether the flow may ask for the scopes: a sign-in for openid
// and its companions only, an installation for anything but these.
func (g *grant) scopesFit() bool {
	all := slices.Concat(g.scopes, g.userScopes)
	form := regexp.MustCompile(`^[a-z][a-z._:-]{0,49}$`)
	for _, scope := range all {
		identity := scope == "openid" || scope == "email" || scope == "profile"
		if identity != (g.purpose == login) || !form.MatchString(scope) {
			return false
		}
	}
	if g.purpose == login {
		return slices.Contains(g.scopes, "openid") && len(g.userScopes) == 0
	}
	return len(all) > 0
}

func splitScopes(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ',' || r == '+' })
}

// covers says whether a redirect_uri is a registered URL or lies below it.
// Scheme, host and port must be the same.
func covers(registered, given string) bool {
	if strings.ContainsAny(given, "#\\") {
		return false
	}
	reg, err := url.Parse(registered)
	if err != nil {
		return false
	}
	uri, err := url.Parse(given)
	if err != nil || uri.User != nil || uri.Scheme != reg.Scheme || uri.Host != reg.Host || uri.Host == "" {
		return false
	}
	at, below := cmp.Or(reg.Path, "/"), cmp.Or(uri.Path, "/")
	if clean := path.Clean(below); clean != strings.TrimSuffix(below, "/") && clean != below {
		return false // dot segments climb out of the registered path
	}
	return below == at || strings.HasPrefix(below, strings.TrimSuffix(at, "/")+"/")
}

// issue makes a code for the person, or shows Slack's refusal.
func (s *Sim) issue(w http.ResponseWriter, r *http.Request, g *grant, who personRef) {
	s.mu.Lock()
	ws := s.workspaces[who.team]
	var no *refusal
	switch {
	case ws == nil || ws.people[who.user] == nil || ws.people[who.user].Deactivated:
		no = &refusal{code: "account_inactive"}
	case who.team != g.app.Workspace && !g.app.Distributed:
		// Slack was seen to say this on its own page, not on the redirect.
		no = &refusal{code: "invalid_team_for_non_distributed_app", detail: ws.Name}
	case g.purpose == installing && (ws.people[who.user].Guest || ws.people[who.user].SingleChannelGuest):
		no = &refusal{code: "not_allowed", detail: "Guests cannot install apps."} // Slack's own words are not documented
	}
	if no != nil {
		s.mu.Unlock()
		s.refuse(w, r, no, g.state)
		return
	}
	g.who, g.at = who, s.cfg.Now()
	code := rand.Text()
	for c, old := range s.grants {
		if g.at.After(old.at.Add(codeLife)) {
			delete(s.grants, c)
		}
	}
	s.grants[code] = g
	s.mu.Unlock()
	http.SetCookie(w, &http.Cookie{Name: signedInCookie, Value: who.team + ":" + who.user, Path: "/",
		HttpOnly: true, SameSite: http.SameSiteLaxMode})
	goBack(w, r, g.target, url.Values{"code": {code}, "state": {g.state}})
}

// refuse ends an authorize request, on the redirect if that can be trusted.
func (s *Sim) refuse(w http.ResponseWriter, r *http.Request, no *refusal, state string) {
	if no.target == "" {
		s.showRefusal(w, r, no)
		return
	}
	goBack(w, r, no.target, url.Values{"error": {no.code}, "state": {state}})
}

// goBack sends the browser to the app with more query.
func goBack(w http.ResponseWriter, r *http.Request, target string, more url.Values) {
	u, err := url.Parse(target)
	if err != nil { // covers has parsed it
		http.Error(w, "bad redirect_uri", http.StatusBadRequest)
		return
	}
	q := u.Query()
	for k, v := range more {
		if v[0] != "" {
			q[k] = v
		}
	}
	u.RawQuery = q.Encode()
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, u.String(), http.StatusFound)
}
