package notifyhook

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
)

func get(r *Relay, path string) *httptest.ResponseRecorder {
	return call(r, "GET", path, "", "Authorization", "Bearer "+testToken)
}

// listed asks over HTTP, page by page, and returns the ids.
func listAll(t testing.TB, r *Relay, query string) []string {
	t.Helper()
	var ids []string
	cursor := ""
	for range 100 {
		w := get(r, "/v1/notifications?"+query+"&cursor="+cursor)
		var page Page
		if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil || w.Code != 200 {
			t.Fatalf("%s: %d %s", query, w.Code, w.Body)
		}
		for _, n := range page.Items {
			ids = append(ids, n.ID)
		}
		if page.Next == "" {
			return ids
		}
		cursor = page.Next
	}
	t.Fatalf("%s: more than 100 pages", query)
	return nil
}

func TestList(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		begun := clock.now()
		sent := mustPost(t, r, `{"key":"k1","to":["C0GENERAL"],"text":"x","meta":{"a":1}}`)
		failed := mustPost(t, r, `{"to":["nobody@agrafmania.fr"],"text":"x"}`)
		partial := mustPost(t, r, `{"to":["#ventes","nobody@agrafmania.fr"],"text":"x"}`)
		suppressed := mustPost(t, r, `{"to":["marie@agrafmania.fr"],"actor":"marie@agrafmania.fr","text":"x"}`)
		for range 5 {
			step(t, r)
			clock.advance(pace)
		}
		clock.advance(time.Minute)
		later := clock.now()
		queued := mustPost(t, r, `{"to":["C0GENERAL","marie@agrafmania.fr"],"text":"x"}`)
		scheduled := mustPost(t, r, `{"to":["C0GENERAL"],"text":"x","send_at":"`+later.Add(time.Hour).Format(time.RFC3339)+`"}`)
		if _, _, err := r.accept(t.Context(), r.routes()[otherHost], request{To: []string{"C0GENERAL"}, Text: "x"}, later); err != nil {
			t.Fatal(err)
		}
		for query, want := range map[string][]string{
			"":                                        {scheduled, queued, suppressed, partial, failed, sent},
			"key=k1":                                  {sent},
			"key=k2":                                  {},
			"to=C0GENERAL":                            {scheduled, queued, sent},
			"to=" + url.QueryEscape("#VENTES"):        {partial},
			"to=MARIE@agrafmania.fr":                  {queued, suppressed},
			"to=nobody@agrafmania.fr":                 {partial, failed},
			"to=nobody@agrafmania.fr&status=failed":   {failed},
			"status=sent":                             {sent},
			"status=failed":                           {failed},
			"status=partial":                          {partial},
			"status=suppressed":                       {suppressed},
			"status=queued":                           {queued},
			"status=scheduled":                        {scheduled},
			"status=cancelled":                        {},
			"to=C0GENERAL&status=queued":              {queued},
			"key=k1&status=failed":                    {},
			"since=" + later.Format(time.RFC3339):     {scheduled, queued},
			"status=sent&since=2026-11-24T00:00:00Z":  {},
			"to=C0GENERAL&since=2026-11-23T09%3A01Z":  nil,
			"since=" + begun.Format(time.RFC3339Nano): {scheduled, queued, suppressed, partial, failed, sent},
		} {
			if want == nil {
				if w := get(r, "/v1/notifications?"+query); w.Code != 422 {
					t.Errorf("%s: %d %s", query, w.Code, w.Body)
				}
				continue
			}
			for _, limit := range []string{"", "&limit=1", "&limit=2"} {
				if got := listAll(t, r, query+limit); !slices.Equal(got, want) {
					t.Errorf("%s%s: got %q, want %q", query, limit, got, want)
				}
			}
		}
		// What a list says of a notification is what asking for it says.
		page, err := r.List(t.Context(), Query{Route: host})
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range page.Items {
			one := show(t, r, n.ID)
			for i := range one.Recipients {
				one.Recipients[i].History = nil
			}
			if got, want := quote(n), quote(one); string(got) != string(want) {
				t.Errorf("listed %s\n shown %s", got, want)
			}
		}
	})
}

func TestListRefuses(t *testing.T) {
	r, _, _ := newTestRelay(t, sqliteStore(t), "")
	for range 2 {
		mustPost(t, r, minimalJSON)
	}
	page, err := r.List(t.Context(), Query{Route: host, Limit: 1})
	if err != nil || page.Next == "" {
		t.Fatal(page, err)
	}
	for query, field := range map[string]string{
		"limit=0": "limit", "limit=101": "limit", "limit=x": "limit", "status=open": "status", "to=Marie": "to", "key=a%20b": "key", "since=today": "since",
		"cursor=%21": "cursor", "cursor=bg": "cursor", "cursor=bm5u": "cursor", "to=C01&cursor=" + page.Next: "cursor", "recipient=C01": "recipient",
	} {
		w := get(r, "/v1/notifications?"+query)
		if a := decode(t, w); w.Code != 422 || a.Errors[0].Field != field {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
	}
	if w := call(r, "HEAD", "/v1/notifications", "", "Authorization", "Bearer "+testToken); w.Code != 200 {
		t.Errorf("HEAD: %d", w.Code)
	}
}

// A page under a cursor stays what it is while newer notifications arrive.
func TestListIsStable(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r, _, _ := newTestRelay(t, s, "")
		var want []string
		for range 4 {
			want = append(want, mustPost(t, r, minimalJSON))
		}
		slices.Reverse(want)
		first, err := r.List(t.Context(), Query{Route: host, To: "C0GENERAL", Limit: 2})
		if err != nil {
			t.Fatal(err)
		}
		mustPost(t, r, minimalJSON)
		second, err := r.List(t.Context(), Query{Route: host, To: "C0GENERAL", Limit: 2, Cursor: first.Next})
		if err != nil || second.Next != "" {
			t.Fatal(second, err)
		}
		var got []string
		for _, n := range append(first.Items, second.Items...) {
			got = append(got, n.ID)
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// Operators list all routes.
func TestListAllRoutes(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r, clock, _ := newTestRelay(t, s, "")
		var want []string
		for i, route := range []string{host, otherHost, host} {
			id, _, err := r.accept(t.Context(), r.routes()[route], request{Key: "same", To: []string{"marie@agrafmania.fr"}, Text: "x"}, clock.now())
			if err != nil {
				t.Fatal(err)
			}
			if i < 2 { // the third is the first again
				want = append(want, id)
			}
		}
		slices.Reverse(want)
		for _, q := range []Query{{}, {Key: "same"}, {To: "Marie@agrafmania.fr"}, {Status: "queued"}, {Status: "queued", Limit: 1}} {
			var got []string
			for {
				page, err := r.List(t.Context(), q)
				if err != nil {
					t.Fatal(err)
				}
				for _, n := range page.Items {
					got = append(got, n.ID+n.Route)
				}
				if q.Cursor = page.Next; q.Cursor == "" {
					break
				}
			}
			if !slices.Equal(got, []string{want[0] + otherHost, want[1] + host}) {
				t.Errorf("%+v: got %q", q, got)
			}
		}
		if _, err := r.List(t.Context(), Query{Status: "lost"}); err == nil {
			t.Error("an unknown status is listed")
		} else if mistake, ok := errors.AsType[*QueryError](err); !ok || mistake.Field != "status" {
			t.Errorf("got %v", err)
		}
	})
}

// A notification that came to one recipient twice, by fallbacks, is listed once.
func TestListFallbacksOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r, _, _ := newTestRelay(t, s, "")
		older, id := mustPost(t, r, to("#ventes", "x")), mustPost(t, r, `{"to":["C01","C02"],"text":"x"}`)
		var between string
		for _, recipient := range []string{"C01", "C02"} {
			execute(t, s, `INSERT INTO delivery (id, notification_id, route, recipient, lane, state, accepted_at, due_at, instead_of)
				SELECT 'f' || recipient, notification_id, route, '#ventes', lane, 'sent', accepted_at, due_at, id FROM delivery WHERE recipient = $1`, recipient)
			if recipient == "C01" {
				between = mustPost(t, r, to("#ventes", "x"))
			}
		}
		for _, limit := range []string{"1", "2", "50"} {
			if got := listAll(t, r, "to=%23ventes&limit="+limit); !slices.Equal(got, []string{id, between, older}) {
				t.Errorf("limit %s: got %q", limit, got)
			}
		}
	})
}

// A filter that no index serves costs a page no more than maxLooked rows.
func TestListLooksNoFurther(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r, clock, _ := newTestRelay(t, s, "")
		old, _, err := r.accept(t.Context(), r.routes()[host], request{To: []string{"C0GENERAL"}, Actor: "C0GENERAL", Text: "x"}, clock.now())
		if err != nil {
			t.Fatal(err)
		}
		fill(t, s, 3000, 1)
		first, err := r.List(t.Context(), Query{To: "C000", Status: "suppressed"})
		if err != nil || len(first.Items) != 0 || first.Next == "" {
			t.Fatalf("got %+v, %v", first, err)
		}
		second, err := r.List(t.Context(), Query{To: "C000", Status: "suppressed", Cursor: first.Next})
		if err != nil || len(second.Items) != 0 || second.Next != "" {
			t.Fatalf("got %+v, %v", second, err)
		}
		if got := listAll(t, r, "status=suppressed"); !slices.Equal(got, []string{old}) {
			t.Errorf("got %q", got)
		}
	})
}

// fill writes n sent notifications, to that many recipients in turn.
func fill(t *testing.T, s *store.Store, n, recipients int) {
	t.Helper()
	execute(t, s, fmt.Sprintf(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
		INSERT INTO notification (id, route, request, status, accepted_at, expires_at, finished_at) SELECT 'ntf_' || i, $1, '{}', 'sent', i, i, i FROM n`, n), host)
	execute(t, s, fmt.Sprintf(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
		INSERT INTO delivery (id, notification_id, route, recipient, lane, state, accepted_at, due_at, finished_at)
		SELECT 'dlv_' || i, 'ntf_' || i, $1, 'C' || SUBSTR(CAST(1000 + i %% %d AS TEXT), 2), 'lane', 'sent', i, i, i FROM n`, n, recipients), host)
	if s.Postgres() {
		execute(t, s, `ANALYZE notification`)
		execute(t, s, `ANALYZE delivery`)
	}
}

func TestListUsesIndexes(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		fill(t, s, 10_000, 200)
		execute(t, s, `UPDATE notification SET route = 'r' || (accepted_at % 50) WHERE accepted_at % 50 > 0`)
		if s.Postgres() {
			execute(t, s, `ANALYZE notification`)
		}
		for _, row := range []struct {
			query Query
			index string
		}{
			{Query{Route: host}, "notification_list"},
			{Query{Route: host, Status: "failed"}, "notification_status"},
			{Query{Route: host, To: "C001"}, "delivery_recipient"},
			{Query{Route: host, To: "C001", Status: "sent"}, "delivery_recipient"},
			{Query{Route: host, Key: "k"}, "idem_key"},
			{Query{To: "C001"}, "delivery_recipient"},
			{Query{Status: "failed"}, "notification_status"},
			{Query{Status: "scheduled"}, "delivery_scheduled"},
			{Query{Key: "k"}, "idem_key"},
		} {
			if row.query.Route == "" && s.Postgres() {
				continue // it reads a table of this size whole
			}
			l, err := newListing(row.query)
			if err != nil {
				t.Fatal(err)
			}
			query, args := l.sql(51)
			explain := "EXPLAIN QUERY PLAN "
			if s.Postgres() {
				explain = "EXPLAIN "
			}
			plan := lines(t, s, explain+query, args)
			index := row.index
			if index == "idem_key" && !s.Postgres() {
				index = "sqlite_autoindex_notification_2"
			}
			if !strings.Contains(plan, index) || strings.Contains(plan, "Seq Scan") || strings.Contains(plan, "SCAN n ") || strings.Contains(plan, "SCAN d ") ||
				row.query.Route == "" && strings.Contains(plan, "rowid<") ||
				row.query.Route != "" && (strings.Contains(plan, "TEMP B-TREE") || strings.Contains(plan, "Hash Join")) {
				t.Errorf("%+v\n%s\nplan:\n%s", row.query, query, plan)
			}
		}
	})
}
