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
		b := &bot{api: slackapi.New(token, d.cfg.Config.Slack.WithDefaults().APIURL, d.plain.Transport)}
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
		for _, use := range gateway.BotScopes(namesGroups(rt)) {
			lack(use.Name, use.Breaks)
		}
	}
	if rt.Notify != nil {
		for _, use := range notifyhook.Scopes() {
			switch {
			case !use.Optional:
				lack(use.Name, use.Breaks)
			case !b.has(use.Name):
				optional = append(optional, use.Name)
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
