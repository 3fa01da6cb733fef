package notifyhook

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

const formType = "application/x-www-form-urlencoded"

func TestRefusedRequests(t *testing.T) {
	r, _, _ := newTestRelay(t, sqliteStore(t), "")
	with := func(member string) string { return strings.TrimSuffix(minimalJSON, "}") + "," + member + "}" }
	tests := []struct {
		name, body, contentType string
		status                  int
		code, field             string
	}{
		{"empty", "", "application/json", 400, "empty_body", ""},
		{"only space", " \n", formType, 400, "empty_body", ""},
		{"no JSON", "to=x", "application/json", 400, "unparsable", ""},
		{"JSON list", "[]", "application/json", 400, "unparsable", ""},
		{"JSON null", "null", "application/json", 400, "unparsable", ""},
		{"two objects", "{}{}", "application/json", 400, "unparsable", ""},
		{"bad escape", "to=%zz", formType, 400, "unparsable", ""},
		{"multipart", "x", "multipart/form-data; boundary=x", 415, "content_type", ""},
		{"odd content type", "x", ";;;", 415, "content_type", ""},
		{"too large", strings.Repeat("x", maxBody+1), "application/json", 413, "body_too_large", ""},
		{"no recipient", `{"text":"x"}`, "application/json", 422, "validation", "to"},
		{"empty list", `{"to":[],"text":"x"}`, "application/json", 422, "validation", "to"},
		{"to is a number", `{"to":[7],"text":"x"}`, "application/json", 422, "validation", "to"},
		{"a name", `{"to":["C01","Marie"],"text":"x"}`, "application/json", 422, "validation", "to[1]"},
		{"a usergroup", `{"to":["S0123"],"text":"x"}`, "application/json", 422, "validation", "to[0]"},
		{"address with a space", `{"to":["a b@c.fr"],"text":"x"}`, "application/json", 422, "validation", "to[0]"},
		{"51 recipients", `{"text":"x","to":"` + manyChannels(51) + `"}`, "application/json", 422, "validation", "to"},
		{"no text", `{"to":["C01"]}`, "application/json", 422, "validation", "text"},
		{"blank text", `{"to":["C01"],"text":" \u0000 "}`, "application/json", 422, "validation", "text"},
		{"text is an object", `{"to":["C01"],"text":{}}`, "application/json", 422, "validation", "text"},
		{"12001 characters", `{"to":["C01"],"text":"` + strings.Repeat("é", maxText+1) + `"}`, "application/json", 422, "validation", "text"},
		{"key with a space", with(`"key":"a b"`), "application/json", 422, "validation", "key"},
		{"type in capitals", with(`"type":"Invoice"`), "application/json", 422, "validation", "type"},
		{"format", with(`"format":"html"`), "application/json", 422, "validation", "format"},
		{"lang", with(`"lang":"de"`), "application/json", 422, "validation", "lang"},
		{"link http", with(`"link":"http://` + host + `/x"`), "application/json", 422, "validation", "link"},
		{"link elsewhere", with(`"link":"https://evil.example/"`), "application/json", 422, "validation", "link"},
		{"link to look-alike", with(`"link":"https://` + host + `.evil.example/"`), "application/json", 422, "validation", "link"},
		{"link with user", with(`"link":"https://` + host + `@evil.example/"`), "application/json", 422, "validation", "link"},
		{"link script", with(`"link":"javascript:alert(1)"`), "application/json", 422, "validation", "link"},
		{"meta list", with(`"meta":[1]`), "application/json", 422, "validation", "meta"},
		{"meta long", with(`"meta":{"x":"` + strings.Repeat("x", maxMeta) + `"}`), "application/json", 422, "validation", "meta"},
		{"send_at", with(`"send_at":"tomorrow"`), "application/json", 422, "validation", "send_at"},
		{"send_at in 31 days", with(`"send_at":"2026-12-24T10:00:00Z"`), "application/json", 422, "validation", "send_at"},
		{"expires_in 59", with(`"expires_in":59`), "application/json", 422, "validation", "expires_in"},
		{"expires_in 8 days", with(`"expires_in":691200`), "application/json", 422, "validation", "expires_in"},
		{"51 blocks", with(`"blocks":[` + strings.TrimSuffix(strings.Repeat(`{"type":"divider"},`, 51), ",") + `]`), "application/json", 422, "validation", "blocks"},
		{"block without type", with(`"blocks":[{}]`), "application/json", 422, "validation", "blocks[0]"},
		{"blocks object", with(`"blocks":{}`), "application/json", 422, "validation", "blocks"},
		{"actor is a channel", with(`"actor":"#x"`), "application/json", 422, "validation", "actor"},
		{"notify_actor", with(`"notify_actor":"maybe"`), "application/json", 422, "validation", "notify_actor"},
		{"template", with(`"template":"invoice"`), "application/json", 422, "validation", "template"},
		{"data list", with(`"data":[1]`), "application/json", 422, "validation", "data"},
		{"data text", "to=C01&text=x&data=no", formType, 422, "validation", "data"},
		{"data long", with(`"data":{"x":"` + strings.Repeat("x", maxData) + `"}`), "application/json", 422, "validation", "data"},
		{"mention of a name", with(`"mentions":["here","Marie"]`), "application/json", 422, "validation", "mentions[1]"},
		{"mention of a channel", with(`"mentions":"C0GENERAL"`), "application/json", 422, "validation", "mentions[0]"},
		{"mentions object", with(`"mentions":{"a":1}`), "application/json", 422, "validation", "mentions"},
		{"21 mentions", with(`"mentions":"` + strings.ReplaceAll(manyChannels(21), "C", "U") + `"`), "application/json", 422, "validation", "mentions"},
		{"link of 2000 ampersands", with(`"link":"https://` + host + `/?` + strings.Repeat("&", 1900) + `"`), "application/json", 422, "validation", "link"},
		{"entity long", with(`"entity":"` + strings.Repeat("x", maxEntity+1) + `"`), "application/json", 422, "validation", "entity"},
		{"mode", with(`"mode":"edit","entity":"invoice:1"`), "application/json", 422, "validation", "mode"},
		{"mode without entity", with(`"mode":"thread"`), "application/json", 422, "validation", "entity"},
		{"broadcast", with(`"broadcast":"maybe"`), "application/json", 422, "validation", "broadcast"},
		{"fallback", with(`"fallback":["#ventes","nobody"]`), "application/json", 422, "validation", "fallback[1]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := post(r, tt.body, "Content-Type", tt.contentType, "X-Request-Id", "req-1")
			a := decode(t, w)
			if w.Code != tt.status || a.Code != tt.code || a.RequestID != "req-1" || a.Retryable || w.Header().Get("Content-Type") != "application/problem+json" {
				t.Fatalf("got %d %s, want %d %q", w.Code, w.Body, tt.status, tt.code)
			}
			if tt.field != "" && !slices.ContainsFunc(a.Errors, func(e fieldError) bool { return e.Field == tt.field }) {
				t.Errorf("errors %+v, want one for %s", a.Errors, tt.field)
			}
		})
	}
	if s, err := r.Stats(t.Context()); err != nil || s != (Stats{}) {
		t.Errorf("refused requests left %+v, %v", s, err)
	}
}

func manyChannels(n int) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf("C%03d", i))
	}
	return strings.Join(list, ",")
}

func TestAcceptedRequests(t *testing.T) {
	r, _, _ := newTestRelay(t, sqliteStore(t), "")
	full := `{"key":"k-1","type":"invoice.approved","to":["marie@agrafmania.fr","U02ABCDEF","#ventes","C0123ABCD"],"actor":"marie@AGRAFMANIA.fr",
		"text":"Facture 1042\r\nvalidée","format":"mrkdwn","lang":"fr","link":"https://agrafmania.cocoom.com:8443/invoice/1042?a=1&b=2",
		"blocks":[{"type":"divider"}],"send_at":"2026-11-24T08:00:00+01:00","expires_in":"3600","meta":{"cocoom_user":"77"},"mode":"new"}`
	a := decode(t, post(r, full))
	if a.Key != "k-1" || a.Status != "scheduled" || a.Duplicate || len(a.Warnings) != 0 {
		t.Errorf("answer %+v", a)
	}
	var got []string
	for _, d := range a.Recipients {
		got = append(got, d.To+" "+d.State)
	}
	if want := []string{"marie@agrafmania.fr suppressed", "U02ABCDEF queued", "#ventes queued", "C0123ABCD queued"}; !slices.Equal(got, want) {
		t.Errorf("recipients %q, want %q", got, want)
	}
	v := show(t, r, a.ID)
	if want := time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC); !v.ExpiresAt.Equal(want) || string(v.Meta) != `{"cocoom_user":"77"}` {
		t.Errorf("expires %s, want %s; meta %s", v.ExpiresAt, want, v.Meta)
	}
	for name, tt := range map[string]struct{ body, warning string }{
		"unknown field": {`{"to":"C01","text":"x","colour":"red"}`, `unknown field "colour" was ignored`},
		"twice":         {`{"to":"C01,C01","text":"x"}`, "to[0] names a recipient again"},
		"no key":        {minimalJSON, "no key was given: sent again, this would be another notification"},
		"latin1 JSON":   {"{\"to\":\"C01\",\"text\":\"valid\xe9e\"}", notUTF8},
	} {
		t.Run(name, func(t *testing.T) {
			w := post(r, tt.body)
			if a := decode(t, w); w.Code != 202 || !slices.Contains(a.Warnings, tt.warning) {
				t.Errorf("got %d %s, want warning %q", w.Code, w.Body, tt.warning)
			}
		})
	}
	w := post(r, `{"to":"C01","text":"x","colour":"red"}`, "Prefer", "respond-async, handling=strict")
	if a := decode(t, w); w.Code != 422 || a.Errors[0].Code != "unknown_field" {
		t.Errorf("strict: %d %s", w.Code, w.Body)
	}
	if w := post(r, `{"to":"C01","text":"x"}`, "Accept", "text/plain"); w.Code != 202 {
		t.Errorf("text/plain: %d %s", w.Code, w.Body)
	}
	if w := post(r, `{"to":"C01"}`, "Accept", "text/plain"); w.Body.String() != "validation: see errors for each field; text required\n" {
		t.Errorf("text/plain problem: %q", w.Body)
	}
}

// The same notification, as JSON and in every form a PHP application may send
// it: one fingerprint, so that a retry in another form is no other request.
func TestFormsAndJSONAreOne(t *testing.T) {
	r, _, _ := newTestRelay(t, sqliteStore(t), "")
	rt := r.routes()[host]
	parse := func(contentType, body string) (request, []string) {
		t.Helper()
		req, _ := http.NewRequest("POST", "/", nil)
		req.Header.Set("Content-Type", contentType)
		q, warnings, p := rt.parse(req, []byte(body), newFakeClock().now())
		if p != nil {
			t.Fatalf("%s: %s %+v", body, p.Code, p.Errors)
		}
		return q, warnings
	}
	want, _ := parse("application/json", `{"key":"k","to":["C01","#ventes"],"text":"Facture validée","notify_actor":true,"expires_in":3600,"meta":{"a":"1"},"blocks":[{"type":"divider"}]}`)
	rest := "&notify_actor=1&expires_in=3600&key=k&meta[a]=1&blocks=" + url.QueryEscape(`[ {"type" : "divider"} ]`)
	for name, tt := range map[string]struct {
		contentType, body string
		warns             bool
	}{
		"data in a form":  {formType, "to=C01,%23ventes&text=Facture+valid%C3%A9e&data=[]&mentions[]=" + rest, false},
		"comma":           {formType, "to=C01,%23ventes&text=Facture+valid%C3%A9e" + rest, false},
		"repeated":        {formType, "to=C01&to=%23ventes&text=Facture+valid%C3%A9e" + rest, false},
		"to[]":            {formType, "to%5B%5D=C01&to[]=%23ventes&text=Facture+valid%C3%A9e" + rest, false},
		"http_build":      {formType, "to%5B0%5D=C01&to%5B1%5D=%23ventes&text=Facture+valid%C3%A9e" + rest, false},
		"latin1":          {formType, "to=C01,%23ventes&text=Facture+valid%E9e" + rest, true},
		"raw latin1":      {formType, "to=C01,%23ventes&text=Facture+valid\xe9e" + rest, true},
		"declared":        {formType + "; charset=ISO-8859-1", "to=C01,%23ventes&text=Facture+valid%E9e" + rest, false},
		"no content type": {"", "to=C01,%23ventes&text=Facture+valid%C3%A9e" + rest, false},
		"JSON untyped":    {"", `{"key":"k","to":"C01,#ventes","text":"Facture validée","notify_actor":"1","expires_in":"3600","meta":{"a":"1"},"blocks":[{"type":"divider"}]}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			got, warnings := parse(tt.contentType, tt.body)
			_, a, _ := want.fingerprint()
			_, b, _ := got.fingerprint()
			if a != b {
				t.Errorf("\n got %+v\nwant %+v", got, want)
			}
			if slices.Contains(warnings, notUTF8) != tt.warns {
				t.Errorf("warnings %q", warnings)
			}
		})
	}
}

// The five lines of the documentation, by PHP itself, with a text in latin1 as
// old applications have it.
func TestPHPSnippet(t *testing.T) {
	php, err := exec.LookPath("php")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("CI=true requires PHP")
		}
		t.Skip("needs PHP")
	}
	r, _, _ := newTestRelay(t, sqliteStore(t), "")
	srv := serve(t, r)
	script := `$f = http_build_query(array('to'=>array('marie@agrafmania.fr','C01'), 'text'=>"Facture valid\xe9e", 'type'=>'invoice.approved', 'key'=>'invoice-1042-approved'));
$c = stream_context_create(array('http'=>array('method'=>'POST','timeout'=>3,'ignore_errors'=>true,
     'header'=>"Content-Type: application/x-www-form-urlencoded\r\nAuthorization: Bearer ` + testToken + `",'content'=>$f)));
$r = @file_get_contents('` + srv + `/v1/notifications', false, $c);
echo $http_response_header[0], "\n", $r;`
	out, err := exec.CommandContext(t.Context(), php, "-r", script).CombinedOutput()
	if err != nil || !strings.Contains(string(out), " 202 ") || !strings.Contains(string(out), notUTF8) {
		t.Errorf("%v: %s", err, out)
	}
}

func TestPathsAndMethods(t *testing.T) {
	r, _, _ := newTestRelay(t, sqliteStore(t), "")
	for _, tt := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"GET", "/v1/notifications", 401, ""},
		{"HEAD", "/v1/notifications", 401, ""},
		{"PUT", "/v1/notifications", 405, "POST, GET, HEAD"},
		{"DELETE", "/v1/notifications/ntf_x", 401, ""},
		{"POST", "/v1/notifications/ntf_x", 405, "GET, HEAD, DELETE"},
		{"GET", "/v1/notifications/batch", 405, "POST"},
		{"GET", "/v1/notifications/ntf_x/replay", 405, "POST"},
		{"POST", "/v1/notifications//replay", 404, ""},
		{"POST", "/v1/notifications/ntf_x/replay/", 404, ""},
		{"GET", "/v1/notifications/", 404, ""},
		{"GET", "/v1/ping", 405, "POST"},
		{"POST", "/v1/{id}", 404, ""},
		{"GET", "/", 404, ""},
	} {
		if w := call(r, tt.method, tt.path, ""); w.Code != tt.status || w.Header().Get("Allow") != tt.allow || tt.method != "HEAD" && decode(t, w).Code == "" {
			t.Errorf("%s %s: %d %v %s", tt.method, tt.path, w.Code, w.Header(), w.Body)
		}
	}
	w := httptest.NewRecorder()
	r.Handler("unknown.example").ServeHTTP(w, httptest.NewRequest("POST", "/v1/ping", nil))
	if w.Code != 404 || decode(t, w).Code != "unknown_route" {
		t.Errorf("a host without notifications answers %d %s", w.Code, w.Body)
	}
}

// What has credentials of another kind gets its requests whole, with any method,
// but not from networks that may not call.
func TestActionWithItsOwnCredentials(t *testing.T) {
	r, _, _ := newTestRelay(t, sqliteStore(t), "")
	e := endpoint{relay: r, route: r.routes()[host], actions: actions()}
	e.actions = append(e.actions, action{"", "/elsewhere/{rest...}", itsOwn, 0, func(_ endpoint, v visit) *problem {
		body, _ := io.ReadAll(v.r.Body)
		fmt.Fprintf(v.w, "%s %s %s", v.r.Method, v.args["rest"], body)
		return nil
	}})
	ask := func(method, path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		e.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader("ok")))
		return w
	}
	for path, want := range map[string]string{"/elsewhere/a/b": "PUT a/b ok", "/elsewhere/": "PUT  ok"} {
		if w := ask("PUT", path); w.Body.String() != want {
			t.Errorf("%s: %d %s, want %s", path, w.Code, w.Body, want)
		}
	}
	if w := ask("POST", "/elsewhere"); w.Code != 404 {
		t.Errorf("another path: %d", w.Code)
	}
	e.route.AllowFrom = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	if w := ask("PUT", "/elsewhere/a"); w.Code != 403 {
		t.Errorf("from a network that may not call: %d", w.Code)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(formType, "to[]=C01&text=%E9")
	f.Add("application/json", minimalJSON)
	f.Add("", `{"to":"a@b","text":"\u0000x","send_at":"2026-11-24T08:00:00+01:00","meta":{"a":1e400},"blocks":[{"type":"x"}],"link":"https://x/"}`)
	rt := &route{host: host, scheme: "https"}
	now := newFakeClock().now()
	f.Fuzz(func(t *testing.T, contentType, body string) {
		req, _ := http.NewRequest("POST", "/", nil)
		req.Header = http.Header{"Content-Type": {contentType}}
		q, _, p := rt.parse(req, []byte(body), now)
		if p != nil {
			if p.Status < 400 || p.Status > 499 || p.Code == "" {
				t.Fatalf("problem %+v", p)
			}
			return
		}
		canonical, hash, err := q.fingerprint()
		if err != nil || strings.ContainsRune(string(canonical), 0) {
			t.Fatalf("%q: %v", canonical, err)
		}
		if len(q.To) == 0 || len(q.To) > maxRecipients || q.Text == "" || q.ends(now).Sub(now) > maxSendAhead+maxExpiresIn {
			t.Fatalf("accepted %+v", q)
		}
		// What is kept, posted again, is the same request.
		again, _, p := rt.parse(jsonRequest(), reposted(t, q), now)
		if p != nil {
			t.Fatalf("%s refused again: %+v", canonical, p)
		}
		if _, second, _ := again.fingerprint(); second != hash {
			t.Fatalf("fingerprint moved:\n%+v\n%+v", q, again)
		}
	})
}
