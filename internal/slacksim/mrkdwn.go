package slacksim

import (
	"encoding/json"
	"fmt"
	"html"
	"html/template"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// renderer makes HTML of Slack's markup
// (https://docs.slack.dev/messaging/formatting-message-text). Everything that
// is not markup is escaped.
type renderer struct {
	person  func(id string) string // name of a user id
	channel func(id string) string // name of a channel id
	group   func(id string) string // handle of a usergroup id
	plain   bool                   // only <…> sequences, no *bold* and the like

	*markup
	kept []string // finished pieces of HTML, by their mark
}

// markup is the grammar, compiled.
type markup struct {
	fence, code, sequence, address *regexp.Regexp
	styles                         []style
}

type style struct {
	pattern *regexp.Regexp
	tag     string
}

func newMarkup() *markup {
	m := &markup{
		fence:    regexp.MustCompile("(?s)```(.+?)```"),
		code:     regexp.MustCompile("`([^`\n]+)`"),
		sequence: regexp.MustCompile(`<([^<>\n]+)>`),
		address:  regexp.MustCompile(`https?://[^\s<>|\x{E000}\x{E001}]+[^\s<>|.,;:!?)'"\x{E000}\x{E001}]`),
	}
	for _, f := range [...]struct{ sign, tag string }{{`\*`, "strong"}, {`_`, "em"}, {`~`, "s"}} {
		m.styles = append(m.styles, style{tag: f.tag, pattern: regexp.MustCompile(
			`(^|[\s(\[{>;,.:!?*_~\x{E001}-])` + f.sign + `([^\s` + f.sign + `](?:[^\n` + f.sign + `]*[^\s` + f.sign + `])?)` +
				f.sign + `($|[\s)\]}<&,.:;!?*_~\x{E000}-])`)})
	}
	return m
}

// Marks stand for finished pieces while the rest is worked on. They are
// private-use characters, which are dropped from the text first.
const (
	markOpen  = '\uE000'
	markClose = '\uE001'
)

func (r *renderer) html(text string) template.HTML {
	r.kept = nil
	text = strings.Map(func(c rune) rune {
		if c == markOpen || c == markClose {
			return -1
		}
		return c
	}, text)
	if !r.plain {
		text = replaceAll(text, r.fence, func(m []string) string {
			return r.keep("<pre>" + escape(strings.Trim(m[1], "\n")) + "</pre>")
		})
		text = replaceAll(text, r.code, func(m []string) string {
			return r.keep("<code>" + escape(m[1]) + "</code>")
		})
	}
	text = replaceAll(text, r.sequence, func(m []string) string { return r.keep(r.inner(m[1])) })
	text = replaceAll(text, r.address, func(m []string) string { return r.keep(link(unescape(m[0]), m[0])) })
	text = escape(text)
	if !r.plain {
		text = r.format(text)
	}
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\n", "<br>"), "</q><br>", "</q>")
	var out strings.Builder
	r.expand(&out, text)
	return template.HTML(out.String()) //nolint:gosec // every piece was escaped above
}

// expand puts the kept pieces back; code may stand within another piece.
func (r *renderer) expand(out *strings.Builder, text string) {
	for {
		before, rest, found := strings.Cut(text, string(markOpen))
		out.WriteString(before)
		number, after, _ := strings.Cut(rest, string(markClose))
		if i, err := strconv.Atoi(number); found && err == nil && i < len(r.kept) {
			r.expand(out, r.kept[i])
		}
		if !found {
			return
		}
		text = after
	}
}

func (r *renderer) keep(piece string) string {
	r.kept = append(r.kept, piece)
	return mark(len(r.kept) - 1)
}

func mark(i int) string { return string(markOpen) + strconv.Itoa(i) + string(markClose) }

// format does bold, italic, strike and quotes on escaped text.
func (r *renderer) format(text string) string {
	for _, f := range r.styles {
		// Twice, since a match takes the space that the next one begins with.
		for range 2 {
			text = f.pattern.ReplaceAllString(text, "${1}<"+f.tag+">${2}</"+f.tag+">${3}")
		}
	}
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if quote, ok := strings.CutPrefix(line, "&gt;"); ok {
			lines[i] = "<q>" + strings.TrimSpace(quote) + "</q>"
		}
	}
	return strings.Join(lines, "\n")
}

// inner renders what stood between < and >.
func (r *renderer) inner(in string) string {
	target, label, _ := strings.Cut(in, "|")
	span := func(text string) string { return `<span class="mention">` + escape(text) + `</span>` }
	switch {
	case strings.HasPrefix(target, "@"):
		return span("@" + firstOf(r.person(target[1:]), label, target[1:]))
	case strings.HasPrefix(target, "#"):
		return span("#" + firstOf(r.channel(target[1:]), label, target[1:]))
	case strings.HasPrefix(target, "!subteam^"):
		id := strings.TrimPrefix(target, "!subteam^")
		return span("@" + firstOf(r.group(id), strings.TrimPrefix(label, "@"), id))
	case target == "!here", target == "!channel", target == "!everyone":
		return span("@" + target[1:])
	case strings.HasPrefix(target, "!date^"):
		return escape(date(target, label))
	case strings.HasPrefix(target, "!"):
		return escape(firstOf(label, target))
	}
	return link(unescape(target), firstOf(label, strings.TrimPrefix(target, "mailto:")))
}

// date shows <!date^unix^…> as a time, or its fallback.
func date(target, fallback string) string {
	parts := strings.Split(target, "^")
	if len(parts) > 1 {
		if unix, err := strconv.ParseInt(parts[1], 10, 64); err == nil {
			return time.Unix(unix, 0).Format("2006-01-02 15:04")
		}
	}
	return fallback
}

// link makes an anchor of a web or mail address; anything else is only text.
func link(target, label string) string {
	u, err := url.Parse(target)
	// A mark within an address would put finished HTML into an attribute.
	if err != nil || strings.ContainsRune(target, markOpen) || webLink(target) == "" && (u.Scheme != "mailto" || u.Opaque == "") {
		return escape("<" + target + ">")
	}
	return fmt.Sprintf(`<a href="%s" rel="noopener noreferrer">%s</a>`, html.EscapeString(u.String()), escape(label))
}

// unescape undoes Slack's three entities, each once.
func unescape(text string) string {
	return strings.NewReplacer("&amp;", "&", "&lt;", "<", "&gt;", ">").Replace(text)
}

// escape makes HTML of text that has Slack's entities.
func escape(text string) string { return html.EscapeString(unescape(text)) }

func firstOf(list ...string) string {
	for _, s := range list {
		if s != "" {
			return s
		}
	}
	return ""
}

func replaceAll(text string, re *regexp.Regexp, by func(match []string) string) string {
	return re.ReplaceAllStringFunc(text, func(m string) string { return by(re.FindStringSubmatch(m)) })
}

// Pings lists the mentions in a message that would notify people, such as
// "<!channel>" or "<@U…>", wherever in text, blocks or attachments.
func (m Message) Pings() []string {
	pings := pingsIn(m.Text)
	for _, raw := range []json.RawMessage{m.Blocks, m.Attachments} {
		var tree any
		if json.Unmarshal(raw, &tree) == nil {
			pings = append(pings, pingsOf(tree)...)
		}
	}
	return pings
}

func pingsIn(text string) []string {
	return regexp.MustCompile(`<(?:@[UW]|!subteam\^|!here|!channel|!everyone|!group)[^<>]*>`).FindAllString(text, -1)
}

// pingsOf walks JSON. Only plain_text objects, and the text elements of rich
// text, cannot ping.
func pingsOf(tree any) []string {
	switch t := tree.(type) {
	case string:
		return pingsIn(t)
	case []any:
		var all []string
		for _, x := range t {
			all = append(all, pingsOf(x)...)
		}
		return all
	case map[string]any:
		switch t["type"] {
		case "plain_text", "text":
			return nil
		case "user", "usergroup", "broadcast": // of rich text
			return []string{fmt.Sprintf("<%v>", t["type"])}
		}
		var all []string
		keys := sortedKeys(t)
		for _, k := range slices.DeleteFunc(keys, func(k string) bool { return k == "type" }) {
			all = append(all, pingsOf(t[k])...)
		}
		return all
	}
	return nil
}
