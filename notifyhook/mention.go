package notifyhook

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/slackutilsx"
)

const maxMentions = 20

var groupID = regexp.MustCompile(`^S[A-Z0-9]{1,63}$`)

// isWord says whether a mention is one of Slack's words for many people.
func isWord(mention string) bool {
	return mention == "here" || mention == "channel" || mention == "everyone"
}

// mentions reads whom the message is to ping, each in its one spelling: e-mail
// addresses, ids of users and usergroups, and Slack's words for many people.
func (d *decoder) mentions() []string {
	var list []string
	for i, one := range d.list("mentions") {
		if word := strings.ToLower(strings.TrimPrefix(one, "@")); isWord(word) {
			one = word
		} else if kind, same := classify(one); kind == emailRecipient || kind == userID {
			one = same
		} else if !groupID.MatchString(one) {
			d.mistake(fmt.Sprintf("mentions[%d]", i), "unknown_mention_form",
				"must be an e-mail address, a Slack id that begins with U, W or S, or one of here, channel, everyone")
			continue
		}
		if !slices.Contains(list, one) {
			list = append(list, one)
		}
	}
	if len(list) > maxMentions {
		d.mistake("mentions", "too_many", fmt.Sprintf("at most %d mentions", maxMentions))
	}
	return list
}

// list reads a list of strings, or one string, each with commas allowed.
func (d *decoder) list(field string) []string {
	raw := d.take(field)
	var list []string
	if len(raw) > 0 && json.Unmarshal(raw, &list) != nil {
		var one string
		if json.Unmarshal(raw, &one) != nil {
			d.mistake(field, "not_a_list", "must be a list of strings")
			return nil
		}
		list = []string{one}
	}
	var out []string
	for one := range strings.SplitSeq(strings.Join(list, ","), ",") {
		if one = strings.TrimSpace(one); one != "" {
			out = append(out, one)
		}
	}
	return out
}

// pinger decides which mentions in a message are live. Whatever it does not
// know pings nobody: it is shown as text.
type pinger struct {
	all   bool            // for requests that speak Slack: every mention is meant
	known map[string]bool // what stands in <…> without its label: @U…, !subteam^S…, !here
}

// target is what a mention looks like between < and >; empty: its e-mail
// address is nobody's.
func (a audience) target(mention string) string {
	switch {
	case isWord(mention):
		return "!" + mention
	case groupID.MatchString(mention):
		return "!subteam^" + mention
	case strings.Contains(mention, "@"):
		if mention = a.users[mention]; mention == "" {
			return ""
		}
	}
	return "@" + mention
}

// pinger knows the request's explicit mentions, and those that stand in the
// operator's template.
func (q request) pinger(a audience) pinger {
	p := pinger{known: map[string]bool{}}
	for _, one := range q.Mentions {
		if target := a.target(one); target != "" {
			p.known[target] = true
		}
	}
	if q.Text == "" && q.Wording != nil {
		for _, target := range q.Wording.Pings {
			p.known[target] = true
		}
	}
	return p
}

// mentionLine shows the mentions but for those that shown says are there
// already. Somebody whom Slack does not know stands there by their address.
func (q request) mentionLine(a audience, shown map[string]bool) string {
	var line []string
	for _, one := range q.Mentions {
		switch target := a.target(one); {
		case target == "":
			line = append(line, slackutilsx.EscapeMessage(one))
		case !shown[target]:
			line = append(line, "<"+target+">")
		}
	}
	return strings.Join(line, " ")
}

// eachSequence calls replace for every <…> in a text in Slack's markup, and for
// every < that is not closed, and gives the text with what it returned.
func eachSequence(text string, replace func(inner string, closed bool) string) string {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(text, "<")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		n := strings.IndexAny(rest, "<>")
		closed := n >= 0 && rest[n] == '>'
		if n < 0 {
			n = len(rest)
		}
		out.WriteString(replace(rest[:n], closed))
		if text = rest[n:]; closed {
			text = rest[n+1:]
		}
	}
}

// mentioned gives the target if inner, what follows a <, is a mention, that is
// anything that Slack might do more with than link or show it.
func mentioned(inner string) (target string, is bool) {
	target, _, _ = strings.Cut(inner, "|")
	seen := strings.TrimLeftFunc(target, func(r rune) bool { return !unicode.IsGraphic(r) || unicode.IsSpace(r) })
	is = (strings.HasPrefix(seen, "@") || strings.HasPrefix(seen, "!")) && !strings.HasPrefix(target, "!date^")
	return target, is
}

// text leaves the known mentions of a text in Slack's markup live, notes them in
// shown, and makes text of all others.
func (p pinger) text(text string, shown map[string]bool) string {
	if p.all {
		return text
	}
	return eachSequence(text, func(inner string, closed bool) string {
		target, is := mentioned(inner)
		if is && closed && p.known[target] {
			shown[target], is = true, false
		}
		switch {
		case !is && closed:
			return "<" + inner + ">"
		case !is:
			return "<" + inner
		case closed:
			return "&lt;" + inner + "&gt;"
		}
		return "&lt;" + inner
	})
}

// blocks are the caller's own, as they came but for the mentions in them.
func (p pinger) blocks(raw json.RawMessage, shown map[string]bool) []slack.Block {
	list, _ := decodeTree(raw).([]any)
	var blocks []slack.Block
	for _, one := range list {
		if !p.all {
			one = p.tree(one, shown)
		}
		blocks = append(blocks, block{raw: quote(one)})
	}
	return blocks
}

// tree does to every text in blocks, whatever their kind, what text does.
func (p pinger) tree(v any, shown map[string]bool) any {
	switch v := v.(type) {
	case string:
		return p.text(clean(v), shown)
	case []any:
		for i := range v {
			v[i] = p.tree(v[i], shown)
		}
	case map[string]any:
		if target := richMention(v); target != "" {
			if !p.known[target] {
				name := target[strings.LastIndexAny(target, "@!^")+1:]
				return map[string]any{"type": "text", "text": "@" + name}
			}
			shown[target] = true
		}
		for k := range v {
			v[k] = p.tree(v[k], shown)
		}
		if v["type"] == "mrkdwn" {
			v["verbatim"] = true // else Slack looks for names of people and channels in it
		}
	}
	return v
}

// richMention gives the target of an element of rich text that pings; empty: it
// is none. A kind that lacks its id has a target that nobody can name.
func richMention(element map[string]any) string {
	name := func(key string) string { s, _ := element[key].(string); return s }
	switch element["type"] {
	case "user":
		return "@" + name("user_id")
	case "usergroup":
		return "!subteam^" + name("usergroup_id")
	case "broadcast":
		return "!" + name("range")
	case "team":
		return "!team"
	}
	return ""
}
