package notifyhook

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// decoder takes the known fields out of a request, one by one; what is left
// over at the end is unknown.
type decoder struct {
	fields   fields
	errors   []fieldError
	warnings []string
}

// mistake notes what makes the request one that is refused; warn, what does not.
// Neither notes more than anybody reads: a list has room for thousands of each.
func (d *decoder) mistake(field, code, detail string) {
	if len(d.errors) >= maxMistakes {
		return
	}
	d.errors = append(d.errors, fieldError{Field: field, Code: code, Detail: detail})
}

func (d *decoder) warn(format string, args ...any) {
	if len(d.warnings) < maxMistakes {
		d.warnings = append(d.warnings, fmt.Sprintf(format, args...))
	}
}

// take removes and returns a field; null is the same as absent.
func (d *decoder) take(name string) json.RawMessage {
	raw := bytes.TrimSpace(d.fields[name])
	delete(d.fields, name)
	if string(raw) == "null" {
		return nil
	}
	return raw
}

// text is a string field. Numbers pass as they are written: languages without
// strict types send an id either way.
func (d *decoder) text(name string) string {
	raw := d.take(name)
	if len(raw) == 0 {
		return ""
	}
	var s string
	if err := json.Unmarshal(raw, &s); err == nil {
		return s
	}
	var n json.Number
	if err := json.Unmarshal(raw, &n); err == nil {
		return n.String()
	}
	d.mistake(name, "not_a_string", "")
	return ""
}

func (d *decoder) matching(name string, form *regexp.Regexp, limit int) string {
	s := d.text(name)
	if s != "" && (len(s) > limit || !form.MatchString(s)) {
		d.mistake(name, "malformed", fmt.Sprintf("must match %s and have at most %d characters", form, limit))
		return ""
	}
	return s
}

func (d *decoder) oneOf(name string, values ...string) string {
	s := d.text(name)
	if s != "" && !slices.Contains(values, s) {
		d.mistake(name, "unknown_value", "must be one of "+strings.Join(values, ", "))
	}
	return s
}

func (d *decoder) boolean(name string) bool {
	switch raw := d.take(name); string(raw) {
	case `true`, `1`, `"1"`, `"true"`, `"on"`:
		return true
	case ``, `false`, `0`, `"0"`, `"false"`, `""`:
		return false
	}
	d.mistake(name, "not_a_boolean", "")
	return false
}

// tristate is a boolean that may be left open.
func (d *decoder) tristate(name string) *bool {
	if raw := bytes.TrimSpace(d.fields[name]); len(raw) == 0 || string(raw) == `null` || string(raw) == `""` {
		d.take(name)
		return nil
	}
	return new(d.boolean(name))
}

// recipients reads a list, or one string, each with commas allowed, and gives
// the recipients in their one spelling. One named twice is there once.
func (d *decoder) recipients(field string) []string {
	raw := d.take(field)
	var list []string
	if err := json.Unmarshal(raw, &list); err != nil {
		var one string
		if len(raw) > 0 && json.Unmarshal(raw, &one) != nil {
			d.mistake(field, "not_a_list", "must be a list of strings")
			return nil
		}
		list = []string{one}
	}
	var to []string
	seen := map[string]bool{}
	for i, entry := range list {
		for one := range strings.SplitSeq(entry, ",") {
			one = strings.TrimSpace(one)
			if one == "" {
				continue
			}
			kind, same := classify(one)
			if kind == unknownRecipient {
				d.mistake(fmt.Sprintf("%s[%d]", field, i), "unknown_recipient_form", "must be an e-mail address, a #channel, or a Slack id that begins with C, G, D, U or W")
				continue
			}
			if seen[same] {
				d.warn("%s[%d] names a recipient again", field, i)
				continue
			}
			seen[same] = true
			to = append(to, same)
		}
	}
	if len(to) > maxRecipients {
		d.mistake(field, "too_many", fmt.Sprintf("at most %d recipients", maxRecipients))
	}
	return to
}

// to is the field without which there is no notification.
func (d *decoder) to() []string {
	wrong := len(d.errors)
	to := d.recipients("to")
	if len(to) == 0 && len(d.errors) == wrong {
		d.mistake("to", "required", "")
	}
	return to
}

func (d *decoder) actor() string {
	s := strings.TrimSpace(d.text("actor"))
	if s == "" {
		return ""
	}
	kind, same := classify(s)
	if kind != emailRecipient && kind != userID {
		d.mistake("actor", "unknown_recipient_form", "must be an e-mail address or a Slack user id")
	}
	return same
}

// mode is how a message belongs to its entity; empty: not at all.
func (d *decoder) mode(entity string) string {
	mode := d.oneOf("mode", "new", "thread", "update", "upsert")
	switch {
	case mode == "new":
		return ""
	case mode == "upsert":
		mode = "update" // which posts what is not there yet
	case mode == "" && entity != "":
		mode = "thread"
	}
	if mode != "" && entity == "" {
		d.mistake("entity", "required", "mode "+mode+" needs the entity that the message belongs to")
	}
	return mode
}

// entity names a thing of the application's.
func (d *decoder) entity() string {
	s := strings.TrimSpace(clean(d.text("entity")))
	if len(s) > maxEntity {
		d.mistake("entity", "too_long", fmt.Sprintf("at most %d bytes", maxEntity))
	}
	return s
}

// body is the text; optional where a template makes one.
func (d *decoder) body(optional bool) string {
	s := clean(d.text("text"))
	switch {
	case strings.TrimSpace(s) == "" && optional:
		return ""
	case strings.TrimSpace(s) == "":
		d.mistake("text", "required", "with blocks it is what notifications and screen readers show; only a template, named by template or by type, makes one itself")
	case utf8.RuneCountInString(s) > maxText:
		d.mistake("text", "too_long", fmt.Sprintf("at most %d characters", maxText))
	}
	return s
}

// clean makes line ends one and drops control characters, which no reader sees
// and PostgreSQL partly refuses.
func clean(s string) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\r\n", "\n")
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7f {
			return -1
		}
		return r
	}, s)
}

// blocks holds them against Slack's limits in the form in which they would be
// sent: with mentions made text, which makes them longer, and with what link and
// mentions take.
func (d *decoder) blocks(q request) json.RawMessage {
	raw := d.take("blocks")
	if len(raw) == 0 || string(raw) == "[]" {
		return nil
	}
	tree := decodeTree(raw)
	roomBlocks, roomText := maxBlocks, maxBlocksText
	if q.Link != "" {
		roomBlocks--
		roomText -= size(markupLink(q.Link, ""))
	}
	if n := len(q.Mentions); n > 0 {
		most := n * (maxAddress + len(" "))
		roomBlocks -= 1 + most/maxSection
		roomText -= most
	}
	sent := quote(q.pinger(audience{}).tree(tree, map[string]bool{}))
	if wrong := checkBlocks(sent, roomBlocks, roomText); len(wrong) > 0 {
		d.errors = append(d.errors, wrong...)
		return nil
	}
	return canonicalJSON(raw)
}

func (d *decoder) meta() json.RawMessage {
	raw := d.take("meta")
	if len(raw) == 0 || string(raw) == "[]" { // PHP's empty array
		return nil
	}
	canonical := canonicalJSON(raw)
	if !bytes.HasPrefix(canonical, []byte("{")) {
		d.mistake("meta", "not_an_object", "")
	} else if len(canonical) > maxMeta {
		d.mistake("meta", "too_long", fmt.Sprintf("at most %d bytes", maxMeta))
	}
	return canonical
}

// canonicalJSON orders the members and drops the spaces, keeping numbers as
// they are written.
func canonicalJSON(raw json.RawMessage) json.RawMessage {
	v := decodeTree(raw)
	if v == nil {
		return nil
	}
	return quote(v)
}

// link admits addresses of the route itself, and of hosts its operator named:
// a notification cannot be made to lead elsewhere.
func (d *decoder) link(rt *route) string {
	s := strings.TrimSpace(d.text("link"))
	if s == "" {
		return ""
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || len(s) > maxLink || len(markupLink(s, "")) > maxLinkSent {
		d.mistake("link", "malformed", fmt.Sprintf("must be an absolute address of at most %d bytes", maxLink))
		return ""
	}
	host := strings.ToLower(u.Hostname())
	own := host == rt.host
	if !own && !slices.Contains(rt.LinkHosts, host) {
		d.mistake("link", "foreign_host", "must be on the route's host or one of its link_hosts")
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !own || rt.scheme != "http") {
		d.mistake("link", "not_https", "")
	}
	return u.String()
}

func (d *decoder) sendAt(now time.Time) int64 {
	s := d.text("send_at")
	if s == "" {
		return 0
	}
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		d.mistake("send_at", "malformed", "must be like 2026-11-24T08:00:00+01:00")
		return 0
	}
	if at.Sub(now) > maxSendAhead {
		d.mistake("send_at", "too_far", "at most 30 days ahead")
	}
	return at.UnixMilli()
}

func (d *decoder) expiresIn() int64 {
	s := d.text("expires_in")
	if s == "" {
		return 0
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < int64(minExpiresIn/time.Second) || n > int64(maxExpiresIn/time.Second) {
		d.mistake("expires_in", "out_of_range", "must be 60 to 604800 seconds")
		return 0
	}
	return n
}

// rest deals with what nobody asked for: a warning, since old callers send
// more than they should, or a mistake if the caller prefers strictness.
func (d *decoder) rest(strict bool) {
	names := make([]string, 0, len(d.fields))
	for name := range d.fields {
		names = append(names, name)
	}
	slices.Sort(names)
	const shown = 20 // the rest says nothing new
	for _, name := range names[:min(len(names), shown)] {
		name = clip(clean(name), maxShownName)
		if strict {
			d.mistake(name, "unknown_field", "")
		} else {
			d.warn("unknown field %q was ignored", name)
		}
	}
}
