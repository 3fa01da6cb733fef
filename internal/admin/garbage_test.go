package admin_test

import (
	"encoding/json"
	"maps"
	"net/url"
	"strings"
	"testing"

	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
)

var garbage = map[string]string{
	"NUL": "a\x00b", "no UTF-8": "\xff\xfe", "wildcards": "%_%", "quotes": `'"; DROP TABLE audit; --`, "escape": `\`, "markup": "<script>",
	"negative": "-1", "huge number": "99999999999999999999999", "long": strings.Repeat("%", 6000), "cursor": "AAAA", "padded cursor": "AAAAAAAAAAA=",
}

// TestGarbage: whatever is asked, whoever asked it is told their mistake, or that
// there is nothing like that; it never looks as if the store had failed.
func TestGarbage(t *testing.T) {
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		l := newListenerOn(t, st, "")
		l.exec(`INSERT INTO audit (at, actor, action, object, detail) VALUES (1, 'lea', 'x', 'y', 'z')`)
		for what, bad := range garbage {
			t.Run(what, func(t *testing.T) {
				l.t = t
				l.garbageInQueries(bad)
				l.garbageInForms(bad)
				l.garbageInJSON(bad)
			})
		}
		l.t = t
		if deeds := l.audit(); deeds[0] != "lea x y" {
			t.Errorf("the audit has %q", deeds)
		}
	})
}

func (l *listener) survives(method, path, body string, header ...string) {
	l.t.Helper()
	if status, text := l.ask(method, path, body, header...); status >= 500 || strings.Contains(text, "<script>") {
		l.t.Errorf("%s %.80s %.80q: %d %.300s", method, path, body, status, text)
	}
}

func (l *listener) garbageInQueries(bad string) {
	l.t.Helper()
	routes, audit, sessions := []string{"search", "show", "cursor", "limit"}, []string{"search", "cursor", "limit"}, []string{"route", "person", "cursor", "limit"}
	notifications := []string{"route", "key", "to", "status", "since", "until", "cursor", "limit"}
	for path, names := range map[string][]string{
		"/routes": routes, "/audit": audit, "/sessions": sessions, "/notifications": notifications, "/notifications/failures": {"route"},
		"/people?host=a.localhost&person=U0LEA": {"host", "person"}, "/setup": {"host"}, "/configuration": {"x"}, "/alarms": {"x"}, "/status": {"x"},
		"/ui/": {"done", "n"}, "/ui/routes": routes, "/ui/audit": audit, "/ui/sessions": sessions, "/ui/sessions/end": {"route", "person"},
		"/ui/notifications": notifications, "/ui/people?host=a.localhost&person=U0LEA": {"host", "person"}, "/ui/replay": {"route", "error"}, "/ui/sign-in": {"to", "done"},
	} {
		path, good, _ := strings.Cut(path, "?")
		for _, name := range names {
			query, _ := url.ParseQuery(good)
			query.Set(name, bad)
			l.survives("GET", path+"?"+query.Encode(), "")
		}
	}
	for _, path := range []string{"/routes/", "/notifications/", "/ui/routes/", "/ui/notifications/"} {
		l.survives("GET", path+url.PathEscape(bad), "")
	}
}

func (l *listener) garbageInForms(bad string) {
	l.t.Helper()
	for _, path := range []string{"/ui/sessions/end", "/ui/replay", "/ui/people/accept-email", "/ui/people/export"} {
		for _, name := range []string{"session", "person", "route", "reason", "error", "host"} {
			form := url.Values{"host": {"a.localhost"}, "route": {"a.localhost"}}
			form.Set(name, bad)
			l.survives("POST", path, form.Encode(), "Content-Type", "application/x-www-form-urlencoded", "Origin", "http://127.0.0.1:9090")
		}
	}
}

func (l *listener) garbageInJSON(bad string) {
	l.t.Helper()
	type object = map[string]any
	person := object{"host": "a.localhost", "person": "U0LEA"}
	for path, good := range map[string]object{
		"/sessions/revoke": {"route": "a.localhost"}, "/people/export": person, "/people/erase": person, "/people/accept-email": person,
		"/notifications/cancel": {"id": "ntf_1"}, "/notifications/replay": {"route": "a.localhost", "failed": true}, "/keys/rotate": {},
		"/setup": {"host": "m.localhost"}, "/setup/revoke": {"host": "m.localhost"}, "/setup/reset": {"host": "m.localhost"}, "/setup/token": {"host": "m.localhost"},
		"/break-glass": {"host": "a.localhost", "email": "a@b.fr", "seconds": 600},
	} {
		for _, field := range []string{"by", "session", "person", "route", "reason", "host", "cursor", "id", "error", "email", "user_id", "name"} {
			asked := object{"by": "lea"}
			maps.Copy(asked, good)
			asked[field] = bad
			body, err := json.Marshal(asked)
			if err != nil {
				l.t.Fatal(err)
			}
			l.survives("POST", path, string(body))
		}
	}
}
