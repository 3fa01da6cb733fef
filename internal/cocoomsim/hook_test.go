package cocoomsim

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

const hookToken = "ck_agrafmania_0123456789"

// received is one call of the webhook.
type received struct {
	method, host, contentType, authorization string
	form                                     url.Values
}

// startHook starts a webhook that answers with status and body, under a name
// below .localhost.
func startHook(t *testing.T, status int, body string) (address string, calls chan received) {
	t.Helper()
	calls = make(chan received, 20)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		calls <- received{r.Method, r.Host, r.Header.Get("Content-Type"), r.Header.Get("Authorization"), r.PostForm}
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
		io.WriteString(w, body)
	}))
	t.Cleanup(srv.Close)
	return strings.Replace(srv.URL, "127.0.0.1", "agrafmania.localhost", 1) + "/v1/notifications", calls
}

func assign(b *browser, title string) page {
	b.t.Helper()
	return b.post("/taches", url.Values{"dossier": {"12"}, "titre": {title}, "a": {"PAUL@agrafmania.fr"}})
}

func TestAssigningCallsTheWebhook(t *testing.T) {
	hook, calls := startHook(t, 202, `{"id":"ntf_1","status":"queued"}`)
	srv := startApp(t, func(c *Config) { c.Tenants[0].HookURL, c.Tenants[0].HookToken = hook, hookToken })
	b := visitAs(t, srv, "agrafmania.localhost", marie)
	b.header.Set("X-Forwarded-Proto", "https")
	got := assign(b, "Relire & signer")
	if got.path != "/dossiers/12?onglet=taches" || got.text("flash") != "Tâche assignée à Paul Martin. Notification acceptée (202) : ntf_1." {
		t.Errorf("%d %s flash %q", got.status, got.path, got.text("flash"))
	}
	if !strings.Contains(got.body, `class="badge ok"`) || !strings.Contains(got.body, `data-kind="ok"`) {
		t.Error("the page does not show that the notification was accepted")
	}
	call := <-calls
	u, _ := url.Parse(hook)
	if call.method != "POST" || call.host != u.Host || call.contentType != "application/x-www-form-urlencoded" || call.authorization != "Bearer "+hookToken {
		t.Errorf("called with %+v", call)
	}
	key := call.form.Get("key")
	if !regexp.MustCompile(`^task-[A-Za-z0-9-]+-assigned$`).MatchString(key) || len(key) > 128 {
		t.Errorf("key %q", key)
	}
	entity := "task:" + strings.TrimSuffix(strings.TrimPrefix(key, "task-"), "-assigned")
	call.form.Del("key")
	want := url.Values{
		"to": {"paul@agrafmania.fr"}, "actor": {marie.Email}, "type": {"task.assigned"}, "entity": {entity}, "mode": {"update"},
		"data[by]": {"Marie Lefèvre"}, "data[title]": {"Relire & signer"}, "data[dossier]": {"12"}, "data[client]": {"Papeterie Lenoir"},
		"link": {strings.Replace(b.origin, "http:", "https:", 1) + "/dossiers/12?onglet=taches"},
	}
	if call.form.Encode() != want.Encode() {
		t.Errorf("form\n got %s\nwant %s", call.form.Encode(), want.Encode())
	}

	assign(b, "Relire & signer")
	if again := (<-calls).form.Get("key"); again == key {
		t.Errorf("two tasks share the key %s", key)
	}
	paul := visitAs(t, srv, "agrafmania.localhost", Person{"paul@agrafmania.fr", "Paul Martin"})
	if home := paul.get("/"); strings.Count(home.text("my-tasks"), "Relire & signer de Marie Lefèvre") != 2 ||
		!strings.Contains(home.text("activity"), "Marie Lefèvre a assigné « Relire & signer » à Paul Martin") {
		t.Errorf("Paul's tasks: %s; activity: %s", home.text("my-tasks"), home.text("activity"))
	}
}

// A task that is closed changes the message about it, once.
func TestClosingCallsTheWebhook(t *testing.T) {
	hook, calls := startHook(t, 202, `{"id":"ntf_1"}`)
	srv := startApp(t, func(c *Config) { c.Tenants[0].HookURL, c.Tenants[0].HookToken = hook, hookToken })
	b := visitAs(t, srv, "agrafmania.localhost", marie)
	assign(b, "Relire")
	assigned := (<-calls).form
	id := strings.TrimPrefix(assigned.Get("entity"), "task:")
	got := b.post("/taches/cloture", url.Values{"dossier": {"12"}, "tache": {id}})
	if got.text("flash") != "Tâche close. Notification acceptée (202) : ntf_1." || !strings.Contains(got.body, `class="closed"`) {
		t.Errorf("%d flash %q", got.status, got.text("flash"))
	}
	closed := (<-calls).form
	for name, want := range map[string]string{"type": "task.closed", "key": "task-" + id + "-closed", "entity": assigned.Get("entity"), "mode": "update", "data[title]": "Relire"} {
		if closed.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, closed.Get(name), want)
		}
	}
	for name, task := range map[string]string{"again": id, "of nobody": "x", "none": ""} {
		if got := b.post("/taches/cloture", url.Values{"dossier": {"12"}, "tache": {task}}); got.status != 404 || len(calls) != 0 {
			t.Errorf("%s: %d, %d calls", name, got.status, len(calls))
		}
	}
}

// A note tells the channel by a header of the form's answer, which no page has
// whose customer has no channel.
func TestNoteTellsTheChannelInBand(t *testing.T) {
	srv := startApp(t, func(c *Config) { c.Tenants[0].NoteChannel = "#general" })
	for host, want := range map[string]int{"agrafmania.localhost": 1, "editionsduport.localhost": 0} {
		b := visitAs(t, srv, host, marie)
		b.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		text := "Été\r\nX-Evil: 1 100 % <!channel> " + strings.Repeat("é", 2000)
		got := b.post("/notes", url.Values{"dossier": {"12"}, "texte": {text}}).header
		if len(got["X-Notify"]) != want || got.Get("X-Evil") != "" {
			t.Fatalf("%s: %v", host, got)
		}
		if want == 0 {
			continue
		}
		raw, err := url.PathUnescape(got.Get("X-Notify"))
		var said map[string]string
		if err != nil || json.Unmarshal([]byte(raw), &said) != nil {
			t.Fatalf("%s (%v)", got.Get("X-Notify"), err)
		}
		if said["to"] != "#general" || said["entity"] != "dossier:12" || !strings.HasPrefix(said["text"], "Dossier 12, Refonte du catalogue 2026\nMarie Lefèvre : Été") || !strings.HasSuffix(said["text"], "é…") {
			t.Errorf("%v", said)
		}
	}
}

func TestWhatTheWebhookAnswers(t *testing.T) {
	for _, row := range []struct {
		name   string
		status int
		body   string
		want   string
	}{
		{"accepted", 202, `{}`, "Notification acceptée (202)."},
		{"duplicate", 200, `{}`, "Notification déjà connue (200)."},
		{"problem", 422, `{"title":"Invalid","detail":"to[0] is <nobody>"}`, "Notification refusée (422) : to[0] is <nobody>"},
		{"title only", 401, `{"title":"Unauthorized"}`, "Notification refusée (401) : Unauthorized"},
		{"plain", 503, "draining\nsecond line", "Notification refusée (503) : draining"},
		{"empty", 500, "", "Notification refusée (500) : sans explication."},
		{"endless", 500, strings.Repeat("x", 1<<20), "Notification refusée (500) : " + strings.Repeat("x", 199) + "…"},
		{"redirect is not followed", 302, "", "Notification refusée (302) : sans explication."},
	} {
		t.Run(row.name, func(t *testing.T) {
			hook, calls := startHook(t, row.status, row.body)
			srv := startApp(t, func(c *Config) { c.Tenants[0].HookURL = hook })
			got := assign(visitAs(t, srv, "agrafmania.localhost", marie), "Relire")
			if flash := got.text("flash"); flash != "Tâche assignée à Paul Martin. "+row.want {
				t.Errorf("flash %q, want %q", flash, row.want)
			}
			if !strings.Contains(got.text("tasks"), "Relire") {
				t.Error("the task is lost")
			}
			if len(calls) != 1 {
				t.Errorf("%d calls, want 1", len(calls))
			}
		})
	}
}

func TestNoWebhook(t *testing.T) {
	got := assign(visitAs(t, startApp(t, nil), "agrafmania.localhost", marie), "Relire")
	if got.text("flash") != "Tâche assignée à Paul Martin. Aucune notification : le webhook n’est pas configuré." {
		t.Errorf("flash %q", got.text("flash"))
	}
}

func TestWebhookDownNeverPrintsTheToken(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	var log bytes.Buffer
	srv := startApp(t, func(c *Config) {
		c.Tenants[0].HookURL, c.Tenants[0].HookToken = gone.URL, hookToken
		c.Log = slog.New(slog.NewTextHandler(&log, nil))
	})
	got := assign(visitAs(t, srv, "agrafmania.localhost", marie), "Relire")
	if got.text("flash") != "Tâche assignée à Paul Martin. Notification non envoyée : le webhook ne répond pas." {
		t.Errorf("flash %q", got.text("flash"))
	}
	if !strings.Contains(log.String(), "webhook unreachable") || strings.Contains(log.String(), hookToken) || strings.Contains(got.body, hookToken) {
		t.Errorf("log: %s", log.String())
	}
}

func TestTaskForm(t *testing.T) {
	b := visitAs(t, startApp(t, nil), "agrafmania.localhost", marie)
	form := b.get("/dossiers/12?onglet=taches").body
	for _, want := range []string{`id="assign-form"`, `name="titre"`, `name="a"`, `id="assign-submit"`, `<option value="paul@agrafmania.fr">Paul Martin</option>`, `Marie Lefèvre (moi)`} {
		if !strings.Contains(form, want) {
			t.Errorf("the form lacks %s", want)
		}
	}
	for name, fields := range map[string]url.Values{
		"no title":   {"dossier": {"12"}, "titre": {" "}, "a": {marie.Email}},
		"no one":     {"dossier": {"12"}, "titre": {"x"}},
		"a stranger": {"dossier": {"12"}, "titre": {"x"}, "a": {"lea@editionsduport.fr"}},
	} {
		if got := b.post("/taches", fields).status; got != 422 {
			t.Errorf("%s: %d, want 422", name, got)
		}
	}
}

func TestLocalAddr(t *testing.T) {
	for in, want := range map[string]string{
		"agrafmania.localhost:8080": "127.0.0.1:8080", "localhost:1": "127.0.0.1:1", "A.LOCALHOST.:1": "127.0.0.1:1",
		"notlocalhost:1": "notlocalhost:1", "localhost.example.com:1": "localhost.example.com:1", "[::1]:1": "[::1]:1", "broken": "broken",
	} {
		if got := localAddr(in); got != want {
			t.Errorf("localAddr(%q) = %q, want %q", in, got, want)
		}
	}
}
