package notifyhook

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

func testTemplates(t testing.TB) templates {
	t.Helper()
	set, err := newTemplates(map[string]Template{
		"invoice.approved": {FR: "Facture {{.no}} validée", EN: "Invoice {{.no}} approved"},
		"markup":           {FR: "*{{.title}}* <!here>{{range .list}}\n• {{.}}{{end}}", Format: "mrkdwn"},
		"formats":          {FR: "{{number .n}} {{number .x 2}} {{date .day}}", EN: "{{number .n}} {{number .x 2}} {{date .day}}"},
		"optional":         {EN: `{{with index . "note"}}{{.}}{{else}}none{{end}}{{if gt (len .list) 1}} many{{end}}`},
		"nested":           {EN: `{{range $i, $row := .rows}}{{if $i}}, {{end}}{{$row.name}} of {{$.all}}{{end}}`},
		"loop":             {EN: `{{range .n}}{{range $.n}}{{end}}{{end}}x`},
		"silent.loop":      {EN: `{{range .n}}{{if false}}x{{end}}{{end}}x`},
		"big":              {EN: `{{range .n}}{{$.text}}{{end}}`},
		"blank":            {EN: `{{if .x}} {{end}}`},
	})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestTemplates(t *testing.T) {
	rt := &route{host: host, scheme: "https", templates: testTemplates(t)}
	for _, tt := range []struct {
		name, body string
		fr, en     string // of the text that is sent
		detail     string // of the refusal
	}{
		{name: "by type", body: `"type":"invoice.approved","data":{"no":1042}`, fr: "Facture 1042 validée", en: "Invoice 1042 approved"},
		{name: "by name", body: `"type":"other","template":"invoice.approved","data":{"no":"A<b>"}`, fr: "Facture A&lt;b&gt; validée", en: "Invoice A&lt;b&gt; approved"},
		{name: "data as text", body: `"type":"invoice.approved","data":"{\"no\":1.50}"`, detail: "must be a JSON object"},
		{name: "numbers as written", body: `"type":"invoice.approved","data":{"no":12345678901234567890.10}`, fr: "Facture 12345678901234567890.10 validée", en: "Invoice 12345678901234567890.10 approved"},
		{name: "a text wins", body: `"type":"invoice.approved","text":"autre"`, fr: "autre", en: "autre"},
		{name: "a name that is not there", body: `"template":"invoice"`, detail: "the route has big, blank, formats, invoice.approved, loop, markup, nested, optional, silent.loop"},
		{name: "a type without a template", body: `"type":"other","data":{"no":1}`, detail: "only a template"},
		{name: "a field that is not there", body: `"type":"invoice.approved","data":{"nb":1}`, detail: `template invoice.approved (fr): line 1:10: <.no>: map has no entry for key "no"; it uses no, data has nb`},
		{name: "no data", body: `"type":"invoice.approved"`, detail: "data has nothing"},
		{name: "null", body: `"type":"invoice.approved","data":{"no":null}`, detail: "has no value"},
		{name: "an object", body: `"type":"invoice.approved","data":{"no":{"a":1}}`, detail: "is a list or an object"},
		{name: "markup of the operator's", body: `"template":"markup","data":{"title":"<!channel> & *x*","list":["<@U1>",true]}`,
			fr: "*&lt;!channel&gt; &amp; *x** <!here>\n• &lt;@U1&gt;\n• true", en: "*&lt;!channel&gt; &amp; *x** <!here>\n• &lt;@U1&gt;\n• true"},
		{name: "formats", body: `"template":"formats","data":{"n":1234567,"x":"-1234.565","day":"2026-12-01"}`,
			fr: "1\u202f234\u202f567 -1\u202f234,57 1er décembre 2026", en: "1,234,567 -1,234.57 1 December 2026"},
		{name: "no number", body: `"template":"formats","data":{"n":"1 234","x":0,"day":"2026-12-01"}`, detail: "is no number"},
		{name: "no date", body: `"template":"formats","data":{"n":1,"x":0,"day":"1/12/2026"}`, detail: "is no date"},
		{name: "optional", body: `"template":"optional","data":{"list":[1]}`, fr: "none", en: "none"},
		{name: "not optional", body: `"template":"optional","data":{"list":[1,2],"note":"n"}`, fr: "n many", en: "n many"},
		{name: "nested", body: `"template":"nested","data":{"all":2,"rows":[{"name":"a"},{"name":"b"}]}`, fr: "a of 2, b of 2", en: "a of 2, b of 2"},
		{name: "nested and missing", body: `"template":"nested","data":{"all":2,"rows":[{}]}`, detail: `no entry for key "name"`},
		{name: "a loop in a loop", body: `"template":"loop","data":{"n":1000000000}`, detail: "loops more than 10000 times"},
		{name: "a loop that says nothing", body: `"template":"silent.loop","data":{"n":1000000000000}`, detail: "loops more than 10000 times"},
		{name: "a long result", body: `"template":"big","data":{"n":9999,"text":"` + strings.Repeat("x", 5000) + `"}`, detail: "more than 12000 characters"},
		{name: "a blank result", body: `"template":"blank","data":{"x":1}`, detail: "an empty text"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q, _, p := rt.parse(jsonRequest(), []byte(`{"to":"C01",`+tt.body+`}`), newFakeClock().now())
			if tt.detail != "" {
				if p == nil || p.Status != http.StatusUnprocessableEntity || !strings.Contains(p.Errors[0].Detail, tt.detail) {
					t.Errorf("got %+v", p)
				}
				return
			}
			if p != nil {
				t.Fatalf("refused: %+v", p)
			}
			if fr, en := compose(q, audience{lang: french}).text, compose(q, audience{lang: english}).text; fr != tt.fr || en != tt.en {
				t.Errorf("\n got %q, %q\nwant %q, %q", fr, en, tt.fr, tt.en)
			}
		})
	}
}

// A form says the same as JSON, in PHP's arrays or as JSON text; what it sends
// are texts.
func TestTemplateByForm(t *testing.T) {
	rt := &route{host: host, scheme: "https", templates: testTemplates(t)}
	for _, body := range []string{"data[no]=1042", "data%5Bno%5D=1042", "data=%7B%22no%22%3A%221042%22%7D"} {
		q, warnings, p := rt.parse(formRequest(), []byte("to=C01&mentions[]=here&mentions[]=S0OPS&type=invoice.approved&"+body), newFakeClock().now())
		if p != nil {
			t.Errorf("%s: %+v", body, p)
		} else if m := compose(q, audience{}); m.text != "<!here> <!subteam^S0OPS>\nFacture 1042 validée" || len(warnings) > 0 {
			t.Errorf("%s: %q, %q", body, m.text, warnings)
		}
	}
}

func formRequest() *http.Request {
	r := jsonRequest()
	r.Header.Set("Content-Type", formType)
	return r
}

// A retry is the same notification even if its template was changed meanwhile,
// and what was accepted is what is sent.
func TestTemplateChangesBetweenRetries(t *testing.T) {
	body := []byte(`{"to":"C01","type":"invoice.approved","data":{"no":1}}`)
	before, _, _ := (&route{host: host, templates: testTemplates(t)}).parse(jsonRequest(), body, newFakeClock().now())
	set, err := newTemplates(map[string]Template{"invoice.approved": {FR: "*Autre*", Format: "mrkdwn"}})
	if err != nil {
		t.Fatal(err)
	}
	after, _, _ := (&route{host: host, templates: set}).parse(jsonRequest(), body, newFakeClock().now())
	texts, _, _ := (&route{host: host}).parse(jsonRequest(), []byte(`{"to":"C01","type":"invoice.approved","text":"x"}`), newFakeClock().now())
	again, _, _ := (&route{host: host, templates: set}).parse(jsonRequest(), []byte(`{"to":"C01","type":"invoice.approved","text":"x"}`), newFakeClock().now())
	_, without, _ := texts.fingerprint()
	if _, with, _ := again.fingerprint(); with != without {
		t.Error("a template for its type changed the fingerprint of a text")
	}
	kept, a, _ := before.fingerprint()
	if _, b, _ := after.fingerprint(); a != b {
		t.Error("the fingerprint changed with the template")
	}
	var q request
	if err := json.Unmarshal(kept, &q); err != nil || compose(q, audience{}).text != "Facture 1 validée" {
		t.Errorf("%v: %q", err, compose(q, audience{}).text)
	}
}

func TestTemplateMistakes(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"syntax":              {"a\n{{.x", "line 2: unclosed action"},
		"unknown function":    {"{{upper .x}}", `line 1: function "upper" not defined`},
		"print":               {"{{$x := print .a .b}}", "the function print is not available"},
		"nested call":         {"{{if (html .x)}}{{end}}", "the function html is not available"},
		"in an else":          {"{{if .x}}{{else}}{{printf \"%9999d\" 1}}{{end}}", "the function printf is not available"},
		"piped":               {"{{.x | js}}", "the function js is not available"},
		"the gateway's own":   {"{{pass}}", "the function pass is not available"},
		"recursion":           {`{{template "fr"}}`, "template is not available"},
		"define":              {`{{define "x"}}{{template "x"}}{{end}}{{template "x"}}`, "define and block are not available"},
		"define over itself":  {`{{define "fr"}}{{template "fr"}}{{end}}`, "template is not available"},
		"too long":            {strings.Repeat("x", maxTemplate+1), "more than 16384 bytes"},
		"call of a data item": {"{{call .x}}", "the function call is not available"},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			Template{FR: tt.text}.compile(func(key, text string) { got = append(got, key+": "+text) })
			if len(got) != 1 || !strings.HasPrefix(got[0], "fr: is no template: ") || !strings.Contains(got[0], tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
