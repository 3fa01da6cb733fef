package gateway

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
	"golang.org/x/text/language"

	"github.com/cocoom/cocoom-gateway/internal/problem"
)

//go:embed templates/page.html
var pageSource string

//go:embed templates/page.css
var pageStyle string

var (
	pageTemplate = template.Must(template.New("page").Parse(pageSource))
	pagePolicy   = "default-src 'none'; style-src 'sha256-" + styleHash() + "'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
	languages    = language.NewMatcher([]language.Tag{language.English, language.French})
)

// styleHash lets the page's own style sheet stand in it without 'unsafe-inline'.
func styleHash() string {
	sum := sha256.Sum256([]byte(pageStyle))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// page is what templates/page.html shows.
type page struct {
	Lang      string
	Style     template.CSS
	Title     string
	Text      []string // paragraphs
	Facts     []fact   // a list of names and values
	Link      string   // the next step; empty: none
	LinkLabel string
	Quiet     bool   // the link is not what the page advises
	Post      string // the address of a form with one button; empty: none
	PostLabel string
	Send      *sendButton
	NewTab    bool // Link opens a new tab: from this one a person goes back

	Sessions      []ownSession // where the person is signed in; none: not shown
	SessionsLabel string
	PostAll       string // the address of a second form with one button; empty: none
	PostAllLabel  string

	RequestID string // empty: not shown

	RequestLabel string // set by show, as are Lang and Style
}

type fact struct{ Name, Value string }

// lang picks French or English by Accept-Language.
func lang(r *http.Request) string {
	tags, _, err := language.ParseAcceptLanguage(clip(r.Header.Get("Accept-Language"), 200))
	if err != nil {
		return "en"
	}
	if _, i, _ := languages.Match(tags...); i == 1 {
		return "fr"
	}
	return "en"
}

// show writes a page of ours. Nothing of it may be cached, framed or sniffed,
// and no script runs on it.
func (x *exchange) show(r *http.Request, status int, p page) error {
	// #nosec G203 -- our own style sheet
	p.Lang, p.Style = lang(r), template.CSS(pageStyle)
	p.RequestLabel = labels[p.Lang]["request"]
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, p); err != nil {
		return err
	}
	h := x.ownHeaders("text/html; charset=utf-8")
	h.Set("Content-Language", p.Lang)
	x.WriteHeader(status)
	x.body(r, b.Bytes())
	return nil
}

func loginLink(why *refusal) string {
	if why.status == http.StatusUnauthorized {
		return why.link
	}
	return ""
}

// refuse answers with what err says: a page for people, a problem for programs.
func (x *exchange) refuse(r *http.Request, err error) {
	why := asRefusal(err)
	x.failure = why
	if x.status != 0 {
		return // the answer has begun; there is no taking it back
	}
	if why.retry != "" {
		x.Header().Set("Retry-After", why.retry)
	}
	if why.status == http.StatusUnauthorized && x.route != nil {
		x.Header()["Www-Authenticate"] = x.route.challenges(r, why)
	}
	t := textFor(lang(r), why.code, x.route).naming(why.detail)
	if why.code == errMaintenance.code {
		t = x.route.Maintenance.say(t, lang(r), x.begun)
	}
	if x.program || classOf(r) == background {
		x.ownHeaders("application/problem+json")
		problem.Problem{Status: why.status, Code: why.code, Title: t.Title, Detail: strings.Join(t.Text, " "),
			LoginURL: loginLink(why), RequestID: x.id}.Write(x, r)
		return
	}
	p := page{Title: t.Title, Text: t.Text, RequestID: x.id}
	if why.last {
		last := textFor(lang(r), "last_round", x.route)
		p.Text, t.Link, p.Quiet = append(p.Text, last.Text...), last.Link, true
	}
	if why.slack != "" {
		p.Facts = []fact{{labels[lang(r)]["slack"], why.slack}}
	}
	if why.link != "" && t.Link != "" {
		p.Link, p.LinkLabel, p.NewTab = why.link, t.Link, why.newTab
	}
	if err := x.show(r, why.status, p); err != nil {
		x.failure = err
	}
}

// redirect sends the client elsewhere, and is kept by no cache: a shared one
// would hand it, with its cookies and its state, to the next who asks.
func (x *exchange) redirect(c echo.Context, status int, to string) error {
	x.forNobodyElse()
	return c.Redirect(status, to)
}

// forNobodyElse are the headers of every answer of the gateway itself: kept by
// nobody, taken for nothing but what it says it is, framed nowhere, and given to no
// page of another origin, which a sister subdomain's is, too. There is no
// Cross-Origin-Opener-Policy among them: an old app's pop-up that has met one of our
// pages on its way to Slack must still find the window that opened it.
func (x *exchange) forNobodyElse() http.Header {
	h := x.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY") // browsers that know frame-ancestors pass over it
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	return h
}

// ownHeaders are the headers of what the gateway itself has to say.
func (x *exchange) ownHeaders(contentType string) http.Header {
	h := x.forNobodyElse()
	for _, name := range [...]string{"Content-Length", "Content-Encoding", "Etag", "Last-Modified"} {
		h.Del(name) // what an app had begun to say
	}
	h.Set("Content-Type", contentType)
	h.Set("Vary", "Accept-Language")
	h.Set("Content-Security-Policy", pagePolicy)
	// Not no-referrer: with it browsers send "Origin: null" with our own forms.
	h.Set("Referrer-Policy", cmp.Or(x.referrer, "same-origin"))
	return h
}

// body writes b, unless the request was HEAD. A failed write means that nobody
// reads any more.
func (x *exchange) body(r *http.Request, b []byte) {
	if r.Method != http.MethodHead {
		_, _ = x.Write(b)
	}
}
