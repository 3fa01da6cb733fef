package notifyhook

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"

	"github.com/slack-go/slack/slackutilsx"
)

const (
	maxTemplate = 16 << 10
	maxPasses   = 10_000 // of all loops of a template together
)

var (
	errTooLong    = fmt.Errorf("gives more than %d characters", maxText)
	templatePlace = regexp.MustCompile(`^template: [a-z]+:`)
	templateNoise = regexp.MustCompile(`executing "[a-z]+" at |error calling \w+: `)
)

// Template is a message in French, in English, or in both, in the syntax of
// text/template. The fields of a request's data stand in it as {{.field}}. There
// are if, with and range, the functions eq, ne, lt, le, gt, ge, and, or, not,
// len and index as there, and of its own:
//
//	date .day         2026-11-24 or an RFC 3339 time, as a date in the language
//	number .total 2   in the language's notation, rounded to 2 digits if given
//
// A field that the data lacks is a mistake of the caller's, but for
// {{with index . "field"}}.
type Template struct {
	// FR is the French text. It or the English one may be missing.
	FR string `yaml:"fr"`
	// EN is the English text.
	EN string `yaml:"en"`
	// Format is "plain" (default), where no sign has a meaning, or "mrkdwn",
	// where the template's own are Slack's markup but those of the data are not.
	Format string `yaml:"format"`
}

// templates are those of a route, by name.
type templates map[string]*messageTemplate

// messageTemplate is a Template ready to be filled.
type messageTemplate struct {
	mrkdwn      bool
	pings       []string // mentions in the template itself, as in pinger
	inLanguages []*textTemplate
}

// textTemplate is a Template in one language.
type textTemplate struct {
	lang   string
	parsed *template.Template
	uses   []string // fields of the data
}

// compile reports mistakes by their key relative to the template.
func (t Template) compile(report func(key, text string)) *messageTemplate {
	m := &messageTemplate{mrkdwn: t.Format == "mrkdwn"}
	if t.Format != "" && t.Format != "plain" && t.Format != "mrkdwn" {
		report("format", "is unknown: write plain, or mrkdwn for Slack's markup")
	}
	if t.FR == "" && t.EN == "" {
		report("", "has no text: write one under fr, en, or both")
	}
	for _, one := range []struct{ lang, text string }{{french, t.FR}, {english, t.EN}} {
		if one.text == "" {
			continue
		}
		parsed, err := parseText(one.lang, one.text, m)
		if err != nil {
			report(one.lang, "is no template: "+err.Error())
			continue
		}
		m.inLanguages = append(m.inLanguages, parsed)
	}
	return m
}

// newTemplates makes the templates of a route whose settings are valid.
func newTemplates(settings map[string]Template) (templates, error) {
	set := templates{}
	var wrong []error
	for name, t := range settings {
		set[name] = t.compile(func(key, text string) { wrong = append(wrong, fmt.Errorf("template %s: %s %s", name, key, text)) })
	}
	return set, errors.Join(wrong...)
}

// validateTemplates reports every mistake in the templates.
func validateTemplates(settings map[string]Template, report func(key, text string)) {
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		at := "templates." + name
		if len(name) > maxType || !typeForm.MatchString(name) {
			report(at, "must be named as a type is: lower case letters, digits and _, with dots between, such as invoice.approved")
		}
		settings[name].compile(func(key, text string) {
			if key != "" {
				key = "." + key
			}
			report(at+key, text)
		})
	}
}

// parseText parses the text in one language, and prepares it: every value is
// shown by show, every pass of a loop is counted.
func parseText(lang, text string, m *messageTemplate) (*textTemplate, error) {
	if len(text) > maxTemplate {
		return nil, fmt.Errorf("it has more than %d bytes", maxTemplate)
	}
	parsed, err := template.New(lang).Option("missingkey=error").Funcs(functions(lang, m.mrkdwn)).Parse(text)
	if err != nil {
		return nil, errors.New(templateError(err))
	}
	if len(parsed.Templates()) > 1 {
		return nil, errors.New("define and block are not available")
	}
	h := hardener{tree: parsed.Tree, message: m}
	h.list(parsed.Root, true)
	if h.err != nil {
		return nil, h.err
	}
	slices.Sort(h.uses)
	return &textTemplate{lang: lang, parsed: parsed, uses: slices.Compact(h.uses)}, nil
}

// templateError drops what the library says of its own, such as
// "template: fr:1:7: executing "fr" at ".
func templateError(err error) string {
	text := err.Error()
	if inner, ok := errors.AsType[template.ExecError](err); ok {
		text = inner.Err.Error()
	}
	return templateNoise.ReplaceAllString(templatePlace.ReplaceAllString(text, "line "), "")
}

// functions are all that a template has besides the harmless ones of the
// library. print and its like are not: in a loop their result could grow without
// end.
func functions(lang string, mrkdwn bool) template.FuncMap {
	return template.FuncMap{
		"date":   func(v any) (string, error) { return formatDate(lang, v) },
		"number": func(v any, digits ...int) (string, error) { return formatNumber(lang, v, digits...) },
		"pass":   func() (string, error) { return "", nil }, // see fill
		"show": func(v any) (string, error) {
			text, err := written(v)
			if mrkdwn {
				text = slackutilsx.EscapeMessage(text)
			}
			return text, err
		},
	}
}

// written gives a value as it was sent.
func written(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case json.Number:
		return v.String(), nil
	case bool:
		return strconv.FormatBool(v), nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case int: // of len
		return strconv.Itoa(v), nil
	case nil:
		return "", errors.New("has no value")
	}
	return "", errors.New("is a list or an object, not a text")
}

// numbers makes whole numbers of a JSON tree comparable. Others stay as they
// were written.
func numbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
	case []any:
		for i := range v {
			v[i] = numbers(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = numbers(v[k])
		}
	}
	return v
}

// fill executes the template. Its time is bounded by maxPasses, its result by
// maxText, roughly.
func (t *textTemplate) fill(data map[string]any) (string, error) {
	if data == nil {
		data = map[string]any{}
	}
	passes := 0
	one, err := t.parsed.Clone()
	if err != nil {
		return "", fmt.Errorf("clone template: %w", err)
	}
	one.Funcs(template.FuncMap{"pass": func() (string, error) {
		if passes++; passes > maxPasses {
			return "", fmt.Errorf("loops more than %d times", maxPasses)
		}
		return "", nil
	}})
	var out boundedText
	if err := one.Execute(&out, data); errors.Is(err, errTooLong) {
		return "", errTooLong
	} else if err != nil {
		return "", errors.New(templateError(err))
	}
	return out.String(), nil
}

// boundedText takes no more than a text may have.
type boundedText struct{ strings.Builder }

// Write fails once there is more than any text of maxText characters has.
func (b *boundedText) Write(p []byte) (int, error) {
	const bytesPerCharacter = 4
	if b.Len()+len(p) > maxText*bytesPerCharacter {
		return 0, errTooLong
	}
	return b.Builder.Write(p)
}
