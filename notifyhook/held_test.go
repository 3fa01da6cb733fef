package notifyhook

import (
	"strings"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
)

func TestBadTokenHoldsTheRoute(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r, clock, sim, log := relayOn(t, s)
		sim.Fault(slacksim.Fault{Team: team, Error: "invalid_auth"})
		var ids []string
		for i := range 4 {
			ids = append(ids, mustPost(t, r, to([]string{"C0GENERAL", "C0VENTES", "marie@agrafmania.fr", "U0PAUL"}[i], "held")))
		}
		for range 30 {
			step(t, r)
			r.keepHouse(t.Context())
			clock.advance(time.Minute)
		}
		alarms := r.Alarms()
		if len(alarms) != 1 || alarms[0].Route != host || alarms[0].Kind != "held" || alarms[0].Reason != "invalid_auth" {
			t.Errorf("alarms %+v", alarms)
		}
		if n := strings.Count(log.String(), "route needs attention"); n != 1 {
			t.Errorf("alarm logged %d times", n)
		}
		if n := len(sim.Calls("")); n > 4+6 {
			t.Errorf("%d calls with a bad token in half an hour", n)
		}
		for _, id := range ids {
			if d := show(t, r, id).Recipients[0]; d.State != "queued" || d.Attempts != 0 {
				t.Errorf("an attempt was burnt: %+v", d)
			}
		}
		sim.ClearFaults()
		clock.advance(probeEvery)
		r.keepHouse(t.Context())
		step(t, r)
		clock.advance(holdAgain)
		step(t, r)
		for _, id := range ids {
			if v := show(t, r, id); v.Status != "sent" {
				t.Errorf("after the token was mended: %+v", v)
			}
		}
		if a := r.Alarms(); len(a) != 0 {
			t.Errorf("alarms left: %+v", a)
		}
	})
}

func TestHeldDeliveriesExpire(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		sim.Fault(slacksim.Fault{Error: "token_revoked"})
		id := mustPost(t, r, `{"to":["C0GENERAL"],"text":"x","expires_in":60}`)
		step(t, r)
		clock.advance(time.Minute)
		r.keepHouse(t.Context())
		if v := show(t, r, id); v.Status != "failed" || v.Recipients[0].Error != "expired" || v.FinishedAt == nil {
			t.Errorf("got %+v", v)
		}
	})
}

func TestMissingScopeHoldsLookUpsOnly(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		if err := sim.SetScopes(botToken, "chat:write", "chat:write.public"); err != nil {
			t.Fatal(err)
		}
		byMail := mustPost(t, r, to("marie@agrafmania.fr", "a"))
		channel := mustPost(t, r, to("C0GENERAL", "b"))
		byID := mustPost(t, r, to("U0PAUL", "c")) // conversations.open is not allowed, posting to the id is
		for range 3 {
			step(t, r)
			clock.advance(holdAgain)
		}
		if show(t, r, channel).Status != "sent" || show(t, r, byID).Status != "sent" || show(t, r, byMail).Recipients[0].Attempts != 0 {
			t.Errorf("channel %+v, user %+v", show(t, r, channel), show(t, r, byID))
		}
		if a := r.Alarms(); len(a) != 1 || a[0].Kind != "lookups" || a[0].Reason != "missing_scope" {
			t.Errorf("alarms %+v", a)
		}
		if err := sim.SetScopes(botToken, "chat:write", "users:read", "users:read.email"); err != nil {
			t.Fatal(err)
		}
		clock.advance(lookupsWait)
		step(t, r)
		clock.advance(holdAgain)
		step(t, r)
		if show(t, r, byMail).Status != "sent" || show(t, r, byID).Status != "sent" || len(r.Alarms()) != 0 {
			t.Errorf("mail %+v, user %+v, alarms %+v", show(t, r, byMail), show(t, r, byID), r.Alarms())
		}
	})
}
