package notifyhook

import (
	"bytes"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

const notUTF8 = "body was not UTF-8; read as windows-1252"

// fields are a request's members, as JSON values whatever they came as, so
// that a form and a JSON body of the same content are the same request.
type fields map[string]json.RawMessage

// readFields decodes a body by its content type; a caller that sends none is
// helped by a look at the first byte.
func readFields(contentType string, body []byte) (fields, []string, *problem) {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, nil, badBody("empty_body", "the body is empty; in PHP, json_encode returns false for text that is not UTF-8")
	}
	media, _, err := mime.ParseMediaType(contentType)
	if contentType != "" && err != nil {
		media = ""
	} else if contentType == "" {
		media = "application/x-www-form-urlencoded"
		if bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) {
			media = "application/json"
		}
	}
	latin := isLatin(contentType)
	switch {
	case media == "application/json" || strings.HasSuffix(media, "+json"):
		return readJSON(body, latin)
	case media == "application/x-www-form-urlencoded":
		return readForm(body, latin)
	}
	return nil, nil, &problem{Status: http.StatusUnsupportedMediaType, Code: "content_type",
		Detail: "send application/json or application/x-www-form-urlencoded"}
}

// isLatin says whether the content type declares one of the names under which
// windows-1252 goes.
func isLatin(contentType string) bool {
	_, params, _ := mime.ParseMediaType(contentType)
	return slices.Contains([]string{"iso-8859-1", "latin1", "windows-1252", "cp1252"}, strings.ToLower(params["charset"]))
}

func badBody(code, detail string) *problem {
	return &problem{Status: http.StatusBadRequest, Code: code, Detail: detail}
}

func readJSON(body []byte, latin bool) (fields, []string, *problem) {
	var warnings []string
	body = bytes.TrimPrefix(body, []byte("\ufeff"))
	if latin || !utf8.Valid(body) {
		if !latin {
			warnings = append(warnings, notUTF8)
		}
		body = []byte(fromWindows1252(string(body)))
	}
	var f fields
	dec := json.NewDecoder(bytes.NewReader(body))
	if err := dec.Decode(&f); err != nil || f == nil {
		return nil, nil, badBody("unparsable", "the body is not a JSON object")
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, nil, badBody("unparsable", "something follows the JSON object")
	}
	return f, warnings, nil
}

// readForm reads what PHP's http_build_query and browsers send. The order of
// repeated fields is kept, which url.ParseQuery does not do across to[0], to[1].
func readForm(body []byte, latin bool) (fields, []string, *problem) {
	type pair struct{ name, sub, value string }
	var pairs []pair
	valid := true
	for part := range strings.SplitSeq(strings.TrimSpace(string(body)), "&") {
		if part == "" {
			continue
		}
		k, v, _ := strings.Cut(part, "=")
		name, err := url.QueryUnescape(k)
		value, err2 := url.QueryUnescape(v)
		if err != nil || err2 != nil {
			return nil, nil, badBody("unparsable", "the form has a bad percent escape")
		}
		valid = valid && utf8.ValidString(name) && utf8.ValidString(value)
		pairs = append(pairs, pair{name: name, value: value})
	}
	var warnings []string
	if !valid && !latin {
		warnings = append(warnings, notUTF8)
	}
	lists, maps, f := map[string][]string{}, map[string]map[string]string{}, fields{}
	whole := map[string]any{} // by name: the list or map that f gets once it has all its parts
	for _, p := range pairs {
		if !valid || latin {
			p.name, p.value = fromWindows1252(p.name), fromWindows1252(p.value)
		}
		if i := strings.IndexByte(p.name, '['); i > 0 && strings.HasSuffix(p.name, "]") {
			p.name, p.sub = p.name[:i], p.name[i+1:len(p.name)-1]
		}
		switch {
		case p.name == "to" || p.name == "fallback" || p.name == "mentions":
			lists[p.name] = append(lists[p.name], p.value)
			whole[p.name] = lists[p.name]
		case p.sub != "":
			if maps[p.name] == nil {
				maps[p.name] = map[string]string{}
			}
			maps[p.name][p.sub] = p.value
			whole[p.name] = maps[p.name]
		case (p.name == "blocks" || p.name == "meta" || p.name == "data") && json.Valid([]byte(p.value)):
			f[p.name] = json.RawMessage(p.value)
			delete(whole, p.name)
		default: // the last one counts, as in PHP
			f[p.name] = quote(p.value)
			delete(whole, p.name)
		}
	}
	for name, parts := range whole {
		f[name] = quote(parts)
	}
	return f, warnings, nil
}

// fromWindows1252 reads what old applications call latin1. It never fails: the
// five bytes without a meaning become U+FFFD.
func fromWindows1252(s string) string {
	out, err := charmap.Windows1252.NewDecoder().String(s)
	if err != nil {
		return strings.ToValidUTF8(s, "\uFFFD")
	}
	return out
}

// quote is v as JSON; strings, lists and maps of strings always have one.
func quote(v any) json.RawMessage {
	raw, err := json.Marshal(v)
	if err != nil {
		return json.RawMessage("null")
	}
	return raw
}
