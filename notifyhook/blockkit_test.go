package notifyhook

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/slack-go/slack"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
)

// What Slack refuses is refused at the ingest, with the field that is wrong, and
// what it takes passes. Slack itself is asked, in the simulator.
func TestBlocksAreHeldAgainstSlacksLimits(t *testing.T) {
	long := func(n int) string { return strings.Repeat("é", n) }
	object := func(kind string, n int) string { return fmt.Sprintf(`{"type":%q,"text":%q}`, kind, long(n)) }
	section := func(n int) string { return `{"type":"section","text":` + object("mrkdwn", n) + `}` }
	many := func(n int, one string) string { return strings.TrimSuffix(strings.Repeat(one+",", n), ",") }
	button := func(rest string) string {
		return `{"type":"actions","elements":[{"type":"button","text":{"type":"plain_text","text":"Oui"}` + rest + `}]}`
	}
	for _, tt := range []struct{ name, blocks, field string }{
		{"section", section(3000), ""},
		{"section too long", section(3001), "blocks[0].text.text"},
		{"section empty", section(0), "blocks[0].text.text"},
		{"section without text", `{"type":"section"}`, "blocks[0].text"},
		{"section with a string", `{"type":"section","text":"x"}`, "blocks[0].text"},
		{"section of another type", `{"type":"section","text":{"type":"markdown","text":"x"}}`, "blocks[0].text.type"},
		{"second block", `{"type":"divider"},` + section(3001), "blocks[1].text.text"},
		{"fields", `{"type":"section","fields":[` + many(10, object("mrkdwn", 10)) + `]}`, ""},
		{"11 fields", `{"type":"section","fields":[` + many(11, object("mrkdwn", 10)) + `]}`, "blocks[0].fields"},
		{"field too long", `{"type":"section","fields":[` + object("plain_text", 2001) + `]}`, "blocks[0].fields[0].text"},
		{"header", `{"type":"header","text":` + object("plain_text", 150) + `}`, ""},
		{"header too long", `{"type":"header","text":` + object("plain_text", 151) + `}`, "blocks[0].text.text"},
		{"header in mrkdwn", `{"type":"header","text":` + object("mrkdwn", 1) + `}`, "blocks[0].text.type"},
		{"context", `{"type":"context","elements":[` + many(10, object("mrkdwn", 1)) + `]}`, ""},
		{"11 in a context", `{"type":"context","elements":[` + many(11, object("mrkdwn", 1)) + `]}`, "blocks[0].elements"},
		{"button in a context", `{"type":"context","elements":[{"type":"button"}]}`, "blocks[0].elements[0].type"},
		{"empty context", `{"type":"context","elements":[]}`, "blocks[0].elements"},
		{"button", button(`,"url":"https://x/","value":"1"`), ""},
		{"26 buttons", `{"type":"actions","elements":[` + many(26, `{"type":"button","text":{"type":"plain_text","text":"x"}}`) + `]}`, "blocks[0].elements"},
		{"button text", `{"type":"actions","elements":[{"type":"button","text":` + object("plain_text", 76) + `}]}`, "blocks[0].elements[0].text.text"},
		{"button value", button(`,"value":"` + long(2001) + `"`), "blocks[0].elements[0].value"},
		{"button url", button(`,"url":"https://x/` + long(3000) + `"`), "blocks[0].elements[0].url"},
		{"button as accessory", `{"type":"section","text":` + object("mrkdwn", 1) + `,"accessory":{"type":"button","text":` + object("plain_text", 76) + `}}`, "blocks[0].accessory.text.text"},
		{"action_id twice", `{"type":"actions","elements":[` + many(2, `{"type":"button","action_id":"a","text":{"type":"plain_text","text":"x"}}`) + `]}`, "blocks[0].elements[1].action_id"},
		{"other element", `{"type":"actions","elements":[{"type":"datepicker"}]}`, ""},
		{"image", `{"type":"image","image_url":"https://x/y.png","alt_text":"y"}`, ""},
		{"image in Slack", `{"type":"image","slack_file":{"id":"F1"},"alt_text":"y"}`, ""},
		{"image without words", `{"type":"image","image_url":"https://x/y.png"}`, "blocks[0].alt_text"},
		{"image without address", `{"type":"image","alt_text":"y"}`, "blocks[0].image_url"},
		{"block_id twice", many(2, `{"type":"divider","block_id":"a"}`), "blocks[1].block_id"},
		{"block_id long", `{"type":"divider","block_id":"` + long(256) + `"}`, "blocks[0].block_id"},
		{"50 blocks", many(50, `{"type":"divider"}`), ""},
		{"51 blocks", many(51, `{"type":"divider"}`), "blocks"},
		{"13200 characters", many(4, section(3000)) + "," + section(1200), ""},
		{"13201 characters", many(4, section(3000)) + "," + section(1201), "blocks"},
		{"markdown", `{"type":"markdown","text":"` + long(12000) + `"}`, ""},
		{"markdown too long", many(2, `{"type":"markdown","text":"`+long(6001)+`"}`), "blocks"},
		{"rich text", `{"type":"rich_text","elements":[{"type":"rich_text_section","elements":[{"type":"text","text":"x"}]}]}`, ""},
		{"empty rich text", `{"type":"rich_text","elements":[]}`, "blocks[0].elements"},
		{"carousel", `{"type":"carousel","elements":[{"type":"card"}]}`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			raw := "[" + tt.blocks + "]"
			wrong := checkBlocks(json.RawMessage(raw), maxBlocks, maxBlocksText)
			if tt.field == "" && len(wrong) > 0 || tt.field != "" && !slices.ContainsFunc(wrong, func(e fieldError) bool { return e.Field == tt.field }) {
				t.Errorf("got %+v, want %q", wrong, tt.field)
			}
			if err := postBlocks(t, raw); (err != nil) != (tt.field != "") {
				t.Errorf("Slack says %v", err)
			}
			inAttachment := checkAttachments(json.RawMessage(`[{},{"blocks":` + raw + `}]`))
			if (len(inAttachment) > 0) != (tt.field != "") {
				t.Errorf("in an attachment: %+v", inAttachment)
			}
		})
	}
	for name, raw := range map[string]string{
		"unknown, bounded": `[{"type":"new","x":` + strings.Repeat("[", 30) + strings.Repeat("]", 30) + `}]`, "object": `{}`, "strings": `["x"]`, "nothing": ``,
	} {
		if wrong := checkBlocks(json.RawMessage(raw), maxBlocks, maxBlocksText); len(wrong) != 1 {
			t.Errorf("%s: %+v", name, wrong)
		}
	}
	if wrong := checkBlocks(json.RawMessage(`[{"type":"new","text":7}]`), maxBlocks, maxBlocksText); len(wrong) > 0 {
		t.Errorf("a kind that only Slack knows: %+v", wrong)
	}
	if wrong := checkAttachments(json.RawMessage("[" + many(101, "{}") + "]")); len(wrong) != 1 || wrong[0].Field != "attachments" {
		t.Errorf("101 attachments: %+v", wrong)
	}
}

// postBlocks asks Slack.
func postBlocks(t *testing.T, raw string) error {
	t.Helper()
	var list []json.RawMessage
	if err := json.Unmarshal([]byte(raw), &list); err != nil {
		t.Fatal(err)
	}
	m := message{text: "x"}
	for _, one := range list {
		m.blocks = append(m.blocks, block{raw: one})
	}
	sim := newSlack(t, slacksim.Config{NoChannelLimit: true})
	_, _, err := slack.New(botToken, slack.OptionAPIURL(sim.APIURL())).PostMessage("C0GENERAL", m.options()...)
	return err
}

// Mentions become text in blocks too, which makes them longer, and the link and
// the mentions of the request take of Slack's limits.
func TestBlocksLeaveRoom(t *testing.T) {
	rt := &route{host: host, scheme: "https"}
	dividers := func(n int) []any { return slices.Repeat([]any{map[string]any{"type": "divider"}}, n) }
	pings := strings.Repeat("<!here>", 3000/len("<!here>"))
	for name, tt := range map[string]struct {
		blocks []any
		link   bool
		named  any
		ok     bool
	}{
		"50":                   {dividers(50), false, nil, true},
		"50 and link":          {dividers(50), true, nil, false},
		"48, link, a mention":  {dividers(48), true, "here", true},
		"49, link, a mention":  {dividers(49), true, "here", false},
		"48, link, many":       {dividers(48), true, strings.ReplaceAll(manyChannels(20), "C", "U"), false},
		"live mentions":        {[]any{map[string]any{"type": "section", "text": map[string]any{"type": "mrkdwn", "text": pings}}}, false, "here", true},
		"mentions become text": {[]any{map[string]any{"type": "section", "text": map[string]any{"type": "mrkdwn", "text": pings}}}, false, nil, false},
	} {
		body := map[string]any{"to": "C01", "text": "x", "blocks": tt.blocks, "mentions": tt.named}
		if tt.link {
			body["link"] = "https://" + host + "/x"
		}
		q, ok := parsed(t, rt, body)
		if ok != tt.ok {
			t.Errorf("%s: accepted: %v", name, ok)
		} else if ok && len(compose(q, audience{}).blocks) > maxBlocks {
			t.Errorf("%s: too many are sent", name)
		}
	}
}
