package slacksim

import (
	"slices"
	"strings"
)

func (s *Sim) conversationsOpen(c *call) (reply, *apiError) {
	if !c.tok.has("im:write") {
		return nil, missingScope(c.tok, "im:write")
	}
	if id := c.args["channel"]; id != "" {
		conv := c.ws.conversations[id]
		if conv == nil || conv.kind != direct || !conv.has(c.tok.user) {
			return nil, fail("channel_not_found")
		}
		return reply{"no_op": true, "already_open": true, "channel": s.opened(c, conv)}, nil
	}
	users := strings.FieldsFunc(c.args["users"], func(r rune) bool { return r == ',' || r == ' ' })
	switch {
	case len(users) == 0:
		return nil, fail("users_list_not_supplied")
	case len(users) > 8:
		return nil, fail("too_many_users")
	case len(users) > 1:
		// Group messages need a scope that no app here asks for.
		return nil, missingScope(c.tok, "mpim:write")
	}
	p := c.ws.people[users[0]]
	switch {
	case p == nil && c.ws.bots[users[0]] != nil:
		return nil, fail("cannot_dm_bot")
	case p == nil:
		return nil, fail("user_not_found")
	case p.Deactivated:
		return nil, fail("user_disabled")
	}
	known := c.ws.conversations[makeID("D", c.ws.ID, c.tok.user, p.ID)] != nil
	if !known && c.args.is("prevent_creation") {
		return nil, fail("channel_not_found")
	}
	out := reply{"channel": s.opened(c, c.ws.dm(c.tok.user, p.ID))}
	if known {
		out["no_op"], out["already_open"] = true, true
	}
	return out, nil
}

// opened is only the id unless return_im asks for the whole.
func (s *Sim) opened(c *call, conv *conversation) reply {
	if c.args.is("return_im") {
		return channelObject(c, conv)
	}
	return reply{"id": conv.id}
}

func (s *Sim) conversationsList(c *call) (reply, *apiError) {
	types := c.args["types"]
	if types == "" {
		types = "public_channel"
	}
	var kinds []kind
	for t := range strings.SplitSeq(types, ",") {
		k, scope := public, "channels:read"
		switch strings.TrimSpace(t) {
		case "public_channel":
		case "private_channel":
			k, scope = private, "groups:read"
		case "im":
			k, scope = direct, "im:read"
		case "mpim":
			continue // there are none
		default:
			return nil, fail("invalid_types")
		}
		if !c.tok.has(scope) {
			return nil, missingScope(c.tok, scope)
		}
		kinds = append(kinds, k)
	}
	all := []reply{}
	for _, id := range sortedKeys(c.ws.conversations) {
		conv := c.ws.conversations[id]
		if !slices.Contains(kinds, conv.kind) || conv.archived && c.args.is("exclude_archived") ||
			conv.kind != public && !conv.has(c.tok.user) {
			continue
		}
		all = append(all, channelObject(c, conv))
	}
	page, next, err := paginate(c, all)
	if err != nil {
		return nil, err
	}
	return reply{"channels": page, "response_metadata": reply{"next_cursor": next}}, nil
}

func (s *Sim) conversationsInfo(c *call) (reply, *apiError) {
	conv, err := visible(c, "read")
	if err != nil {
		return nil, err
	}
	return reply{"channel": channelObject(c, conv)}, nil
}

func (s *Sim) conversationsJoin(c *call) (reply, *apiError) {
	if err := c.args.required("channel"); err != nil {
		return nil, err
	}
	conv := c.ws.conversations[c.args["channel"]]
	switch {
	case conv == nil, conv.kind == private && !conv.has(c.tok.user):
		return nil, fail("channel_not_found")
	case conv.kind != public:
		return nil, fail("method_not_supported_for_channel_type")
	case conv.archived:
		return nil, fail("is_archived")
	case conv.has(c.tok.user):
		c.warnings = append(c.warnings, "already_in_channel")
	default:
		conv.members = append(conv.members, c.tok.user)
	}
	return reply{"channel": channelObject(c, conv)}, nil
}

// visible finds the conversation in the arguments, if the token may know of
// it and has the scope of its kind, such as channels:read.
func visible(c *call, what string) (*conversation, *apiError) {
	if err := c.args.required("channel"); err != nil {
		return nil, err
	}
	conv := c.ws.conversations[c.args["channel"]]
	if conv == nil || conv.kind != public && !conv.has(c.tok.user) {
		return nil, fail("channel_not_found")
	}
	scope := [...]string{public: "channels:", private: "groups:", direct: "im:"}[conv.kind] + what
	if !c.tok.has(scope) {
		return nil, missingScope(c.tok, scope)
	}
	return conv, nil
}

func (s *Sim) conversationsHistory(c *call) (reply, *apiError) {
	return s.history(c, func(m *Message) bool { return m.ThreadTS == "" || m.ThreadTS == m.TS || m.Broadcast }, "")
}

func (s *Sim) conversationsReplies(c *call) (reply, *apiError) {
	if err := c.args.required("ts"); err != nil {
		return nil, err
	}
	ts := c.args["ts"]
	return s.history(c, func(m *Message) bool { return m.TS == ts || m.ThreadTS == ts }, ts)
}

// history gives the messages for which want holds, between oldest and latest,
// a page of 100 unless limit says otherwise: a conversation's with the newest
// first, a thread's with the oldest first and always its parent.
func (s *Sim) history(c *call, want func(*Message) bool, parent string) (reply, *apiError) {
	conv, err := visible(c, "history")
	if err != nil {
		return nil, err
	}
	if !conv.has(c.tok.user) {
		return nil, fail("not_in_channel")
	}
	oldest, latest := c.args["oldest"], c.args["latest"]
	if !validTS(oldest) {
		return nil, fail("invalid_ts_oldest")
	}
	if !validTS(latest) {
		return nil, fail("invalid_ts_latest")
	}
	inclusive := c.args.is("inclusive")
	found := []reply{}
	for _, m := range conv.messages {
		if !want(m) || m.TS != parent && (oldest != "" && !after(m.TS, oldest, inclusive) || latest != "" && !after(latest, m.TS, inclusive)) {
			continue
		}
		found = append(found, s.object(m, c.args.is("include_all_metadata")))
	}
	if parent == "" {
		slices.Reverse(found)
	}
	if c.args["limit"] == "" {
		c.args["limit"] = "100"
	}
	page, next, err := paginate(c, found)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 && parent != "" {
		return nil, fail("thread_not_found")
	}
	return reply{"messages": page, "has_more": next != "", "pin_count": 0,
		"response_metadata": reply{"next_cursor": next}}, nil
}

// validTS says whether ts is empty or a number of seconds.
func validTS(ts string) bool {
	whole, fraction, _ := strings.Cut(ts, ".")
	digits := func(r rune) bool { return r < '0' || r > '9' }
	return len(ts) <= 20 && !strings.ContainsFunc(whole+fraction, digits)
}

// after says whether timestamp a is later than b, or the same if inclusive.
func after(a, b string, inclusive bool) bool {
	a, b = padTS(a), padTS(b)
	return a > b || inclusive && a == b
}

// padTS makes timestamps comparable as text.
func padTS(ts string) string {
	whole, fraction, _ := strings.Cut(ts, ".")
	return strings.Repeat("0", max(0, 20-len(whole))) + whole + "." + fraction + strings.Repeat("0", max(0, 6-len(fraction)))
}

func channelObject(c *call, conv *conversation) reply {
	o := reply{"id": conv.id, "created": 1700000000, "is_archived": conv.archived,
		"is_im": conv.kind == direct, "is_org_shared": false, "context_team_id": c.ws.ID}
	if conv.kind == direct {
		o["user"] = conv.person
		o["is_user_deleted"] = c.ws.people[conv.person] != nil && c.ws.people[conv.person].Deactivated
		return o
	}
	for k, v := range (reply{"name": conv.name, "name_normalized": conv.name,
		"is_channel": true, "is_group": false, "is_mpim": false, "is_private": conv.kind == private,
		"is_general": false, "is_shared": false, "is_ext_shared": false, "is_pending_ext_shared": false,
		"pending_shared": []string{}, "is_member": conv.has(c.tok.user), "num_members": len(conv.members),
		"creator": "", "unlinked": 0, "previous_names": []string{},
		"topic":   reply{"value": "", "creator": "", "last_set": 0},
		"purpose": reply{"value": "", "creator": "", "last_set": 0}}) {
		o[k] = v
	}
	return o
}
