package proxy

import (
	"bytes"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// roundTripper is what carries a request to the app: the transport or, where
// the gateway signs people in at the app's form, what does that around it.
//
// That stands between rewrite and modify: it sees the cookies that rewrite
// lets pass, and modify sees those that it sets as if the app had set them.
func (x *exchange) roundTripper() http.RoundTripper {
	if x.proxy.form == nil || x.in.Who == nil || x.in.SigningOut {
		return x.proxy.transport
	}
	return &formTrip{x: x, form: x.proxy.form, session: x.proxy.form.sessionOf(x.in.Who)}
}

// formTrip carries one request of a signed-in person.
type formTrip struct {
	x       *exchange
	form    *formLogin
	session *appSession
	handed  []formCookie // that the browser does not have yet
}

// RoundTrip sends req with the app's session, and once more if its answer
// shows that the session has expired; twice if the session that took its place
// has expired too.
func (t *formTrip) RoundTrip(req *http.Request) (*http.Response, error) {
	if t.form.cfg.Expired.Form {
		req = legible(req)
	}
	if !slices.ContainsFunc(t.form.cfg.Cookies, func(name string) bool { _, ok := cookieIn(req.Header, name); return ok }) {
		cookies, err := t.session.begin(t, req)
		if err != nil {
			if req.Body != nil {
				req.Body.Close()
			}
			return nil, err
		}
		req = t.with(req, cookies)
	}
	for round := 0; ; round++ {
		res, err := t.form.proxy.transport.RoundTrip(req)
		if err != nil {
			return nil, err
		}
		if round == 2 {
			return t.hand(res), nil
		}
		expired, suspect := t.expired(req, res)
		if !expired {
			at := t.form.publicly(req.URL)
			t.session.followed(res.Header, at, res.StatusCode == http.StatusOK && isHTML(res) && !t.form.isLogin(at))
			return t.hand(res), nil
		}
		cookies, renewed, err := t.session.renew(t, req, suspect)
		if err != nil {
			res.Body.Close()
			return nil, err
		}
		// With GetBody the request is not the browser's own, which sending it
		// again would not repeat: it is a saved form.
		repeatable := req.GetBody != nil || t.x.body == nil && (req.Method == http.MethodGet || req.Method == http.MethodHead)
		if !renewed || !repeatable && !t.session.mayResend() {
			return t.hand(res), nil
		}
		res.Body.Close()
		req = t.with(req, cookies)
		if !repeatable {
			return t.sendAgain(req), nil
		}
		if req, err = rewound(req); err != nil {
			return nil, err
		}
	}
}

// legible gives req with no wish for an encoding but gzip, which alone can be
// looked into for the form; browsers prefer others.
func legible(req *http.Request) *http.Request {
	out := *req
	out.Header = req.Header.Clone()
	out.Header.Del("Accept-Encoding")
	if strings.Contains(strings.ToLower(req.Header.Get("Accept-Encoding")), "gzip") {
		out.Header.Set("Accept-Encoding", "gzip")
	}
	return &out
}

// with gives req with those of cookies that a browser would send. If the session
// is among them all are handed to the browser, since later requests, to other
// paths too, come with its session and bring no login.
func (t *formTrip) with(req *http.Request, cookies []formCookie) *http.Request {
	sent := sentTo(cookies, req.URL.EscapedPath())
	if !slices.ContainsFunc(sent, t.form.isSession) {
		return req
	}
	t.handed = cookies
	out := *req
	out.Header = req.Header.Clone()
	putCookies(out.Header, sent)
	return &out
}

// rewound gives req with its body from the beginning. Only what the gateway
// sends itself has GetBody: of a browser's request no body is held.
func rewound(req *http.Request) (*http.Request, error) {
	if req.GetBody == nil {
		return req, nil
	}
	out := *req
	var err error
	out.Body, err = req.GetBody()
	return &out, err
}

// hand adds to an answer the cookies that the browser does not have yet. The
// app's own come after them, and so win.
func (t *formTrip) hand(res *http.Response) *http.Response {
	if len(t.handed) == 0 {
		return res
	}
	var lines []string
	for i := range t.handed {
		c := &t.handed[i]
		lines = append(lines, c.setCookie(t.form.isSession(*c), t.form.proxy.public.Scheme == "https"))
	}
	res.Header["Set-Cookie"] = append(lines, res.Header["Set-Cookie"]...)
	keepFromCaches(res.Header)
	return res
}

// sendAgain answers that the browser shall send the same request to the same
// address again: method and body stay (RFC 9110 section 15.4.8), and this time
// the app's session comes with it.
func (t *formTrip) sendAgain(req *http.Request) *http.Response {
	return t.hand(&http.Response{
		Status: "307 Temporary Redirect", StatusCode: http.StatusTemporaryRedirect, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Location": {t.form.publicly(req.URL).String()}}, Body: http.NoBody, Request: req,
	})
}

// loginHeader is what the requests of a login carry: who is signed in, as every
// request says it, and what apps are known to tie their sessions to.
func (t *formTrip) loginHeader(req *http.Request) http.Header {
	h := http.Header{"Accept": {"text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}}
	for name, values := range req.Header {
		// All reserved headers that came with the request are gone: these are ours.
		if name == "User-Agent" || name == "Accept-Language" || name == "Authorization" && t.form.proxy.basic != nil || t.form.proxy.reserved.has(name) {
			h[name] = values
		}
	}
	return h
}

// publicly is the public address of what is sent to the upstream.
func (f *formLogin) publicly(u *url.URL) *url.URL {
	return &url.URL{Scheme: f.proxy.public.Scheme, Host: f.proxy.public.Host, Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery, ForceQuery: u.ForceQuery}
}

// expired reports whether an answer looks as if the app's session were over.
// If it may mean something else, suspect is a page that shows the login form if
// it does not.
func (t *formTrip) expired(req *http.Request, res *http.Response) (yes bool, suspect *url.URL) {
	f, at := t.form, t.form.publicly(req.URL)
	login := f.isLogin(at)
	if !login && slices.Contains(f.cfg.Expired.Status, res.StatusCode) {
		return true, nil
	}
	if to := res.Header.Get("Location"); !login && isRedirect(res.StatusCode) && to != "" {
		target, ok := f.local(at, to)
		switch {
		case !ok || !isAddress(target, f.expired):
			return false, nil
		case f.cfg.Expired.Location != "":
			return true, nil
		}
		return true, target
	}
	// A login by hand that has failed shows the form again, and must.
	byHand := login && req.Method != http.MethodGet
	return f.cfg.Expired.Form && !byHand && res.StatusCode == http.StatusOK && isHTML(res) && f.showsForm(at, res), nil
}

// isLogin reports whether an address is that of the form or where it is sent:
// there, to be led back to the form means that a login by hand has failed.
func (f *formLogin) isLogin(at *url.URL) bool {
	action := f.action.Load()
	return isAddress(at, f.url) || action != nil && isAddress(at, action)
}

// isAddress reports whether u has the path of want, and at least its query: an
// app may route all its pages through one script.
func isAddress(u, want *url.URL) bool {
	if u.Path != want.Path {
		return false
	}
	has := u.Query()
	for name, values := range want.Query() {
		for _, value := range values {
			if !slices.Contains(has[name], value) {
				return false
			}
		}
	}
	return true
}

func isHTML(res *http.Response) bool {
	media, _, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
	return err == nil && (media == "text/html" || media == "application/xhtml+xml")
}

// maxPeek is how much of an answer is looked at for the form.
const maxPeek = 64 << 10

// showsForm reports whether the answer at an address begins with a page that
// holds the login form, and leaves the answer as it was.
func (f *formLogin) showsForm(at *url.URL, res *http.Response) bool {
	if e := strings.ToLower(res.Header.Get("Content-Encoding")); e != "" && e != "gzip" {
		return false
	}
	head, err := io.ReadAll(io.LimitReader(res.Body, maxPeek))
	rest := res.Body
	whole := io.MultiReader(bytes.NewReader(head), rest)
	if err != nil {
		whole = io.MultiReader(bytes.NewReader(head), failing{err})
	}
	res.Body = struct {
		io.Reader
		io.Closer
	}{whole, rest}
	peeked := *res
	peeked.Body = io.NopCloser(bytes.NewReader(head))
	content, err := readAnswer(&peeked)
	return err == nil && f.shows(&reply{at: at, page: readPage(content, res.Header.Get("Content-Type"))})
}

// failing is a reader that ends as another did.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
