package notifyhook

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
)

func tryAnswer(t testing.TB, w *httptest.ResponseRecorder) trial {
	t.Helper()
	var out trial
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || w.Code != 200 || !out.DryRun {
		t.Fatalf("dry run: %d %s", w.Code, w.Body)
	}
	return out
}

func TestDryRunTells(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		body := `{"key":"k","to":["marie@agrafmania.fr","U0MARIE","paul@agrafmania.fr","U0PAUL","nobody@agrafmania.fr","#ventes","C0GENERAL"],
			"actor":"paul@agrafmania.fr","text":"<!channel> & co","link":"https://agrafmania.cocoom.com/x","blocks":[{"type":"divider"}],"colour":"red"}`
		one := tryAnswer(t, postTo(r, "/v1/notifications?dry_run=1", body))
		var got []string
		for _, to := range one.Recipients {
			got = append(got, fmt.Sprint(to.State, " ", to.Error))
			if (to.Channel != "") != (to.State == "queued" || to.To == "U0PAUL") {
				t.Errorf("recipient %+v", to)
			}
		}
		if want := []string{"queued ", "queued ", "suppressed actor", "suppressed actor", "dead users_not_found", "queued ", "queued "}; !slices.Equal(got, want) {
			t.Errorf("recipients %q, want %q", got, want)
		}
		if len(one.Warnings) != 2 || !strings.Contains(one.Warnings[0], "to[1], U0MARIE, is the same conversation as marie@agrafmania.fr") || !strings.Contains(one.Warnings[1], "colour") {
			t.Errorf("warnings %q", one.Warnings)
		}
		var m struct{ Text, Blocks json.RawMessage }
		if len(one.Messages) != 1 || !slices.Equal(one.Messages[0].To, []string{"marie@agrafmania.fr", "U0MARIE", "#ventes", "C0GENERAL"}) || json.Unmarshal(one.Messages[0].Message, &m) != nil ||
			!strings.HasPrefix(string(m.Text), `"\u0026lt;!channel\u0026gt; \u0026amp; co`) || !strings.Contains(string(m.Blocks), `{"type":"divider"}`) {
			t.Errorf("messages %s", quote(one.Messages))
		}
		if one.Status != "queued" || !one.ExpiresAt.Equal(clock.now().Add(defaultExpires)) {
			t.Errorf("got %+v", one)
		}
		// Nothing was kept, nothing sent, and the key is as good as new.
		step(t, r)
		if st, err := r.Stats(t.Context()); err != nil || st != (Stats{}) || len(sim.Calls("chat.postMessage")) != 0 {
			t.Errorf("left %+v, %v", st, err)
		}
		if w := post(r, body); w.Code != 202 {
			t.Errorf("for real: %d %s", w.Code, w.Body)
		}
	})
}

func TestDryRunIsAskedFor(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		const form = "to=C0GENERAL&text=x&dry_run=1"
		for name, w := range map[string]*httptest.ResponseRecorder{
			"query":      postTo(r, "/v1/notifications?dry_run", minimalJSON),
			"query true": postTo(r, "/v1/notifications?dry_run=true", minimalJSON),
			"body":       post(r, `{"to":["C0GENERAL"],"text":"x","dry_run":true}`),
			"form":       post(r, form, "Content-Type", formType),
			"signed":     call(r, "POST", "/v1/notifications", form, append(signed(t, testSecret, "m", clock.now(), form), "Content-Type", formType)...),
		} {
			t.Run(name, func(t *testing.T) { tryAnswer(t, w) })
		}
		if w := postTo(r, "/v1/notifications?dry_run=perhaps", minimalJSON); w.Code != 422 {
			t.Errorf("perhaps: %d %s", w.Code, w.Body)
		}
		if w := postTo(r, "/v1/notifications?dry_run=1", `{"to":["x"]}`); w.Code != 422 || len(decode(t, w).Errors) != 2 {
			t.Errorf("mistaken: %d %s", w.Code, w.Body)
		}
		a := readBatch(t, postTo(r, "/v1/notifications/batch?dry_run=1", batchOf(minimalJSON, `{}`, to("luc@agrafmania.fr", "x"))))
		if !slices.Equal(itemWords(a), []string{"200", "422 validation", "200"}) || a.Accepted != 0 || a.Items[2].Preview.Recipients[0].State != "dead" {
			t.Errorf("batch: %+v", a)
		}
		if a := postBatch(t, r, `{"dry_run":true,"items":[`+minimalJSON+`]}`); a.Items[0].Preview == nil {
			t.Errorf("batch by its body: %+v", a)
		}
		later := tryAnswer(t, post(r, `{"to":["C0GENERAL"],"text":"x","dry_run":1,"send_at":"`+clock.now().Add(time.Hour).Format(time.RFC3339)+`"}`))
		if later.Status != "scheduled" || later.SendAt == nil {
			t.Errorf("scheduled: %+v", later)
		}
		if one := tryAnswer(t, post(r, `{"to":["U0PAUL"],"actor":"U0PAUL","text":"x","dry_run":1}`)); one.Status != "suppressed" {
			t.Errorf("to its actor: %+v", one)
		}
		if st, err := r.Stats(t.Context()); err != nil || st != (Stats{}) {
			t.Errorf("left %+v, %v", st, err)
		}
		sim.Fault(slacksim.Fault{Error: "invalid_auth"})
		if one := tryAnswer(t, post(r, `{"to":["paul@agrafmania.fr"],"text":"x","dry_run":1}`)).Recipients[0]; one.State != "unknown" || one.Error != "invalid_auth" {
			t.Errorf("Slack refuses: %+v", one)
		}
		if len(r.Alarms()) != 0 {
			t.Error("a dry run raised an alarm")
		}
	})
}
