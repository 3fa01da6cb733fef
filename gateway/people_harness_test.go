package gateway_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/internal/slacksim"
	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
	"github.com/cocoom/cocoom-gateway/policy"
)

// office is a world whose first route has usergroups and Slack's events, with a
// second gateway on the same store, as another replica is.
type office struct {
	*world
	replica *gateway.Gateway
	events  string // where Slack sends them
	page    string // which everybody of the workspace may open
	admin   string // which the group cocoom-admins may open
}

const admins = "cocoom-admins"

// eachOffice runs f on both engines.
func eachOffice(t *testing.T, f func(t *testing.T, o *office), change ...func(*gateway.Config)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, st *store.Store) { f(t, newOffice(t, st, change...)) })
}

// newOffice opens an office; a nil store is an SQLite of its own.
func newOffice(t testing.TB, st *store.Store, change ...func(*gateway.Config)) *office {
	t.Helper()
	o := &office{}
	var cfg gateway.Config
	o.world = newWorld(t, append([]func(*gateway.Config){func(c *gateway.Config) {
		rt := &c.Routes[0]
		rt.SlackApp.SigningSecret = "signing-secret-0"
		var err error
		if rt.Policy, err = policy.New([]policy.Rule{
			{Path: "/admin/*", Allow: policy.Allow{Usergroups: []string{admins}}},
			{Path: "/by-id/*", Allow: policy.Allow{Usergroups: []string{"S0ADMINS1"}}},
			{Path: "/**", Allow: policy.Allow{Members: true}},
		}, false); err != nil {
			t.Fatal(err)
		}
		c.Session = gateway.SessionTimes{Lifetime: 72 * time.Hour, Idle: 72 * time.Hour}
		if st != nil {
			c.Store = st
		}
	}}, append(change, func(c *gateway.Config) { cfg = *c })...)...)
	o.store = cfg.Store
	for _, err := range []error{
		o.slack.UpdateApp("A0", func(a *slacksim.App) { a.SigningSecret = "signing-secret-0" }),
		o.slack.SetScopes("xoxb-secret-0", "users:read", "users:read.email", "usergroups:read"),
		o.slack.SetUsergroup(teams[0], slacksim.Usergroup{ID: "S0ADMINS1", Handle: admins, Members: []string{"U0MARIE", "U0PAUL"}}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if o.replica, err = gateway.New(context.Background(), cfg); err != nil {
		t.Fatal(err)
	}
	door := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		r.Host = host
		o.gateway.ServeHTTP(rw, r)
	}))
	t.Cleanup(door.Close)
	o.events = door.URL + "/.gateway/slack/events"
	o.page, o.admin = o.routes[0].Origin+"/page", o.routes[0].Origin+"/admin/users"
	return o
}

// arrives signs somebody in.
func (o *office) arrives(user string) *browser {
	o.t.Helper()
	o.lose(time.Millisecond) // nobody signs in at the very moment at which they were shut out
	b := o.browser()
	if got := b.signIn(o.page, teams[0], user); got.StatusCode != http.StatusFound {
		o.t.Fatalf("%s cannot sign in: %d %s", user, got.StatusCode, title(got.text))
	}
	return b
}

// becomes changes somebody in Slack, without an event.
func (o *office) becomes(user string, change func(*slacksim.Person)) {
	o.t.Helper()
	if err := o.slack.UpdatePerson(teams[0], user, change); err != nil {
		o.t.Fatal(err)
	}
}

// hears sends an event as Slack does, and wants 200.
func (o *office) hears(kind string, fields map[string]any) {
	o.t.Helper()
	o.hearsEvent(slacksim.Event{Type: kind, Fields: fields})
}

func (o *office) hearsEvent(e slacksim.Event) {
	o.t.Helper()
	e.App, e.Team, e.URL = "A0", teams[0], o.events
	status, body, err := o.slack.SendEvent(context.Background(), e)
	if err != nil || status != http.StatusOK {
		o.t.Fatalf("%s was answered %d %q: %v", e.Type, status, body, err)
	}
}

// hearsOf sends what user_change carries.
func (o *office) hearsOf(user string) {
	o.t.Helper()
	o.hears("user_change", map[string]any{"user": o.slack.UserObject(teams[0], user)})
}

// pass lets time pass while the gateway asks Slack, a question a second, until
// nobody waits.
func (o *office) pass(d time.Duration) {
	o.t.Helper()
	o.advance(d)
	for range 12 {
		if err := o.gateway.AskAboutPeople(context.Background()); err != nil {
			o.t.Fatal(err)
		}
		o.advance(5 * time.Second)
	}
}

// reads lets the other replica read the store.
func (o *office) reads() {
	o.t.Helper()
	for _, err := range []error{o.replica.RefreshRevocations(context.Background()), o.replica.RefreshPeople(context.Background())} {
		if err != nil {
			o.t.Fatal(err)
		}
	}
}

// elsewhere asks the other replica for a page with the browser's cookies.
func (o *office) elsewhere(b *browser, address string) *httptest.ResponseRecorder {
	o.t.Helper()
	r := httptest.NewRequest("GET", address, nil)
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	r.Header.Set("Sec-Fetch-Dest", "document")
	for _, c := range b.Jar.Cookies(r.URL) {
		r.AddCookie(c)
	}
	rec := httptest.NewRecorder()
	o.replica.ServeHTTP(rec, r)
	return rec
}

// wants checks what a page answers.
func (o *office) wants(b *browser, address string, status int, words string) answer {
	o.t.Helper()
	got := b.get(address)
	if got.StatusCode != status || !strings.Contains(got.text, words) {
		o.t.Fatalf("%s answered %d %s, want %d with %q", address, got.StatusCode, title(got.text), status, words)
	}
	return got
}

// alarms names the alarms raised.
func (o *office) alarms() string {
	var all []string
	for _, a := range o.gateway.Alarms() {
		all = append(all, a.Kind+" "+a.Reason)
	}
	return strings.Join(all, ", ")
}

func writeUser(rw http.ResponseWriter, user map[string]any) {
	rw.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(rw).Encode(map[string]any{"ok": true, "user": user})
}
