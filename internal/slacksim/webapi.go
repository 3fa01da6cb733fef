package slacksim

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// reply is a JSON object of the Web API. "ok" is added when it is missing.
type reply map[string]any

// apiError is a call's failure: {"ok":false,"error":code} and what else
// belongs to it, or HTTP 429 when retryAfter is set.
type apiError struct {
	code       string
	extra      reply
	retryAfter time.Duration
}

func fail(code string) *apiError { return &apiError{code: code} }

// failWith adds Slack's explanation in response_metadata.messages.
func failWith(code string, messages ...string) *apiError {
	marked := make([]string, len(messages))
	for i, m := range messages {
		marked[i] = "[ERROR] " + m
	}
	return &apiError{code: code, extra: reply{"errors": messages, "response_metadata": reply{"messages": marked}}}
}

func missingScope(t *token, needed string) *apiError {
	return &apiError{code: "missing_scope", extra: reply{"needed": needed, "provided": strings.Join(t.scopes, ",")}}
}

// call is one Web API call on its way.
type call struct {
	name     string
	args     args
	tok      *token
	ws       *workspace
	warnings []string
	forge    *Fault // when the ID token is to be forged
}

// method is one Web API method.
type method struct {
	perMinute int
	// scopes are needed, all of them; methods whose need depends on the
	// arguments check themselves.
	scopes []string
	// open methods take client credentials instead of a token.
	open bool
	// config methods take an app configuration token only.
	config bool
	// user methods take a person's token only; the others a bot's too.
	user bool
	// json says that arguments may come as JSON; others ignore it, as
	// Slack does.
	json bool
	run  func(*call) (reply, *apiError)
}

func (s *Sim) methodTable() map[string]method {
	return map[string]method{
		"auth.test":   {perMinute: special, json: true, run: s.authTest},
		"auth.revoke": {perMinute: tier3, run: s.authRevoke},

		"openid.connect.token":    {perMinute: tier4, open: true, json: true, run: s.openIDToken},
		"openid.connect.userInfo": {perMinute: tier3, user: true, json: true, scopes: []string{"openid"}, run: s.openIDUserInfo},
		"oauth.v2.access":         {perMinute: special, open: true, run: s.oauthAccess},

		"users.lookupByEmail": {perMinute: tier3, scopes: []string{"users:read.email"}, run: s.usersLookupByEmail},
		"users.info":          {perMinute: tier4, scopes: []string{"users:read"}, run: s.usersInfo},
		"users.list":          {perMinute: tier2, scopes: []string{"users:read"}, run: s.usersList},

		"usergroups.list":       {perMinute: tier2, scopes: []string{"usergroups:read"}, run: s.usergroupsList},
		"usergroups.users.list": {perMinute: tier2, scopes: []string{"usergroups:read"}, run: s.usergroupsUsersList},

		"conversations.open":    {perMinute: tier3, json: true, run: s.conversationsOpen},
		"conversations.list":    {perMinute: tier2, run: s.conversationsList},
		"conversations.info":    {perMinute: tier3, run: s.conversationsInfo},
		"conversations.join":    {perMinute: tier3, json: true, scopes: []string{"channels:join"}, run: s.conversationsJoin},
		"conversations.history": {perMinute: tier3, json: true, run: s.conversationsHistory},
		"conversations.replies": {perMinute: tier3, json: true, run: s.conversationsReplies},

		"apps.manifest.validate": {perMinute: tier3, config: true, json: true, run: s.manifestValidate},
		"apps.manifest.create":   {perMinute: tier1, config: true, json: true, run: s.manifestCreate},

		"chat.postMessage": {perMinute: special, json: true, scopes: []string{"chat:write"}, run: s.chatPostMessage},
		"chat.update":      {perMinute: tier3, json: true, scopes: []string{"chat:write"}, run: s.chatUpdate},
	}
}

func (s *Sim) serveAPI(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("method")
	m, known := s.methods[name]
	in, bad := readArgs(w, r, m.json)
	now := s.cfg.Now()

	s.mu.Lock()
	c := &call{name: name, args: in.args, tok: s.tokens[in.token], warnings: in.warnings}
	log := &Call{Method: name, At: now, Args: in.args.withoutSecrets()}
	if c.tok != nil {
		c.ws = s.workspaces[c.tok.team]
		log.Team = c.tok.team
		if c.tok.app != nil {
			log.App = c.tok.app.ID
		}
	}
	s.record(log)
	f := s.takeFault(name, log.Team, true)
	s.mu.Unlock()
	if f != nil && f.Kind == Forged {
		c.forge = f
	}

	s.misbehave(w, r, f, func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		answer, err := reply(nil), bad
		switch {
		case err != nil:
		case !known:
			err = &apiError{code: "unknown_method", extra: reply{"req_method": name}}
		default:
			if err = s.admit(c, m, in.token); err == nil {
				answer, err = m.run(c)
			}
		}
		if err != nil {
			log.Error = err.code
		}
		scopes := ""
		if c.tok != nil {
			scopes = strings.Join(c.tok.scopes, ",")
		}
		s.mu.Unlock()
		if scopes != "" {
			w.Header().Set("X-OAuth-Scopes", scopes)
			w.Header().Set("X-Accepted-OAuth-Scopes", strings.Join(m.scopes, ","))
		}
		status := writeAnswer(w, answer, err, c.warnings)
		s.mu.Lock()
		log.Status = status
		s.mu.Unlock()
		s.cfg.Log.Debug("slack call", "method", name, "team", log.Team, "status", status)
	})
}

// admit checks token, limits and scopes, in this order. The caller holds mu.
func (s *Sim) admit(c *call, m method, given string) *apiError {
	key := c.args["client_id"]
	if !m.open {
		switch {
		case given == "":
			return fail("not_authed")
		case c.tok == nil:
			return fail("invalid_auth")
		case c.tok.revoked:
			return fail("token_revoked")
		case !c.tok.expires.IsZero() && !s.cfg.Now().Before(c.tok.expires):
			return fail("token_expired")
		case m.config != (c.tok.app == nil):
			return fail("not_allowed_token_type")
		case !c.tok.bot && (c.ws.people[c.tok.user] == nil || c.ws.people[c.tok.user].Deactivated):
			return fail("account_inactive")
		case m.user && c.tok.bot:
			return fail("not_allowed_token_type")
		}
		key = c.tok.team + " "
		if c.tok.app != nil {
			key += c.tok.app.ID
		}
	}
	if !s.cfg.NoMethodLimit {
		if wait := s.limits.call(c.name+" "+key, m.perMinute, s.cfg.Now()); wait > 0 {
			return &apiError{code: "ratelimited", retryAfter: wait}
		}
	}
	for _, scope := range m.scopes {
		if !c.tok.has(scope) {
			return missingScope(c.tok, scope)
		}
	}
	return nil
}

// writeAnswer sends a call's answer and gives its HTTP status.
func writeAnswer(w http.ResponseWriter, answer reply, err *apiError, warnings []string) int {
	if err != nil {
		answer = reply{"ok": false, "error": err.code}
		for k, v := range err.extra {
			answer[k] = v
		}
		if err.retryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(seconds(err.retryAfter)))
			writeJSON(w, http.StatusTooManyRequests, answer)
			return http.StatusTooManyRequests
		}
	}
	if len(warnings) > 0 {
		answer["warning"] = strings.Join(warnings, ",")
		meta, _ := answer["response_metadata"].(reply)
		if meta == nil {
			meta = reply{}
		}
		meta["warnings"] = slices.Clone(warnings)
		answer["response_metadata"] = meta
	}
	writeJSON(w, http.StatusOK, answer)
	return http.StatusOK
}

func writeJSON(w http.ResponseWriter, status int, body reply) {
	if _, set := body["ok"]; !set {
		body["ok"] = true
	}
	data, err := json.Marshal(body)
	if err != nil { // only a programming mistake can make a reply unmarshalable
		http.Error(w, "marshal reply", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(data)
}
