package doctor

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/slack-go/slack"

	"github.com/cocoom/cocoom-gateway/configs"
	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/internal/slackapi"
	"github.com/cocoom/cocoom-gateway/notifyhook"
)

// bot is what Slack says of a bot token, and of the workspace by it. Routes that
// share the token share it.
type bot struct {
	api            *slack.Client
	err            error // of auth.test
	team, teamName string
	headers        []string // names of the answer's headers
	scopes         []string // granted; nil: Slack did not say

	groupsOnce   sync.Once
	groups       groupList
	channelsOnce sync.Once
	channels     channelList
}

func (b *bot) has(scope string) bool { return slices.Contains(b.scopes, scope) }

// bot asks about a route's bot token, once for all routes that have it.
func (d *Doctor) bot(ctx context.Context, rt *configs.Route) *bot {
	token := rt.SlackApp.BotToken
	return d.apps.get(token.Reveal(), func() *bot {
		b := &bot{api: slackapi.New(token, d.cfg.Config.Slack.WithDefaults().APIURL, nil)}
		b.err = d.call(ctx, func(ctx context.Context) error {
			said, err := b.api.AuthTestContext(ctx)
			if err != nil {
				return err
			}
			if said.TeamID == "" { // the library takes {"ok":false} without a word for a success
				return slack.SlackErrorResponse{Err: "unreadable_answer"}
			}
			b.team, b.teamName = clean(said.TeamID), oneLine(said.Team)
			for name := range said.Header {
				b.headers = append(b.headers, name)
			}
			slices.Sort(b.headers)
			for scope := range strings.SplitSeq(said.Header.Get("X-OAuth-Scopes"), ",") {
				if scope = clean(scope); scope != "" {
					b.scopes = append(b.scopes, scope)
				}
			}
			return nil
		})
		return b
	})
}

// slackApp looks at a route's Slack app.
func (d *Doctor) slackApp(ctx context.Context, rt *configs.Route, n *notes) {
	if rt.SlackApp.Managed && rt.SlackApp.ClientID == "" {
		n.warn("client", "print the link for the workspace's admin: cocoom-gateway setup "+rt.Host, "the workspace's admin has not set the Slack app up yet")
		return
	}
	d.signInApp(ctx, rt, n)
	if rt.SlackApp.BotToken == "" {
		if rt.Notify != nil {
			n.wrong("bot", "set slack_app.bot_token", "there is no bot token, so nothing can be sent")
		}
		return
	}
	b := d.bot(ctx, rt)
	if b.err != nil {
		d.botTrouble(b.err, n)
		return
	}
	n.ok("bot", "Slack takes the bot token")
	d.workspace(rt, b, n)
	d.scopes(rt, b, n)
	d.policyGroups(ctx, rt, b, n)
	if rt.Notify != nil {
		d.destinations(ctx, rt, b, n)
	}
}

func (d *Doctor) botTrouble(err error, n *notes) {
	word, refused := slackError(err)
	remedy := "copy the Bot User OAuth Token of the Slack app, under OAuth & Permissions, to slack_app.bot_token"
	switch {
	case !refused:
		n.unknown("bot", "Slack cannot be asked about the bot token: %s", word)
		return
	case word == "token_revoked" || word == "account_inactive":
		remedy = "install the Slack app to the workspace again, and copy its new Bot User OAuth Token to slack_app.bot_token"
	case word == "token_expired":
		remedy = "the Slack app has token rotation on, which cannot be switched off: make a new Slack app without it"
	case word == "not_allowed_token_type":
		remedy += "; it begins with xoxb-"
	}
	n.wrong("bot", remedy, "Slack refuses the bot token: %s", word)
}

func (d *Doctor) workspace(rt *configs.Route, b *bot, n *notes) {
	switch {
	case rt.Workspace == "":
		n.ok("workspace", "the bot is in %s (%s)", b.teamName, b.team)
	case b.team != rt.Workspace:
		n.wrong("workspace", "write workspace: "+b.team+", or install a Slack app in the other workspace and take its bot token",
			"the bot token is of %s (%s), the route of %s", b.teamName, b.team, rt.Workspace)
	default:
		n.ok("workspace", "the bot is in the route's, %s (%s)", b.teamName, b.team)
	}
}

// scopes compares what was granted with what the route's functions need.
func (d *Doctor) scopes(rt *configs.Route, b *bot, n *notes) {
	if b.scopes == nil {
		n.unknown("scopes", "Slack does not say which scopes the bot has")
		return
	}
	var missing, optional, breaks []string
	lack := func(scope, what string) {
		if b.has(scope) || slices.Contains(missing, scope) {
			return
		}
		missing, breaks = append(missing, scope), append(breaks, scope+" ("+what+")")
	}
	if rt.Login != nil {
		for _, use := range gateway.ScopeUses(namesGroups(rt)) {
			lack(use.Scope, use.Breaks)
		}
	}
	if rt.Notify != nil {
		for _, use := range notifyhook.ScopeUses() {
			switch {
			case !use.Optional:
				lack(use.Scope, use.Breaks)
			case !b.has(use.Scope):
				optional = append(optional, use.Scope)
			}
		}
	}
	switch {
	case len(missing) > 0:
		n.wrong("scopes", "add to the Bot Token Scopes of the Slack app, under OAuth & Permissions: "+strings.Join(missing, ", ")+"; then install it to the workspace again",
			"missing, and what does not work without it: %s", strings.Join(breaks, "; "))
	case len(optional) > 0:
		n.ok("scopes", "all that are needed; optional and not granted: %s", strings.Join(optional, ", "))
	default:
		n.ok("scopes", "all that are needed")
	}
}

// namesGroups reports whether the route's policy names usergroups.
func namesGroups(rt *configs.Route) bool { return len(groupNames(rt)) > 0 }

// groupNames are the usergroups that the policy names, each once.
func groupNames(rt *configs.Route) []string {
	var names []string
	for _, rule := range rt.Policy {
		for _, name := range rule.Allow.Usergroups {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// groupList is a workspace's usergroups.
type groupList struct {
	handles map[string]bool // of those that are on
	ids     map[string]bool
	off     map[string]bool // handles and ids of those that are switched off
	err     error
}

func (b *bot) usergroups(ctx context.Context, d *Doctor) *groupList {
	b.groupsOnce.Do(func() {
		l := &b.groups
		if b.err != nil {
			l.err = b.err
			return
		}
		l.err = d.call(ctx, func(ctx context.Context) error {
			list, err := b.api.GetUserGroupsContext(ctx, slack.GetUserGroupsOptionIncludeDisabled(true))
			l.handles, l.ids, l.off = map[string]bool{}, map[string]bool{}, map[string]bool{}
			for _, g := range list {
				if g.DateDelete > 0 {
					l.off[g.Handle], l.off[g.ID] = true, true
					continue
				}
				l.handles[g.Handle], l.ids[g.ID] = true, true
			}
			return err
		})
	})
	return &b.groups
}

// policyGroups looks for usergroups that the policy names and the workspace
// does not have.
func (d *Doctor) policyGroups(ctx context.Context, rt *configs.Route, b *bot, n *notes) {
	names := groupNames(rt)
	if len(names) == 0 || rt.Login == nil {
		return
	}
	l := b.usergroups(ctx, d)
	if l.err != nil {
		switch word, refused := slackError(l.err); {
		case word == "plan_upgrade_required":
			n.wrong("usergroups", "name people by users: or emails: in the policy instead, or take a paid Slack plan", "the workspace's plan has no usergroups: rules that name them deny")
		case word == "missing_scope":
			n.unknown("usergroups", "cannot be listed without the scope usergroups:read")
		case refused:
			n.wrong("usergroups", "look the error up in Slack's documentation of usergroups.list", "Slack does not list them: %s", word)
		default:
			n.unknown("usergroups", "Slack cannot be asked: %s", word)
		}
		return
	}
	var gone []string
	for _, name := range names {
		switch {
		case l.handles[name] || l.ids[name]:
		case l.off[name]:
			gone = append(gone, name+" (switched off)")
		default:
			gone = append(gone, name)
		}
	}
	if len(gone) > 0 {
		n.wrong("usergroups", "create them in Slack, or mend the names in the policy: handles without @, or ids (S…)", "the policy names what the workspace does not have: %s", strings.Join(gone, ", "))
		return
	}
	n.ok("usergroups", "the workspace has what the policy names: %s", strings.Join(names, ", "))
}

// destinations looks at the channels and people that the configuration sends to.
func (d *Doctor) destinations(ctx context.Context, rt *configs.Route, b *bot, n *notes) {
	for _, to := range rt.Notify.Destinations() {
		switch {
		case strings.HasPrefix(to, "#"):
			d.namedChannel(ctx, b, to, n)
		case strings.Contains(to, "@") || to[0] == 'U' || to[0] == 'W':
			d.recipient(ctx, b, to, n)
		case to[0] == 'C' || to[0] == 'G':
			d.channelByID(ctx, b, to, n)
		default:
			n.unknown("channel", "%s is a conversation with a person, which cannot be looked at", to)
		}
	}
}

// recipient looks at a person.
func (d *Doctor) recipient(ctx context.Context, b *bot, to string, n *notes) {
	var user *slack.User
	err := d.call(ctx, func(ctx context.Context) (err error) {
		if strings.Contains(to, "@") {
			user, err = b.api.GetUserByEmailContext(ctx, to)
		} else {
			user, err = b.api.GetUserInfoContext(ctx, to)
		}
		return err
	})
	if err == nil && (user == nil || user.ID == "" || user.Deleted) {
		err = slack.SlackErrorResponse{Err: "user_disabled"}
	}
	if err == nil {
		n.ok("channel", "%s is in the workspace", to)
		return
	}
	switch word, refused := slackError(err); {
	case word == "missing_scope":
		n.unknown("channel", "%s cannot be looked up without its scope", to)
	case refused:
		n.wrong("channel", "name somebody else in notify, or mend the address", "%s cannot be reached: %s", to, word)
	default:
		n.unknown("channel", "Slack cannot be asked about %s: %s", to, word)
	}
}
