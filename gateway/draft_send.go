package gateway

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"

	"github.com/cocoom/cocoom-gateway/policy"
)

const (
	// formField is the only field of the button that sends a draft. The button
	// is a form of type text/plain, which no app is likely to take, and whose
	// body is then exactly "name=value" and a line break
	// (https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#plain-text-form-data).
	formField    = "gateway-saved-form"
	maxDraftName = 32
)

// mayBeButton reports whether r may be the button of a draft's page, so that its
// body is worth looking at.
func mayBeButton(rt *Route, r *http.Request) bool {
	return r.Method == http.MethodPost && rt.Login != nil && rt.Upstream != nil && isMedia(r, "text/plain") &&
		r.ContentLength > int64(len(formField)) && r.ContentLength <= int64(len(formField)+maxDraftName+len("=\r\n"))
}

// mayBeButtonAtNginx is mayBeButton for a question of nginx, which keeps the body
// and its length to itself: whoever holds a draft may be sending it.
func mayBeButtonAtNginx(rt *Route, r *http.Request) bool {
	return r.Method == http.MethodPost && rt.Login != nil && rt.Upstream != nil && isMedia(r, "text/plain") &&
		len(cookieNames(r, draftPrefix(rt))) > 0
}

// sendForm gives, for the button of a draft's page, the request with the draft
// in it, for the app; and any other request as it came. The button's own body
// never goes on: an app that got it would take it for a form left empty.
//
// A draft is marked as sent before anything goes to the app. It is put back
// when the app cannot have got a whole head of the request; with any other end
// the app may have acted, and the draft stays sent, so that nothing happens
// twice.
func (g *Gateway) sendForm(x *exchange, r *http.Request) (*http.Request, error) {
	rt := x.route
	body, err := x.readBody(r, r.ContentLength, g.drafts.patience)
	if err != nil {
		return nil, err
	}
	name, ours := strings.CutPrefix(string(body), formField+"=")
	name, whole := strings.CutSuffix(name, "\r\n")
	if !ours || !whole || !plausible(name, maxDraftName, "") {
		r.Body = io.NopCloser(bytes.NewReader(body))
		return r, nil
	}
	if !rt.ownOrigin(r) {
		return nil, rt.foreign(r)
	}
	d, err := g.draftOf(x, r, name)
	switch {
	case err != nil:
		return nil, err
	case x.decision.Verdict != policy.Allowed:
		return nil, errDenied
	case d.target != r.URL.RequestURI():
		return nil, errFormGone
	}
	taken, err := g.drafts.take(r.Context(), d)
	if err != nil {
		return nil, errFormStore.because(err).linking(g.draftURL(rt, name))
	}
	if !taken { // in the meantime, by a double click
		return nil, errFormSent.linking(rt.Origin + ownPath(rt, d.referer))
	}
	x.sending = &sending{drafts: g.drafts, draft: d, page: g.draftURL(rt, name), log: g.cfg.Log}
	return x.sending.request(r), nil
}

// sending is a draft on its way to the app.
type sending struct {
	drafts  *drafts
	draft   *draft
	page    string // the address of its page
	log     *slog.Logger
	reached atomic.Bool // the app may have got the request
}

// request is the one that the form would have been. It does not end with the
// browser's: on a double click that drops the first, which is the one that was
// taken, for the second, which finds nothing left to send.
func (s *sending) request(button *http.Request) *http.Request {
	d := s.draft
	r := button.WithContext(httptrace.WithClientTrace(context.WithoutCancel(button.Context()), &httptrace.ClientTrace{
		WroteHeaders: func() { s.reached.Store(true) },
	}))
	r.Header = button.Header.Clone()
	r.Header.Set("Content-Type", d.kind)
	r.Header.Del("Content-Length") // net/http writes ContentLength
	r.Header.Del("Referer")
	if d.referer != "" {
		r.Header.Set("Referer", d.referer)
	}
	r.ContentLength = int64(len(d.body))
	// With GetBody a request is repeated of which a kept connection, closed by
	// the app in that moment, has not taken a single byte, or which the app has
	// sent to its login form, where proxy signs in. The browser cannot repeat it:
	// what it sent was the button.
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(d.body)), nil }
	r.Body = http.NoBody
	if len(d.body) > 0 {
		r.Body, _ = r.GetBody()
	}
	return r
}

// failed is what to say when the app has not answered the draft; nil: the same
// as of every request. A draft that did not reach the app is put back first, and
// one that the app only answered with its login, which then failed: see WriteError.
func (s *sending) failed(r *http.Request, status int) *refusal {
	if s == nil {
		return nil
	}
	// With these two the app has refused what it got, if anything, for want of a
	// session of its own, and gives none.
	unsigned := status == http.StatusForbidden || status == http.StatusServiceUnavailable
	if s.reached.Load() && !unsigned {
		if status < 500 {
			return nil
		}
		why := errFormUncertain.linking(s.page)
		why.status = status
		return why
	}
	if err := s.drafts.putBack(r.Context(), s.draft); err != nil {
		s.log.Error("a form that did not reach the app cannot be put back", "error", err)
		return nil
	}
	if status < 500 {
		return nil
	}
	return errFormUnreached.linking(s.page)
}
