package slacksim

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Message is a message that stands in a conversation.
type Message struct {
	Team    string
	Channel string // C… or D…
	// ChannelName is the channel's name, empty for a direct message.
	ChannelName string
	// Person is who a direct message is for, empty in a channel.
	Person      string
	App         string // id of the app that posted
	User        string // the bot's user id
	BotID       string
	Username    string // shown instead of the bot's name, if any
	Text        string
	Blocks      json.RawMessage
	Attachments json.RawMessage
	Metadata    json.RawMessage
	TS          string // unique; identifies the message in its conversation
	ThreadTS    string // of the thread's parent, if it is a reply
	Broadcast   bool   // a reply also shown in the conversation
	PlainText   bool   // mrkdwn=false was asked
	UnfurlLinks bool
	UnfurlMedia bool
	Webhook     bool // came through an incoming webhook
	PostedAt    time.Time
	EditedAt    time.Time // zero if never
}

// maxMessages is how many messages a conversation keeps.
const maxMessages = 20_000

// Messages gives what stands in a conversation, oldest first. The conversation
// is a channel id, "#name", a direct message's id, or a person's id for all
// direct messages to that person; empty means the whole workspace.
func (s *Sim) Messages(team, conversation string) []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.messages(team, conversation)
}

func (s *Sim) messages(team, name string) []Message {
	var out []Message
	for _, conv := range s.matching(team, name) {
		for _, m := range conv.messages {
			out = append(out, *m)
		}
	}
	slices.SortFunc(out, func(a, b Message) int { return cmp.Compare(a.TS, b.TS) })
	return out
}

// matching are the conversations that a name stands for.
func (s *Sim) matching(team, name string) []*conversation {
	ws := s.workspaces[team]
	if ws == nil {
		return nil
	}
	var out []*conversation
	for _, conv := range ws.conversations {
		if name == "" || name == conv.id || name == conv.person ||
			conv.kind != direct && name == "#"+conv.name {
			out = append(out, conv)
		}
	}
	return out
}

// Await waits until n messages stand in a conversation, named as for Messages,
// and gives them, or fails when ctx ends.
func (s *Sim) Await(ctx context.Context, team, conversation string, n int) ([]Message, error) {
	for {
		s.mu.Lock()
		changed, have := s.changed, 0
		for _, conv := range s.matching(team, conversation) {
			have += len(conv.messages)
		}
		s.mu.Unlock()
		if have >= n {
			return s.Messages(team, conversation), nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("await %d messages in %s %s, have %d: %w", n, team, conversation, have, ctx.Err())
		}
	}
}

// DeleteMessage removes a message as a person would in Slack.
func (s *Sim) DeleteMessage(team, channel, ts string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	ws := s.workspaces[team]
	if ws == nil || ws.conversations[channel] == nil || ws.conversations[channel].byTS[ts] == nil {
		return fmt.Errorf("message %s in %s: not found", ts, channel)
	}
	conv := ws.conversations[channel]
	delete(conv.byTS, ts)
	conv.messages = slices.DeleteFunc(conv.messages, func(m *Message) bool { return m.TS == ts })
	return nil
}

// add puts a message into a conversation and gives it its timestamp. The
// caller holds mu.
func (s *Sim) add(conv *conversation, m *Message) {
	m.PostedAt = s.cfg.Now()
	s.lastTS = max(m.PostedAt.UnixMicro(), s.lastTS+1)
	m.TS = fmt.Sprintf("%010d.%06d", s.lastTS/1e6, s.lastTS%1e6)
	if len(conv.messages) >= maxMessages {
		for _, old := range conv.messages[:maxMessages/2] {
			delete(conv.byTS, old.TS)
		}
		conv.messages = slices.Clone(conv.messages[maxMessages/2:])
	}
	conv.messages = append(conv.messages, m)
	conv.byTS[m.TS] = m
	s.notify()
}

// object is the message as the Web API shows it.
func (s *Sim) object(m *Message, metadata bool) reply {
	o := reply{"type": "message", "user": m.User, "ts": m.TS, "text": m.Text,
		"bot_id": m.BotID, "app_id": m.App, "team": m.Team}
	if a := s.apps[m.App]; a != nil {
		o["bot_profile"] = reply{"id": m.BotID, "app_id": m.App, "name": a.BotName,
			"deleted": false, "team_id": m.Team, "user_id": m.User}
	}
	if m.Username != "" || m.Webhook {
		o["subtype"] = "bot_message"
		o["username"] = m.Username
	}
	if len(m.Blocks) > 0 {
		o["blocks"] = m.Blocks
	}
	if len(m.Attachments) > 0 {
		o["attachments"] = m.Attachments
	}
	if m.ThreadTS != "" {
		o["thread_ts"] = m.ThreadTS
	}
	if m.Broadcast {
		o["subtype"] = "thread_broadcast"
	}
	if len(m.Metadata) > 0 && metadata {
		o["metadata"] = m.Metadata
	} else if len(m.Metadata) > 0 { // without its payload, as Slack was seen to do
		var kind struct {
			EventType string `json:"event_type"`
		}
		_ = json.Unmarshal(m.Metadata, &kind) // checked when it came
		o["metadata"] = kind
	}
	if !m.EditedAt.IsZero() {
		o["edited"] = reply{"user": m.User, "ts": fmt.Sprintf("%d.000000", m.EditedAt.Unix())}
	}
	return o
}

// isUser tells a person's or bot's id from a conversation's.
func isUser(id string) bool {
	return strings.HasPrefix(id, "U") || strings.HasPrefix(id, "W")
}
