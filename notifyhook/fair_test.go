package notifyhook

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/secret"
	"github.com/cocoom/cocoom-gateway/internal/slacksim"
	"github.com/cocoom/cocoom-gateway/internal/store"
)

const (
	loud, quiet, stuck = "loud.cocoom.com", "quiet.cocoom.com", "stuck.cocoom.com"
	rooms              = 10_000
)

// slowly carries a call in a tenth of a second, about what slack.com takes.
type slowly struct{ http.RoundTripper }

func (s slowly) RoundTrip(r *http.Request) (*http.Response, error) {
	select {
	case <-time.After(100 * time.Millisecond):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	return s.RoundTripper.RoundTrip(r)
}

// officeOf makes a relay within a bubble for three apps, each with a workspace of
// its own with many channels, at a Slack that limits as Slack does.
func officeOf(t *testing.T, dir string) (*Relay, *slacksim.Sim) {
	t.Helper()
	s, err := store.Open(t.Context(), dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	sim, err := slacksim.New(slacksim.Config{BaseURL: "http://slack.test"})
	if err != nil {
		t.Fatal(err)
	}
	var channels []slacksim.Channel
	for i := range rooms {
		channels = append(channels, slacksim.Channel{ID: room(i), Name: fmt.Sprintf("room-%d", i)})
	}
	var routes []Route
	for i, host := range []string{loud, quiet, stuck} {
		team, token := fmt.Sprintf("T%d", i), secret.String("xoxb-"+host)
		if err := sim.AddWorkspace(slacksim.Workspace{ID: team, Name: host, Domain: team, Channels: channels}); err != nil {
			t.Fatal(err)
		}
		if err := sim.AddApp(slacksim.App{ID: fmt.Sprintf("A%d", i), Name: "Cocoom", BotName: "cocoom", ClientID: team, ClientSecret: "s", SigningSecret: "s",
			Workspace: team, BotToken: token.Reveal(), BotScopes: botScopes(), MessagesTab: true}); err != nil {
			t.Fatal(err)
		}
		routes = append(routes, Route{Host: host, Workspace: team, BotToken: token})
	}
	client, stop := sim.Client()
	t.Cleanup(stop)
	client.Transport = slowly{client.Transport}
	r, err := New(Config{Routes: routes, Store: s, APIURL: sim.APIURL(), PublicScheme: "https", Log: slog.New(slog.DiscardHandler), Client: client})
	if err != nil {
		t.Fatal(err)
	}
	return r, sim
}

func room(i int) string { return fmt.Sprintf("C%05d", i) }

// pushAside queues n notifications of the host straight into the store, in as
// many lanes.
func pushAside(t *testing.T, r *Relay, host string, n, lanes int) {
	t.Helper()
	now := time.Now().UnixMilli()
	const numbers = `WITH RECURSIVE n (i) AS (SELECT $1 UNION ALL SELECT i + 1 FROM n WHERE i < $2) `
	const room = `'C' || substr('0000' || (i % $5), -5)`
	for first := 0; first < n; first += 1000 { // a write may not take long
		for _, query := range []string{
			`INSERT INTO lane (lane, app, conversation, due_at) SELECT $3 || '/' || ` + room + `, $3, ` + room + `, $4 FROM n WHERE i < $5`,
			`INSERT INTO notification (id, route, request, accepted_at, expires_at) SELECT $3 || i, $3, '{"to":["C"],"text":"x"}', $4, $4 + 86400000 * ($5 > 0) FROM n`,
			`INSERT INTO delivery (id, notification_id, route, recipient, lane, accepted_at, due_at) SELECT 'dlv_' || $3 || i, $3 || i, $3, 'C', $3 || '/' || ` + room + `, $4, $4 FROM n`,
		} {
			execute(t, r.store, numbers+query, first, min(first+999, n-1), host, now, lanes)
		}
	}
	r.queued(r.apps()[host])
}

// pushed is who else is there while the quiet route sends.
type pushed struct {
	host     string // empty: nobody
	n, lanes int
	hangs    bool
}

// hundred lets the quiet route send a hundred messages to as many lanes, and
// returns how long the middle one and the last took from accept to sent.
func hundred(t *testing.T, dir string, lanes int, beside pushed) (median, last time.Duration) {
	t.Helper()
	r, sim := officeOf(t, dir)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	if beside.hangs {
		sim.Fault(slacksim.Fault{Team: "T2", Kind: slacksim.Hang})
	}
	if beside.host != "" {
		pushAside(t, r, beside.host, beside.n, beside.lanes)
		time.Sleep(time.Second) // it is in full swing
	}
	for i := range 100 {
		if _, _, err := r.accept(ctx, r.routes()[quiet], request{To: []string{room(i % lanes)}, Text: "x"}, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(10*time.Second + 1200*time.Millisecond*time.Duration(100/lanes))
	median, last = took(t, r)
	cancel()
	sim.Release()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	return median, last
}

// took reads how long the quiet route's messages took.
func took(t *testing.T, r *Relay) (median, last time.Duration) {
	t.Helper()
	rows, err := r.store.Read().Query(`SELECT finished_at - accepted_at FROM delivery WHERE route = $1 AND state = 'sent'`, quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var list []time.Duration
	for rows.Next() {
		var ms int64
		if err := rows.Scan(&ms); err != nil {
			t.Fatal(err)
		}
		list = append(list, time.Duration(ms)*time.Millisecond)
	}
	if len(list) != 100 || rows.Err() != nil {
		t.Fatalf("%d of 100 were sent, %v", len(list), rows.Err())
	}
	slices.Sort(list)
	return list[50], list[99]
}

// A route that pushes 10,000 does not make another route's hundred messages
// later than alone by more than a tenth; neither does an app whose Slack hangs.
// Time is the bubble's: what is measured is the scheduling, at a Slack that takes
// a tenth of a second for a call.
func TestLoudRouteDoesNotDelayAQuietOne(t *testing.T) {
	if testing.Short() {
		t.Skip("works off thousands of messages, not under -short")
	}
	if racing {
		t.Skip("measures the scheduling; TestRunForHours and others have the same loop")
	}
	for _, lanes := range []int{100, 1} {
		var alone, lastAlone time.Duration
		inBubble(t, func(t *testing.T, dir string) { alone, lastAlone = hundred(t, dir, lanes, pushed{}) })
		for name, beside := range map[string]pushed{
			"10,000 in as many lanes": {host: loud, n: rooms, lanes: rooms},
			"10,000 in one lane":      {host: loud, n: rooms, lanes: 1},
			"1,000 and Slack hangs":   {host: stuck, n: 1000, lanes: 1000, hangs: true},
		} {
			t.Run(fmt.Sprintf("%d lanes beside %s", lanes, name), func(t *testing.T) {
				inBubble(t, func(t *testing.T, dir string) {
					median, last := hundred(t, dir, lanes, beside)
					if median > alone*11/10 || last > lastAlone*11/10 {
						t.Errorf("median %s, alone %s; last %s, alone %s", median, alone, last, lastAlone)
					}
				})
			})
		}
	}
}

// inBubble runs f where time is free. The directory is made outside of it.
func inBubble(t *testing.T, f func(t *testing.T, dir string)) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "state")
	synctest.Test(t, func(t *testing.T) { f(t, dir) })
}
