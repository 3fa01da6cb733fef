package proxy

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/cocoom/cocoom-gateway/policy"
)

// loginRun is one try to sign one person in.
type loginRun struct {
	form    *formLogin
	who     policy.Identity
	header  http.Header // of each request
	suspect *url.URL    // a page to look at first; nil: none
	cookies []string    // what that page is asked for with
}

func (f *formLogin) newRun(t *formTrip, req *http.Request, suspect *url.URL) *loginRun {
	return &loginRun{form: f, who: t.x.in.Who.identity, header: t.loginHeader(req), suspect: suspect, cookies: req.Header["Cookie"]}
}

// errAlive says that no login was needed.
var errAlive = errors.New("the app's session is alive")

// do signs in, when it is the route's turn to have a login, and when the last
// failure is long enough ago. It gives the app's cookies.
func (r *loginRun) do() (cookies []formCookie, err error) {
	f := r.form
	defer func() {
		if p := recover(); p != nil { // what an app sends must not end the process
			err = unusable("panicked")
			r.log(err, 0)
		}
	}()
	if r.suspect != nil {
		if err := f.inTurn(r.look); err != nil {
			return nil, err
		}
	}
	a, ok := f.accountOf(&r.who)
	key := setbackKey{account: a.User}
	if !ok {
		key = setbackKey{team: r.who.Team, user: r.who.User}
	}
	if err := f.held(key); err != nil {
		return nil, err
	}
	began := f.now()
	if err = refused("missing"); ok {
		err = f.inTurn(func(ctx context.Context) error {
			c := &conversation{form: f, ctx: ctx, header: r.header.Clone()}
			cookies, err = c.signIn(a)
			return err
		})
	}
	f.remember(key, err)
	r.log(err, f.now().Sub(began))
	return cookies, err
}

// inTurn runs step when fewer than parallelLogins are running on the route.
func (f *formLogin) inTurn(step func(context.Context) error) error {
	timer := time.NewTimer(slotPatience)
	defer timer.Stop()
	select {
	case f.slots <- struct{}{}:
	case <-timer.C:
		return unusable("queue")
	}
	defer func() { <-f.slots }()
	// Not a request's context: several wait for this login.
	ctx, cancel := context.WithTimeout(context.Background(), loginPatience)
	defer cancel()
	return step(ctx)
}

// look opens the suspected page as the browser would, to see whether the form
// stands there, and gives errAlive if not. In doubt the session counts as
// alive: repeating a request that the app has carried out would be worse than
// showing what it answered.
func (r *loginRun) look(ctx context.Context) error {
	c := &conversation{form: r.form, ctx: ctx, header: r.header.Clone()}
	if len(r.cookies) > 0 {
		c.header["Cookie"] = r.cookies
	}
	if at, err := c.get(r.suspect); err != nil || !r.form.shows(at) {
		return errAlive
	}
	return nil
}

// log says how a login ended: never with the account, nor with what the app has
// said.
func (r *loginRun) log(err error, took time.Duration) {
	attrs := []slog.Attr{slog.String("route", r.form.proxy.host), slog.String("user", r.who.User), slog.Int64("ms", took.Milliseconds())}
	level, message := slog.LevelInfo, "signed in at the app"
	if err != nil {
		level, message = slog.LevelWarn, "sign-in at the app failed"
		cause := "login_broken"
		if failed := (*loginFailure)(nil); errors.As(err, &failed) {
			cause = failed.reason
		}
		attrs = append(attrs, slog.String("cause", cause))
	}
	r.form.proxy.log.LogAttrs(context.Background(), level, message, attrs...)
}

// setbackKey is an account, or a person who has none. Apps lock accounts, so
// that all who share one wait together.
type setbackKey struct{ account, team, user string }

// setback is a login that failed.
type setback struct {
	count int // refusals in a row
	until time.Time
	err   error
}

// held gives the last failure while no new login is tried for it.
func (f *formLogin) held(key setbackKey) error {
	if last, ok := f.setbacks.Get(key); ok && f.now().Before(last.until) {
		return last.err
	}
	return nil
}

// remember notes how a login ended. What the app refuses is tried again after a
// minute, then ever later; all else after seconds.
func (f *formLogin) remember(key setbackKey, err error) {
	last, _ := f.setbacks.Get(key)
	var failed *loginFailure
	switch {
	case err == nil:
		f.setbacks.Remove(key)
	case errors.As(err, &failed) && failed.status == http.StatusForbidden:
		waits := [...]time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour}
		f.setbacks.Add(key, setback{last.count + 1, f.now().Add(waits[min(last.count, len(waits)-1)]), err})
	default:
		f.setbacks.Add(key, setback{last.count, f.now().Add(soon), err})
	}
}
