package notifyhook

import (
	"fmt"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
)

// A round that chose as many lanes as an app may have workers, and came to
// nothing, leaves no worker whose end would bring the app back: it has its turn
// again all the same.
func TestRoundThatComesToNothing(t *testing.T) {
	for _, tt := range []struct {
		name  string
		spoil func(t *testing.T, r *Relay, clock *fakeClock)
	}{
		{"the store fails", func(t *testing.T, r *Relay, _ *fakeClock) {
			execute(t, r.store, `ALTER TABLE attempt RENAME TO away`)
			if claims, err := r.claim(t.Context(), workers); err == nil {
				t.Errorf("claimed %d lanes without a table", len(claims))
			}
			execute(t, r.store, `ALTER TABLE away RENAME TO attempt`)
		}},
		{"all heads have expired", func(t *testing.T, r *Relay, clock *fakeClock) {
			execute(t, r.store, `UPDATE notification SET expires_at = $1 WHERE seq <= $2`, clock.now().UnixMilli(), perApp)
			if claims, err := r.claim(t.Context(), workers); err != nil || len(claims) != 0 {
				t.Errorf("claimed %d, %v", len(claims), err)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, s *store.Store) {
				r, clock, _ := newTestRelay(t, s, "")
				for i := range 2 * perApp {
					mustPost(t, r, to(fmt.Sprintf("C%03d", i), "x"))
					clock.advance(time.Millisecond) // so that it is known which come first
				}
				tt.spoil(t, r, clock)
				if claims, err := r.claim(t.Context(), workers); err != nil || len(claims) != perApp {
					t.Errorf("claimed %d, %v; want %d", len(claims), err, perApp)
				}
			})
		})
	}
}
