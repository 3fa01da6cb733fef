package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/cocoom/cocoom-gateway/internal/admin"
)

// foreign is how a page that is not ours, or a browser that says too little, may
// introduce a request; {host} is the host with its port, {name} without it, {port} the port.
var foreign = map[string]string{
	"another site":                  "Origin: https://evil.example\r\nSec-Fetch-Site: cross-site\r\n",
	"no name":                       "Origin: null\r\n",
	"no name, so says the browser":  "Origin: null\r\nSec-Fetch-Site: same-origin\r\n",
	"nothing":                       "",
	"the browser alone":             "Sec-Fetch-Site: same-origin\r\n",
	"typed":                         "Sec-Fetch-Site: none\r\n",
	"a referrer alone":              "Referer: http://{host}/.gateway/\r\n",
	"a sister subdomain":            "Origin: http://editionsduport.localhost:{port}\r\nSec-Fetch-Site: same-site\r\n",
	"the parent domain":             "Origin: http://localhost:{port}\r\n",
	"a subdomain of it":             "Origin: http://x.{host}\r\n",
	"another port":                  "Origin: http://{name}:1\r\n",
	"no port":                       "Origin: http://{name}\r\n",
	"another scheme":                "Origin: https://{host}\r\n",
	"upper case":                    "Origin: HTTP://{host}\r\n",
	"a slash":                       "Origin: http://{host}/\r\n",
	"a name and it":                 "Origin: http://x@{host}\r\n",
	"it as a prefix":                "Origin: http://{host}.evil.example\r\n",
	"two, theirs first":             "Origin: https://evil.example\r\nOrigin: http://{host}\r\n",
	"two in one":                    "Origin: https://evil.example http://{host}\r\n",
	"a referrer of ours, not it":    "Origin: https://evil.example\r\nReferer: http://{host}/\r\n",
	"forwarded as if it were their": "Origin: https://evil.example\r\nX-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: https\r\n",
}

// proven are the doors that take a POST from anywhere, since each request shows what
// no page has: a signature, or a token.
var proven = []string{"/.gateway/slack/events", "/.gateway/v1", "/.gateway/services/", "/.gateway/slack/api/"}

// TestAttackForeignForms sends every form that the public listener takes from pages
// that are not ours, and asks for the same by GET, HEAD and an overridden method: the
// session goes on, and no link is used.
func TestAttackForeignForms(t *testing.T) {
	t.Parallel()
	s := besiege(t, func(config string) string { return config + otherRoutes(t) })
	cookie := "Cookie: " + s.cookie("U0MARIE") + "\r\n"
	_, port, _ := strings.Cut(s.host, ":")
	neu := "neu.localhost:" + port
	setup, glass := s.link("/setup", admin.Setup{Operator: admin.Operator{By: "lea"}, Host: "neu.localhost"}),
		s.link("/break-glass", admin.BreakGlass{Operator: admin.Operator{By: "lea"}, Host: customers[0].Host, Email: "paul@agrafmania.fr", Seconds: 600})
	forms := 0
	for _, d := range publicDoors(t) {
		host, target := s.host, d.path
		switch {
		case slices.ContainsFunc(proven, func(p string) bool { return strings.HasPrefix(d.path, p) }), len(d.methods) > 0 && !slices.Contains(d.methods, "POST"):
			continue
		case d.methods == nil:
			continue // nothing, or where Slack sends people back to, which takes no form
		case strings.HasSuffix(d.path, "/setup"):
			host, target = neu, setup
		case strings.Contains(d.path, "/setup/"):
			host = neu
		case strings.HasSuffix(d.path, "/break-glass"):
			target = glass
		}
		forms++
		for name, form := range foreign {
			origin := strings.NewReplacer("{host}", host, "{name}", strings.TrimSuffix(host, ":"+port), "{port}", port).Replace(form)
			got := s.attack(fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nSec-Fetch-Mode: cors\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 0\r\n%s%s\r\n", target, host, cookie, origin))
			if got == nil || got.StatusCode != 403 || len(got.Header["Set-Cookie"]) > 0 || !strings.Contains(got.body, `"code":"foreign_origin"`) {
				t.Errorf("a form to %s from %s: %v", d.path, name, got)
			}
		}
		for name, head := range map[string]string{
			"GET": "GET %s HTTP/1.1", "HEAD": "HEAD %s HTTP/1.1", "GET of a form's field": "GET %s?_method=POST HTTP/1.1",
			"an override": "GET %s HTTP/1.1\r\nX-HTTP-Method-Override: POST\r\nX-HTTP-Method: POST\r\nX-Method-Override: POST",
		} {
			got := s.attack(fmt.Sprintf(head, target) + "\r\nHost: " + host + "\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\nOrigin: http://" + host + "\r\n" + cookie + "\r\n")
			if got == nil || len(got.Header["Set-Cookie"]) > 0 || got.Header.Get("Clear-Site-Data") != "" {
				t.Errorf("%s of %s: %v", name, d.path, got)
			}
		}
	}
	if forms < 7 {
		t.Errorf("only %d forms were found", forms)
	}
	if got := s.attack(get(s.host, "/", cookie)); got == nil || got.StatusCode != 200 {
		t.Errorf("the session is over: %v", got)
	}
	var how admin.SetupStatus
	s.operator("GET", "/setup?host=neu.localhost", nil, &how)
	if how.Link == nil || how.Link.Opened || how.Link.State != "open" {
		t.Errorf("the setup link was used: %+v", how.Link)
	}
	for _, honest := range [][2]string{{s.host, glass}, {neu, setup}, {s.host, "/.gateway/sign-out"}} {
		got := s.attack(fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nOrigin: http://%[2]s\r\nContent-Length: 0\r\n\r\n", honest[1], honest[0]))
		if got == nil || got.StatusCode != 303 || len(got.Header["Set-Cookie"]) == 0 {
			t.Errorf("our own form to %s: %v", honest[1], got)
		}
	}
}

// link has an operator make one, and gives its path and query.
func (s *siege) link(path string, asked any) string {
	s.t.Helper()
	var made struct{ URL string }
	s.operator("POST", path, asked, &made)
	_, target, ok := strings.Cut(made.URL, "/.gateway/")
	if !ok {
		s.t.Fatalf("%s made the link %q", path, made.URL)
	}
	return "/.gateway/" + target
}

// operator asks the operators' listener as a command does.
func (s *siege) operator(method, path string, in, out any) {
	s.t.Helper()
	if err := (operators{address: s.p.admin.addr()}).ask(s.t.Context(), method, path, in, out); err != nil {
		s.t.Fatal(err)
	}
}

// TestAttackRebinding asks the operators' listener at every door by names that a page
// of the web can have lead to it, and as such a page: without a token it tells those
// nothing and does nothing; with one it asks for that.
func TestAttackRebinding(t *testing.T) {
	t.Parallel()
	for _, token := range []string{"", "0123456789abcdef-operators"} {
		t.Run("token "+token, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t, "./data")
			if token != "" {
				o.config = "admin_token: " + token + "\n" + o.config
			}
			p, _ := o.start("0")
			own := p.admin.addr()
			_, port, _ := strings.Cut(own, ":")
			tell := map[string]string{}
			for name, host := range map[string]string{
				"a name": "evil.example:" + port, "a name with the address": "127.0.0.1.evil.example", "a decimal address": "2130706433:" + port,
				"a short address": "127.1:" + port, "an octal address": "0177.0.0.1:" + port, "a hexadecimal address": "0x7f.0.0.1", "a trailing dot": "127.0.0.1.:" + port,
				"localhost with a dot": "localhost.:" + port, "localhost below a name": "localhost.evil.example", "a name below localhost": "evil.localhost:" + port,
				"two ports": "127.0.0.1:80:" + port, "a name and it": "evil.example@127.0.0.1", "nothing": "",
			} {
				tell[name] = "Host: " + host + "\r\n"
			}
			for name, from := range map[string]string{
				"a page": "Origin: http://evil.example\r\n", "a page without a name": "Origin: null\r\n", "a page on this machine": "Origin: http://localhost:1\r\n",
				"a page of another scheme's port": "Origin: https://127.0.0.1:1\r\n", "an image": "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n",
				"a sister's frame": "Sec-Fetch-Site: same-site\r\nSec-Fetch-Mode: no-cors\r\n",
			} {
				tell[name] = "Host: " + own + "\r\n" + from
			}
			for _, d := range operatorsDoors(t, customers[0].Host) {
				if d.path == "/livez" || d.path == "/readyz" || d.path == "/" {
					continue // whoever asks; no more than whether all is well, and where the pages are
				}
				for name, head := range tell {
					if token != "" && strings.HasPrefix(d.path, "/ui/") && strings.HasPrefix(head, "Host: ") && !strings.Contains(head, own) {
						continue // names are good where there is a token: the pages ask for it
					}
					for _, method := range []string{http.MethodGet, http.MethodPost} {
						if strings.HasPrefix(d.path, "/ui/") && method == http.MethodGet && strings.Contains(head, "Origin: ") {
							continue // a page may be opened from anywhere; no other can read it
						}
						raw := fmt.Sprintf("%s %s HTTP/1.1\r\n%sConnection: close\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}", method, d.path, head)
						all := attackAll(t, own, nil, raw, 1)
						if len(all) == 0 {
							t.Errorf("%s %s by %s: no answer", method, d.path, name)
							continue
						}
						got := all[0]
						asks := token != "" && got.StatusCode == 401
						if got.StatusCode != 403 && got.StatusCode != 400 && got.StatusCode != 405 && !asks {
							t.Errorf("%s %s by %s: %d %.300s", method, d.path, name, got.StatusCode, got.body)
						}
						if len(got.Header["Set-Cookie"]) > 0 || got.Header.Get("Access-Control-Allow-Origin") != "" || strings.Contains(got.body, customers[0].Team) {
							t.Errorf("%s %s by %s gives %v %s", method, d.path, name, got.Header, got.body)
						}
					}
				}
			}
			var deeds admin.AuditTrail
			status, said, err := operators{address: own, token: "0123456789abcdef-operators"}.call(t.Context(), "GET", "/audit", nil)
			if err == nil {
				err = json.Unmarshal(said, &deeds)
			}
			if err != nil || status != 200 || len(deeds.Entries) > 0 {
				t.Errorf("afterwards the audit has %d %s (%v)", status, said, err)
			}
		})
	}
}
