package notifyhook

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
)

// TestWhatOperatorsSee: how a route's deliveries stand, what of them failed and
// was not replayed, and that a replay finds whom nobody could find before.
func TestWhatOperatorsSee(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		mustPost(t, r, to("C0GENERAL", "one"))
		failed := mustPost(t, r, `{"to":["#atelier"],"text":"two"}`)
		mustPost(t, r, `{"to":["#atelier","nobody@agrafmania.fr"],"text":"three"}`)
		step(t, r)
		waits := mustPost(t, r, to("C0VENTES", "four"))
		tallies := func(waiting, dead int) {
			t.Helper()
			got, err := r.Tallies(t.Context(), []string{host, otherHost})
			if one := got[host]; err != nil || one.Waiting != waiting || one.Failed != dead || one.LastSent == nil || got[otherHost] != (Tally{}) {
				t.Errorf("tallies are %+v (%v), want %d waiting, %d failed", got, err, waiting, dead)
			}
		}
		failures := func(want ...string) {
			t.Helper()
			list, err := r.Failures(t.Context(), host)
			var got []string
			for _, f := range list {
				got = append(got, fmt.Sprintf("%d by %s", f.Notifications, f.Error))
			}
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("failures are %q (%v), want %q", got, err, want)
			}
		}
		tallies(1, 3)
		failures("2 by channel_not_found", "1 by users_not_found")
		for _, want := range []int{1, 0} {
			if ended, err := r.Cancel(t.Context(), waits); err != nil || ended != want {
				t.Errorf("cancelled %d (%v), want %d", ended, err, want)
			}
		}
		if _, err := r.Cancel(t.Context(), "ntf_none"); !errors.Is(err, ErrNotFound) {
			t.Errorf("cancelling nothing: %v", err)
		}
		if err := sim.SetChannel(team, slacksim.Channel{ID: "C0ATELIER", Name: "atelier"}); err != nil {
			t.Fatal(err)
		}
		again, err := r.Replay(t.Context(), "", failed, false)
		if err != nil {
			t.Fatal(err)
		}
		failures("1 by channel_not_found", "1 by users_not_found")
		clock.advance(pace)
		step(t, r)
		if n, err := r.Explain(t.Context(), again); err != nil || n.Status != "sent" {
			t.Errorf("the replay is %+v (%v)", n, err)
		}
		tallies(0, 3)
	})
}

// TestListUntil: a list that ends in time holds exactly what was accepted before,
// with every other filter, and from there on page by page.
func TestListUntil(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r, _, _ := newTestRelay(t, s, "")
		fill(t, s, 300, 3) // accepted at 1, 2, … ms
		execute(t, s, `DELETE FROM notification WHERE accepted_at BETWEEN 100 AND 120`)
		execute(t, s, `UPDATE notification SET status = 'failed' WHERE accepted_at % 10 = 0`)
		for _, row := range []struct {
			query Query
			want  int
		}{
			{Query{Until: time.UnixMilli(1)}, 0},
			{Query{Until: time.UnixMilli(51)}, 50},
			{Query{Until: time.UnixMilli(110)}, 99},
			{Query{Until: time.UnixMilli(9000)}, 279},
			{Query{Until: time.UnixMilli(51), Since: time.UnixMilli(41)}, 10},
			{Query{Until: time.UnixMilli(51), Status: "failed"}, 5},
			{Query{Until: time.UnixMilli(51), Status: "sent", Route: host}, 45},
			{Query{Until: time.UnixMilli(51), To: "C001"}, 17},
			{Query{Until: time.UnixMilli(51), To: "C001", Route: host, Status: "failed"}, 2},
			{Query{Status: "scheduled"}, 0},
		} {
			got := 0
			for q := row.query; ; {
				q.Limit = 7
				page, err := r.List(context.Background(), q)
				if err != nil {
					t.Fatal(err)
				}
				got += len(page.Items)
				if q.Cursor = page.Next; page.Next == "" {
					break
				}
			}
			if got != row.want {
				t.Errorf("%+v lists %d, want %d", row.query, got, row.want)
			}
		}
	})
}
