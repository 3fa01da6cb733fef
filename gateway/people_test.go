package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/internal/slacksim"
	"github.com/cocoom/cocoom-gateway/policy"
)

func deactivate(p *slacksim.Person) { p.Deactivated = true }

func TestDeactivatedByEvent(t *testing.T) {
	eachOffice(t, func(t *testing.T, o *office) {
		paul, marie := o.arrives("U0PAUL"), o.arrives("U0MARIE")
		second := o.arrives("U0PAUL") // another browser
		o.reads()
		if got := o.elsewhere(paul, o.page); got.Code != 200 {
			t.Fatalf("the other replica answered %d before", got.Code)
		}
		o.becomes("U0PAUL", deactivate)
		o.hearsOf("U0PAUL")
		o.wants(paul, o.page, 302, "")
		o.wants(second, o.page, 302, "")
		o.wants(marie, o.page, 200, "app")
		o.reads()
		if got := o.elsewhere(paul, o.page); got.Code != 302 {
			t.Errorf("the other replica answers %d", got.Code)
		}
		// And back: Slack says so at sign-in.
		o.becomes("U0PAUL", func(p *slacksim.Person) { p.Deactivated = false })
		o.advance(time.Second)
		o.wants(o.arrives("U0PAUL"), o.page, 200, "app")
	})
}

func TestDeactivatedWithoutEvents(t *testing.T) {
	eachOffice(t, func(t *testing.T, o *office) {
		paul := o.arrives("U0PAUL")
		o.becomes("U0PAUL", deactivate)
		o.pass(12 * time.Minute)
		asked := len(o.slack.Calls("users.info"))
		if asked != 1 {
			t.Errorf("users.info was called %d times within 15 minutes, want once, at sign-in", asked)
		}
		o.wants(paul, o.page, 200, "app")
		o.pass(3 * time.Minute)
		o.wants(paul, o.page, 302, "")
		o.pass(time.Hour)
		if got := len(o.slack.Calls("users.info")); got != asked+1 {
			t.Errorf("users.info was called %d times more: nobody is signed in", got-asked-1)
		}
	})
}

func TestGuestByEvent(t *testing.T) {
	eachOffice(t, func(t *testing.T, o *office) {
		paul := o.arrives("U0PAUL")
		o.becomes("U0PAUL", func(p *slacksim.Person) { p.Guest = true })
		o.hearsOf("U0PAUL")
		o.wants(paul, o.page, 403, "Guests have no access")
		o.reads()
		if got := o.elsewhere(paul, o.page); got.Code != 403 {
			t.Errorf("the other replica answers %d", got.Code)
		}
	})
}

// TestChangesAreSeen: what Slack says of somebody who may stay is what policy
// decides by and the app is told, with a new assertion.
func TestChangesAreSeen(t *testing.T) {
	o := newOffice(t, nil, func(c *gateway.Config) { c.Routes[0].Login.Guests = "allow" })
	paul := o.arrives("U0PAUL")
	o.wants(paul, o.page, 200, "app")
	before := o.last().Header
	o.becomes("U0PAUL", func(p *slacksim.Person) { p.Guest, p.Name, p.Email = true, "Paul M.", "paul@new.fr" })
	o.hearsOf("U0PAUL")
	o.wants(paul, o.page, 200, "app")
	after := o.last().Header
	if after.Get("X-Forwarded-Email") != "paul@new.fr" || after.Get("X-Forwarded-Preferred-Username") != "Paul M." {
		t.Errorf("the app is told %q %q", after.Get("X-Forwarded-Email"), after.Get("X-Forwarded-Preferred-Username"))
	}
	if before.Get("X-Gateway-Assertion") == after.Get("X-Gateway-Assertion") {
		t.Error("the assertion still says what was before")
	}
	if me := paul.get(o.routes[0].Origin + "/.gateway/me"); !strings.Contains(me.text, `"guest":true`) {
		t.Errorf("/me says %s", me.text)
	}
	var detail string
	if err := o.store.Read().QueryRow(`SELECT detail FROM audit WHERE action = 'people.email_changed'`).Scan(&detail); err != nil || detail != "paul@agrafmania.fr → paul@new.fr" {
		t.Errorf("the audit says %q, %v", detail, err)
	}
	// An address that is not confirmed is what anybody may claim.
	o.becomes("U0PAUL", func(p *slacksim.Person) { p.Email, p.EmailUnverified = "boss@agrafmania.fr", true })
	o.hearsOf("U0PAUL")
	o.wants(paul, o.page, 200, "app")
	if got := o.last().Header.Get("X-Forwarded-Email"); got != "paul@new.fr" {
		t.Errorf("an unconfirmed address was taken: %s", got)
	}
}

func TestUsergroups(t *testing.T) {
	members := func(o *office, users ...string) {
		must(o.t.(*testing.T), o.slack.SetUsergroup(teams[0], slacksim.Usergroup{ID: "S0ADMINS1", Handle: admins, Members: users}))
	}
	t.Run("who is in the group", func(t *testing.T) {
		o := newOffice(t, nil)
		members(o, "U0MARIE")
		marie, paul := o.arrives("U0MARIE"), o.arrives("U0PAUL")
		o.wants(marie, o.admin, 200, "app")
		if got := o.last().Header.Get("X-Forwarded-Groups"); got != admins {
			t.Errorf("the app is told the groups %q", got)
		}
		o.wants(marie, o.routes[0].Origin+"/by-id/x", 200, "app")
		o.wants(paul, o.admin, 403, "reserved for others")
		o.wants(paul, o.page, 200, "app")
		if got, there := o.last().Header["X-Forwarded-Groups"]; !there || got[0] != "" {
			t.Errorf("who is in no group is told as %q, want an empty header", got)
		}
		if n := len(o.slack.Calls("usergroups.list")); n != 1 {
			t.Errorf("two sign-ins listed the groups %d times", n)
		}
		// A replica that has not heard of the sign-in yet.
		if got := o.elsewhere(marie, o.admin); got.Code != 200 {
			t.Errorf("the other replica answers %d", got.Code)
		}
	})
	t.Run("taken out, by event", func(t *testing.T) {
		eachOffice(t, func(t *testing.T, o *office) {
			marie := o.arrives("U0MARIE")
			o.wants(marie, o.admin, 200, "app")
			members(o, "U0PAUL")
			o.hears("subteam_members_changed", map[string]any{"subteam_id": "S0ADMINS1", "removed_users": []string{"U0MARIE"}, "added_users": []string{}})
			o.wants(marie, o.admin, 403, "")
			o.reads()
			if got := o.elsewhere(marie, o.admin); got.Code != 403 {
				t.Errorf("the other replica answers %d", got.Code)
			}
			o.wants(o.arrives("U0MARIE"), o.admin, 403, "") // the list of before is void
		})
	})
	t.Run("taken in, by event", func(t *testing.T) {
		o := newOffice(t, nil)
		members(o, "U0PAUL")
		marie := o.arrives("U0MARIE")
		o.wants(marie, o.admin, 403, "")
		members(o, "U0PAUL", "U0MARIE")
		o.hears("subteam_members_changed", map[string]any{"subteam_id": "S0ADMINS1", "added_users": []string{"U0MARIE"}})
		o.pass(6 * time.Second)
		o.wants(marie, o.admin, 200, "app")
	})
	t.Run("taken out, without events", func(t *testing.T) {
		o := newOffice(t, nil)
		marie := o.arrives("U0MARIE")
		members(o)
		o.pass(16 * time.Minute)
		o.wants(marie, o.admin, 403, "")
	})
	t.Run("renamed and disabled", func(t *testing.T) {
		o := newOffice(t, nil)
		marie := o.arrives("U0MARIE")
		byID := o.routes[0].Origin + "/by-id/x"
		o.hears("subteam_updated", map[string]any{"subteam": map[string]any{"id": "S0ADMINS1", "handle": "old-admins", "date_delete": 0}})
		o.wants(marie, o.admin, 403, "")
		o.wants(marie, byID, 200, "app")
		o.hears("subteam_updated", map[string]any{"subteam": map[string]any{"id": "S0ADMINS1", "handle": "old-admins", "date_delete": 1700000001}})
		o.wants(marie, byID, 403, "")
	})
	for name, break_ := range map[string]func(*office){
		"no scope": func(o *office) { must(o.t.(*testing.T), o.slack.SetScopes("xoxb-secret-0", "users:read")) },
		"no paid plan": func(o *office) {
			o.slack.Fault(slacksim.Fault{Method: "usergroups.list", Error: "plan_upgrade_required"})
		},
		"Slack does not list them today": func(o *office) { o.slack.Fault(slacksim.Fault{Method: "usergroups.list", Kind: slacksim.ServerError}) },
	} {
		t.Run("unknown is not none: "+name, func(t *testing.T) {
			o := newOffice(t, nil)
			break_(o)
			marie := o.arrives("U0MARIE")
			o.wants(marie, o.page, 200, "app")
			if got, there := o.last().Header["X-Forwarded-Groups"]; there {
				t.Errorf("the app is told the groups %q", got)
			}
			o.wants(marie, o.admin, 403, "")
			if got := o.alarms(); strings.HasPrefix(name, "no ") != strings.HasPrefix(got, "usergroups ") {
				t.Errorf("alarms: %s", got)
			}
			o.arrives("U0PAUL")
			if n := strings.Count(o.log.String(), `"kind":"usergroups"`); n > 1 {
				t.Errorf("said %d times", n)
			}
			o.slack.ClearFaults()
			must(t, o.slack.SetScopes("xoxb-secret-0", "users:read", "usergroups:read"))
			o.pass(31 * time.Minute)
			o.wants(marie, o.admin, 200, "app")
			if got := o.alarms(); got != "" {
				t.Errorf("alarms afterwards: %s", got)
			}
		})
	}
}

func TestPinnedEmail(t *testing.T) {
	eachOffice(t, func(t *testing.T, o *office) {
		paul := o.arrives("U0PAUL")
		o.becomes("U0PAUL", func(p *slacksim.Person) { p.Email = "marie@agrafmania.fr" }) // a free plan's own choice
		o.hearsOf("U0PAUL")
		o.wants(paul, o.page, 403, "p…@agrafmania.fr")
		paul = o.browser()
		if got := paul.signIn(o.page, teams[0], "U0PAUL"); got.StatusCode != 403 || !strings.Contains(got.text, "p…@agrafmania.fr") {
			t.Fatalf("signing in was answered %d %s", got.StatusCode, title(got.text))
		}
		if got := paul.get(o.page); got.StatusCode != 302 {
			t.Errorf("answered %d: somebody is signed in", got.StatusCode)
		}
		must(t, o.gateway.AcceptEmail(context.Background(), host, "U0PAUL", "operator"))
		o.wants(o.arrives("U0PAUL"), o.page, 200, "app")
		if got := o.last().Header.Get("X-Forwarded-Email"); got != "marie@agrafmania.fr" {
			t.Errorf("the app is told %s", got)
		}
		if err := o.gateway.AcceptEmail(context.Background(), host, "U0NOBODY", "operator"); err == nil {
			t.Error("the address of nobody was accepted")
		}
	}, func(c *gateway.Config) { c.Routes[0].Login.PinEmail = true })
}

// TestStale: when Slack cannot be asked, what it last said holds for max_stale.
func TestStale(t *testing.T) {
	for name, break_ := range map[string]func(*office){
		"down":      func(o *office) { o.slack.Fault(slacksim.Fault{Kind: slacksim.ServerError}) },
		"our fault": func(o *office) { must(o.t.(*testing.T), o.slack.RevokeToken("xoxb-secret-0")) },
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t, nil)
			paul := o.arrives("U0PAUL")
			break_(o)
			o.pass(23 * time.Hour)
			o.wants(paul, o.page, 200, "app")
			if got := o.alarms(); !strings.Contains(got, "unchecked ") {
				t.Errorf("alarms: %s", got)
			}
			o.pass(2 * time.Hour)
			if got := o.wants(paul, o.page, 503, "cannot check your account"); got.Header.Get("Retry-After") == "" {
				t.Error("503 without Retry-After")
			}
			if name != "down" {
				return
			}
			o.slack.ClearFaults()
			o.pass(30 * time.Second)
			o.wants(paul, o.page, 200, "app")
			if got := o.alarms(); got != "" {
				t.Errorf("alarms afterwards: %s", got)
			}
		})
	}
}

// TestAnswerOlderThanTheEvent: an answer that was on its way when the event came
// does not undo it.
func TestAnswerOlderThanTheEvent(t *testing.T) {
	eachOffice(t, func(t *testing.T, o *office) {
		paul := o.arrives("U0PAUL")
		time.Sleep(2 * time.Millisecond) // the store's clock has to tell the two apart
		old := o.slack.UserObject(teams[0], "U0PAUL")
		o.slack.Fault(slacksim.Fault{Method: "users.info", Times: 1, Kind: slacksim.Custom, Answer: func(rw http.ResponseWriter, _ *http.Request) {
			o.becomes("U0PAUL", deactivate)
			o.hearsOf("U0PAUL")
			writeUser(rw, old)
		}})
		o.pass(16 * time.Minute)
		o.wants(paul, o.page, 302, "")
		if paul, err := o.gateway.Person(context.Background(), host, "U0PAUL"); paul.Refused != "deactivated" || err != nil {
			t.Errorf("the late answer was believed: %q, %v", paul.Refused, err)
		}
	})
}

// TestReplicasDoNotAskTwice: whose turn it is lies in the store, and so does
// what Slack's Retry-After says.
func TestReplicasDoNotAskTwice(t *testing.T) {
	eachOffice(t, func(t *testing.T, o *office) {
		ctx := context.Background()
		for _, user := range []string{"U0PAUL", "U0MARIE"} {
			o.arrives(user)
		}
		before := len(o.slack.Calls("users.info"))
		turn := func() int {
			for _, g := range []*gateway.Gateway{o.gateway, o.replica} {
				must(t, g.AskAboutPeople(ctx))
			}
			return len(o.slack.Calls("users.info")) - before
		}
		o.advance(16 * time.Minute)
		if n := turn(); n != 1 {
			t.Fatalf("%d questions at the same moment, want 1", n)
		}
		o.slack.Fault(slacksim.Fault{Method: "users.info", Times: 1, Kind: slacksim.RateLimited, RetryAfter: 30 * time.Second})
		o.advance(time.Second)
		turn()
		o.advance(29 * time.Second)
		if n := turn(); n != 2 {
			t.Errorf("%d questions before Retry-After was over, want 2", n)
		}
		o.advance(2 * time.Second)
		if n := turn(); n != 3 {
			t.Errorf("%d questions afterwards, want 3", n)
		}
		o.advance(time.Minute)
		if n := turn(); n != 3 {
			t.Errorf("%d questions: somebody was asked about twice", n)
		}
	})
}

func TestManyAreListed(t *testing.T) {
	o := newOffice(t, nil)
	o.gateway.ListPeopleAbove(1)
	paul, marie := o.arrives("U0PAUL"), o.arrives("U0MARIE")
	o.becomes("U0PAUL", deactivate)
	asked := len(o.slack.Calls("users.info"))
	o.pass(16 * time.Minute)
	o.wants(paul, o.page, 302, "")
	o.wants(marie, o.page, 200, "app")
	if lists, more := len(o.slack.Calls("users.list")), len(o.slack.Calls("users.info"))-asked; lists != 1 || more != 0 {
		t.Errorf("%d listings and %d single questions, want one and none", lists, more)
	}
}

// TestListingInPages: the pages of a large workspace are asked for one after the
// other, and who stands on none of them by themselves.
func TestListingInPages(t *testing.T) {
	o := newOffice(t, nil)
	o.gateway.ListPeopleAbove(1)
	paul, marie := o.arrives("U0PAUL"), o.arrives("U0MARIE")
	pages := map[string]string{"": `{"ok":true,"members":[{"id":"U0PAUL","team_id":"T0AGRAF001","is_restricted":true}],"response_metadata":{"next_cursor":"two"}}`,
		"two": `{"ok":true,"members":[{"id":"U0STRANGER","team_id":"T0AGRAF001"},{"id":"U0MARIE","team_id":"T0OTHER","deleted":true}]}`}
	o.slack.Fault(slacksim.Fault{Method: "users.list", Kind: slacksim.Custom, Answer: func(rw http.ResponseWriter, r *http.Request) {
		status(200, pages[r.FormValue("cursor")])(rw, r)
	}})
	asked := len(o.slack.Calls("users.info"))
	o.advance(16 * time.Minute)
	must(t, o.gateway.AskAboutPeople(context.Background()))
	o.advance(time.Second)
	for _, g := range []*gateway.Gateway{o.gateway, o.replica} {
		must(t, g.AskAboutPeople(context.Background()))
	}
	if n := len(o.slack.Calls("users.list")); n != 1 || len(o.slack.Calls("users.info")) != asked {
		t.Errorf("%d pages, and %d questions of another replica, within a second", n, len(o.slack.Calls("users.info"))-asked)
	}
	o.pass(5 * time.Second)
	if n := len(o.slack.Calls("users.list")); n != 2 {
		t.Errorf("%d pages, want 2", n)
	}
	o.wants(paul, o.page, 403, "Guests")
	o.wants(marie, o.page, 200, "app") // whom another workspace lists is not the one we know
	if n := len(o.slack.Calls("users.info")) - asked; n != 1 {
		t.Errorf("%d single questions, want one, about Marie", n)
	}
}

// TestOnePersonDoesNotHoldUpTheOthers: an answer that cannot be read is nobody
// else's matter.
func TestOnePersonDoesNotHoldUpTheOthers(t *testing.T) {
	o := newOffice(t, nil)
	paul := o.arrives("U0PAUL")
	o.advance(time.Second)
	marie := o.arrives("U0MARIE")
	o.slack.Fault(slacksim.Fault{Method: "users.info", Kind: slacksim.Custom, Answer: func(rw http.ResponseWriter, r *http.Request) {
		if r.FormValue("user") == "U0PAUL" {
			status(200, `{"ok":true,"user":{"id":7}}`)(rw, r)
			return
		}
		status(200, `{"ok":true,"user":{"id":"U0MARIE","team_id":"T0AGRAF001","deleted":true}}`)(rw, r)
	}})
	o.pass(16 * time.Minute)
	o.wants(paul, o.page, 200, "app")
	o.wants(marie, o.page, 302, "")
}

// TestGroupsInTheCookie: they are there for replicas that have not heard of the
// sign-in, unless they would make the cookie too large.
func TestGroupsInTheCookie(t *testing.T) {
	for name, row := range map[string]struct {
		groups int
		status int
	}{"few": {3, 200}, "many": {200, 403}} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t, nil)
			for i := range row.groups {
				must(t, o.slack.SetUsergroup(teams[0], slacksim.Usergroup{ID: fmt.Sprintf("S0TEAM%03d", i), Handle: fmt.Sprintf("team-%03d", i), Members: []string{"U0PAUL"}}))
			}
			paul := o.arrives("U0PAUL")
			u, _ := url.Parse(o.page)
			if n := len(paul.Jar.Cookies(u)[0].Value); n >= 1024 {
				t.Errorf("the cookie has %d bytes", n)
			}
			if got := o.elsewhere(paul, o.admin); got.Code != row.status {
				t.Errorf("the other replica answers %d, want %d", got.Code, row.status)
			}
			o.reads()
			if got := o.elsewhere(paul, o.admin); got.Code != 200 {
				t.Errorf("having read the store it answers %d", got.Code)
			}
			o.wants(paul, o.admin, 200, "app")
		})
	}
}

func TestPerson(t *testing.T) {
	eachOffice(t, func(t *testing.T, o *office) {
		o.arrives("U0MARIE")
		for who, known := range map[string]bool{"U0MARIE": true, "Marie@Agrafmania.FR": true, "U0PAUL": false, "": false, "x@y.z": false} {
			id, err := o.gateway.Person(context.Background(), strings.ToUpper(host), who)
			if known == errors.Is(err, gateway.ErrUnknownPerson) || known && (err != nil || id.Refused != "" || id.User != "U0MARIE" || !id.Admin || len(id.Groups) != 1 || id.Groups[0] != admins) {
				t.Errorf("%q is %+v, %v", who, id, err)
			}
		}
		if _, err := o.gateway.Person(context.Background(), "elsewhere", "U0MARIE"); !errors.Is(err, gateway.ErrUnknownPerson) {
			t.Errorf("known on a host that is none: %v", err)
		}
	})
}

// TestOverlayAllocatesNothing: what is known of people costs a warm request
// nothing, also after it has changed.
func TestOverlayAllocatesNothing(t *testing.T) {
	o := newOffice(t, nil, func(c *gateway.Config) { c.Routes[0].Login.PinEmail = true })
	paul := o.arrives("U0PAUL")
	r := httptest.NewRequest("GET", o.page, nil)
	u, _ := url.Parse(o.page)
	for _, c := range paul.Jar.Cookies(u) {
		r.AddCookie(c)
	}
	var who *policy.Identity
	for _, name := range []string{"Paul Martin", "Paul M."} {
		o.becomes("U0PAUL", func(p *slacksim.Person) { p.Name = name })
		o.hearsOf("U0PAUL")
		if n := testing.AllocsPerRun(100, func() { who = o.gateway.OpenSession(&o.routes[0], r) }); n != 0 {
			t.Errorf("%v allocations a request", n)
		}
		if who == nil || who.Name != name || len(who.Groups) != 1 {
			t.Errorf("the session is %+v's, want %s's", who, name)
		}
	}
}
