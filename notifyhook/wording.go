package notifyhook

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

const maxData = 8 << 10

// wording is the text of a notification that a template made, in each language
// that the template has. It is made at the accept and kept, so that what the
// caller was told is what is sent, whatever becomes of the template meanwhile.
type wording struct {
	FR     string   `json:"fr,omitempty"`
	EN     string   `json:"en,omitempty"`
	Mrkdwn bool     `json:"mrkdwn,omitempty"` // the operator's markup, with every value in it escaped
	Pings  []string `json:"pings,omitempty"`  // the mentions that the operator wrote, as in pinger
}

// in gives the text in a language, or in the other if there is none.
func (w *wording) in(lang string) string {
	if w.EN != "" && (lang == english || w.FR == "") {
		return w.EN
	}
	return w.FR
}

// template names the template that the request asks for, which must be there.
func (d *decoder) template(set templates) string {
	name := d.text("template")
	if name != "" && set[name] == nil {
		d.mistake("template", "unknown_template", "the route has "+namesOrNone(slices.Collect(maps.Keys(set)), "no templates"))
	}
	return name
}

// choose names the template of a request: its own, or else that of its type if
// there is one.
func (set templates) choose(q request) string {
	if q.Template == "" && set[q.Type] != nil {
		return q.Type
	}
	return q.Template
}

// data is what fills the template.
func (d *decoder) data() json.RawMessage {
	raw := d.take("data")
	if s := string(raw); s == "" || s == "[]" || s == `""` { // PHP's empty array, a form's empty field
		return nil
	}
	canonical := canonicalJSON(raw)
	if !strings.HasPrefix(string(canonical), "{") {
		d.mistake("data", "not_an_object", "must be a JSON object; in a form, JSON text or fields such as data[no]")
		return nil
	} else if len(canonical) > maxData {
		d.mistake("data", "too_long", fmt.Sprintf("at most %d bytes", maxData))
		return nil
	}
	return canonical
}

// wording fills the template in all its languages. Without a text there is
// nothing else to send; with one, that is what the caller wants.
func (d *decoder) wording(set templates, q request) *wording {
	name := set.choose(q)
	t := set[name]
	if q.Text != "" && t != nil && len(q.Data) > 0 {
		d.warnings = append(d.warnings, fmt.Sprintf("text was given, so template %q was not used", name))
	}
	if q.Text != "" || t == nil {
		return nil
	}
	values, _ := numbers(decodeTree(q.Data)).(map[string]any)
	w := &wording{Mrkdwn: t.mrkdwn, Pings: t.pings}
	for _, one := range t.inLanguages {
		text, err := one.fill(values)
		if text = strings.TrimSpace(clean(text)); err == nil && text == "" {
			err = errors.New("gives an empty text")
		} else if err == nil && utf8.RuneCountInString(text) > maxText {
			err = errTooLong
		}
		if err != nil {
			d.mistake("data", "template_data", fmt.Sprintf("template %s (%s): %s; it uses %s, data has %s", name, one.lang, err,
				namesOrNone(one.uses, "nothing of data"), namesOrNone(slices.Collect(maps.Keys(values)), "nothing")))
			break // the other language lacks the same
		}
		if one.lang == english {
			w.EN = text
		} else {
			w.FR = text
		}
	}
	return w
}

// namesOrNone names what there is, or says that there is nothing.
func namesOrNone(names []string, none string) string {
	if len(names) == 0 {
		return none
	}
	slices.Sort(names)
	const most = 40
	if len(names) > most {
		names = append(names[:most:most], "…")
	}
	for i, name := range names {
		names[i] = clip(clean(name), maxShownName)
	}
	return strings.Join(names, ", ")
}
