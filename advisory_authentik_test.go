package main

import (
	"net/url"
	"strings"
	"testing"
)

// TestAdvisoryAuthentik is what broke authentik.
func TestAdvisoryAuthentik(t *testing.T) {
	t.Parallel()
	network := func(config string) string {
		return strings.ReplaceAll(config, "      - {path: /public/**", "      - {path: /inside/**, allow: {cidrs: [192.0.2.0/24, \"::/128\", 0.0.0.0/8]}}\n      - {path: /public/**")
	}
	s := besiege(t, network)
	behind := besiege(t, func(config string) string { return "trusted_proxies: [127.0.0.1/32]\n" + network(config) })
	marie := "Cookie: " + s.cookie("U0MARIE") + "\r\n"

	says := []string{"X-Forwarded-For", "X-Real-Ip", "Client-Ip", "X-Client-Ip", "True-Client-Ip", "Cf-Connecting-Ip", "X-Cluster-Client-Ip", "X_Forwarded_For", "X-Originating-Ip"}
	s.row(t, "CVE-2023-36456 a stranger's word on their address", advisory{
		refused: each(says, func(name string) try {
			return try{request: get(s.host, "/inside/x", name+": 192.0.2.7\r\n"), status: 403}
		}),
		forged: each(says, func(name string) try {
			return try{request: get(s.host, "/public/x", name+": 192.0.2.7\r\n"), status: 200, arrives: "/public/x", also: func(t *testing.T, _ *answer, got recorded) {
				if strings.Contains(strings.Join(got.header, "\n"), "192.0.2.7") || got.value("X-Forwarded-For") != "127.0.0.1" {
					t.Errorf("the app got %q", got.header)
				}
			}}
		}).and(tries{"a member": {request: get(s.host, "/inside/x", marie+"X-Forwarded-For: 192.0.2.7\r\n"), status: 403}}),
	})
	unreadable := func(chain string) try {
		return try{request: get(behind.host, "/inside/x", "X-Forwarded-For: "+chain+"\r\n"), status: 403}
	}
	behind.row(t, "CVE-2024-47070 an address that cannot be read opens nothing", advisory{
		honest: tries{"an address": {request: get(behind.host, "/inside/x", "X-Forwarded-For: 192.0.2.7\r\n"), status: 200, arrives: "/inside/x"}},
		forged: each([]string{"a", "", ",", "192.0.2.7,", "192.0.2.7, a", "a, a", "192.0.2", "192.0.2.7.1", "192.0.2.256", "192.0.2.0/24", "localhost", "-", "192.0.2.7\x80", "192.0.2.7\r\nX-Forwarded-For: a"}, unreadable),
	})

	back := func(status int) func(string) try {
		return func(more string) try {
			return try{request: get(s.host, "/.gateway/login?to=/x&"+more, "X-Forwarded-Host: evil.example\r\nReferer: http://evil.example/\r\n"), status: status, also: func(t *testing.T, a *answer, _ recorded) {
				to, err := url.Parse(a.Header.Get("Location"))
				if err != nil || len(to.Query()["redirect_uri"]) != 1 || to.Query().Get("redirect_uri") != s.origin+"/.gateway/callback" {
					t.Errorf("Slack is told %q", a.Header.Get("Location"))
				}
			}}
		}
	}
	s.row(t, "CVE-2024-52289 one exact redirect URI", advisory{
		refused: each([]string{"", "redirect_uri=http://evil.example/.gateway/callback", "redirect_uri=" + strings.Replace(s.origin, ".", "x", 1) + "/.gateway/callback", "redirect_uri=" + s.origin + "x/&redirect_uri=" + s.origin, "client_id=x&redirect_url=//evil.example"}, back(302)),
		forged: each([]string{"/.gateway/callback/", "/.gateway/callbackx", "/x/.gateway/callback", "/.gateway/Callback"}, func(path string) try {
			return try{request: get(s.host, path+"?code=x&state=y", ""), status: map[bool]int{true: 302, false: 404}[strings.HasPrefix(path, "/x/")]}
		}).and(tries{"without a state of ours": {request: get(s.host, "/.gateway/callback?code=x&state=y", ""), status: 400}}),
	})

	at, err := url.Parse(s.attack(get(s.host, "/.gateway/login?to=/x", "")).Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	state := url.QueryEscape(at.Query().Get("state"))
	empty := func(cookie string) tries {
		out := tries{}
		for page, status := range map[string]int{"/callback": 405, "/callback?state=" + state: 405, "/login": 405, "/login?again=" + state: 405, "/break-glass": 403, "/break-glass?x": 403, "/setup": 404, "/setup/secrets": 404, "/setup/finish": 404,
			"/form": 405, "/": 405, "/slack/events": 400, "/v1/notifications": 401, "/sign-out": 403, "/sign-out-everywhere": 403} {
			out[page] = try{request: "POST /.gateway" + page + " HTTP/1.1\r\nHost: " + s.host + "\r\nContent-Length: 0\r\nContent-Type: application/x-www-form-urlencoded\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n" + cookie + "\r\n", status: status,
				also: func(t *testing.T, a *answer, _ recorded) {
					for _, c := range a.Cookies() {
						t.Errorf("it sets %s", c.Name)
					}
				}}
		}
		return out
	}
	s.row(t, "CVE-2026-49448 an empty POST skips no step", advisory{refused: empty(""), forged: empty(marie),
		honest: tries{"signed in": {request: get(s.host, "/x", marie), status: 200, arrives: "/x", also: s.knows("U0MARIE")}}})
}
