package slacksim

import (
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
)

// slackbot is Slack's own bot, present in every workspace.
const slackbot = "USLACKBOT"

func (s *Sim) authTest(c *call) (reply, *apiError) {
	out := reply{"url": "https://" + c.ws.Domain + ".slack.com/", "team": c.ws.Name, "team_id": c.ws.ID,
		"user_id": c.tok.user, "is_enterprise_install": false}
	if c.tok.bot {
		inst := c.ws.bots[c.tok.user]
		out["user"] = inst.app.BotName
		out["bot_id"] = inst.botID
		out["app_id"] = inst.app.ID
	} else {
		out["user"] = c.ws.people[c.tok.user].handle()
	}
	return out, nil
}

func (s *Sim) authRevoke(c *call) (reply, *apiError) {
	if c.args.is("test") {
		return reply{"revoked": false}, nil
	}
	c.tok.revoked = true
	return reply{"revoked": true}, nil
}

func (s *Sim) usersLookupByEmail(c *call) (reply, *apiError) {
	if err := c.args.required("email"); err != nil {
		return nil, err
	}
	for i := range c.ws.People {
		p := &c.ws.People[i]
		// A deactivated person is not found, as Slack's reference once said.
		if strings.EqualFold(p.Email, c.args["email"]) && !p.Deactivated {
			return reply{"user": s.user(c, p)}, nil
		}
	}
	return nil, fail("users_not_found")
}

func (s *Sim) usersInfo(c *call) (reply, *apiError) {
	if err := c.args.required("user"); err != nil {
		return nil, err
	}
	if p := c.ws.people[c.args["user"]]; p != nil {
		u := s.user(c, p)
		if c.args.is("include_locale") && !p.Deactivated {
			u["locale"] = p.locale()
		}
		return reply{"user": u}, nil
	}
	if inst := c.ws.bots[c.args["user"]]; inst != nil {
		return reply{"user": botUser(c.ws.ID, inst.botUser, inst.app.BotName, true)}, nil
	}
	if c.args["user"] == slackbot {
		return reply{"user": botUser(c.ws.ID, slackbot, "slackbot", false)}, nil
	}
	return nil, fail("user_not_found")
}

func (s *Sim) usersList(c *call) (reply, *apiError) {
	members := []reply{botUser(c.ws.ID, slackbot, "slackbot", false)}
	for i := range c.ws.People {
		members = append(members, s.user(c, &c.ws.People[i]))
	}
	for _, id := range sortedKeys(c.ws.bots) {
		members = append(members, botUser(c.ws.ID, id, c.ws.bots[id].app.BotName, true))
	}
	page, next, err := paginate(c, members)
	if err != nil {
		return nil, err
	}
	return reply{"members": page, "cache_ts": s.cfg.Now().Unix(),
		"response_metadata": reply{"next_cursor": next}}, nil
}

// user is a person as users.info shows them. A deactivated one lacks the name,
// guest and admin flags; the e-mail needs its own scope.
func (s *Sim) user(c *call, p *Person) reply {
	profile := reply{"real_name": p.Name, "display_name": p.handle(), "real_name_normalized": p.Name,
		"avatar_hash": makeID("", c.ws.ID, p.ID), "team": c.ws.ID}
	for _, size := range userImages() {
		profile["image_"+size] = s.avatarURL(c.ws.ID, p.ID)
	}
	if c.tok.has("users:read.email") {
		profile["email"] = p.Email
	}
	u := reply{"id": p.ID, "team_id": c.ws.ID, "name": p.handle(), "deleted": p.Deactivated,
		"is_bot": false, "is_app_user": false, "updated": 1700000000, "profile": profile}
	if p.Deactivated {
		return u
	}
	for k, v := range (reply{"real_name": p.Name, "color": "9f69e7", "tz": "Europe/Paris",
		"tz_label": "Central European Time", "tz_offset": 3600,
		"is_admin": p.Admin || p.Owner, "is_owner": p.Owner, "is_primary_owner": false,
		"is_restricted": p.Guest || p.SingleChannelGuest, "is_ultra_restricted": p.SingleChannelGuest,
		"is_email_confirmed": !p.EmailUnverified, "who_can_share_contact_card": "EVERYONE"}) {
		u[k] = v
	}
	return u
}

func botUser(team, id, name string, isBot bool) reply {
	return reply{"id": id, "team_id": team, "name": name, "real_name": name, "deleted": false,
		"is_bot":   isBot, // false for Slackbot, as Slack has it
		"is_admin": false, "is_owner": false, "is_primary_owner": false, "is_restricted": false,
		"is_ultra_restricted": false, "is_app_user": false, "updated": 1700000000,
		"profile": reply{"real_name": name, "display_name": name, "team": team}}
}

func (s *Sim) usergroupsList(c *call) (reply, *apiError) {
	if c.ws.FreePlan {
		return nil, fail("plan_upgrade_required")
	}
	groups := []reply{}
	for _, g := range c.ws.Usergroups {
		if g.Disabled && !c.args.is("include_disabled") {
			continue
		}
		o := reply{"id": g.ID, "team_id": c.ws.ID, "is_usergroup": true, "name": g.Name, "handle": g.Handle,
			"description": "", "is_external": false, "date_create": 1700000000, "date_update": 1700000000,
			"date_delete": 0, "auto_type": nil, "created_by": "", "updated_by": "", "deleted_by": nil,
			"prefs": reply{"channels": []string{}, "groups": []string{}}, "user_count": len(g.Members)}
		if g.Disabled {
			o["date_delete"] = 1700000001
		}
		if c.args.is("include_users") {
			o["users"] = nonNil(g.Members)
		}
		groups = append(groups, o)
	}
	return reply{"usergroups": groups}, nil
}

func (s *Sim) usergroupsUsersList(c *call) (reply, *apiError) {
	if c.ws.FreePlan {
		return nil, fail("plan_upgrade_required")
	}
	if err := c.args.required("usergroup"); err != nil {
		return nil, err
	}
	for _, g := range c.ws.Usergroups {
		if g.ID == c.args["usergroup"] && (!g.Disabled || c.args.is("include_disabled")) {
			return reply{"users": nonNil(g.Members)}, nil
		}
	}
	return nil, fail("no_such_subteam")
}

// paginate cuts a list by limit and cursor; without a limit it gives all.
func paginate[T any](c *call, all []T) (page []T, next string, err *apiError) {
	from := 0
	if cursor := c.args["cursor"]; cursor != "" {
		raw, decodeErr := base64.StdEncoding.DecodeString(cursor)
		n, numErr := strconv.Atoi(strings.TrimPrefix(string(raw), "next:"))
		if decodeErr != nil || numErr != nil || n < 0 || n > len(all) {
			return nil, "", fail("invalid_cursor")
		}
		from = n
	}
	limit := len(all)
	if text := c.args["limit"]; text != "" {
		n, numErr := strconv.Atoi(text)
		if numErr != nil || n < 0 || n > 1000 {
			return nil, "", fail("invalid_limit")
		}
		if n > 0 { // 0 means no limit
			limit = n
		}
	}
	to := min(len(all), from+limit)
	if to < len(all) {
		next = base64.StdEncoding.EncodeToString([]byte("next:" + strconv.Itoa(to)))
	}
	return all[from:to], next, nil
}

// nonNil makes an empty list [] in JSON instead of null.
func nonNil(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
