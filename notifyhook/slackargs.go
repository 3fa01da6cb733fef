package notifyhook

import (
	"encoding/json"
	"net/url"
	"regexp"
	"strings"
	"unicode/utf8"
)

const (
	maxSlackText = 40_000 // characters; Slack cuts what is longer
	maxIdentity  = 256    // bytes of a name or an emoji; an image's address may have maxLink
)

// tsForm is how Slack names a message within its conversation.
var tsForm = regexp.MustCompile(`^\d{1,12}\.\d{1,6}$`)

// slackArgs is what a message asked for in Slack's own terms has besides text
// and blocks. A request with it is passed on as its author wrote it: markup
// means what it means in Slack, and what is not said is left to Slack.
type slackArgs struct {
	Attachments json.RawMessage `json:"attachments,omitempty"`
	Username    string          `json:"username,omitempty"`
	IconURL     string          `json:"icon_url,omitempty"`
	IconEmoji   string          `json:"icon_emoji,omitempty"`
	ThreadTS    string          `json:"thread_ts,omitempty"` // Slack's, or one that we gave (see ownTS)
	Broadcast   bool            `json:"reply_broadcast,omitempty"`
	UnfurlLinks *bool           `json:"unfurl_links,omitempty"`
	UnfurlMedia *bool           `json:"unfurl_media,omitempty"`
	Plain       bool            `json:"plain,omitempty"`    // mrkdwn is false
	Markdown    bool            `json:"markdown,omitempty"` // the text is markdown_text
	Parse       string          `json:"parse,omitempty"`
	LinkNames   bool            `json:"link_names,omitempty"`
}

// message reads the arguments of a message to the recipient. The word says what
// Slack would refuse, warning what Slack would do otherwise than asked.
func (a arguments) message(to string) (q request, warning, word slackWord) {
	q = request{To: []string{to}, Text: clean(a["text"]), Mrkdwn: true}
	s := &slackArgs{Username: short(a["username"], maxIdentity), IconURL: short(a["icon_url"], maxLink), IconEmoji: short(a["icon_emoji"], maxIdentity),
		ThreadTS: a["thread_ts"], Broadcast: a.isTrue("reply_broadcast"), UnfurlLinks: a.choice("unfurl_links"), UnfurlMedia: a.choice("unfurl_media"),
		Plain: a["mrkdwn"] != "" && !a.isTrue("mrkdwn"), LinkNames: a.isTrue("link_names")}
	q.Slack = s
	if parse := a["parse"]; parse == "full" || parse == "none" {
		s.Parse = parse
	}
	if s.ThreadTS != "" && !tsForm.MatchString(s.ThreadTS) {
		return q, "", "invalid_thread_ts"
	}
	if md := clean(a["markdown_text"]); md != "" {
		switch {
		case q.Text != "" || a["blocks"] != "":
			return q, "", "markdown_text_conflict"
		case utf8.RuneCountInString(md) > maxMarkdown:
			return q, "", "msg_too_long"
		}
		q.Text, s.Markdown = md, true
	}
	if utf8.RuneCountInString(q.Text) > maxSlackText {
		q.Text, warning = string([]rune(q.Text)[:maxSlackText]), "message_truncated"
	}
	if q.Blocks, word = a.blocks(); word != "" {
		return q, "", word
	}
	if s.Attachments, word = a.attachments(); word != "" {
		return q, "", word
	}
	if strings.TrimSpace(q.Text) == "" && q.Blocks == nil && s.Attachments == nil {
		return q, "", "no_text"
	}
	return q, warning, ""
}

// short drops what is longer than anything of its kind.
func short(s string, limit int) string {
	if s = strings.TrimSpace(clean(s)); len(s) > limit {
		return ""
	}
	return s
}

func (a arguments) blocks() (json.RawMessage, slackWord) {
	if a["blocks"] == "" {
		return nil, ""
	}
	raw := json.RawMessage(a["blocks"])
	if string(raw) == "[]" {
		return nil, ""
	}
	wrong := checkBlocks(raw, maxBlocks, maxBlocksText)
	switch {
	case len(wrong) == 0:
		return canonicalJSON(raw), ""
	case wrong[0].Code == "not_blocks":
		return nil, "invalid_blocks_format"
	}
	return nil, "invalid_blocks"
}

func (a arguments) attachments() (json.RawMessage, slackWord) {
	raw := []byte(a["attachments"])
	var list []map[string]json.RawMessage
	if len(raw) > 0 && json.Unmarshal(raw, &list) != nil {
		return nil, "invalid_attachments"
	}
	switch {
	case len(list) == 0:
		return nil, ""
	case len(list) > maxAttachments:
		return nil, "too_many_attachments"
	}
	if len(checkAttachments(raw)) > 0 { // the blocks in them
		return nil, "invalid_attachments"
	}
	return canonicalJSON(raw), ""
}

// compose makes the message as its author wrote it.
func (s *slackArgs) compose(q request) message {
	m := message{text: q.Text, mrkdwn: q.Mrkdwn, slack: s}
	var raw []json.RawMessage
	if json.Unmarshal(q.Blocks, &raw) == nil {
		for _, b := range raw {
			m.blocks = append(m.blocks, block{raw: b})
		}
	}
	return m
}

// set puts the arguments into the form of chat.postMessage.
func (s *slackArgs) set(form url.Values) {
	put := func(name, value string) {
		form.Del(name)
		if value != "" {
			form.Set(name, value)
		}
	}
	put("attachments", string(s.Attachments))
	put("username", s.Username)
	put("icon_url", s.IconURL)
	put("icon_emoji", s.IconEmoji)
	put("thread_ts", s.ThreadTS)
	put("parse", s.Parse)
	put("unfurl_links", chosen(s.UnfurlLinks))
	put("unfurl_media", chosen(s.UnfurlMedia))
	if s.Broadcast && s.ThreadTS != "" {
		form.Set("reply_broadcast", "true")
	}
	if s.LinkNames {
		form.Set("link_names", "true")
	}
	if s.Plain {
		form.Set("mrkdwn", "false")
	}
	if s.Markdown {
		form.Set("markdown_text", form.Get("text"))
		form.Del("text")
	}
}

func chosen(choice *bool) string {
	switch {
	case choice == nil:
		return ""
	case *choice:
		return "true"
	}
	return "false"
}

// asIdentity says whether the message is to appear under a name or picture of
// its own.
func (s *slackArgs) asIdentity() bool {
	return s.Username != "" || s.IconURL != "" || s.IconEmoji != ""
}

// withoutIdentity is the same message from the bot as itself.
func (s slackArgs) withoutIdentity() *slackArgs {
	s.Username, s.IconURL, s.IconEmoji = "", "", ""
	return &s
}

// without is the message less what Slack has refused it for, or nil if that is
// not something it can go without.
func (s slackArgs) without(refused string) *slackArgs {
	switch {
	case refused == "missing_scope" && s.asIdentity(): // chat:write.customize, if it is not chat:write
		return s.withoutIdentity()
	case classOfName(postMessage, refused) == staleThread && s.ThreadTS != "":
		s.ThreadTS = ""
		return &s
	}
	return nil
}

// plain is the message without what Slack may have found wrong: blocks and
// attachments, whose words stand in for a text that is missing. The text keeps
// its markup, which is never refused.
func (s slackArgs) plain(q request) message {
	text := q.Text
	if strings.TrimSpace(text) == "" {
		text = attachedText(s.Attachments)
	}
	s.Attachments, s.Markdown = nil, false
	return message{text: shorten(text, maxMessageText), mrkdwn: true, slack: &s}
}

// attachedText is what attachments say, one under the other.
func attachedText(raw json.RawMessage) string {
	var list []struct{ Fallback, Pretext, Title, Text string }
	if json.Unmarshal(raw, &list) != nil {
		return ""
	}
	var lines []string
	for _, one := range list {
		if one.Fallback != "" {
			lines = append(lines, one.Fallback)
			continue
		}
		for _, line := range []string{one.Pretext, one.Title, one.Text} {
			if line != "" {
				lines = append(lines, line)
			}
		}
	}
	return strings.Join(lines, "\n")
}
