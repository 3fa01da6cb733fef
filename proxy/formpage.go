package proxy

import (
	"bytes"
	"net/url"
	"strings"

	"golang.org/x/net/html"
	htmlcharset "golang.org/x/net/html/charset"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/unicode"
)

// page is what a login must know of an HTML page.
type page struct {
	text    string // in UTF-8
	charset string // as the page is written; a name of the Encoding standard
	base    string // the address in <base>, as it stands there
	forms   []pageForm
}

// pageForm is a form with its controls in the order of the page.
type pageForm struct {
	id, action, method, enctype, charsets string
	controls                              []control
}

// control is a field or a button of a form.
type control struct {
	name, value string
	kind        string // the type of an input, or "select", "textarea", "submit"
	checked     bool
	action      string // where a button sends the form to instead
}

// What is read of a page. A login form is far from it.
const (
	maxForms    = 64
	maxControls = 1024
	maxOption   = 64 << 10 // bytes of text; it comes in pieces
)

// readPage reads a page whose charset is found as browsers do: byte order mark,
// contentType, <meta>, else windows-1252.
//
// It reads tokens and builds no tree: old pages open their forms between the
// rows of a table, and browsers take what follows to be in the form whatever
// the tree comes out as (https://html.spec.whatwg.org/#form-element-pointer).
func readPage(content []byte, contentType string) *page {
	enc, name, _ := htmlcharset.DetermineEncoding(content, contentType)
	text, err := enc.NewDecoder().Bytes(content)
	if err != nil {
		text = bytes.ToValidUTF8(content, []byte("\uFFFD"))
	}
	r := &pageReader{page: &page{text: string(text), charset: name}, form: -1}
	z := html.NewTokenizer(bytes.NewReader(text))
	for {
		switch z.Next() {
		case html.ErrorToken:
			r.finish()
			return r.page
		case html.TextToken:
			r.text(z)
		case html.StartTagToken, html.SelfClosingTagToken:
			r.start(z.Token())
		case html.EndTagToken:
			name, _ := z.TagName()
			r.end(string(name))
		}
	}
}

// pageReader fills a page from its tokens.
type pageReader struct {
	*page
	form     int // open now; -1: none
	controls int
	list     *control // the select or textarea that is open
	options  []option
	byID     []belated
}

type option struct {
	value           string
	given, selected bool // value stands in an attribute
	disabled        bool
}

// belated is a control that names its form.
type belated struct {
	control
	form string
}

// attributes gives those of a tag; the first of a name counts.
func attributes(t html.Token) map[string]string {
	out := make(map[string]string, len(t.Attr))
	for _, a := range t.Attr {
		if _, twice := out[a.Key]; !twice {
			out[a.Key] = a.Val
		}
	}
	return out
}

func (r *pageReader) start(t html.Token) {
	a := attributes(t)
	_, disabled := a["disabled"]
	switch t.Data {
	case "base":
		if r.base == "" {
			r.base = a["href"]
		}
	case "form":
		if r.form < 0 && len(r.forms) < maxForms {
			r.form = len(r.forms)
			r.forms = append(r.forms, pageForm{id: a["id"], action: a["action"], method: strings.ToLower(a["method"]),
				enctype: strings.ToLower(a["enctype"]), charsets: a["accept-charset"]})
		}
	case "input":
		r.end("select") // as browsers do with a list that was left open
		c := control{name: a["name"], value: a["value"], kind: strings.ToLower(a["type"]), action: a["formaction"]}
		if c.kind == "" {
			c.kind = "text"
		}
		if _, c.checked = a["checked"]; c.value == "" && (c.kind == "checkbox" || c.kind == "radio") {
			c.value = "on"
		}
		r.add(c, a, disabled)
	case "button":
		// One in a list only opens it.
		if kind := strings.ToLower(a["type"]); r.list == nil && kind != "button" && kind != "reset" {
			r.add(control{name: a["name"], value: a["value"], kind: "submit", action: a["formaction"]}, a, disabled)
		}
	case "select", "textarea":
		r.end("select")
		r.list, r.options = r.add(control{name: a["name"], kind: t.Data}, a, disabled), nil
	case "option":
		if r.list != nil && len(r.options) < maxControls {
			o := option{disabled: disabled}
			o.value, o.given = a["value"]
			_, o.selected = a["selected"]
			r.options = append(r.options, o)
		}
	}
}

// add puts a control into its form and gives where it stands until the next is
// added; nil if it belongs to none.
func (r *pageReader) add(c control, a map[string]string, disabled bool) *control {
	if r.controls++; disabled || r.controls > maxControls {
		return nil
	}
	if id, ok := a["form"]; ok {
		r.byID = append(r.byID, belated{c, id})
		return &r.byID[len(r.byID)-1].control
	}
	if r.form < 0 {
		return nil
	}
	f := &r.forms[r.form]
	f.controls = append(f.controls, c)
	return &f.controls[len(f.controls)-1]
}

func (r *pageReader) text(z *html.Tokenizer) {
	if r.list == nil {
		return
	}
	text := z.Token().Data
	if n := len(r.options); r.list.kind == "textarea" {
		r.list.value += strings.TrimPrefix(text, "\n")
	} else if n > 0 && !r.options[n-1].given && len(r.options[n-1].value) < maxOption {
		r.options[n-1].value += text
	}
}

func (r *pageReader) end(tag string) {
	switch {
	case tag == "form":
		r.form = -1
	case (tag == "select" || tag == "textarea") && r.list != nil:
		if r.list.kind == "select" {
			r.choose()
		}
		r.list = nil
	}
}

// choose gives a list the option that is selected, or the first; one without
// any option is not sent.
func (r *pageReader) choose() {
	chosen := -1
	for i, o := range r.options {
		if o.selected || chosen < 0 && !o.disabled {
			chosen = i
		}
	}
	if chosen < 0 {
		r.list.name = ""
		return
	}
	o := r.options[chosen]
	if r.list.value = o.value; !o.given {
		r.list.value = strings.Join(strings.Fields(o.value), " ")
	}
}

func (r *pageReader) finish() {
	r.end("select")
	for _, b := range r.byID {
		for i := range r.forms {
			if f := &r.forms[i]; f.id != "" && f.id == b.form {
				f.controls = append(f.controls, b.control)
				break
			}
		}
	}
}

// loginForm is a form that a person can sign in with, and where its two fields
// stand among the controls.
type loginForm struct {
	*pageForm
	user, password int
}

// findLogin finds the form with the fields of these names, which may be empty,
// as Form says. Of several it takes the first with only one password: a form to
// register or to change the password asks for two.
func (p *page) findLogin(userField, passwordField string) (loginForm, bool) {
	var found loginForm
	ok := false
	for i := range p.forms {
		f, passwords := p.forms[i].fields(userField, passwordField)
		if passwords == 0 || f.user < 0 || ok && passwords > 1 {
			continue
		}
		found, ok = f, true
		if passwords == 1 {
			break
		}
	}
	return found, ok
}

// fields finds the two fields of a form, and how many there are that could be
// the password's.
func (f *pageForm) fields(userField, passwordField string) (l loginForm, passwords int) {
	l = loginForm{f, -1, -1}
	for i, c := range f.controls {
		isPassword := c.kind == "password" && passwordField == "" || passwordField != "" && c.name == passwordField
		switch {
		case c.name == "":
		case isPassword:
			if passwords++; passwords == 1 {
				l.password = i
			}
		case userField != "" && c.name == userField, userField == "" && c.isText() && (l.user < 0 || passwords == 0):
			l.user = i
		}
	}
	return l, passwords
}

// isText reports whether one can type a name into c. Unknown types are text.
func (c *control) isText() bool {
	switch c.kind {
	case "hidden", "password", "checkbox", "radio", "file", "submit", "image", "button", "reset", "color", "range",
		"date", "month", "week", "time", "datetime-local", "select", "textarea":
		return false
	}
	return true
}

// pair is one name and its value, as they are sent.
type pair struct{ name, value string }

// submission gives what a browser sends when a person has filled in the form
// and pressed Enter, which presses its first button too: old apps look for that.
func (l loginForm) submission(user, password string) []pair {
	var out []pair
	pressed := false
	for i, c := range l.controls {
		switch {
		case i == l.user:
			out = append(out, pair{c.name, user})
		case i == l.password:
			out = append(out, pair{c.name, password})
		case c.kind == "submit" || c.kind == "image":
			if first := !pressed; first && c.name != "" && c.kind == "submit" {
				out = append(out, pair{c.name, c.value})
			} else if first && c.kind == "image" {
				prefix := strings.TrimPrefix(c.name+".", ".")
				out = append(out, pair{prefix + "x", "0"}, pair{prefix + "y", "0"})
			}
			pressed = true
		case c.name == "", c.kind == "button", c.kind == "reset", (c.kind == "checkbox" || c.kind == "radio") && !c.checked:
		default:
			out = append(out, pair{c.name, c.value})
		}
	}
	return out
}

// target is where the form is sent to, as it stands in the page.
func (l loginForm) target() string {
	for _, c := range l.controls {
		if c.kind == "submit" || c.kind == "image" {
			if c.action != "" {
				return c.action
			}
			break
		}
	}
	return l.action
}

// encodingOf is how the values of a form are written: as the form asks, else as
// its page is; UTF-16 cannot be posted.
func (p *page) encodingOf(f *pageForm) (enc encoding.Encoding, name string) {
	for _, label := range append(strings.FieldsFunc(f.charsets, func(r rune) bool { return r <= ' ' || r == ',' }), p.charset) {
		enc, err := htmlindex.Get(label)
		if err != nil {
			continue
		}
		if name, err := htmlindex.Name(enc); err == nil && name != "replacement" && !strings.HasPrefix(name, "utf-16") {
			return enc, name
		}
	}
	return unicode.UTF8, "utf-8"
}

// urlEncoded writes pairs for application/x-www-form-urlencoded.
func urlEncoded(pairs []pair) string {
	var out strings.Builder
	for i, p := range pairs {
		if i > 0 {
			out.WriteByte('&')
		}
		out.WriteString(url.QueryEscape(p.name) + "=" + url.QueryEscape(p.value))
	}
	return out.String()
}
