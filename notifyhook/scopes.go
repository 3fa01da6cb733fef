package notifyhook

import (
	"context"
	"slices"
	"strings"
)

// slackReport is what Slack says of a route's bot token.
type slackReport struct {
	OK       bool       `json:"ok"`
	Error    string     `json:"error,omitempty"` // Slack's error name, or a constant word of ours
	Team     string     `json:"team,omitempty"`
	TeamName string     `json:"team_name,omitempty"`
	Bot      string     `json:"bot,omitempty"`    // its user id
	Scopes   []string   `json:"scopes,omitempty"` // granted; missing: Slack did not say
	Missing  []ScopeUse `json:"missing,omitempty"`
	Warning  string     `json:"warning,omitempty"`
}

// ScopeUse is a bot scope and what needs it.
type ScopeUse struct {
	Scope  string `json:"scope"`
	Breaks string `json:"breaks"` // what does not work without it
	// Optional says that delivering does without it, if less well.
	Optional bool `json:"-"`
}

// ScopeUses are the scopes that delivering makes use of
// (https://docs.slack.dev/reference/scopes).
func ScopeUses() []ScopeUse {
	return []ScopeUse{
		{"chat:write", "nothing can be sent", false},
		{"chat:write.public", "public channels that the bot was not invited to", false},
		{"users:read.email", "recipients by e-mail address", false},
		{"users:read", "recipients by e-mail address: Slack grants users:read.email only together with it", false},
		{"im:write", "the order between messages to a person and to the id of their conversation with the bot", false},
		{"channels:read", "recipients by #channel", false},
		{"groups:read", "recipients by the #name of a private channel", true},
		{"channels:history", "after a timeout, whether a message arrived in a public channel: it may come twice", true},
		{"groups:history", "after a timeout, whether a message arrived in a private channel: it may come twice", true},
		{"im:history", "after a timeout, whether a direct message arrived: it may come twice", true},
		{"channels:join", "public channels that answer not_in_channel, until somebody invites the bot", true},
		{"chat:write.customize", "the username and icon that an app which speaks Slack asks for", true},
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
	for _, one := range ScopeUses() {
		if !slices.Contains(out.Scopes, one.Scope) {
			out.Missing = append(out.Missing, one)
		}
	}
	return out
}
