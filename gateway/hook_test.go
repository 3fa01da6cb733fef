package gateway_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/cocoom/cocoom-gateway/gateway"
)

// TestHookTokenStaysSecret: a hook's address holds a secret. However it is
// spelled, and whoever is asked, neither the log nor an error page repeats it.
func TestHookTokenStaysSecret(t *testing.T) {
	const token = "0123456789abcdef-alertmanager"
	var asked string
	notify := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		asked = r.URL.Path
		_, _ = io.WriteString(rw, "ok")
	})
	w := newWorld(t, func(c *gateway.Config) { c.Routes[0].Notify = notify })
	private := w.gateway.Private(http.NotFoundHandler())
	const hook = "/services/alertmanager/" + token
	for _, row := range []struct {
		name   string
		served http.Handler
		host   string
		path   string
		asked  string // of the notification API; empty: it was not
		logged string
	}{
		{"plain", w.gateway, host, "/.gateway" + hook, hook, `"/.gateway/services/alertmanager/…"`},
		{"encoded", w.gateway, host, "/%2egateway/%73ervices/alertmanager/" + token, hook, `"/.gateway/services/alertmanager/…"`},
		{"dots and slashes", w.gateway, host, "/x/../.gateway/./services/alertmanager/" + token, hook, `"/.gateway/services/alertmanager/…"`},
		{"encoded slashes", w.gateway, host, "/.gateway%2fservices%2falertmanager%2f" + token, "", `"/.gateway/services/alertmanager/…"`},
		{"backslashes", w.gateway, host, `/.gateway/services\alertmanager\` + token, "", `"/.gateway/services/alertmanager/…"`},
		{"parameters", w.gateway, host, "/.gateway;a/services;b/alertmanager/" + token, "", `"/.gateway/services/alertmanager/…"`},
		{"capitals", w.gateway, host, "/.GATEWAY/Services/alertmanager/" + token, "", `"/.GATEWAY/Services/alertmanager/…"`},
		{"dots that lead out of it", w.gateway, host, "/.gateway/services/..%2f" + token, "", `"/…"`},
		{"a whole address", w.gateway, host, "//evil/.gateway/services/alertmanager/" + token, "", `"/evil/.gateway/services/alertmanager/…"`},
		{"double slashes", w.gateway, host, "//.gateway//services//alertmanager//" + token, "", `"/.gateway/services/alertmanager/…"`},
		{"the token alone", w.gateway, host, "/.gateway/services/" + token, "/services/" + token, `"/.gateway/services/…"`},
		{"as Slack's own", w.gateway, host, "/.gateway/services/T0/B0/" + token, "/services/T0/B0/" + token, `"/.gateway/services/T0/…"`},
		{"a route without notifications", w.gateway, other, "/.gateway" + hook, "", `"/.gateway/services/alertmanager/…"`},
		{"an unknown host", w.gateway, "nobody.localhost", "/.gateway" + hook, "", `"/.gateway/services/alertmanager/…"`},
		{"private", private, "10.0.0.5", "/routes/" + host + hook, hook, `"/routes/` + host + `/services/alertmanager/…"`},
		{"private, unknown route", private, "10.0.0.5", "/routes/nobody.localhost" + hook, "", `"/routes/nobody.localhost/services/alertmanager/…"`},
	} {
		t.Run(row.name, func(t *testing.T) {
			asked = ""
			before := len(w.log.String())
			r := httptest.NewRequest("POST", "http://"+row.host+"/", strings.NewReader("{}"))
			u, err := r.URL.Parse(strings.ReplaceAll(row.path, "//", "/"))
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(row.path, "//") {
				u.Path = row.path
			}
			r.URL, r.RequestURI = u, row.path
			rec := httptest.NewRecorder()
			row.served.ServeHTTP(rec, r)
			log := w.log.String()[before:]
			if asked != row.asked {
				t.Errorf("the notification API was asked for %q, want %q", asked, row.asked)
			}
			if !strings.Contains(log, `"path":`+row.logged) || strings.Contains(log, token) {
				t.Errorf("the log has %s, want the path %s", log, row.logged)
			}
			if strings.Contains(rec.Body.String(), token) {
				t.Errorf("the answer has the token: %s", rec.Body)
			}
		})
	}
}

// TestLoggedPathOfTheApp: an app's own pages are logged as they are called.
func TestLoggedPathOfTheApp(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/services/a/b", "/services", "/.gateway/services", "/routes/x/services/a/b/c", "/x%20y/services"} {
		before := len(w.log.String())
		w.gateway.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "http://"+host+path, nil))
		if log := w.log.String()[before:]; strings.HasPrefix(path, "/routes/") != !strings.Contains(log, `"path":"`+path+`"`) {
			t.Errorf("%s: the log has %s", path, log)
		}
	}
}

// TestSlackAPIPaths: the façade's paths reach the notification API by any
// method; Slack's own events do not.
func TestSlackAPIPaths(t *testing.T) {
	var asked string
	w := newWorld(t, func(c *gateway.Config) {
		c.Routes[0].Notify = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { asked = r.Method + " " + r.URL.Path })
	})
	private := w.gateway.Private(http.NotFoundHandler())
	for request, want := range map[string]string{
		"POST /.gateway/slack/api/chat.postMessage":               "POST /slack/api/chat.postMessage",
		"GET /.gateway/slack/api/users.lookupByEmail?email=a@b.c": "GET /slack/api/users.lookupByEmail",
		"PUT /.gateway/slack/api/auth.test":                       "PUT /slack/api/auth.test",
		"GET /.gateway/services/a/b":                              "GET /services/a/b",
		"POST /.gateway/slack/events":                             "",
		"POST /.gateway/slack/apix":                               "",
		"POST /slack/api/chat.postMessage":                        "",
		"POST /routes/" + host + "/slack/api/chat.postMessage":    "POST /slack/api/chat.postMessage",
	} {
		asked = ""
		method, path, _ := strings.Cut(request, " ")
		served := http.Handler(w.gateway)
		if strings.HasPrefix(path, "/routes/") {
			served = private
		}
		rec := httptest.NewRecorder()
		served.ServeHTTP(rec, httptest.NewRequest(method, "http://"+host+path, nil))
		if asked != want {
			t.Errorf("%s asked for %q, want %q (%d)", request, asked, want, rec.Code)
		}
	}
}
