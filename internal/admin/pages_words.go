package admin

import (
	"fmt"
	"html/template"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/cocoom/cocoom-gateway/notifyhook"
)

// pageFuncs are what templates call.
func pageFuncs() template.FuncMap {
	return template.FuncMap{
		"when": when, "count": count, "tally": tally, "link": link, "join": strings.Join,
		"short": func(id string) string { return id[:min(len(id), 12)] },
		"clear": func(word string) string { return strings.ReplaceAll(word, "_", " ") },
		"kind":  kindOfState, "reasons": reasons, "sentence": sentence,
	}
}

// when is a time as people read it, in UTC as the page's head says, and how long
// ago that is. It takes a time.Time or a *time.Time; none is a dash.
func when(moment any) template.HTML {
	var t time.Time
	switch m := moment.(type) {
	case time.Time:
		t = m
	case *time.Time:
		if m != nil {
			t = *m
		}
	}
	if t.IsZero() {
		return `<span class="none">–</span>`
	}
	t = t.UTC()
	// #nosec G203 -- digits and words of ours
	return template.HTML(fmt.Sprintf(`<time datetime="%s">%s</time> <span class="ago">%s</span>`, // digits and words of ours
		t.Format(time.RFC3339), t.Format("2006-01-02 15:04:05"), distance(time.Since(t))))
}

// sentence is an error's text as people write: errors begin small, and end without
// a full stop, for they stand in others.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	first, size := utf8.DecodeRuneInString(text)
	text = string(unicode.ToUpper(first)) + text[size:]
	if !strings.ContainsAny(text[len(text)-1:], ".?!:") {
		text += "."
	}
	return text
}

// distance is how far away a moment is, to two figures.
func distance(d time.Duration) string {
	format := "%s ago"
	if d < 0 {
		d, format = -d, "in %s"
	}
	var span string
	switch {
	case d < 2*time.Second:
		return "now"
	case d < 2*time.Minute:
		span = fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 2*time.Hour:
		span = fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		span = fmt.Sprintf("%d h", int(d.Hours()))
	default:
		span = fmt.Sprintf("%d days", int(d.Hours()/24))
	}
	return fmt.Sprintf(format, span)
}

// count is a number with its thousands apart.
func count(n int) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// tally is a count that may go on.
func tally(n int) string {
	if n >= notifyhook.MaxTally {
		return count(n) + " or more"
	}
	return count(n)
}

// link is an address with a query of names and values in turn; an empty value is
// left out.
func link(path string, pairs ...string) string {
	query := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			query.Set(pairs[i], pairs[i+1])
		}
	}
	if len(query) == 0 {
		return path
	}
	return path + "?" + query.Encode()
}

// kindOfState says how the state of a notification or delivery is to be seen:
// good, bad, open, or as nothing special.
func kindOfState(state string) string {
	switch state {
	case "sent":
		return "good"
	case "failed", "dead", "partial":
		return "bad"
	case "queued", "sending", "scheduled":
		return "open"
	}
	return "plain"
}

// reasons are what keeps a notification's messages from their recipients, each
// once.
func reasons(n notifyhook.Notification) []string {
	var list []string
	for _, d := range n.Recipients {
		if why := d.Reason(); why != "" && !slices.Contains(list, why) {
			list = append(list, why)
		}
	}
	return list
}
