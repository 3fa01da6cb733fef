package main

import (
	"bytes"
	"encoding/base64"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAdvisoryCaddySecurity is what was found in caddy-security, a portal for
// sign-ins (Trail of Bits, 2023).
//
// does not apply: CVE-2024-21500 in its own words: there is no second factor to
// guess here, Slack has it. What can be guessed, tokens and links, is 96 random
// bits or more.
func TestAdvisoryCaddySecurity(t *testing.T) {
	t.Parallel()
	s := besiege(t, nil)
	cookie := s.cookie("U0MARIE")
	marie := "Cookie: " + cookie + "\r\n"
	s.reflects(t, "CVE-2023-52430 a page reflects the address that was asked for", "the address", marie)
	s.reflects(t, "CVE-2024-21496 a page reflects the Referer", "Referer", marie)
	s.row(t, "CVE-2024-21494 the address that X-Forwarded-For says", advisory{forged: each([]string{"192.0.2.7", "127.0.0.1, 192.0.2.7", "forged"}, func(chain string) try {
		return try{request: get(s.host, "/x", marie+"X-Forwarded-For: "+chain+"\r\nX-Real-Ip: forged\r\n"), status: 200, arrives: "/x", also: s.knows("U0MARIE")}
	})})
	s.randomness(t)
	s.row(t, "CVE-2024-21497 a redirect by a parameter or the Referer", advisory{
		refused: each([]string{"/.gateway/login?redirect_url=https://evil.example/", "/.gateway/sign-out?redirect_url=//evil.example", "/x?redirect_url=//evil.example", "//evil.example/x"}, func(target string) try {
			return try{request: get(s.host, target, "Referer: https://evil.example/\r\n"), status: map[bool]int{true: 303, false: 302}[strings.Contains(target, "sign-out")]}
		}),
		forged: each([]string{"https://evil.example/", s.origin + "@evil.example/", s.origin + ".evil.example/", s.origin + "//evil.example", s.origin + "/\\evil.example"}, func(referer string) try {
			return try{request: get(s.host, "/admin/secret", marie+"Referer: "+referer+"\r\n"), status: 403, also: func(t *testing.T, a *answer, _ recorded) {
				if strings.Contains(a.body, "evil.example") {
					t.Error("the page names the address")
				}
			}}
		}),
	})
	hosts := "X-Forwarded-Host: evil.example\r\nX-Host: evil.example\r\nForwarded: host=evil.example\r\nX-Original-Host: evil.example\r\nX_Forwarded_Host: evil.example\r\n"
	clean := func(also func(*testing.T, *answer, recorded)) func(*testing.T, *answer, recorded) {
		return func(t *testing.T, a *answer, got recorded) {
			if also != nil {
				also(t, a, got)
			}
			var head bytes.Buffer
			_ = a.Header.Write(&head) // a Buffer takes all
			if strings.Contains(head.String()+a.body+strings.Join(got.header, "\n"), "evil.example") {
				t.Error("evil.example has come through")
			}
		}
	}
	s.row(t, "CVE-2024-21498 whom X-Forwarded-Host makes the gateway ask or name", advisory{
		refused: tries{"nobody": {request: get(s.host, "/x", hosts), status: 302, also: clean(nil)}, "a script": {request: "GET /x HTTP/1.1\r\nHost: " + s.host + "\r\n" + hosts + "\r\n", status: 401, also: clean(nil)},
			"another host": {request: get("evil.example", "/x", hosts), status: 421}},
		forged: tries{"a member": {request: get(s.host, "/x", marie+hosts), status: 200, arrives: "/x", also: clean(s.knows("U0MARIE"))}, "a page of ours": {request: get(s.host, "/.gateway/", marie+hosts), status: 200, also: clean(nil)}},
	})
	protos := each([]string{"evil.example", "javascript", "https", "http\tX: y", "http://evil.example/?", "https, http"}, func(proto string) try {
		return try{request: get(s.host, "/x", "X-Forwarded-Proto: "+proto+"\r\n"), status: 302, also: clean(nil)}
	})
	s.row(t, "CVE-2024-21499 headers by X-Forwarded-Proto", advisory{refused: protos, forged: tries{
		"line ends in the address": {request: get(s.host, "/.gateway/login?to=/x%0d%0aSet-Cookie:%20a=b", marie), status: 302, also: func(t *testing.T, a *answer, _ recorded) {
			for _, c := range a.Cookies() {
				if c.Name == "a" {
					t.Error("it sets a cookie")
				}
			}
		}},
	}})
	s.guesses(t, cookie)
	s.signsOut(t, marie) // the last: it ends her session
}

// TestAdvisoryCaddySecurityConfiguration is about CVE-2024-21493: parts that are
// missing in a configuration are mistakes, never a panic.
func TestAdvisoryCaddySecurityConfiguration(t *testing.T) {
	t.Parallel()
	whole := newOffice(t, t.TempDir()).config
	t.Run("CVE-2024-21493 a configuration that breaks off", func(t *testing.T) {
		for _, text := range append(strings.SplitAfter(whole, "\n"), "", "-", "routes:", "routes: [", "routes: [{}]", "routes: [null]", "routes: {a: b}", "slack_app: []", "file:", "routes:\n  - host:\n    service_tokens: [{}]\n    policy: [{}, null]\n    notify: {bearer_tokens: [\"\", file:]}\n") {
			cut := whole[:strings.Index(whole, text)+len(text)/2]
			for name, config := range map[string]string{"alone": text, "cut off": cut, "emptied": strings.Replace(whole, text, strings.SplitAfter(text, ":")[0]+"\n", 1)} {
				file := filepath.Join(t.TempDir(), "gateway.yaml")
				if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
					t.Fatal(err)
				}
				var out, errs strings.Builder
				if code := run(t.Context(), []string{"check", "-c", file}, func(string) string { return "" }, &out, &errs); code == 1 && errs.Len() == 0 || code > 1 {
					t.Errorf("%s, %q: exited with %d and %q", name, text, code, errs.String())
				}
			}
		}
	})
}

// randomness: states, nonces and sessions never come twice, and bits of theirs
// are set half of the time.
func (s *siege) randomness(t *testing.T) {
	t.Run("CVE-2024-21495 what cannot be guessed", func(t *testing.T) {
		const draws = 64
		seen, ones := map[string]bool{}, 0
		for range draws {
			a := s.attack(get(s.host, "/x", ""))
			to, err := url.Parse(a.Header.Get("Location"))
			if err != nil || len(a.Cookies()) != 1 {
				t.Fatalf("answered %d to %q", a.StatusCode, a.Header.Get("Location"))
			}
			nonce, err := base64.RawURLEncoding.DecodeString(to.Query().Get("nonce"))
			if err != nil || len(nonce) < 16 {
				t.Fatalf("nonce %q: %v", to.Query().Get("nonce"), err)
			}
			for _, b := range nonce[:16] {
				for ; b > 0; b &= b - 1 {
					ones++
				}
			}
			for _, value := range []string{string(nonce), to.Query().Get("state"), a.Cookies()[0].Value, a.Header.Get("X-Request-Id")} {
				if len(value) < 16 || seen[value] {
					t.Errorf("%q came twice, or is short", value)
				}
				seen[value] = true
			}
		}
		if all := draws * 16 * 8; ones < all*45/100 || ones > all*55/100 { // nine standard deviations
			t.Errorf("%d of %d bits are set", ones, all)
		}
	})
}

// guesses: many wrong ones come no nearer, and lock nobody out.
func (s *siege) guesses(t *testing.T, cookie string) {
	t.Run("CVE-2024-21500 guessing", func(t *testing.T) {
		for i := range 50 {
			guess := strings.Repeat(string(rune('a'+i%26)), 22)
			for _, request := range []string{get(s.host, "/.gateway/break-glass?token="+guess, ""), get(s.host, "/x", "Cookie: gw="+cookie[3:40]+guess+"\r\n"), get(s.host, "/cron/x", "Authorization: Bearer cgs_"+guess+"\r\n")} {
				if a := s.attack(request); a == nil || a.StatusCode == 200 || len(s.app.requests()) > 0 {
					t.Fatalf("a guess was answered %+v", a)
				}
			}
		}
	})
	s.row(t, "CVE-2024-21500 who is signed in goes on", advisory{honest: tries{"a member": {request: get(s.host, "/x", "Cookie: "+cookie+"\r\n"), status: 200, arrives: "/x", also: s.knows("U0MARIE")}}})
}

// signsOut: a copy of the cookie ends with the session.
func (s *siege) signsOut(t *testing.T, marie string) {
	out := func(more string) string {
		return "POST /.gateway/sign-out HTTP/1.1\r\nHost: " + s.host + "\r\nContent-Length: 0\r\n" + marie + more + "\r\n"
	}
	page := get(s.host, "/x", marie)
	s.row(t, "CVE-2024-21492 sign-out leaves the session valid", advisory{
		honest: tries{"before": {request: page, status: 200, arrives: "/x"}},
		forged: tries{"by nobody's page": {request: out(""), status: 403}, "by another's": {request: out("Origin: http://" + s.rival + "\r\n"), status: 403}, "by a link": {request: get(s.host, "/.gateway/sign-out", marie), status: 200}},
	})
	if a := s.attack(out("Origin: " + s.origin + "\r\n")); a == nil || a.StatusCode != 303 {
		t.Fatalf("CVE-2024-21492: signing out was answered %+v", a)
	}
	s.row(t, "CVE-2024-21492 a copy of the cookie after it", advisory{refused: tries{"a page": {request: page, status: 302}, "who": {request: get(s.host, "/.gateway/me", marie), status: 401}}})
}
