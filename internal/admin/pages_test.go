package admin_test

import (
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/admin"
)

// browser is an operator's browser, at one name of the listener.
type browser struct {
	*listener
	host   string
	cookie string
}

func (l *listener) browser() *browser { return &browser{listener: l, host: "localhost:9090"} }

// do sends what a browser would, but for the headers named in pairs: a form
// unless it is nil.
func (b *browser) do(method, path string, form url.Values, header ...string) *httptest.ResponseRecorder {
	b.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(form.Encode()))
	r.Host, r.RemoteAddr = b.host, "127.0.0.1:4000"
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", "http://"+b.host)
	}
	if b.cookie != "" {
		r.Header.Set("Cookie", b.cookie)
	}
	for i := 0; i < len(header); i += 2 {
		if r.Header.Del(header[i]); header[i+1] != "" {
			r.Header.Set(header[i], header[i+1])
		}
	}
	rec := httptest.NewRecorder()
	b.ServeHTTP(rec, r)
	return rec
}

// page gives what a person reads, which must be there.
func (b *browser) page(path string) string {
	b.t.Helper()
	rec := b.do("GET", path, nil)
	if rec.Code != 200 {
		b.t.Fatalf("%s answered %d %s", path, rec.Code, rec.Body)
	}
	return words(rec.Body.String())
}

// send sends a form and gives the page that it leads to.
func (b *browser) send(path string, form url.Values) string {
	b.t.Helper()
	rec := b.do("POST", path, form)
	if rec.Code != http.StatusSeeOther {
		b.t.Fatalf("%s answered %d %s", path, rec.Code, words(rec.Body.String()))
	}
	return b.page(rec.Header().Get("Location"))
}

var tags = regexp.MustCompile(`(?s)<(title|option)\b.*?</(title|option)>|<[^>]*>`)

// words are a page's, with one space between.
func words(page string) string {
	return strings.Join(strings.Fields(html.UnescapeString(tags.ReplaceAllString(page, " "))), " ")
}

const deliveryRow = `INSERT INTO delivery (id, notification_id, route, recipient, lane, state, last_error, accepted_at, due_at, finished_at) VALUES ($1, $2, 'b.localhost', $3, 'lane', $4, $5, $6, $6, $7)`

// addMessages adds two that failed, one of them long ago, and one that waits.
func (l *listener) addMessages() {
	l.t.Helper()
	now := time.Now().UnixMilli()
	for i, row := range [][]any{{"failed", "users_not_found", int64(1000), 1000}, {"failed", "is_archived", now, now}, {"queued", "", now, nil}} {
		id := fmt.Sprintf("ntf_%d", i)
		l.exec(`INSERT INTO notification (id, route, idem_key, request, type, status, accepted_at, expires_at, finished_at) VALUES ($1, 'b.localhost', $2, $3, 'invoice.approved', $4, $5, 9000000000000, $6)`,
			id, "key-"+id, `{"to":["paul@example.com"],"text":"secret words"}`, row[0], row[2], row[3])
		state := map[any]string{"failed": "dead", "queued": "queued"}[row[0]]
		l.exec(deliveryRow, "dlv_"+id, id, "paul@example.com", state, row[1], row[2], row[3])
	}
	l.exec(`INSERT INTO lane (lane, app, due_at) VALUES ('lane', 'b.localhost', 9000000000000)`)
}

// TestPagesTell: every page shows what there is, says so to machines that read it
// aloud, and can do nothing but what it is for.
func TestPagesTell(t *testing.T) {
	l := newListener(t)
	l.addPeople()
	l.addMessages()
	l.exec(sessionRow, strings.Repeat("ab", 32), "a.localhost", "U0PAUL", "paul@example.com", time.Now().UnixMilli(), time.Now().Add(time.Hour).UnixMilli())
	l.exec(`INSERT INTO audit (at, actor, action, object, detail) VALUES (1, 'lea', 'keys.rotated', '100%_<b>', '')`)
	b := l.browser()
	for path, want := range map[string][]string{
		"/ui/":                                           {"What needs a person Nothing does", "3 routes", "1 session ", "queued 1", "dead 2", "Generation 3", "Version test"},
		"/ui/alarms":                                     {"There are none"},
		"/ui/routes":                                     {"3 routes", "a.localhost no alarm login", "b.localhost no alarm login, notifications", "T1 1 2"},
		"/ui/routes?search=B.LOCAL":                      {"1 route", "b.localhost"},
		"/ui/routes?show=notify&cursor=":                 {"1 route", "b.localhost"},
		"/ui/routes?show=alarms":                         {"No route is like that"},
		"/ui/routes/a.localhost":                         {"http://a.localhost", "1 session is open"},
		"/ui/routes/b.localhost":                         {"Waiting 1", "Given up 2", "is_archived 1 the channel is archived", "users_not_found 1", "Send these again", "bearer t1"},
		"/ui/sessions":                                   {"paul@example.com U0PAUL a.localhost Firefox on Windows, 192.0.2.1"},
		"/ui/sessions?person=PAUL@example.com":           {"End all of PAUL@example.com", "U0PAUL"},
		"/ui/sessions?person=nobody":                     {"Nobody like that is signed in"},
		"/ui/sessions/end?person=U0PAUL":                 {"1 session of U0PAUL on all routes will be ended"},
		"/ui/notifications":                              {"invoice.approved ntf_0", "failed nobody in the workspace has this e-mail address", "paul@example.com b.localhost", "key key-ntf_1", "queued"},
		"/ui/notifications?status=failed":                {"ntf_0", "ntf_1"},
		"/ui/notifications?until=1970-01-02T00:00":       {"ntf_0"},
		"/ui/notifications?to=nobody@example.com":        {"There are none like that"},
		"/ui/notifications/ntf_1":                        {"Given up (is_archived): the channel is archived. Unarchive it and replay", "Send again to whom it failed for", "Key of the app key-ntf_1"},
		"/ui/notifications/ntf_2":                        {"queued", "Cancel what is not on its way"},
		"/ui/replay?route=b.localhost":                   {"1 by is_archived", "1 by users_not_found", "Send them again"},
		"/ui/replay?route=b.localhost&error=is_archived": {"what failed by is_archived", "1 by is_archived"},
		"/ui/replay?route=a.localhost":                   {"Nothing is left to send again"},
		"/ui/people":                                     {"E-mail address or Slack id"},
		"/ui/people?host=a.localhost&person=U0MARIE":     {"Marie", "marie@example.com", "yes the policy decides", "Download"},
		"/ui/people?host=a.localhost&person=U0PAUL":      {"no email changed", "Accept boss@example.com", "Sessions here 1"},
		"/ui/audit":                                      {"1970-01-01 00:00:00", "lea keys.rotated 100%_<b>"},
		"/ui/audit?search=100%25_<B":                     {"100%_<b>"},
		"/ui/audit?search=100_":                          {"Nothing like that was done"},
	} {
		rec := b.do("GET", path, nil)
		page := rec.Body.String()
		text := words(page)
		for _, w := range want {
			if rec.Code != 200 || !strings.Contains(text, w) {
				t.Errorf("%s answered %d without %q, but\n%s", path, rec.Code, w, text)
			}
		}
		checkPage(t, path, rec.Header(), page)
	}
	if got := b.page("/ui/notifications?until=1970-01-02T00:00"); strings.Contains(got, "ntf_1") {
		t.Errorf("of 1970: %s", got)
	}
	l.broken, l.mistakes = fault("disk gone"), "gateway.yaml:3:1: lisen: unknown key"
	if got := b.page("/ui/"); !strings.Contains(got, "Not ready: store does not work disk gone") || !strings.Contains(got, "gateway.yaml:3:1: lisen: unknown key") {
		t.Errorf("in trouble the overview says %s", got)
	}
}

type fault string

// Error is what is wrong.
func (f fault) Error() string { return string(f) }

var (
	fields = regexp.MustCompile(`<(?:input|select)[^>]* id="([^"]+)"`)
	heads  = regexp.MustCompile(`<h1>`)
)

// checkPage holds what each page must be.
func checkPage(t *testing.T, path string, h http.Header, page string) {
	t.Helper()
	policy := h.Get("Content-Security-Policy")
	for _, w := range []string{"default-src 'none'", "frame-ancestors 'none'", "form-action 'self'"} {
		if !strings.Contains(policy, w) || strings.Contains(policy, "unsafe") {
			t.Errorf("%s has the policy %s", path, policy)
		}
	}
	if h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "same-origin" {
		t.Errorf("%s has the headers %v", path, h)
	}
	for _, w := range []string{`<html lang="en">`, `class="skip" href="#main"`, `<main id="main"`, `aria-label="Pages"`} {
		if !strings.Contains(page, w) {
			t.Errorf("%s lacks %s", path, w)
		}
	}
	if len(heads.FindAllString(page, -1)) != 1 || strings.Contains(page, "<script") || strings.Contains(page, "style=") || strings.Contains(page, " onclick") || strings.Contains(page, "<no value>") || strings.Contains(page, "secret words") {
		t.Errorf("%s: a page must not be\n%s", path, page)
	}
	for _, field := range fields.FindAllStringSubmatch(page, -1) {
		if !strings.Contains(page, `<label for="`+field[1]+`"`) {
			t.Errorf("%s: the field %s has no label", path, field[1])
		}
	}
}

// TestPagesOfMistakes: what is asked wrongly is said on the page, in words.
func TestPagesOfMistakes(t *testing.T) {
	l := newListener(t)
	b := l.browser()
	for path, want := range map[string]struct {
		status int
		says   string
	}{
		"/ui/none":                          {404, "there is no such page"},
		"/ui/routes/none":                   {404, "there is no such route"},
		"/ui/routes?show=x":                 {400, "show must be one of"},
		"/ui/routes?limit=0":                {400, "limit must be"},
		"/ui/sessions?route=x":              {400, "there is no route x"},
		"/ui/sessions?cursor=x":             {400, "no cursor"},
		"/ui/sessions/end":                  {400, "whose sessions"},
		"/ui/sessions/end?route=x":          {400, "there is no route x"},
		"/ui/notifications?status=x":        {400, "status must be one of"},
		"/ui/notifications?since=yesterday": {400, "since must be a time"},
		"/ui/notifications?rout=x":          {400, `no filter "rout"`},
		"/ui/notifications?cursor=x":        {400, "cursor must be"},
		"/ui/notifications/none":            {404, "no such notification"},
		"/ui/replay":                        {400, "say a route"},
		"/ui/people?host=x&person=y":        {404, "nobody of that name"},
		"/ui/audit?cursor=x":                {400, "this is no cursor"},
		"/ui/audit?cursor=-1":               {400, "this is no cursor"},
		"/ui/?done=<b>&n=9":                 {200, "What needs a person"},
	} {
		rec := b.do("GET", path, nil)
		if text := words(rec.Body.String()); rec.Code != want.status || !strings.Contains(strings.ToLower(text), strings.ToLower(want.says)) {
			t.Errorf("%s answered %d %s, want %d %q", path, rec.Code, text, want.status, want.says)
		}
		checkPage(t, path, rec.Header(), rec.Body.String())
	}
	if err := l.store.Close(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/ui/sessions", "/ui/notifications", "/ui/audit", "/ui/replay?route=b.localhost", "/ui/routes"} {
		if rec := b.do("GET", path, nil); rec.Code != 503 || strings.Contains(rec.Body.String(), "sql") {
			t.Errorf("%s without a store answered %d %s", path, rec.Code, words(rec.Body.String()))
		}
	}
}

// TestForms: what pages change, and that the audit says who did it.
func TestForms(t *testing.T) {
	l := newListener(t)
	l.addPeople()
	l.addMessages()
	for i := range 4 {
		l.exec(sessionRow, strings.Repeat(fmt.Sprint(i+1), 64), "a.localhost", fmt.Sprintf("U%d", i/2), "x@example.com", time.Now().UnixMilli(), time.Now().Add(time.Hour).UnixMilli())
	}
	b := l.browser()
	for _, row := range []struct {
		path string
		form url.Values
		says string
	}{
		{"/ui/sessions/end", url.Values{"session": {strings.Repeat("1", 64)}, "back_route": {"a.localhost"}}, "1 session was ended. Person: e-mail address"},
		{"/ui/sessions/end", url.Values{"person": {"U1"}, "reason": {"lost phone"}}, "2 sessions were ended."},
		{"/ui/sessions/end", url.Values{"route": {"a.localhost"}}, "1 session was ended."},
		{"/ui/notifications/ntf_2/cancel", url.Values{}, "1 message was cancelled."},
		{"/ui/notifications/ntf_0/replay", url.Values{}, "1 notification is sent again."},
		{"/ui/replay", url.Values{"route": {"b.localhost"}, "error": {"is_archived"}}, "1 notification is sent again."},
		{"/ui/replay", url.Values{"route": {"b.localhost"}}, "0 notifications are sent again."},
		{"/ui/people/accept-email", url.Values{"host": {"a.localhost"}, "person": {"U0PAUL"}}, "The address was accepted."},
	} {
		if got := b.send(row.path, row.form); !strings.Contains(got, row.says) {
			t.Errorf("%s %v: %s", row.path, row.form, got)
		}
	}
	rec := b.do("POST", "/ui/people/export", url.Values{"host": {"a.localhost"}, "person": {"U0PAUL"}})
	var file admin.PersonExport
	if err := json.Unmarshal(rec.Body.Bytes(), &file); err != nil || file.Gateway == nil || rec.Header().Get("Content-Disposition") != `attachment; filename="person-a-localhost.json"` {
		t.Errorf("the file: %d %v %s", rec.Code, rec.Header(), rec.Body)
	}
	who := "browser at 127.0.0.1 "
	want := []string{who + "sessions.revoked session " + strings.Repeat("1", 64), who + "sessions.revoked person U1", who + "sessions.revoked route a.localhost",
		who + "notifications.cancelled ntf_2", who + "notifications.replayed ntf_0 as", who + "notifications.replayed 1 failed on b.localhost by is_archived",
		who + "people.email_accepted a.localhost T1/U0PAUL", who + "people.exported a.localhost"}
	got := l.audit()
	if !slices.EqualFunc(got, want, strings.HasPrefix) {
		t.Errorf("the audit says %q", got)
	}
	for path, form := range map[string]url.Values{
		"/ui/sessions/end":               {},
		"/ui/replay":                     {},
		"/ui/notifications/none/replay":  {},
		"/ui/notifications/none/cancel":  {},
		"/ui/notifications/ntf_2/replay": {},
		"/ui/people/accept-email":        {"host": {"a.localhost"}, "person": {"U0NOBODY"}},
		"/ui/people/export":              {"host": {"none"}, "person": {"U0PAUL"}},
	} {
		if rec := b.do("POST", path, form); rec.Code != 400 && rec.Code != 404 && rec.Code != 409 || !strings.Contains(rec.Body.String(), `role="alert"`) {
			t.Errorf("%s %v: answered %d %s", path, form, rec.Code, words(rec.Body.String()))
		}
	}
	if more := l.audit(); len(more) != len(got) {
		t.Errorf("mistakes have done %q", more[len(got):])
	}
}
