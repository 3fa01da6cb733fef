package configs_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/configs"
)

// TestTLS: what is wrong with the section, and with hosts because of it.
func TestTLS(t *testing.T) {
	cert, key := certificate(t, "*.example.com", "localhost", "intranet")
	const acme = "acme: {email: ops@cocoom.com}"
	const own = "acme: {email: ops@cocoom.com, directory: https://ca.intranet/acme}"
	for _, row := range []struct{ name, rest, host, want string }{
		{"nothing", "", "a.cocoom.com", ""},
		{"ACME", "tls: {" + acme + ", redirect: ':80', hsts: 8760h}", "a.cocoom.com", ""},
		{"no e-mail", "tls: {acme: {}}", "a.cocoom.com", "tls.acme.email: is no e-mail address"},
		{"e-mail with a name", "tls: {acme: {email: Ops <ops@cocoom.com>}}", "a.cocoom.com", "tls.acme.email: is no e-mail address"},
		{"plain directory", "tls: {acme: {email: ops@cocoom.com, directory: http://ca}}", "a.cocoom.com", "tls.acme.directory: is no https address"},
		{"CA of nothing", "tls: {acme: {email: ops@cocoom.com, ca: x}}", "a.cocoom.com", "tls.acme.ca: holds no certificate"},
		{"public_scheme http", "tls: {" + acme + "}\npublic_scheme: http", "a.localhost", "public_scheme: is http although tls is on"},

		{"localhost", "tls: {" + acme + "}", "a.localhost", "routes[0].host: is this machine, for which no authority"},
		{"address", "tls: {" + acme + "}", "192.0.2.7", "routes[0].host: is an address, and ACME is asked for names alone"},
		{"one label", "tls: {" + acme + "}", "intranet", "routes[0].host: is a name of a private network"},
		{"private name", "tls: {" + acme + "}", "app.internal", "routes[0].host: is a name of a private network"},
		{"Let's Encrypt's other directory", "tls: {acme: {email: ops@cocoom.com, directory: https://acme-staging-v02.api.letsencrypt.org/directory}}",
			"app.internal", "routes[0].host: is a name of a private network"},
		{"private name, own authority", "tls: {" + own + "}", "app.internal", ""},
		{"localhost, own authority", "tls: {" + own + "}", "localhost", "routes[0].host: is this machine"},
		{"private name, own certificate", "tls: {cert: c.pem, key: k.pem, " + acme + "}", "intranet", ""},
		{"localhost, own certificate", "tls: {cert: c.pem, key: k.pem, " + acme + "}", "localhost", ""},
		{"localhost, another's certificate", "tls: {cert: c.pem, key: k.pem, " + acme + "}", "a.localhost", "routes[0].host: is this machine"},

		{"redirect without TLS", "tls: {redirect: ':80'}", "a.cocoom.com", "tls.redirect: sends browsers to https, but nothing"},
		{"redirect where others listen", "listen: ':443'\ntls: {redirect: ':443', " + acme + "}", "a.cocoom.com", "tls.redirect: is the address of listen too"},
		{"redirect where operators listen", "tls: {redirect: ':9090', " + acme + "}", "a.cocoom.com", "tls.redirect: is the address of admin too"},
		{"redirect without a port", "tls: {redirect: '80', " + acme + "}", "a.cocoom.com", "tls.redirect: is no address to listen on"},
		{"hsts without TLS", "tls: {hsts: 1h}", "a.cocoom.com", "tls.hsts: is for whoever ends TLS"},
		{"hsts of no kind", "tls: {hsts: 1y, " + acme + "}", "a.cocoom.com", "tls.hsts: is no duration: write a number and a unit, such as 720h, or off"},
		{"hsts before now", "tls: {hsts: -1h, " + acme + "}", "a.cocoom.com", "tls.hsts: is no duration"},
		{"hsts for ever", "tls: {hsts: 99999h, " + acme + "}", "a.cocoom.com", "tls.hsts: is longer than two years"},
	} {
		file := row.rest + fmt.Sprintf("\nroutes: [{host: %s, slack_app: {bot_token: xoxb-1}, notify: {bearer_tokens: [ck_0123456789abcdef]}}]\n", row.host)
		_, err := configs.Load(write(t, "gateway.yaml", file, "c.pem", cert, "k.pem", key), none)
		switch {
		case row.want == "" && err != nil:
			t.Errorf("%s: %v", row.name, err)
		case row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want) || strings.Count(err.Error(), "gateway.yaml:") != 1):
			t.Errorf("%s: got %v, want %s alone", row.name, err, row.want)
		}
	}
}

func TestHSTS(t *testing.T) {
	for word, want := range map[string]time.Duration{"": 720 * time.Hour, "hsts: 8760h, ": 8760 * time.Hour, "hsts: 0s, ": 0, "hsts: off, ": -1, "hsts: 'off', ": -1} {
		cfg, err := configs.Load(write(t, "gateway.yaml", "tls: {"+word+"acme: {email: ops@cocoom.com}}\n"+
			"routes: [{host: a.cocoom.com, slack_app: {bot_token: xoxb-1}, notify: {bearer_tokens: [ck_0123456789abcdef]}}]\n"), none)
		if err != nil {
			t.Fatal(err)
		}
		if got := time.Duration(cfg.TLS.HSTS); got != want {
			t.Errorf("%q gives %s, want %s", word, got, want)
		}
	}
}
