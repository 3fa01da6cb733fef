package notifyhook

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/slack-go/slack"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
)

// wire is what Slack would get.
func wire(t testing.TB, m message) map[string][]string {
	t.Helper()
	_, values, err := slack.UnsafeApplyMsgOptions("token", "C01", "http://x/", m.options()...)
	if err != nil {
		t.Fatal(err)
	}
	return values
}

func TestPlainTextHasNoMarkup(t *testing.T) {
	text := "<!channel> <@U0MARIE> <!subteam^S1> a & b *bold* _it_ ~no~ `code` &lt;!here&gt; @channel"
	v := wire(t, compose(request{Text: text}, audience{}))
	if got, want := v["text"][0], "&lt;!channel&gt; &lt;@U0MARIE&gt; &lt;!subteam^S1&gt; a &amp; b *bold* _it_ ~no~ `code` &amp;lt;!here&amp;gt; @channel"; got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	for name, want := range map[string]string{"mrkdwn": "false", "unfurl_links": "false", "unfurl_media": "false"} {
		if v[name] == nil || v[name][0] != want {
			t.Errorf("%s = %q, want %s", name, v[name], want)
		}
	}
	for _, name := range []string{"parse", "link_names"} {
		if v[name] != nil {
			t.Errorf("%s is sent", name)
		}
	}
	if v := wire(t, compose(request{Text: "*a*", Mrkdwn: true}, audience{})); v["mrkdwn"] != nil || v["text"][0] != "*a*" {
		t.Errorf("mrkdwn: %v", v)
	}
}

func TestLinkIsALine(t *testing.T) {
	m := compose(request{Text: "x", Link: "https://" + host + "/a?b=1&c=<|>"}, audience{})
	if want := "x\n<https://" + host + "/a?b=1&amp;c=%3C%7C%3E>"; m.text != want {
		t.Errorf("got %q, want %q", m.text, want)
	}
}

// sent is the message as Slack would have it.
func sent(t testing.TB, m message) slacksim.Message {
	t.Helper()
	raw, err := m.preview()
	if err != nil {
		t.Fatal(err)
	}
	var out struct {
		Text   string          `json:"text"`
		Blocks json.RawMessage `json:"blocks"`
	}
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	return slacksim.Message{Text: out.Text, Blocks: out.Blocks}
}

func TestPreviewIsWhatIsSent(t *testing.T) {
	m := compose(request{Text: "true", Mentions: []string{"here"}, Blocks: json.RawMessage(`[{"type":"divider"}]`)}, audience{})
	m.text = "true"
	raw, err := m.preview()
	want := `{"blocks":[{"type":"section","text":{"type":"mrkdwn","text":"\u003c!here\u003e","verbatim":true}},{"type":"divider"}],` +
		`"mrkdwn":false,"text":"true","unfurl_links":false,"unfurl_media":false}`
	if err != nil || string(raw) != want {
		t.Errorf("%v\n got %s\nwant %s", err, raw, want)
	}
}

// A text that is too long for one is one message of several sections, and one
// that is too long even so ends in a link to the rest.
func TestLongTexts(t *testing.T) {
	link, word := "https://"+host+"/x", "réunion "
	for _, tt := range []struct {
		name           string
		q              request
		lang           string
		sections       int
		textEnd        string // of the text beside the blocks
		lastEnd        string // of the last block
		whole, plainly bool
	}{
		{name: "short", q: request{Text: word}, textEnd: word, whole: true},
		{name: "4000", q: request{Text: strings.Repeat("x", 4000)}, textEnd: "xx", whole: true},
		{name: "4001", q: request{Text: strings.Repeat("x", 4001)}, sections: 2, textEnd: "x…", lastEnd: "xx", whole: true, plainly: true},
		{name: "12000", q: request{Text: strings.Repeat(word, 1500), Link: link}, sections: 5, textEnd: "réunion…\n<" + link + "|Voir la suite>", lastEnd: "<" + link + ">", whole: true},
		{name: "in English", q: request{Text: strings.Repeat(word, 1000), Link: link}, lang: "en", sections: 4, textEnd: "|See more>", lastEnd: "<" + link + ">", whole: true},
		{name: "escaped too long", q: request{Text: strings.Repeat("&", 12000), Link: link}, sections: 6, textEnd: "&amp;…\n<" + link + "|Voir la suite>", lastEnd: "|Voir la suite>"},
		{name: "no link", q: request{Text: strings.Repeat("&", 12000)}, sections: 5, textEnd: "&amp;…", lastEnd: "&amp;…"},
		{name: "mrkdwn", q: request{Text: "*a* " + strings.Repeat("<https://x/|lien> ", 500), Mrkdwn: true}, sections: 4, textEnd: "|lien>…", lastEnd: "|lien> ", whole: true},
		{name: "blocks", q: request{Text: strings.Repeat(word, 1000), Link: link, Blocks: json.RawMessage(`[{"type":"divider"}]`)}, sections: 2, textEnd: "|Voir la suite>", lastEnd: "<" + link + ">", whole: true},
		{name: "mentions", q: request{Text: strings.Repeat("x", 4000), Mentions: []string{"here", "marie@agrafmania.fr"}}, sections: 3, textEnd: "x…", lastEnd: "xx", whole: true, plainly: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := compose(tt.q, audience{lang: tt.lang})
			if len(m.blocks) != tt.sections || !strings.HasSuffix(m.text, tt.textEnd) || size(m.text) > maxMessageText {
				t.Fatalf("%d sections, text of %d: %.100q … %q", len(m.blocks), size(m.text), m.text, m.text[max(0, len(m.text)-60):])
			}
			if plain := composePlain(tt.q, audience{lang: tt.lang}); len(plain.blocks) > 0 || size(plain.text) > maxMessageText || plain.mrkdwn {
				t.Errorf("plainly: %d blocks, text of %d", len(plain.blocks), size(plain.text))
			}
			if tt.sections == 0 {
				return
			}
			out := sent(t, m)
			if wrong := checkBlocks(out.Blocks, maxBlocks, maxBlocksText); len(wrong) > 0 {
				t.Errorf("Slack would refuse %+v", wrong)
			}
			var list []struct {
				Type string
				Text struct{ Type, Text string }
			}
			if err := json.Unmarshal(out.Blocks, &list); err != nil {
				t.Fatal(err)
			}
			if last := list[len(list)-1].Text; !strings.HasSuffix(last.Text, tt.lastEnd) || tt.plainly != (last.Type == "plain_text") {
				if tt.plainly || !strings.HasSuffix(last.Text, tt.lastEnd) {
					t.Errorf("last block %s … %q", last.Type, last.Text[max(0, len(last.Text)-60):])
				}
			}
			if ends := strings.HasSuffix(list[len(list)-1].Text.Text, "…") || strings.Contains(list[len(list)-1].Text.Text, "|Voir"); ends == tt.whole {
				t.Errorf("whole: %v", !ends)
			}
		})
	}
}

// Whatever an application passes on from its users, as a text, as data, in
// blocks or in a link, nobody is pinged by it but those whom it names as such.
func FuzzNothingPings(f *testing.F) {
	for _, s := range []string{"<!channel>", "<@U0MARIE>", "<!subteam^S1|x>", "&lt;!here&gt;", "<\x00!channel>", "<\n!here>", "\u2028<!everyone>", "<https://x|<!here>>", "!channel", "@U0MARIE",
		strings.Repeat("<!channel>", 20), "<\u200b!here>", "<!here", "<@U0PAUL|x>", "<!date^1^{date}|<!here>>", "`<!here>", "here"} {
		f.Add(s, "https://"+host+"/<!channel>|<!here>", "U0PAUL")
	}
	set, err := newTemplates(map[string]Template{
		"plain": {FR: "{{.v}} <!here> <@{{.v}}>"}, "mrkdwn": {EN: "*{{.v}}* <@{{.v}}> <{{.v}}|{{.v}}> <!{{.v}}> <{{.v}} <!subteam^S0OPS>", Format: "mrkdwn"}})
	if err != nil {
		f.Fatal(err)
	}
	rt := &route{host: host, scheme: "https", templates: set}
	f.Fuzz(func(t *testing.T, text, link, mention string) {
		if len(text)+len(link)+len(mention) > 1000 {
			t.Skip() // long texts are made of short ones below
		}
		block := map[string]any{"type": "section", "text": map[string]any{"type": "mrkdwn", "text": text}, "fields": []any{map[string]any{"type": "plain_text", "text": text}}}
		rich := map[string]any{"type": "rich_text", "elements": []any{map[string]any{"type": "user", "user_id": text}, map[string]any{"type": "broadcast", "range": text}, map[string]any{"type": text, "x": text}}}
		for _, body := range []map[string]any{
			{"text": text}, {"text": text, "format": "mrkdwn"}, {"text": text, "blocks": []any{block, rich, map[string]any{"type": "new", "x": []any{text}}}},
			{"template": "plain", "data": map[string]any{"v": text}}, {"template": "mrkdwn", "data": map[string]any{"v": text}}, {"text": strings.Repeat(text+" ", 1+6000/(len(text)+1)), "format": "mrkdwn"},
		} {
			body["to"], body["link"], body["mentions"] = "C01", link, mention
			q, ok := parsed(t, rt, body)
			if !ok {
				body["link"] = ""
				if q, ok = parsed(t, rt, body); !ok {
					body["mentions"] = ""
					if q, ok = parsed(t, rt, body); !ok {
						continue
					}
				}
			}
			a := audience{users: map[string]string{"paul@agrafmania.fr": "U0PAUL"}}
			may := map[string]bool{}
			for _, one := range q.Mentions {
				may["<"+a.target(one)+">"] = true
			}
			if q.Template == "mrkdwn" {
				may["<!subteam^S0OPS>"] = true // of the operator's
			}
			for _, m := range []message{compose(q, a), composePlain(q, a)} {
				for _, ping := range sent(t, m).Pings() {
					target, _, _ := strings.Cut(strings.TrimSuffix(ping, ">"), "|")
					if !may[target+">"] && ping != "<user>" && ping != "<broadcast>" {
						t.Fatalf("%v pings %q, may %v", body, ping, may)
					}
					if (ping == "<user>" || ping == "<broadcast>") && len(may) == 0 {
						t.Fatalf("%v pings by rich text", body)
					}
				}
				if !m.mrkdwn && strings.ContainsAny(withoutSequences(m.text), "<>") {
					t.Fatalf("markup in %q", m.text)
				}
				if size(m.text) > maxMessageText && !q.Mrkdwn {
					t.Fatalf("text of %d", size(m.text))
				}
			}
		}
	})
}

// parsed is a request as the API would accept it.
func parsed(t testing.TB, rt *route, body map[string]any) (request, bool) {
	raw, err := json.Marshal(body)
	if err != nil {
		t.Skip()
	}
	q, _, p := rt.parse(jsonRequest(), raw, newFakeClock().now())
	return q, p == nil
}

// withoutSequences drops what is in the form of a mention or of a link.
func withoutSequences(text string) string {
	return eachSequence(text, func(inner string, closed bool) string {
		if closed && (strings.HasPrefix(inner, "@") || strings.HasPrefix(inner, "!") || strings.HasPrefix(inner, "https://")) {
			return ""
		}
		return "<"
	})
}
