package notifyhook

import (
	"encoding/json"
	"strings"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/slackutilsx"
)

const cutAt = 3900 // Slack asks for at most 4,000 characters where it refuses longer ones

// message is what is sent to Slack.
type message struct {
	text   string
	mrkdwn bool // text is Slack's markup; otherwise it is escaped and no sign in it has a meaning
	blocks []slack.Block
	slack  *slackArgs // what was asked for in Slack's own terms; nil: nothing was
}

// compose makes the message of a request. Text is plain unless the caller said
// mrkdwn: escaped, so that <!channel> or <@U…> in it ping nobody, and sent
// with mrkdwn off, so that *_~` stay what they are. Neither parse nor
// link_names is ever sent, for the same reason.
func compose(q request) message {
	m := message{text: q.Text, mrkdwn: q.Mrkdwn, slack: q.Slack}
	if !q.Mrkdwn {
		m.text = slackutilsx.EscapeMessage(q.Text)
	}
	var raw []json.RawMessage
	if json.Unmarshal(q.Blocks, &raw) == nil {
		for _, b := range raw {
			m.blocks = append(m.blocks, block{raw: b})
		}
	}
	if q.Link == "" {
		return m
	}
	link := markupLink(q.Link)
	m.text += "\n" + link
	if len(m.blocks) > 0 {
		m.blocks = append(m.blocks, slack.NewSectionBlock(slack.NewTextBlockObject(slack.MarkdownType, link, false, false), nil, nil))
	}
	return m
}

// composePlain is the message without anything that Slack could find wrong: no
// blocks, no markup, not long.
func composePlain(q request) message {
	if q.Slack != nil {
		return q.Slack.plain(q)
	}
	q.Mrkdwn, q.Blocks = false, nil
	if runes := []rune(q.Text); len(runes) > cutAt {
		q.Text = string(runes[:cutAt]) + "…"
	}
	return compose(q)
}

// markupLink is an address in Slack's link syntax, where < > | end it.
func markupLink(address string) string {
	return "<" + strings.NewReplacer("<", "%3C", ">", "%3E", "|", "%7C", " ", "%20", "&", "&amp;").Replace(address) + ">"
}

func (m message) options() []slack.MsgOption {
	options := []slack.MsgOption{slack.MsgOptionText(m.text, false), slack.MsgOptionDisableLinkUnfurl(), slack.MsgOptionDisableMediaUnfurl()}
	if !m.mrkdwn {
		options = append(options, slack.MsgOptionDisableMarkdown())
	}
	if len(m.blocks) > 0 {
		options = append(options, slack.MsgOptionBlocks(m.blocks...))
	}
	return options
}

// block passes a Block Kit block on as it came: Slack knows kinds and fields
// that a library does not.
type block struct{ raw json.RawMessage }

// BlockType satisfies slack.Block; nothing asks for it.
func (b block) BlockType() slack.MessageBlockType { return "" }

// ID satisfies slack.Block; nothing asks for it.
func (b block) ID() string { return "" }

// MarshalJSON returns the block unchanged.
func (b block) MarshalJSON() ([]byte, error) { return b.raw, nil }
