package notifyhook

import (
	"bytes"
	"encoding/json"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

// arguments are those of a call as Slack takes it, as text. Objects and lists
// are JSON, as they are in a form.
type arguments map[string]string

// slackWord is an error name of Slack's.
type slackWord string

// isTrue reads a boolean as Slack does.
func (a arguments) isTrue(name string) bool {
	v := strings.ToLower(a[name])
	return v == "1" || v == "true"
}

// choice is a boolean that the caller may leave to Slack: nil.
func (a arguments) choice(name string) *bool {
	if a[name] == "" {
		return nil
	}
	return new(a.isTrue(name))
}

// list reads names with commas between them, or a JSON list of names.
func (a arguments) list(name string) []string {
	var list []string
	if json.Unmarshal([]byte(a[name]), &list) == nil {
		return list
	}
	return strings.FieldsFunc(a[name], func(r rune) bool { return r == ',' || r == ' ' })
}

// take adds what is in a form or a query; of a name that is there twice, the
// last one counts.
func (a arguments) take(values url.Values) {
	for name, list := range values {
		v := list[len(list)-1]
		if !utf8.ValidString(v) {
			v = fromWindows1252(v)
		}
		a[name] = v
	}
}

// takeJSON adds the members of a JSON object.
func (a arguments) takeJSON(body []byte) slackWord {
	f, _, p := readJSON(body, false)
	if p != nil && json.Valid(body) {
		return "json_not_object"
	}
	if p != nil {
		return "invalid_json"
	}
	for name, raw := range f {
		var text string
		if json.Unmarshal(raw, &text) == nil { // null, too, and then it is ""
			a[name] = text
		} else {
			a[name] = string(raw)
		}
	}
	return ""
}

// takeForm adds the fields of a form in either encoding.
func (a arguments) takeForm(body []byte, media, boundary string) slackWord {
	if media == "multipart/form-data" {
		form, err := multipart.NewReader(bytes.NewReader(body), boundary).ReadForm(maxBody)
		if err != nil {
			return "invalid_form_data"
		}
		a.take(form.Value)
		_ = form.RemoveAll() // nothing is on disk: the body fits in memory
		return ""
	}
	values, err := url.ParseQuery(string(bytes.TrimSpace(body)))
	if err != nil {
		return "invalid_form_data"
	}
	a.take(values)
	return ""
}

func isForm(media string) bool {
	return media == "application/x-www-form-urlencoded" || media == "multipart/form-data"
}

func looksLikeJSON(body []byte) bool { return bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) }

// readPayload reads what an incoming webhook takes: JSON, or a form whose field
// payload is JSON. JSON is known by its looks: what calls webhooks often says a
// form and sends JSON, as curl -d does, and Slack takes it.
func readPayload(contentType string, body []byte) (arguments, slackWord) {
	a, payload := arguments{}, body
	media, params, _ := mime.ParseMediaType(contentType)
	if isForm(media) && !looksLikeJSON(body) {
		if word := a.takeForm(body, media, params["boundary"]); word != "" {
			return nil, "invalid_payload"
		}
		a, payload = arguments{}, []byte(a["payload"])
	}
	if a.takeJSON(payload) != "" {
		return nil, "invalid_payload"
	}
	return a, ""
}

// readArguments reads a call of the Web API: query, form or JSON, and the token
// from a form. Slack takes none from a query or from JSON
// (https://docs.slack.dev/apis/web-api/).
func readArguments(r *http.Request, body []byte) (a arguments, token string, word slackWord) {
	a = arguments{}
	a.take(r.URL.Query())
	delete(a, "token")
	media, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case r.Method != http.MethodPost || len(body) == 0:
	case isForm(media):
		if word = a.takeForm(body, media, params["boundary"]); word == "" {
			token = a["token"]
		}
	case media == "application/json":
		word = a.takeJSON(body)
	case r.Header.Get("Content-Type") == "":
		word = "missing_post_type"
	default:
		word = "invalid_post_type"
	}
	delete(a, "token")
	return a, token, word
}
