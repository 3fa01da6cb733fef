package admin_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
)

// TestGarbageInQueries: whatever is asked, whoever asked it is told their mistake,
// or that there is nothing like that; it never looks as if the store had failed.
func TestGarbageInQueries(t *testing.T) {
	garbage := map[string]string{
		"NUL": "a\x00b", "no UTF-8": "\xff\xfe", "wildcards": "%_%", "quotes": `'"; DROP TABLE audit; --`, "escape": `\`, "markup": "<script>",
		"negative": "-1", "huge number": "99999999999999999999999", "long": strings.Repeat("%", 6000), "cursor": "AAAA", "cursor of NUL": "AAAAAAAAAAA=",
	}
	asked := map[string][]string{
		"/routes": {"search", "show", "cursor", "limit"}, "/audit": {"search", "cursor", "limit"}, "/sessions": {"route", "person", "cursor", "limit"},
		"/notifications": {"route", "key", "to", "status", "since", "until", "cursor", "limit"}, "/notifications/failures": {"route"},
		"/people": {"host", "person"}, "/setup": {"host"}, "/configuration": {"x"}, "/alarms": {"x"}, "/status": {"x"},
	}
	pages := map[string][]string{
		"/ui/": {"done", "n"}, "/ui/routes": asked["/routes"], "/ui/audit": asked["/audit"], "/ui/sessions": asked["/sessions"], "/ui/sessions/end": {"route", "person"},
		"/ui/notifications": asked["/notifications"], "/ui/people": asked["/people"], "/ui/replay": {"route", "error"},
	}
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		l := newListenerOn(t, st, "")
		l.exec(`INSERT INTO audit (at, actor, action, object, detail) VALUES (1, 'lea', 'x', 'y', 'z')`)
		try := func(method, path, body string, header ...string) {
			t.Helper()
			if status, text := l.ask(method, path, body, header...); status >= 500 || strings.Contains(text, "<script>") {
				t.Errorf("%s %.80s %.80q: %d %.300s", method, path, body, status, text)
			}
		}
		for _, bad := range garbage {
			for _, set := range []map[string][]string{asked, pages} {
				for path, names := range set {
					for _, name := range names {
						query := url.Values{name: {bad}}
						if path == "/people" || path == "/ui/people" {
							query = url.Values{"host": {"a.localhost"}, "person": {"U0LEA"}}
							query.Set(name, bad)
						}
						try("GET", path+"?"+query.Encode(), "")
					}
				}
			}
			for _, path := range []string{"/routes/", "/notifications/", "/ui/routes/", "/ui/notifications/"} {
				try("GET", path+url.PathEscape(bad), "")
			}
			form := url.Values{"session": {bad}, "person": {bad}, "route": {bad}, "reason": {bad}, "error": {bad}, "host": {bad}}
			for _, path := range []string{"/ui/sessions/end", "/ui/replay", "/ui/people/accept-email", "/ui/people/export"} {
				for name := range form {
					try("POST", path, url.Values{name: form[name], "route": {"a.localhost"}}.Encode(), "Content-Type", "application/x-www-form-urlencoded", "Origin", "http://127.0.0.1:9090")
				}
			}
			text := strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(bad, `\`, `\\`), `"`, `\"`), "\x00", `\u0000`), "\xff\xfe", `\ud800`)
			for path, fields := range map[string][]string{
				"/sessions/revoke": {"session", "person", "route", "reason"}, "/people/export": {"host", "person", "cursor"}, "/people/erase": {"host", "person"},
				"/people/accept-email": {"host", "person"}, "/notifications/cancel": {"id"}, "/notifications/replay": {"id", "route", "error"},
				"/setup": {"host"}, "/setup/revoke": {"host"}, "/setup/reset": {"host"}, "/break-glass": {"host", "email", "user_id", "name"}, "/keys/rotate": {"by"},
			} {
				for _, field := range fields {
					body := map[string]string{"by": "lea"}
					for _, other := range fields {
						body[other] = map[string]string{"host": "a.localhost", "route": "a.localhost", "email": "a@b.fr", "person": "U0LEA"}[other]
					}
					switch path {
					case "/sessions/revoke":
						body = map[string]string{"by": "lea", "route": "a.localhost"}
					case "/notifications/replay":
						if body = map[string]string{"by": "lea", "route": "a.localhost"}; field != "id" {
							body["failed"] = ""
						}
					}
					body[field] = text
					var parts []string
					for name, value := range body {
						if name == "failed" {
							parts = append(parts, `"failed":true`)
							continue
						}
						parts = append(parts, `"`+name+`":"`+value+`"`)
					}
					extra := ""
					if path == "/break-glass" {
						extra = `,"seconds":600`
					}
					try("POST", path, "{"+strings.Join(parts, ",")+extra+"}")
				}
			}
		}
		if t.Failed() {
			t.Log(l.log.String())
		}
	})
}
