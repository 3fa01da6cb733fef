package slacksim

import (
	"encoding/json"
	"html"
	"html/template"
	"net/url"
	"strings"
)

// shownMessage is a message ready for a page.
type shownMessage struct {
	TS, Channel, Person string
	Bot                 face
	At                  string
	Edited, Reply       bool
	Indent              bool  // a reply below its parent
	To                  *face // in the overview, of a direct message
	ToChannel           string
	Text                template.HTML // when there are no blocks
	Blocks              []shownBlock
	Attachments         []shownAttachment
}

// shownBlock is a Block Kit block ready for a page.
type shownBlock struct {
	Kind    string
	HTML    template.HTML
	Fields  []template.HTML
	Buttons []shownButton
	Image   string // its description; pictures from outside are not loaded
}

type shownButton struct {
	Label, URL, Style string
}

type shownAttachment struct {
	Pretext, Title, Text, Footer template.HTML
	TitleLink                    string
	Blocks                       []shownBlock
}

func (s *Sim) shown(ws *workspace, m *Message, withRecipient bool) shownMessage {
	name := m.Username
	if name == "" {
		name = botName(ws, m.User)
		if a := s.apps[m.App]; a != nil && m.Webhook {
			name = a.BotName
		}
	}
	r := ws.renderer(s.markup, m.PlainText)
	out := shownMessage{TS: m.TS, Channel: m.Channel, Person: m.Person, Bot: newFace(ws.ID, m.User, name),
		At: m.PostedAt.Local().Format("15:04:05"), Edited: !m.EditedAt.IsZero(), Reply: m.ThreadTS != "" && m.ThreadTS != m.TS}
	out.Indent = out.Reply && !withRecipient
	if withRecipient {
		out.ToChannel = m.ChannelName
		if p := ws.people[m.Person]; p != nil {
			f := ws.face(p)
			out.To = &f
		}
	}
	if out.Blocks = r.blocks(m.Blocks); len(out.Blocks) == 0 {
		out.Text = r.html(m.Text)
	}
	var list []struct {
		Pretext   string          `json:"pretext"`
		Title     string          `json:"title"`
		TitleLink string          `json:"title_link"`
		Text      string          `json:"text"`
		Fallback  string          `json:"fallback"`
		Footer    string          `json:"footer"`
		Blocks    json.RawMessage `json:"blocks"`
	}
	_ = json.Unmarshal(m.Attachments, &list) // what does not fit is not shown
	for _, a := range list {
		shown := shownAttachment{Pretext: r.html(a.Pretext), Title: r.html(a.Title), TitleLink: webLink(a.TitleLink),
			Text: r.html(a.Text), Footer: r.html(a.Footer), Blocks: r.blocks(a.Blocks)}
		if a.Title == "" && a.Text == "" && len(shown.Blocks) == 0 {
			shown.Text = r.html(a.Fallback)
		}
		out.Attachments = append(out.Attachments, shown)
	}
	return out
}

// renderer knows the names of a workspace.
func (ws *workspace) renderer(m *markup, plain bool) *renderer {
	return &renderer{
		markup: m,
		plain:  plain,
		person: func(id string) string {
			if p := ws.people[id]; p != nil {
				return p.Name
			}
			if inst := ws.bots[id]; inst != nil {
				return inst.app.BotName
			}
			return ""
		},
		channel: func(id string) string {
			if c := ws.conversations[id]; c != nil {
				return c.name
			}
			return ""
		},
		group: func(id string) string {
			for _, g := range ws.Usergroups {
				if g.ID == id {
					return g.Handle
				}
			}
			return ""
		},
	}
}

func (r *renderer) blocks(raw json.RawMessage) []shownBlock {
	var list []block
	_ = json.Unmarshal(raw, &list) // checked when it was posted
	var out []shownBlock
	for _, b := range list {
		shown := shownBlock{Kind: b.Type}
		switch b.Type {
		case "section":
			shown.HTML = r.object(b.Text)
			for _, f := range b.Fields {
				shown.Fields = append(shown.Fields, r.object(f))
			}
			if len(b.Accessory) > 0 {
				shown.Buttons = r.buttons([]json.RawMessage{b.Accessory})
			}
		case "header":
			shown.HTML = r.object(b.Text)
		case "context":
			for _, e := range b.Elements {
				shown.Fields = append(shown.Fields, r.object(e))
			}
		case "actions":
			shown.Buttons = r.buttons(b.Elements)
		case "image":
			shown.Image = b.AltText
		case "rich_text":
			shown.Kind = "section"
			shown.HTML = r.richText(b.Elements)
		case "markdown":
			var text string
			_ = json.Unmarshal(b.Text, &text)
			shown.Kind = "section"
			shown.HTML = r.html(text)
		}
		out = append(out, shown)
	}
	return out
}

// object renders a text object by its type.
func (r *renderer) object(raw json.RawMessage) template.HTML {
	var t textObject
	if json.Unmarshal(raw, &t) != nil {
		return ""
	}
	if t.Type == "plain_text" {
		return plainHTML(t.Text)
	}
	return r.html(t.Text)
}

func (r *renderer) buttons(list []json.RawMessage) []shownButton {
	var out []shownButton
	for _, raw := range list {
		var e element
		var t textObject
		if json.Unmarshal(raw, &e) != nil || e.Type != "button" || json.Unmarshal(e.Text, &t) != nil {
			continue
		}
		style := ""
		_ = json.Unmarshal(e.Style, &style)
		if style != "primary" && style != "danger" {
			style = "default"
		}
		out = append(out, shownButton{Label: unescape(t.Text), URL: webLink(e.URL), Style: style})
	}
	return out
}

// richText shows rich_text elements, without bold and the like. Their text is
// meant as it stands (https://docs.slack.dev/reference/block-kit/blocks/rich-text-block).
func (r *renderer) richText(list []json.RawMessage) template.HTML {
	var out strings.Builder
	for _, raw := range list {
		var e element
		if json.Unmarshal(raw, &e) != nil {
			continue
		}
		text := ""
		_ = json.Unmarshal(e.Text, &text)
		switch e.Type {
		case "link":
			out.WriteString(link(e.URL, firstOf(text, e.URL)))
		case "user":
			out.WriteString(r.inner("@" + e.UserID))
		case "channel":
			out.WriteString(r.inner("#" + e.ChannelID))
		case "usergroup":
			out.WriteString(r.inner("!subteam^" + e.UsergroupID))
		case "broadcast":
			out.WriteString(r.inner("!" + e.Range))
		default:
			out.WriteString(strings.ReplaceAll(html.EscapeString(text), "\n", "<br>"))
			out.WriteString(string(r.richText(e.Elements)))
		}
	}
	return template.HTML(out.String()) //nolint:gosec // every piece was escaped above
}

// plainHTML shows text as it is.
func plainHTML(text string) template.HTML {
	return template.HTML(strings.ReplaceAll(escape(text), "\n", "<br>")) //nolint:gosec // escaped
}

// webLink gives an http or https address, or nothing.
func webLink(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return ""
	}
	return u.String()
}
