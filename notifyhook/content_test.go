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

// Whatever an application passes on from its users, nobody is pinged by it.
func FuzzNothingPings(f *testing.F) {
	for _, s := range []string{"<!channel>", "<@U0MARIE>", "<!subteam^S1|x>", "&lt;!here&gt;", "<\x00!channel>", "<\n!here>", "\u2028<!everyone>", strings.Repeat("<!channel>", 500)} {
		f.Add(s, "https://"+host+"/<!channel>|<!here>")
	}
	rt := &route{host: host, scheme: "https"}
	f.Fuzz(func(t *testing.T, text, link string) {
		body, err := json.Marshal(map[string]string{"to": "C01", "text": text, "link": link})
		if err != nil {
			t.Skip()
		}
		q, _, p := rt.parse(jsonRequest(), body, newFakeClock().now())
		if p != nil {
			q = request{Text: clean(text)} // the text alone, if the link was refused
		}
		for _, m := range []message{compose(q, audience{}), composePlain(q, audience{})} {
			if pings := (slacksim.Message{Text: m.text}).Pings(); len(pings) > 0 {
				t.Fatalf("%q pings %q", m.text, pings)
			}
			own := ""
			if q.Link != "" {
				own = markupLink(q.Link)
			}
			if rest := strings.TrimSuffix(m.text, own); strings.ContainsAny(rest, "<>") || m.mrkdwn || strings.Count(own, "<")+strings.Count(own, ">") > 2 {
				t.Fatalf("markup in %q", m.text)
			}
		}
	})
}
