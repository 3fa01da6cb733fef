package gateway_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/internal/slacksim"
	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
	"github.com/cocoom/cocoom-gateway/policy"
	"github.com/cocoom/cocoom-gateway/proxy"
)

// replica is a gateway without Slack or an app: it knows sessions.
type replica struct {
	*gateway.Gateway
	store    *store.Store
	now      time.Time
	settings gateway.Settings
}

// routes with logins; the first two share a workspace.
var replicaHosts = map[string]string{"a.localhost": "T1", "b.localhost": "T1", "c.localhost": "T2"}

func newReplica(t testing.TB, st *store.Store, seal *gateway.Sealer) *replica {
	t.Helper()
	return startReplica(t, st, seal, time.UnixMilli(1_800_000_000_000))
}

// startReplica is newReplica at another time.
func startReplica(t testing.TB, st *store.Store, seal *gateway.Sealer, now time.Time) *replica {
	t.Helper()
	r := &replica{store: st, now: now}
	cfg := gateway.Config{Prefix: "/.gateway", Sealer: seal, Store: st, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return r.now },
		Settings: gateway.Settings{Session: gateway.SessionTimes{Lifetime: 12 * time.Hour, Idle: 12 * time.Hour}}}
	members, err := policy.New([]policy.Rule{{Path: "/**", Allow: policy.Allow{Members: true}}}, false)
	if err != nil {
		t.Fatal(err)
	}
	for host, team := range replicaHosts {
		identifier, err := proxy.NewIdentifier(proxy.Config{Origin: "http://" + host, Host: host, Keys: proxy.NewKeys()})
		if err != nil {
			t.Fatal(err)
		}
		cfg.Routes = append(cfg.Routes, gateway.Route{Host: host, Origin: "http://" + host, Workspace: team, Policy: members, Login: &gateway.Login{}, Identifier: identifier})
	}
	if r.Gateway, err = gateway.New(context.Background(), cfg); err != nil {
		t.Fatal(err)
	}
	r.settings = cfg.Settings
	return r
}

// signIn begins a session of somebody and gives what asks whether it is alive.
func (r *replica) signIn(t testing.TB, host, user string) func(*replica) bool {
	t.Helper()
	id := policy.Identity{Team: replicaHosts[host], User: user, Email: strings.ToLower(user) + "@example.com"}
	cookie, err := r.Begin(context.Background(), host, id, "Mozilla/5.0 (iPhone) Version/17.5 Mobile/15E148 Safari/604.1")
	if err != nil {
		t.Fatal(err)
	}
	return func(at *replica) bool {
		req := httptest.NewRequest("GET", "http://"+host+"/", nil)
		req.AddCookie(cookie)
		return at.Judge(req) == policy.Allowed
	}
}

// TestRevocations: whom each kind of revocation meets, here at once and on
// another replica with its next look; after a restart as well; and who signs in
// right after it is in.
func TestRevocations(t *testing.T) {
	storetest.EachState(t, func(t *testing.T, state string) {
		// Two processes may share PostgreSQL, and two gateways one SQLite.
		st, seal := storetest.Open(t, state), sealer(t)
		here, there := newReplica(t, st, seal), newReplica(t, st, seal)
		for name, row := range map[string]struct {
			revoke gateway.Revocation
			ended  []string
		}{
			"a person":             {gateway.Revocation{Person: "U1"}, []string{"a U1", "b U1", "c U1"}},
			"a person by e-mail":   {gateway.Revocation{Person: "U1@EXAMPLE.com"}, []string{"a U1", "b U1", "c U1"}},
			"a person on a route":  {gateway.Revocation{Person: "U1", Route: "a.localhost"}, []string{"a U1"}},
			"an e-mail on a route": {gateway.Revocation{Person: "u2@example.com", Route: "b.localhost"}, []string{"b U2"}},
			"a route":              {gateway.Revocation{Route: "a.localhost"}, []string{"a U1", "a U2"}},
			"all":                  {gateway.Revocation{All: true}, []string{"a U1", "a U2", "b U1", "b U2", "c U1", "c U2"}},
			"nobody":               {gateway.Revocation{Person: "U"}, nil},
		} {
			t.Run(name, func(t *testing.T) {
				alive := map[string]func(*replica) bool{}
				for host := range replicaHosts {
					for _, user := range []string{"U1", "U2"} {
						alive[host[:1]+" "+user] = here.signIn(t, host, user)
					}
				}
				row.revoke.Actor = "operator"
				n, err := here.Revoke(t.Context(), row.revoke)
				if err != nil || n != len(row.ended) {
					t.Errorf("ended %d (%v), want %d", n, err, len(row.ended))
				}
				must(t, there.RefreshRevocations(t.Context()))
				again := newReplica(t, st, seal)
				again.now = here.now
				must(t, again.RefreshRevocations(t.Context()))
				for who, alive := range alive {
					want := !slices.Contains(row.ended, who)
					if alive(here) != want || alive(there) != want || alive(again) != want {
						t.Errorf("%s: alive %t here, %t on the other replica, %t after a restart; want %t", who, alive(here), alive(there), alive(again), want)
					}
				}
				here.now = here.now.Add(time.Millisecond)
				there.now, again.now = here.now, here.now
				if in := here.signIn(t, "a.localhost", "U1"); !in(here) || !in(there) || !in(again) {
					t.Error("who signs in afterwards is out, too")
				}
				here.now = here.now.Add(time.Minute)
				there.now = here.now
				if _, err := here.Revoke(t.Context(), gateway.Revocation{All: true}); err != nil { // for the next row
					t.Fatal(err)
				}
				here.now = here.now.Add(time.Minute)
				there.now = here.now
				must(t, here.RefreshRevocations(t.Context()))
			})
		}
	})
}

// TestRevocationWithClocksApart: a session made by a replica whose clock is
// ahead is ended by one whose clock is behind.
func TestRevocationWithClocksApart(t *testing.T) {
	st, seal := storetest.Open(t, filepath.Join(t.TempDir(), "state")), sealer(t)
	behind, ahead := newReplica(t, st, seal), newReplica(t, st, seal)
	ahead.now = behind.now.Add(3 * time.Second)
	for name, r := range map[string]gateway.Revocation{"person": {Person: "U1"}, "route": {Route: "a.localhost"}, "all": {All: true}} {
		alive := ahead.signIn(t, "a.localhost", "U1")
		if _, err := behind.Revoke(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		must(t, ahead.RefreshRevocations(t.Context()))
		if alive(ahead) || alive(behind) {
			t.Errorf("%s: the session outlives its revocation", name)
		}
		ahead.now, behind.now = ahead.now.Add(time.Second), behind.now.Add(time.Second)
	}
}

// TestQuietPollReadsOneRow: as long as nothing is revoked, the table is left
// alone, however long it is.
func TestQuietPollReadsOneRow(t *testing.T) {
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		seal := sealer(t)
		here, there := newReplica(t, st, seal), newReplica(t, st, seal)
		for range 3 {
			alive := here.signIn(t, "a.localhost", "U1")
			if _, err := here.Revoke(t.Context(), gateway.Revocation{Route: "a.localhost"}); err != nil {
				t.Fatal(err)
			}
			must(t, there.RefreshRevocations(t.Context()))
			if alive(there) {
				t.Error("a revocation is missed")
			}
			here.now = here.now.Add(time.Second)
			there.now = here.now
		}
		rename := func(from, to string) {
			must(t, st.Write(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
				_, err := tx.ExecContext(ctx, "ALTER TABLE "+from+" RENAME TO "+to)
				return err
			}))
		}
		rename("revocation", "hidden")
		if err := there.RefreshRevocations(t.Context()); err != nil {
			t.Errorf("a quiet poll reads the table: %v", err)
		}
		rename("hidden", "revocation")
	})
}

// TestManyRevocations: beyond what is kept apart, none is lost; and when an
// older copy of the store is put back, its list counts.
func TestManyRevocations(t *testing.T) {
	st, seal := storetest.Open(t, filepath.Join(t.TempDir(), "state")), sealer(t)
	here, there := newReplica(t, st, seal), newReplica(t, st, seal)
	var ended []func(*replica) bool
	for i := range 3000 {
		if i%1000 == 0 {
			ended = append(ended, here.signIn(t, "a.localhost", fmt.Sprintf("U%d", i)))
		}
		fill(t, st, fmt.Sprintf("a.localhost/T1/U%d", i), here.now.UnixMilli()+1, int64(i+1))
		if i%700 == 0 {
			must(t, there.RefreshRevocations(t.Context()))
		}
	}
	must(t, there.RefreshRevocations(t.Context()))
	for i, alive := range ended {
		if alive(there) {
			t.Errorf("revocation %d is lost", i*1000)
		}
	}
	stays := here.signIn(t, "a.localhost", "U-other")
	must(t, st.Write(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM revocation WHERE seq > 1000`)
		if err == nil {
			_, err = tx.ExecContext(ctx, `UPDATE meta SET value = '1000' WHERE name = 'revocations'`)
		}
		return err
	}))
	must(t, there.RefreshRevocations(t.Context()))
	if !stays(there) || ended[0](there) {
		t.Error("the older list is not the one that counts")
	}
	if _, err := here.Revoke(t.Context(), gateway.Revocation{Person: "U-other"}); err != nil {
		t.Fatal(err)
	}
	must(t, there.RefreshRevocations(t.Context()))
	if stays(there) {
		t.Error("a revocation after it is missed, since it has an old number")
	}
}

// fill writes a person's revocation as another replica would.
func fill(t testing.TB, st *store.Store, value string, before, seq int64) {
	t.Helper()
	err := st.Write(context.Background(), func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO revocation (kind, value, not_before, expires_at, seq) VALUES ('user', $1, $2, $3, $4)`, value, before, before+1e12, seq)
		if err == nil {
			_, err = tx.ExecContext(ctx, `INSERT INTO meta (name, value) VALUES ('revocations', $1) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, fmt.Sprint(seq))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestSessions: the list, its filters and its pages.
func TestSessions(t *testing.T) {
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		r := newReplica(t, st, sealer(t))
		for i := range 25 { // five in the same millisecond
			r.signIn(t, "a.localhost", fmt.Sprintf("U%d", i))
			if i%5 == 4 {
				r.now = r.now.Add(time.Minute)
			}
		}
		r.signIn(t, "c.localhost", "U3")
		list := func(q gateway.SessionQuery) []gateway.SessionInfo {
			t.Helper()
			got, _, err := r.Sessions(t.Context(), q)
			must(t, err)
			return got
		}
		if got := list(gateway.SessionQuery{Person: "U3@example.com"}); len(got) != 2 || got[0].Route != "c.localhost" {
			t.Errorf("a person's: %+v", got)
		}
		got := list(gateway.SessionQuery{Person: "U3", Route: "a.localhost"})
		if len(got) != 1 {
			t.Fatalf("a person's on a route: %+v", got)
		}
		one := got[0]
		if one.Team != "T1" || one.User != "U3" || one.Email != "u3@example.com" || one.Device != "Safari on iPhone" || one.Address != "192.0.2.1" ||
			!one.FirstSeen.Equal(one.LastSeen) || one.Ends.Sub(one.FirstSeen) != 12*time.Hour {
			t.Errorf("one session: %+v", one)
		}
		seen := map[string]bool{}
		query, pages := gateway.SessionQuery{Limit: 7}, 0
		for last := r.now; ; pages++ {
			page, next, err := r.Sessions(t.Context(), query)
			must(t, err)
			for _, s := range page {
				if seen[s.ID] || s.FirstSeen.After(last) {
					t.Errorf("%s comes twice, or late", s.User)
				}
				seen[s.ID], last = true, s.FirstSeen
			}
			if query.Cursor = next; next == "" {
				break
			}
		}
		if len(seen) != 26 || pages != 3 {
			t.Errorf("%d sessions on %d pages, want 26 on 4", len(seen), pages+1)
		}
		for name, q := range map[string]gateway.SessionQuery{"unknown route": {Route: "x.localhost"}, "rubbish cursor": {Cursor: "'; --"}} {
			if _, _, err := r.Sessions(t.Context(), q); !errors.Is(err, gateway.ErrSelection) {
				t.Errorf("%s: %v", name, err)
			}
		}
		for name, q := range map[string]gateway.Revocation{
			"nothing": {}, "two ways": {All: true, Route: "a.localhost"}, "session and person": {Session: one.ID, Person: "U3"}, "unknown route": {Route: "x.localhost"},
			"unknown session": {Session: strings.Repeat("0", 64)}, "ambiguous": {Session: ""}, "too short": {Session: one.ID[:3]}, "no id": {Session: "%%%%"}, "too long": {Session: one.ID + "00"},
		} {
			if n, err := r.Revoke(t.Context(), q); !errors.Is(err, gateway.ErrSelection) || n != 0 {
				t.Errorf("%s ended %d: %v", name, n, err)
			}
		}
		if n := len(list(gateway.SessionQuery{})); n != 26 {
			t.Errorf("mistakes ended %d sessions", 26-n)
		}
		if n, err := r.Revoke(t.Context(), gateway.Revocation{Session: one.ID[:16], Actor: "operator", Reason: "lost\x1b[31m phone"}); n != 1 || err != nil {
			t.Errorf("one by its prefix ended %d: %v", n, err)
		}
		var actor, action, object, detail string
		must(t, st.Read().QueryRow(`SELECT actor, action, object, detail FROM audit`).Scan(&actor, &action, &object, &detail))
		if actor != "operator" || action != "sessions.revoked" || object != "session "+one.ID || detail != "sessions ended: 1; reason: lost[31m phone" {
			t.Errorf("audit: %s %s %s %q", actor, action, object, detail)
		}
		r.now = r.now.Add(13 * time.Hour)
		if n := len(list(gateway.SessionQuery{})); n != 0 {
			t.Errorf("%d sessions after their lifetime", n)
		}
	})
}

// TestLastSeen: pages show in the store with the next batch, requests of scripts
// do not, and a batch that cannot be written is not lost.
func TestLastSeen(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	page := w.routes[0].Origin + "/"
	b.signIn(page, teams[0], "U0PAUL")
	begun := w.clock()
	lastSeen := func() time.Duration {
		t.Helper()
		list, _, err := w.gateway.Sessions(t.Context(), gateway.SessionQuery{})
		must(t, err)
		return list[0].LastSeen.Sub(begun).Round(time.Second)
	}
	w.advance(10 * time.Minute)
	b.get(page, "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty")
	must(t, w.gateway.WriteSeen(t.Context()))
	if got := lastSeen(); got != 0 {
		t.Errorf("a script's request counts as seen, %s after sign-in", got)
	}
	b.get(page)
	if got := lastSeen(); got != 0 {
		t.Errorf("a request wrote to the store (%s)", got)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.gateway.WriteSeen(gone); err == nil {
		t.Error("written without a context")
	}
	must(t, w.gateway.WriteSeen(t.Context()))
	if got := lastSeen(); got != 10*time.Minute {
		t.Errorf("last seen %s after sign-in, want 10m", got)
	}
}

// TestPersonIsRevokedByNewAddress: operators know people by the address that
// they have now.
func TestPersonIsRevokedByNewAddress(t *testing.T) {
	eachOffice(t, func(t *testing.T, o *office) {
		paul, marie := o.arrives("U0PAUL"), o.arrives("U0MARIE")
		o.becomes("U0PAUL", func(p *slacksim.Person) { p.Email = "Paul.Neuf@agrafmania.fr" })
		o.pass(16 * time.Minute)
		o.wants(paul, o.page, 200, "")
		list, _, err := o.gateway.Sessions(context.Background(), gateway.SessionQuery{Person: "paul.neuf@agrafmania.fr"})
		if err != nil || len(list) != 1 || list[0].User != "U0PAUL" {
			t.Errorf("by the new address are listed %v, %v", list, err)
		}
		n, err := o.gateway.Revoke(context.Background(), gateway.Revocation{Person: "paul.neuf@agrafmania.fr", Actor: "operator"})
		if err != nil || n != 1 {
			t.Errorf("%d sessions were ended, %v", n, err)
		}
		o.wants(paul, o.page, 302, "")
		o.wants(marie, o.page, 200, "")
	})
}
