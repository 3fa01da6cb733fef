package notifyhook

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// Slack's limits of what stands in a message
// (https://docs.slack.dev/reference/block-kit), in characters or items.
const (
	maxAttachments = 100
	maxMarkdown    = 12000 // of all markdown blocks together
	maxDepth       = 20    // ours: the deepest block there is needs half of it
	maxMistakes    = 20    // shown: the rest says nothing new
)

// decodeTree gives JSON as maps, lists, strings, json.Number, bool and nil; nil
// as well for what is no JSON.
func decodeTree(raw json.RawMessage) any {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) != nil {
		return nil
	}
	return v
}

// blockCheck holds blocks against Slack's limits. Kinds of blocks and elements
// that it does not know pass: Slack knows more of them.
type blockCheck struct {
	errors   []fieldError
	total    int // characters of all text objects
	markdown int // characters of all markdown blocks
}

// checkBlocks gives what Slack would refuse in a list of blocks. room is what is
// left of its limits, in blocks and in characters.
func checkBlocks(raw json.RawMessage, roomBlocks, roomText int) []fieldError {
	list, ok := decodeTree(raw).([]any)
	if !ok {
		return []fieldError{{Field: "blocks", Code: "not_blocks", Detail: "must be a JSON list of Block Kit blocks"}}
	}
	b := &blockCheck{}
	b.blocks("blocks", list, roomBlocks)
	b.sum("blocks", roomText)
	return b.errors
}

// checkAttachments gives what Slack would refuse in a list of attachments, with
// the blocks in them.
func checkAttachments(raw json.RawMessage) []fieldError {
	list, ok := decodeTree(raw).([]any)
	if !ok {
		return []fieldError{{Field: "attachments", Code: "not_attachments", Detail: "must be a JSON list of attachments"}}
	}
	b := &blockCheck{}
	if len(list) > maxAttachments {
		b.mistake("attachments", "too_many", fmt.Sprintf("at most %d attachments", maxAttachments))
	}
	for i, v := range list {
		at := fmt.Sprintf("attachments[%d]", i)
		one, ok := v.(map[string]any)
		if !ok {
			b.mistake(at, "not_an_object", "")
			continue
		}
		if inner, has := one["blocks"]; has {
			b.blocks(at+".blocks", items(inner), maxBlocks)
		}
	}
	b.sum("attachments", maxBlocksText)
	return b.errors
}

func (b *blockCheck) mistake(path, code, detail string) {
	if len(b.errors) < maxMistakes {
		b.errors = append(b.errors, fieldError{Field: path, Code: code, Detail: detail})
	}
}

// sum judges what counts for all blocks together.
func (b *blockCheck) sum(path string, room int) {
	if b.total > room {
		b.mistake(path, "too_long", fmt.Sprintf("at most %d characters in all blocks together, link and mentions included", maxBlocksText))
	}
	if b.markdown > maxMarkdown {
		b.mistake(path, "too_long", fmt.Sprintf("at most %d characters in all markdown blocks together", maxMarkdown))
	}
}

func (b *blockCheck) blocks(path string, list []any, most int) {
	if len(list) > most {
		b.mistake(path, "too_many", fmt.Sprintf("at most %d blocks, link and mentions counting as one each", maxBlocks))
		return
	}
	if depth(list) > maxDepth {
		b.mistake(path, "too_deep", fmt.Sprintf("at most %d levels", maxDepth))
		return
	}
	ids := map[string]bool{}
	for i, v := range list {
		at := fmt.Sprintf("%s[%d]", path, i)
		in, _ := v.(map[string]any)
		kind, _ := in["type"].(string)
		if kind == "" {
			b.mistake(at, "no_type", "must be an object with a type")
			continue
		}
		if id, has := in["block_id"]; has {
			b.string(at+".block_id", id, 0, 255)
			if id, _ := id.(string); id != "" && ids[id] {
				b.mistake(at+".block_id", "not_unique", "")
			} else {
				ids[id] = true
			}
		}
		b.block(at, kind, in)
	}
}

func (b *blockCheck) block(at, kind string, in map[string]any) {
	switch kind {
	case "section":
		b.section(at, in)
	case "header":
		b.text(at+".text", in["text"], 150, true)
	case "context":
		for i, e := range b.list(at+".elements", in["elements"], 1, 10) {
			b.contextElement(fmt.Sprintf("%s.elements[%d]", at, i), e)
		}
	case "actions":
		ids := map[string]bool{}
		for i, e := range b.list(at+".elements", in["elements"], 1, 25) {
			b.element(fmt.Sprintf("%s.elements[%d]", at, i), e, ids)
		}
	case "image":
		b.image(at, in)
		if title, has := in["title"]; has {
			b.text(at+".title", title, 2000, true)
		}
	case "markdown":
		b.markdown += b.string(at+".text", in["text"], 1, maxMarkdown)
	case "rich_text":
		b.list(at+".elements", in["elements"], 1, 1000)
	}
}

func (b *blockCheck) section(at string, in map[string]any) {
	text, hasText := in["text"]
	fields, hasFields := in["fields"]
	if !hasText && !hasFields {
		b.mistake(at+".text", "required", "a section has a text, fields, or both")
	}
	if hasText {
		b.text(at+".text", text, maxSection, false)
	}
	if hasFields {
		for i, f := range b.list(at+".fields", fields, 1, 10) {
			b.text(fmt.Sprintf("%s.fields[%d]", at, i), f, 2000, false)
		}
	}
	if accessory, has := in["accessory"]; has {
		b.element(at+".accessory", accessory, map[string]bool{})
	}
}

// contextElement is a picture or a text object.
func (b *blockCheck) contextElement(at string, v any) {
	e, _ := v.(map[string]any)
	switch e["type"] {
	case "image":
		b.image(at, e)
	case "plain_text", "mrkdwn":
		b.text(at, v, maxSection, false)
	default:
		b.mistake(at+".type", "unknown_value", "must be image, plain_text or mrkdwn")
	}
}

// element is what one can click, or a picture beside a section.
func (b *blockCheck) element(at string, v any, ids map[string]bool) {
	e, _ := v.(map[string]any)
	kind, _ := e["type"].(string)
	if kind == "" {
		b.mistake(at, "no_type", "must be an object with a type")
		return
	}
	if id, has := e["action_id"]; has {
		b.string(at+".action_id", id, 0, 255)
		if id, _ := id.(string); id != "" && ids[id] {
			b.mistake(at+".action_id", "not_unique", "")
		} else {
			ids[id] = true
		}
	}
	switch kind {
	case "image":
		b.image(at, e)
	case "button":
		b.text(at+".text", e["text"], 75, true)
		b.optional(at, e, "url", 3000)
		b.optional(at, e, "value", 2000)
	}
}

func (b *blockCheck) image(at string, in map[string]any) {
	if _, has := in["slack_file"]; !has {
		b.string(at+".image_url", in["image_url"], 1, 3000)
	}
	b.string(at+".alt_text", in["alt_text"], 1, 2000)
}

// text checks a text object; plain says that only plain_text will do.
func (b *blockCheck) text(at string, v any, most int, plain bool) {
	t, ok := v.(map[string]any)
	switch {
	case !ok:
		b.mistake(at, "required", "must be a text object")
		return
	case plain && t["type"] != "plain_text":
		b.mistake(at+".type", "unknown_value", "must be plain_text")
	case t["type"] != "plain_text" && t["type"] != "mrkdwn":
		b.mistake(at+".type", "unknown_value", "must be plain_text or mrkdwn")
	}
	b.total += b.string(at+".text", t["text"], 1, most)
}

func (b *blockCheck) optional(at string, in map[string]any, key string, most int) {
	if v, has := in[key]; has {
		b.string(at+"."+key, v, 0, most)
	}
}

// string checks a text's length and returns it, in characters.
func (b *blockCheck) string(at string, v any, least, most int) int {
	s, ok := v.(string)
	n := utf8.RuneCountInString(s)
	switch {
	case v == nil && least > 0:
		b.mistake(at, "required", "")
	case !ok:
		b.mistake(at, "not_a_string", "")
	case n < least:
		b.mistake(at, "required", "must not be empty")
	case n > most:
		b.mistake(at, "too_long", fmt.Sprintf("at most %d characters", most))
	}
	return n
}

// list checks a list's length and returns it.
func (b *blockCheck) list(at string, v any, least, most int) []any {
	list := items(v)
	switch {
	case len(list) < least:
		b.mistake(at, "required", fmt.Sprintf("must be a list of at least %d", least))
	case len(list) > most:
		b.mistake(at, "too_many", fmt.Sprintf("at most %d", most))
		return nil
	}
	return list
}

func items(v any) []any {
	list, _ := v.([]any)
	return list
}

// depth counts the levels of lists and objects.
func depth(v any) int {
	deepest := 0
	switch v := v.(type) {
	case []any:
		for _, inner := range v {
			deepest = max(deepest, depth(inner))
		}
	case map[string]any:
		for _, inner := range v {
			deepest = max(deepest, depth(inner))
		}
	default:
		return 0
	}
	return deepest + 1
}
