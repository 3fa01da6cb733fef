package notifyhook

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
)

func TestBacklog(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		r.routes()[host].Limits.Backlog = 3
		first := `{"key":"k1","to":["C0GENERAL","C0VENTES"],"text":"x"}`
		if w := post(r, first); w.Code != 202 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		w := post(r, `{"key":"k2","to":["C0GENERAL","C0VENTES"],"text":"x"}`)
		if a := decode(t, w); w.Code != 429 || a.Code != "backlog_full" || !a.Retryable || w.Header().Get("Retry-After") != "60" {
			t.Errorf("two more: %d %v %s", w.Code, w.Header(), w.Body)
		}
		if w := post(r, first); w.Code != 200 {
			t.Errorf("what is there already: %d %s", w.Code, w.Body)
		}
		if a := r.Alarms(); len(a) != 1 || a[0].Kind != "backlog" {
			t.Errorf("alarms %+v", a)
		}
		a := postBatch(t, r, batchOf(minimalJSON, minimalJSON))
		if got := itemWords(a); got[0] != "202" || got[1] != "429 backlog_full" {
			t.Errorf("batch %q", got)
		}
		if len(r.Alarms()) != 1 {
			t.Errorf("alarms %+v", r.Alarms())
		}
		for range 2 {
			clock.advance(pace)
			step(t, r)
		}
		if w := post(r, `{"key":"k2","to":["C0GENERAL","C0VENTES"],"text":"x"}`); w.Code != 202 || len(r.Alarms()) != 0 {
			t.Errorf("after they were sent: %d %s, alarms %+v", w.Code, w.Body, r.Alarms())
		}
		// Another process's deliveries are seen after a while.
		other, _, _ := newTestRelay(t, r.store, "")
		other.now, other.clock = r.now, r.clock
		mustPost(t, other, minimalJSON)
		clock.advance(recountAfter)
		if w := post(r, minimalJSON); w.Code != 429 {
			t.Errorf("with another's: %d %s", w.Code, w.Body)
		}
	})
}

func TestBacklogThatCannotBeCounted(t *testing.T) {
	var b backlog
	now := time.Now()
	broken := func() (int, error) { return 0, errors.New("no store") }
	for range 3 {
		if full, _ := b.isFull(2, 3, now, broken); full {
			t.Error("what cannot be counted is refused")
		}
		now = now.Add(recountFull)
	}
}

// A form that is sent twice without a key is one notification, for a while, and
// whichever process takes it.
func TestCollapse(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r, clock, _ := newTestRelay(t, s, "")
		r.routes()[host].Collapse = 10 * time.Second
		const body = `{"to":["C01","C02"],"type":"a.b","text":"x","entity":"e","meta":{"n":1}}`
		first := post(r, body)
		id := decode(t, first).ID
		if first.Code != 202 || decode(t, first).Key != "" {
			t.Fatalf("%d %s", first.Code, first.Body)
		}
		for name, tt := range map[string]struct {
			body string
			same bool
		}{
			"again":        {body, true},
			"other notes":  {strings.Replace(body, `"n":1`, `"n":2`, 1), true},
			"other text":   {strings.Replace(body, `"x"`, `"y"`, 1), false},
			"other people": {strings.Replace(body, `,"C02"`, ``, 1), false},
			"other type":   {strings.Replace(body, `a.b`, `a.c`, 1), false},
			"other entity": {strings.Replace(body, `"e"`, `"f"`, 1), false},
			"other time":   {strings.Replace(body, `{"to"`, `{"send_at":"2026-11-24T08:00:00Z","to"`, 1), false},
			"with a key":   {strings.Replace(body, `{"to"`, `{"key":"k","to"`, 1), false},
		} {
			w := post(r, tt.body)
			if a := decode(t, w); (a.ID == id) != tt.same || a.Duplicate != tt.same || a.Key != "" && name != "with a key" {
				t.Errorf("%s: %d %s", name, w.Code, w.Body)
			}
		}
		clock.advance(10 * time.Second)
		second := decode(t, post(r, body)).ID
		if second == id {
			t.Error("after its time it is still the same")
		}
		if got := listAll(t, r, "to=C01&key="+""); len(got) == 0 || show(t, r, id).Key != "" {
			t.Errorf("the key of our own shows: %+v", show(t, r, id))
		}
		// Many at once, on two replicas, when the former one's time is over.
		clock.advance(10 * time.Second)
		other, _, _ := newTestRelay(t, s, "")
		other.clock, other.arrival, other.routes()[host].Collapse = r.clock, r.arrival, 10*time.Second
		var mu sync.Mutex
		codes := map[int]int{}
		var group sync.WaitGroup
		for i := range 20 {
			group.Go(func() {
				w := post([]*Relay{r, other}[i%2], body)
				mu.Lock()
				defer mu.Unlock()
				codes[w.Code]++
			})
		}
		group.Wait()
		if codes[202] != 1 || codes[200] != 19 {
			t.Errorf("codes %v", codes)
		}
	})
}

func from(r *Relay, remote string) *httptest.ResponseRecorder {
	req := httptest.NewRequest("POST", "/v1/notifications", strings.NewReader(minimalJSON))
	req.RemoteAddr = remote
	req.Header.Set("Authorization", "Bearer "+testToken)
	w := httptest.NewRecorder()
	r.Handler(host).ServeHTTP(w, req)
	return w
}

func TestAllowFrom(t *testing.T) {
	r, _, _ := newTestRelay(t, sqliteStore(t), "")
	if w := from(r, ""); w.Code != 202 {
		t.Errorf("from everywhere: %d %s", w.Code, w.Body)
	}
	r.routes()[host].AllowFrom = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}
	for remote, want := range map[string]int{
		"10.1.2.3:4": 202, "10.1.2.3": 202, "[::ffff:10.1.2.3]:4": 202, "[2001:db8::1]:4": 202, "[2001:db8::1%eth0]:4": 202,
		"11.1.2.3:4": 403, "[2001:db9::1]:4": 403, "": 403, "invalid IP": 403, "@": 403,
	} {
		w := from(r, remote)
		if w.Code != want || want == 403 && decode(t, w).Code != "ip_not_allowed" {
			t.Errorf("%s: %d %s", remote, w.Code, w.Body)
		}
	}
}

// Refused callers are counted and logged, now and then, and lock nobody out.
func TestRefusedCallers(t *testing.T) {
	r, clock, log := newTestRelay(t, sqliteStore(t), "")
	lines := func() int { return strings.Count(log.String(), "notification caller refused") }
	for range 100 {
		call(r, "POST", "/v1/notifications", minimalJSON, "Authorization", "Bearer x")
	}
	if n := lines(); n != 3 || !strings.Contains(log.String(), `"times":100`) || !strings.Contains(log.String(), `"client":"192.0.2.1"`) {
		t.Errorf("%d lines for 100 refusals: %s", n, log)
	}
	if w := post(r, minimalJSON); w.Code != 202 {
		t.Errorf("a good one from the same address: %d", w.Code)
	}
	if w := post(r, `{}`); w.Code != 422 || lines() != 3 {
		t.Errorf("a mistake is no refusal: %d, %d lines", w.Code, lines())
	}
	clock.advance(2 * forgetRefusals)
	call(r, "POST", "/v1/notifications", minimalJSON)
	if lines() != 4 {
		t.Error("after a while it is news again")
	}
	for i := range 2 * maxRefusals {
		r.refusals.note(fmt.Sprint(i), netip.Addr{}, clock.now())
	}
	if n := len(r.refusals.count); n > maxRefusals {
		t.Errorf("%d are remembered", n)
	}
}
