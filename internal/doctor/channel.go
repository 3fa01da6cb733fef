package doctor

import (
	"context"
	"strings"

	"github.com/slack-go/slack"
)

const (
	channelPage  = 200 // stays well below slackapi.MaxAnswer
	channelPages = 15  // of conversations.list, which Slack takes 20 times a minute
)

// channelList is the channels that a bot sees, by name.
type channelList struct {
	byName map[string]slack.Channel
	whole  bool // there are no more
	err    error
}

// list reads the channels, once, as far as Slack lets us within a minute.
func (b *bot) list(ctx context.Context, d *Doctor) *channelList {
	b.channelsOnce.Do(func() {
		l := &b.channels
		l.byName = map[string]slack.Channel{}
		types := []string{"public_channel"}
		if b.has("groups:read") {
			types = append(types, "private_channel")
		}
		cursor := ""
		for range channelPages {
			l.err = d.call(ctx, func(ctx context.Context) error {
				page, next, err := b.api.GetConversationsContext(ctx, &slack.GetConversationsParameters{Cursor: cursor, Limit: channelPage, Types: types})
				for _, c := range page {
					l.byName[strings.ToLower(c.Name)] = c
				}
				cursor = next
				return err
			})
			if l.whole = l.err == nil && cursor == ""; l.whole || l.err != nil {
				return
			}
		}
	})
	return &b.channels
}

// namedChannel looks at "#name".
func (d *Doctor) namedChannel(ctx context.Context, b *bot, to string, n *notes) {
	l := b.list(ctx, d)
	channel, ok := l.byName[to[1:]]
	switch {
	case ok:
		d.membership(b, to, channel, n)
	case l.err != nil:
		d.channelTrouble(to, l.err, n)
	case !l.whole:
		n.unknown("channel", "%s is not among the first %d channels; more are not looked at", to, len(l.byName))
	default:
		n.wrong("channel", "create the channel, invite the bot if it is private (and give it groups:read), or mend the name in notify", "the bot sees no channel %s", to)
	}
}

// channelByID looks at C… and G….
func (d *Doctor) channelByID(ctx context.Context, b *bot, to string, n *notes) {
	var channel *slack.Channel
	err := d.call(ctx, func(ctx context.Context) (err error) {
		channel, err = b.api.GetConversationInfoContext(ctx, &slack.GetConversationInfoInput{ChannelID: to})
		return err
	})
	switch {
	case err != nil:
		d.channelTrouble(to, err, n)
	case channel == nil || channel.ID == "":
		n.unknown("channel", "Slack says nothing of %s", to)
	default:
		d.membership(b, to, *channel, n)
	}
}

func (d *Doctor) channelTrouble(to string, err error, n *notes) {
	switch word, refused := slackError(err); {
	case word == "missing_scope":
		n.unknown("channel", "%s cannot be looked at without the scope channels:read, or groups:read if it is private", to)
	case refused:
		n.wrong("channel", "mend the id in notify; into a private channel somebody has to invite the bot", "the bot cannot see %s: %s", to, word)
	default:
		n.unknown("channel", "Slack cannot be asked about %s: %s", to, word)
	}
}

// membership says whether the bot can post in a channel that it sees.
func (d *Doctor) membership(b *bot, to string, c slack.Channel, n *notes) {
	const invite = "invite the bot there: /invite @… in the channel"
	switch {
	case c.IsArchived:
		n.wrong("channel", "unarchive the channel in Slack, or name another one in notify", "%s is archived", to)
	case c.IsMember:
		n.ok("channel", "the bot is a member of %s", to)
	case c.IsPrivate:
		n.wrong("channel", invite, "the bot is not a member of %s, which is private", to)
	case b.has("chat:write.public"):
		n.ok("channel", "the bot may post in %s, of which it is no member", to)
	case b.has("channels:join"):
		n.ok("channel", "the bot may join %s, which it does when it posts there", to)
	default:
		n.wrong("channel", invite+"; or give it the scope chat:write.public", "the bot is not a member of %s", to)
	}
}
