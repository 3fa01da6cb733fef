package main

import (
	"fmt"
	"strings"
	"testing"
)

// TestAttackCookieNames: PHP reads many names as the one that holds its session.
// Whatever a client sends, $_COOKIE has under the names of login.app_cookies what
// the app has set for that person, or nothing.
func TestAttackCookieNames(t *testing.T) {
	t.Parallel()
	s := besiegePHP(t, nil, func(config string) string {
		return strings.Replace(config, "    login: {}\n", "    login: {app_cookies: [PHPSESSID, app_sid, ASP.NET_SessionId]}\n", 1)
	})
	s.signIn()
	apps := map[string]string{"PHPSESSID": "s1", "app_sid": "s2", "ASP_NET_SessionId": "s3"}
	a := s.attack(get(s.host, "/x?set[]=PHPSESSID=s1&set[]=app_sid=s2&set[]=ASP.NET_SessionId=s3", "Cookie: "+s.marie+"\r\n"))
	if a == nil || a.StatusCode != 200 || len(a.Header["Set-Cookie"]) != 3 {
		t.Fatalf("answered %v", a)
	}
	var pairs []string
	for _, line := range a.Header["Set-Cookie"] {
		pair, _, _ := strings.Cut(line, ";")
		pairs = append(pairs, pair)
	}
	bound := strings.Join(pairs, "; ")
	for name, row := range map[string]struct {
		lines string // TRUE stands for what the browser has
		bound bool
	}{
		"nothing":                 {"", false},
		"honest":                  {"Cookie: TRUE\r\n", true},
		"unbound":                 {"Cookie: PHPSESSID=FORGED; app_sid=FORGED; ASP.NET_SessionId=FORGED\r\n", false},
		"unbound first":           {"Cookie: PHPSESSID=FORGED; app_sid=FORGED; TRUE\r\n", true},
		"unbound last":            {"Cookie: TRUE; PHPSESSID=FORGED; ASP_NET_SessionId=FORGED\r\n", true},
		"a second line":           {"Cookie: TRUE\r\nCookie: FORGED\r\n", true},
		"a line before":           {"Cookie: a=b\r\nCookie: TRUE\r\n", true},
		"many lines":              {"Cookie: TRUE\r\nCOOKIE: x=FORGED\r\ncookie: , app_sid=FORGED\r\nCookie: ;;\r\nCookie:\r\n", true},
		"another name for Cookie": {"Cookie_: PHPSESSID=FORGED\r\nX-Cookie: FORGED\r\n_Cookie: FORGED\r\n", false},
		"spellings":               {"Cookie: SPELLINGS\r\n", false},
		"spellings first":         {"Cookie: SPELLINGS; TRUE\r\n", true},
		"spellings last":          {"Cookie: TRUE; SPELLINGS\r\n", true},
		"spellings line by line":  {"Cookie: TRUE\r\nCookie: LINES\r\n", true},
	} {
		t.Run(name, func(t *testing.T) {
			all := cookieSpellings()
			lines := strings.NewReplacer("TRUE", bound, "SPELLINGS", strings.Join(all, "; "), "LINES", strings.Join(all[len(all)-maxLines+16:], "\r\nCookie: ")).Replace(row.lines)
			a := s.attack(get(s.host, "/x", "Cookie: "+s.marie+"\r\n"+lines))
			if a == nil || a.StatusCode != 200 {
				t.Fatalf("answered %v", a)
			}
			got := saw(t, a.body)
			if got == nil {
				return
			}
			for key, want := range apps {
				if value, there := got.Cookie[key]; there != row.bound || there && value != want {
					t.Errorf("$_COOKIE[%s] is %v, want %s: %t", key, value, want, row.bound)
				}
			}
			for key, value := range got.Cookie {
				for listed := range apps {
					if key != listed && strings.EqualFold(key, listed) {
						t.Errorf("$_COOKIE[%s] is %v", key, value)
					}
				}
			}
			if strings.HasPrefix(name, "spellings") && len(got.Cookie) < 50 {
				t.Errorf("of the other cookies only %d arrived", len(got.Cookie))
			}
			if _, session, _ := strings.Cut(s.marie, "="); strings.Contains(a.body, session) {
				t.Error("the app got our session's cookie")
			}
		})
	}
}

// cookieSpellings are cookies with names that are, or nearly are, those of the
// app's session to PHP, old and new.
func cookieSpellings() (out []string) {
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)+"=FORGED") }
	for b := 0x20; b <= 0xff; b++ {
		if b == 0x7f || b == ';' {
			continue // such a header is refused, or the cookie is two
		}
		c := string([]byte{byte(b)})
		add("%sPHPSESSID", c)
		add("PHPSESSID%s", c)
		add("app%ssid", c)
		add("%%%02xapp_sid", b)
		add("app%%%02Xsid", b)
		add("PHPSESSID%%%02x", b)
		add("ASP%sNET%sSessionId", c, c)
	}
	for _, name := range []string{"PHPSESSID[]", "PHPSESSID[a][b]", "PHPSESSID[", "PHPSESSID]", "app[sid]", "app[sid", "[app_sid", "app_sid[x", "\tPHPSESSID", " \t PHPSESSID",
		"PHPSESSID\t", "%50HPSESSID", "%70hpsessid", "phpsessid", "PHPSESSID%00", "%00PHPSESSID", "__Host-PHPSESSID", "..PHPSESSID", "++PHPSESSID", "PHPSESSID~nobody", "app.sid", "app+sid", "a%70p_sid"} {
		add("%s", name)
	}
	return append(out, "=PHPSESSID=FORGED", "==app_sid=FORGED", "PHPSESSID", "a=1,PHPSESSID=FORGED", `a="1; PHPSESSID=FORGED; "`, "PHPSESSID==FORGED")
}
