package main

import (
	"html"
	"maps"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

const operatorsToken = "operators-0123456789abcdef0123456789abcdef"

// elsewhere are return addresses that some browser, library or regular expression
// took for one of its own host, or led elsewhere once something before had
// cleaned, decoded or joined them.
func elsewhere(own string) []string {
	long := strings.Repeat("a", 5000)
	return []string{
		"//evil.example", "///evil.example", "////evil.example/", "/" + strings.Repeat("/", 300) + "evil.example",
		`/\evil.example`, `\\evil.example`, `/\/evil.example`, `\/evil.example`, `/\\evil.example`, "/%5cevil.example", "/%5C%5Cevil.example", "/%255cevil.example",
		"/\t/evil.example", "/\n/evil.example", "/\r/evil.example", "/\r\n/evil.example", "\t//evil.example", " //evil.example", "/ /evil.example",
		"/%09/evil.example", "/%0a/evil.example", "/%0d%0a/evil.example", "/%20/evil.example", "/%00/evil.example", "/\x00/evil.example", "/\x7f/evil.example",
		"/\r\nLocation: https://evil.example", "/%0d%0aLocation:%20https://evil.example", "/\u560d\u560aLocation: https://evil.example",
		"%2f%2fevil.example", "/%2fevil.example", "/%2F%2Fevil.example", "/%252f%252fevil.example", "/%c0%afevil.example", "/\xc0\xafevil.example",
		"/..//evil.example", "/../..//evil.example", "/.//evil.example", "/x/..//evil.example", "/%2e%2e//evil.example", "/x/%2e%2e//evil.example", "/..;//evil.example", "/;//evil.example", `/./\evil.example`,
		"https://evil.example", "http:evil.example", "http:/evil.example", "http:///evil.example", "hTTps:evil.example", "https:/\\evil.example", "ftp://evil.example",
		"@evil.example/", ".evil.example/", ":80@evil.example/", "/@evil.example", "//user:pass@evil.example/", "//" + strings.TrimPrefix(own, "http://") + "@evil.example/",
		own + ".evil.example/", own + "@evil.example/", own + ":@evil.example/", own, own + `\@evil.example`,
		"javascript:alert(1)", "JaVaScRiPt:alert(1)", "java\tscript:alert(1)", "data:text/html,<script>alert(1)</script>", "/javascript:alert(1)",
		"/\u2215/evil.example", "/\u2044evil.example", "/\uff0fevil.example", "\uff0f\uff0fevil.example", "/\uff3cevil.example", "//evil\u3002example", "/\u00a0/evil.example", "/\u200b/evil.example", "/\u2028/evil.example", "\ufeff//evil.example",
		"/?to=//evil.example", "?//evil.example", "/#//evil.example", "/?#@evil.example", "#@evil.example", "/x#@evil.example", "", "/", "evil.example",
		`/"><script>alert(1)</script>`, `/'onmouseover='alert(1)`, "/${jndi:ldap://evil.example}",
		"/.gateway/login?to=//evil.example", "/.gateway/callback?state=//evil.example", "/.gateway/sign-out?to=//evil.example",
		"//evil.example/" + long, "/" + long, "/x?" + long, "/" + strings.Repeat("/", 4000) + "evil.example", "//evil.example?" + long,
	}
}

// TestAdvisoryOAuth2ProxyReturnAddress: in no place where an address is taken does
// one lead off the host, in whatever spelling.
func TestAdvisoryOAuth2ProxyReturnAddress(t *testing.T) {
	t.Parallel()
	s := besiege(t, func(config string) string {
		config = strings.Replace(config, "    login: {}\n", "    login: {sign_out_paths: [/leave]}\n", 1)
		config = strings.Replace(config, "public_scheme:", "trusted_proxies: [127.0.0.0/8]\nadmin_token: "+operatorsToken+"\npublic_scheme:", 1)
		return config + "    maintenance: true\n  - host: " + customers[2].Host + "\n    upstream: http://127.0.0.1:1\n    slack_app: {managed: true}\n    login: {}\n"
	})
	marie := "Cookie: " + s.cookie("U0MARIE") + "\r\n"
	const deep = "/dossiers/12?q=50%&b=//x"
	s.row(t, "CVE-2017-1000070 CVE-2020-5233 CVE-2020-11053 CVE-2020-4037 CVE-2026-83589 return addresses", advisory{
		refused: tries{
			"two slashes":          {request: get(s.host, "/.gateway/login?to=//evil.example", ""), status: 302},
			"a backslash":          {request: get(s.host, `/\evil.example`, ""), status: 400},
			"an encoded backslash": {request: get(s.host, "/%5cevil.example", ""), status: 400},
			"an encoded tab":       {request: get(s.host, "/%09/evil.example", ""), status: 400},
			"above the root":       {request: get(s.host, "/..//evil.example", ""), status: 400},
		},
		honest: tries{
			"a page of the app's": {request: get(s.host, "/.gateway/login?to="+url.QueryEscape(deep), marie), status: 302, also: func(t *testing.T, a *answer, _ recorded) {
				if to := a.Header.Get("Location"); to != s.origin+deep {
					t.Errorf("leads to %q", to)
				}
			}},
		},
		more: map[string]func(t *testing.T){
			"passes honestly, through Slack": func(t *testing.T) {
				if _, end := s.enters(t, deep, "U0PAUL", ""); end != s.origin+deep {
					t.Errorf("ends on %q", end)
				}
			},
			"refused when forged": func(t *testing.T) {
				places := s.places(marie)
				maps.Copy(places, s.headersOfPlaces())
				for place, ask := range places {
					t.Run(place, func(t *testing.T) {
						for i, address := range elsewhere(s.origin) {
							if racing && i%8 != 0 { // one at a time is no race
								continue
							}
							s.keeps(t, address, marie, ask(address))
						}
					})
				}
			},
		},
	})
}

// TestAdvisoryOAuth2ProxyWayToTLS: the plain listener that sends browsers to https
// sends them to the host that they asked for, and to none that is not ours.
func TestAdvisoryOAuth2ProxyWayToTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	selfSigned(t, dir, customers[0].Host)
	s := besiege(t, func(config string) string {
		return strings.Replace(config, "public_scheme: http\n", "tls: {cert: file:"+dir+"/c.pem, key: file:"+dir+"/k.pem, redirect: '127.0.0.1:0'}\n", 1)
	})
	origin, at := "https://"+s.host, s.p.redirect.addr()
	leads := func(target string) func(*testing.T, *answer, recorded) {
		return func(t *testing.T, a *answer, _ recorded) {
			if to := a.Header.Get("Location"); to != origin+target {
				t.Errorf("leads to %q", to)
			}
		}
	}
	row := advisory{
		refused: tries{
			"another's host":      {to: at, request: get("evil.example", "/x", ""), status: 421},
			"another's, absolute": {to: at, request: strings.Replace(get(s.host, "/x", ""), "/x", "http://evil.example/x", 1), status: 421},
			"another's, by name":  {to: at, request: get(s.host, "/x", "X-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: javascript\r\n"), status: 301, also: leads("/x")},
			"a host that ends so": {to: at, request: get("evil"+s.host, "/x", ""), status: 421},
		},
		honest: tries{"a page": {to: at, request: get(s.host, "/x?q=50%&b=//x", ""), status: 301, also: leads("/x?q=50%&b=//x")}},
		more: map[string]func(*testing.T){"refused when forged": func(t *testing.T) {
			for _, address := range elsewhere(s.origin) {
				for _, a := range attackAll(t, at, nil, get(s.host, address, ""), 1) {
					// Behind the host a backslash is of the path, which the other listener refuses.
					if to := a.Header.Get("Location"); to != "" && !strings.HasPrefix(to, origin+"/") || a.StatusCode/100 == 2 {
						t.Errorf("%.200q is answered %d to %.200q", address, a.StatusCode, to)
					}
				}
			}
		}},
	}
	s.row(t, "CVE-2017-1000070 CVE-2020-5233 CVE-2026-83589 the way to https", row)
}

// places are where an address is taken: each gives the requests that hand one over.
func (s *siege) places(session string) map[string]func(address string) []string {
	form := func(host, more string) string {
		return "POST /save HTTP/1.1\r\nHost: " + host + "\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 3\r\n" + more + "\r\na=b"
	}
	query := func(address string) string {
		all := ""
		for _, name := range []string{"to", "rd", "redirect", "return_to", "next", "url", "pomerium_redirect_uri"} {
			all += name + "=" + url.QueryEscape(address) + "&"
		}
		return all
	}
	_, port, _ := strings.Cut(s.host, ":")
	managed := customers[2].Host + ":" + port
	return map[string]func(address string) []string{
		"sign-in": func(a string) []string {
			return []string{get(s.host, "/.gateway/login?to="+url.QueryEscape(a), ""), get(s.host, "/.gateway/login?to="+a, ""), get(s.host, "/.gateway/login?to="+url.QueryEscape(a), session)}
		},
		"the page itself": func(a string) []string { return []string{get(s.host, a, ""), get(s.host, "/x/../"+a, "")} },
		"a request without a page": func(a string) []string {
			return []string{"GET " + a + " HTTP/1.1\r\nHost: " + s.host + "\r\nSec-Fetch-Mode: cors\r\n\r\n"}
		},
		"a state that is none": func(a string) []string {
			return []string{get(s.host, "/.gateway/callback?code=x&state="+url.QueryEscape(a), ""), get(s.host, "/.gateway/login?again="+url.QueryEscape(a), ""),
				get(s.host, "/.gateway/callback?code=x&state=x&"+query(a), session)}
		},
		"Slack's error": func(a string) []string {
			state := url.QueryEscape(s.begins(s.t, s.host, get(s.host, "/", "")).state())
			return []string{get(s.host, "/.gateway/callback?error=access_denied&error_uri="+url.QueryEscape(a)+"&state="+state+"&"+query(a), ""),
				get(s.host, "/.gateway/callback?error="+url.QueryEscape(a)+"&state="+state, "")}
		},
		"sign-out": func(a string) []string {
			return []string{get(s.host, "/.gateway/sign-out?"+query(a), session), get(s.host, "/.gateway/signed-out?"+query(a), ""), get(s.host, "/leave?"+query(a), "Referer: "+a+"\r\n"),
				"POST /.gateway/sign-out?" + query(a) + " HTTP/1.1\r\nHost: " + s.host + "\r\nOrigin: " + s.origin + "\r\nContent-Length: 0\r\n\r\n"}
		},
		"the page of a form": func(a string) []string {
			return []string{form(s.host, "Referer: "+a+"\r\n"), form(s.host, "Referer: "+s.origin+a+"\r\nOrigin: "+s.origin+"\r\n"),
				strings.Replace(form(s.host, ""), "/save", a, 1), get(s.host, "/.gateway/form?id="+url.QueryEscape(a), session)}
		},
		"maintenance": func(a string) []string {
			return []string{get(s.rival, a, ""), form(s.rival, "Referer: "+a+"\r\n"), form(s.rival, "Referer: http://"+s.rival+a+"\r\n")}
		},
		"set-up": func(a string) []string {
			return []string{get(managed, "/.gateway/setup?key="+url.QueryEscape(a), ""), get(managed, "/.gateway/setup/installed?code=x&state="+url.QueryEscape(a)+"&"+query(a), ""),
				get(managed, "/.gateway/setup/install?"+query(a), ""), get(managed, a, "")}
		},
		"break-glass": func(a string) []string {
			return []string{get(s.host, "/.gateway/break-glass?key="+url.QueryEscape(a)+"&"+query(a), "")}
		},
		"the operators' sign-in": func(a string) []string {
			at := s.p.admin.addr()
			form := url.Values{"name": {"lea"}, "token": {operatorsToken}, "to": {a}}.Encode()
			return []string{get(at, "/ui/sign-in?to="+url.QueryEscape(a), ""), get(at, "/ui/"+a, ""),
				"POST /ui/sign-in HTTP/1.1\r\nHost: " + at + "\r\nOrigin: http://" + at + "\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: " + strconv.Itoa(len(form)) + "\r\n\r\n" + form}
		},
		"forward auth": func(a string) []string {
			more := "X-Forwarded-Method: GET\r\nX-Forwarded-For: 192.0.2.1\r\n"
			return []string{get("127.0.0.1", "/.gateway/auth", more+"X-Forwarded-Host: "+s.host+"\r\nX-Forwarded-Uri: "+a+"\r\n"),
				get("127.0.0.1", "/.gateway/auth", more+"X-Forwarded-Host: "+a+"\r\nX-Forwarded-Uri: /\r\n"),
				get("127.0.0.1", "/.gateway/auth", more+"X-Forwarded-Proto: "+a+"\r\nX-Forwarded-Host: "+s.host+"\r\nX-Forwarded-Uri: /\r\n")}
		},
	}
}

// headersOfPlaces are headers that name a page or a host, for some proxy or app.
func (s *siege) headersOfPlaces() map[string]func(address string) []string {
	return map[string]func(address string) []string{
		"headers that name a page": func(a string) []string {
			more := ""
			for _, name := range []string{"X-Forwarded-Uri", "X-Original-URL", "X-Rewrite-URL", "X-Auth-Request-Redirect", "X-Forwarded-Prefix", "Referer"} {
				more += name + ": " + a + "\r\n"
			}
			return []string{get(s.host, "/", more), get(s.host, "/.gateway/login", more)}
		},
		"headers that name a host": func(a string) []string {
			more := ""
			for _, name := range []string{"X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Host", "X-Forwarded-Server", "Forwarded", "X-Original-Host"} {
				more += name + ": " + a + "\r\n"
			}
			return []string{get(s.host, "/", more), get(s.host, "/.gateway/", more)}
		},
	}
}

// keeps sends requests that hand an address over; whatever they are answered, on
// whichever listener, leads nowhere else, and neither does the sign-in that they
// begin.
func (s *siege) keeps(t *testing.T, address, session string, requests []string) {
	t.Helper()
	for _, request := range requests {
		at := s.p.public.addr()
		switch {
		case strings.Contains(request, "/.gateway/auth "):
			at = s.p.private.addr()
		case strings.Contains(request, " /ui/"):
			at = s.p.admin.addr()
		}
		answers := attackAll(t, at, nil, request, 1)
		if len(answers) == 0 && !strings.ContainsAny(address, "\r\n") { // which may begin a body, or a request
			t.Errorf("%.200q is not answered", request)
		}
		for _, a := range answers {
			s.stays(t, a)
			if strings.Contains(html.UnescapeString(a.body), "<script") || !utf8.ValidString(a.body) {
				t.Errorf("the page has what was sent: %.2000s", a.body)
			}
			to, err := url.Parse(a.Header.Get("Location"))
			if err == nil && strings.HasPrefix(to.String(), s.slack.URL()+"/") {
				back, _ := url.Parse(to.Query().Get("redirect_uri"))
				if back.Host == s.host {
					if end := (roundTrip{s: s, host: s.host, slack: to}).ends(t, session); !s.within(end) {
						t.Errorf("%.200q ends on %.200q", address, end)
					}
				}
			}
		}
		if t.Failed() {
			t.Fatalf("by %.300q", request)
		}
	}
	s.app.requests()
	s.other.requests()
}
