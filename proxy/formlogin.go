package proxy

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/text/encoding"
)

const (
	// maxLoginRedirects is how often a step of a login may be sent elsewhere.
	maxLoginRedirects = 5
	// maxLoginPage bounds what is read of an answer, compressed or not.
	maxLoginPage = 1 << 20
)

// loginFailure is why nobody was signed in at the app. The reason is one
// constant word for the log; err may be nil and is not logged, as it can quote
// the app.
type loginFailure struct {
	status int
	reason string
	err    error
}

// Error names the reason.
func (f *loginFailure) Error() string { return "sign in at the app: " + f.reason }

// Unwrap gives the cause.
func (f *loginFailure) Unwrap() error { return f.err }

// refused is the app's no: trying again soon could lock the account.
func refused(reason string) error {
	return &loginFailure{status: http.StatusForbidden, reason: "account_" + reason}
}

// unusable says that the app's login cannot be gone through.
func unusable(reason string) error {
	return &loginFailure{status: http.StatusServiceUnavailable, reason: "login_" + reason}
}

// unanswered says that the app does not answer as it should.
func unanswered(ctx context.Context, err error) error {
	status, cause := failure(ctx, err, nil)
	return &loginFailure{status: status, reason: "login_" + cause, err: err}
}

// conversation is one login, or one look at a page, as a browser of its own:
// with no cookies but those that the app sets in it. Whatever the app says,
// requests go to the route's own upstream only.
type conversation struct {
	form    *formLogin
	ctx     context.Context
	header  http.Header // of each request
	cookies []formCookie
}

// reply is an answer that was read.
type reply struct {
	at       *url.URL // its public address
	status   int
	redirect *url.URL // where it leads; nil: nowhere on this app
	*page
}

// local resolves an address that stands on the page at base, as a browser does.
// It reports false for what is not of this app. base is public, and so is the
// result.
func (f *formLogin) local(base *url.URL, ref string) (*url.URL, bool) {
	ref = strings.Map(func(r rune) rune {
		if r == '\t' || r == '\n' || r == '\r' {
			return -1
		}
		return r
	}, strings.TrimFunc(ref, func(r rune) bool { return r <= ' ' }))
	address, _, _ := strings.Cut(ref, "?")
	if strings.Contains(address, `\`) { // to browsers it is "/", so "/\host" is another host
		return nil, false
	}
	u, err := base.Parse(ref)
	if err != nil || u.Opaque != "" || u.User != nil || u.Scheme != "http" && u.Scheme != "https" || !f.proxy.isInternal(u.Host) {
		return nil, false
	}
	if u.Path == "" {
		u.Path = "/"
	}
	return &url.URL{Scheme: f.proxy.public.Scheme, Host: f.proxy.public.Host, Path: u.Path, RawPath: u.RawPath,
		RawQuery: strings.ReplaceAll(u.RawQuery, " ", "%20")}, true
}

// get opens a page and follows its redirects.
func (c *conversation) get(at *url.URL) (*reply, error) {
	_, last, err := c.follow(http.MethodGet, at, nil, "")
	return last, err
}

// follow sends a request and follows redirects. It gives the first answer and
// the last, which may be the same.
func (c *conversation) follow(method string, at *url.URL, body []byte, contentType string) (first, last *reply, err error) {
	for range maxLoginRedirects + 1 {
		if last, err = c.send(method, at, body, contentType); err != nil {
			return nil, nil, err
		}
		if first == nil {
			first = last
		}
		if last.redirect == nil {
			return first, last, nil
		}
		at = last.redirect
		if last.status != http.StatusTemporaryRedirect && last.status != http.StatusPermanentRedirect {
			method, body, contentType = http.MethodGet, nil, ""
		}
	}
	return nil, nil, unusable("redirects_without_end")
}

// send sends one request to the upstream and reads the answer.
func (c *conversation) send(method string, at *url.URL, body []byte, contentType string) (*reply, error) {
	p := c.form.proxy
	target := &url.URL{Scheme: p.target.Scheme, Host: p.target.Host, Path: at.Path, RawPath: at.RawPath, RawQuery: at.RawQuery}
	req, err := http.NewRequestWithContext(c.ctx, method, target.String(), bytes.NewReader(body))
	if err != nil {
		return nil, unusable("address")
	}
	req.URL, req.Host, req.Header = target, p.sentHost, c.header.Clone()
	if method == http.MethodPost {
		req.Header.Set("Content-Type", contentType)
		req.Header.Set("Origin", p.public.Scheme+"://"+p.public.Host)
	}
	putCookies(req.Header, sentTo(c.cookies, at.EscapedPath()))
	res, err := p.transport.RoundTrip(req)
	if err != nil {
		return nil, unanswered(c.ctx, err)
	}
	defer res.Body.Close()
	c.cookies = withCookies(c.cookies, res.Header["Set-Cookie"], at, c.form.now())
	r := &reply{at: at, status: res.StatusCode}
	if to := res.Header.Get("Location"); isRedirect(res.StatusCode) && to != "" {
		r.redirect, _ = c.form.local(at, to)
	}
	content, err := readAnswer(res)
	if err != nil && r.redirect == nil {
		return nil, unanswered(c.ctx, err)
	}
	r.page = readPage(content, res.Header.Get("Content-Type"))
	return r, nil
}

func isRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// readAnswer reads the beginning of an answer. Some apps compress without
// having been asked to.
func readAnswer(res *http.Response) ([]byte, error) {
	var body io.Reader = io.LimitReader(res.Body, maxLoginPage)
	switch strings.ToLower(res.Header.Get("Content-Encoding")) {
	case "", "identity":
	case "gzip", "x-gzip":
		unpacked, err := gzip.NewReader(body)
		if err != nil {
			return nil, err
		}
		body = io.LimitReader(unpacked, maxLoginPage)
	default:
		return nil, errors.New("content encoding that was not asked for")
	}
	content, err := io.ReadAll(body)
	if errors.Is(err, io.ErrUnexpectedEOF) && len(content) > 0 {
		err = nil // cut off at maxLoginPage, or by the app; what there is says enough or not
	}
	return content, err
}

// signIn goes through the app's form and gives the cookies that it leaves.
func (c *conversation) signIn(a account) ([]formCookie, error) {
	f := c.form
	at, err := c.get(f.url)
	if err != nil {
		return nil, err
	}
	if at.status >= 500 {
		return nil, unusable("page_status")
	}
	l, ok := at.findLogin(f.cfg.UsernameField, f.cfg.PasswordField)
	if !ok {
		return nil, unusable("form_not_found")
	}
	action, err := f.actionOf(at, l)
	if err != nil {
		return nil, err
	}
	f.action.Store(action)
	body, contentType, err := f.fill(at.page, l, a)
	if err != nil {
		return nil, err
	}
	c.header.Set("Referer", at.at.String())
	first, last, err := c.follow(http.MethodPost, action, body, contentType)
	if err != nil {
		return nil, err
	}
	return c.cookies, c.judge(first, last)
}

// actionOf is where a form is sent to.
func (f *formLogin) actionOf(at *reply, l loginForm) (*url.URL, error) {
	if f.cfg.Action != "" {
		if action, ok := f.local(f.url, f.cfg.Action); ok {
			return action, nil
		}
		return nil, unusable("action_elsewhere")
	}
	if l.method != "post" {
		return nil, unusable("form_is_get") // the password would stand in the app's access log
	}
	base := at.at
	if at.base != "" {
		var err error
		if base, err = base.Parse(strings.TrimSpace(at.base)); err != nil {
			return nil, unusable("base_unreadable")
		}
	}
	ref := l.target()
	if strings.TrimSpace(ref) == "" {
		base, ref = at.at, at.at.String()
	}
	action, ok := f.local(base, ref)
	if !ok {
		return nil, unusable("action_elsewhere")
	}
	return action, nil
}

// fill writes the form as a browser does. Name and password must be written
// exactly: another name could be another person's.
func (f *formLogin) fill(p *page, l loginForm, a account) (body []byte, contentType string, err error) {
	pairs := slices.DeleteFunc(l.submission(a.User, a.Password.Reveal()), func(p pair) bool {
		_, replaced := f.cfg.Fields[p.name]
		return replaced
	})
	for _, name := range f.fieldNames {
		pairs = append(pairs, pair{name, f.cfg.Fields[name]})
	}
	enc, charset := p.encodingOf(l.pageForm)
	exactly := enc.NewEncoder()
	for _, s := range []string{a.User, a.Password.Reveal()} {
		if _, err := exactly.String(s); err != nil {
			return nil, "", refused("not_writable")
		}
	}
	loosely := encoding.HTMLEscapeUnsupported(enc.NewEncoder())
	for i, p := range pairs {
		if p.name == "_charset_" { // HTML standard, section 4.10.18.1
			p.value = charset
		}
		p.value = strings.NewReplacer("\r\n", "\r\n", "\r", "\r\n", "\n", "\r\n").Replace(p.value)
		if p.name, err = loosely.String(p.name); err == nil {
			p.value, err = loosely.String(p.value)
		}
		if err != nil {
			return nil, "", unusable("field_not_writable")
		}
		pairs[i] = p
	}
	if l.enctype == "multipart/form-data" {
		return multipartEncoded(pairs)
	}
	return []byte(urlEncoded(pairs)), "application/x-www-form-urlencoded", nil
}

func multipartEncoded(pairs []pair) (body []byte, contentType string, err error) {
	var out bytes.Buffer
	w := multipart.NewWriter(&out)
	escape := strings.NewReplacer("\n", "%0A", "\r", "%0D", `"`, "%22")
	for _, p := range pairs {
		part, err := w.CreatePart(textproto.MIMEHeader{"Content-Disposition": {`form-data; name="` + escape.Replace(p.name) + `"`}})
		if err == nil {
			_, err = io.WriteString(part, p.value)
		}
		if err != nil {
			return nil, "", fmt.Errorf("write form: %w", err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, "", fmt.Errorf("write form: %w", err)
	}
	return out.Bytes(), w.FormDataContentType(), nil
}

// judge tells whether the login has succeeded: first is the answer to the
// form, last the page that it leads to.
func (c *conversation) judge(first, last *reply) error {
	cfg := &c.form.cfg
	has := func(name string) bool {
		return slices.ContainsFunc(c.cookies, func(c formCookie) bool { return c.name == name && c.value != "" })
	}
	switch {
	case first.status >= 500 || last.status >= 500:
		return unusable("answer_status")
	case cfg.Failure.Text != "" && (strings.Contains(first.text, cfg.Failure.Text) || strings.Contains(last.text, cfg.Failure.Text)):
		return refused("failure_text")
	case c.form.shows(last):
		return refused("form_again")
	case last.status >= 400:
		return refused("answer_status")
	case !slices.ContainsFunc(cfg.Cookies, has):
		return refused("no_session_cookie")
	case cfg.Success.Cookie != "" && !has(cfg.Success.Cookie):
		return refused("no_success_cookie")
	case cfg.Success.Location != "" && (first.redirect == nil || !strings.HasPrefix(first.redirect.EscapedPath(), cfg.Success.Location)):
		return refused("no_success_location")
	}
	return nil
}

// shows reports whether a page holds the login form. A form that is sent
// elsewhere is not it: pages ask for passwords to confirm or to change them too.
func (f *formLogin) shows(r *reply) bool {
	l, ok := r.findLogin(f.cfg.UsernameField, f.cfg.PasswordField)
	if !ok {
		return false
	}
	known := f.action.Load()
	if known == nil || f.cfg.Action != "" {
		return true
	}
	action, err := f.actionOf(r, l)
	return err == nil && action.Path == known.Path
}
