package main

import (
	"crypto/tls"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// phpPage prints what PHP makes of a request, and sets the cookies of ?set[]=, as
// an old app does.
const phpPage = `<?php
foreach (isset($_GET['set']) ? (array) $_GET['set'] : array() as $line) header("Set-Cookie: $line", false);
header('Content-Type: application/json');
echo json_encode(array('server' => $_SERVER, 'raw' => (object) getallheaders(), 'cookie' => (object) $_COOKIE), JSON_INVALID_UTF8_SUBSTITUTE | JSON_PARTIAL_OUTPUT_ON_ERROR);`

// forged is in every value that an attacker writes.
const forged = "FORGED"

// phpSaw is what PHP made of one request.
type phpSaw struct {
	Server map[string]any    // $_SERVER
	Raw    map[string]string // getallheaders(): with the names that came
	Cookie map[string]any    // $_COOKIE
}

// phpSiege is a gateway under attack whose first route leads to an app in PHP.
type phpSiege struct {
	*siege
	tls    *tls.Config       // nil: plain HTTP
	marie  string            // the cookies of her session
	people map[string]string // what PHP is to see of Marie, by $_SERVER's key; "" is anything
	basic  bool              // the gateway writes Authorization
}

// besiegePHP starts one; change edits the configuration, nil leaves it.
func besiegePHP(t *testing.T, people map[string]string, change func(config string) string) *phpSiege {
	t.Helper()
	php := servePHPWith(t, need(t, "php"), "error_reporting = -1\ndisplay_errors = 1\nmax_input_vars = 10000\n", phpPage)
	return &phpSiege{people: people, siege: besiege(t, func(config string) string {
		config = strings.Replace(config, upstreamLine.FindString(config), "upstream: http://"+php.address, 1)
		// With a rule about usergroups the gateway asks Slack for them.
		config = strings.Replace(config, "    policy:\n", "    policy:\n      - {path: /admins/**, allow: {usergroups: [cocoom-admins]}}\n", 1)
		if change != nil {
			config = change(config)
		}
		return config
	})}
}

// visit is who asks, where, and with what for a credential.
type visit struct {
	who, path, header string
}

// visits are nobody, a member where everybody may be and where members only may,
// and a program.
func (s *phpSiege) visits() []visit {
	return []visit{
		{"nobody", "/public/x", ""},
		{"a member among all", "/public/x", "Cookie: " + s.marie + "\r\n"},
		{"a member", "/x", "Cookie: " + s.marie + "\r\n"},
		{"a program", "/cron/x", "Authorization: Bearer " + s.cron + "\r\n"},
	}
}

func (v visit) member() bool { return strings.HasPrefix(v.who, "a member") }

// wants is what PHP is to see under reserved names, and nothing else.
func (s *phpSiege) wants(v visit) map[string]string {
	scheme := "http"
	if s.tls != nil {
		scheme = "https"
	}
	want := map[string]string{"HTTP_X_FORWARDED_FOR": "127.0.0.1", "HTTP_X_FORWARDED_PROTO": scheme, "HTTP_X_FORWARDED_HOST": s.host, "HTTP_X_REQUEST_ID": ""}
	if v.member() {
		for name, value := range s.people {
			want[name] = value
		}
	}
	return want
}

// saw reads what the page printed, nil if it is no page of PHP's.
func saw(t *testing.T, text string) *phpSaw {
	t.Helper()
	got := new(phpSaw)
	if err := json.Unmarshal([]byte(text), got); err != nil || got.Server == nil {
		t.Errorf("the page printed %.300q: %v", text, err)
		return nil
	}
	return got
}

// check demands that nothing forged arrived but in the headers that may carry
// anything, and that all that is true did, once.
func (s *phpSiege) check(t *testing.T, v visit, got *phpSaw, carriers ...string) {
	t.Helper()
	if got == nil {
		return
	}
	want := s.wants(v)
	carried := func(name string) bool {
		for _, c := range carriers {
			if cgi(name) == cgi(c) || name == "HTTP_"+cgi(c) {
				return true
			}
		}
		return false
	}
	for key, value := range got.Server {
		text, _ := value.(string)
		if strings.Contains(text, forged) && !carried(key) {
			t.Errorf("$_SERVER[%s] is %.80q", key, text)
		}
		if wanted, ours := want[key]; !ours && s.isReserved(key) || ours && wanted != "" && text != wanted {
			t.Errorf("$_SERVER[%s] is %.80q, want %q", key, text, wanted)
		}
	}
	for key := range want {
		if value, _ := got.Server[key].(string); value == "" {
			t.Errorf("$_SERVER[%s] is missing", key)
		}
	}
	// CGI of old folds more than PHP's own server does.
	times := map[string]int{}
	for name, value := range got.Raw {
		if strings.Contains(value, forged) && !carried(name) {
			t.Errorf("%s arrived with %.80q", name, value)
		}
		times["HTTP_"+cgi(name)]++
	}
	for key, n := range times {
		if _, ours := want[key]; !ours && s.isReserved(key) || n > 1 {
			t.Errorf("as CGI reads it, %s arrived %d times", key, n)
		}
	}
}

// cgi is what Apache 2.2 makes of a header's name, and PHP of "-" and ".".
func cgi(name string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToUpper(name))
}

// reservedKeys are the entries of $_SERVER that tell an app who somebody is,
// where they are, or that something else was asked for than was.
var reservedKeys = regexp.MustCompile(`^(HTTP_(` +
	`X_FORWARDED(_.*)?|FORWARDED(_.*)?|X_GATEWAY_.*|X_ORIGINAL_.*|X_REWRITE_.*|X_AUTH_REQUEST_.*|(X_)?REMOTE_.*|X_WEBAUTH_.*|X_AUTHENTICATED_.*|` +
	`X_REAL_IP|(X_)?CLIENT_IP|X_CLUSTER_CLIENT_IP|TRUE_CLIENT_IP|CF_CONNECTING_IP|X_REQUEST_ID|X_NOTIFY|` +
	`X_HTTP_METHOD(_OVERRIDE)?|X_METHOD_OVERRIDE|PROXY|HTTPS|AUTH_TYPE|PHP_AUTH_.*|REDIRECT_.*|SSL_.*)` +
	`|PHP_AUTH_.*|AUTH_TYPE|HTTPS|REMOTE_USER|(REDIRECT_)+.*|CONTENT_LENGTH|CONTENT_TYPE)$`)

func (s *phpSiege) isReserved(key string) bool {
	if _, ours := s.people[key]; ours || reservedKeys.MatchString(key) {
		return true
	}
	return s.basic && key == "HTTP_AUTHORIZATION"
}

// signIn gets Marie's cookies.
func (s *phpSiege) signIn() {
	s.t.Helper()
	if s.tls == nil {
		s.marie = s.cookie("U0MARIE")
		return
	}
	m := s.browser(s.p)
	tr := m.Transport.(*http.Transport)
	tr.TLSClientConfig = s.tls
	if in := m.signIn("U0MARIE"); in.Request.URL.String() != s.origin+"/" {
		s.t.Fatalf("signing in ended at %s with %d", in.Request.URL, in.StatusCode)
	}
	at, err := url.Parse(s.origin)
	if err != nil {
		s.t.Fatal(err)
	}
	var pairs []string
	for _, c := range m.Jar.Cookies(at) {
		pairs = append(pairs, c.Name+"="+c.Value)
	}
	s.marie = strings.Join(pairs, "; ")
}
