package proxy

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

const (
	// maxAppSessions and maxSetbacks bound what is remembered of one route. Who
	// is forgotten is signed in once more when the browser lacks the cookie.
	maxAppSessions = 4096
	maxSetbacks    = 4096
	// keepCookies is how long cookies are handed out after their login.
	keepCookies = 12 * time.Hour
	// parallelLogins is for one route: when an old app has lost its sessions,
	// all its people come at once.
	parallelLogins = 4
	// slotPatience is how long a login waits for its turn, loginPatience how
	// long it may then take.
	slotPatience, loginPatience = 30 * time.Second, 30 * time.Second
	// soon is the time after a login in which no other follows: what looks like
	// an expired session then has another reason, and is passed on as it is.
	soon = 5 * time.Second
	// doubted takes the place of soon for a session that did not hold at all,
	// and grows fourfold each time up to maxDoubt: the app may have refused the
	// account in a way that is not known, and could lock it.
	doubted, maxDoubt = 30 * time.Second, time.Hour
	// maxResends bounds within soon how often a browser is asked to send a
	// request again. It matters only to clients that do not keep cookies, which
	// would be sent in circles; browsers follow 20 redirects.
	maxResends = 16
)

// formLogin signs people in at the form of one route's app.
type formLogin struct {
	proxy      *Proxy
	cfg        Form
	fieldNames []string // of cfg.Fields, sorted
	url        *url.URL // public
	expired    *url.URL // public; cfg.Expired.Location or url
	accounts   map[string]account
	action     atomic.Pointer[url.URL] // public; where the form was sent to last
	sessions   *lru.Cache[appSessionKey, *appSession]
	setbacks   *lru.Cache[setbackKey, setback]
	slots      chan struct{}
	now        func() time.Time
}

// appSessionKey is one session of one person. Its parts stay apart: joined,
// those of two people could come out the same (CVE-2026-71326).
type appSessionKey struct{ team, user, session string }

// newFormLogin gives nil where the route has no form. cfg is valid.
func newFormLogin(p *Proxy, cfg Config) *formLogin {
	if cfg.Login.Form == nil {
		return nil
	}
	f := &formLogin{proxy: p, cfg: *cfg.Login.Form, now: cfg.Now, slots: make(chan struct{}, parallelLogins)}
	if f.now == nil {
		f.now = time.Now
	}
	for name := range f.cfg.Fields {
		f.fieldNames = append(f.fieldNames, name)
	}
	slices.Sort(f.fieldNames)
	// These were looked at by Form.validate, and sizes above 0 do not fail.
	f.url, _ = f.local(p.public, f.cfg.URL)
	if f.expired = f.url; f.cfg.Expired.Location != "" {
		f.expired, _ = f.local(p.public, f.cfg.Expired.Location)
	}
	if f.cfg.Accounts != "" {
		f.accounts, _ = parseAccounts(f.cfg.Accounts)
	}
	f.sessions, _ = lru.New[appSessionKey, *appSession](maxAppSessions)
	f.setbacks, _ = lru.New[setbackKey, setback](maxSetbacks)
	return f
}

// sessionOf gives what is known of a person's session in the app.
func (f *formLogin) sessionOf(who *Principal) *appSession {
	key := appSessionKey{who.identity.Team, who.identity.User, who.session}
	if s, ok := f.sessions.Get(key); ok {
		return s
	}
	s := &appSession{form: f}
	if other, ok, _ := f.sessions.PeekOrAdd(key, s); ok {
		return other
	}
	return s
}

// appSession is the app's session of one person in one session of ours.
type appSession struct {
	form *formLogin

	mu       sync.Mutex
	cookies  []formCookie // never changed in place
	signedIn time.Time    // zero: never
	doubts   int          // logins in a row that did not hold
	doubtful bool         // the last login is counted in doubts
	resends  int          // since resentAt
	resentAt time.Time
	login    *login // under way; nil: none
}

// login is one for which several requests may wait.
type login struct {
	done    chan struct{}
	cookies []formCookie
	alive   bool // the app's session had not expired after all
	err     error
}

// pause is how long after a login no other follows.
func (s *appSession) pause() time.Duration {
	if s.doubts == 0 {
		return soon
	}
	return min(doubted<<(2*min(s.doubts-1, 8)), maxDoubt)
}

func (s *appSession) tooSoon(now time.Time) bool {
	return !s.signedIn.IsZero() && now.Sub(s.signedIn) < s.pause()
}

// begin gives the cookies for a request that has none of the app's session:
// those of the last login, or of a new one.
func (s *appSession) begin(t *formTrip, req *http.Request) ([]formCookie, error) {
	s.mu.Lock()
	now := s.form.now()
	if s.login == nil && (now.Sub(s.signedIn) < keepCookies && slices.ContainsFunc(s.cookies, s.form.isSession) || s.tooSoon(now)) {
		defer s.mu.Unlock()
		return s.cookies, nil
	}
	l := s.start(t, req, nil)
	s.mu.Unlock()
	if err := l.wait(req.Context()); err != nil {
		return nil, err
	}
	return l.cookies, nil
}

// renew gives the cookies for a request whose answer shows that its session
// has expired. It reports false if the answer is to be passed on as it is.
// suspect is a page that shows the form if that is true; nil: it is.
func (s *appSession) renew(t *formTrip, req *http.Request, suspect *url.URL) ([]formCookie, bool, error) {
	s.mu.Lock()
	now := s.form.now()
	if s.login == nil && s.differ(req) {
		defer s.mu.Unlock()
		return s.cookies, true, nil // another request was faster
	}
	if s.login == nil && s.tooSoon(now) {
		if !s.doubtful {
			s.doubtful, s.doubts = true, s.doubts+1
		}
		s.mu.Unlock()
		return nil, false, nil
	}
	l := s.start(t, req, suspect)
	s.mu.Unlock()
	if err := l.wait(req.Context()); err != nil {
		return nil, false, err
	}
	return l.cookies, !l.alive, nil
}

// differ reports whether the last login's session is another than that which a
// request was sent with.
func (s *appSession) differ(req *http.Request) bool {
	return slices.ContainsFunc(sentTo(s.cookies, req.URL.EscapedPath()), func(c formCookie) bool {
		value, _ := cookieIn(req.Header, c.name)
		return s.form.isSession(c) && value != c.value
	})
}

// start begins a login, or gives the one that is under way. s.mu is held.
func (s *appSession) start(t *formTrip, req *http.Request, suspect *url.URL) *login {
	if s.login != nil {
		return s.login
	}
	l := &login{done: make(chan struct{})}
	s.login = l
	run := s.form.newRun(t, req, suspect)
	// Not in the request's own goroutine: others wait for it, and its client
	// may go away.
	go func() {
		cookies, err := run.do()
		s.mu.Lock()
		defer s.mu.Unlock()
		switch {
		case err == errAlive:
			l.alive = true
		case err != nil:
			l.err = err
		default:
			s.cookies, s.signedIn, s.doubtful = cookies, s.form.now(), false
		}
		l.cookies, s.login = s.cookies, nil
		close(l.done)
	}()
	return l
}

func (l *login) wait(ctx context.Context) error {
	select {
	case <-l.done:
		return l.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// followed takes note of an answer that shows no expired session. holds says
// that it is a page that the app shows to who is signed in.
func (s *appSession) followed(answer http.Header, at *url.URL, holds bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if holds {
		s.doubts, s.doubtful = 0, false
	}
	if len(answer["Set-Cookie"]) > 0 && !s.signedIn.IsZero() {
		s.cookies = withCookies(s.cookies, answer["Set-Cookie"], at, s.form.now())
	}
}

// mayResend counts how often a browser is asked to send a request again.
func (s *appSession) mayResend() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := s.form.now(); now.Sub(s.resentAt) >= soon {
		s.resends, s.resentAt = 0, now
	}
	s.resends++
	return s.resends <= maxResends
}

func (f *formLogin) isSession(c formCookie) bool { return slices.Contains(f.cfg.Cookies, c.name) }
