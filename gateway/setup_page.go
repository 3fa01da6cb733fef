package gateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"
)

//go:embed templates/setup.html
var setupSource string

//go:embed templates/setup.css
var setupExtra string

var (
	setupTemplate = template.Must(template.New("setup").Parse(setupSource))
	setupStyle    = pageStyle + setupExtra
	setupPolicy   = "default-src 'none'; img-src 'self'; style-src 'sha256-" + setupHash() + "'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)

func setupHash() string {
	sum := sha256.Sum256([]byte(setupStyle))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// The steps of a set-up, as the pages number them.
const (
	stepCreate = 1 + iota
	stepSecrets
	stepInstall
	stepTry
)

// managedOnly is with, for pages that only routes with a managed Slack app have.
func managedOnly(h handler) echo.HandlerFunc {
	return with(func(x *exchange, c echo.Context) error {
		if !x.route.SlackApp.Managed || x.route.Manifest == nil {
			return errNotFound
		}
		if r := c.Request(); r.Method == http.MethodPost && !x.route.ownOrigin(r) {
			return x.route.foreign(r)
		}
		return h(x, c)
	})
}

// setup is where setup links lead, and then, without the key, the page of the step
// that is next. GET changes nothing: the preview that a chat or a mail program
// makes of the link must not use it.
func (g *Gateway) setup(x *exchange, c echo.Context) error {
	switch {
	case c.QueryParam("key") != "":
		return g.setupDoor(x, c)
	case c.Request().Method == http.MethodPost:
		return errMethod
	}
	v, err := g.visitSetup(x, c)
	if asRefusal(err) == errSetupFinished { // by this browser
		t := textFor(lang(c.Request()), "setup_done", x.route)
		p := page{Title: t.Title, Text: t.Text, LinkLabel: t.Link}
		if x.route.Login != nil {
			p.Link = "/"
		}
		return x.show(c.Request(), http.StatusOK, p)
	}
	if err != nil {
		return err
	}
	step, err := strconv.Atoi(c.QueryParam("step"))
	if err != nil || step < stepCreate || step > v.furthest() {
		step = v.next()
	}
	return g.showSetup(v, step, nil)
}

// setupDoor is the link itself: a page with a button, which makes this browser the
// one that uses the link. Another browser that has begun is told so first.
func (g *Gateway) setupDoor(x *exchange, c echo.Context) error {
	r, rt, key := c.Request(), x.route, c.QueryParam("key")
	leave, no := g.mayLookUp(x)
	if no != nil {
		return no
	}
	l, err := g.findSetupLink(r.Context(), rt, linkID(key))
	leave()
	if err != nil {
		return errStore.because(fmt.Errorf("read setup link: %w", err))
	}
	if l == nil {
		return g.failed(x, countLinks, linkBudget, errSetupUnknown)
	}
	if no := l.refusal(g.cfg.Now()); no != nil {
		return no
	}
	held := g.readSetupCookie(rt, r)
	mine := held.Link == l.id && l.heldBy(held.Secret)
	if r.Method == http.MethodPost {
		return g.takeSetup(x, c, l.id, c.QueryParam("take") != "" || mine)
	}
	x.referrer = "strict-origin" // as on the page of a break-glass link
	if mine {
		return x.redirect(c, http.StatusFound, g.setupURL(rt))
	}
	code, post := "setup_begin", g.cfg.Prefix+"/setup?key="+url.QueryEscape(key)
	if l.detail.Bound != "" {
		code, post = "setup_elsewhere", post+"&take=1"
	}
	t := textFor(lang(r), code, rt)
	return x.show(r, http.StatusOK, page{Title: t.Title, Text: t.Text, Post: post, PostLabel: t.Link,
		Facts: []fact{{labels[lang(r)]["site"], rt.Host}, {labels[lang(r)]["good_until"], moment(l.expires, lang(r))}}})
}

// takeSetup binds the link to the browser. From another one it is taken only if
// the person has been told.
func (g *Gateway) takeSetup(x *exchange, c echo.Context, id string, told bool) error {
	rt, secret := x.route, randomText(16)
	err := g.changeSetup(c.Request().Context(), rt, id, "", func(ctx context.Context, tx *sql.Tx, l *setupLink) error {
		if l.detail.Bound != "" && !told {
			return errSetupTaken
		}
		l.detail.Bound = bindHash(secret)
		return audit(ctx, tx, g.cfg.Now(), auditEntry{"setup link of " + l.by, "setup.opened", rt.Host, "from " + x.client.String()})
	})
	if err == nil {
		err = g.setSetupCookie(x, rt, setupCookie{id, secret})
	}
	if err != nil {
		return err
	}
	return g.backToSetup(x, c)
}

// backToSetup ends a step.
func (g *Gateway) backToSetup(x *exchange, c echo.Context) error {
	return x.redirect(c, http.StatusSeeOther, g.setupURL(x.route))
}

// setupVisit is a request by the browser that uses a link.
type setupVisit struct {
	x       *exchange
	r       *http.Request
	lang    string
	browser string // its secret
	link    *setupLink
	row     *managedRow
	typed   managedSecrets
}

// visitSetup finds the link that the browser uses, or gives the refusal.
func (g *Gateway) visitSetup(x *exchange, c echo.Context) (*setupVisit, error) {
	r, rt := c.Request(), x.route
	held := g.readSetupCookie(rt, r)
	if held.Link == "" {
		return nil, errSetupNoLink
	}
	l, err := g.findSetupLink(r.Context(), rt, held.Link)
	if err != nil {
		return nil, errStore.because(fmt.Errorf("read setup link: %w", err))
	}
	if l == nil {
		return nil, errSetupUnknown
	}
	if no := l.refusal(g.cfg.Now()); no != nil {
		return nil, no
	}
	if !l.heldBy(held.Secret) {
		return nil, errSetupTaken
	}
	v := &setupVisit{x: x, r: r, lang: lang(r), browser: held.Secret, link: l}
	if v.typed, err = g.openTyped(l); err != nil {
		return nil, err
	}
	if v.row, err = g.managed(r.Context(), rt.Host); err != nil {
		return nil, errStore.because(err)
	}
	return v, nil
}

// change changes the visit's link.
func (g *Gateway) change(v *setupVisit, change func(ctx context.Context, tx *sql.Tx, l *setupLink) error) error {
	return g.changeSetup(v.r.Context(), v.x.route, v.link.id, v.browser, change)
}

// candidate is what installing would use: what was typed, else what is in force.
func (v *setupVisit) candidate() managedSecrets {
	if v.link.detail.Checked && v.typed.credentials() {
		return v.typed
	}
	return v.row.secrets
}

// next is the step that is to be done now.
func (v *setupVisit) next() int {
	switch {
	case v.link.detail.Checked && v.typed.credentials():
		return stepInstall
	case v.typed != managedSecrets{}:
		return stepSecrets
	case v.row.installed():
		return stepTry
	}
	return stepCreate
}

// furthest is the last step that can be looked at.
func (v *setupVisit) furthest() int {
	switch {
	case v.row.installed():
		return stepTry
	case v.candidate().credentials():
		return stepInstall
	}
	return stepSecrets
}

// setupPage is what templates/setup.html shows.
type setupPage struct {
	Lang    string
	Style   template.CSS
	T       map[string]string
	Path    string // of the pages
	Steps   []setupStep
	Step    int
	Heading string // which step that is
	Again   int    // seconds after which the page is asked for again; 0: not

	Notice *setupNotice

	CreateLink string
	Events     bool // the app is told of changes

	ClientID   string
	HasSecret  bool // typed before, and kept
	HasSigning bool
	Mistakes   map[string]string // by field

	Scopes    []string
	Team      string // which workspace is to be chosen; empty: whichever
	Installed []fact

	Login     string // where a sign-in begins; empty: the route has none
	SignedIn  []fact
	CanTell   bool // the route has notifications, and there is somebody to tell
	Message   *setupNotice
	Connected bool // what was set up is in force

	RequestID string
}

// setupStep is one in the list of all.
type setupStep struct {
	N       int
	Label   string
	Done    bool
	Current bool
	Href    string // empty: cannot be gone to
}

// setupNotice is what a page says about what was just tried.
type setupNotice struct {
	Kind  string // bad | good | wait
	Text  string
	Slack string // Slack's own word for it
}

// showSetup writes the page of a step; trouble is what kept the last one from
// succeeding, nil if nothing did.
func (g *Gateway) showSetup(v *setupVisit, step int, trouble error) error {
	x, rt := v.x, v.x.route
	// #nosec G203 -- our own style sheet
	p := setupPage{Lang: v.lang, Style: template.CSS(setupStyle), T: setupWords(v.lang, rt), Path: g.cfg.Prefix + "/setup", Step: step, Connected: v.row.inForce(rt)}
	p.Steps = v.steps(p.T, p.Path, step)
	p.Heading = headingOf(p.Steps, p.T)
	status := http.StatusOK
	var why *setupTrouble
	switch {
	case errors.As(trouble, &why):
		status, p.Notice, p.Mistakes = why.status, why.notice(p.T), why.mistakes(p.T)
		x.failure = why
		if why.slack != "" || why.status >= 500 { // or there is nothing that the log knows better
			p.RequestID = x.id
		}
		if why.retry != "" {
			x.Header().Set("Retry-After", why.retry)
		}
	case trouble != nil:
		return trouble
	}
	var err error
	switch step {
	case stepCreate:
		p.Events = rt.Manifest.Settings.Events != nil
		p.CreateLink, err = rt.Manifest.Link(g.slackAt(x).Issuer)
	case stepSecrets:
		p.ClientID, p.HasSecret, p.HasSigning = v.typed.ClientID, v.typed.ClientSecret != "", v.typed.SigningSecret != ""
	case stepInstall:
		for _, scope := range rt.Manifest.OAuth.Scopes.Bot {
			p.Scopes = append(p.Scopes, scopeWords(v.lang, scope))
		}
		if name := v.pinnedName(); name != "" {
			p.Team = strings.ReplaceAll(p.T["install_team"], "{detail}", name)
		}
	case stepTry:
		err = g.showTry(v, &p)
	}
	if err != nil {
		return err
	}
	return x.showSetup(v.r, status, p)
}

func (x *exchange) showSetup(r *http.Request, status int, p setupPage) error {
	var b bytes.Buffer
	if err := setupTemplate.Execute(&b, p); err != nil {
		return err
	}
	h := x.ownHeaders("text/html; charset=utf-8")
	h.Set("Content-Language", p.Lang)
	h.Set("Content-Security-Policy", setupPolicy)
	h.Set("Cross-Origin-Opener-Policy", "same-origin") // secrets are typed here, and no app opens it
	if p.Again > 0 {
		h.Set("Refresh", strconv.Itoa(p.Again)+"; url="+p.Path)
	}
	x.WriteHeader(status)
	x.body(r, b.Bytes())
	return nil
}

// steps lists all of them. One that the route does not need is left out.
func (v *setupVisit) steps(t map[string]string, path string, current int) (list []setupStep) {
	for n := stepCreate; n <= stepTry; n++ {
		if n == stepInstall && !v.x.route.needsBot() {
			continue
		}
		s := setupStep{N: len(list) + 1, Label: t["step_"+strconv.Itoa(n)], Done: n < v.next(), Current: n == current}
		if n != current && n <= v.furthest() {
			s.Href = path + "?step=" + strconv.Itoa(n)
		}
		list = append(list, s)
	}
	return list
}

// headingOf says which of the steps a page is.
func headingOf(steps []setupStep, t map[string]string) string {
	for _, s := range steps {
		if s.Current {
			return strings.NewReplacer("{n}", strconv.Itoa(s.N), "{of}", strconv.Itoa(len(steps)), "{detail}", s.Label).Replace(t["heading"])
		}
	}
	return ""
}

// setupTrouble is why a step did not succeed, said on the step's own page.
type setupTrouble struct {
	status int
	code   string            // the key into the texts, after "no_"
	detail string            // stands for {detail} there
	slack  string            // Slack's own word for it, for the page
	fields map[string]string // texts' keys by the fields that are to be mended
	retry  string
	cause  error // for the log alone
}

// Error names the trouble, for the log.
func (t *setupTrouble) Error() string {
	if t.cause == nil {
		return "setup_" + t.code
	}
	return "setup_" + t.code + ": " + t.cause.Error()
}

// Unwrap gives the cause.
func (t *setupTrouble) Unwrap() error { return t.cause }

func (t *setupTrouble) notice(words map[string]string) *setupNotice {
	return &setupNotice{Kind: "bad", Text: strings.ReplaceAll(words["no_"+t.code], "{detail}", t.detail), Slack: t.slack}
}

func (t *setupTrouble) mistakes(words map[string]string) map[string]string {
	out := make(map[string]string, len(t.fields))
	for field, code := range t.fields {
		out[field] = words["no_"+code]
	}
	return out
}

// refusedSetup is a trouble that the person's own act has come to.
func refusedSetup(code, detail string, cause error) *setupTrouble {
	return &setupTrouble{status: http.StatusForbidden, code: code, detail: detail, cause: cause}
}

// route finds a route by its host; nil if there is none.
func (g *Gateway) route(host string) *Route { return g.routes().find(host) }

// slackAt says where Slack is for an exchange.
func (*Gateway) slackAt(x *exchange) Slack {
	return Slack{Issuer: x.conf.provider.issuer, APIURL: x.conf.apiURL}
}
