package notifyhook

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cocoom/cocoom-gateway/internal/metrics/metricstest"
	"github.com/cocoom/cocoom-gateway/internal/slacksim"
	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
)

// TestMetrics: what is counted of notifications, by every way in, and of their
// deliveries.
func TestMetrics(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		clock, reg := newFakeClock(), prometheus.NewRegistry()
		sim := newSlack(t, slacksim.Config{Now: clock.now})
		routes := testRoutes()
		routes[0].Settings.InBand = true
		r := relayOf(t, s, clock, Config{Routes: routes, APIURL: sim.APIURL(), Metrics: reg})
		mustPost(t, r, `{"to":["C0GENERAL"],"text":"one","key":"k1"}`)
		post(r, `{"to":["C0GENERAL"],"text":"one","key":"k1"}`)
		post(r, `{"to":["nobody"],"text":"two"}`)
		call(r, "POST", "/services/alertmanager/"+hookSecret, `{"text":"three","channel":"C0GENERAL"}`, "Content-Type", "application/json")
		call(r, "POST", "/services/made-up-by-a-stranger/x", `{}`)
		call(r, "POST", "/slack/api/chat.postMessage", "channel=C0GENERAL&text=four", "Authorization", "Bearer "+testToken, "Content-Type", "application/x-www-form-urlencoded")
		call(r, "POST", "/slack/api/chat.postMessage", "channel=C0GENERAL&text=x", "Authorization", "Bearer made-up-by-a-stranger", "Content-Type", "application/x-www-form-urlencoded")
		call(r, "POST", "/slack/api/made.up", "error=made_up")
		call(r, "POST", "/slack/api/api.test", "error=made_up", "Content-Type", "application/x-www-form-urlencoded")
		r.InBand(host)(t.Context(), "", "", []string{`{"to":"C0NOBODY","text":"five"}`, "%"})
		clock.advance(time.Minute)
		const of = `route="` + host + `"`
		metricstest.Want(t, reg, map[string]float64{
			`notifications_accepted_total{` + of + `,way="webhook"}`:          1,
			`notifications_accepted_total{` + of + `,way="hook"}`:             1,
			`notifications_accepted_total{` + of + `,way="web_api"}`:          1,
			`notifications_accepted_total{` + of + `,way="in_band"}`:          1,
			`notifications_repeated_total{` + of + `,way="webhook"}`:          1,
			`notifications_refused_total{reason="validation",` + of + `}`:     1,
			`notifications_refused_total{reason="no_service",` + of + `}`:     1,
			`notifications_refused_total{reason="token_mismatch",` + of + `}`: 1,
			`notifications_refused_total{reason="unparsable",` + of + `}`:     1,
			`queue_deliveries{state="queued"}`:                                4,
			`queue_lag_seconds`:                                               60,
			`store_readable`:                                                  1,
		})
		for range 8 {
			step(t, r)
			clock.advance(2 * time.Second)
		}
		metricstest.Want(t, reg, map[string]float64{
			`deliveries_total{result="sent",` + of + `}`:                                                     3,
			`deliveries_total{result="dead",` + of + `}`:                                                     1,
			`slack_calls_total{caller="notifications",method="chat.postMessage",result="ok"}`:                3,
			`slack_calls_total{caller="notifications",method="chat.postMessage",result="channel_not_found"}`: metricstest.Gather(t, reg)[`slack_call_seconds_count{caller="notifications",method="chat.postMessage"}`] - 3,
		})
		if n := len(metricstest.Gather(t, reg)); n > 60 {
			t.Errorf("there are %d series", n)
		}
	})
}

// TestHeartbeat: deliveries that stand still are told first to those who send
// requests, and then, as long as the store answers, to who may restart us.
func TestHeartbeat(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		r, s, _ := relayInBubble(t, dir)
		defer s.Close()
		check := func(when string, ready, alive bool) {
			t.Helper()
			if err := r.Ready(t.Context()); (err == nil) != ready {
				t.Errorf("%s: ready says %v", when, err)
			}
			if err := r.Alive(t.Context()); (err == nil) != alive {
				t.Errorf("%s: alive says %v", when, err)
			}
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.Run(ctx) }()
		time.Sleep(10 * time.Minute)
		check("in the middle", true, true)
		stop()
		<-done
		check("ended", false, true)
		r.beat.note(time.Now()) // and then nothing more, as of a loop that is stuck
		time.Sleep(29 * time.Second)
		check("just begun", true, true)
		time.Sleep(2 * time.Second)
		check("late", false, true)
		time.Sleep(5 * time.Minute)
		check("stuck", false, false)
		s.Close()
		check("the store is away: a restart would not help", false, true)
	})
}
