package notifyhook

import (
	"context"
	"slices"
	"strings"

	"github.com/cocoom/cocoom-gateway/internal/slackapi"
)

// slackReport is what Slack says of a route's bot token.
type slackReport struct {
	OK       bool             `json:"ok"`
	Error    string           `json:"error,omitempty"` // Slack's error name, or a constant word of ours
	Team     string           `json:"team,omitempty"`
	TeamName string           `json:"team_name,omitempty"`
	Bot      string           `json:"bot,omitempty"`    // its user id
	Scopes   []string         `json:"scopes,omitempty"` // granted; missing: Slack did not say
	Missing  []slackapi.Scope `json:"missing,omitempty"`
	Warning  string           `json:"warning,omitempty"`
}

// Scopes are the bot scopes that delivering makes use of
// (https://docs.slack.dev/reference/scopes). The optional ones bring what most
// workspaces do without.
func Scopes() []slackapi.Scope {
	return []slackapi.Scope{
		{Name: "chat:write", Breaks: "nothing can be sent"},
		{Name: "chat:write.public", Breaks: "public channels that the bot was not invited to"},
		{Name: "users:read.email", Breaks: "recipients by e-mail address"},
		{Name: "users:read", Breaks: "recipients by e-mail address: Slack grants users:read.email only together with it"},
		{Name: "im:write", Breaks: "the order between messages to a person and to the id of their conversation with the bot"},
		{Name: "channels:read", Breaks: "recipients by #channel"},
		{Name: "groups:read", Breaks: "recipients by the #name of a private channel", Optional: true},
		{Name: "channels:history", Breaks: "after a timeout, whether a message arrived in a public channel: it may come twice", Optional: true},
		{Name: "groups:history", Breaks: "after a timeout, whether a message arrived in a private channel: it may come twice", Optional: true},
		{Name: "im:history", Breaks: "after a timeout, whether a direct message arrived: it may come twice", Optional: true},
		{Name: "channels:join", Breaks: "public channels that answer not_in_channel, until somebody invites the bot", Optional: true},
		{Name: "chat:write.customize", Breaks: "the username and icon that an app which speaks Slack asks for", Optional: true},
	}
}

// askSlack asks Slack about the route's bot token. That Slack cannot be asked is
// an answer, too.
func (rt *route) askSlack(ctx context.Context) (out slackReport) {
	var scopes string
	err := rt.app.call(ctx, authTest, func(ctx context.Context) error {
		answer, err := rt.app.api.AuthTestContext(ctx)
		if err != nil {
			return err
		}
		if answer.UserID == "" && answer.BotID == "" && answer.TeamID == "" {
			return errNoTimestamp
		}
		out.Team, out.TeamName, out.Bot = clean(answer.TeamID), clean(answer.Team), clean(answer.UserID)
		scopes = answer.Header.Get("X-OAuth-Scopes")
		return nil
	})
	if err != nil {
		return slackReport{Error: outcomeOf(authTest, err).reason}
	}
	out.OK = true
	if rt.workspace != "" && out.Team != rt.workspace {
		out.Warning = "the bot token belongs to another workspace than the route's, " + rt.workspace
	}
	if scopes == "" {
		return out
	}
	for scope := range strings.SplitSeq(scopes, ",") {
		out.Scopes = append(out.Scopes, strings.TrimSpace(clean(scope)))
	}
	for _, one := range Scopes() {
		if !slices.Contains(out.Scopes, one.Name) {
			out.Missing = append(out.Missing, one)
		}
	}
	return out
}
