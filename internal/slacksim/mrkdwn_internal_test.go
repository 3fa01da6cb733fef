package slacksim

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

func testRenderer() *renderer {
	name := func(id string) string {
		if id == "U1" || id == "C1" || id == "S1" {
			return "Nom & <co>"
		}
		return ""
	}
	return &renderer{markup: newMarkup(), person: name, channel: name, group: name}
}

func TestMrkdwn(t *testing.T) {
	for in, want := range map[string]string{
		"a &amp; b &lt;i&gt;":       "a &amp; b &lt;i&gt;",
		"a & b":                     "a &amp; b",
		"&amp;lt;":                  "&amp;lt;",
		"*b* *c* _i_ ~s~":           "<strong>b</strong> <strong>c</strong> <em>i</em> <s>s</s>",
		"2*3*4 file_name_x * a *":   "2*3*4 file_name_x * a *",
		"`*x*`":                     "<code>*x*</code>",
		"```a\n*b*```":              "<pre>a\n*b*</pre>",
		"&gt; q\nr":                 "<q>q</q>r",
		"<@U1> <@U2|bob> <@U3>":     `<span class="mention">@Nom &amp; &lt;co&gt;</span> <span class="mention">@bob</span> <span class="mention">@U3</span>`,
		"<!here> <!subteam^S9|@g>":  `<span class="mention">@here</span> <span class="mention">@g</span>`,
		"*<https://x.test|a>*":      `<strong><a href="https://x.test" rel="noopener noreferrer">a</a></strong>`,
		"see https://x.test/a?b=c.": `see <a href="https://x.test/a?b=c" rel="noopener noreferrer">https://x.test/a?b=c</a>.`,
		"<mailto:a@b.fr|a>":         `<a href="mailto:a@b.fr" rel="noopener noreferrer">a</a>`,
		"<data:text/html,x|y>":      "&lt;data:text/html,x&gt;",
		"<!date^x^y|bientôt>":       "bientôt",
	} {
		if got := string(testRenderer().html(in)); got != want {
			t.Errorf("html(%q)\n got %s\nwant %s", in, got, want)
		}
	}
	plain := testRenderer()
	plain.plain = true
	if got := plain.html("*a* `b`"); got != "*a* `b`" {
		t.Errorf("plain = %s", got)
	}
}

// A message that was changed in place is rich text: its links and mentions show.
func TestRichText(t *testing.T) {
	raw := `[{"type":"rich_text","elements":[{"type":"rich_text_section","elements":[
		{"type":"text","text":"a &amp; <b>\n"},{"type":"link","url":"https://x.test/?a&b"},{"type":"link","url":"https://x.test","text":"y"},
		{"type":"link","url":"javascript:x","text":"y"},{"type":"user","user_id":"U1"},{"type":"channel","channel_id":"C1"},
		{"type":"usergroup","usergroup_id":"S1"},{"type":"broadcast","range":"here"}]}]}]`
	name := "Nom &amp; &lt;co&gt;"
	want := `a &amp;amp; &lt;b&gt;<br><a href="https://x.test/?a&amp;b" rel="noopener noreferrer">https://x.test/?a&amp;b</a>` +
		`<a href="https://x.test" rel="noopener noreferrer">y</a>&lt;javascript:x&gt;<span class="mention">@` + name + `</span>` +
		`<span class="mention">#` + name + `</span><span class="mention">@` + name + `</span><span class="mention">@here</span>`
	if got := testRenderer().blocks([]byte(raw)); len(got) != 1 || string(got[0].HTML) != want {
		t.Errorf("\n got %+v\nwant %s", got, want)
	}
}

// Whatever the text, only these elements come out, and links lead to the web
// or to mail only.
func FuzzMrkdwn(f *testing.F) {
	for _, seed := range []string{"<script>", "*<https://x|`a`>*", "<mailto:`\" onclick=x`|y>", "<https://x/?\"><img src=x>", "\ue0000\ue001", "```<@U1>```", "<javascript:x>", "&lt;script&gt;", "<https://a|<https://b>>", "_*~`_*~`", "<https:>"} {
		f.Add(seed)
	}
	allowed := []string{"html", "head", "body", "a", "strong", "em", "s", "q", "code", "pre", "br", "span"}
	f.Fuzz(func(t *testing.T, text string) {
		out := string(testRenderer().html(text))
		tree, err := html.Parse(strings.NewReader(out))
		if err != nil {
			t.Fatal(err)
		}
		for n := range tree.Descendants() {
			if n.Type == html.ElementNode && !slices.Contains(allowed, n.Data) || n.Type == html.CommentNode {
				t.Fatalf("%q became %s with <%s>", text, out, n.Data)
			}
			for _, a := range n.Attr {
				web := strings.HasPrefix(a.Val, "http://") || strings.HasPrefix(a.Val, "https://") || strings.HasPrefix(a.Val, "mailto:")
				if a.Key != "class" && a.Key != "rel" && (a.Key != "href" || !web) {
					t.Fatalf("%q became %s with %s=%q", text, out, a.Key, a.Val)
				}
			}
		}
	})
}

func TestPings(t *testing.T) {
	for _, c := range []struct {
		m    Message
		want int
	}{
		{Message{Text: "a &lt;!channel&gt; @here"}, 0},
		{Message{Text: "<!channel> <@U1> <!subteam^S1|@g> <https://x>"}, 3},
		{Message{Blocks: []byte(`[{"type":"section","text":{"type":"mrkdwn","text":"<!here>"}}]`)}, 1},
		{Message{Blocks: []byte(`[{"type":"section","text":{"type":"plain_text","text":"<!here>"}}]`)}, 0},
		{Message{Blocks: []byte(`[{"type":"rich_text","elements":[{"type":"rich_text_section","elements":[{"type":"text","text":"<!here>"}]}]}]`)}, 0},
		{Message{Attachments: []byte(`[{"text":"<@U1>","fields":[{"value":"<!everyone>"}]}]`)}, 2},
	} {
		if got := c.m.Pings(); len(got) != c.want {
			t.Errorf("%+v pings %v, want %d", c.m, got, c.want)
		}
	}
}
