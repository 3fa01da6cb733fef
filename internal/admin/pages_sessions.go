package admin

import (
	"cmp"
	"net/http"
	"net/url"
	"strconv"

	"github.com/cocoom/cocoom-gateway/gateway"
)

type sessionsPage struct {
	SessionList
	Route, Person string
	First, After  string
}

func (p *pages) sessions(r *http.Request) (view, error) {
	query := filters(r)
	list, err := p.cfg.listSessions(r.Context(), query)
	data := sessionsPage{SessionList: list, Route: query.Get("route"), Person: query.Get("person"), First: first(query, "/ui/sessions")}
	data.After = after(r, query, list.Next)
	return view{Page: "sessions", Title: "Sessions", Data: data}, err
}

// endPage asks before many sessions are ended.
type endPage struct {
	Route, Person string
	Count         int
}

// askToEnd is asked with ?person=, ?route= or both: ending all that there are is
// left to the command.
func (p *pages) askToEnd(r *http.Request) (view, error) {
	query := filters(r)
	data := endPage{Route: query.Get("route"), Person: query.Get("person")}
	v := view{Page: "error", Title: "End sessions"}
	if data.Route == "" && data.Person == "" {
		return v, mistake("say whose sessions are to be ended, or on which route")
	}
	var err error
	if data.Count, err = p.cfg.Gateway.CountSessions(r.Context(), gateway.SessionQuery{Route: data.Route, Person: data.Person}); err != nil {
		return v, err
	}
	v.Page, v.Data = "end", data
	return v, nil
}

// endSessions is the form of that page, and the button of each session.
func (p *pages) endSessions(r *http.Request) (string, error) {
	form := r.PostForm
	done, err := p.cfg.revokeSessions(r.Context(), Revoke{
		Operator: p.operator(r), Session: form.Get("session"), Person: form.Get("person"), Route: form.Get("route"), Reason: form.Get("reason"),
	})
	back := url.Values{"done": {"ended"}, "n": {strconv.Itoa(done.Ended)}}
	for _, name := range [...]string{"person", "route"} {
		if value := cmp.Or(form.Get("back_"+name), form.Get(name)); value != "" {
			back.Set(name, value)
		}
	}
	return "/ui/sessions?" + back.Encode(), err
}

// first is the address of a list's first page; empty: this is it.
func first(query url.Values, path string) string {
	if query.Get("cursor") == "" {
		return ""
	}
	again := url.Values{}
	for name := range query {
		if name != "cursor" {
			again.Set(name, query.Get(name))
		}
	}
	return path + "?" + again.Encode()
}
