package notifyhook

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/slackutilsx"
)

const (
	maxMessageText = 4000  // Slack asks for no more where it shows a text, and refuses more in chat.update
	maxSection     = 3000  // https://docs.slack.dev/reference/block-kit/blocks/section-block
	maxBlocksText  = 13200 // of all blocks together: undocumented, seen at Slack
)

// message is what is sent to Slack.
type message struct {
	text   string // beside blocks: what notifications and screen readers have
	mrkdwn bool   // text is Slack's markup; otherwise it is escaped and *_~ in it have no meaning
	blocks []slack.Block

	threadTS  string     // of the message that this one replies to; empty: to none
	broadcast bool       // a reply is shown in the conversation, too
	slack     *slackArgs // what was asked for in Slack's own terms; nil: nothing was
}

// audience is what a message depends on besides the request: found out before,
// so that compose is pure. The zero value knows nobody.
type audience struct {
	lang  string            // fr or en; empty: fr
	users map[string]string // user ids by e-mail address
}

// compose makes the message of a request. Text is plain unless the caller said
// mrkdwn: escaped, so that <!channel> or <@U…> in it ping nobody, and sent
// with mrkdwn off, so that *_~ stay what they are. Neither parse nor
// link_names is ever sent, for the same reason. Only the request's mentions are
// live, whatever else has their form.
//
// A text too long for one is shown as several sections of one message.
func compose(q request, a audience) message {
	if q.Slack != nil {
		return q.Slack.compose(q)
	}
	text, mrkdwn := q.body(a.lang)
	p, shown := q.pinger(a), map[string]bool{}
	if mrkdwn {
		text = p.text(text, shown)
	} else {
		text = slackutilsx.EscapeMessage(text)
	}
	link, more := markupLink(q.Link, ""), markupLink(q.Link, wordsOf(a.lang).seeMore)
	m := message{mrkdwn: mrkdwn}
	if len(q.Blocks) > 0 {
		shown = map[string]bool{} // what is in the text is not seen
		blocks := p.blocks(q.Blocks, shown)
		line := q.mentionLine(a, shown)
		m.text = fit(stacked(line, text), link, more)
		m.blocks = slices.Concat(sections(line, true), blocks, sections(link, true))
		return m
	}
	line := q.mentionLine(a, shown)
	m.text = fit(stacked(line, text), link, more)
	if size(stacked(line, text, link)) <= maxMessageText {
		return m
	}
	if room := maxBlocksText - size(line) - size(more); size(text) > room {
		text, link = shorten(text, room), more
	}
	m.blocks = slices.Concat(sections(line, true), sections(text, mrkdwn), sections(link, true))
	return m
}

// composePlain is the message without anything that Slack could find wrong: no
// blocks, no markup but mentions and link, not long.
func composePlain(q request, a audience) message {
	if q.Slack != nil {
		return q.Slack.plain(q)
	}
	text, mrkdwn := q.body(a.lang)
	if mrkdwn {
		text = unescape.Replace(text)
	}
	text = stacked(q.mentionLine(a, nil), slackutilsx.EscapeMessage(text))
	return message{text: fit(text, markupLink(q.Link, ""), markupLink(q.Link, wordsOf(a.lang).seeMore))}
}

// unescape reverses what escaping does to text.
var unescape = strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&")

// body is the text that the caller wrote, or else that of the template, and
// whether it is Slack's markup.
func (q request) body(lang string) (text string, mrkdwn bool) {
	if q.Text == "" && q.Wording != nil {
		return q.Wording.in(lang), q.Wording.Mrkdwn
	}
	return q.Text, q.Mrkdwn
}

// fit puts the link below the text. If both are too long for the text of a
// message, the text is shortened, and the link says that there is more.
func fit(text, link, more string) string {
	if whole := stacked(text, link); size(whole) <= maxMessageText {
		return whole
	}
	return stacked(shorten(text, maxMessageText-size(more)-1), more)
}

// stacked puts texts below each other, but for empty ones.
func stacked(list ...string) string {
	return strings.Join(slices.DeleteFunc(list, func(s string) bool { return s == "" }), "\n")
}

// sections shows a text, escaped or in Slack's markup, as blocks. Slack wants
// its three entities in plain_text objects as well
// (https://docs.slack.dev/messaging/formatting-message-text, "Escaping text").
func sections(text string, mrkdwn bool) []slack.Block {
	if text == "" {
		return nil
	}
	var blocks []slack.Block
	for _, piece := range split(text, maxSection) {
		object := slack.NewTextBlockObject(slack.PlainTextType, piece, true, false)
		if mrkdwn { // verbatim: else Slack looks for names of people and channels in it
			object = slack.NewTextBlockObject(slack.MarkdownType, piece, false, true)
		}
		blocks = append(blocks, slack.NewSectionBlock(object, nil, nil))
	}
	return blocks
}

// markupLink is an address in Slack's link syntax, where < > | end it. No
// address gives an empty text.
func markupLink(address, label string) string {
	if address == "" {
		return ""
	}
	address = strings.NewReplacer("<", "%3C", ">", "%3E", "|", "%7C", " ", "%20", "&", "&amp;").Replace(address)
	if label != "" {
		address += "|" + label
	}
	return "<" + address + ">"
}

func (m message) options() []slack.MsgOption {
	options := []slack.MsgOption{slack.MsgOptionText(m.text, false), slack.MsgOptionDisableLinkUnfurl(), slack.MsgOptionDisableMediaUnfurl()}
	if !m.mrkdwn {
		options = append(options, slack.MsgOptionDisableMarkdown())
	}
	if len(m.blocks) > 0 {
		options = append(options, slack.MsgOptionBlocks(m.blocks...))
	}
	if m.threadTS != "" {
		options = append(options, slack.MsgOptionTS(m.threadTS))
		if m.broadcast {
			options = append(options, slack.MsgOptionBroadcast())
		}
	}
	return options
}

// preview is the message as a JSON object of the arguments that Slack would get,
// taken from the options, so that it cannot tell anything else.
func (m message) preview() (json.RawMessage, error) {
	_, values, err := slack.UnsafeApplyMsgOptions("", "", "", m.options()...)
	if err != nil {
		return nil, fmt.Errorf("apply message options: %w", err)
	}
	if m.slack != nil {
		m.slack.set(values)
	}
	arguments := map[string]any{}
	for name := range values {
		switch value := values.Get(name); {
		case name == "token" || name == "channel": // not of the message
		case name == "metadata" || name == "attachments":
			arguments[name] = json.RawMessage(value)
		case value == "true" || value == "false":
			arguments[name] = value == "true"
		default:
			arguments[name] = value
		}
	}
	arguments["text"] = m.text // even if it reads "true"
	if len(m.blocks) > 0 {     // which the library keeps elsewhere until it sends
		arguments["blocks"] = m.blocks
	}
	raw, err := json.Marshal(arguments)
	if err != nil {
		return nil, fmt.Errorf("encode message: %w", err)
	}
	return raw, nil
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
