package admin_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// apiCalls are what programs may ask, with a body that is good but for what it names.
var apiCalls = map[string]string{
	"GET /keys":                   "",
	"POST /keys/rotate":           `{"by":"lea"}`,
	"GET /people":                 "",
	"POST /people/accept-email":   `{"by":"lea","host":"a.localhost","person":"U0NOBODY"}`,
	"POST /people/export":         `{"by":"lea","host":"a.localhost"}`,
	"POST /people/erase":          `{"by":"lea","host":"a.localhost"}`,
	"GET /sessions":               "",
	"POST /sessions/revoke":       `{"by":"lea","session":"abcdef"}`,
	"GET /notifications":          "",
	"GET /notifications/ntf_1":    "",
	"GET /notifications/failures": "",
	"POST /notifications/cancel":  `{"by":"lea","id":"ntf_none"}`,
	"GET /configuration":          "",
	"GET /routes":                 "",
	"GET /routes/a.localhost":     "",
	"GET /alarms":                 "",
	"GET /audit":                  "",
	"POST /notifications/replay":  `{"by":"lea","id":"ntf_none"}`,
	"POST /break-glass":           `{"by":"lea","host":"a.localhost"}`,
}

// TestFromPrograms: whatever changes or tells something refuses each way in
// which a page in an operator's browser could ask for it.
func TestFromPrograms(t *testing.T) {
	l := newListener(t)
	for call, body := range apiCalls {
		method, path, _ := strings.Cut(call, " ")
		for name, row := range map[string]struct {
			header []string
			post   bool // refused for a POST alone
			want   int
		}{
			"a foreign page":          {[]string{"Origin", "https://evil.example"}, false, 403},
			"a page without a name":   {[]string{"Origin", "null"}, false, 403},
			"a page of the listener":  {[]string{"Origin", "http://127.0.0.1:9090"}, false, 403},
			"a link":                  {[]string{"Sec-Fetch-Site", "cross-site"}, false, 403},
			"typed":                   {[]string{"Sec-Fetch-Site", "none"}, false, 403},
			"a rebound name":          {[]string{"Host", "evil.example:9090"}, false, 403},
			"localhost as a prefix":   {[]string{"Host", "localhost.evil.example"}, false, 403},
			"an address as a prefix":  {[]string{"Host", "127.0.0.1.evil.example:9090"}, false, 403},
			"no host":                 {[]string{"Host", ""}, false, 403},
			"a form":                  {[]string{"Content-Type", "application/x-www-form-urlencoded"}, true, 415},
			"JSON as text":            {[]string{"Content-Type", "text/plain"}, true, 415},
			"no type":                 {[]string{"Content-Type", ""}, true, 415},
			"a type that holds JSON":  {[]string{"Content-Type", "text/plain; application/json"}, true, 415},
			"a type of several types": {[]string{"Content-Type", "text/plain, application/json"}, true, 415},
		} {
			if row.post && method != "POST" {
				continue
			}
			if got, said := l.ask(method, path, body, row.header...); got != row.want || !strings.Contains(said, `"error": "`) {
				t.Errorf("%s by %s: answered %d %s, want %d", call, name, got, said, row.want)
			}
		}
		for _, host := range []string{"127.0.0.1:9090", "127.0.0.1", "localhost", "localhost:9090", "[::1]:9090", "[::1]", "::1", "10.0.0.1", "[fe80::1%eth0]:9090"} {
			if got, said := l.ask(method, path, body, "Host", host); got == 403 || got == 415 {
				t.Errorf("%s at %s: answered %d %s", call, host, got, said)
			}
		}
	}
	for path, want := range map[string][2]int{"/livez": {200, 200}, "/readyz": {200, 200}, "/status": {200, 403}, "/": {303, 303}, "/none": {403, 403}, "/ui/": {200, 403}} {
		for i, host := range []string{"localhost:9090", "gateway.example"} {
			if got, said := l.ask("GET", path, "", "Sec-Fetch-Site", "none", "Host", host); got != want[i] {
				t.Errorf("%s of %s in a browser: answered %d %s, want %d", path, host, got, said, want[i])
			}
		}
	}
}

// TestBodies: what a POST says is one JSON object, in bounds, that names who asks.
func TestBodies(t *testing.T) {
	l := newListener(t)
	for call, good := range apiCalls {
		method, path, _ := strings.Cut(call, " ")
		if method != "POST" {
			if got, said := l.ask("POST", path, "{}"); got != 405 {
				t.Errorf("POST %s: answered %d %s", path, got, said)
			}
			continue
		}
		if got, said := l.ask("GET", path, ""); got != 405 && got != 404 {
			t.Errorf("GET %s: answered %d %s", path, got, said)
		}
		for name, body := range map[string]string{
			"nothing": "", "no JSON": "by=lea", "null": "null", "a list": "[" + good + "]", "half": good[:len(good)-1], "two objects": good + good, "and more": good + "]",
			"misspelt":       strings.Replace(good, "{", `{"rout":"a.localhost",`, 1),
			"by nobody":      strings.Replace(good, "lea", "", 1),
			"by a number":    strings.Replace(good, `"lea"`, "1", 1),
			"by two lines":   strings.Replace(good, "lea", `lea\nroot`, 1),
			"by a long name": strings.Replace(good, "lea", strings.Repeat("l", 101), 1),
			"too long":       strings.Repeat(" ", 20<<10) + good,
		} {
			if got, said := l.ask(method, path, body); got != 400 || !strings.Contains(said, "the body is") && !strings.Contains(said, "who asks") {
				t.Errorf("%s with %s: answered %d %s", call, name, got, said)
			}
		}
	}
	if deeds := l.audit(); l.rotate != 0 || len(deeds) != 0 {
		t.Errorf("something was done: %q", deeds)
	}
}

// TestFromThisMachine: whoever may make a break-glass link may become anybody,
// so reaching the listener is not enough.
func TestFromThisMachine(t *testing.T) {
	l := newListener(t)
	const passed = http.StatusBadRequest // as the body is none
	for name, row := range map[string]struct {
		peer, local string
		header      string
		want        int
	}{
		"loopback":                  {"127.0.0.1:4000", "127.0.0.1:9090", "", passed},
		"loopback, IPv6":            {"[::1]:4000", "[::1]:9090", "", passed},
		"the machine's own address": {"10.0.0.5:4000", "10.0.0.5:9090", "", passed},
		"as IPv4 in IPv6":           {"[::ffff:10.0.0.5]:4000", "10.0.0.5:9090", "", passed},
		"another machine":           {"10.0.0.6:4000", "10.0.0.5:9090", "", 403},
		"through a proxy":           {"127.0.0.1:4000", "127.0.0.1:9090", "X-Forwarded-For", 403},
		"through a named proxy":     {"127.0.0.1:4000", "127.0.0.1:9090", "Via", 403},
		"nobody knows":              {"@", "127.0.0.1:9090", "", 403},
	} {
		t.Run(name, func(t *testing.T) {
			local, err := net.ResolveTCPAddr("tcp", row.local)
			if err != nil {
				t.Fatal(err)
			}
			r := httptest.NewRequest("POST", "http://"+row.local+"/break-glass", strings.NewReader("{"))
			r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, local))
			r.RemoteAddr = row.peer
			r.Header.Set("Content-Type", "application/json")
			if row.header != "" {
				r.Header.Set(row.header, "x")
			}
			rec := httptest.NewRecorder()
			l.ServeHTTP(rec, r)
			if rec.Code != row.want {
				t.Errorf("answered %d, want %d: %s", rec.Code, row.want, rec.Body)
			}
		})
	}
}
