package notifyhook

import (
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
)

// exchange puts other routes in force.
func exchange(t testing.TB, r *Relay, apiURL string, routes ...Route) {
	t.Helper()
	apply, err := r.Prepare(routes, apiURL, "https")
	if err != nil {
		t.Fatal(err)
	}
	apply()
}

// While configurations come and go, by which routes get another app and apps
// another name, nothing that is accepted is lost or doubled, and what one caller
// sends to one conversation keeps its order.
func TestNothingIsLostBetweenConfigurations(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	synctest.Test(t, func(t *testing.T) {
		r, _, sim := relayInBubble(t, dir)
		alone, shared := testRoutes(), testRoutes()
		alone[0].Settings.Merge, shared[0].Settings.Merge = mergeOff, mergeOff
		shared[1].BotToken = botToken
		first := Route{Host: "a." + host, BotToken: botToken} // from which the shared app has its name
		r.client = &http.Client{Transport: inNoHurry{r.client.Transport}}
		r.conf.Store(new(configured)) // whose apps would be taken over
		exchange(t, r, sim.APIURL(), alone...)
		stop := running(t, r)
		const each = 40
		recipients := map[string][]string{host: {"C0GENERAL", "C0VENTES", "U0MARIE", "paul@agrafmania.fr"}, otherHost: {"C0GENERAL"}}
		var callers, exchanges sync.WaitGroup
		for one, all := range recipients {
			for _, recipient := range all {
				callers.Go(func() {
					for i := range each {
						rt := r.routes()[one]
						if i%2 == 0 {
							time.Sleep(time.Duration(i) * 153 * time.Millisecond) // the configuration may be another one by now
						}
						if _, _, err := r.accept(t.Context(), rt, request{To: []string{recipient}, Text: fmt.Sprintf("%s %s %03d", one, recipient, i)}, time.Now()); err != nil {
							t.Error(err)
						}
					}
				})
			}
		}
		var over atomic.Bool
		exchanges.Go(func() {
			for i := 0; !over.Load(); i++ {
				exchange(t, r, sim.APIURL(), [][]Route{shared, append([]Route{first}, alone...), alone, append([]Route{first}, shared...)}[i%4]...)
				time.Sleep(time.Duration(i%7) * 1397 * time.Millisecond)
			}
		})
		callers.Wait()
		over.Store(true)
		exchanges.Wait()
		time.Sleep(5 * time.Minute)
		stop()
		got := map[string][]string{}
		for _, workspace := range []string{team, "T0PORT0001"} {
			for _, text := range texts(sim.Messages(workspace, "")) {
				key := text[:strings.LastIndex(text, " ")]
				got[key] = append(got[key], text)
			}
		}
		for one, all := range recipients {
			for _, recipient := range all {
				list := got[one+" "+recipient]
				if len(list) != each || one == host && !slices.IsSorted(list) { // the other's go to two workspaces
					t.Errorf("for %s of %s came %d: %q", recipient, one, len(list), list)
				}
			}
		}
	})
}

// inNoHurry lets every call take two seconds: so long lanes are held.
type inNoHurry struct{ http.RoundTripper }

func (s inNoHurry) RoundTrip(r *http.Request) (*http.Response, error) {
	time.Sleep(2 * time.Second)
	return s.RoundTripper.RoundTrip(r)
}

// What a handler of an older configuration accepts goes where the younger ones
// send from.
func TestAcceptanceFollowsItsRoute(t *testing.T) {
	s := sqliteStore(t)
	r := relayOf(t, s, newFakeClock(), Config{Routes: testRoutes(), APIURL: "http://slack.test"})
	before := r.routes()[host]
	exchange(t, r, "http://slack.test", append([]Route{{Host: "a." + host, BotToken: botToken}}, testRoutes()...)...)
	for _, recipient := range []string{"C0GENERAL", "U0MARIE"} {
		if _, _, err := r.accept(t.Context(), before, request{To: []string{recipient}, Text: "x"}, r.now()); err != nil {
			t.Fatal(err)
		}
	}
	want := "a." + host + "/C0GENERAL\na." + host + ">U0MARIE\n"
	if got := lines(t, s, `SELECT lane FROM delivery ORDER BY lane`, nil); got != want {
		t.Errorf("they wait in\n%s", got)
	}
}

// What Slack asked an app to wait for belongs to its token; so does what it said.
func TestWhatGoesWithTheToken(t *testing.T) {
	clock := newFakeClock()
	r := relayOf(t, sqliteStore(t), clock, Config{Routes: testRoutes(), APIURL: "http://slack.test"})
	routes, before := testRoutes(), r.apps()[host]
	before.limits.pause(postMessage, clock.now().Add(time.Hour))
	r.cache.Add(before.userKey("marie@agrafmania.fr"), remembered{value: "U0MARIE", until: clock.now().Add(time.Hour)})
	r.raise(host, alarmHeld, "account_inactive")

	routes[0].Settings.Lang = "en"
	exchange(t, r, "http://slack.test", routes...)
	now := r.apps()[host]
	if _, known := r.recall(now.userKey("marie@agrafmania.fr")); !known || now.limits != before.limits || now == before {
		t.Error("with the same token, what was known is gone")
	}
	if len(r.alarms.probes(clock.now())) != 0 || r.routes()[host].Lang != "en" {
		t.Error("a held app is asked about too soon, or the change has no effect")
	}
	routes[0].BotToken = "xoxb-replaced"
	exchange(t, r, "http://slack.test", routes...)
	now = r.apps()[host]
	if _, known := r.recall(now.userKey("marie@agrafmania.fr")); known || now.limits == before.limits {
		t.Error("another token goes on with what the last one was told")
	}
	if got := r.alarms.probes(clock.now()); !slices.Equal(got, []string{host}) {
		t.Errorf("with another token %v are tried at once", got)
	}
	r.alarms.tryAgain(host)
	r.beyond(claim{app: before, route: before.first, attempt: 1}, outcome{class: routeDown, reason: "account_inactive"})
	if r.alarms.isHeld(host) {
		t.Error("what is said of the token before holds the new one")
	}
}

// Alarms of routes that are gone do not come back with them.
func TestAlarmsOfRoutesThatAreGone(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r := relayOf(t, s, newFakeClock(), Config{Routes: testRoutes(), APIURL: "http://slack.test"})
		r.raise(host, alarmQuota, "x")
		r.raise(otherHost, alarmQuota, "x")
		for _, routes := range [][]Route{testRoutes(), testRoutes()[1:], testRoutes()} {
			exchange(t, r, "http://slack.test", routes...)
			if err := r.syncAlarms(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if list := r.Alarms(); len(list) != 1 || list[0].Route != otherHost {
			t.Errorf("the alarms are %+v", list)
		}
	})
}

// An error changes nothing.
func TestPrepareRefuses(t *testing.T) {
	r := relayOf(t, sqliteStore(t), newFakeClock(), Config{Routes: testRoutes()})
	before := r.conf.Load()
	if _, err := r.Prepare([]Route{testRoutes()[0], testRoutes()[0]}, "", "https"); err == nil || r.conf.Load() != before {
		t.Errorf("two routes of one host: %v", err)
	}
}
