package gateway

import (
	"context"
	"database/sql"
	"errors"
	"net/url"

	"github.com/labstack/echo/v4"
)

// Messenger sends the test message of a set-up by the notifications' own queue,
// which another package keeps. Both may be nil: then there are no notifications.
type Messenger struct {
	// Tell queues a message to a Slack user by the app of a route, and gives its id.
	Tell func(ctx context.Context, host, user, text string) (id string, err error)
	// Told says what became of it.
	Told func(ctx context.Context, host, id string) (Told, error)
}

// Told is what became of a message.
type Told struct {
	State string // queued | sending | sent | dead | cancelled | suppressed
	// Reason is why it is not sent: Slack's word for it, or a constant one; empty:
	// nothing is in the way.
	Reason string
}

// waiting reports whether something may still become of it.
func (t Told) waiting() bool { return t.State == "queued" || t.State == "sending" }

// tryAgain is after how many seconds a page that waits is asked for again.
const tryAgain = 2

// showTry fills in the last step: who has signed in, and what became of the test
// message.
func (g *Gateway) showTry(v *setupVisit, p *setupPage) error {
	x, rt, t := v.x, v.x.route, p.T
	p.Installed = []fact{{labels[v.lang]["workspace"], v.row.teamName}, {labels[v.lang]["site"], rt.Host}}
	if v.row.teamName == "" {
		p.Installed[0].Value = v.row.team
	}
	if !p.Connected {
		p.Again = tryAgain
		return nil
	}
	if rt.Login != nil {
		p.Login = g.cfg.Prefix + "/login?to=" + url.QueryEscape(p.Path)
		if x.session = g.sessions.open(rt, v.r); x.session != nil {
			p.SignedIn = []fact{{labels[v.lang]["name"], x.session.identity.Name}, {labels[v.lang]["email"], x.session.identity.Email}}
		}
	}
	p.CanTell = v.canTell()
	if v.link.detail.Message == "" || !p.CanTell {
		return nil
	}
	told, err := g.cfg.Messenger.Told(v.r.Context(), rt.Host, v.link.detail.Message)
	if err != nil {
		return errStore.because(err)
	}
	switch {
	case told.State == "sent":
		p.Message = &setupNotice{Kind: "good", Text: t["message_sent"]}
	case told.waiting() && told.Reason == "":
		p.Message, p.Again = &setupNotice{Kind: "wait", Text: t["message_waits"]}, tryAgain
	default:
		p.Message = &setupNotice{Kind: "bad", Text: messageWords(t, told.Reason), Slack: refusal{}.saying(told.Reason).slack}
	}
	return nil
}

// canTell reports whether there can be a test message: the route has
// notifications, and somebody has installed the app.
func (v *setupVisit) canTell() bool { return v.x.route.Notify != nil && v.row.installedBy != "" }

// messageWords says why the test message did not arrive.
func messageWords(t map[string]string, reason string) string {
	if text := t["message_"+reason]; text != "" {
		return text
	}
	return t["message_failed"]
}

// setupMessage is POST /setup/message: a direct message to who installed the app.
func (g *Gateway) setupMessage(x *exchange, c echo.Context) error {
	v, err := g.visitSetup(x, c)
	if err != nil {
		return err
	}
	if !v.canTell() || !v.row.inForce(x.route) {
		return g.backToSetup(x, c)
	}
	if v.link.detail.Message != "" { // pressed twice: one message is on its way
		told, err := g.cfg.Messenger.Told(v.r.Context(), x.route.Host, v.link.detail.Message)
		if err != nil {
			return errStore.because(err)
		}
		if told.waiting() {
			return g.backToSetup(x, c)
		}
	}
	id, err := g.cfg.Messenger.Tell(v.r.Context(), x.route.Host, v.row.installedBy, setupWords(v.lang, x.route)["message_text"])
	if err != nil {
		return errStore.because(err)
	}
	err = g.change(v, func(_ context.Context, _ *sql.Tx, l *setupLink) error {
		l.detail.Message = id
		return nil
	})
	if err != nil {
		return err
	}
	return g.backToSetup(x, c)
}

// setupFinish is POST /setup/finish: the link is used up.
func (g *Gateway) setupFinish(x *exchange, c echo.Context) error {
	v, err := g.visitSetup(x, c)
	if err != nil {
		return err
	}
	if !v.row.installed() {
		return g.backToSetup(x, c)
	}
	rt := x.route
	err = g.change(v, func(ctx context.Context, tx *sql.Tx, l *setupLink) error {
		l.detail.Typed, l.detail.End = "", endFinished
		return audit(ctx, tx, g.cfg.Now(), auditEntry{"setup link of " + l.by, "setup.finished", rt.Host, "team " + v.row.team})
	})
	if err != nil && !errors.Is(err, error(errSetupFinished)) {
		return err
	}
	return g.backToSetup(x, c)
}
