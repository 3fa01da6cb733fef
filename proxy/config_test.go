package proxy_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/cocoom/cocoom-gateway/internal/secret"
	"github.com/cocoom/cocoom-gateway/proxy"
)

func newRecorded(method, target string) (*httptest.ResponseRecorder, *http.Request) {
	return httptest.NewRecorder(), httptest.NewRequest(method, target, nil)
}

func TestConfigInYAML(t *testing.T) {
	var got struct {
		Upstream proxy.Upstream      `yaml:"upstream"`
		Login    proxy.UpstreamLogin `yaml:"login"`
		Headers  proxy.Headers       `yaml:"headers"`
	}
	read := func(text string) error {
		got.Upstream, got.Login = proxy.Upstream{}, proxy.UpstreamLogin{}
		return yaml.Unmarshal([]byte(text), &got)
	}
	if err := read("upstream: http://10.0.0.12:8000\nlogin: headers"); err != nil || got.Upstream.URL != "http://10.0.0.12:8000" {
		t.Errorf("%+v, %v", got, err)
	}
	if err := read("upstream: {url: 'https://x', host: y, tls: {ca: 'file:/x', server_name: z}, timeout: 90s, max_body: 64MiB}\nlogin: {basic: {user: id, derive_from: abc}}"); err != nil {
		t.Fatal(err)
	}
	want := proxy.Upstream{URL: "https://x", Host: "y", TLS: proxy.UpstreamTLS{CA: "file:/x", ServerName: "z"}, Timeout: 90 * time.Second, MaxBody: 64 << 20}
	if got.Upstream != want || got.Login.Basic == nil || *got.Login.Basic != (proxy.Basic{User: "id", DeriveFrom: "abc"}) {
		t.Errorf("got %+v", got)
	}
	for text, named := range map[string]string{
		"upstream: [x]": "URL or a map", "upstream: {max_body: 12Q}": "URL or a map", "login: header": `"header"`, "login: [headers]": "neither the word headers",
	} {
		if err := read(text); err == nil || !strings.Contains(err.Error(), named) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestSize(t *testing.T) {
	for text, want := range map[string]proxy.Size{"0": 0, "1024": 1024, "10MB": 10e6, "64MiB": 64 << 20, "1 GiB": 1 << 30, "5KB": 5000, "7B": 7} {
		var got proxy.Size
		if err := yaml.Unmarshal([]byte(text), &got); err != nil || got != want {
			t.Errorf("%s: %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"-1", "1.5GiB", "MiB", "10TB", "9999999999GiB", "''", "[1]"} {
		var got proxy.Size
		if err := yaml.Unmarshal([]byte(text), &got); err == nil {
			t.Errorf("%s: %d", text, got)
		}
	}
	for size, want := range map[proxy.Size]string{0: "0", 1 << 30: "1GiB", 64 << 20: "64MiB", 1536: "1536", 2048: "2KiB"} {
		if got := size.String(); got != want {
			t.Errorf("%d is %s, want %s", int64(size), got, want)
		}
	}
}

func TestValidateNamesTheKeyAndTheRemedy(t *testing.T) {
	type section interface{ Validate(func(key, text string)) }
	upstream := func(url string) proxy.Upstream { return proxy.Upstream{URL: url} }
	long := secret.String(strings.Repeat("s", 32))
	form := func(change func(*proxy.Form)) proxy.UpstreamLogin {
		f := proxy.Form{URL: "/login.php", Password: "p", Cookies: []string{"PHPSESSID"}}
		change(&f)
		return proxy.UpstreamLogin{Form: &f}
	}
	for _, tt := range []struct {
		section section
		want    string // the beginning of the only report; empty: none
	}{
		{upstream("http://10.0.0.12:8000"), ""},
		{upstream("https://[::1]:8443/"), ""},
		{upstream(""), "url: is missing"},
		{upstream("10.0.0.12:8000"), "url: is no http:// or https:// URL"},
		{upstream("ftp://x"), "url: is no http://"},
		{upstream("http://"), "url: is no http://"},
		{upstream("http://u:s3cret@x"), "url: contains a user"},
		{upstream("http://x/app"), "url: contains more than an address"},
		{upstream("http://x?y"), "url: contains more than an address"},
		{upstream("http://x:99999"), "url: has no valid host"},
		{proxy.Upstream{URL: "http://x", Host: "a b"}, "host: "},
		{proxy.Upstream{URL: "http://x", Host: "a/b"}, "host: "},
		{proxy.Upstream{URL: "http://x", TLS: proxy.UpstreamTLS{ServerName: "y"}}, "tls: stands beside"},
		{proxy.Upstream{URL: "https://x", TLS: proxy.UpstreamTLS{CA: "no PEM"}}, "tls.ca: contains no certificate"},
		{proxy.Upstream{URL: "https://x", TLS: proxy.UpstreamTLS{CA: "file:/x.pem"}}, ""},
		{proxy.Upstream{URL: "https://x", TLS: proxy.UpstreamTLS{ServerName: "y:1"}}, "tls.server_name: "},
		{proxy.Upstream{URL: "http://x", Timeout: -1}, "timeout: "},
		{proxy.Upstream{URL: "http://x", MaxBody: -1}, "max_body: "},

		{proxy.Headers{}, ""},
		{proxy.Headers{User: "REMOTE_USER", Charset: "iso-8859-1"}, ""},
		{proxy.Headers{User: "X User"}, "user: "},
		{proxy.Headers{User: strings.Repeat("x", 65)}, "user: "},
		{proxy.Headers{User: "Cookie"}, "user: is Cookie"},
		{proxy.Headers{Name: "Content_Length"}, "name: is Content_Length"},
		{proxy.Headers{Email: "x_forwarded_user"}, "email: is x_forwarded_user"},
		{proxy.Headers{User: "X-Forwarded-For"}, "user: is X-Forwarded-For"},
		{proxy.Headers{Charset: "latin1"}, "charset: "},

		{proxy.Assertion{}, ""},
		{proxy.Assertion{Alg: "HS256", Secret: long}, ""},
		{proxy.Assertion{Alg: "none"}, "alg: "},
		{proxy.Assertion{Alg: "HS256", Secret: "short-s3cret"}, "secret: has fewer"},
		{proxy.Assertion{Secret: long}, "secret: is used by HS256 only"},
		{proxy.Assertion{TTL: time.Second}, "ttl: "},
		{proxy.Assertion{TTL: 2 * time.Hour}, "ttl: "},
		{proxy.Assertion{Audience: "a b"}, "audience: "},

		{proxy.UpstreamLogin{}, ""},
		{proxy.UpstreamLogin{Basic: &proxy.Basic{Password: "p"}}, ""},
		{proxy.UpstreamLogin{Basic: &proxy.Basic{}}, "basic: has no password"},
		{proxy.UpstreamLogin{Basic: &proxy.Basic{Password: "p", DeriveFrom: long}}, "basic: has both"},
		{proxy.UpstreamLogin{Basic: &proxy.Basic{DeriveFrom: "short-s3cret"}}, "basic.derive_from: "},
		{proxy.UpstreamLogin{Basic: &proxy.Basic{Password: "s3cret\n"}}, "basic.password: "},
		{proxy.UpstreamLogin{Basic: &proxy.Basic{User: "name", Password: "p"}}, "basic.user: "},

		{form(func(f *proxy.Form) {}), ""},
		{form(func(f *proxy.Form) { f.URL, f.Action = "/index.php?page=login", "/x" }), ""},
		{form(func(f *proxy.Form) { f.URL = "" }), "form.url: is missing"},
		{form(func(f *proxy.Form) { f.URL = "login.php" }), "form.url: is no path"},
		{form(func(f *proxy.Form) { f.URL = "//evil.example/login.php" }), "form.url: is no path"},
		{form(func(f *proxy.Form) { f.Action = `/\evil.example` }), "form.action: is no path"},
		{form(func(f *proxy.Form) { f.Success.Location = "https://x/" }), "form.success.location: is no path"},
		{form(func(f *proxy.Form) { f.Expired.Location = "/a b" }), "form.expired.location: is no path"},
		{form(func(f *proxy.Form) { f.Expired.Status = []int{401, 500} }), "form.expired.status: 500"},
		{form(func(f *proxy.Form) { f.Password = "" }), "form: has no password"},
		{form(func(f *proxy.Form) { f.DeriveFrom = long }), "form: has more than one"},
		{form(func(f *proxy.Form) { f.Password = "s3cret\n" }), "form.password: contains"},
		{form(func(f *proxy.Form) { f.Password, f.DeriveFrom = "", "short-s3cret" }), "form.derive_from: has fewer"},
		{form(func(f *proxy.Form) { f.Password, f.Accounts = "", "s3cret" }), "form.accounts: is no map"},
		{form(func(f *proxy.Form) { f.Password, f.Accounts, f.User = "", "a: {user: u, password: p}", "id" }), "form.user: stands beside"},
		{form(func(f *proxy.Form) { f.User = "name" }), "form.user: "},
		{form(func(f *proxy.Form) { f.User = "local_part" }), "form.email_domain: is missing"},
		{form(func(f *proxy.Form) { f.EmailDomain = "x.fr" }), "form.email_domain: goes with"},
		{form(func(f *proxy.Form) { f.User, f.EmailDomain = "local_part", "@x.fr" }), "form.email_domain: is no domain"},
		{form(func(f *proxy.Form) { f.Cookies = nil }), "form.cookies: is missing"},
		{form(func(f *proxy.Form) { f.Cookies = strings.Fields("a b c d e f g h i") }), "form.cookies: has more"},
		{form(func(f *proxy.Form) { f.Cookies = []string{"A", "gw"} }), "form.cookies[1]: "},
		{form(func(f *proxy.Form) { f.Success.Cookie = "a;b" }), "form.success.cookie: "},
		{form(func(f *proxy.Form) { f.Fields = map[string]string{"": "x"} }), "form.fields: "},
		{form(func(f *proxy.Form) { f.PasswordField, f.UsernameField = "p", "p" }), "form.password_field: "},
	} {
		var got []string
		tt.section.Validate(func(key, text string) { got = append(got, key+": "+text) })
		if tt.want == "" && got != nil || tt.want != "" && (len(got) != 1 || !strings.HasPrefix(got[0], tt.want)) {
			t.Errorf("%+v: got %q, want %q", tt.section, got, tt.want)
		}
		if strings.Contains(strings.Join(got, ""), "s3cret") {
			t.Errorf("a secret was quoted: %q", got)
		}
	}
}

func TestNewRefusesMistakes(t *testing.T) {
	sound := func() proxy.Config {
		return proxy.Config{Origin: origin, Host: host, Upstream: proxy.Upstream{URL: "http://x"}, Keys: proxy.NewKeys()}
	}
	if _, err := proxy.New(sound()); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*proxy.Config){
		"upstream":    func(c *proxy.Config) { c.Upstream.URL = "" },
		"headers":     func(c *proxy.Config) { c.Headers.User = "Host" },
		"login":       func(c *proxy.Config) { c.Login.Basic = &proxy.Basic{} },
		"no keys":     func(c *proxy.Config) { c.Keys = nil },
		"no origin":   func(c *proxy.Config) { c.Origin = "" },
		"no audience": func(c *proxy.Config) { c.Host = "" },
		"no CA file": func(c *proxy.Config) {
			c.Upstream = proxy.Upstream{URL: "https://x", TLS: proxy.UpstreamTLS{CA: "file:/does/not/exist"}}
		},
	} {
		c := sound()
		change(&c)
		if _, err := proxy.New(c); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
