package slacksim

import "strings"

// oauthAccess is oauth.v2.access: it trades the code of an installation for
// the bot's token, in Slack's shape.
func (s *Sim) oauthAccess(c *call) (reply, *apiError) {
	g, err := s.redeem(c, installing)
	if err != nil {
		return nil, err
	}
	ws := s.workspaces[g.who.team]
	authed := reply{"id": g.who.user}
	out := reply{
		"app_id": g.app.ID, "authed_user": authed,
		"team":       reply{"id": ws.ID, "name": ws.Name},
		"enterprise": nil, "is_enterprise_install": false,
	}
	if len(g.userScopes) > 0 {
		tok := s.personToken(g.app, g.who, g.userScopes)
		authed["scope"] = strings.Join(tok.scopes, ",")
		authed["access_token"] = tok.value
		authed["token_type"] = "user"
	}
	if len(g.scopes) > 0 {
		inst := s.install(g.app, ws, "", g.scopes)
		out["access_token"] = inst.token.value
		out["token_type"] = "bot"
		out["scope"] = strings.Join(inst.token.scopes, ",")
		out["bot_user_id"] = inst.botUser
	}
	return out, nil
}
