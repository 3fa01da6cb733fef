package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/labstack/echo/v4"
)

const (
	maxEvent = 1 << 20
	// usualEvent is what nearly all events are smaller than. Anybody may send
	// something larger, and nobody knows who it was before it is there: so of
	// those only largeEvents are read at a time.
	usualEvent  = 64 << 10
	largeEvents = 8
	// eventLimit is how long an event may take to arrive and be written down:
	// Slack wants its answer within 3 s, and sends again what got none.
	eventLimit = 2500 * time.Millisecond
)

// events takes what Slack tells by itself (https://docs.slack.dev/apis/events-api):
// a person is deactivated, becomes a guest, leaves a usergroup. What shuts
// somebody out is in force before the answer; what would let them in, or what
// an event leaves open, is asked for by the rechecks afterwards, whose line
// lies in the store. So nothing waits in memory, and an event that comes twice, late
// or not at all does no harm.
type events struct {
	*people
	seen    *lru.Cache[string, struct{}] // by host and event id
	large   chan struct{}                // has one for each large event that is being read
	changed func(host, user string)
}

func newEvents(p *people, changed func(host, user string)) *events {
	seen, _ := lru.New[string, struct{}](1 << 12) // fails only for a size below 1
	if changed == nil {
		changed = func(string, string) {}
	}
	return &events{people: p, seen: seen, large: make(chan struct{}, largeEvents), changed: changed}
}

// envelope is what surrounds every event.
type envelope struct {
	Type      string          `json:"type"`
	Challenge string          `json:"challenge"` // of url_verification
	Team      string          `json:"team_id"`
	ID        string          `json:"event_id"`
	Time      int64           `json:"event_time"` // Unix seconds
	Event     json.RawMessage `json:"event"`
	For       []installation  `json:"authorizations"`
}

// installation is whom an event is for.
type installation struct {
	Team string `json:"team_id"`
}

// about reports whether the event is about a workspace: a distributed app hears
// of others too.
func (e *envelope) about(team string) bool {
	return e.Team == team || slices.Contains(e.For, installation{team})
}

// slackEvents is POST /slack/events. Nothing in the body is believed before its
// signature is checked; a route without a signing secret, which Slack shows only
// once the address is known to answer, gives nothing but the challenge back.
func (g *Gateway) slackEvents(x *exchange, c echo.Context) error {
	r, rt := c.Request(), x.route
	deadline := time.Now().Add(eventLimit)
	body, leave, err := g.events.receive(x, r, deadline)
	if err != nil {
		return err
	}
	defer leave()
	signed := rt.SlackApp.SigningSecret != ""
	if signed {
		if err := verifySlack(r.Header, body, rt.SlackApp.SigningSecret, g.cfg.Now()); err != nil {
			return g.failed(x, countSignatures, failureBudget, errSignature.because(err))
		}
	}
	var e envelope
	if err := json.Unmarshal(body, &e); err != nil {
		return errBody.because(errors.New("the event is no JSON"))
	}
	switch {
	case e.Type == "url_verification" && plausible(e.Challenge, 256, ".+/="): // all that a stranger can make the route say
		x.ownHeaders("text/plain; charset=utf-8")
		return c.String(http.StatusOK, e.Challenge)
	case !signed:
		return errNotFound
	case e.Type != "event_callback" || rt.Workspace == "" || !e.about(rt.Workspace):
		return c.NoContent(http.StatusOK) // for another team, or of another kind: there is nothing to send again
	}
	ctx, cancel := context.WithDeadline(r.Context(), deadline)
	defer cancel()
	if err := g.events.take(ctx, rt, &e); err != nil {
		return errStore.because(err)
	}
	return c.NoContent(http.StatusOK)
}

// receive reads an event, which takes up room until leave is called.
func (e *events) receive(x *exchange, r *http.Request, deadline time.Time) (event []byte, leave func(), err error) {
	wait := http.NewResponseController(x)
	_ = wait.SetReadDeadline(deadline) // not every server can
	defer func() { _ = wait.SetReadDeadline(time.Time{}) }()
	var body bytes.Buffer
	leave = func() {}
	_, err = body.ReadFrom(io.LimitReader(r.Body, usualEvent+1))
	if err == nil && body.Len() > usualEvent {
		select {
		case e.large <- struct{}{}:
			leave = func() { <-e.large }
		default:
			return nil, nil, errStore.because(errors.New("too many large events at once"))
		}
		body.Grow(maxEvent)
		_, err = body.ReadFrom(io.LimitReader(r.Body, maxEvent-usualEvent))
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = errBodySilent.because(err)
	case err != nil:
		err = errBody.because(err)
	case body.Len() > maxEvent:
		err = errTooLarge
	}
	if err != nil {
		leave()
		return nil, nil, err
	}
	x.unread = false
	return body.Bytes(), leave, nil
}

// take lets an event have its effect on every route that the same app of the
// same workspace serves: Slack knows one address only.
func (e *events) take(ctx context.Context, rt *Route, env *envelope) error {
	id := rt.Host + " " + clip(env.ID, 100)
	if env.ID != "" && e.seen.Contains(id) {
		return nil
	}
	for _, same := range e.conf.routes() {
		if same.Workspace != rt.Workspace || same.SlackApp.SigningSecret != rt.SlackApp.SigningSecret {
			continue
		}
		if err := e.apply(ctx, same, env); err != nil {
			return err // Slack sends it again
		}
	}
	e.seen.Add(id, struct{}{})
	return nil
}

// apply reads the event itself. One that cannot be read has no effect: Slack
// is asked in time (see recheck.go).
func (e *events) apply(ctx context.Context, rt *Route, env *envelope) error {
	var kind struct {
		Type string `json:"type"`
	}
	if json.Unmarshal(env.Event, &kind) != nil {
		return nil
	}
	switch kind.Type {
	case "user_change", "user_profile_changed", "team_join":
		return read(env, func(c *userChange) error { return e.userChanged(ctx, rt, &c.User, time.Unix(env.Time, 0)) })
	case "tokens_revoked":
		return read(env, func(t *tokensRevoked) error { return e.tokensRevoked(ctx, rt, t) })
	case "app_uninstalled":
		e.alarms.raise(rt, kind.Type, kind.Type)
	case "subteam_members_changed":
		return read(env, func(c *membersChanged) error { return e.membersChanged(ctx, rt, c) })
	case "subteam_updated", "subteam_created":
		return read(env, func(c *groupChanged) error { return e.groupChanged(ctx, rt, c) })
	case "subteam_self_added", "subteam_self_removed":
		return e.groupsVoid(ctx, rt)
	}
	return nil
}

// read gives the event to f, unless it cannot be read.
func read[T any](env *envelope, f func(*T) error) error {
	var event T
	if json.Unmarshal(env.Event, &event) != nil {
		return nil
	}
	return f(&event)
}
