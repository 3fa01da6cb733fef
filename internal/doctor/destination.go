package doctor

import (
	"context"
	"strings"

	"github.com/slack-go/slack"

	"github.com/cocoom/cocoom-gateway/configs"
)

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
