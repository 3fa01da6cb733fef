package slacksim

import (
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// block is a Block Kit block, as far as it is checked and shown.
type block struct {
	Type      string            `json:"type"`
	BlockID   string            `json:"block_id"`
	Text      json.RawMessage   `json:"text"` // a text object; a string in markdown blocks
	Fields    []json.RawMessage `json:"fields"`
	Elements  []json.RawMessage `json:"elements"`
	Accessory json.RawMessage   `json:"accessory"`
	Title     json.RawMessage   `json:"title"`
	ImageURL  string            `json:"image_url"`
	SlackFile json.RawMessage   `json:"slack_file"` // instead of image_url
	AltText   string            `json:"alt_text"`
}

// textObject is Slack's text composition object.
type textObject struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

// element is what stands in a context, actions or rich_text block.
type element struct {
	Type     string            `json:"type"`
	Text     json.RawMessage   `json:"text"` // string in context and rich text, else object
	URL      string            `json:"url"`
	Value    string            `json:"value"`
	ActionID string            `json:"action_id"`
	Style    json.RawMessage   `json:"style"` // string on buttons, object in rich text
	ImageURL string            `json:"image_url"`
	File     json.RawMessage   `json:"slack_file"` // instead of image_url
	AltText  string            `json:"alt_text"`
	Elements []json.RawMessage `json:"elements"`

	UserID      string `json:"user_id"` // this and the next three: a mention in rich text
	ChannelID   string `json:"channel_id"`
	UsergroupID string `json:"usergroup_id"`
	Range       string `json:"range"`
}

// maxBlocksTotal is the undocumented sum of text that Slack was seen to take.
const maxBlocksTotal = 13_200

// maxMarkdownBlocks is the sum of text in a message's markdown blocks.
const maxMarkdownBlocks = 12_000

// blockCheck gathers what is wrong with a message's blocks.
type blockCheck struct {
	wrong    []string
	total    int
	markdown int
}

func (b *blockCheck) fault(path, format string, a ...any) {
	b.wrong = append(b.wrong, fmt.Sprintf(format, a...)+" [json-pointer:"+path+"]")
}

// checkBlocks holds the blocks argument against Block Kit's limits; empty
// gives nil.
func checkBlocks(text string) (json.RawMessage, *apiError) {
	if text == "" || text == "null" || text == "[]" {
		return nil, nil
	}
	var list []json.RawMessage
	if json.Unmarshal([]byte(text), &list) != nil {
		return nil, fail("invalid_blocks_format")
	}
	check := &blockCheck{}
	if len(list) > 50 {
		check.fault("/blocks", "no more than 50 items allowed")
	}
	ids := map[string]bool{}
	for i, raw := range list {
		path := fmt.Sprintf("/blocks/%d", i)
		var b block
		if json.Unmarshal(raw, &b) != nil {
			check.fault(path, "must be a valid block")
			continue
		}
		if b.BlockID != "" && ids[b.BlockID] {
			check.fault(path+"/block_id", "block_id %q already exists", b.BlockID)
		}
		ids[b.BlockID] = true
		check.length(path+"/block_id", b.BlockID, 0, 255)
		check.block(path, b)
	}
	if len(check.wrong) > 0 {
		return nil, failWith("invalid_blocks", check.wrong...)
	}
	if check.total > maxBlocksTotal || check.markdown > maxMarkdownBlocks {
		return nil, fail("msg_blocks_too_long")
	}
	return json.RawMessage(text), nil
}

func (b *blockCheck) block(path string, in block) {
	switch in.Type {
	case "section":
		if len(in.Text) == 0 && len(in.Fields) == 0 {
			b.fault(path, "missing required field: text")
		}
		if len(in.Text) > 0 {
			b.text(path+"/text", in.Text, 3000, false)
		}
		if len(in.Fields) > 10 {
			b.fault(path+"/fields", "no more than 10 items allowed")
		}
		for i, f := range in.Fields {
			b.text(fmt.Sprintf("%s/fields/%d", path, i), f, 2000, false)
		}
		if len(in.Accessory) > 0 {
			b.element(path+"/accessory", in.Accessory)
		}
	case "header":
		b.text(path+"/text", in.Text, 150, true)
	case "context":
		b.items(path, in.Elements, 10)
		for i, raw := range in.Elements {
			b.contextElement(fmt.Sprintf("%s/elements/%d", path, i), raw)
		}
	case "actions":
		b.items(path, in.Elements, 25)
		ids := map[string]bool{}
		for i, raw := range in.Elements {
			at := fmt.Sprintf("%s/elements/%d", path, i)
			b.element(at, raw)
			var e element
			if json.Unmarshal(raw, &e) == nil && e.ActionID != "" && ids[e.ActionID] {
				b.fault(at+"/action_id", "action_id %q already exists", e.ActionID)
			}
			ids[e.ActionID] = true
		}
	case "image":
		b.image(path, in.ImageURL, in.AltText, in.SlackFile)
		if len(in.Title) > 0 {
			b.text(path+"/title", in.Title, 2000, true)
		}
	case "markdown":
		var text string
		if json.Unmarshal(in.Text, &text) != nil {
			b.fault(path+"/text", "must be a string")
		}
		b.length(path+"/text", text, 1, maxMarkdownBlocks)
		b.markdown += utf8.RuneCountInString(text)
	case "rich_text":
		b.items(path, in.Elements, len(in.Elements))
	case "divider", "video", "file", "table", "context_actions", "card", "carousel", "container", "data_table", "data_visualization", "plan", "task_card":
	default:
		b.fault(path+"/type", "unsupported type: %s", in.Type)
	}
}

func (b *blockCheck) items(path string, list []json.RawMessage, most int) {
	if len(list) == 0 {
		b.fault(path+"/elements", "must have at least 1 item")
	}
	if len(list) > most {
		b.fault(path+"/elements", "no more than %d items allowed", most)
	}
}

// text checks a text object; plain says that only plain_text will do.
func (b *blockCheck) text(path string, raw json.RawMessage, most int, plain bool) {
	var t textObject
	if json.Unmarshal(raw, &t) != nil {
		b.fault(path, "must provide an object")
		return
	}
	if t.Type != "plain_text" && (plain || t.Type != "mrkdwn") {
		b.fault(path+"/type", "unsupported text type: %s", t.Type)
	}
	b.length(path+"/text", t.Text, 1, most)
	b.total += utf8.RuneCountInString(t.Text)
}

func (b *blockCheck) length(path, text string, least, most int) {
	switch n := utf8.RuneCountInString(text); {
	case n > most:
		b.fault(path, "must be less than %d characters", most+1)
	case n < least:
		b.fault(path, "must be more than %d characters", least-1)
	}
}

func (b *blockCheck) image(path, url, alt string, file json.RawMessage) {
	if len(file) == 0 {
		b.length(path+"/image_url", url, 1, 3000)
	}
	b.length(path+"/alt_text", alt, 1, 2000)
}

func (b *blockCheck) contextElement(path string, raw json.RawMessage) {
	var e element
	if json.Unmarshal(raw, &e) != nil {
		b.fault(path, "must be a valid element")
		return
	}
	switch e.Type {
	case "plain_text", "mrkdwn":
		b.text(path, raw, 3000, false)
	case "image":
		b.image(path, e.ImageURL, e.AltText, e.File)
	default:
		b.fault(path+"/type", "unsupported type: %s", e.Type)
	}
}

func (b *blockCheck) element(path string, raw json.RawMessage) {
	var e element
	if json.Unmarshal(raw, &e) != nil || e.Type == "" {
		b.fault(path, "must be a valid element")
		return
	}
	switch e.Type {
	case "image":
		b.image(path, e.ImageURL, e.AltText, e.File)
	case "button":
		b.text(path+"/text", e.Text, 75, true)
		b.length(path+"/url", e.URL, 0, 3000)
		b.length(path+"/value", e.Value, 0, 2000)
		b.length(path+"/action_id", e.ActionID, 0, 255)
	}
}
