package slacksim

import (
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// Limits of message text, in characters. Slack cuts a longer post and refuses
// a longer update.
const (
	maxText       = 40_000
	maxUpdateText = 4_000
	maxMarkdown   = 12_000
)

func (s *Sim) chatPostMessage(c *call) (reply, *apiError) {
	if err := c.args.required("channel"); err != nil {
		return nil, err
	}
	conv, err := s.destination(c)
	if err != nil {
		return nil, err
	}
	m := &Message{Team: c.ws.ID, Channel: conv.id, ChannelName: conv.name, Person: conv.person,
		App: c.tok.app.ID, User: c.tok.user, Username: c.args["username"],
		PlainText:   !c.args.isOr("mrkdwn", true),
		UnfurlLinks: c.args.is("unfurl_links"), UnfurlMedia: c.args.isOr("unfurl_media", true)}
	if inst := c.ws.bots[c.tok.user]; inst != nil {
		m.BotID = inst.botID
	}
	if err := c.content(m, false); err != nil {
		return nil, err
	}
	if err := c.thread(m, conv); err != nil {
		return nil, err
	}
	if err := s.pace(c.tok.app.ID, conv); err != nil {
		return nil, err
	}
	s.add(conv, m)
	return reply{"channel": conv.id, "ts": m.TS, "message": s.object(m, true)}, nil
}

// pace takes the conversation's turn for a message of the app.
func (s *Sim) pace(app string, conv *conversation) *apiError {
	if s.cfg.NoChannelLimit {
		return nil
	}
	if wait := s.limits.message(app+" "+conv.id, s.cfg.Now()); wait > 0 {
		return &apiError{code: "ratelimited", retryAfter: wait}
	}
	return nil
}

// destination finds where a message goes: a conversation's id, a channel's
// name, or a person's id, which opens the direct message.
func (s *Sim) destination(c *call) (*conversation, *apiError) {
	to := c.args["channel"]
	if (c.args["username"] != "" || c.args["icon_url"] != "" || c.args["icon_emoji"] != "") && !c.tok.has("chat:write.customize") {
		return nil, missingScope(c.tok, "chat:write.customize")
	}
	if isUser(to) {
		return s.destinationPerson(c, to)
	}
	conv := c.ws.conversations[to]
	if conv == nil {
		conv = c.ws.channelNamed(to)
	}
	member := conv != nil && conv.has(c.tok.user)
	switch {
	case conv == nil, conv.kind != public && !member:
		return nil, fail("channel_not_found")
	case conv.archived:
		return nil, fail("is_archived")
	case conv.kind == direct && !c.tok.app.MessagesTab:
		return nil, fail("messages_tab_disabled")
	case conv.readOnly:
		return nil, fail("restricted_action_read_only_channel")
	case !member && !c.tok.has("chat:write.public"):
		return nil, fail("not_in_channel")
	}
	return conv, nil
}

// destinationPerson opens the direct message. A deactivated person's is
// opened too: Slack was seen to accept such messages, which nobody reads.
func (s *Sim) destinationPerson(c *call, id string) (*conversation, *apiError) {
	switch {
	case c.ws.people[id] == nil:
		return nil, fail("channel_not_found")
	case !c.tok.app.MessagesTab:
		return nil, fail("messages_tab_disabled")
	case c.args["username"] != "" || c.args["icon_url"] != "" || c.args["icon_emoji"] != "":
		return c.ws.dm(slackbot, id), nil // that is where Slack puts them
	}
	return c.ws.dm(c.tok.user, id), nil
}

// content fills a message from the arguments, checked against Slack's limits.
func (c *call) content(m *Message, update bool) *apiError {
	m.Text = c.args["text"]
	if md := c.args["markdown_text"]; md != "" {
		if m.Text != "" || c.args["blocks"] != "" {
			return fail("markdown_text_conflict")
		}
		if utf8.RuneCountInString(md) > maxMarkdown {
			return fail("msg_too_long")
		}
		m.Text = md
	}
	if n := utf8.RuneCountInString(m.Text); update && n > maxUpdateText {
		return fail("msg_too_long")
	} else if n > maxText {
		m.Text = string([]rune(m.Text)[:maxText])
		c.warnings = append(c.warnings, "message_truncated")
	}
	var err *apiError
	if m.Blocks, err = checkBlocks(c.args["blocks"]); err != nil {
		return err
	}
	if m.Attachments, err = checkAttachments(c.args["attachments"]); err != nil {
		return err
	}
	if m.Metadata, err = checkMetadata(c.args["metadata"]); err != nil {
		return err
	}
	if strings.TrimSpace(m.Text) == "" && len(m.Blocks) == 0 && len(m.Attachments) == 0 {
		return fail("no_text")
	}
	return nil
}

// thread makes a message a reply. A reply to a reply goes to its parent; a
// parent that is gone leaves the message in the conversation itself.
func (c *call) thread(m *Message, conv *conversation) *apiError {
	ts := c.args["thread_ts"]
	if !validTS(ts) {
		return fail("invalid_thread_ts")
	}
	parent := conv.byTS[ts]
	if parent == nil {
		return nil
	}
	if parent.ThreadTS != "" {
		ts = parent.ThreadTS
	}
	m.ThreadTS = ts
	m.Broadcast = c.args.is("reply_broadcast")
	return nil
}

func (s *Sim) chatUpdate(c *call) (reply, *apiError) {
	if err := c.args.required("channel", "ts"); err != nil {
		return nil, err
	}
	conv := c.ws.conversations[c.args["channel"]] // an id; not a name or a person
	if conv == nil || conv.kind != public && !conv.has(c.tok.user) && conv.bot != slackbot {
		return nil, fail("channel_not_found")
	}
	m := conv.byTS[c.args["ts"]]
	switch {
	case conv.archived:
		return nil, fail("is_archived")
	case m == nil:
		return nil, fail("message_not_found")
	case m.User != c.tok.user:
		return nil, fail("cant_update_message")
	}
	var next Message
	_, hasBlocks := c.args["blocks"]
	_, hasText := c.args["text"]
	_, hasAttachments := c.args["attachments"]
	if err := c.content(&next, true); err != nil {
		return nil, err
	}
	if hasText || c.args["markdown_text"] != "" {
		m.Text = next.Text
	}
	if hasText || hasBlocks { // text without blocks removes the blocks
		m.Blocks = next.Blocks
	}
	if hasAttachments {
		m.Attachments = next.Attachments
	}
	if meta := c.args["metadata"]; meta != "" { // kept unless sent; {} clears
		m.Metadata = next.Metadata
	}
	m.EditedAt = s.cfg.Now()
	s.notify()
	return reply{"channel": conv.id, "ts": m.TS, "text": m.Text, "message": s.object(m, true)}, nil
}

func checkAttachments(text string) (json.RawMessage, *apiError) {
	if text == "" || text == "null" || text == "[]" {
		return nil, nil
	}
	var list []map[string]json.RawMessage
	if json.Unmarshal([]byte(text), &list) != nil {
		return nil, fail("invalid_attachments")
	}
	if len(list) > 100 {
		return nil, fail("too_many_attachments")
	}
	for _, one := range list {
		if _, err := checkBlocks(string(one["blocks"])); err != nil {
			return nil, err
		}
	}
	return json.RawMessage(text), nil
}

func checkMetadata(text string) (json.RawMessage, *apiError) {
	if text == "" || text == "{}" || text == "null" {
		return nil, nil
	}
	var meta map[string]json.RawMessage
	if json.Unmarshal([]byte(text), &meta) != nil {
		return nil, fail("invalid_metadata_format")
	}
	var event string
	var payload map[string]json.RawMessage
	if json.Unmarshal(meta["event_type"], &event) != nil || event == "" ||
		json.Unmarshal(meta["event_payload"], &payload) != nil || payload == nil {
		return nil, fail("invalid_metadata_schema")
	}
	return json.RawMessage(text), nil
}
