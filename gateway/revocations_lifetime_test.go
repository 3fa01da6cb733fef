package gateway_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
)

// lasting gives sessions another lifetime, as a reload does.
func (r *replica) lasting(t *testing.T, d time.Duration) {
	t.Helper()
	next := r.settings
	next.Session = gateway.SessionTimes{Lifetime: d, Idle: d, MaxStale: 90 * 24 * time.Hour}
	apply, err := r.Prepare(next)
	if err != nil {
		t.Fatal(err)
	}
	apply()
}

// TestRevocationOutlivesALongerLifetime: what was ended while sessions were to be
// short stays ended when they are long again, on a replica that starts then.
func TestRevocationOutlivesALongerLifetime(t *testing.T) {
	const long = 90 * 24 * time.Hour
	for name, of := range map[string]gateway.Revocation{
		"a session": {}, "a person": {Person: "U1"}, "a person on a route": {Person: "U1", Route: "a.localhost"}, "a route": {Route: "a.localhost"}, "all": {All: true},
	} {
		t.Run(name, func(t *testing.T) {
			st, seal := storetest.Open(t, filepath.Join(t.TempDir(), "state")), sealer(t)
			r := newReplica(t, st, seal)
			r.lasting(t, long)
			alive := r.signIn(t, "a.localhost", "U1")
			r.now = r.now.Add(time.Minute)
			r.lasting(t, time.Hour)
			if of == (gateway.Revocation{}) {
				list, _, err := r.Sessions(t.Context(), gateway.SessionQuery{})
				if err != nil || len(list) != 1 {
					t.Fatalf("the sessions are %v, %v", list, err)
				}
				of.Session = list[0].ID
			}
			starts := func() *replica {
				later := startReplica(t, st, seal, r.now.Add(long-time.Hour))
				later.lasting(t, long)
				return later
			}
			if !alive(starts()) {
				t.Fatal("the session does not last at all")
			}
			if n, err := r.Revoke(t.Context(), of); err != nil || n != 1 {
				t.Fatalf("ended %d, %v", n, err)
			}
			if alive(starts()) {
				t.Error("the session is good again")
			}
		})
	}
}
