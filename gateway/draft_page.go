package gateway

import (
	"html"
	"html/template"
	"net/http"

	"github.com/labstack/echo/v4"
)

// sendButton sends a draft: with the draft's name alone, to the very address
// that the form was for, so that the browser ends there.
type sendButton struct {
	// Action is the whole attribute: html/template would rewrite what is not
	// escaped as it likes it, such as "?q=50%", and the address be another.
	Action template.HTMLAttr
	Field  string
	Name   string
	Label  string
}

// savedForm is the page of a draft: what it holds, where it goes, and a button.
// Who has no session is sent to sign in and comes back.
func (g *Gateway) savedForm(x *exchange, c echo.Context) error {
	r, rt, name := c.Request(), x.route, c.QueryParam("id")
	x.session = g.sessions.open(rt, r)
	d, err := g.draftOf(x, r, name)
	if d == nil {
		if why := asRefusal(err); why.code == errFormKept.code {
			// Not a redirect: see saveForm. To a person it is the same.
			x.Header().Set("Refresh", "0; url="+why.link)
		}
		return err
	}
	l := lang(r)
	t := textFor(l, "form", rt)
	p := page{Title: t.Title, Text: t.Text, Link: rt.Origin + ownPath(rt, d.referer), LinkLabel: t.Link,
		Facts: append([]fact{{labels[l]["goes_to"], readable([]byte(d.target))}}, d.fields(l)...)}
	if d.sent {
		t = textFor(l, errFormSent.code, rt)
		p.Title, p.Text, p.LinkLabel = t.Title, t.Text, t.Link
		return x.show(r, errFormSent.status, p)
	}
	p.Send = &sendButton{
		// #nosec G203 -- escaped here, since html/template would rewrite the address
		Action: template.HTMLAttr(`action="` + html.EscapeString(rt.Origin+d.target) + `"`),
		Field:  formField, Name: name, Label: labels[l]["send"],
	}
	return x.show(r, http.StatusOK, p)
}

// draftOf gives the draft of that name if the request's browser holds it and
// the signed-in person wrote it, or else the refusal to answer with. With
// errFormSent the draft is given too.
func (g *Gateway) draftOf(x *exchange, r *http.Request, name string) (*draft, error) {
	rt := x.route
	secret := ""
	if plausible(name, maxDraftName, "") {
		secret = cookieValue(r, draftPrefix(rt)+name)
	}
	if secret == "" {
		return nil, errFormGone
	}
	d, err := g.drafts.find(r.Context(), rt, draftID(name, secret))
	switch {
	case err != nil:
		return nil, errFormStore.because(err).linking(g.draftURL(rt, name))
	case d == nil:
		return nil, errFormGone
	case x.session == nil:
		return nil, errFormKept.linking(g.loginURL(rt, g.cfg.Prefix+"/form?id="+name))
	case !d.belongsTo(x.session.identity):
		return nil, errFormForeign
	case d.sent:
		return d, errFormSent.linking(rt.Origin + ownPath(rt, d.referer))
	}
	return d, nil
}
