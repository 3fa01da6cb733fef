package notifyhook

import (
	"slices"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
)

// inTwoLanguages is a relay with a template, and people whose Slack is in
// several languages.
func inTwoLanguages(t *testing.T, s *store.Store) (*Relay, *fakeClock, *slacksim.Server) {
	t.Helper()
	clock := newFakeClock()
	sim := newSlack(t, slacksim.Config{Now: clock.now, NoChannelLimit: true})
	for id, locale := range map[string]string{"U0MARIE": "fr-FR", "U0PAUL": "en-GB", "U0JUAN": "es-ES"} {
		if err := sim.UpdatePerson(team, id, func(p *slacksim.Person) { p.Locale = locale }); err != nil {
			t.Fatal(err)
		}
	}
	routes := testRoutes()
	routes[0].Settings.Templates = map[string]Template{"task": {FR: "Tâche {{.no}}", EN: "Task {{.no}}"}, "task.late": {EN: "Task {{.no}} is late"}}
	return relayOf(t, s, clock, Config{Routes: routes, APIURL: sim.APIURL()}), clock, sim
}

func deliverAll(t *testing.T, r *Relay, clock *fakeClock) {
	t.Helper()
	for range 6 {
		step(t, r)
		clock.advance(time.Second)
	}
}

func TestEverybodyIsToldInTheirLanguage(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r, clock, sim := inTwoLanguages(t, s)
		for _, body := range []string{
			`{"to":["marie@agrafmania.fr","U0PAUL","U0JUAN","C0GENERAL"],"type":"task","data":{"no":1}}`,
			`{"to":["U0MARIE","paul@agrafmania.fr"],"type":"task","data":{"no":2},"lang":"en"}`,
			`{"to":["U0MARIE","paul@agrafmania.fr"],"type":"task.late","data":{"no":3},"lang":"auto"}`,
		} {
			mustPost(t, r, body)
			deliverAll(t, r, clock)
		}
		for who, want := range map[string][]string{
			"U0MARIE": {"Tâche 1", "Task 2", "Task 3 is late"}, "U0PAUL": {"Task 1", "Task 2", "Task 3 is late"}, "U0JUAN": {"Tâche 1"}, "C0GENERAL": {"Tâche 1"}} {
			if got := texts(sim.Messages(team, who)); !slices.Equal(got, want) {
				t.Errorf("%s: got %q, want %q", who, got, want)
			}
		}
		if n := len(sim.Calls("users.info")); n != 3 {
			t.Errorf("Slack was asked %d times", n)
		}
	})
}

// Without the scope, everybody is told in the route's language, and Slack is not
// asked for every message.
func TestLanguageWithoutScope(t *testing.T) {
	r, clock, sim := inTwoLanguages(t, sqliteStore(t))
	if err := sim.SetScopes(botToken, "chat:write", "im:write"); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		mustPost(t, r, `{"to":["U0PAUL"],"type":"task","data":{"no":1}}`)
		deliverAll(t, r, clock)
	}
	if got := texts(sim.Messages(team, "U0PAUL")); !slices.Equal(got, []string{"Tâche 1", "Tâche 1", "Tâche 1"}) || len(sim.Calls("users.info")) != 1 || len(r.Alarms()) > 0 {
		t.Errorf("got %q after %d calls, alarms %v", got, len(sim.Calls("users.info")), r.Alarms())
	}
}

func TestMentions(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r, clock, sim := inTwoLanguages(t, s)
		for _, tt := range []struct{ body, text string }{
			{`"text":"<@U0PAUL> a & b","mentions":["paul@agrafmania.fr","nobody@agrafmania.fr","S0OPS","@here"]`,
				"<@U0PAUL> nobody@agrafmania.fr <!subteam^S0OPS> <!here>\n&lt;@U0PAUL&gt; a &amp; b"},
			{`"text":"ask <@U0PAUL|Paul>, not <@U0MARIE> <!channel> <#C0GENERAL> <https://x|x>","format":"mrkdwn","mentions":"U0PAUL"`,
				"ask <@U0PAUL|Paul>, not &lt;@U0MARIE&gt; &lt;!channel&gt; <#C0GENERAL> <https://x|x>"},
			{`"text":"x","format":"mrkdwn","mentions":"everyone,U0PAUL,u@x.fr"`, "<!everyone> <@U0PAUL> u@x.fr\nx"},
		} {
			mustPost(t, r, `{"to":"C0GENERAL",`+tt.body+`}`)
			deliverAll(t, r, clock)
			list := sim.Messages(team, "C0GENERAL")
			if got := list[len(list)-1].Text; got != tt.text {
				t.Errorf("\n got %q\nwant %q", got, tt.text)
			}
		}
		mustPost(t, r, `{"to":"C0GENERAL","text":"x","mentions":"paul@agrafmania.fr,here","blocks":[
			{"type":"section","text":{"type":"mrkdwn","text":"<@U0PAUL> <@U0MARIE>"}},
			{"type":"rich_text","elements":[{"type":"rich_text_section","elements":[{"type":"user","user_id":"U0MARIE"},{"type":"usergroup","usergroup_id":"S0OPS"},{"type":"broadcast","range":"here"},{"type":"broadcast","range":"channel"}]}]}]}`)
		deliverAll(t, r, clock)
		list := sim.Messages(team, "C0GENERAL")
		got := string(list[len(list)-1].Blocks)
		if got != `[{"text":{"text":"\u003c@U0PAUL\u003e \u0026lt;@U0MARIE\u0026gt;","type":"mrkdwn","verbatim":true},"type":"section"},`+
			`{"elements":[{"elements":[{"text":"@U0MARIE","type":"text"},{"text":"@S0OPS","type":"text"},{"range":"here","type":"broadcast"},{"text":"@channel","type":"text"}],"type":"rich_text_section"}],"type":"rich_text"}]` {
			t.Errorf("got %s", got)
		}
	})
}

// Slack's limit on looking people up makes the message wait; no attempt is
// counted, and the mention is live in the end.
func TestMentionsWaitForSlack(t *testing.T) {
	r, clock, sim := inTwoLanguages(t, sqliteStore(t))
	sim.Fault(slacksim.Fault{Method: "users.lookupByEmail", Kind: slacksim.RateLimited, RetryAfter: 20 * time.Second, Times: 1})
	id := mustPost(t, r, `{"to":"C0GENERAL","text":"x","mentions":"paul@agrafmania.fr"}`)
	step(t, r)
	if got := texts(sim.Messages(team, "C0GENERAL")); len(got) > 0 {
		t.Fatalf("sent at once: %q", got)
	}
	clock.advance(30 * time.Second)
	step(t, r)
	if got := texts(sim.Messages(team, "C0GENERAL")); !slices.Equal(got, []string{"<@U0PAUL>\nx"}) {
		t.Errorf("got %q", got)
	}
	if d := show(t, r, id).Recipients[0]; d.Attempts != 1 || d.State != "sent" {
		t.Errorf("got %+v", d)
	}
}
