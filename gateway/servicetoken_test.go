package gateway_test

import (
	"encoding/base64"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/policy"
)

// machineRoom is a world whose first route has service tokens: cron for
// /cron/* and /admin/*, late, which ends a day from now, and its second route
// one of its own.
func machineRoom(t testing.TB, change ...func(*gateway.Config)) (w *world, cron, late, foreign string) {
	t.Helper()
	give := func(rt *gateway.Route, id string, notAfter time.Time, paths ...string) string {
		token, hash := gateway.NewServiceToken()
		rt.ServiceTokens = append(rt.ServiceTokens, gateway.ServiceToken{ID: id, Hash: hash, NotAfter: notAfter, Paths: paths})
		return token.Reveal()
	}
	w = newWorld(t, append([]func(*gateway.Config){func(c *gateway.Config) {
		year := c.Now().Add(365 * 24 * time.Hour)
		cron = give(&c.Routes[0], "cron", year, "/cron/*", "/admin/*", "/public/*", "/.gateway/*", "/files/*")
		late = give(&c.Routes[0], "late", c.Now().Add(time.Hour), "/cron/*")
		foreign = give(&c.Routes[1], "cron", year, "/**")
		c.Routes[0].Policy = rules(t,
			policy.Rule{Path: "/public/*", Allow: policy.Allow{Public: true}},
			policy.Rule{Path: "/cron/*", Allow: policy.Allow{ServiceTokens: []string{"cron", "late"}}},
			policy.Rule{Path: "/files/*", Allow: policy.Allow{ServiceTokens: []string{"cron", "late"}, Emails: []string{"marie@agrafmania.fr"}}},
			policy.Rule{Path: "/admin/*", Allow: policy.Allow{Emails: []string{"marie@agrafmania.fr"}}},
			policy.Rule{Path: "/office/*", Allow: policy.Allow{CIDRs: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}},
			policy.Rule{Path: "/**", Allow: policy.Allow{Members: true}})
	}}, change...)...)
	return w, cron, late, foreign
}

func rules(t testing.TB, list ...policy.Rule) *policy.Policy {
	t.Helper()
	p, err := policy.New(list, false)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func bearer(token string) []string { return []string{"Authorization", "Bearer " + token} }

func basic(user, password string) []string {
	return []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))}
}

// program adds what programs send: nothing of a browser's.
func program(header []string) []string {
	return append([]string{"Sec-Fetch-Mode", "", "Sec-Fetch-Dest", "", "Accept", "*/*"}, header...)
}

// TestServiceTokens: a token opens its own paths of its own route, where a rule
// names it; it never reaches the app, and is never an answer to who a person is.
func TestServiceTokens(t *testing.T) {
	w, cron, late, foreign := machineRoom(t)
	for name, row := range map[string]struct {
		path   string
		header []string
		status int
		code   string // of the problem
	}{
		"bearer":                   {"/cron/nightly?x=1", bearer(cron), 200, ""},
		"bearer in lower case":     {"/cron", []string{"Authorization", "bearer  " + cron}, 200, ""},
		"password, any user":       {"/cron/feed", basic("whoever", cron), 200, ""},
		"password, no user":        {"/cron/feed", basic("", cron), 200, ""},
		"public path of its own":   {"/public/x", bearer(cron), 200, ""},
		"beside conditions":        {"/files/x", bearer(cron), 200, ""},
		"no token":                 {"/cron/x", nil, 401, "token_required"},
		"unknown":                  {"/cron/x", bearer("cgs_" + strings.Repeat("A", 43)), 401, "token_invalid"},
		"unknown on public path":   {"/public/x", bearer("cgs_x"), 401, "token_invalid"},
		"another route's":          {"/cron/x", bearer(foreign), 401, "token_invalid"},
		"as user name":             {"/cron/x", basic(cron, ""), 401, "token_invalid"},
		"other scheme":             {"/cron/x", []string{"Authorization", "Token " + cron}, 401, "token_invalid"},
		"no scheme":                {"/cron/x", []string{"Authorization", cron}, 401, "token_invalid"},
		"cut":                      {"/cron/x", bearer(cron[:len(cron)-1]), 401, "token_invalid"},
		"its hash":                 {"/cron/x", bearer(w.routes[0].ServiceTokens[0].Hash), 401, "token_required"},
		"not its path":             {"/office/x", bearer(cron), 403, "token_not_allowed"},
		"not its path by a dot":    {"/cron/../office/x", bearer(cron), 403, "token_not_allowed"},
		"not its path by a slash":  {"//cron/x", bearer(cron), 403, "token_not_allowed"},
		"other token's path":       {"/files/x", bearer(late), 403, "token_not_allowed"},
		"no rule names it":         {"/admin/x", bearer(cron), 403, "token_not_allowed"},
		"me":                       {"/.gateway/me", bearer(cron), 403, "token_not_allowed"},
		"account":                  {"/.gateway/", bearer(cron), 403, "token_not_allowed"},
		"webhook":                  {"/.gateway/v1/notifications", bearer(cron), 403, "token_not_allowed"},
		"key set, unknown token":   {"/.gateway/jwks.json", bearer("cgs_x"), 401, "token_invalid"},
		"an app's own credentials": {"/public/x", bearer("app_secret"), 200, ""},
		"an app's own password":    {"/public/x", basic("lea", "secret"), 200, ""},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(w.seen)
			got := w.browser().get(w.routes[0].Origin+row.path, program(row.header)...)
			if got.StatusCode != row.status || row.code != "" && !strings.Contains(got.text, `"code":"`+row.code+`"`) {
				t.Fatalf("answered %d %s, want %d %s", got.StatusCode, got.text, row.status, row.code)
			}
			if strings.Contains(got.text+w.log.String(), cron) {
				t.Error("the token is shown or logged")
			}
			if row.status != 200 {
				if len(w.seen) > before {
					t.Error("reached the app")
				}
				return
			}
			app := w.last()
			passes := strings.HasPrefix(name, "an app's")
			if sent := app.Header.Get("Authorization"); passes != (sent != "") {
				t.Errorf("the app got Authorization %q", sent)
			}
			for _, h := range []string{"X-Forwarded-User", "X-Forwarded-Email", "X-Gateway-Assertion"} {
				if app.Header.Get(h) != "" {
					t.Errorf("the app was told %s", h)
				}
			}
		})
	}
	if !strings.Contains(w.log.String(), `"service_token":"cron"`) {
		t.Error("the access log does not say which token")
	}
}

// TestServiceTokenAsABrowserWould: whoever presents a token is a program,
// however it looks: it is sent neither to Slack nor to a page, and a cookie
// beside the token counts for nothing.
func TestServiceTokenAsABrowserWould(t *testing.T) {
	w, cron, _, _ := machineRoom(t)
	b := w.browser()
	b.signIn(w.routes[0].Origin+"/files/x", teams[0], "U0MARIE")
	for _, path := range []string{"/admin/x", "/other"} {
		if got := b.get(w.routes[0].Origin+path, bearer(cron)...); got.StatusCode != 403 || got.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s answered %d %s", path, got.StatusCode, got.Header.Get("Content-Type"))
		}
	}
	if got := b.get(w.routes[0].Origin+"/files/x", bearer(cron)...); got.StatusCode != 200 || w.last().Header.Get("X-Forwarded-User") != "" {
		t.Errorf("answered %d; the app was told of %q", got.StatusCode, w.last().Header.Get("X-Forwarded-User"))
	}
	twice := raw(t, w, "GET /cron/x HTTP/1.1\r\nHost: "+host+"\r\nAuthorization: Bearer "+cron+"\r\nAuthorization: Basic eDp5\r\nConnection: close\r\n\r\n")
	if twice.StatusCode != 401 {
		t.Errorf("two Authorization headers: answered %d", twice.StatusCode)
	}
}

// TestServiceTokenExpires on the last moment of its time.
func TestServiceTokenExpires(t *testing.T) {
	w, _, late, _ := machineRoom(t)
	ask := func() int {
		return w.browser().get(w.routes[0].Origin+"/cron/x", program(bearer(late))...).StatusCode
	}
	w.advance(time.Hour - time.Second)
	if got := ask(); got != 200 {
		t.Errorf("a second before its end: %d", got)
	}
	w.advance(time.Second)
	if got := ask(); got != 401 {
		t.Errorf("at its end: %d", got)
	}
	if log := w.log.String(); !strings.Contains(log, `"service_token":"late","failure":"token_invalid: expired"`) {
		t.Errorf("the log does not say so: %s", log)
	}
	day := gateway.ServiceToken{NotAfter: time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC)}
	if got, want := gateway.TokenEnd(day), time.Date(2027, 2, 1, 0, 0, 0, 0, time.UTC); !got.Equal(want) {
		t.Errorf("a bare date ends at %s, want %s", got, want)
	}
}

// TestTokensAreAskedForOfProgramsOnly: wget and feed readers send a password
// when asked, and a browser would ask the person for one.
func TestTokensAreAskedForOfProgramsOnly(t *testing.T) {
	w, _, _, _ := machineRoom(t)
	for name, row := range map[string]struct {
		path   string
		header []string
		basic  bool
		status int
	}{
		"wget":               {"/files/x", program(nil), true, 401},
		"wget, tokens only":  {"/cron/x", program(nil), true, 401},
		"wget elsewhere":     {"/x", program(nil), false, 401},
		"old XHR":            {"/files/x", program([]string{"X-Requested-With", "XMLHttpRequest"}), false, 401},
		"fetch":              {"/files/x", []string{"Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"}, false, 401},
		"fetch, tokens only": {"/cron/x", []string{"Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"}, false, 403},
		"page":               {"/files/x", nil, false, 302},
		"page, tokens only":  {"/cron/x", nil, false, 403},
	} {
		t.Run(name, func(t *testing.T) {
			got := w.browser().get(w.routes[0].Origin+row.path, row.header...)
			asked := strings.Contains(strings.Join(got.Header.Values("WWW-Authenticate"), "|"), "Basic ")
			if got.StatusCode != row.status || asked != row.basic {
				t.Errorf("answered %d, asked for a password: %t", got.StatusCode, asked)
			}
		})
	}
}

// TestAddressesInPolicy: a rule for networks looks at the client that trusted
// proxies name, and at no other word about it.
func TestAddressesInPolicy(t *testing.T) {
	for name, row := range map[string]struct {
		trusted bool
		chain   string
		want    int
	}{
		"named by a trusted proxy":         {true, "192.0.2.7", 200},
		"forged before a trusted proxy":    {true, "192.0.2.7, 203.0.113.9", 403},
		"through two trusted proxies":      {true, "192.0.2.7, 127.0.0.9", 200},
		"IPv4 in IPv6":                     {true, "::ffff:192.0.2.7", 200},
		"unreadable":                       {true, "unknown", 403},
		"no word":                          {true, "", 403},
		"named by somebody":                {false, "192.0.2.7", 403},
		"named by somebody, several times": {false, "192.0.2.7, 192.0.2.7", 403},
	} {
		t.Run(name, func(t *testing.T) {
			w, _, _, _ := machineRoom(t, func(c *gateway.Config) {
				if row.trusted {
					c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
				}
			})
			got := w.browser().get(w.routes[0].Origin+"/office/x", program([]string{"X-Forwarded-For", row.chain, "X-Real-Ip", "192.0.2.7", "Forwarded", "for=192.0.2.7"})...)
			if got.StatusCode != row.want {
				t.Errorf("answered %d, want %d", got.StatusCode, row.want)
			}
		})
	}
}
