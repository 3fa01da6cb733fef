package gateway

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/cocoom/cocoom-gateway/policy"
)

const (
	// draftLife is how long a form waits for its person: as long as a sign-in
	// may take.
	draftLife = pendingLife
	// cookieAfterlife is how long the session cookie outlives its session. It
	// signs nobody in then, but tells whose form comes too late: also one that
	// was left open over a weekend. Revocations are kept for as long.
	cookieAfterlife = 72 * time.Hour
	// bodyPatience is how long a client may be silent in the middle of a body,
	// here as in proxy.
	bodyPatience = time.Minute
)

// draft is a form that came with an expired session. It is kept, sealed, until
// the same person has signed in again in the same browser and sends it.
//
// The person is known by the expired cookie, the browser by a cookie of the
// draft's own: its value is half of what names the draft in the store, so that
// the address of the draft's page opens nothing elsewhere, and nothing has to
// be carried through the sign-in. Whoever signs in, in whichever tab, the draft
// opens for its person alone.
type draft struct {
	id      string // of its row
	team    string
	user    string
	target  string // path and query that it goes to
	kind    string // its Content-Type
	referer string // the page that it was written on, as the app would have been told
	body    []byte
	sent    bool // handed to the app, once and for all
}

// plain is what is sealed of d. No line break can stand in any part before the
// body: they are from a request's line and headers.
func (d *draft) plain() []byte {
	head := strings.Join([]string{d.team, d.user, d.target, d.kind, d.referer, ""}, "\n")
	return append([]byte(head), d.body...)
}

func (d *draft) parse(plain []byte) error {
	parts := bytes.SplitN(plain, []byte("\n"), 6)
	if len(parts) != 6 {
		return errors.New("the draft's head is cut short")
	}
	d.team, d.user, d.target = string(parts[0]), string(parts[1]), string(parts[2])
	d.kind, d.referer, d.body = string(parts[3]), string(parts[4]), parts[5]
	return nil
}

// belongsTo reports whether d was written by that person.
func (d *draft) belongsTo(id policy.Identity) bool { return d.team == id.Team && d.user == id.User }

// saveForm answers a submitted form that nobody signed in sends. It is kept if
// it comes from a page of this very origin, which no other site can make a
// browser say, and with a genuine cookie of a session that has expired: so
// nobody can plant a form for somebody else, or fill the store anonymously.
// Where another proxy carries requests to the app it would carry the button of
// the form's page there, too; and in forward auth the body is with that proxy.
func (g *Gateway) saveForm(x *exchange, c echo.Context) error {
	r, rt := c.Request(), x.route
	notSent := g.signInFor(x, errSubmission, refererPath(rt, r))
	limit := rt.Login.SavedFormMax.bytes()
	ss := g.sessions.expired(rt, r)
	if x.forwardAuth || rt.Upstream == nil || limit == 0 || ss == nil || !isForm(r) || !rt.ownOrigin(r) {
		return notSent
	}
	leave, ok := g.drafts.enter(ss, r.ContentLength, limit)
	if !ok {
		return notSent.because(errDraftsFull)
	}
	defer leave()
	body, err := x.readBody(r, limit, g.drafts.patience)
	if err != nil {
		return asRefusal(err).linking(notSent.link)
	}
	d := &draft{team: ss.identity.Team, user: ss.identity.User, target: r.URL.RequestURI(),
		kind: r.Header.Get("Content-Type"), referer: r.Referer(), body: body}
	name, secret := strconv.FormatInt(g.cfg.Now().Unix(), 36)+"-"+randomText(6), randomText(16)
	if err := g.drafts.add(r.Context(), rt, draftID(name, secret), ss, d); err != nil {
		return notSent.because(err)
	}
	setDraftCookie(x, r, rt, name, secret)
	x.forNobodyElse()
	// To the draft's page and from there to Slack, not to Slack at once: a
	// form-action in the app's Content-Security-Policy holds for redirects too.
	return c.Redirect(http.StatusSeeOther, g.draftURL(rt, name))
}

// draftURL is the address of a draft's page.
func (g *Gateway) draftURL(rt *Route, name string) string {
	return rt.Origin + g.cfg.Prefix + "/form?id=" + name
}

// expired gives the session of a genuine cookie that is past its time, or nil.
// One that was revoked, or is refused for any other reason, is none.
func (s *sessions) expired(rt *Route, r *http.Request) *session {
	cookie := cookieValue(r, cookieName(rt))
	if cookie == "" {
		return nil
	}
	ss, now := s.unseal(rt, cookie), s.now()
	if ss == nil || ss.identity.Team != rt.Workspace || !now.Before(ss.ends.Add(cookieAfterlife)) || s.revoked.includes(rt, ss, now) {
		return nil
	}
	if s.lasts(rt, ss, now) && !s.idle(rt, ss, now) {
		return nil
	}
	return ss
}

// isForm reports whether r carries what browsers send forms as.
func isForm(r *http.Request) bool {
	return len(r.Header["Content-Type"]) == 1 && r.Header["Content-Encoding"] == nil &&
		(isMedia(r, "application/x-www-form-urlencoded") || isMedia(r, "multipart/form-data"))
}

// isMedia reports whether a request's body says to be of a media type.
func isMedia(r *http.Request, media string) bool {
	said, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	return strings.EqualFold(strings.TrimSpace(said), media)
}

// readBody reads a body of at most limit bytes, which must keep coming, and be
// there within draftLife. What is refused stays unread (see exchange.unread),
// so that the answer does not wait for it.
func (x *exchange) readBody(r *http.Request, limit int64, patience time.Duration) ([]byte, error) {
	if r.ContentLength > limit {
		return nil, errFormTooLarge
	}
	control := http.NewResponseController(x)
	var body bytes.Buffer
	body.Grow(int(max(0, r.ContentLength)) + bytes.MinRead) // or it would be copied while it grows
	_, err := body.ReadFrom(io.LimitReader(&patientReader{r.Body, control, patience, time.Now().Add(draftLife)}, limit+1))
	_ = control.SetReadDeadline(time.Time{})
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, errBodySilent.because(err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, errClientGone.because(err)
	case err != nil:
		return nil, errBody.because(err)
	case int64(body.Len()) > limit:
		return nil, errFormTooLarge
	}
	x.unread = false
	return body.Bytes(), nil
}

// patientReader gives up on a client that is silent for too long, or slow
// beyond all measure.
type patientReader struct {
	io.Reader
	control  *http.ResponseController
	patience time.Duration
	end      time.Time
}

func (p *patientReader) Read(b []byte) (int, error) {
	deadline := time.Now().Add(p.patience)
	if deadline.After(p.end) {
		deadline = p.end
	}
	// An error means that the connection has no deadlines, as in some tests.
	_ = p.control.SetReadDeadline(deadline)
	return p.Reader.Read(b)
}

// draftID names a draft in the store.
func draftID(name, secret string) string {
	sum := sha256.Sum256([]byte(name + "\n" + secret))
	return hex.EncodeToString(sum[:])
}

// draftPrefix leads the names of the cookies that drafts are bound to.
func draftPrefix(rt *Route) string { return cookieName(rt) + "-form-" }

// setDraftCookie binds a draft to the browser. The oldest make room, as their
// drafts do: the names begin with the time.
func setDraftCookie(w http.ResponseWriter, r *http.Request, rt *Route, name, secret string) {
	names := cookieNames(r, draftPrefix(rt))
	slices.Sort(names)
	for _, old := range names[:max(0, len(names)-maxDrafts+1)] {
		setCookie(w, rt, old, "", 0)
	}
	setCookie(w, rt, draftPrefix(rt)+name, secret, draftLife)
}
