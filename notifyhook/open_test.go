package notifyhook_test

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
	"github.com/cocoom/cocoom-gateway/notifyhook"
)

// TestOpenDeliveries: what is finished does not count, and what is scheduled
// does not wait yet.
func TestOpenDeliveries(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		now := time.Now().Truncate(time.Millisecond)
		err := s.Write(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
			for _, row := range []struct {
				id, route, state string
				due              time.Duration
			}{
				{"1", "a.example", "queued", -time.Hour}, {"2", "a.example", "sending", -2 * time.Hour}, {"3", "a.example", "sent", -3 * time.Hour},
				{"4", "a.example", "dead", -3 * time.Hour}, {"5", "b.example", "queued", time.Hour},
			} {
				if _, err := tx.ExecContext(ctx, `INSERT INTO notification (id, route, request, accepted_at, expires_at) VALUES ($1, $2, '{}', 1, 9000000000000)`, row.id, row.route); err != nil {
					return err
				}
				if _, err := tx.ExecContext(ctx, `INSERT INTO delivery (id, notification_id, route, recipient, lane, state, accepted_at, due_at) VALUES ($1, $2, $3, '#x', 'l', $4, 1, $5)`,
					row.id, row.id, row.route, row.state, now.Add(row.due).UnixMilli()); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		open, err := notifyhook.OpenDeliveries(t.Context(), s)
		if err != nil || len(open) != 2 {
			t.Fatalf("%+v, %v", open, err)
		}
		if a := open[0]; a.Route != "a.example" || a.Deliveries != 2 || !a.Oldest.Equal(now.Add(-2*time.Hour)) {
			t.Errorf("%+v", a)
		}
		if b := open[1]; b.Route != "b.example" || b.Deliveries != 1 || !b.Oldest.IsZero() {
			t.Errorf("%+v", b)
		}
	})
}

// TestDestinations: each that the settings name stands once, in one spelling.
func TestDestinations(t *testing.T) {
	s := notifyhook.Settings{Hooks: []notifyhook.Hook{{To: "#Ops"}, {To: "C0A"}}, Fallback: []string{"#ops", "Marie@Agrafmania.fr", "nonsense"}}
	if got := s.Destinations(); len(got) != 3 || got[0] != "#ops" || got[1] != "C0A" || got[2] != "marie@agrafmania.fr" {
		t.Errorf("%q", got)
	}
}
