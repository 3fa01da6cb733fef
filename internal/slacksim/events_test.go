package slacksim_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/slackevents"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
)

// The vector of https://docs.slack.dev/authentication/verifying-requests-from-slack.
func TestSignVector(t *testing.T) {
	body := "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
	got := slacksim.Sign("8f742231b10e8888abcd99yyyzzz85a5", 1531420618, []byte(body)).Get("X-Slack-Signature")
	if want := "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"; got != want {
		t.Errorf("signature %s, want %s", got, want)
	}
}

func TestEvents(t *testing.T) {
	sim := start(t, slacksim.Config{})
	type seen struct {
		event slackevents.EventsAPIEvent
		err   error
	}
	got := make(chan seen, 1)
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		v, err := slack.NewSecretsVerifier(r.Header, "8f742231b10e8888abcd99yyyzzz85a5")
		if err == nil {
			_, _ = v.Write(raw)
			err = v.Ensure()
		}
		event, parseErr := slackevents.ParseEvent(raw, slackevents.OptionNoVerifyToken())
		if err == nil {
			err = parseErr
		}
		got <- seen{event, err}
		_, _ = io.WriteString(w, "seen")
	}))
	defer app.Close()

	must(t, sim.UpdatePerson(agraf, marie, func(p *slacksim.Person) { p.Deactivated = true }))
	status, answer, err := sim.SendEvent(t.Context(), slacksim.Event{App: "A0AGRAF", Team: agraf, URL: app.URL,
		Type: "user_change", Fields: map[string]any{"user": sim.UserObject(agraf, marie)}})
	must(t, err)
	s := <-got
	must(t, s.err)
	if status != 200 || answer != "seen" || s.event.TeamID != agraf || s.event.InnerEvent.Type != "user_change" {
		t.Errorf("event answered %d %q: %+v", status, answer, s.event)
	}
	_, _, err = sim.SendChallenge(t.Context(), "A0AGRAF", app.URL, "ch4llenge")
	must(t, err)
	if s := <-got; s.err != nil || s.event.Type != slackevents.URLVerification {
		t.Errorf("challenge: %+v %v", s.event, s.err)
	}
	if _, _, err := sim.SendEvent(t.Context(), slacksim.Event{App: "A404", URL: app.URL}); err == nil {
		t.Error("event of an unknown app")
	}
}
