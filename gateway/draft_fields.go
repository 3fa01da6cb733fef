package gateway

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/url"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

const (
	maxShownFields = 40
	maxShownText   = 8000 // bytes of one value: enough to save a long text from the page by hand
	masked         = "••••••"
)

// field is what a form says under a name.
type field struct {
	name string
	text []byte
	file string // name of an uploaded file; then text is empty
	size int64  // of the file
}

// fields lists what a draft holds, for its person to recognise it by: what is
// left empty is left out, and secrets are masked.
func (d *draft) fields(lang string) []fact {
	var facts []fact
	more := 0
	d.eachField(func(f field) {
		name := readable(f.name)
		switch {
		case f.file == "" && len(bytes.TrimSpace(f.text)) == 0:
		case len(facts) == maxShownFields:
			more++
		case isSecret(name):
			facts = append(facts, fact{name, masked})
		case f.file != "":
			facts = append(facts, fact{name, readable(f.file) + " (" + sizeText(f.size, lang) + ")"})
		default:
			facts = append(facts, fact{name, readable(f.text)})
		}
	})
	if more > 0 {
		facts = append(facts, fact{"…", fmt.Sprintf(labels[lang]["more"], more)})
	}
	return facts
}

// eachField reads the form as far as it can be read.
func (d *draft) eachField(f func(field)) {
	media, params, _ := mime.ParseMediaType(d.kind)
	if media == "multipart/form-data" {
		eachPart(d.body, params["boundary"], f)
		return
	}
	for pair := range bytes.SplitSeq(d.body, []byte("&")) {
		name, value, _ := bytes.Cut(pair, []byte("="))
		f(field{name: unescape(name), text: []byte(unescape(value))})
	}
}

func eachPart(body []byte, boundary string, f func(field)) {
	if boundary == "" {
		return
	}
	parts := multipart.NewReader(bytes.NewReader(body), boundary)
	for {
		part, err := parts.NextRawPart()
		if err != nil {
			return
		}
		one := field{name: part.FormName(), file: part.FileName()}
		if one.file != "" {
			one.size, err = io.Copy(io.Discard, part)
		} else {
			one.text, err = io.ReadAll(part)
		}
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			return
		}
		f(one)
	}
}

// unescape decodes a name or value, or leaves it as it is if it cannot be.
func unescape(b []byte) string {
	if s, err := url.QueryUnescape(string(b)); err == nil {
		return s
	}
	return string(b)
}

// isSecret guesses by a field's name what must not stand on a page.
func isSecret(name string) bool {
	name = strings.ToLower(name)
	for _, word := range [...]string{"pass", "mdp", "pwd", "secret", "token", "csrf"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}

// readable is text for a page: bounded, without control characters. What is not
// UTF-8 is of a page in the other encoding that old apps have.
func readable[T string | []byte](raw T) string {
	n := min(len(raw), maxShownText)
	for n < len(raw) && n > maxShownText-utf8.UTFMax && !utf8.RuneStart(raw[n]) {
		n-- // a character cut in two would be taken for the other encoding
	}
	s := string(raw[:n])
	if !utf8.ValidString(s) {
		s, _ = charmap.Windows1252.NewDecoder().String(s) // every byte decodes
	}
	s = strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || r >= ' ' && r != 0x7f {
			return r
		}
		return -1
	}, s)
	if n < len(raw) {
		s += "…"
	}
	return s
}

// sizeText is a file's size in words of the language.
func sizeText(n int64, lang string) string {
	units := strings.Fields(labels[lang]["bytes"])
	switch {
	case n < 1000:
		return fmt.Sprintf("%d %s", n, units[0])
	case n < 1e6:
		return fmt.Sprintf("%d %s", (n+500)/1000, units[1])
	}
	return fmt.Sprintf("%d %s", (n+5e5)/1e6, units[2])
}
