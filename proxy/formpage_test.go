package proxy

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/secret"
)

func formOf(t testing.TB, cfg Form) *formLogin {
	t.Helper()
	cfg.URL, cfg.Password, cfg.Cookies = "/app/login.php?x=1", "p", []string{"PHPSESSID"}
	p, err := New(Config{Origin: "https://a.example.com", Host: "a.example.com", Upstream: Upstream{URL: "http://10.0.0.12:8000"}, Keys: NewKeys(), Login: UpstreamLogin{Form: &cfg}})
	if err != nil {
		t.Fatal(err)
	}
	return p.form
}

func TestLoginForm(t *testing.T) {
	const fields = `<input name=u><input type=password name=p>`
	for _, tt := range []struct {
		name, page string
		cfg        Form
		want       string // what is posted where; empty: nothing is found
	}{
		{"plain", `<form method=post action=do.php>` + fields + `</form>`, Form{}, "/app/do.php u=U&p=P"},
		{"no action", `<form method=post>` + fields, Form{}, "/app/login.php?x=1 u=U&p=P"},
		{"query alone", `<form method=post action="?go=1&amp;b=2">` + fields, Form{}, "/app/login.php?go=1&b=2 u=U&p=P"},
		{"absolute, of the app behind", `<form method=post action="http://10.0.0.12:8000/x">` + fields, Form{}, "/x u=U&p=P"},
		{"absolute, public without TLS", `<form method=post action="http://A.example.com/x#y">` + fields, Form{}, "/x u=U&p=P"},
		{"protocol-relative", `<form method=post action="//a.example.com/x">` + fields, Form{}, "/x u=U&p=P"},
		{"base", `<base target=_top><base href="/b/"><form method=post action=x>` + fields, Form{}, "/b/x u=U&p=P"},
		{"base, no action", `<base href="/b/"><form method=post>` + fields, Form{}, "/app/login.php?x=1 u=U&p=P"},
		{"raw blanks in the query", `<form method=post action="x?m=a b">` + fields, Form{}, "/app/x?m=a%20b u=U&p=P"},
		{"no POST", `<form>` + fields, Form{}, ""},
		{"no POST, but configured", `<form>` + fields, Form{Action: "/y"}, "/y u=U&p=P"},
		{"no form", fields, Form{}, ""},
		{"no password", `<form method=post><input name=u>`, Form{}, ""},
		{"no user", `<form method=post><input type=password name=p>`, Form{}, ""},
		{"user after the password", `<form method=post><input type=password name=p><input name=u><input name=v>`, Form{}, "/app/login.php?x=1 p=P&u=U&v="},
		{"the text field nearest to the password", `<form method=post><input name=a><input type=email name=u><input type=password name=p><input name=b>`, Form{}, "/app/login.php?x=1 a=&u=U&p=P&b="},
		{"a form to register comes first", `<form method=post><input name=n><input type=password name=p1><input type=password name=p2></form><form method=post>` + fields, Form{}, "/app/login.php?x=1 u=U&p=P"},
		{"a form to search comes first", `<form><input name=q></form><form method=post>` + fields, Form{}, "/app/login.php?x=1 u=U&p=P"},
		{"named fields", `<form method=post>` + fields + `</form><form method=post action=2><input name=u2><input name=p2>`, Form{UsernameField: "u2", PasswordField: "p2"}, "/app/2 u2=U&p2=P"},
		{"nested forms are one", `<form method=post><form action=evil>` + fields + `</form>`, Form{}, "/app/login.php?x=1 u=U&p=P"},
		{"fields elsewhere on the page", `<form method=post id=f></form><input form=f name=u><input form=f type=password name=p><input form=g name=no><input name=stray>`, Form{}, "/app/login.php?x=1 u=U&p=P"},
		{"hidden, checked, chosen", `<form method=post><input type=HIDDEN name=t value="&quot;1&quot;"><input type=checkbox name=c checked><input type=checkbox name=d><input type=radio name=r value=1><input type=radio name=r value=2 checked>` +
			`<select name=s><option>un <option selected> deux  mots<option value=3>trois</select><select name=s2><option disabled>–<option value=x>y</select><select name=s3></select><textarea name=ta>` + "\nab\nc</textarea>" + fields,
			Form{}, "/app/login.php?x=1 t=%221%22&c=on&r=2&s=deux+mots&s2=x&ta=ab%0D%0Ac&u=U&p=P"},
		{"a list left open", `<form method=post><select name=s><option value=1><option value=2 selected>` + fields, Form{}, "/app/login.php?x=1 s=2&u=U&p=P"},
		{"a button in a list", `<form method=post>` + fields + `<select name=s><button name=b>B</button><option value=1></select>`, Form{}, "/app/login.php?x=1 u=U&p=P&s=1"},
		{"disabled and nameless", `<form method=post><input type=hidden name=t value=1 disabled><input value=2><input type=file name=f><input type=button name=b><input type=reset name=e>` + fields, Form{}, "/app/login.php?x=1 f=&u=U&p=P"},
		{"the first button", `<form method=post action=no>` + fields + `<button type=button name=x>X</button><button name=go value=1 formaction=yes>OK</button><input type=submit name=forgot>`, Form{}, "/app/yes u=U&p=P&go=1"},
		{"an image", `<form method=post>` + fields + `<input type=image name=go><input type=submit name=no>`, Form{}, "/app/login.php?x=1 u=U&p=P&go.x=0&go.y=0"},
		{"a nameless image", `<form method=post>` + fields + `<input type=image>`, Form{}, "/app/login.php?x=1 u=U&p=P&x=0&y=0"},
		{"not in a script or a comment", `<script>"<form method=post action=evil>` + fields + `"</script><!-- <form method=post>` + fields + ` --><form method=post action=good>` + fields, Form{}, "/app/good u=U&p=P"},
		{"more fields", `<form method=post><input type=hidden name=a value=1>` + fields, Form{Fields: map[string]string{"z": "é", "a": "2"}}, "/app/login.php?x=1 u=U&p=P&a=2&z=%C3%A9"},
		{"what the charset lacks", `<meta charset=iso-8859-1><form method=post><input type=hidden name=_charset_>` + fields, Form{Fields: map[string]string{"z": "é日"}}, "/app/login.php?x=1 _charset_=windows-1252&u=U&p=P&z=%E9%26%2326085%3B"},
		{"elsewhere", `<form method=post action="https://evil.example/x">` + fields, Form{}, ""},
		{"elsewhere to browsers", `<form method=post action="/\evil.example/x">` + fields, Form{}, ""},
		{"a port of its own", `<form method=post action="https://a.example.com:444/x">` + fields, Form{}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := formOf(t, tt.cfg)
			at := &reply{at: f.url, page: readPage([]byte("<!DOCTYPE html>"+tt.page), "text/html")}
			if tt.cfg.Fields["z"] == "é" {
				at.page = readPage([]byte(tt.page), "text/html; charset=utf-8")
			}
			if got := postedTo(f, at); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// postedTo gives what would be posted where.
func postedTo(f *formLogin, at *reply) string {
	l, ok := at.findLogin(f.cfg.UsernameField, f.cfg.PasswordField)
	if !ok {
		return ""
	}
	action, err := f.actionOf(at, l)
	if err != nil {
		return ""
	}
	body, _, err := f.fill(at.page, l, account{"U", "P"})
	if err != nil {
		return ""
	}
	return action.RequestURI() + " " + string(body)
}

// FuzzLoginPage: no page makes us panic, or send a password to another host.
func FuzzLoginPage(f *testing.F) {
	f.Add(`<base href=//x><form method=post action="\\evil.example"><input name=u><input type=password name=p>`, "text/html")
	f.Add("<form id=f method=post><select name=a><option><textarea name=u></form><input form=f type=password name=p><input form=f>", "text/html; charset=utf-16")
	f.Add("<form method=post><button formaction=http:evil.example/x><input name=u><input type=password name=p>", "")
	login := formOf(f, Form{})
	f.Fuzz(func(t *testing.T, text, contentType string) {
		at := &reply{at: login.url, page: readPage([]byte(text), contentType)}
		login.shows(at)
		l, ok := at.findLogin("", "")
		if !ok {
			return
		}
		l.submission("U", "P")
		login.fill(at.page, l, account{"U", "P"})
		action, err := login.actionOf(at, l)
		if err != nil {
			return
		}
		if action.Scheme != "https" || action.Host != "a.example.com" || action.User != nil || !strings.HasPrefix(action.RequestURI(), "/") || strings.ContainsAny(action.RequestURI(), " \r\n") {
			t.Errorf("%q is sent to %s", text, action)
		}
	})
}

func TestFormCookies(t *testing.T) {
	page := &url.URL{Scheme: "https", Host: "a.example.com", Path: "/app/login.php"}
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct{ line, want, value string }{ // want: what the browser is told; empty: nothing
		{"A=1", "A=1; Path=/app; Secure; HttpOnly; SameSite=Lax", "1"},
		{"A=1; path=/; secure; HttpOnly; SameSite=None; Domain=.Example.com", "A=1; path=/; secure; HttpOnly; SameSite=None; Domain=.Example.com", "1"},
		{`A="a b,é"; Path=/x; Max-Age=60`, `A="a b,é"; Path=/x; Max-Age=60; Secure; HttpOnly; SameSite=Lax`, `"a b,é"`},
		{"A=1; Path=relative", "A=1; Path=relative; Path=/app; Secure; HttpOnly; SameSite=Lax", "1"},
		{"A=1; Domain=evil.example", "", ""},
		{"A=1; Domain=ample.com", "", ""},
		{"A=deleted; Max-Age=0", "", ""},
		{"A=deleted; expires=Thu, 01-Jan-1970 00:00:01 GMT", "", ""},
		{"A=1; expires=Fri, 01 Jan 2027 00:00:00 GMT", "A=1; expires=Fri, 01 Jan 2027 00:00:00 GMT; Path=/app; Secure; HttpOnly; SameSite=Lax", "1"},
		{"__Host-gw=forged", "", ""},
		{"gw-x=forged", "", ""},
		{"A", "", ""},
		{"=A", "", ""},
		{"A=\x01", "", ""},
	} {
		got := withCookies(nil, []string{tt.line}, page, now)
		switch {
		case tt.want == "" && len(got) == 0:
		case tt.want == "" || len(got) != 1 || got[0].setCookie(true, true) != tt.want || got[0].value != tt.value:
			t.Errorf("%s: got %+v, want %q", tt.line, got, tt.want)
		}
	}
	if got := withCookies(nil, []string{"A=1; path=/"}, page, now)[0]; got.setCookie(false, false) != "A=1; path=/; SameSite=Lax" {
		t.Errorf("not of the session, on http: %s", got.setCookie(false, false))
	}
	matrix := &url.URL{Scheme: "https", Host: "a.example.com", Path: "/app/x;Domain=example.com/login.php"}
	if got := withCookies(nil, []string{"A=1"}, matrix, now)[0]; got.setCookie(false, false) != "A=1; Path=/app; SameSite=Lax" {
		t.Errorf("from an address with attributes: %s", got.setCookie(false, false))
	}
	old := withCookies(nil, []string{"A=1; path=/", "B=1", "A=2; path=/app"}, page, now)
	changed := withCookies(old, []string{"A=3; path=/", "B=; Max-Age=-1"}, page, now)
	values := func(cookies []formCookie, path string) (out []string) {
		for _, c := range sentTo(cookies, path) {
			out = append(out, c.name+"="+c.value)
		}
		return out
	}
	for _, tt := range []struct {
		cookies []formCookie
		path    string
		want    []string
	}{
		{old, "/app/x", []string{"A=1", "B=1", "A=2"}}, {old, "/app", []string{"A=1", "B=1", "A=2"}}, {old, "/apple", []string{"A=1"}}, {changed, "/app/", []string{"A=2", "A=3"}},
	} {
		if got := values(tt.cookies, tt.path); !slices.Equal(got, tt.want) {
			t.Errorf("%s gets %q, want %q", tt.path, got, tt.want)
		}
	}
	h := http.Header{"Cookie": {"x=1; A=old", "A=older;y=2"}}
	putCookies(h, changed[1:])
	if got := h["Cookie"]; !slices.Equal(got, []string{"x=1; y=2; A=3"}) {
		t.Errorf("put: %q", got)
	}
	var many []string
	for i := range 100 {
		many = append(many, strings.Repeat("n", i+1)+"=1")
	}
	if got := withCookies(nil, many, page, now); len(got) != maxLoginCookies {
		t.Errorf("%d cookies are kept", len(got))
	}
}

func TestAccounts(t *testing.T) {
	good, err := parseAccounts("# who is who\nLea@Agrafmania.fr: {user: lea, password: '12345'}\nU0PAUL:\n  user: paul\n  password: a b\n")
	if err != nil || good["lea@agrafmania.fr"] != (account{"lea", "12345"}) || good["U0PAUL"] != (account{"paul", "a b"}) {
		t.Errorf("%v, %v", good, err)
	}
	for text, want := range map[string]string{
		"{}":                                     "names nobody",
		"[]":                                     "is no map",
		"lea@x.fr: s3cret":                       "line 1 is no entry",
		"a: {user: s3cret}":                      "line 1 lacks",
		"\na: {users: s3cret, password: s3cret}": "line 2 is no entry",
		"a@x: {user: u, password: p}\nA@X: {user: u, password: s3cret}":       "line 2 has the person",
		"a: {user: u, password: \"s3cret\\n\"}":                               "line 1 has a control",
		"a: {user: u, password: s3cret}\n b: [":                               "cannot be read as YAML",
		"a: {user: u, password: s3cret}\n---\nb: {user: u, password: s3cret}": "is not one",
		"a: {user: u, password: s3cret}\na: {user: u, password: s3cret}":      "cannot be read as YAML: line 2",
		"a: &x {user: u, password: s3cret}\nb: *y":                            "line 2 is no entry",
	} {
		if _, err := parseAccounts(secret.String(text)); err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

// TestPageOfOneEndlessOption: its text comes in pieces, and adding each to all
// before took seconds.
func TestPageOfOneEndlessOption(t *testing.T) {
	p := readPage([]byte("<form><select name=s><option>"+strings.Repeat("a<b>", maxLoginPage/4)), "text/html; charset=utf-8")
	if got := len(p.forms[0].controls[0].value); got != maxOption {
		t.Errorf("%d bytes are kept, want %d", got, maxOption)
	}
}
